import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { CacheTransaction } from '../../lib/cache/transaction.ts'
import { cacheStores } from 'undici'
import { PlainStore, settled, TestGateway, type Setup } from './kit.ts'
import type { CachedEntry } from '../../lib/cache/entry.ts'
import type { CacheStoreResult } from '../../types/cache-store.ts'

const BODY = 'the body of an entry'

async function hit (setup: Setup): Promise<{ entry: CachedEntry, gateway: TestGateway }> {
  const gateway = new TestGateway({ app: () => ({ headers: { 'content-length': String(BODY.length), etag: '"e"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }, body: BODY }), ...setup })
  await gateway.get()
  // Somebody who only looks.
  const exchange = gateway.begin()
  await settled()
  assert.ok(exchange.entry !== undefined)
  return { entry: exchange.entry, gateway }
}

async function bytes (part: Readable | Buffer | Promise<Readable | Buffer>): Promise<string> {
  const given = await part
  return (Buffer.isBuffer(given) ? given : await buffer(given)).toString()
}

/** A store of one entry, whose body is what a test makes of it. */
function one (body: () => CacheStoreResult['body'], more: Partial<PlainStore & { openRange: unknown }> = {}, size?: number): PlainStore {
  const value = { statusCode: 200, statusMessage: 'Fine', headers: { 'content-length': String(BODY.length) }, cachedAt: 1, staleAt: 4e12, deleteAt: 4e12 }
  return Object.assign(new PlainStore(), {
    get: () => {
      const made = body()
      return { ...value, ...(made === undefined ? {} : { body: made }), ...(size === undefined ? {} : { size }) }
    },
    ...more,
  })
}

async function look (store: PlainStore): Promise<CachedEntry> {
  const gateway = new TestGateway({ store })
  let entry: CachedEntry | undefined
  const pass = new CacheTransaction(gateway.zone, gateway.policy.rules, { method: 'GET', key: 'k', headers: {}, bypass: false }, {
    serve: given => { entry = given },
    serveError: () => {},
    fetch: () => {},
    fetchInBackground: () => {},
    onStoreDrain: () => {},
  })
  pass.start()
  await settled()
  assert.ok(entry !== undefined)
  return entry
}

const PIECES = [BODY.slice(0, 3), BODY.slice(3, 4), BODY.slice(4)]

for (const [title, body, inMemory] of [
  ['a Buffer', () => Buffer.from(BODY), true],
  ['a text', () => BODY, true],
  ['a list', () => PIECES.map(piece => Buffer.from(piece)), true],
  ['a stream', () => Readable.from(PIECES, { objectMode: false }), false],
  ['an iterable', () => new Set(PIECES), false],
  ['an async iterable', async function * () { yield * PIECES }, false],
] as const) {
  test(`a body that the store gives as ${title}`, async () => {
    const entry = await look(one(body))
    assert.equal(entry.size, BODY.length)
    assert.equal(entry.head.statusMessage, 'Fine')
    assert.equal(entry.whole()?.toString(), inMemory ? BODY : undefined)
    assert.equal(await bytes(entry.stream()), BODY)
    for (const [start, end] of [[0, 0], [0, 19], [2, 5], [4, 4], [19, 19], [3, 18]] as const) {
      assert.equal(await bytes((await look(one(body))).openRange(start, end)), BODY.slice(start, end + 1), `${start}-${end}`)
    }
  })
}

test('an entry without a body, and one whose size only the store knows', async () => {
  const empty = await look(one(() => undefined))
  assert.deepEqual([empty.size, empty.whole()?.length], [0, 0])
  assert.equal((await look(one(() => Readable.from([]), {}, 7))).size, 7)
})

test('a range that is cut out of a stream reads no further, and lets go of it', async () => {
  let read = 0
  async function * endless (): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.alloc(100, read++)
  }
  const source = Readable.from(endless(), { objectMode: false, highWaterMark: 100 })
  const entry = await look(one(() => source, {}, 1e6))
  assert.equal((await bytes(entry.openRange(150, 249))).length, 100)
  assert.ok(read < 10, String(read))
  await settled()
  assert.equal(source.destroyed, true)
})

test('a stream that breaks, ends early or is not wanted', async () => {
  const broken = (await look(one(() => new Readable({ read () { this.destroy(new Error('disk')) } }), {}, 10))).openRange(0, 9)
  await assert.rejects(bytes(broken), /disk/)
  await assert.rejects(bytes((await look(one(() => Readable.from(['abc']), {}, 10))).openRange(0, 9)), /7 bytes before/)
  const source = new Readable({ read () {} })
  const range = await (await look(one(() => source, {}, 10))).openRange(0, 9)
  assert.ok(range instanceof Readable)
  range.destroy()
  await settled()
  assert.equal(source.destroyed, true)
})

test('openRange of the store is used, and where it has nothing, fails or is slow, the body is', async () => {
  const stream = (): Readable => Readable.from([BODY])
  const from = async (openRange: unknown): Promise<string> => bytes((await look(one(stream, { openRange }))).openRange(4, 7))
  assert.equal(await from(() => Buffer.from('BODY')), 'BODY')
  assert.equal(await from(async () => Readable.from(['BODY'])), 'BODY')
  for (const nothing of [() => undefined, async () => undefined, () => { throw new Error('no') }, () => Promise.reject(new Error('no'))]) {
    assert.equal(await from(nothing), 'body')
  }
})

test('undici’s own store is a store', async () => {
  const store = new cacheStores.MemoryCacheStore()
  const gateway = new TestGateway({ store, options: { revalidate: true, useStale: ['updating'], valid: '10s' } })
  // Its clock is the machine's.
  gateway.clock.time = Date.now()
  let version = 0
  gateway.app = ({ headers }) => ({ headers: { vary: 'X-Kind', etag: '"1"' }, body: `${headers['x-kind']} ${++version}` })
  for (const kind of ['a', 'b']) {
    const ask = { key: 'v', headers: { 'x-kind': kind } }
    const first = await gateway.line(ask)
    assert.match(first, /^MISS/)
    assert.equal(await gateway.line(ask), first.replace('MISS', 'HIT'))
  }
  gateway.clock.advance(20_000)
  gateway.app = () => ({ status: 304 })
  assert.equal(await gateway.line({ key: 'v', headers: { 'x-kind': 'a' } }), 'REVALIDATED 200 a 1')
  assert.equal(await gateway.line({ key: 'v', headers: { 'x-kind': 'a' } }), 'HIT 200 a 1')
  assert.equal(await gateway.zone.purge('v'), 1)
  gateway.app = () => ({ body: 'new' })
  assert.equal(await gateway.line({ key: 'v', headers: { 'x-kind': 'a' } }), 'MISS 200 new')
  assert.deepEqual(gateway.warnings, [])
  await gateway.close()
})

test('a hit has what conditions and ranges need', async () => {
  const { entry, gateway } = await hit({})
  assert.deepEqual([entry.size, entry.etag, entry.lastModified], [BODY.length, '"e"', 'Mon, 07 Nov 1994 08:49:37 GMT'])
  assert.equal(await bytes(entry.openRange(4, 7)), 'body')
  await gateway.close()
})
