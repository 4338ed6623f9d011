import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable, Writable } from 'node:stream'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { makeHead, PlainStore, settled, TestGateway } from './kit.ts'
import type { CacheStore, CacheStoreResult } from '../../types/cache-store.ts'

test('a store whose get throws is a cache that is empty, with one warning', async () => {
  const store = new PlainStore()
  store.before = () => { throw new Error('broken') }
  const gateway = new TestGateway({ store, app: () => ({ body: 'x' }), options: { lock: true } })
  for (let i = 0; i < 5; i++) assert.equal(await gateway.line(), 'MISS 200 x')
  assert.deepEqual(gateway.warnings, ["cache 'test': the lookup failed; requests go on without it"])
  assert.equal(gateway.zone.stats().storeFailures, 5)
  // After some quiet it is news again.
  gateway.clock.advance(10_000)
  await gateway.get()
  assert.equal(gateway.warnings.length, 2)
  await gateway.close()
})

test('a store whose get rejects, too', async () => {
  const store = new PlainStore()
  store.delay = () => Promise.reject(new Error('broken'))
  const gateway = new TestGateway({ store, app: () => ({ body: 'x' }) })
  for (let i = 0; i < 3; i++) assert.equal(await gateway.line(), 'MISS 200 x')
  assert.equal(gateway.warnings.length, 1)
  assert.equal(gateway.clock.pending, 0)
  await gateway.close()
})

test('a store that does not answer costs a request the timeout, and is soon asked no more', async () => {
  const store = new PlainStore()
  let asked = 0
  const hanging: (() => void)[] = []
  store.delay = () => new Promise(resolve => {
    asked++
    hanging.push(resolve)
  })
  const gateway = new TestGateway({ store, app: () => ({ body: 'x' }), storeTimeout: 100 })
  const first = Array.from({ length: 50 }, () => gateway.begin())
  await settled()
  assert.equal(gateway.fetches, 0)
  gateway.clock.advance(100)
  for (const one of first) assert.equal((await one.outcome).cacheStatus, 'MISS')
  assert.equal(asked, 50)
  // From now on nothing is held up, and what waits in the store does not become more.
  for (let i = 0; i < 500; i++) assert.equal((await gateway.begin().outcome).cacheStatus, 'MISS')
  assert.equal(asked, 50)
  // It is tried once a second.
  gateway.clock.advance(1000)
  const tries = Array.from({ length: 20 }, () => gateway.begin())
  assert.equal(asked, 51)
  gateway.clock.advance(100)
  for (const one of tries) await one.outcome
  assert.equal(gateway.warnings.length, 1)
  // It answers again: all that was left open, and everything new.
  store.delay = undefined
  for (const resolve of hanging) resolve()
  await settled()
  assert.equal(await gateway.line(), 'MISS 200 x')
  assert.equal(await gateway.line(), 'HIT 200 x')
  await gateway.close()
})

test('what a store gives too late, or to one who has gone, is let go of', async () => {
  const bodies: Readable[] = []
  let resolve: () => void = () => {}
  const entry = (): CacheStoreResult => {
    const body = Readable.from(['x'])
    bodies.push(body)
    return { statusCode: 200, statusMessage: '', headers: {}, cachedAt: 0, staleAt: 4e12, deleteAt: 4e12, body }
  }
  const store: CacheStore = {
    get: () => new Promise(_resolve => { resolve = () => _resolve(entry()) }),
    createWriteStream: () => undefined,
    delete: () => {},
  }
  const gateway = new TestGateway({ store, app: () => ({ body: 'x' }) })
  const late = gateway.begin()
  gateway.clock.advance(250)
  assert.equal((await late.outcome).cacheStatus, 'MISS')
  resolve()
  await settled()
  assert.equal(bodies[0]?.destroyed, true)

  const gone = gateway.begin()
  gone.pass.abort()
  resolve()
  await settled()
  assert.equal(bodies[1]?.destroyed, true)
  assert.equal(gone.done, undefined)

  // An expired one that is replaced.
  const replaced = gateway.begin()
  store.get = () => ({ ...entry(), staleAt: 1 })
  resolve()
  await replaced.outcome
  assert.equal((await gateway.get()).cacheStatus, 'EXPIRED')
  await settled()
  assert.equal(bodies.at(-1)?.destroyed, true)
  await gateway.close()
})

test('an entry that makes no sense is none', async () => {
  const good = { statusCode: 200, headers: {}, staleAt: 4e12, deleteAt: 4e12, cachedAt: 1 }
  for (const result of [{}, { ...good, statusCode: 42 }, { ...good, headers: null }, { ...good, staleAt: 'x' }]) {
    const store = Object.assign(new PlainStore(), { get: () => JSON.parse(JSON.stringify(result)) })
    const gateway = new TestGateway({ store, app: () => ({ body: 'x' }) })
    assert.equal(await gateway.line(), 'MISS 200 x')
    await gateway.close()
  }
})

test('an entry past its deleteAt is none', async () => {
  const gateway = new TestGateway({ store: new PlainStore(), keepStale: 5000, options: { useStale: ['error'], valid: '10s' }, app: () => ({ body: 'x' }) })
  await gateway.get()
  gateway.app = () => ({ fail: 'error' })
  gateway.clock.advance(14_999)
  assert.equal(await gateway.line(), 'STALE 200 x')
  gateway.clock.advance(1)
  assert.equal(await gateway.line(), 'MISS 502 ')
  await gateway.close()
})

/** A store that takes nothing until it is told. */
class StuckStore extends PlainStore {
  readonly streams: Writable[] = []
  readonly pending: (() => void)[] = []

  override createWriteStream (): Writable {
    const stream = new Writable({ highWaterMark: 10, write: (_chunk, _encoding, done) => { this.pending.push(done) } })
    this.streams.push(stream)
    return stream
  }
}

test('the reply is held back while the store is behind, but not for longer than the timeout', async () => {
  const store = new StuckStore()
  const gateway = new TestGateway({ store, options: { lock: true } })
  const exchange = gateway.begin()
  const waiting = gateway.begin()
  await settled()
  assert.equal(exchange.pass.onHead(makeHead(200, {}), false), 'store')
  assert.equal(exchange.pass.onData(Buffer.alloc(9)), true)
  assert.equal(exchange.pass.onData(Buffer.alloc(9)), false)
  store.pending.shift()?.()
  store.pending.shift()?.()
  await settled()
  assert.equal(exchange.drains, 1)
  assert.equal(exchange.pass.onData(Buffer.alloc(99)), false)
  gateway.clock.advance(249)
  assert.equal(exchange.drains, 1)
  gateway.clock.advance(1)
  assert.equal(exchange.drains, 2)
  assert.equal(store.streams[0]?.destroyed, true)
  // The rest goes to the client alone, and another one may try.
  assert.equal(exchange.pass.onData(Buffer.alloc(99)), true)
  exchange.pass.onEnd()
  await settled()
  assert.equal(gateway.fetches, 2)
  assert.match(gateway.warnings[0] ?? '', /took nothing for 250 ms/)
  waiting.pass.abort()
  await gateway.close()
})

test('who does not wait for the store does not fill the memory', async () => {
  const store = new StuckStore()
  const gateway = new TestGateway({ store })
  const { pass } = gateway.begin()
  await settled()
  pass.onHead(makeHead(200, {}), false)
  const piece = Buffer.alloc(1024 * 1024)
  let pieces = 0
  while (store.streams[0]?.destroyed === false && pieces < 100) {
    pass.onData(piece)
    pieces++
  }
  assert.equal(pieces, 9)
  await gateway.close()
})

test('a store that refuses, throws, fails in the middle or gives up: the client gets its reply, the cache nothing', async () => {
  const makers: (() => Writable | undefined)[] = [
    () => undefined,
    () => { throw new Error('no') },
    () => new Writable().destroy(),
    () => new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) }),
    () => new Writable({ write (_chunk, _encoding, done) { this.destroy(); done() } }),
    () => new Writable({ write: (_chunk, _encoding, done) => done(), final: done => done(new Error('no rename')) }),
    () => new Writable({ write: (_chunk, _encoding, done) => done(), final () { this.destroy() } }),
  ]
  for (const [n, make] of makers.entries()) {
    const store = new MemoryStore({ now: () => 1 })
    store.createWriteStream = make
    const gateway = new TestGateway({ store, options: { lock: true, valid: '10s' }, app: () => ({ body: 'some body' }) })
    for (let i = 0; i < 2; i++) assert.equal(await gateway.line(), 'MISS 200 some body', String(n))
    assert.equal(gateway.zone.locks.size, 0)
    assert.equal(gateway.zone.active.size, 0)
    assert.equal(gateway.clock.pending, 0)
    await gateway.close()
  }
})

test('a body that is longer or shorter than its Content-Length is not stored', async () => {
  const gateway = new TestGateway()
  for (const length of ['3', '5']) {
    gateway.app = () => ({ headers: { 'content-length': length }, body: 'four' })
    assert.equal(await gateway.line(), 'MISS 200 four')
  }
  gateway.app = () => ({ headers: { 'content-length': '4' }, body: 'four' })
  assert.equal(await gateway.line(), 'MISS 200 four')
  assert.equal(await gateway.line(), 'HIT 200 four')
  await gateway.close()
})

test('closing gives up what is not complete, and waits for what is', async () => {
  const gateway = new TestGateway()
  const [half, whole] = [gateway.begin({ key: 'a' }), gateway.begin({ key: 'b' })]
  for (const { pass } of [half, whole]) {
    pass.onHead(makeHead(200, {}), false)
    pass.onData(Buffer.from('x'))
  }
  whole.pass.onEnd()
  await gateway.close()
  assert.equal(half.pass.wanted, false)
  assert.equal(gateway.zone.active.size, 0)
})
