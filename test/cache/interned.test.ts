// Texts that entries of the memory store have in common are kept once; there is a limit to how many.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InternedTexts } from '../../lib/cache/stores/interned.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'

test('a text comes back as it went in, and few of them are kept', () => {
  const texts = new InternedTexts()
  for (let n = 0; n < 5000; n++) assert.equal(texts.of(`"etag-${n}"`), `"etag-${n}"`)
  assert.ok(texts.size <= 1000)
  const long = 'x'.repeat(65)
  const before = texts.size
  assert.equal(texts.of(long), long)
  assert.equal(texts.size, before)
})

test('each entry has its own headers all the same', () => {
  const store = new MemoryStore()
  const now = Date.now()
  const key = (path: string) => ({ origin: 'http://a', method: 'GET', path, headers: {} })
  const value = (etag: string): CacheStoreValue => ({
    statusCode: 200, statusMessage: 'OK', headers: { 'content-type': 'text/html', etag, 'set-cookie': ['a=b', 'c=d'] }, cachedAt: now, staleAt: now + 60_000, deleteAt: now + 60_000,
  })
  for (const name of ['"one"', '"two"']) assert.ok(store.put(key(`/${name}`), value(name), [Buffer.from(name)], name.length))
  for (const name of ['"one"', '"two"']) {
    assert.deepEqual(store.get(key(`/${name}`))?.headers, { 'content-type': 'text/html', etag: name, 'set-cookie': ['a=b', 'c=d'] })
  }
  store.close()
})
