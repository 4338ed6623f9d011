// The servers of a group as requests meet them: weights, backup, down, maxConns, out and back again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { startPassing, trail, turnsUntil } from '../helpers/passing.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { Recorder } from '../helpers/recorder.ts'
import type { PassingGateway } from '../helpers/passing.ts'

/** The last part of the log lines about servers that go and come. */
function warnings (gateway: PassingGateway): string[] {
  return gateway.log.filter(({ level, upstream }) => level === 40 && upstream !== undefined).map(({ msg }) => msg)
}

function paths (...recorders: Recorder[]): (string | undefined)[][] {
  return recorders.map(({ requests }) => requests.map((request) => request.param('REQUEST_URI')))
}

test('weights: turns are spread as nginx spreads them', async () => {
  await using a = await startRecorder()
  await using b = await startRecorder()
  await using c = await startRecorder()
  await using gateway = await startPassing({ upstreams: [{ address: a.address, weight: 5 }, b.address, c.address] })
  const order: string[] = []
  const names = new Map([[a.address, 'a'], [b.address, 'b'], [c.address, 'c']])
  for (let i = 0; i < 14; i++) order.push(names.get((await gateway.send('GET', '/')).scgi.upstreamAddr ?? '') ?? '?')
  assert.equal(order.join(''), 'aabacaaaabacaa')
})

test('backup servers serve while no other can', async () => {
  const refused = await refusedAddress()
  await using backup = await startRecorder()
  await using other = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: backup.address, backup: true }, refused, { address: other.address, backup: true }] },
  })
  const sent = []
  for (let i = 0; i < 3; i++) sent.push(trail((await gateway.send('GET', '/')).scgi.attempts))
  assert.deepEqual(sent, [
    [`${refused} 502`, `${backup.address} 200`],
    [`${other.address} 200`],
    [`${backup.address} 200`],
  ])
})

test('backup servers get what a primary fails, and are tried in their turn', async () => {
  await using primary = await startRecorder({ answer: 'Status: 503\r\n\r\n' })
  const refused = await refusedAddress()
  await using backup = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: primary.address, maxFails: 0 }, { address: refused, backup: true }, { address: backup.address, backup: true }] },
    nextUpstream: ['error', 'http_503'],
  })
  const { response, scgi } = await gateway.send('GET', '/')
  assert.equal(response.statusCode, 200)
  assert.deepEqual(trail(scgi.attempts), [`${primary.address} 503`, `${refused} 502`, `${backup.address} 200`])
})

test('a server that is down is never used, and is no try', async () => {
  await using down = await startRecorder()
  const refused = await refusedAddress()
  await using gateway = await startPassing([
    { prefix: '/all', upstreams: { name: 'all', servers: [{ address: down.address, down: true }] } },
    { prefix: '/one', upstreams: { name: 'one', servers: [{ address: down.address, down: true }, refused] } },
  ])
  assert.deepEqual(trail((await gateway.send('GET', '/all/')).scgi.attempts), ['all 502'])
  assert.deepEqual(trail((await gateway.send('GET', '/one/')).scgi.attempts), [`${refused} 502`])
  assert.equal(down.accepted, 0)
})

test('maxConns counts the whole exchange, to the last byte of the reply', async () => {
  let finish = (): void => {}
  await using one = await startRecorder({
    answer: async (x) => {
      if (x.index > 0) return x.end('Content-Length: 2\r\n\r\nok')
      await x.write('Content-Length: 8\r\n\r\nhalf')
      await new Promise<void>((resolve) => { finish = resolve })
      await x.end('half')
    },
  })
  await using gateway = await startPassing([
    { prefix: '/g', upstreams: { name: 'g', servers: [{ address: one.address, maxConns: 1 }] } },
    { prefix: '/two', upstreams: { name: 'two', servers: [{ address: one.address, maxConns: 1 }, { address: await refusedAddress(), backup: true }] } },
  ])
  const first = gateway.send('GET', '/g/first')
  await one.received(1)
  while (one.requests.length < 1 || gateway.servers('g')[0]?.active !== 1) await new Promise((resolve) => setImmediate(resolve))
  const full = await gateway.send('GET', '/g/full')
  assert.deepEqual([full.response.statusCode, trail(full.scgi.attempts)], [502, ['g 502']])
  assert.equal(one.accepted, 1)
  // Another group has its own count, for the same address.
  assert.equal((await gateway.send('GET', '/two/')).response.statusCode, 200)
  finish()
  assert.equal((await first).response.body.toString(), 'halfhalf')
  assert.equal(gateway.servers('g')[0]?.active, 0)
  assert.equal((await gateway.send('GET', '/g/again')).response.statusCode, 200)
})

test('maxConns: a server that is full is passed over', async () => {
  const finish: (() => void)[] = []
  await using one = await startRecorder({ answer: (x) => new Promise((resolve) => finish.push(() => resolve(x.end('\r\n')))) })
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: [{ address: one.address, maxConns: 2 }, { address: two.address, weight: 1 }] })
  const held = [gateway.send('GET', '/1'), gateway.send('GET', '/2'), gateway.send('GET', '/3'), gateway.send('GET', '/4')]
  await one.received(2)
  const more = []
  for (let i = 0; i < 3; i++) more.push((await gateway.send('GET', '/more')).scgi.upstreamAddr)
  assert.deepEqual(more, [two.address, two.address, two.address])
  for (const end of finish) end()
  await Promise.all(held)
  assert.equal(one.requests.length, 2)
})

test('a server that failed is out for failTimeout, then gets one probe; a warning when it goes and when it is back', async (t) => {
  let time = performance.now()
  t.mock.method(performance, 'now', () => time)
  let works = false
  let others = 0
  await using two = await startRecorder()
  await using one = await startRecorder({
    answer: async (x) => {
      // The probe takes its time, so that the other requests meet it under way.
      await turnsUntil(() => two.requests.length >= others, 'the other requests go to the other server')
      await x.end(works ? 'Content-Length: 3\r\n\r\none' : undefined)
    },
  })
  await using gateway = await startPassing({
    upstreams: { name: 'shop', servers: [{ address: one.address, failTimeout: 150 }, two.address] },
  })
  const round = async (n: number, probes = 0): Promise<string[]> => {
    others = probes === 0 ? 0 : two.requests.length + n - probes
    const sent = await Promise.all(Array.from({ length: n }, (_, i) => gateway.send('GET', `/${i}`)))
    assert.ok(sent.every(({ response }) => response.statusCode === 200))
    return sent.map(({ scgi }) => scgi.upstreamAddr ?? '')
  }
  const passed = `${one.address}, ${two.address}`
  assert.deepEqual(await round(1), [passed])
  const [server] = gateway.servers('shop')
  assert.deepEqual([server?.fails, server?.failed], [1, true])
  const went = [`upstream server ${one.address} is taken out of shop after 1 failed attempts: ${server?.lastError?.message}`]
  assert.deepEqual(warnings(gateway), went)
  assert.deepEqual(await round(4), [two.address, two.address, two.address, two.address])

  time += 149
  assert.deepEqual(await round(4), [two.address, two.address, two.address, two.address], 'not yet')
  time += 2
  assert.deepEqual((await round(5, 1)).sort(), [passed, two.address, two.address, two.address, two.address].sort(), 'one probe')
  assert.deepEqual(warnings(gateway), went, 'it is still out: nothing new to say')
  assert.deepEqual((await round(2)), [two.address, two.address])

  works = true
  time += 151
  assert.equal((await round(5, 1)).filter((address) => address === one.address).length, 1, 'one probe')
  assert.deepEqual([server?.fails, server?.failed], [0, false])
  assert.deepEqual(warnings(gateway), [...went, `upstream server ${one.address} is back in shop`])
  const counts = await round(6)
  assert.ok(counts.includes(one.address))
  assert.equal(warnings(gateway).length, 2)
})

test('maxFails: so many failures take a server out, those of requests that go on and of those that do not', async () => {
  await using one = await startRecorder({ answer: 'bad' })
  await using two = await startRecorder()
  await using gateway = await startPassing({
    upstreams: { name: 'g', servers: [{ address: one.address, maxFails: 3 }, two.address] },
    nextUpstream: ['http_500'],
  })
  const statuses = []
  for (let i = 0; i < 8; i++) statuses.push((await gateway.send('GET', '/')).response.statusCode)
  assert.equal(statuses.filter((status) => status === 502).length, 3)
  assert.deepEqual(warnings(gateway), [`upstream server ${one.address} is taken out of g after 3 failed attempts: ${gateway.servers('g')[0]?.lastError?.message}`])
  assert.equal(one.requests.length, 3)
})

test('maxFails 0: never out, no warning', async () => {
  const refused = await refusedAddress()
  await using two = await startRecorder()
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: refused, maxFails: 0 }, two.address] } })
  for (let i = 0; i < 4; i++) assert.equal((await gateway.send('GET', '/')).response.statusCode, 200)
  assert.deepEqual(gateway.servers('g').map(({ fails, failed }) => [fails, failed]), [[2, false], [0, false]])
  assert.deepEqual(warnings(gateway), [])
})

test('clients that go away never take a server out', async () => {
  await using one = await startRecorder({ answer: async (x) => { await x.closed } })
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [one.address, { address: one.address, backup: true }] } })
  for (let i = 0; i < 3; i++) {
    const aborted = rawRequest(gateway, 'GET /gone HTTP/1.1\r\nHost: a\r\n\r\n', { timeout: 60 })
    await assert.rejects(aborted)
    await gateway.finished('/gone')
  }
  assert.deepEqual(gateway.servers('g').map(({ fails, active }) => [fails, active]), [[0, 0], [0, 0]])
  assert.deepEqual(warnings(gateway), [])
})

test('createUpstreams: one group for several registrations and several applications', async () => {
  const refused = await refusedAddress()
  await using two = await startRecorder()
  const group = createUpstreams({ name: 'shared', servers: [refused, two.address] })
  await using one = await startPassing([{ prefix: '/a', upstreams: group }, { prefix: '/b', upstreams: 'balancer://SHARED' }])
  await using other = await startPassing({ upstreams: group })
  assert.deepEqual(trail((await one.send('GET', '/a/')).scgi.attempts), [`${refused} 502`, `${two.address} 200`])
  // What one registration has learnt, all know.
  assert.deepEqual(trail((await one.send('GET', '/b/')).scgi.attempts), [`${two.address} 200`])
  assert.deepEqual(trail((await other.send('GET', '/')).scgi.attempts), [`${two.address} 200`])
  assert.equal(group.servers[0]?.failed, true)
  // Each application says it once, in its own log.
  assert.deepEqual([warnings(one).length, warnings(other).length], [1, 1])
})

test('balancer:// names a group of a later registration; one that never comes fails the start', async () => {
  await using one = await startRecorder()
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: 'balancer://late' },
    { prefix: '/b', upstreams: { name: 'late', servers: [one.address] } },
  ])
  assert.equal((await gateway.send('GET', '/a/')).response.statusCode, 200)
  const app = Fastify()
  app.register(scgi, { upstreams: 'balancer://nobody' })
  await assert.rejects(async () => { await app.ready() }, { code: 'FST_SCGI_OPT_INVALID', message: /balancer:\/\/nobody/ })
  await app.close()
})

test('a function chooses the group or the server, and the state of each lasts', async () => {
  const refused = await refusedAddress()
  await using two = await startRecorder()
  await using gateway = await startPassing([
    { prefix: '/g', upstreams: { name: 'g', servers: [refused, two.address] } },
    { prefix: '/by', upstreams: async (request) => request.query !== null && request.url.endsWith('?g') ? 'g' : two.address },
    { prefix: '/no', upstreams: () => '127.0.0.1:1' },
  ])
  assert.deepEqual(trail((await gateway.send('GET', '/by/?g')).scgi.attempts), [`${refused} 502`, `${two.address} 200`])
  assert.deepEqual(trail((await gateway.send('GET', '/by/?g')).scgi.attempts), [`${two.address} 200`])
  assert.deepEqual(trail((await gateway.send('GET', '/by/?s')).scgi.attempts), [`${two.address} 200`])
  const { response, error } = await gateway.send('GET', '/no/')
  assert.deepEqual([response.statusCode, error?.code], [500, 'FST_SCGI_UPSTREAM_NOT_ALLOWED'])
  assert.deepEqual(paths(two)[0], ['/by/?g', '/by/?g', '/by/?s'])
})
