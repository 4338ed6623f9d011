import assert from 'node:assert/strict'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { PlainStore, settled, TestGateway, type Answer, type Setup } from './kit.ts'
import type { CacheStoreKey, CacheStoreResult } from '../../types/cache-store.ts'

const VALIDATORS = { etag: '"1"', 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }

async function expired (setup: Setup = {}, first: Answer = { headers: { ...VALIDATORS, 'cache-control': 'max-age=10' }, body: 'old' }): Promise<TestGateway> {
  const gateway = new TestGateway({ ...setup, options: { revalidate: true, ...setup.options } })
  gateway.app = () => first
  await gateway.get()
  gateway.app = undefined
  gateway.fetches = 0
  gateway.clock.advance(15_000)
  return gateway
}

test('the application is asked with both validators, and a 304 serves and renews what is stored', async () => {
  const gateway = await expired()
  const exchange = gateway.begin({ headers: { 'if-none-match': '"client"' } })
  assert.deepEqual(exchange.plan, { asGet: false, strip: true, etag: '"1"', lastModified: VALIDATORS['last-modified'] })
  gateway.asked[0]?.answer({ status: 304, headers: { etag: '"1"', 'x-new': '1' } })
  const { cacheStatus, status, body, headers, age } = await exchange.outcome
  assert.deepEqual([cacheStatus, status, body, age], ['REVALIDATED', 200, 'old', 0])
  // The old headers stay.
  assert.equal(headers['x-new'], undefined)
  await settled()
  // The lifetime is that of the stored reply, counted from now.
  gateway.clock.advance(10_000)
  assert.equal(await gateway.line(), 'HIT 200 old')
  gateway.clock.advance(1)
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  await gateway.close()
})

test('the lifetime of the 304 goes first, its windows with it', async () => {
  const gateway = await expired()
  gateway.app = () => ({ status: 304, headers: { 'cache-control': 'max-age=100, stale-while-revalidate=50' } })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  gateway.clock.advance(100_000)
  assert.equal(await gateway.line(), 'HIT 200 old')
  gateway.clock.advance(50_000)
  gateway.app = undefined
  gateway.begin()
  assert.equal(await gateway.line(), 'UPDATING 200 old')
  await gateway.close()
})

test('where neither says, valid of the stored status counts', async () => {
  const gateway = await expired({ options: { revalidate: true, valid: { 200: '10s', 304: '1h' } } }, { headers: VALIDATORS, body: 'old' })
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  gateway.clock.advance(10_000)
  assert.equal(await gateway.line(), 'HIT 200 old')
  gateway.clock.advance(1)
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  await gateway.close()
})

test('where neither says any more, valid counts, too: Expires of the entry is past', async () => {
  const first = { headers: { ...VALIDATORS, expires: new Date(new TestGateway().clock.now() + 10_000).toUTCString() }, body: 'old' }
  const gateway = await expired({ options: { valid: { 200: '10s' } } }, first)
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  gateway.clock.advance(10_000)
  assert.equal(await gateway.line(), 'HIT 200 old')
  gateway.clock.advance(1)
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  // Without `valid` there is no lifetime, and each request asks.
  const other = await expired({ options: { valid: { 404: '10s' } } }, first)
  other.app = () => ({ status: 304 })
  for (let i = 0; i < 2; i++) assert.equal(await other.line(), 'REVALIDATED 200 old')
  await gateway.close()
  await other.close()
})

test('a 304 that forbids to store serves what is there, and does not renew it', async () => {
  const gateway = await expired()
  gateway.app = () => ({ status: 304, headers: { 'cache-control': 'no-store' } })
  for (let i = 0; i < 2; i++) assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(gateway.fetches, 2)
  await gateway.close()
})

test('another reply than 304 replaces the entry', async () => {
  const gateway = await expired()
  gateway.app = () => ({ body: 'new' })
  assert.equal(await gateway.line(), 'EXPIRED 200 new')
  assert.equal(await gateway.line(), 'HIT 200 new')
  await gateway.close()
})

for (const [title, first, sent] of [
  ['an ETag alone', { headers: { etag: '"1"' } }, [VALIDATORS.etag, undefined]],
  ['a date alone', { headers: { 'last-modified': VALIDATORS['last-modified'] } }, [undefined, VALIDATORS['last-modified']]],
  ['what is no date', { headers: { 'last-modified': 'x' } }, [undefined, undefined]],
  ['neither', {}, [undefined, undefined]],
  ['a status other than 200 and 206', { status: 404, headers: { ...VALIDATORS, 'cache-control': 'max-age=10' } }, [undefined, undefined]],
  ['206', { status: 206, headers: { ...VALIDATORS, 'cache-control': 'max-age=10' } }, [VALIDATORS.etag, VALIDATORS['last-modified']]],
] as const) {
  test(`validators of ${title}`, async () => {
    const gateway = await expired({}, first)
    const exchange = gateway.begin()
    assert.deepEqual([exchange.plan?.etag, exchange.plan?.lastModified], sent)
    await gateway.close()
  })
}

test('without revalidate nothing is asked, and a 304 is a reply like any other, which is not stored', async () => {
  const gateway = await expired({ options: { revalidate: false, valid: { any: '1m' } } })
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'EXPIRED 304 ')
  assert.equal(await gateway.line(), 'EXPIRED 304 ')
  await gateway.close()
})

test('a background update revalidates too', async () => {
  const gateway = await expired({ options: { useStale: ['updating'], backgroundUpdate: true } })
  assert.equal(await gateway.line(), 'STALE 200 old')
  assert.equal(gateway.asked[0]?.plan.etag, '"1"')
  gateway.asked[0]?.answer({ status: 304 })
  await settled()
  assert.equal(await gateway.line(), 'HIT 200 old')
  assert.equal(gateway.zone.stats().updating, 0)
  await gateway.close()
})

test('those who wait for a revalidation are let go on by it', async () => {
  const gateway = await expired({ options: { lock: true } })
  const first = gateway.begin()
  await gateway.zone.purge('k', {})
  // Now it is missing: they wait for the one that revalidates.
  const waiting = [gateway.begin(), gateway.begin()]
  assert.equal(gateway.fetches, 1)
  gateway.asked[0]?.answer({ status: 304 })
  assert.equal((await first.outcome).cacheStatus, 'REVALIDATED')
  await settled()
  // What was purged is not renewed.
  gateway.asked[0]?.answer({ body: 'new' })
  const got = await Promise.all(waiting.map(async one => (await one.outcome).cacheStatus))
  assert.deepEqual(got.sort(), ['HIT', 'MISS'])
  await gateway.close()
})

test('a store that cannot change a head gets the entry once more, and one that fails leaves it as it was', async () => {
  const store = new PlainStore()
  const gateway = await expired({ store })
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(await gateway.line(), 'HIT 200 old')
  assert.equal(store.entries.get('k')?.length, 1)
  gateway.clock.advance(15_000)
  store.before = method => { if (method === 'createWriteStream') throw new Error('no') }
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(gateway.warnings.length, 1)
  await gateway.close()
})

test('a store that fails to renew leaves the entry, and frees whoever waits', async () => {
  const inner = new MemoryStore({ inactive: '20d', now: () => 0 })
  const store = Object.assign(inner, { updateMeta: () => { throw new Error('no') } })
  const gateway = await expired({ store })
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(await gateway.line(), 'REVALIDATED 200 old')
  assert.equal(gateway.zone.locks.size, 0)
  assert.equal(gateway.warnings.length, 1)
  await gateway.close()
})

/** A store of a user's own that says which writing an entry is. */
class NumberedStore extends PlainStore {
  readonly #ids = new WeakMap<object, number>()
  #last = 0

  override async get (key: CacheStoreKey): Promise<CacheStoreResult | undefined> {
    const found = await super.get(key)
    const [entry] = this.entries.get(key.path) ?? []
    if (found === undefined || entry === undefined) return found
    const id = this.#ids.get(entry) ?? ++this.#last
    this.#ids.set(entry, id)
    return { ...found, id }
  }
}

for (const [what, make] of [
  ['memory', () => new MemoryStore({ inactive: '20d', now: () => 0 })],
  ['one that takes whole entries alone', () => new NumberedStore()],
] as const) {
  test(`a late 304 for an entry that was replaced within a millisecond by one with the same validators: ${what}`, async () => {
    const store = make()
    const gateway = await expired({ store })
    const late = gateway.begin()
    await settled()
    assert.equal(late.plan?.etag, '"1"')
    const key = { origin: 'scgi:test', method: 'GET', path: 'k' }
    const found = await store.get(key)
    assert.ok(found !== undefined)
    const { body: _body, size: _size, id: _id, ...value } = found
    const stream = store.createWriteStream(key, { ...value, headers: { ...value.headers, 'x-head': 'second' } })
    assert.ok(stream !== undefined)
    await finished(stream.end('new'))
    gateway.asked[0]?.answer({ status: 304 })
    assert.equal((await late.outcome).body, 'old')
    await settled()
    const left = await store.get(key)
    assert.deepEqual([left?.headers['x-head'], left?.cachedAt], ['second', value.cachedAt])
    await gateway.close()
  })
}
