// Texts that entries of the memory store have in common are kept once; there is a limit to how many.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { InternedTexts } from '../../lib/cache/stores/interned.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'

function heapUsed (): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

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

test('a text that only one entry has is kept without the head that it was cut out of', () => {
  const store = new MemoryStore()
  const now = Date.now()
  const count = 4000
  const before = heapUsed()
  for (let n = 0; n < count; n++) {
    // As the parser of heads makes it: the head is one text, and what is in it is cut out.
    const head = Buffer.from(`${n}-5f3c-61a8e7b2c4d00\r\n${'x-padding: 1\r\n'.repeat(150)}`).toString('latin1')
    const etag = head.slice(0, head.indexOf('\r'))
    const value = { statusCode: 200, statusMessage: 'OK', headers: { etag }, etag, cachedAt: now, staleAt: now + 60_000, deleteAt: now + 60_000 }
    assert.ok(store.put({ origin: 'scgi:a', method: 'GET', path: `/${n}` }, value, [Buffer.from('x')], 1))
  }
  const each = (heapUsed() - before) / count
  assert.ok(each < 1000, `${each} bytes an entry, of heads of 2100 bytes`)
  assert.equal(store.get({ origin: 'scgi:a', method: 'GET', path: '/7' })?.etag, '7-5f3c-61a8e7b2c4d00')
  assert.equal(store.stats().entries, count)
  store.close()
})
