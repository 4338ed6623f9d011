// Ranges of what a store of the user's own gives: one, several in order, and several in any order, whatever its bodies are.
import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { rangesOfBuffer } from '../../lib/filters/range-body.ts'
import { planRanges } from '../../lib/http/ranges.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { pattern } from '../cache/store-kit.ts'
import { bytes, eventually, get } from './kit.ts'
import type { CacheStore, CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

const BODY = pattern(300_000, 1)
const PIECES = [BODY.subarray(0, 3), BODY.subarray(3, 70_000), BODY.subarray(70_000, 200_000), BODY.subarray(200_000)]
const HEADERS = { 'accept-ranges': 'bytes', 'content-type': 'a/b', 'cache-control': 'max-age=60' }
const NOW = Date.now()
const VALUE: CacheStoreValue = { statusCode: 200, statusMessage: 'OK', headers: HEADERS, cachedAt: NOW, staleAt: NOW + 3.6e6, deleteAt: NOW + 7.2e6 }

type Body = CacheStoreResult['body']
type OpenRange = NonNullable<CacheStore['openRange']>

/** A store that has the one entry for every key. */
function storeOf (body: () => Body, openRange: OpenRange | undefined): CacheStore {
  return {
    get: () => {
      const given = body()
      return { ...VALUE, size: BODY.length, ...(given !== undefined && { body: given }) }
    },
    createWriteStream: () => new Writable({ write: (_chunk, _encoding, done) => done() }),
    delete: () => {},
    ...(openRange !== undefined && { openRange }),
  }
}

const streams: Readable[] = []
function streamed (): Readable {
  const stream = Readable.from(PIECES, { objectMode: false })
  streams.push(stream)
  return stream
}

const opened: OpenRange = async (_key, start, end) => BODY.subarray(start, end + 1)
const read: OpenRange = (_key, start, end) => Readable.from([BODY.subarray(start, end + 1)], { objectMode: false })
const taking: OpenRange = async (_key, start, end, of) => {
  if (of?.body instanceof Readable) of.body.destroy()
  return BODY.subarray(start, end + 1)
}

const stores: [what: string, body: () => Body, openRange: OpenRange | undefined, anyOrder: boolean][] = [
  ['a Buffer', () => BODY, undefined, true],
  ['a list', () => PIECES, undefined, true],
  ['a stream', streamed, undefined, false],
  ['an iterable', () => new Set(PIECES), undefined, false],
  ['an async iterable', async function * () { yield * PIECES }, undefined, false],
  ['a stream, and ranges as Buffers', streamed, opened, true],
  ['a stream, and ranges as streams', streamed, read, true],
  ['a stream, and ranges that take it', streamed, taking, true],
]

const ranges: [range: string, ascending: boolean][] = [
  ['5-9', true],
  ['0-1,5-6', true],
  ['1-2,10-69999,70000-70000,199990-200009,299999-', true],
  ['10-150000,160000-160009', true],
  ['5-6,0-1', false],
  ['0-99999,50000-149999', false],
  ['-5,0-4', false],
]

/** The payload of the ranges, with the boundary that the reply has. */
function expected (range: string, boundary: string): Buffer {
  const plan = planRanges({ method: 'GET', headers: { range: `bytes=${range}` } }, { status: 200, size: BODY.length, contentType: 'a/b', allowed: true })
  assert.ok(plan.kind === 'single' || plan.kind === 'multipart')
  const own = /boundary=(\d+)/.exec(plan.set['content-type'] ?? '')?.[1] ?? ''
  const payload = rangesOfBuffer(plan, BODY).toString('latin1')
  return Buffer.from(own === '' ? payload : payload.replaceAll(own, boundary), 'latin1')
}

for (const [what, body, openRange, anyOrder] of stores) {
  test(`ranges of a store that gives ${what}`, async () => {
    await using recorder = await startRecorder()
    const zone = createCache({ name: 'ranges', store: storeOf(body, openRange), storeTimeout: '30s' })
    await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone, valid: '1h', statusHeader: 'X-Cache' } })
    for (const [range, ascending] of ranges) {
      for (const method of ['GET', 'HEAD']) {
        const ask = method === 'GET' ? get('/x', `Range: bytes=${range}`) : bytes(['HEAD /x HTTP/1.1', 'Host: x', `Range: bytes=${range}`])
        const response = await rawRequest(gateway, ask)
        const isPart = method === 'GET' && (anyOrder || ascending)
        assert.deepEqual([response.statusCode, headerValue(response, 'x-cache')], [isPart ? 206 : 200, 'HIT'], `${method} ${range}`)
        if (method === 'HEAD') continue
        const boundary = /boundary=(\d+)/.exec(headerValue(response, 'content-type') ?? '')?.[1] ?? ''
        assert.equal(boundary !== '', isPart && range.includes(','), range)
        assert.ok(response.body.equals(isPart ? expected(range, boundary) : BODY), range)
      }
    }
    await eventually(() => streams.every(stream => stream.destroyed), 'what the store opened is closed')
    assert.equal(recorder.requests.length, 0)
  })
}
