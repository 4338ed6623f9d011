import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultKey, methodKey } from '../../lib/cache/key.ts'
import { rangeTooFar } from '../../lib/cache/range-offset.ts'
import { settled, TestGateway } from './kit.ts'
import type { FetchPlan } from '../../lib/cache/contract.ts'

test('HEAD is fetched as GET, and both share an entry', async () => {
  const gateway = new TestGateway({ app: () => ({ body: 'body' }) })
  const head = gateway.begin({ method: 'HEAD' })
  assert.equal(head.plan?.asGet, true)
  await settled()
  assert.equal(await gateway.line(), 'HIT 200 body')
  assert.equal((await gateway.get({ method: 'HEAD' })).cacheStatus, 'HIT')
  assert.equal(gateway.fetches, 1)
  await gateway.close()
})

test('with convertHead off HEAD is served from the cache, and stores nothing', async () => {
  const gateway = new TestGateway({ options: { convertHead: false, lock: true }, app: ({ plan }) => ({ body: plan.asGet ? 'get' : '' }) })
  const head = gateway.begin({ method: 'HEAD' })
  assert.deepEqual(head.plan, { asGet: false, strip: false, etag: undefined, lastModified: undefined })
  await settled()
  assert.equal((await gateway.get()).cacheStatus, 'MISS')
  assert.equal((await gateway.get({ method: 'HEAD' })).cacheStatus, 'HIT')
  gateway.clock.advance(20_000)
  assert.equal((await gateway.get({ method: 'HEAD' })).cacheStatus, 'EXPIRED')
  assert.equal((await gateway.get()).cacheStatus, 'EXPIRED')
  await gateway.close()
})

test('a background update that a HEAD sets off fetches GET', async () => {
  const gateway = new TestGateway({ options: { convertHead: false, useStale: ['updating'], backgroundUpdate: true, valid: '10s' }, app: () => ({ body: 'a' }) })
  await gateway.get()
  gateway.clock.advance(20_000)
  gateway.app = undefined
  assert.equal((await gateway.get({ method: 'HEAD' })).cacheStatus, 'STALE')
  assert.deepEqual([gateway.asked[0]?.plan.strip, gateway.asked[0]?.plan.asGet], [true, true])
  gateway.asked[0]?.answer({ body: 'b' })
  await settled()
  assert.equal(await gateway.line(), 'HIT 200 b')
  await gateway.close()
})

test('POST never gets what GET stored, nor the other way round', async () => {
  const gateway = new TestGateway({ options: { methods: ['POST'], key: ({ key = 'k' }) => key, valid: '10s' } })
  assert.ok(gateway.policy.covers('POST') && gateway.policy.covers('GET') && gateway.policy.covers('HEAD') && !gateway.policy.covers('PUT'))
  gateway.app = () => ({ body: 'post' })
  assert.equal(await gateway.line({ method: 'POST' }), 'MISS 200 post')
  gateway.app = () => ({ body: 'get' })
  assert.equal(await gateway.line(), 'MISS 200 get')
  assert.equal(await gateway.line({ method: 'POST' }), 'HIT 200 post')
  assert.equal(await gateway.line({ method: 'HEAD' }), 'HIT 200 get')
  await gateway.close()
})

for (const rules of ['rfc9111', 'nginx'] as const) {
  test(`an expired entry of a POST is fetched anew, without a condition (${rules})`, async () => {
    const plans: FetchPlan[] = []
    let replies = 0
    const gateway = new TestGateway({
      options: { rules, methods: ['POST'], key: ({ key = 'k' }) => key, valid: '10s', revalidate: true },
      app: ({ plan }) => {
        plans.push(plan)
        const headers = { 'cache-control': 'max-age=10', etag: '"1"', 'last-modified': 'Tue, 01 Jan 2030 00:00:00 GMT' }
        return plan.etag === undefined && plan.lastModified === undefined ? { headers, body: `${++replies}` } : { status: 412 }
      },
    })
    const ask = { method: 'POST', headers: { 'if-none-match': '"2"' } }
    assert.equal(await gateway.line(ask), 'MISS 200 1')
    gateway.clock.time += 11_000
    assert.equal(await gateway.line(ask), 'EXPIRED 200 2')
    assert.equal(await gateway.line(ask), 'HIT 200 2')
    assert.deepEqual(plans.map(({ etag, lastModified }) => [etag, lastModified]), [[undefined, undefined], [undefined, undefined]])
    await gateway.close()
  })
}

test('keys', () => {
  assert.equal(defaultKey('https', 'example.com:8080', '/a?b'), 'https://example.com:8080/a?b')
  assert.deepEqual(['GET', 'HEAD', 'POST'].map(method => methodKey(method, '/a')), ['/a', '/a', 'POST /a'])
})

test('the conditions of a client are withheld where the reply may be stored, and answered here if its headers do not forbid', async () => {
  const gateway = new TestGateway()
  for (const [headers, own] of [
    [{}, true],
    [{ 'cache-control': 'max-age=5' }, true],
    [{ 'cache-control': 'no-store' }, false],
    [{ expires: '0' }, false],
    [{ 'set-cookie': 'a=b' }, false],
    [{ vary: '*' }, false],
  ] as const) {
    const exchange = gateway.begin({ key: JSON.stringify(headers), headers: { 'if-none-match': '"x"', range: 'bytes=0-1' } })
    assert.equal(exchange.plan?.strip, true)
    gateway.asked[0]?.answer({ status: 201, headers })
    assert.equal(exchange.pass.ownConditions, own)
  }
  // Also without a lifetime, as with status 201 here; and where only Authorization stands in the way.
  const authorized = gateway.begin({ key: 'auth', headers: { authorization: 'x' } })
  gateway.asked[0]?.answer({})
  assert.equal(authorized.pass.ownConditions, true)
  await gateway.close()
})

test('minUses: the reply is stored at that request, and the conditions before it are the application’s', async () => {
  const gateway = new TestGateway({ options: { minUses: 3, valid: '10s' }, app: () => ({ body: 'x' }) })
  for (const strip of [false, false, true]) {
    const exchange = gateway.begin()
    assert.equal(exchange.plan?.strip, strip)
    assert.equal((await exchange.outcome).cacheStatus, 'MISS')
    assert.equal(exchange.pass.ownConditions, strip)
  }
  await settled()
  assert.equal(await gateway.line(), 'HIT 200 x')
  // An entry that is there is renewed whatever the count is.
  gateway.clock.advance(20_000)
  assert.equal(await gateway.line(), 'EXPIRED 200 x')
  assert.equal(await gateway.line(), 'HIT 200 x')
  await gateway.close()
})

test('minUses: the count ends with inactive, and a bypass does not care', async () => {
  const gateway = new TestGateway({ options: { minUses: 2, valid: '10s' }, app: () => ({ body: 'x' }) })
  await gateway.get()
  gateway.clock.advance(600_000)
  assert.equal(await gateway.line(), 'MISS 200 x')
  assert.equal(await gateway.line(), 'MISS 200 x')
  assert.equal(await gateway.line(), 'HIT 200 x')
  await gateway.get({ key: 'other', bypass: true })
  assert.equal(await gateway.line({ key: 'other' }), 'HIT 200 x')
  await gateway.close()
})

test('minUses with lock: who waits is counted once', async () => {
  const gateway = new TestGateway({ options: { minUses: 2, lock: true, valid: '10s' } })
  await Promise.all([gateway.begin()])
  gateway.asked[0]?.answer({})
  const all = Array.from({ length: 5 }, () => gateway.begin())
  assert.equal(gateway.fetches, 2)
  gateway.asked[0]?.answer({ headers: { 'set-cookie': 'a=b' } })
  await settled()
  assert.equal(gateway.fetches, 3)
  for (const one of all) one.pass.abort()
  await gateway.close()
})

test('ranges that begin too far', () => {
  for (const [range, max, expected] of [
    [undefined, 0, false], ['bytes=0-1', Infinity, false], ['bytes=0-1', 0, true], ['chunks=9-', 5, false], ['bytes=4-', 5, false], ['bytes=5-', 5, true],
    ['bytes=-1', 5, true], ['bytes=0-1,9-', 5, false], ['BYTES=  9-', 5, true], ['bytes=', 5, false], ['bytes=x', 5, false],
    ['bytes=99999999999999999999-', 5, true],
  ] as const) assert.equal(rangeTooFar(range, max), expected, `${range} ${max}`)
})

test('a range beyond maxRangeOffset goes to the application as it is, unless the entry is there', async () => {
  const gateway = new TestGateway({ options: { maxRangeOffset: 100, lock: true, valid: '10s' } })
  const far = { headers: { range: 'bytes=100-' } }
  const exchange = gateway.begin(far)
  assert.equal(exchange.plan?.strip, false)
  // It holds nobody up, and nothing of it is stored.
  const near = gateway.begin({ headers: { range: 'bytes=99-' } })
  assert.equal(near.plan?.strip, true)
  near.pass.abort()
  gateway.asked[0]?.answer({ status: 206, headers: { 'cache-control': 'max-age=10' }, body: 'part' })
  assert.equal(exchange.pass.ownConditions, false)
  gateway.asked.length = 0
  gateway.app = () => ({ body: 'whole' })
  assert.equal(await gateway.line({ headers: { range: 'bytes=99-' } }), 'MISS 200 whole')
  assert.equal(await gateway.line(far), 'HIT 200 whole')
  gateway.clock.advance(20_000)
  assert.equal(await gateway.line(far), 'EXPIRED 200 whole')
  gateway.app = undefined
  assert.equal(gateway.begin(far).plan?.strip, false)
  await gateway.close()
})

test('after the client has gone the exchange goes on only for the cache', async () => {
  const gateway = new TestGateway({ options: { minUses: 2, valid: '10s' } })
  const first = gateway.begin()
  assert.equal(first.pass.wanted, false)
  const second = gateway.begin()
  assert.equal(second.pass.wanted, true)
  const { pass } = second
  assert.equal(pass.onHead({ statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: 3, chunked: false, nph: false }, false), 'store')
  assert.equal(pass.wanted, true)
  pass.onData(Buffer.from('abc'))
  pass.onEnd()
  // What is complete stays, whoever leaves then.
  pass.abort()
  await settled()
  assert.equal(pass.wanted, false)
  assert.equal(await gateway.line(), 'HIT 200 abc')
  await gateway.close()
})
