import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { test } from 'node:test'
import { readArguments } from '../../lib/run/arguments.ts'
import { UsageError } from '../../lib/run/errors.ts'
import { runCli } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

const ANSWER = 'Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'

test('reads its arguments', () => {
  assert.deepEqual(readArguments(['127.0.0.1:4000']), {
    what: 'run',
    config: {
      listen: [{ host: '127.0.0.1', port: 8080 }],
      fastify: {},
      mounts: [{ prefix: '/', upstreams: ['127.0.0.1:4000'], defaultParams: 'cgi' }],
      log: {},
    },
  })
  assert.deepEqual(readArguments([
    '--listen=[::1]:80', '--prefix', '/app', '--params', 'nginx', '--log-level', 'debug', '--body-limit', '20m', '--demo', 'localhost', 'unix:/run/ab.sock',
    '--log-file', '/var/log/gateway.log', '--listen', 'unix:/run/web.sock', '--listen-mode', '660', '--tls-cert', 'a.crt', '--tls-key', 'a.key', '--http2',
    '--workers', 'auto', '--trust-proxy', '10.0.0.0/8,127.0.0.1', '--max-header-size', '32k', '--access-log', 'json', '--pid-file', '/run/a.pid',
    'http://127.0.0.1:3000',
  ]), {
    what: 'run',
    config: {
      listen: [
        { host: '::1', port: 80, tls: { cert: 'a.crt', key: 'a.key' }, http2: true },
        { path: '/run/web.sock', mode: '660', tls: { cert: 'a.crt', key: 'a.key' }, http2: true },
      ],
      workers: 'auto',
      fastify: { trustProxy: '10.0.0.0/8,127.0.0.1', http: { maxHeaderSize: 32 * 1024 } },
      mounts: [{
        prefix: '/app',
        upstreams: ['localhost', 'unix:/run/ab.sock', 'http://127.0.0.1:3000'],
        defaultParams: 'nginx',
        bodyLimit: 20 * 1024 ** 2,
      }],
      log: { level: 'debug', file: '/var/log/gateway.log' },
      accessLog: 'json',
      pidFile: '/run/a.pid',
    },
  })
  for (const [text, listen] of [
    ['8080', { host: '127.0.0.1', port: 8080 }],
    ['0', { host: '127.0.0.1', port: 0 }],
    ['0.0.0.0:80', { host: '0.0.0.0', port: 80 }],
    ['localhost:8080', { host: 'localhost', port: 8080 }],
    ['[::]:8080', { host: '::', port: 8080 }],
    ['unix:/run/web.sock', { path: '/run/web.sock' }],
    ['fd:3', { fd: 3 }],
    ['systemd', { systemd: true }],
    ['systemd:web', { systemd: 'web' }],
  ] as const) {
    const read = readArguments(['--listen', text, 'a:1'])
    assert.ok('config' in read && typeof read.config === 'object', text)
    assert.deepEqual(read.config.listen, [listen], text)
  }
  assert.deepEqual(readArguments(['--help', 'a:1']), { what: 'help' })
  assert.deepEqual(readArguments(['-c', 'a.mjs']), { what: 'run', config: 'a.mjs' })
  assert.deepEqual(readArguments(['--config', 'a.mjs', '--test']), { what: 'test', config: 'a.mjs' })
  assert.deepEqual(readArguments(['--config', 'a.mjs', '--print']), { what: 'print', config: 'a.mjs' })
  assert.deepEqual(readArguments(['reload', '--pid-file', '/run/a.pid']), { what: 'reload', config: undefined, pidFile: '/run/a.pid' })
})

test('refuses a command line that is wrong', () => {
  for (const [args, message] of [
    [[], /no address given/],
    [['--nonsense', 'a:1'], /Unknown option '--nonsense'/],
    [['--trust-proxy', '2', 'a:1'], /--trust-proxy is "2", expected addresses or networks of the proxies/],
    [['--trust-proxy', '127.0.0.1, 10/8', 'a:1'], /--trust-proxy is "127\.0\.0\.1, 10\/8"/],
    [['--listen', '70000', 'a:1'], /--listen '70000'/],
    [['--listen', '::1:80', 'a:1'], /--listen '::1:80'/],
    [['--listen', 'unix:', 'a:1'], /--listen 'unix:'/],
    [['--prefix', 'app', 'a:1'], /--prefix 'app'/],
    [['--params', 'fcgi', 'a:1'], /--params 'fcgi' is none of cgi, nginx, minimal/],
    [['--log-level', 'loud', 'a:1'], /--log-level 'loud'/],
    [['--body-limit', 'big', 'a:1'], /--body-limit 'big'/],
    [['4000'], /only a port: write 127\.0\.0\.1:4000/],
    [['ftp://127.0.0.1:4000'], /not an SCGI server|address/],
    [['--listen-mode', '660', 'a:1'], /--listen-mode is that of a unix socket/],
    [['--listen', 'unix:/a', '--listen-mode', '999', 'a:1'], /--listen-mode/],
    [['--workers', '0', 'a:1'], /--workers '0'/],
    [['--workers', '2', '--demo'], /--workers stands with an address/],
    [['--config', 'a.mjs', 'a:1'], /the address 'a:1' stands beside --config/],
    [['--config', 'a.mjs', '--prefix', '/a'], /--prefix stands beside --config/],
    [['reload', '--prefix', '/a'], /reload takes --config or --pid-file, not --prefix/],
    [['a:1', 'b:99999'], /b:99999/],
  ] as const) {
    assert.throws(() => readArguments([...args]), error => error instanceof UsageError && message.test(error.message), args.join(' '))
  }
})

test('--help and --version go to standard output', async () => {
  await using help = runCli('--help')
  await using version = runCli('--version')
  assert.deepEqual(await help.ended, { code: 0, signal: null })
  assert.match(help.stdout, /^Usage: fastify-scgi \[options\] address\.\.\.\n/)
  assert.deepEqual(await version.ended, { code: 0, signal: null })
  const manifest: { version: string } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  assert.equal(version.stdout, `${manifest.version}\n`)
})

test('wrong usage exits with 2 and a hint', async () => {
  await using command = runCli('--params', 'fcgi', '127.0.0.1:4000')
  assert.deepEqual(await command.ended, { code: 2, signal: null })
  assert.equal(command.stdout, '')
  assert.equal(command.stderr, "fastify-scgi: --params 'fcgi' is none of cgi, nginx, minimal\nTry 'fastify-scgi --help'.\n")
})

test('what cannot start exits with 1 and one line', async () => {
  await using dir = await tempDir()
  await writeFile(dir.file('syntax.mjs'), 'export default {\n  listen: 0,\n  workers 2,\n}\n')
  await writeFile(dir.file('setup.mjs'), "export default { listen: 0, setup () { throw new Error('no\\nplugin') } }")
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    await using port = runCli('--log-level', 'error', '--listen', String(address.port), '127.0.0.1:4000')
    await using name = runCli('--listen', '0', 'no-such-host.invalid:4000')
    await using key = runCli('--tls-cert', 'server.crt', '127.0.0.1:4000')
    await using syntax = runCli('--config', dir.file('syntax.mjs'), '--test')
    await using setup = runCli('--config', dir.file('setup.mjs'), '--test')
    assert.deepEqual([await syntax.ended, await setup.ended], [{ code: 1, signal: null }, { code: 1, signal: null }])
    assert.equal(syntax.stderr, `fastify-scgi: cannot load the configuration ${dir.file('syntax.mjs')}: Unexpected number (line 3)\n`)
    assert.equal(setup.stderr, 'fastify-scgi: setup: no plugin\n')
    assert.deepEqual(await key.ended, { code: 1, signal: null })
    assert.match(key.stderr, /^fastify-scgi: --tls-cert server\.crt is without its key: [^\n]+\n$/)
    assert.deepEqual(await port.ended, { code: 1, signal: null })
    assert.match(port.stderr, /^fastify-scgi: cannot listen on 127\.0\.0\.1:\d+: the address is in use; [^\n]+\n$/)
    assert.deepEqual(await name.ended, { code: 1, signal: null })
    assert.match(name.stderr, /^fastify-scgi: mounts\[0\]: the name of the upstream server 'no-such-host\.invalid' does not resolve [^\n]+\n$/)
  } finally {
    taken.close()
  }
})

test('serves an application under a prefix, and goes on to the next of its addresses', async () => {
  await using recorder = await startRecorder({ answer: ANSWER })
  await using gateway = runCli('--listen', '0', '--prefix', '/app', '--params', 'nginx', '--body-limit', '10', await refusedAddress(), recorder.address)
  const url = await gateway.listening()
  const { port } = new URL(url)
  await using client = await RawClient.connect({ port: Number(port) })

  const answer = await client.request('GET /app/a%20b?c=d HTTP/1.1\r\nHost: example.org\r\n\r\n')
  assert.equal(answer.statusCode, 200)
  assert.equal(answer.body.toString(), 'hello')
  const [request] = recorder.requests
  assert.equal(request?.param('REQUEST_URI'), '/app/a%20b?c=d')
  assert.equal(request?.param('GATEWAY_INTERFACE'), undefined, "nginx's set has none")

  assert.equal((await client.request('GET /apple HTTP/1.1\r\nHost: a\r\n\r\n')).statusCode, 404)
  // Any method that Node.js can read, not only Fastify's own.
  const found = await client.request('PROPFIND /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Type: text/xml\r\n\r\n<a/>')
  assert.equal(found.statusCode, 200)
  assert.equal(recorder.requests.at(-1)?.param('REQUEST_METHOD'), 'PROPFIND')
  assert.equal(recorder.requests.at(-1)?.body.toString(), '<a/>')
  assert.equal((await client.request('PROPFIND /app/x HTTP/1.1\r\nHost: a\r\n\r\n')).statusCode, 200)
  assert.equal((await client.request('POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890')).statusCode, 413)
})
