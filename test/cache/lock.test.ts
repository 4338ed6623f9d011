import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlainStore, settled, SlowStore, TestGateway, type TestExchange } from './kit.ts'

const LOCK = { lock: true, valid: '10s' }

async function statuses (exchanges: TestExchange[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const exchange of exchanges) {
    const { cacheStatus, status } = await exchange.outcome
    counts[`${cacheStatus} ${status}`] = (counts[`${cacheStatus} ${status}`] ?? 0) + 1
  }
  return counts
}

test('1,000 requests for one missing key make one request', async () => {
  const gateway = new TestGateway({ options: LOCK })
  const all = Array.from({ length: 1000 }, () => gateway.begin())
  assert.equal(gateway.fetches, 1)
  assert.equal(gateway.zone.stats().waiting, 999)
  gateway.asked[0]?.answer({ body: 'x' })
  assert.deepEqual(await statuses(all), { 'MISS 200': 1, 'HIT 200': 999 })
  assert.equal(gateway.fetches, 1)
  assert.equal(gateway.zone.locks.size, 0)
  assert.equal(gateway.zone.stats().waiting, 0)
  assert.equal(gateway.clock.pending, 0)
  await gateway.close()
})

test('the same with a store that answers later', async () => {
  const gateway = new TestGateway({ options: LOCK, store: new PlainStore() })
  const all = Array.from({ length: 1000 }, () => gateway.begin())
  await settled()
  assert.equal(gateway.fetches, 1)
  gateway.asked[0]?.answer({ body: 'x' })
  assert.deepEqual(await statuses(all), { 'MISS 200': 1, 'HIT 200': 999 })
  assert.equal(gateway.fetches, 1)
  assert.equal(gateway.clock.pending, 0)
  await gateway.close()
})

test('without lock each asks for itself', async () => {
  const gateway = new TestGateway()
  for (let i = 0; i < 5; i++) gateway.begin()
  assert.equal(gateway.fetches, 5)
  await gateway.close()
})

test('other keys do not wait', async () => {
  const gateway = new TestGateway({ options: LOCK })
  for (const key of ['a', 'b', 'c']) gateway.begin({ key })
  assert.equal(gateway.fetches, 3)
  await gateway.close()
})

for (const [title, end] of [
  ['that is aborted by its client', (first: TestExchange) => first.pass.abort()],
  ['that fails', (first: TestExchange, gateway: TestGateway) => gateway.asked[0]?.answer({ fail: 'error' })],
  ['whose reply is not to be stored', (first: TestExchange, gateway: TestGateway) => gateway.asked[0]?.answer({ headers: { 'set-cookie': 'a=b' } })],
  ['whose reply breaks off', (first: TestExchange, gateway: TestGateway) => gateway.asked[0]?.answer({ body: 'some bytes', cut: true })],
  ['whose reply is too short', (first: TestExchange, gateway: TestGateway) => gateway.asked[0]?.answer({ body: 'x', headers: { 'content-length': '2' } })],
] as const) {
  test(`a populator ${title} is followed by the first who waits, and by one only`, async () => {
    const gateway = new TestGateway({ options: LOCK })
    const first = gateway.begin({ key: 'k' })
    const waiting = Array.from({ length: 10 }, (_, n) => gateway.begin({ headers: { 'x-number': String(n) } }))
    end(first, gateway)
    // An aborted request is asked no more, and answers nothing.
    if (gateway.asked[0]?.headers['x-number'] === undefined) gateway.asked.shift()
    await settled()
    assert.equal(gateway.fetches, 2)
    assert.equal(gateway.asked[0]?.headers['x-number'], '0')
    gateway.asked[0]?.answer({ body: 'x' })
    assert.deepEqual(await statuses(waiting), { 'MISS 200': 1, 'HIT 200': 9 })
    assert.equal(gateway.fetches, 2)
    assert.equal(gateway.zone.locks.size, 0)
    await gateway.close()
  })
}

test('an application that always fails gets one request at a time', async () => {
  const gateway = new TestGateway({ options: LOCK })
  const all = Array.from({ length: 20 }, () => gateway.begin())
  for (let turn = 0; turn < 20; turn++) {
    assert.equal(gateway.asked.length, 1)
    gateway.asked[0]?.answer({ fail: 'error' })
    await settled()
  }
  assert.deepEqual(await statuses(all), { 'MISS 502': 20 })
  assert.equal(gateway.peak, 1)
  assert.equal(gateway.zone.locks.size, 0)
  await gateway.close()
})

test('after lockAge one more is let through, and the next after as long again', async () => {
  const gateway = new TestGateway({ options: { lock: { age: '2s', timeout: '1h' }, valid: '10s' } })
  const all = Array.from({ length: 10 }, () => gateway.begin())
  gateway.clock.advance(1999)
  await settled()
  assert.equal(gateway.fetches, 1)
  gateway.clock.advance(1)
  await settled()
  assert.equal(gateway.fetches, 2)
  gateway.clock.advance(1999)
  await settled()
  assert.equal(gateway.fetches, 2)
  gateway.clock.advance(1)
  await settled()
  assert.equal(gateway.fetches, 3)
  // The oldest comes after all, and what it brings is good for all who wait.
  gateway.asked[0]?.answer({ body: 'x' })
  await settled()
  assert.deepEqual(all.map(one => one.done?.cacheStatus ?? '-').join(' '), 'MISS - - HIT HIT HIT HIT HIT HIT HIT')
  for (const asked of [...gateway.asked]) asked.answer({ body: 'y' })
  assert.deepEqual(await statuses(all), { 'MISS 200': 3, 'HIT 200': 7 })
  await settled()
  assert.equal(gateway.zone.locks.size, 0)
  await gateway.close()
})

test('a populator that is past lockAge and has nothing to give does not let another one go', async () => {
  const gateway = new TestGateway({ options: { lock: { age: '2s', timeout: '1h' }, valid: '10s' } })
  const all = Array.from({ length: 4 }, () => gateway.begin())
  gateway.clock.advance(2000)
  await settled()
  assert.equal(gateway.fetches, 2)
  all[0]?.pass.abort()
  await settled()
  assert.equal(gateway.fetches, 2)
  gateway.asked[1]?.answer({ body: 'x' })
  assert.deepEqual(await statuses(all.slice(1)), { 'MISS 200': 1, 'HIT 200': 2 })
  await gateway.close()
})

test('an event loop that stood still for longer than lockAge forgets nobody', async () => {
  const gateway = new TestGateway({ options: { lock: { age: '2s', timeout: '1h' } } })
  const all = Array.from({ length: 5 }, () => gateway.begin())
  gateway.clock.advance(30_000)
  await settled()
  assert.equal(gateway.fetches, 5)
  for (const asked of [...gateway.asked]) asked.answer({ fail: 'error' })
  assert.deepEqual(await statuses(all), { 'MISS 502': 5 })
  assert.equal(gateway.zone.locks.size, 0)
  await gateway.close()
})

test('a request that finds the lock older than lockAge goes at once', async () => {
  const gateway = new TestGateway({ options: { lock: { age: '2s', timeout: '1h' } } })
  gateway.begin()
  gateway.clock.advance(1999)
  const second = gateway.begin()
  assert.equal(gateway.fetches, 1)
  second.pass.abort()
  gateway.clock.advance(1)
  gateway.begin()
  assert.equal(gateway.fetches, 2)
  await gateway.close()
})

test('after lockTimeout a request goes for itself, and its reply is not stored', async () => {
  const gateway = new TestGateway({ options: { lock: { age: '1h', timeout: '3s' }, valid: '10s' } })
  gateway.begin()
  const late = gateway.begin()
  gateway.clock.advance(2000)
  const later = gateway.begin()
  gateway.clock.advance(999)
  assert.equal(gateway.fetches, 1)
  gateway.clock.advance(1)
  assert.equal(gateway.fetches, 2)
  // Its conditions are the application's to answer.
  assert.deepEqual(late.plan, { asGet: false, strip: false, etag: undefined, lastModified: undefined })
  gateway.asked[1]?.answer({ body: 'late' })
  assert.equal((await late.outcome).cacheStatus, 'MISS')
  gateway.clock.advance(1999)
  assert.equal(gateway.fetches, 2)
  gateway.clock.advance(1)
  assert.equal(gateway.fetches, 3)
  gateway.asked[1]?.answer({ body: 'later' })
  assert.equal((await later.outcome).body, 'later')
  await settled()
  // Nothing of that is in the cache.
  const next = gateway.begin()
  assert.equal(next.done, undefined)
  gateway.asked[0]?.answer({ body: 'first' })
  assert.equal((await next.outcome).body, 'first')
  await gateway.close()
})

test('with a lockTimeout of 0 nobody waits', async () => {
  const gateway = new TestGateway({ options: { lock: { timeout: 0 } } })
  gateway.begin()
  const second = gateway.begin()
  assert.equal(gateway.fetches, 2)
  assert.equal(second.plan?.strip, false)
  await gateway.close()
})

test('those who go while they wait leave nothing behind, and do not stop the rest', async () => {
  const gateway = new TestGateway({ options: LOCK })
  const all = Array.from({ length: 10 }, () => gateway.begin())
  for (const n of [1, 2, 5, 9]) all[n]?.pass.abort()
  assert.equal(gateway.zone.stats().waiting, 5)
  all[0]?.pass.abort()
  gateway.asked.shift()
  // Number 3 has the lock, and goes before it is told so.
  all[3]?.pass.abort()
  await settled()
  assert.equal(gateway.fetches, 2)
  gateway.asked[0]?.answer({ body: 'x' })
  assert.deepEqual(await statuses([4, 6, 7, 8].flatMap(n => all[n] ?? [])), { 'MISS 200': 1, 'HIT 200': 3 })
  assert.equal(gateway.zone.locks.size, 0)
  assert.equal(gateway.zone.active.size, 0)
  assert.equal(gateway.clock.pending, 0)
  await gateway.close()
})

test('variants of a key wait for their own, once it is known that there are some', async () => {
  const gateway = new TestGateway({ options: { lock: true, valid: '10s' } })
  const ask = (language: string): TestExchange => gateway.begin({ headers: { 'accept-language': language } })
  const vary = { vary: 'Accept-Language' }
  const first = [ask('de'), ask('de'), ask('en'), ask('fr'), ask('fr')]
  gateway.asked[0]?.answer({ headers: vary, body: 'de' })
  await settled()
  // Now it is known: en and fr each fetch theirs, and the second fr waits for the first.
  assert.deepEqual(gateway.asked.map(asked => asked.headers['accept-language']), ['en', 'fr'])
  for (const asked of [...gateway.asked]) asked.answer({ headers: vary, body: asked.headers['accept-language'] ?? '' })
  const got = await Promise.all(first.map(async one => {
    const { cacheStatus, body } = await one.outcome
    return `${cacheStatus} ${body}`
  }))
  assert.deepEqual(got, ['MISS de', 'HIT de', 'MISS en', 'MISS fr', 'HIT fr'])
  assert.equal(gateway.fetches, 3)
  await gateway.close()
})

test('what waits for a reply that is being put into the store finds it', async () => {
  const store = new SlowStore()
  const gateway = new TestGateway({ store, app: () => ({ body: 'x' }) })
  assert.equal((await gateway.begin().outcome).cacheStatus, 'MISS')
  await settled()
  const [second, third] = [gateway.begin(), gateway.begin()]
  await settled()
  assert.equal(gateway.fetches, 1)
  third.pass.abort()
  store.commit()
  assert.equal((await second.outcome).cacheStatus, 'HIT')
  // A store that takes too long is not waited for.
  gateway.begin({ key: 'other' })
  await settled()
  const waits = gateway.begin({ key: 'other' })
  await settled()
  gateway.clock.advance(250)
  assert.equal((await waits.outcome).cacheStatus, 'MISS')
  // Nor is one that never takes it, when the cache is closed.
  const closed = gateway.close()
  assert.equal(gateway.zone.active.size, 2)
  gateway.clock.advance(5000)
  await closed
  assert.equal(gateway.zone.active.size, 0)
  assert.equal(gateway.clock.pending, 0)
})
