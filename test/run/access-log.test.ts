// The lines of the access log, and the failures that the log sums up.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { mock, test } from 'node:test'
import { runGateway } from '../../lib/run/index.ts'
import { Failures } from '../../lib/run/failures.ts'
import { runCli } from '../helpers/cli.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually, get } from '../gateway/kit.ts'
import type { AccessLogEntry, GatewayConfig } from '../../types/config.ts'

/** Serves a configuration in this process while something is done with it. */
async function whileServed (config: GatewayConfig, use: (url: string) => Promise<void>): Promise<void> {
  const gateway = await runGateway({ listen: 0, ...config }, { signals: false })
  try {
    await use(gateway.addresses[0] ?? '')
  } finally {
    await gateway.close()
  }
}

test('combined, with the upstream, and nothing that a client sends passes for the end of a field', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: 'Content-Length: 2\r\n\r\nok' })
  const refused = await refusedAddress()
  const file = dir.file('access.log')
  const mounts = [{ prefix: '/app', upstreams: { name: 'app', servers: [refused, recorder.address] } }]
  await whileServed({ accessLog: { format: 'combined', file }, mounts, log: { level: 'info', file: dir.file('log') } }, async url => {
    await fetch(`${url}/app/a?b`, { headers: { authorization: `Basic ${btoa('ada:secret')}`, 'user-agent': 'a "quoted" \\ one', connection: 'close' } })
    await fetch(`${url}/none`, { method: 'HEAD' })
  })
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const [first = '', second = ''] = lines
  assert.match(first, new RegExp('^127\\.0\\.0\\.1 - ada \\[\\d\\d/[A-Z][a-z][a-z]/\\d{4}:\\d\\d:\\d\\d:\\d\\d [+-]\\d{4}\\] "GET /app/a\\?b HTTP/1\\.1" 200 2 "-" ' +
    '"a \\\\x22quoted\\\\x22 \\\\x5C one" "(?:127\\.0\\.0\\.1:\\d+, )?127\\.0\\.0\\.1:\\d+" (?:502, )?200 (?:0\\.\\d{3}, )?0\\.\\d{3} \\d+\\.\\d{3}$'))
  assert.match(second, /^127\.0\.0\.1 - - \[[^\]]+\] "HEAD \/none HTTP\/1\.1" 404 0 "-" "node" "-" - - \d+\.\d{3}$/)
  assert.equal(lines.length, 2)
  // Fastify's two lines for each request are left out, and nothing else.
  assert.doesNotMatch(readFileSync(dir.file('log'), 'utf8'), /incoming request|request completed/)
  assert.match(readFileSync(dir.file('log'), 'utf8'), /Server listening at/)
})

test('clients that left, as JSON and for a function', async () => {
  await using recorder = await startRecorder({
    answer: async exchange => { if (exchange.request.param('PATH_INFO') === '/begun') await exchange.write('Content-Type: a/b\r\n\r\nbegun') },
  })
  await using dir = await tempDir()
  const entries: AccessLogEntry[] = []
  for (const accessLog of [{ format: 'json', file: dir.file('json') }, (entry: AccessLogEntry) => { entries.push(entry); return undefined }] as const) {
    await whileServed({ accessLog, mounts: [recorder.address], log: { level: 'silent' } }, async url => {
      for (const path of ['/silent', '/begun']) {
        await using client = await RawClient.connect({ port: Number(new URL(url).port) })
        const before = recorder.requests.length
        client.socket.write(get(path))
        await recorder.received(before + 1)
        if (path === '/begun') await client.until(({ bodyLength }) => bodyLength > 0)
        client.socket.destroy()
        const lines = (): number => typeof accessLog === 'function' ? entries.length : readFileSync(accessLog.file, 'utf8').split('\n').length - 1
        await eventually(() => lines() === (path === '/silent' ? 1 : 2), path)
      }
    })
  }
  const written: AccessLogEntry[] = readFileSync(dir.file('json'), 'utf8').trimEnd().split('\n').map(line => JSON.parse(line))
  for (const [silent, begun] of [written, entries]) {
    assert.deepEqual([silent?.status, silent?.aborted, silent?.url, silent?.upstream], [499, true, '/silent', recorder.address])
    assert.deepEqual([begun?.status, begun?.aborted, begun?.upstreamStatus, begun?.remoteAddress], [200, true, '200', '127.0.0.1'])
  }
})

test('equal failures are summed up, and the first is told in full', async () => {
  await using dir = await tempDir()
  const refused = await refusedAddress()
  const file = dir.file('log')
  await whileServed({ mounts: [refused], log: { level: 'error', file, sumUp: '1h' } }, async url => {
    for (let i = 0; i < 5; i++) assert.equal((await fetch(url)).status, 502)
  })
  await eventually(() => readFileSync(file, 'utf8').includes('502 from'), 'what is counted is told before the end')
  const lines: { msg: string, failures?: object }[] = readFileSync(file, 'utf8').trimEnd().split('\n').map(line => JSON.parse(line))
  assert.deepEqual(lines.map(({ msg }) => msg.replace(/in \d+ s$/, 'in N s')), [
    `connect() to ${refused} failed: ECONNREFUSED, nobody listens there: is the application running?`,
    `502 from ${refused}: ECONNREFUSED, 4 times in N s`,
  ])
})

test('the window of equal failures begins anew while they go on', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const failures = new Failures(10_000)
    const told: string[] = []
    const fail = (address: string, code = 'ECONNREFUSED'): boolean => failures.swallows([{
      err: Object.assign(new Error('m', { cause: Object.assign(new Error('c'), { code }) }), { code: 'FST_SCGI_CONNECT', statusCode: 502, address }),
    }], 50, (_details, line) => told.push(line.replace(/\d+ s$/, 'N s')))
    assert.deepEqual([fail('a:1'), fail('a:1'), fail('b:1'), fail('a:1', 'ECONNRESET')], [false, true, false, false])
    for (let i = 0; i < 4210; i++) fail('a:1')
    mock.timers.tick(10_000)
    assert.deepEqual(told, ['502 from a:1: ECONNREFUSED, 4,211 times in N s'])
    assert.deepEqual([fail('a:1'), fail('b:1')], [true, false], 'one that was quiet is told in full again')
    mock.timers.tick(10_000)
    mock.timers.tick(10_000)
    assert.deepEqual([told.length, told[1], fail('a:1')], [2, '502 from a:1: ECONNREFUSED, 1 time in N s', false])
    // What is no failure of a server is left alone.
    assert.equal(failures.swallows([{ err: new Error('other') }, 'x'], 50, () => {}), false)
    assert.equal(failures.swallows(['text'], 30, () => {}), false)
  } finally {
    mock.timers.reset()
  }
})

for (const workers of [undefined, 1]) {
  test(`requests that are cut off at the end have their lines, ${workers === undefined ? 'without workers' : 'with a worker'}`, { timeout: 60_000 }, async () => {
    await using dir = await tempDir()
    await using recorder = await startRecorder({ answer: async exchange => { await exchange.closed } })
    const config = { listen: 0, workers, accessLog: { format: 'json', file: dir.file('access.log') }, mounts: [{ upstreams: recorder.address, closeTimeout: 50 }] }
    writeFileSync(dir.file('gateway.json'), JSON.stringify(config))
    await using gateway = runCli('--config', dir.file('gateway.json'))
    const { port } = new URL(await gateway.listening())
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect({ port: Number(port) })))
    for (const [index, client] of clients.entries()) client.socket.write(get(`/${index}`))
    await recorder.received(3)
    gateway.kill('SIGTERM')
    assert.deepEqual(await gateway.ended, { code: 0, signal: null })
    const urls = [...readFileSync(dir.file('access.log'), 'utf8').matchAll(/"url":"([^"]*)"/g)].map(([, url]) => url)
    assert.deepEqual(urls.sort(), ['/0', '/1', '/2'])
    for (const client of clients) await client[Symbol.asyncDispose]()
  })
}

test('a reply without a body has no bytes, whatever its Content-Length says', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 304\r\nContent-Length: 5000\r\nETag: "a"\r\n\r\n' })
  const told: unknown[] = []
  const accessLog = ({ method, status, bytes }: AccessLogEntry): undefined => { told.push([method, status, bytes]) }
  await whileServed({ accessLog, mounts: [recorder.address], log: { level: 'silent' } }, async url => {
    for (const method of ['GET', 'HEAD']) await fetch(url, { method, headers: { 'if-none-match': '"a"', connection: 'close' } })
    await eventually(() => told.length === 2, 'two lines')
  })
  assert.deepEqual(told, [['GET', 304, 0], ['HEAD', 304, 0]])
})
