import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestGateway } from './kit.ts'

test('MISS, HIT as long as it is fresh, EXPIRED after that', async () => {
  let version = 0
  const gateway = new TestGateway({ app: () => ({ body: `v${++version}` }) })
  assert.equal(await gateway.line(), 'MISS 200 v1')
  assert.equal(await gateway.line(), 'HIT 200 v1')
  gateway.clock.advance(10_000)
  assert.equal(await gateway.line(), 'HIT 200 v1')
  gateway.clock.advance(1)
  assert.equal(await gateway.line(), 'EXPIRED 200 v2')
  assert.equal(await gateway.line(), 'HIT 200 v2')
  assert.equal(gateway.fetches, 2)
  assert.deepEqual(gateway.zone.stats().requests, { MISS: 1, BYPASS: 0, EXPIRED: 1, STALE: 0, UPDATING: 0, REVALIDATED: 0, HIT: 3 })
  await gateway.close()
})

test('BYPASS does not look, and replaces what is there', async () => {
  let version = 0
  const gateway = new TestGateway({ app: () => ({ body: `v${++version}` }) })
  assert.equal(await gateway.line(), 'MISS 200 v1')
  assert.equal(await gateway.line({ bypass: true }), 'BYPASS 200 v2')
  assert.equal(await gateway.line(), 'HIT 200 v2')
  assert.equal(await gateway.line({ bypass: true, noCache: true }), 'BYPASS 200 v3')
  assert.equal(await gateway.line(), 'HIT 200 v2')
  await gateway.close()
})

test('noCache leaves what is there as it is', async () => {
  let version = 0
  const gateway = new TestGateway({ app: () => ({ body: `v${++version}` }) })
  assert.equal(await gateway.line({ noCache: true }), 'MISS 200 v1')
  assert.equal(await gateway.line(), 'MISS 200 v2')
  gateway.clock.advance(20_000)
  assert.equal(await gateway.line({ noCache: true }), 'EXPIRED 200 v3')
  assert.equal(await gateway.line(), 'EXPIRED 200 v4')
  await gateway.close()
})

test('the age is that of the reply: what it had already, and the time in the cache', async () => {
  const gateway = new TestGateway({ app: () => ({ headers: { age: '100', date: 'Thu, 01 Jan 2026 00:00:00 GMT' } }) })
  assert.equal((await gateway.get()).age, undefined)
  gateway.clock.advance(7900)
  const { age, headers } = await gateway.get()
  assert.equal(age, 107)
  assert.equal(headers['date'], 'Thu, 01 Jan 2026 00:00:00 GMT')
  await gateway.close()
})

test('head and body of a hit are those of the reply', async () => {
  const headers = { 'content-type': 'text/x', 'x-accel-expires': '60', 'x-list': ['a', 'b'], etag: '"e"', 'last-modified': 'x' }
  const gateway = new TestGateway({ app: () => ({ status: 203, headers, body: 'some body' }) })
  await gateway.get()
  const hit = gateway.begin()
  const outcome = await hit.outcome
  assert.deepEqual({ ...outcome, headers: { ...outcome.headers } }, { cacheStatus: 'HIT', status: 203, headers, body: 'some body', age: 0 })
  assert.equal(hit.entry?.head.contentLength, 9)
  assert.equal(hit.entry?.size, 9)
  assert.deepEqual(hit.entry?.head.rawHeaders,
    ['content-type', 'text/x', 'x-accel-expires', '60', 'x-list', 'a', 'x-list', 'b', 'etag', '"e"', 'last-modified', 'x'])
  // Only 200 and 206 have validators.
  assert.equal(hit.entry?.etag, undefined)
  await gateway.close()
})

test('a hit of the memory store is told before start() returns', async () => {
  const gateway = new TestGateway({ app: () => ({ body: 'x' }) })
  await gateway.get()
  const exchange = gateway.begin()
  assert.equal(exchange.pass.status, 'HIT')
  assert.equal(exchange.entry?.whole()?.toString(), 'x')
  await gateway.close()
})

test('status and lifetime: any status that has a lifetime is stored', async () => {
  const gateway = new TestGateway({
    options: { valid: { 200: '10s', 404: '5s', 500: 0, any: '1s' } },
    app: ({ key }) => ({ status: Number(key) }),
  })
  for (const [code, seconds] of [[200, 10], [404, 5], [500, 0], [301, 1], [503, 1]] as const) {
    const ask = { key: String(code) }
    assert.equal((await gateway.get(ask)).cacheStatus, 'MISS')
    gateway.clock.advance(seconds * 1000)
    assert.equal((await gateway.get(ask)).cacheStatus, seconds === 0 ? 'MISS' : 'HIT', `${code}`)
    gateway.clock.advance(1)
    assert.equal((await gateway.get(ask)).cacheStatus, seconds === 0 ? 'MISS' : 'EXPIRED', `${code}`)
  }
  await gateway.close()
})

test('without valid only what the reply says counts', async () => {
  const gateway = new TestGateway({ app: ({ key }) => ({ headers: key === 'a' ? { 'cache-control': 'max-age=5' } : {} }), options: { valid: {} } })
  assert.equal((await gateway.get({ key: 'a' })).cacheStatus, 'MISS')
  assert.equal((await gateway.get({ key: 'a' })).cacheStatus, 'HIT')
  assert.equal((await gateway.get({ key: 'b' })).cacheStatus, 'MISS')
  assert.equal((await gateway.get({ key: 'b' })).cacheStatus, 'MISS')
  await gateway.close()
})

test('a closed cache finds nothing, stores nothing and closes its store once', async () => {
  const gateway = new TestGateway({ app: () => ({ body: 'x' }) })
  await gateway.get()
  await gateway.close()
  await gateway.close()
  assert.equal(await gateway.line(), 'MISS 200 x')
  assert.equal(await gateway.line(), 'MISS 200 x')
  assert.deepEqual(gateway.warnings, [])
})
