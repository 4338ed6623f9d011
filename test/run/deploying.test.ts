import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { readArguments } from '../../lib/run/arguments.ts'
import { testConfig } from '../../lib/run/inspect.ts'
import { splitWords } from '../../lib/run/words.ts'
import { Applications } from '../helpers/applications.ts'
import { DEPLOYED } from '../helpers/deployed.ts'
import { startGateway } from '../helpers/gateway.ts'
import { NGINX, startNginx } from '../helpers/nginx.ts'
import { missingPackage } from '../helpers/packages.ts'
import { fileOf } from '../helpers/page.ts'
import { freePort } from '../helpers/ready.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { readSnippets } from '../helpers/snippets.ts'
import { tempDir } from '../helpers/temp.ts'
import { UWSGI } from '../helpers/uwsgi.ts'

const files = new Map((await readSnippets('docs/deploying.md')).map(({ notes, code }) => [fileOf(notes), code]))

function read (name: string): string {
  const text = files.get(name)
  assert.ok(text !== undefined, name)
  return text
}

test('every file of the page is tried here', () => {
  assert.deepEqual([...files.keys()].filter(name => name !== undefined), DEPLOYED)
})

test('gateway.config.mjs is right, its application included', { skip: missingPackage('uwsgi-plugin-python3', ...UWSGI) }, async () => {
  await using dir = await tempDir()
  await using applications = await Applications.create()
  const text = (await applications.rewrite(read('gateway.config.mjs')))
    .replace("listen: 'systemd'", 'listen: 0')
    .replaceAll('/var/log/gateway', dir.path)
  const file = dir.file('gateway.config.mjs')
  writeFileSync(file, text)
  assert.equal(await testConfig(file), `${file} is right`)
})

const ANALYZE = '/usr/bin/systemd-analyze'

describe('the units of systemd', () => {
  test('are units', { skip: !existsSync(ANALYZE) && 'systemd-analyze is not installed' }, async () => {
    await using dir = await tempDir()
    writeFileSync(dir.file('gateway.socket'), read('gateway.socket'))
    writeFileSync(dir.file('gateway.service'), read('gateway.service').replace('/srv/gateway/node_modules/.bin/fastify-scgi', '/bin/true').replace('WorkingDirectory=/srv/gateway', 'WorkingDirectory=/'))
    const { stderr, stdout } = spawnSync(ANALYZE, ['verify', dir.file('gateway.socket'), dir.file('gateway.service')], { encoding: 'utf8' })
    const about = (stdout + stderr).split('\n').filter(line => line.includes('gateway.'))
    assert.deepEqual(about, [])
  })

  test('start the command as it is', () => {
    const [, ...args] = splitWords('', /^ExecStart=(.*)$/m.exec(read('gateway.service'))?.[1] ?? '')
    assert.deepEqual(readArguments(args), { what: 'run', config: 'gateway.config.mjs' })
    assert.match(read('gateway.config.mjs'), /listen: 'systemd'/)
  })
})

test('containers run commands that there are', () => {
  const command: unknown = JSON.parse(/^CMD (.*)$/m.exec(read('Dockerfile'))?.[1] ?? '')
  assert.ok(Array.isArray(command))
  const [program, ...args] = command.map(String)
  assert.equal(program, 'node_modules/.bin/fastify-scgi')
  const wanted = readArguments(args)
  assert.ok(wanted.what === 'run' && typeof wanted.config === 'object')
  const [, port] = /:(\d+)'/.exec(/ports: \[(.*)\]/.exec(read('compose.yaml'))?.[1] ?? '') ?? []
  assert.deepEqual(wanted.config.listen, [{ host: '0.0.0.0', port: Number(port) }])
  // Its names are those of the services.
  for (const name of ['gateway', 'application', 'redis']) assert.match(read('compose.yaml'), new RegExp(`^ {2}${name}:$`, 'm'))
})

test("PM2's file starts the command", async () => {
  await using dir = await tempDir()
  const file = dir.file('ecosystem.config.cjs')
  writeFileSync(file, read('ecosystem.config.cjs'))
  const { apps: [app] } = createRequire(import.meta.url)(file)
  assert.deepEqual(readArguments(splitWords('', app.args)), { what: 'run', config: 'gateway.config.mjs' })
  assert.equal(app.exec_mode, 'fork')
})

test('logrotate tells the service that is there, with a signal that reopens', () => {
  assert.match(read('logrotate.conf'), /--signal=USR1 gateway\.service\n/)
  assert.match(read('gateway.config.mjs'), /'\/var\/log\/gateway\/gateway\.log'/)
  assert.match(read('logrotate.conf'), /^\/var\/log\/gateway\/\*\.log \{/)
})

test('nginx in front: the application sees the client, the scheme and the host', { skip: missingPackage('nginx', NGINX) }, async () => {
  await using application = await startRecorder()
  await using gateway = await startGateway({ upstreams: application.address }, { trustProxy: true })
  const port = await freePort()
  const http = read('nginx.conf')
    .replace('unix:/run/gateway/http.sock', `127.0.0.1:${gateway.port}`)
    .replace('listen 443 ssl http2;', `listen 127.0.0.1:${port};`)
    .replace(/^ *ssl_certificate.*\n/gm, '')
    .replace('$scheme', 'https')
  assert.ok(!http.includes('ssl'))
  await using nginx = await startNginx({ http, server: '' })
  assert.ok(nginx.pid > 0)
  const response = await fetch(`http://127.0.0.1:${port}/a`, { headers: { 'x-forwarded-for': '192.0.2.1', connection: 'close' } })
  assert.equal(await response.text(), 'ok')
  const [request] = application.requests
  assert.ok(request !== undefined)
  const params = new Map(request.params)
  // Not what the client says of itself.
  assert.equal(params.get('REMOTE_ADDR'), '127.0.0.1')
  assert.equal(params.get('HTTPS'), 'on')
  assert.equal(params.get('SERVER_NAME'), '127.0.0.1')
})
