// Checks: how results become health, with a mock clock; what each kind of check asks, over real sockets.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { readHealth } from '../../lib/group/health-options.ts'
import { HealthChecks } from '../../lib/group/health.ts'
import { parseAddress, literalAddress } from '../../lib/connections/address.ts'
import { protocolOf } from '../../lib/connections/protocols.ts'
import { startRecorder, refusedAddress } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { HealthOptions as Options } from '../../lib/group/health.ts'
import type { HealthOptions } from '../../types/index.ts'

interface Checked {
  timers: FakeTimers
  checks: HealthChecks<string>
  /** `'a unhealthy: reason'` */
  told: string[]
  /** Checks that are running, by member. */
  running: Map<string, (reason?: string) => void>
  /** Runs a check of `a` with this result. */
  result (reason?: string): void
}

function checked (options: Partial<Options<string>> = {}): Checked {
  const timers = new FakeTimers()
  const told: string[] = []
  const running = new Map<string, (reason?: string) => void>()
  const checks = new HealthChecks<string>({
    interval: 1000,
    jitter: 0,
    passes: 1,
    fails: 1,
    timers,
    probe (member, done) {
      running.set(member, reason => {
        running.delete(member)
        done(reason)
      })
      return () => running.delete(member)
    },
    healthy: () => true,
    skip: () => false,
    failed: () => false,
    onRecovery: member => told.push(`${member} recovers`),
    onChange: (member, healthy, reason) => told.push(`${member} ${healthy ? 'healthy' : `unhealthy: ${reason ?? ''}`}`),
    ...options,
  })
  checks.update(['a'])
  return {
    timers,
    checks,
    told,
    running,
    result (reason) {
      timers.advance(1000)
      const done = running.get('a')
      assert.ok(done !== undefined, 'a check is running')
      done(reason)
    },
  }
}

test('fails in a row take out, passes in a row bring back', () => {
  const { result, told } = checked({ fails: 3, passes: 2 })
  for (const reason of ['x', 'x', undefined, 'x', 'x']) result(reason)
  assert.deepEqual(told, [])
  result('y')
  assert.deepEqual(told, ['a unhealthy: y'])
  for (const reason of ['x', undefined, 'x', undefined]) result(reason)
  assert.equal(told.length, 1)
  result()
  assert.deepEqual(told.slice(1), ['a healthy'])
})

test('passes in a row bring back one that is out by failed requests: only those since then count', () => {
  let failed = false
  const { result, told } = checked({ passes: 2, fails: 2, failed: () => failed })
  for (let count = 0; count < 5; count++) result()
  failed = true
  for (const reason of [undefined, 'x', undefined]) result(reason)
  assert.deepEqual(told, [])
  result()
  assert.deepEqual(told.splice(0), ['a recovers'])
  // It fails again before the next check.
  result()
  assert.deepEqual(told, [])
  result()
  assert.deepEqual(told.splice(0), ['a recovers'])
  // Out by both: the same checks end both.
  for (const reason of ['x', 'x', undefined, undefined]) result(reason)
  assert.deepEqual(told.splice(0), ['a unhealthy: x', 'a recovers', 'a healthy'])
  failed = false
  for (const reason of ['x', undefined, undefined, undefined]) result(reason)
  assert.deepEqual(told, [])
})

test('a check that takes longer than the interval is not joined by another', () => {
  const { timers, running, told } = checked()
  timers.advance(1000)
  const first = running.get('a')
  timers.advance(5000)
  assert.equal(running.get('a'), first)
  first?.('slow')
  assert.deepEqual(told, ['a unhealthy: slow'])
  timers.advance(1000)
  assert.notEqual(running.get('a'), undefined)
})

test('members come and go: those that stay keep what is known, the check of one that goes is ended', () => {
  const { timers, checks, running, told, result } = checked({ fails: 2 })
  result('x')
  checks.update(['a', 'b'])
  timers.advance(1000)
  assert.deepEqual([...running.keys()].toSorted(), ['a', 'b'])
  running.get('a')?.('x')
  assert.deepEqual(told, ['a unhealthy: x'])
  checks.update(['a'])
  assert.deepEqual([...running.keys()], [])
  checks.stop()
  assert.equal(timers.pending, 0)
})

test('one that is down is not checked, one that was out when checks began is out until it passes', () => {
  let down = true
  const { timers, running, told, result } = checked({ skip: () => down, healthy: () => false })
  timers.advance(3000)
  assert.equal(running.size, 0)
  down = false
  result()
  assert.deepEqual(told, ['a healthy'])
})

test('one of which nobody knows is checked at once: the first check says how it is, and then they count in a row', () => {
  const { timers, running, told, result, checks } = checked({ healthy: () => undefined, passes: 2, fails: 2 })
  timers.advance(1)
  running.get('a')?.()
  assert.deepEqual(told, ['a healthy'])
  result('x')
  assert.equal(told.length, 1)
  result('y')
  assert.deepEqual(told.splice(0), ['a healthy', 'a unhealthy: y'])
  checks.update(['a', 'b'])
  timers.advance(500)
  running.get('b')?.('z')
  assert.deepEqual(told.splice(0), ['b unhealthy: z'])
  for (const passes of [1, 2]) {
    timers.advance(1000)
    running.get('b')?.()
    assert.equal(told.includes('b healthy'), passes === 2)
  }
})

test('one that was down when its first check was due has it once it is not', () => {
  let down = true
  const { timers, running, checks } = checked({ healthy: () => undefined, skip: () => down, interval: 60_000 })
  timers.advance(1)
  checks.update(['a'])
  timers.advance(1)
  assert.equal(running.size, 0)
  down = false
  checks.update(['a'])
  timers.advance(20_000)
  assert.equal(running.size, 1)
})

/** One check of the server at this address: undefined if it is well. */
function check (address: string, options: HealthOptions): Promise<string | undefined> {
  const parsed = parseAddress('address', address, true)
  const at = literalAddress(parsed)
  const endpoint = protocolOf(at).connect(at, { keepalive: 0, preconnect: 0 })
  const [first] = readHealth('health', options)
  if (first === undefined) throw new Error('no check')
  return new Promise(resolve => { first.probe(endpoint, resolve) })
}

test('connect: TCP and unix, and nothing is sent', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ listen: ['tcp', { path: dir.socket('s') }] })
  for (const address of recorder.addresses) assert.equal(await check(address, { type: 'connect' }), undefined)
  await recorder.idle()
  assert.deepEqual([recorder.accepted, recorder.requests.length], [2, 0])
  assert.equal(await check(await refusedAddress(), {}), 'connect() failed: ECONNREFUSED')
  assert.equal(await check(`unix:${dir.socket('none')}`, {}), 'connect() failed: ENOENT')
})

test('scgi: a request like any other', async () => {
  await using recorder = await startRecorder()
  const reason = await check(`scgi://${recorder.address}/base`, {
    type: 'scgi', path: '/health%20check?deep=1', method: 'HEAD', params: { HTTP_HOST: 'app.example', CHECK: 'é' },
  })
  assert.equal(reason, undefined)
  const [request] = recorder.requests
  const names = ['CONTENT_LENGTH', 'SCGI', 'REQUEST_METHOD', 'REQUEST_URI', 'PATH_INFO', 'QUERY_STRING', 'HTTP_HOST', 'CHECK', 'SERVER_PROTOCOL']
  assert.deepEqual(names.map(name => request?.param(name)), [
    '0', '1', 'HEAD', '/health%20check?deep=1', '/base/health check', 'deep=1', 'app.example', Buffer.from('é').toString('latin1'), 'HTTP/1.1',
  ])
})

test('scgi: status and body', async () => {
  await using recorder = await startRecorder()
  const cases: [string, HealthOptions['expect'], string | undefined][] = [
    ['Status: 204\r\n\r\n', undefined, undefined],
    ['Status: 302\r\nLocation: /\r\n\r\n', undefined, undefined],
    ['Status: 503\r\n\r\n', undefined, 'status 503'],
    ['Status: 503\r\n\r\n', { status: [200, '500-503'] }, undefined],
    ['Status: 200\r\n\r\n', { status: 204 }, 'status 200'],
    ['Status: 404\r\n\r\n', { status: '4xx' }, undefined],
    ['\r\nall is well', { body: 'is well' }, undefined],
    ['\r\nall is lost', { body: 'is well' }, "the body does not contain 'is well'"],
    ['\r\nload: 12', { body: /load: \d\d?$/g }, undefined],
    ['\r\nload: 120', { body: /load: \d\d?$/ }, 'the body does not match /load: \\d\\d?$/'],
    ['', undefined, `${recorder.address} closed the connection before the head of its reply was complete: it closed without reading the request`],
    ['Content-Length: 9\r\n\r\nshort', undefined, 'BODY'],
  ]
  for (const [answer, expect, reason] of cases) {
    recorder.answer = answer
    for (let twice = 0; twice < 2; twice++) {
      const found = await check(recorder.address, { type: 'scgi', ...(expect === undefined ? undefined : { expect }) })
      if (answer === '') assert.match(found ?? '', /closed the connection before the head/)
      else if (reason === 'BODY') assert.match(found ?? '', /incomplete/)
      else assert.equal(found, reason, answer)
    }
  }
})

// [headers of the answer, what is expected, why the check fails]
const HEADERS: [[string, string][], Record<string, string | RegExp | boolean>, string | undefined][] = [
  [[['X-State', 'ok']], { 'x-state': true }, undefined],
  [[], { 'X-State': true }, 'no header x-state'],
  [[], { 'x-state': false }, undefined],
  [[['x-state', '']], { 'X-State': false }, 'a header x-state'],
  [[['X-STATE', 'ok']], { 'x-State': 'ok' }, undefined],
  [[['X-State', 'okay']], { 'x-state': 'ok' }, 'header x-state is "okay", not "ok"'],
  [[['X-State', 'Ok']], { 'x-state': /^ok$/i }, undefined],
  [[['X-State', 'load 7']], { 'x-state': /load \d/g }, undefined],
  [[['X-State', 'bad']], { 'x-state': /ok/ }, 'header x-state is "bad", not /ok/'],
  [[], { 'x-state': /ok/ }, 'no header x-state'],
  [[['X-State', 'bad'], ['X-State', 'ok']], { 'x-state': 'ok' }, undefined],
  [[['X-State', 'a'], ['X-State', 'b']], { 'x-state': 'c' }, 'header x-state is "a" and "b", not "c"'],
  [[['Content-Type', 'text/plain; charset=utf-8']], { 'content-type': /^text\/plain\b/ }, undefined],
  [[['X-State', 'grün']], { 'x-state': 'grün' }, undefined],
  [[['X-State', 'ok']], { 'x-state': 'ok', 'x-other': true }, 'no header x-other'],
  [[['X-State', 'ok']], {}, undefined],
]

test('headers that are expected, of SCGI and of HTTP', async () => {
  await using recorder = await startRecorder()
  let now: [string, string][] = []
  const server = createServer((_request, response) => {
    response.writeHead(200, now.flatMap(([name, value]) => [name, Buffer.from(value).toString('latin1')])).end()
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const bound = server.address()
  const port = typeof bound === 'object' ? bound?.port : 0
  for (const [lines, headers, reason] of HEADERS) {
    now = lines
    recorder.answer = Buffer.from(`Status: 200\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    const expect = { headers }
    for (let twice = 0; twice < 2; twice++) {
      assert.equal(await check(recorder.address, { type: 'scgi', expect }), reason, JSON.stringify(lines))
      assert.equal(await check(`http://127.0.0.1:${port}`, { type: 'http', expect }), reason, JSON.stringify(lines))
    }
  }
  recorder.answer = 'Status: 503\r\n\r\n'
  assert.equal(await check(recorder.address, { type: 'scgi', expect: { headers: { a: true } } }), 'status 503')
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})

test('scgi: of a body without end so much is looked at, and no more is waited for', async () => {
  let written = 0
  await using recorder = await startRecorder({
    async answer (x) {
      await x.write('\r\nyes')
      while (written < 1e8) {
        await x.write(Buffer.alloc(65_536, 'a'))
        written += 65_536
      }
    },
  })
  assert.equal(await check(recorder.address, { type: 'scgi', expect: { body: /^yesa{100}/ } }), undefined)
  assert.match(await check(recorder.address, { type: 'scgi', expect: { body: 'no' } }) ?? '', /does not contain/)
  assert.ok(written < 5e7, `${written}`)
  await recorder.idle()
})

test('a server that does not answer fails in time, and the connection is closed', async () => {
  await using stalled = await startRecorder({ accept: () => 'stall' })
  await using slow = await startRecorder({ async answer (x) { await x.write('\r\nhalf') } })
  for (const recorder of [stalled, slow]) {
    assert.equal(await check(recorder.address, { type: 'scgi', interval: 100 }), 'no complete answer within 100 ms')
  }
  await slow.idle()
})

test('http: a request to a server that speaks it', async () => {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-check']}`)
    response.writeHead(request.url === '/base/bad' ? 500 : 200).end('all is well')
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const bound = server.address()
  const port = typeof bound === 'object' ? bound?.port : 0
  const at = `http://127.0.0.1:${port}/base`
  assert.equal(await check(at, { type: 'http', path: '/ok?a', headers: { Host: 'app.example', 'X-Check': '1' }, expect: { body: 'well' } }), undefined)
  assert.equal(await check(at, { type: 'http', path: '/bad' }), 'status 500')
  assert.deepEqual(seen, ['GET /base/ok?a app.example 1', `GET /base/bad 127.0.0.1:${port} undefined`])
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
})
