import { Writable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { CacheStore, CacheStoreKey, CacheStoreListed, CacheStoreResult, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
import { ActiveList, type Listed } from '../../runtime/active-list.ts'
import { outside } from '../../runtime/context.ts'
import { CREATE_CACHE } from '../../options/table/cache.ts'
import { parseLifetime, parseSize } from '../../options/units.ts'
import { SHORT } from '../short-sink.ts'
import { readTags } from '../tags.ts'
import { copyValue, entryKey, promisedLength, purgeTest, softened } from './key.ts'
import { InternedTexts } from './interned.ts'
import { MemoryIndex, type Indexed } from './memory-index.ts'
import { checkLength, ShortBodies, TOO_LONG, type BodyOwner } from './short-bodies.ts'
import { variantText, varyNames } from './vary.ts'
import type { SharedEntry } from '../store-guard.ts'

export interface MemoryStoreOptions {
  /** Maximum size of all entries, including their heads; the least recently used is removed first. Default `'64m'`. */
  maxSize?: number | string
  /** Maximum number of entries. Default: no limit except `maxSize`. */
  maxEntries?: number
  /** Maximum size of a body; a larger one is not stored. Default: an eighth of `maxSize`. */
  maxEntrySize?: number | string
  /** Time after which an unused entry is removed, fresh or not. Default `'10m'`. (nginx: inactive) */
  inactive?: number | string
  /** Returns the time in milliseconds since the epoch; for tests. */
  now?: () => number
}

interface Entry extends Indexed, BodyOwner, SharedEntry {
  readonly tags: readonly string[]
  /** Bytes of the headers, and of all of it, for the books. */
  readonly headersSize: number
  readonly weight: number
  /** The body, unless it is among the short ones. */
  body: Buffer | undefined
  usedAt: number
  /** It has been given out: nobody may change it any more. */
  frozen: boolean
}

/** What an entry is made of. */
interface Made extends Pick<Entry, 'key' | 'value' | 'tags' | 'size' | 'headersSize'> {
  readonly pieces: readonly Buffer[]
}

/** What an entry takes beside its texts and its body, about. */
const OVERHEAD = 500
const NONE: readonly string[] = []
/** So many short bodies have a memory of their own at most: each takes some 300 bytes that no limit counts. */
const MOST_LENT = 10_000

/** A store in the memory of this process. A long body is one Buffer, which all requests share; of a short body each gets a copy, but by `find`. */
export class MemoryStore implements CacheStore {
  readonly #maxSize: number
  readonly #maxEntries: number
  readonly #maxEntrySize: number
  readonly #inactive: number
  readonly #now: () => number
  readonly #lru: LRUCache<Entry, Entry>
  readonly #index = new MemoryIndex<Entry>(entry => this.#lru.delete(entry))
  readonly #tags = new Map<string, Set<Entry>>()
  #short = new ShortBodies()
  readonly #texts = new InternedTexts()
  readonly #writers = new ActiveList<MemoryWriter>()
  #order = 0
  /** Short bodies that have a memory of their own. */
  #lent = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined

  /** @throws FST_SCGI_OPT_INVALID */
  constructor (options: MemoryStoreOptions = {}) {
    const maxSize = this.#maxSize = Math.max(1, parseSize('maxSize', options.maxSize ?? '64m'))
    this.#maxEntries = CREATE_CACHE.maxEntries.read('maxEntries', options.maxEntries) ?? Infinity
    this.#maxEntrySize = options.maxEntrySize === undefined ? Math.floor(maxSize / 8) : parseSize('maxEntrySize', options.maxEntrySize)
    this.#inactive = parseLifetime('inactive', options.inactive ?? '10m')
    this.#now = options.now ?? Date.now
    this.#lru = new LRUCache<Entry, Entry>({
      maxSize,
      sizeCalculation: ({ weight }) => weight,
      dispose: entry => this.#forget(entry),
    })
  }

  get (key: CacheStoreKey): CacheStoreResult | undefined {
    const entry = this.#used(this.#index.find(key))
    return entry === undefined ? undefined : resultOf(entry, this.#bodyOf(entry))
  }

  /** What `get` finds, where it is the same for all requests; `undefined` where `get` is to be asked. */
  find (origin: string, path: string): SharedEntry | undefined {
    const entry = this.#used(this.#index.single(origin, path))
    if (entry === undefined) return undefined
    if (entry.body === undefined) {
      // What is asked for once is copied. Whoever sends a body may still do so when its slot is another's: a memory of its own stays as it is.
      if (!entry.frozen || this.#lent >= MOST_LENT) return undefined
      entry.body = joined([this.#short.get(entry, entry.size)], entry.size)
      this.#short.delete(entry)
      this.#lent++
    }
    if (!entry.frozen) freeze(entry)
    return entry
  }

  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    if (this.#closed || promisedLength(value) > this.#maxEntrySize) return undefined
    const writer = new MemoryWriter(key, copyValue(value), this.#maxEntrySize, (pieces, size) => {
      const { value, tags } = writer
      this.#add({ key, value, tags, pieces, size, headersSize: this.#shareTexts(value) })
    })
    this.#writers.add(writer)
    writer.once('close', () => this.#writers.delete(writer))
    return writer
  }

  get putLimit (): number {
    return Math.min(SHORT, this.#maxEntrySize)
  }

  /**
   * Takes an entry with its whole body, which is copied, and its head, which is not. What `createWriteStream` is for bodies that come in time.
   * @returns false if the entry is refused
   * @throws RangeError where the pieces are not so many bytes
   */
  put (key: CacheStoreKey, value: CacheStoreValue, pieces: readonly Buffer[], length: number): boolean {
    if (this.#closed || length > this.#maxEntrySize) return false
    this.#add({ key, value, tags: readTags(value.headers), pieces, size: length, headersSize: this.#shareTexts(value) })
    return true
  }

  delete (key: CacheStoreKey): void {
    this.#purgeWriters(key.origin, { key: key.path })
    for (const entry of this.#index.entriesOf(key)) this.#lru.delete(entry)
  }

  updateMeta (key: CacheStoreKey, value: CacheStoreValue): boolean {
    const entry = this.#index.find(key)
    if (entry === undefined || entry.value.etag !== value.etag) return false
    const renewed = copyValue(value)
    this.#replace(entry, renewed, this.#shareTexts(renewed))
    return this.#index.find(key) !== undefined
  }

  openRange (key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult): Buffer | undefined {
    const entry = of === undefined ? this.#index.find(key) : undefined
    const body = entry === undefined ? of?.body : this.#bodyOf(entry)
    if (!Buffer.isBuffer(body) || start < 0 || start > end || end >= body.length) return undefined
    return body.subarray(start, end + 1)
  }

  purge (origin: string, match: PurgeMatch, soft: boolean): number {
    this.#purgeWriters(origin, match)
    const entries = this.#matching(origin, match)
    for (const entry of entries) {
      if (soft) this.#replace(entry, softened(entry.value, this.#now()), entry.headersSize)
      else this.#lru.delete(entry)
    }
    return entries.length
  }

  * list (origin: string): Generator<CacheStoreListed> {
    // By key: the order of use changes from page to page.
    const entries = [...this.#lru.keys()].filter(({ key }) => key.origin === origin)
    entries.sort((one, other) => one.key.path < other.key.path ? -1 : 1)
    for (const entry of entries) {
      if (this.#lru.has(entry)) yield { key: entry.key, value: entry.value, size: entry.size }
    }
  }

  * keys (origin: string): Generator<CacheStoreKey> {
    for (const { key } of this.list(origin)) yield key
  }

  stats (): { entries: number, bytes: number } {
    return { entries: this.#lru.size, bytes: this.#lru.calculatedSize }
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const writer of this.#writers.all()) writer.destroy()
    this.#lru.clear()
    this.#short = new ShortBodies()
  }

  /** Keeps once what the headers have in common with those of others. Gives their bytes, for the books. */
  #shareTexts ({ headers }: CacheStoreValue): number {
    let size = 0
    for (const name in headers) {
      const text = headers[name] ?? ''
      if (typeof text === 'string') headers[name] = this.#texts.of(text)
      size += 20 + name.length + (typeof text === 'string' ? text : text.join()).length
    }
    return size
  }

  #add (made: Made, order = ++this.#order): void {
    const { key: { origin, method, path }, value, tags, pieces, size, headersSize } = made
    const { vary } = value
    const names = vary === undefined ? NONE : varyNames(vary)
    const variant = variantText(method, names, vary)
    const entry: Entry = {
      key: entryKey(origin, method, path, vary),
      names: names === NONE ? '' : names.join(),
      variant,
      value,
      tags,
      size,
      headersSize,
      weight: this.#weightOf(made, variant),
      body: size < TOO_LONG ? undefined : joined(pieces, size),
      page: undefined,
      slot: 0,
      order,
      usedAt: this.#now(),
      frozen: false,
      made: undefined,
    }
    if (size < TOO_LONG) this.#short.put(entry, pieces, size)
    this.#index.add(entry)
    for (const tag of tags) {
      const name = `${origin}\0${tag}`
      const tagged = this.#tags.get(name)
      if (tagged === undefined) this.#tags.set(name, new Set([entry]))
      else tagged.add(entry)
    }
    // One that is larger than all there may be is not taken.
    if (entry.weight > this.#maxSize) this.#forget(entry)
    else this.#lru.set(entry, entry)
    while (this.#lru.size > this.#maxEntries) this.#lru.pop()
    this.#plan()
  }

  /** Gives an entry another head. Its place among the variants stays. */
  #replace (entry: Entry, value: CacheStoreValue, headersSize: number): void {
    const { key, value: { vary }, size, order } = entry
    const head = { ...value }
    delete head.vary
    const pieces = [this.#bodyOf(entry)]
    this.#lru.delete(entry)
    const kept = vary === undefined ? head : { ...head, vary }
    this.#add({ key, value: kept, tags: readTags(value.headers), pieces, size, headersSize }, order)
  }

  /** An entry that somebody asks for, if it is not over. */
  #used (entry: Entry | undefined): Entry | undefined {
    if (entry === undefined) return undefined
    const now = this.#now()
    if (entry.value.deleteAt <= now || entry.usedAt + this.#inactive <= now) {
      this.#lru.delete(entry)
      return undefined
    }
    entry.usedAt = now
    this.#lru.get(entry)
    return entry
  }

  /** The body; of a short one a copy. */
  #bodyOf (entry: Entry): Buffer {
    const { body, size } = entry
    if (body === undefined) return this.#short.get(entry, size)
    return size < TOO_LONG ? Buffer.from(body) : body
  }

  #weightOf ({ key, value: { statusMessage }, size, tags, headersSize }: Made, variant: string): number {
    let sum = OVERHEAD + headersSize + key.path.length + variant.length + statusMessage.length
    sum += size < TOO_LONG ? this.#short.sizeOf(size) : size
    for (const tag of tags) sum += tag.length
    return sum
  }

  #forget (entry: Entry): void {
    this.#index.delete(entry)
    this.#short.delete(entry)
    if (entry.body !== undefined && entry.size < TOO_LONG) this.#lent--
    for (const tag of entry.tags) {
      const name = `${entry.key.origin}\0${tag}`
      const tagged = this.#tags.get(name)
      tagged?.delete(entry)
      if (tagged?.size === 0) this.#tags.delete(name)
    }
  }

  #matching (origin: string, match: PurgeMatch): Entry[] {
    if ('key' in match) return this.#index.entriesOf({ origin, method: 'GET', path: match.key })
    if ('tag' in match) return [...this.#tags.get(`${origin}\0${match.tag}`) ?? []]
    const test = purgeTest(origin, match)
    return [...this.#lru.keys()].filter(({ key: { path, origin }, tags }) => test({ origin, path, tags }))
  }

  /** What was fetched before a purge is what the purge is against. */
  #purgeWriters (origin: string, match: PurgeMatch): void {
    const test = purgeTest(origin, match)
    for (const writer of this.#writers.all()) {
      const { key, tags } = writer
      if (test({ origin: key.origin, path: key.path, tags })) writer.destroy()
    }
  }

  #oldest (): Entry | undefined {
    const first = this.#lru.rkeys().next()
    return first.done === true ? undefined : first.value
  }

  /** Looks for inactive entries again, as long as there are entries. */
  #plan (): void {
    if (this.#timer !== undefined || this.#lru.size === 0) return
    this.#timer = outside(() => setTimeout(() => {
      this.#timer = undefined
      const limit = this.#now() - this.#inactive
      for (let oldest = this.#oldest(); oldest !== undefined && oldest.usedAt <= limit; oldest = this.#oldest()) this.#lru.delete(oldest)
      this.#plan()
    }, Math.min(Math.max(this.#inactive, 10), 10_000)).unref())
  }
}

/** Collects a body; the entry is made at the end. */
class MemoryWriter extends Writable implements Listed {
  place = -1
  readonly key: CacheStoreKey
  readonly value: CacheStoreValue
  readonly tags: readonly string[]
  readonly #limit: number
  readonly #commit: (pieces: readonly Buffer[], size: number) => void
  #chunks: Buffer[] = []
  #size = 0

  constructor (key: CacheStoreKey, value: CacheStoreValue, limit: number, commit: (pieces: readonly Buffer[], size: number) => void) {
    super()
    this.key = key
    this.value = value
    this.tags = readTags(value.headers)
    this.#limit = limit
    this.#commit = commit
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#size += chunk.length
    if (this.#size > this.#limit) this.destroy()
    else this.#chunks.push(chunk)
    done()
  }

  override _final (done: () => void): void {
    this.#commit(this.#chunks, this.#size)
    done()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#chunks = []
    done(error)
  }
}

/** A memory of its own: a piece may be a small part of a large one, or of one that is used again. */
function joined (pieces: readonly Buffer[], length: number): Buffer {
  checkLength(pieces, length)
  const body = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const piece of pieces) at += piece.copy(body, at)
  return body
}

/** What is found. Written out: of a copy by `...` with more behind it V8 makes a hidden class for each object. */
function resultOf (entry: Entry, body: Buffer): CacheStoreResult {
  const { statusCode, statusMessage, headers, cachedAt, staleAt, deleteAt, vary, etag, cacheControlDirectives } = entry.value
  if (!entry.frozen) freeze(entry)
  const result: CacheStoreResult = { statusCode, statusMessage, headers, cachedAt, staleAt, deleteAt, body, size: entry.size }
  if (vary !== undefined) result.vary = vary
  if (etag !== undefined) result.etag = etag
  if (cacheControlDirectives !== undefined) result.cacheControlDirectives = cacheControlDirectives
  return result
}

/** Everybody gets the same headers: who changes them shall fail, not change what others get. Most entries nobody ever asks for. */
function freeze (entry: Entry): void {
  entry.frozen = true
  const { headers } = entry.value
  for (const name in headers) if (Array.isArray(headers[name])) Object.freeze(headers[name])
  Object.freeze(headers)
}
