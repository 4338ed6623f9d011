import assert from 'node:assert/strict'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileGlob } from '../../lib/cache/glob.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { readTags } from '../../lib/cache/tags.ts'
import { makeHead, PlainStore, settled, SlowStore, TestGateway } from './kit.ts'
import type { CacheStore, CacheStoreKey } from '../../types/cache-store.ts'

async function filled (gateway = new TestGateway()): Promise<TestGateway> {
  gateway.app = ({ key }) => ({ headers: { 'cache-tag': `all, ${key.slice(0, 2)}`, etag: '"1"' }, body: key })
  for (const key of ['/a/1', '/a/2', '/b/1']) await gateway.get({ key })
  return gateway
}

async function cached (gateway: TestGateway): Promise<string> {
  const lines = []
  for (const key of ['/a/1', '/a/2', '/b/1']) lines.push((await gateway.get({ key, noCache: true })).cacheStatus)
  return lines.join(' ')
}

for (const [title, match, count, after] of [
  ['a key', '/a/1', 1, 'MISS HIT HIT'],
  ['a key, in full', { key: '/a/2' }, 1, 'HIT MISS HIT'],
  ['a glob', { glob: '/a/*' }, 2, 'MISS MISS HIT'],
  ['a tag', { tag: '/b' }, 1, 'HIT HIT MISS'],
  ['everything', { glob: '*' }, 3, 'MISS MISS MISS'],
  ['nothing', { glob: '/c*' }, 0, 'HIT HIT HIT'],
] as const) {
  test(`purge of ${title}`, async () => {
    const gateway = await filled()
    assert.equal(await gateway.zone.purge(match), count)
    assert.equal(await cached(gateway), after)
    await gateway.close()
  })

  test(`soft purge of ${title}`, async () => {
    const gateway = await filled()
    assert.equal(await gateway.zone.purge(match, { soft: true }), count)
    gateway.clock.advance(1)
    assert.equal(await cached(gateway), after.replaceAll('MISS', 'EXPIRED'))
    await gateway.close()
  })
}

test('an entry that was purged softly can be served stale, and revalidated', async () => {
  const gateway = await filled(new TestGateway({ options: { useStale: ['error'], revalidate: true, valid: '10s' } }))
  await gateway.zone.purge('/a/1', { soft: true })
  gateway.clock.advance(1)
  gateway.app = () => ({ fail: 'error' })
  assert.equal(await gateway.line({ key: '/a/1' }), 'STALE 200 /a/1')
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line({ key: '/a/1' }), 'REVALIDATED 200 /a/1')
  assert.equal(await gateway.line({ key: '/a/1' }), 'HIT 200 /a/1')
  await gateway.close()
})

test('a purge ends the memory of an error', async () => {
  const gateway = new TestGateway({ options: { valid: { any: '1h' } }, app: () => ({ fail: 'error' }) })
  for (const key of ['/a', '/b']) await gateway.get({ key })
  await gateway.zone.purge({ glob: '/a*' })
  assert.equal((await gateway.get({ key: '/a', noCache: true })).cacheStatus, 'MISS')
  assert.equal((await gateway.get({ key: '/b' })).cacheStatus, 'HIT')
  await gateway.close()
})

for (const match of ['k', { glob: 'k*' }, { tag: 't' }] as const) {
  for (const phase of ['fetching', 'storing', 'committing'] as const) {
    test(`a reply that is on its way when ${JSON.stringify(match)} is purged is not stored (${phase})`, async () => {
      const gateway = new TestGateway({ store: new ListStore() })
      const { pass } = gateway.begin()
      await new Promise(setImmediate)
      if (phase === 'fetching') await gateway.zone.purge(match)
      const decision = pass.onHead(makeHead(200, { 'cache-tag': 't' }), false)
      assert.equal(decision, phase === 'fetching' ? 'pass' : 'store')
      pass.onData(Buffer.from('old'))
      if (phase === 'storing') await gateway.zone.purge(match)
      pass.onEnd()
      if (phase === 'committing') await gateway.zone.purge(match)
      gateway.app = () => ({ body: 'new' })
      assert.equal(await gateway.line(), 'MISS 200 new')
      assert.equal(await gateway.line(), 'HIT 200 new')
      await gateway.close()
    })
  }
}

test('a reply that the store is just taking when its key is purged is taken out again', async () => {
  const store = new SlowStore()
  const gateway = new TestGateway({ store, app: () => ({ body: 'old' }) })
  await gateway.get()
  await gateway.zone.purge('k')
  store.commit()
  await settled()
  assert.equal(store.entries.size, 0)
  await gateway.close()
})

test('another key that is on its way is stored', async () => {
  const gateway = new TestGateway()
  const { pass } = gateway.begin()
  await gateway.zone.purge({ tag: 'other' })
  await gateway.zone.purge('l')
  assert.equal(pass.onHead(makeHead(200, { 'cache-tag': 't' }), false), 'store')
  await gateway.close()
})

/** A store that can list its keys, and has no purge. */
class ListStore extends PlainStore {
  * keys (origin: string): Generator<CacheStoreKey> {
    for (const path of this.entries.keys()) yield { origin, method: 'GET', path }
  }
}

test('a store without purge: one key always, the rest where it lists its keys', async () => {
  const plain = await filled(new TestGateway({ store: new PlainStore() }))
  assert.equal(await plain.zone.purge('/a/1'), 1)
  assert.equal(await cached(plain), 'MISS HIT HIT')
  await assert.rejects(plain.zone.purge({ glob: '*' }), { code: 'FST_SCGI_CACHE_PURGE' })
  await assert.rejects(plain.zone.purge('/a/1', { soft: true }), { code: 'FST_SCGI_CACHE_PURGE' })
  await plain.close()

  const lists = await filled(new TestGateway({ store: new ListStore() }))
  assert.equal(await lists.zone.purge({ glob: '*/1' }), 2)
  assert.equal(await cached(lists), 'MISS HIT MISS')
  assert.equal(await lists.zone.purge({ tag: 'all' }), 1)
  await assert.rejects(lists.zone.purge({ glob: '*' }, { soft: true }), { code: 'FST_SCGI_CACHE_PURGE' })
  await lists.close()
})

test('a soft purge by search does not give the head of one entry to another that has taken its place', async () => {
  const memory = new MemoryStore({ now: () => 0 })
  const write = async (key: CacheStoreKey, head: string): Promise<void> => {
    const value = { statusCode: 200, statusMessage: 'OK', headers: { 'x-head': head }, cachedAt: 1, staleAt: 4e12, deleteAt: 4e12 }
    const stream = memory.createWriteStream(key, value)
    assert.ok(stream !== undefined)
    await finished(stream.end(head))
  }
  /** How often it is replaced between the look and the change. */
  let replaced = 1
  const store: CacheStore = {
    get: async key => {
      const found = memory.get(key)
      if (replaced-- > 0) await write(key, 'second')
      return found
    },
    createWriteStream: (key, value) => memory.createWriteStream(key, value),
    delete: key => memory.delete(key),
    updateMeta: (key, value, of) => memory.updateMeta(key, value, of),
    keys: origin => memory.keys(origin),
  }
  const gateway = new TestGateway({ store })
  const key = { origin: 'scgi:test', method: 'GET', path: 'k' }
  await write(key, 'first')
  assert.equal(await gateway.zone.purge('k', { soft: true }), 1)
  assert.deepEqual(memory.get(key)?.headers, { 'x-head': 'second' })
  assert.ok((memory.get(key)?.staleAt ?? Infinity) < 4e12, 'the one that has taken its place is purged, too')
  await write(key, 'first')
  replaced = Infinity
  assert.equal(await gateway.zone.purge('k', { soft: true }), 0)
  assert.deepEqual([memory.get(key)?.headers, memory.get(key)?.staleAt], [{ 'x-head': 'second' }, 4e12])
  await gateway.close()
})

test('a store that fails to purge says so', async () => {
  const store = Object.assign(new PlainStore(), { purge: () => Promise.reject(new Error('gone')) })
  const gateway = new TestGateway({ store })
  await assert.rejects(gateway.zone.purge('a'), { code: 'FST_SCGI_CACHE_PURGE', message: "Purging the cache 'test' failed: gone" })
  await gateway.close()
})

test('a glob matches what the same regular expression does', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '*', '?'), { maxLength: 12 }).map(parts => parts.join(''))
  const text = fc.array(fc.constantFrom('a', 'b', 'a'), { maxLength: 40 }).map(parts => parts.join(''))
  fc.assert(fc.property(letters, text, (glob, given) => {
    const oracle = new RegExp(`^${glob.replace(/\*+/g, '[^]*').replaceAll('?', '[^]')}$`)
    assert.equal(compileGlob(glob)(given), oracle.test(given))
  }), { numRuns: 3000 })
  fc.assert(fc.property(fc.string(), fc.string(), fc.string(), (before, middle, after) => {
    const plain = (part: string): string => part.replace(/[*?]/g, '')
    assert.ok(compileGlob(`${plain(before)}*${plain(after)}`)(plain(before) + middle + plain(after)))
    assert.ok(compileGlob(plain(middle))(plain(middle)))
  }))
})

test('long parts of a glob, over the words of the bit field', () => {
  for (const length of [30, 31, 32, 61, 62, 63, 100]) {
    const part = Array.from({ length }, (_, i) => 'abc?'[i % 4]).join('')
    const filling = part.replaceAll('?', 'x')
    assert.ok(compileGlob(`*${part}*`)(`yy${filling.slice(0, -1)}${filling}zz`), String(length))
    assert.ok(!compileGlob(`*${part}*`)(`yy${filling.slice(0, -1)}`), String(length))
    assert.ok(!compileGlob(`*${part}?*`)(filling), String(length))
  }
})

test('a glob looks at each character once, whatever its parts', t => {
  const glob = compileGlob(`*${'a'.repeat(200)}b*${'a?'.repeat(100)}c*`)
  for (const length of [1000, 10_000]) {
    const text = 'a'.repeat(length)
    const looks = t.mock.method(String.prototype, 'charCodeAt')
    const matches = glob(text)
    const count = looks.mock.callCount()
    looks.mock.restore()
    assert.equal(matches, false)
    assert.ok(count >= length && count <= length + 10, `${count} for ${length}`)
  }
})

test('tags', () => {
  assert.deepEqual(readTags({}), [])
  assert.deepEqual(readTags({ 'cache-tag': 'a, b c,,a', 'surrogate-key': 'd  e a' }), ['a', 'b c', 'd', 'e'])
  assert.deepEqual(readTags({ 'cache-tag': ['a', 'b'] }), ['a', 'b'])
  assert.equal(readTags({ 'surrogate-key': Array.from({ length: 1000 }, (_, n) => `t${n}`).join(' ') }).length, 128)
  assert.deepEqual(readTags({ 'cache-tag': `${'x'.repeat(257)}, ok` }), ['ok'])
})
