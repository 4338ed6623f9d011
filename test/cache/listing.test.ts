// What an operator sees of a cache: pages of entries, from any store, without a use of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache, DiskStore, MemoryStore } from '../../lib/index.ts'
import { tempDir } from '../helpers/temp.ts'
import type { CacheStore, CacheStoreKey, CacheStoreValue } from '../../types/cache-store.ts'

const ORIGIN = 'scgi:pages'

function key (path: string): CacheStoreKey {
  return { origin: ORIGIN, method: 'GET', path }
}

function value (more: Partial<CacheStoreValue> = {}): CacheStoreValue {
  const now = Date.now()
  return { statusCode: 200, statusMessage: 'OK', headers: { 'cache-tag': 'news, front' }, cachedAt: now, staleAt: now + 60_000, deleteAt: now + 120_000, ...more }
}

async function put (store: CacheStore, path: string, more?: Partial<CacheStoreValue>): Promise<void> {
  const stream = store.createWriteStream(key(path), value(more))
  assert.ok(stream)
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject).once('close', resolve)
    stream.end('body')
  })
}

/** A store that has no list, as others write them. */
function withoutList (store: MemoryStore, keys = true): CacheStore {
  return {
    get: found => store.get(found),
    createWriteStream: (found, given) => store.createWriteStream(found, given),
    delete: found => store.delete(found),
    ...(keys ? { keys: (origin: string) => store.keys(origin) } : undefined),
  }
}

for (const kind of ['memory', 'disk', 'a store without a list'] as const) {
  test(`lists the entries of ${kind} by page and by key`, async () => {
    await using dir = await tempDir()
    const store = kind === 'disk' ? new DiskStore({ path: dir.path }) : kind === 'memory' ? new MemoryStore() : withoutList(new MemoryStore())
    const cache = createCache({ name: 'pages', store })
    for (const path of ['/a/1', '/a/2', '/b/1']) await put(store, path)
    await put(store, '/a/over', { deleteAt: 1 })
    const all = await cache.entries()
    assert.deepEqual(all.entries.map(entry => entry.key).sort(), ['/a/1', '/a/2', '/b/1'])
    assert.equal(all.next, undefined)
    const [first] = all.entries
    assert.deepEqual([first?.statusCode, first?.size, first?.tags, first?.vary], [200, 4, ['news', 'front'], []])
    assert.deepEqual((await cache.entries({ glob: '/b/?' })).entries.map(entry => entry.key), ['/b/1'])
    const seen: string[] = []
    let offset: number | undefined = 0
    while (offset !== undefined) {
      const page: Awaited<ReturnType<typeof cache.entries>> = await cache.entries({ glob: '/*/?', offset, limit: 1 })
      seen.push(...page.entries.map(entry => entry.key))
      offset = page.next
    }
    assert.deepEqual(seen.sort(), ['/a/1', '/a/2', '/b/1'])
    await cache.close()
  })
}

for (const lists of [true, false]) {
  test(`each entry is on one page, and no page is empty, whatever entries are over, ${lists ? 'with' : 'without'} a list`, async () => {
    const memory = new MemoryStore()
    // In the order of their paths; capitals are over.
    for (const order of ['aBcd', 'Abcd', 'abcD', 'abCD', 'aBCdE', 'ABC', 'abc', 'aBcDeF']) {
      const keys = Array.from(order, (letter, index) => ({ ...key(`/${index}${letter}`), dead: letter < 'a' }))
      const store: CacheStore = {
        ...withoutList(memory),
        keys: async function * () { yield * keys },
        get: ({ path }) => keys.some(one => one.path === path && one.dead) ? undefined : { ...value(), body: Buffer.from('body'), size: 4 },
        ...(lists && {
          list: async function * () { for (const one of keys) yield { key: one, value: value(one.dead ? { deleteAt: 1 } : {}), size: 4 } },
        }),
      }
      const cache = createCache({ name: 'pages', store })
      for (const limit of [1, 2, 3]) {
        const pages: string[][] = []
        for (let offset: number | undefined = 0; offset !== undefined;) {
          const page: Awaited<ReturnType<typeof cache.entries>> = await cache.entries({ offset, limit })
          pages.push(page.entries.map(entry => entry.key))
          offset = page.next
        }
        const live = keys.filter(({ dead }) => !dead).map(({ path }) => path)
        assert.deepEqual(pages.flat(), live, `${order} by ${limit}`)
        assert.equal(pages.length, Math.max(1, Math.ceil(live.length / limit)), `${order} by ${limit}`)
      }
      await cache.close()
    }
  })
}

test('to be listed is no use of an entry: the one used longest ago still goes first', async () => {
  const store = new MemoryStore({ maxEntries: 2 })
  const cache = createCache({ name: 'pages', store })
  await put(store, '/old')
  await put(store, '/new')
  await cache.entries({ glob: '/old' })
  await put(store, '/newest')
  assert.equal(store.get(key('/old')), undefined)
  await cache.close()
})

test('says why entries cannot be listed', async () => {
  const cache = createCache({ name: 'pages', store: withoutList(new MemoryStore(), false) })
  await assert.rejects(cache.entries(), { code: 'FST_SCGI_CACHE_LIST', message: /'pages' cannot be listed: its store cannot list its keys/ })
  for (const wrong of [{ limit: 0 }, { limit: 10_001 }, { offset: -1 }, { offset: 0.5 }]) await assert.rejects(cache.entries(wrong), { code: 'FST_SCGI_CACHE_LIST' })
  await cache.close()
})
