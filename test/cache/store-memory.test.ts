import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testCacheStore } from '../../lib/cache-store-suite/index.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { keyOf, pattern, read, valueOf, write } from './store-kit.ts'

testCacheStore('memory', () => new MemoryStore({ maxSize: '16m' }), { methods: ['updateMeta', 'openRange', 'purge', 'keys', 'list', 'stats', 'close'] })

test('the entry used longest ago goes when there are too many bytes', async () => {
  const store = new MemoryStore({ maxSize: 100_000 })
  for (let i = 0; i < 8; i++) await write(store, `/${i}`, pattern(10_000, i))
  assert.equal(store.stats().entries, 8)
  await read(store, '/0')
  for (let i = 8; i < 14; i++) {
    await write(store, `/${i}`, pattern(10_000, i))
    assert.ok(store.stats().bytes <= 100_000)
  }
  const left = []
  for (let i = 0; i < 14; i++) if (await read(store, `/${i}`) !== undefined) left.push(i)
  assert.deepEqual(left, [0, 6, 7, 8, 9, 10, 11, 12, 13])
  store.close()
})

test('maxEntries', async () => {
  const store = new MemoryStore({ maxEntries: 3 })
  for (let i = 0; i < 10; i++) await write(store, `/${i}`, 'x')
  assert.deepEqual([...store.keys('scgi:zone')].map(({ path }) => path).sort(), ['/7', '/8', '/9'])
  store.close()
})

test('a body that is too large is not stored, and does not evict others', async () => {
  const store = new MemoryStore({ maxSize: 80_000 })
  await write(store, '/kept', 'kept')
  assert.equal(store.createWriteStream(keyOf('/a'), valueOf({ headers: { 'content-length': '10001' } })), undefined)
  const stream = store.createWriteStream(keyOf('/a'), valueOf())
  stream?.write(pattern(5000, 1))
  stream?.write(pattern(5001, 1))
  assert.equal(stream?.destroyed, true)
  assert.equal(await read(store, '/a'), undefined)
  assert.equal((await read(store, '/kept'))?.toString(), 'kept')
  await write(store, '/a', pattern(10_000, 1))
  store.close()
})

test('what nobody has asked for is removed after inactive, fresh or not', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const store = new MemoryStore({ inactive: '1s', now: Date.now })
  await write(store, '/a', 'a')
  await write(store, '/b', 'b')
  t.mock.timers.tick(900)
  assert.ok(store.get(keyOf('/a')) !== undefined)
  t.mock.timers.tick(200)
  assert.deepEqual([...store.keys('scgi:zone')].map(({ path }) => path), ['/a'])
  t.mock.timers.tick(2000)
  assert.deepEqual(store.stats(), { entries: 0, bytes: 0 })
  store.close()
})

for (const [what, length] of [['a long body is one Buffer that every hit gets', 5000], ['of a short body every hit gets a copy', 6]] as const) {
  test(`${what}; nobody else has it, and the headers cannot be changed`, async () => {
    const store = new MemoryStore()
    const value = valueOf({ headers: { 'x-many': ['a', 'b'], 'x-one': 'c' } })
    const stream = store.createWriteStream(keyOf('/a'), value)
    const chunk = pattern(length, 1)
    const content = Buffer.from(chunk)
    await new Promise<void>(resolve => stream?.end(chunk, resolve))
    chunk.fill(0)
    const [first, second] = [store.get(keyOf('/a')), store.get(keyOf('/a'))]
    assert.ok(first !== undefined && Buffer.isBuffer(first.body) && Buffer.isBuffer(second?.body))
    assert.deepEqual(first.body, content)
    assert.deepEqual(second.body, content)
    assert.equal(first.body === second.body, length >= 4096)
    if (length >= 4096) assert.equal(first.body.buffer.byteLength, length)
    else first.body.fill(0)
    assert.throws(() => { first.headers['x-one'] = 'changed' }, TypeError)
    assert.throws(() => { Object(first.headers['x-many'])[0] = 'changed' }, TypeError)
    first.staleAt = 0
    value.headers['x-one'] = 'may be changed'
    const third = store.get(keyOf('/a'))
    assert.deepEqual(third?.body, content)
    assert.deepEqual([third.headers['x-one'], third.staleAt], ['c', second.staleAt])
    store.close()
  })
}

test('the later of two entries that a request could get is right, and bytes are counted once', async () => {
  const store = new MemoryStore()
  const put = async (headers: Record<string, string>, vary: Record<string, string> | undefined, content: string): Promise<void> => {
    const stream = store.createWriteStream(keyOf('/v', headers), valueOf(vary === undefined ? {} : { vary }))
    await new Promise<void>(resolve => stream?.end(content, resolve))
  }
  const get = (headers: Record<string, string>): string => String(store.get(keyOf('/v', headers))?.body)
  await put({ a: '1', b: '1' }, { a: '1' }, 'by a')
  await put({ a: '2', b: '1' }, { b: '1' }, 'by b')
  assert.deepEqual([get({ a: '1', b: '1' }), get({ a: '1', b: '2' }), get({ a: '2', b: '1' }), get({ a: '2', b: '2' })], ['by b', 'by a', 'by b', 'undefined'])
  await put({}, undefined, 'for all')
  assert.equal(store.stats().entries, 1)
  assert.equal(get({ a: '1', b: '1' }), 'for all')
  for (let i = 0; i < 50; i++) await put({}, { [`x-${i}`]: '1' }, 'another Vary each time')
  assert.ok(store.stats().entries <= 8)
  store.delete(keyOf('/v'))
  assert.deepEqual(store.stats(), { entries: 0, bytes: 0 })
  store.close()
})

test('put: a body of another length than it is said to have is an error, not an entry', () => {
  const store = new MemoryStore()
  for (const size of [10, 5000]) {
    for (const said of [size - 1, size + 1]) assert.throws(() => store.put(keyOf('/a'), valueOf(), [pattern(size, 1)], said), RangeError)
    assert.equal(store.put(keyOf(`/${size}`), valueOf(), [pattern(size, 1)], size), true)
  }
  assert.deepEqual([store.get(keyOf('/a')), store.stats().entries], [undefined, 2])
  store.close()
})
