// Where a primary listens: free ports, a unix socket over reloads, sockets that are passed to it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { testConfig } from '../../lib/run/inspect.ts'
import { holdSocket } from '../../lib/spawn/listening.ts'
import { runCli } from '../helpers/cli.ts'
import { compiled } from '../helpers/compiled.ts'
import { tempDir } from '../helpers/temp.ts'

const linux = { skip: process.platform !== 'linux' && 'looks into /proc' }

async function get (target: string): Promise<string> {
  const request = target.startsWith('unix:') ? http.request({ socketPath: target.slice('unix:'.length), agent: false }) : http.request(target, { agent: false })
  const [response]: http.IncomingMessage[] = await once(request.end(), 'response')
  let text = ''
  for await (const piece of response ?? []) text += String(piece)
  return text
}

/** Connections that may wait, as the system has them for a unix socket that listens; `undefined` where `ss` is not there. */
async function backlogOf (path: string): Promise<number | undefined> {
  const child = spawn('ss', ['-xlH'], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', piece => { text += String(piece) })
  const [code] = await Promise.race([once(child, 'close'), once(child, 'error')])
  const line = text.split('\n').find(one => one.includes(` ${path} `))
  return code === 0 && line !== undefined ? Number(line.split(/\s+/)[3]) : undefined
}

test('free ports are as many as are said, and a socket is what the reloaded configuration says', { timeout: 120_000 }, async () => {
  await using dir = await tempDir()
  const path = dir.socket('web.sock')
  const file = dir.file('gateway.config.mjs')
  const write = (socket: object): Promise<void> => writeFile(file, `export default {
    listen: [0, ${JSON.stringify({ path, ...socket })}, { port: 0 }],
    setup (app) { app.get('/', async request => request.raw.socket.localPort) },
  }`)
  await write({ mode: '620', backlog: 100 })
  await using gateway = runCli('--config', file)
  await gateway.printed(/workers serve/)
  const ports = [...gateway.stdout.matchAll(/Server listening at http:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port = '']) => port)
  assert.equal(new Set(ports).size, 2)
  for (const port of ports) assert.equal(await get(`http://127.0.0.1:${port}/`), port)
  assert.equal(statSync(path).mode & 0o777, 0o620)

  await write({ mode: '600', backlog: 7 })
  await using reload = runCli('reload', '--config', file)
  assert.deepEqual(await reload.ended, { code: 0, signal: null }, reload.stderr)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.ok([7, undefined].includes(await backlogOf(path)))
  for (const port of ports) assert.equal(await get(`http://127.0.0.1:${port}/`), port)
  await get(`unix:${path}`)

  // A file that was deleted is made again.
  await rm(path)
  await using again = runCli('reload', '--config', file)
  assert.deepEqual(await again.ended, { code: 0, signal: null }, again.stderr)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  await get(`unix:${path}`)

  // What cannot be reloaded leaves it as it was.
  await writeFile(file, `export default { listen: [{ path: ${JSON.stringify(path)}, mode: '666' }, '192.0.2.1:80'] }`)
  await using wrong = runCli('reload', '--config', file)
  assert.equal((await wrong.ended).code, 1)
  assert.match(wrong.stderr, /nothing is changed: cannot listen on 192\.0\.2\.1:80/)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('--test has all places open at once, as they will be', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  await new Promise(resolve => server.close(resolve))
  await assert.rejects(testConfig({ listen: [address.port, `0.0.0.0:${address.port}`] }), /cannot listen on 0\.0\.0\.0:\d+: the address is in use/)
  assert.match(await testConfig({ listen: [0, 0] }), /is right/)
})

test('sockets that systemd passes are served, and named by their paths', linux, async () => {
  await using dir = await tempDir()
  const paths = [dir.socket('a.sock'), dir.socket('b.sock')]
  const sockets = await Promise.all(paths.map(path => holdSocket(path)))
  const file = dir.file('gateway.config.json')
  await writeFile(file, '{ "listen": "systemd:web" }')
  // systemd runs the command itself: the number of the process is that of the shell before.
  const child = spawn('/bin/sh', ['-c', 'export LISTEN_PID=$$; exec "$@"', 'systemd', process.execPath, compiled('lib/run/bin.ts'), '--config', file], {
    env: { ...process.env, LISTEN_FDS: '2', LISTEN_FDNAMES: 'other:web' },
    stdio: ['ignore', 'pipe', 'inherit', ...sockets.map(({ fd }) => fd)],
  })
  try {
    assert.ok(child.stdout !== null)
    let log = ''
    for await (const line of createInterface(child.stdout)) {
      log += line
      if (line.includes('workers serve')) break
    }
    assert.ok(log.includes(`Server listening at unix:${paths[1]}"`), log)
    assert.match(await get(`unix:${paths[1]}`), /Route GET:\/ not found/)
    child.stdout.resume()
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    // They are systemd's.
    for (const path of paths) assert.ok(statSync(path).isSocket())
  } finally {
    child.kill('SIGKILL')
    for (const socket of sockets) await socket.close()
  }
})
