import { Readable } from 'node:stream'
import { cutRange } from './byte-range.ts'
import { PartedBody } from './parted-body.ts'
import { readCase, withoutCase } from './header-case.ts'
import { parseHttpDate } from '../http/date.ts'
import { discard, isPromise, type StoreGuard } from './store-guard.ts'
import type { StoreKey } from './key.ts'
import type { CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** The head of a stored reply, as if the application had just sent it. */
class StoredHead implements ResponseHead {
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: ResponseHead['headers']
  readonly contentLength: number
  readonly chunked = false
  readonly nph = false
  readonly #stored: CacheStoreValue['headers']

  constructor (value: CacheStoreValue, size: number) {
    this.statusCode = value.statusCode
    this.statusMessage = value.statusMessage
    this.#stored = value.headers
    this.headers = withoutCase(value.headers)
    this.contentLength = size
  }

  get rawHeaders (): readonly string[] {
    const spellings = readCase(this.#stored)
    return Object.entries(this.headers).flatMap(([name, value]) => {
      const spelt = spellings?.get(name) ?? name
      return typeof value === 'string' ? [spelt, value] : value.flatMap(line => [spelt, line])
    })
  }
}

/** The head of an entry, as if the application had just sent it. */
export function headOf (value: CacheStoreValue, size: number): ResponseHead {
  return new StoredHead(value, size)
}

/** Seconds since the application made a reply (RFC 9111 section 4.2.3). */
export function ageOf ({ headers: { age }, cachedAt }: CacheStoreValue, now: number): number {
  const earlier = typeof age === 'string' && /^\d{1,10}$/.test(age) ? Number(age) : 0
  return earlier + Math.max(0, Math.floor((now - cachedAt) / 1000))
}

/** An entry of the cache in the hands of one request. Its body is taken once, whole or in part, or discarded. */
export class CachedEntry {
  readonly head: ResponseHead
  /** Bytes of the body, -1 if the store does not know. */
  readonly size: number
  /** The entry without its body. */
  readonly value: CacheStoreValue
  readonly #result: CacheStoreResult
  readonly #key: StoreKey
  readonly #guard: StoreGuard

  constructor (result: CacheStoreResult, key: StoreKey, guard: StoreGuard, value: CacheStoreValue = result) {
    this.#result = result
    this.#key = key
    this.#guard = guard
    this.value = value
    this.size = sizeOf(result)
    this.head = new StoredHead(value, this.size)
  }

  /** Validator for If-None-Match, or `undefined`. */
  get etag (): string | undefined {
    return validator(this.value, 'etag')
  }

  /** Validator for If-Modified-Since, as the application wrote it. */
  get lastModified (): string | undefined {
    return validator(this.value, 'last-modified')
  }

  /** Seconds since the application made the reply (RFC 9111 section 4.2.3). */
  age (now: number): number {
    return ageOf(this.value, now)
  }

  /** The same entry with another head. */
  with (value: CacheStoreValue): CachedEntry {
    return new CachedEntry(this.#result, this.#key, this.#guard, value)
  }

  /** The body where it is in memory. The bytes are the store's: nobody may change them. */
  whole (): Buffer | undefined {
    return wholeBody(this.#result.body)
  }

  /** The body as a stream. */
  stream (): Readable {
    const { body } = this.#result
    if (body instanceof Readable) return body
    const whole = wholeBody(body)
    if (whole !== undefined) return Readable.from([whole], { objectMode: false })
    return Readable.from(body ?? [], { objectMode: false })
  }

  /**
   * The body can be read only once, from its beginning to its end, so that `openRange` gives one part. A store that has an `openRange` of its own
   * can be asked for more.
   */
  get sequential (): boolean {
    const { body } = this.#result
    if (isInMemory(body) || body instanceof PartedBody) return false
    const { store, isStuck } = this.#guard
    return store.openRange === undefined || isStuck
  }

  /**
   * A part of the body, both ends included; the rest is not read where the store can do that. The body is taken by it, unless it is not
   * `sequential`: then there may be more of them, until it is discarded.
   * @param start at least 0
   * @param end less than the size
   */
  openRange (start: number, end: number): Readable | Buffer | Promise<Readable | Buffer> {
    const whole = this.whole()
    if (whole !== undefined) return whole.subarray(start, end + 1)
    const { body } = this.#result
    const part = body instanceof PartedBody ? body.openPart(start, end) : undefined
    if (part !== undefined) return part
    const guard = this.#guard
    if (guard.store.openRange === undefined || !guard.usable()) return cutRange(this.stream(), start, end)
    let opened
    try {
      opened = guard.store.openRange(guard.keyFor(this.#key), start, end, this.#result)
    } catch (error) {
      guard.failed('a range could not be opened', error)
      return cutRange(this.stream(), start, end)
    }
    if (!isPromise(opened)) return opened ?? cutRange(this.stream(), start, end)
    return new Promise(resolve => {
      guard.settle(opened, 'opening a range', destroyRange, part => resolve(part ?? cutRange(this.stream(), start, end)))
    })
  }

  /** Lets go of a body that nobody takes. */
  discard (): void {
    discard(this.#result)
  }
}

function destroyRange (part: Readable | Buffer | undefined): void {
  if (part instanceof Readable) part.destroy()
}

/** A header of an entry by which it can be revalidated. Only replies of these two statuses have one, and what is no date asks nothing. */
export function validator (value: CacheStoreValue, name: 'etag' | 'last-modified'): string | undefined {
  const { statusCode, headers } = value
  const text = headers[name]
  if (typeof text !== 'string' || (statusCode !== 200 && statusCode !== 206)) return undefined
  return name === 'last-modified' && parseHttpDate(text) === undefined ? undefined : text
}

function isInMemory (body: CacheStoreResult['body']): boolean {
  return body === undefined || typeof body === 'string' || Buffer.isBuffer(body) || isPieces(body)
}

function wholeBody (body: CacheStoreResult['body']): Buffer | undefined {
  if (Buffer.isBuffer(body)) return body
  if (typeof body === 'string') return Buffer.from(body)
  if (body === undefined) return Buffer.alloc(0)
  return isPieces(body) ? Buffer.concat(body.map(piece => typeof piece === 'string' ? Buffer.from(piece) : piece)) : undefined
}

/** undici's own store gives the pieces that it was given. */
function isPieces (body: NonNullable<CacheStoreResult['body']>): body is (Buffer | string)[] {
  return Array.isArray(body)
}

function sizeOf (result: CacheStoreResult): number {
  const { size, body, headers } = result
  if (size !== undefined) return size
  if (Buffer.isBuffer(body)) return body.length
  if (typeof body === 'string') return Buffer.byteLength(body)
  if (body === undefined) return 0
  if (isPieces(body)) return body.reduce((total, piece) => total + Buffer.byteLength(piece), 0)
  // What is stored is complete.
  const length = headers['content-length']
  return typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : -1
}
