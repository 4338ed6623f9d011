import { ActiveList } from '../../runtime/active-list.ts'
import { outside } from '../../runtime/context.ts'
import { CREATE_CACHE } from '../../options/table/cache.ts'
import { parseLifetime, parseSize } from '../../options/units.ts'
import { SHORT } from '../short-sink.ts'
import { readTags } from '../tags.ts'
import { wasReplaced } from '../replaced.ts'
import { copyValue, promisedLength, purgeTest, softened } from './key.ts'
import { BodyWriter } from './body-writer.ts'
import { EntryTable, type EntryTimes } from './entry-table.ts'
import { InternedTexts } from './interned.ts'
import { MemoryEntry } from './memory-entry.ts'
import { MemoryIndex } from './memory-index.ts'
import { checkLength, ShortBodies, TOO_LONG } from './short-bodies.ts'
import type { Writable } from 'node:stream'
import type { CacheStore, CacheStoreKey, CacheStoreListed, CacheStoreResult, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
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

/** What an entry takes beside its texts and its body, about. */
const OVERHEAD = 500
/** So many short bodies have a memory of their own at most: each takes some 300 bytes that no limit counts. */
const MOST_LENT = 10_000

/** A store in the memory of this process. A long body is one Buffer, which all requests share; of a short body each gets a copy, but by `find`. */
export class MemoryStore implements CacheStore {
  readonly #maxSize: number
  readonly #maxEntries: number
  readonly #maxEntrySize: number
  readonly #inactive: number
  readonly #now: () => number
  readonly #entries = new EntryTable<MemoryEntry>()
  readonly #index = new MemoryIndex<MemoryEntry>(entry => this.#remove(entry))
  readonly #tags = new Map<string, Set<MemoryEntry>>()
  #short = new ShortBodies()
  readonly #texts = new InternedTexts()
  readonly #writers = new ActiveList<BodyWriter>()
  #order = 0
  /** What all entries take, by the books. */
  #bytes = 0
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
  }

  get (key: CacheStoreKey): CacheStoreResult | undefined {
    const entry = this.#used(this.#index.find(key))
    return entry === undefined ? undefined : resultOf(entry, this.#entries.timesOf(entry), this.#bodyOf(entry))
  }

  /** What `get` finds, where it is the same for all requests; `undefined` where `get` is to be asked. */
  find (origin: string, path: string): SharedEntry | undefined {
    const entry = this.#used(this.#index.single(origin, path))
    if (entry?.shared !== undefined) return entry.shared
    if (entry === undefined) return undefined
    if (entry.body === undefined) {
      // What is asked for once is copied. Whoever sends a body may still do so when its slot is another's: a memory of its own stays as it is.
      if (!entry.frozen || this.#lent >= MOST_LENT) return undefined
      entry.body = joined([this.#short.get(entry, entry.size)], entry.size)
      this.#short.delete(entry)
      this.#lent++
    }
    entry.freeze()
    const { body, size } = entry
    entry.shared = { value: this.#valueOf(entry), body, size, made: undefined }
    return entry.shared
  }

  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    if (this.#closed || promisedLength(value) > this.#maxEntrySize) return undefined
    const copy = copyValue(value)
    const tags = readTags(copy.headers)
    const writer = new BodyWriter(key, tags, this.#maxEntrySize, (pieces, size, done) => {
      this.#shareTexts(copy)
      this.#add(key, copy, tags, pieces, size)
      done()
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
    this.#shareTexts(value)
    this.#add(key, value, readTags(value.headers), pieces, length)
    return true
  }

  delete (key: CacheStoreKey): void {
    this.#purgeWriters(key.origin, { key: key.path })
    for (const entry of this.#index.entriesOf(key)) this.#remove(entry)
  }

  updateMeta (key: CacheStoreKey, value: CacheStoreValue, of?: CacheStoreResult): boolean {
    const entry = this.#index.find(key)
    if (entry === undefined) return false
    const found: CacheStoreResult = this.#valueOf(entry)
    found.id = entry.order
    if (wasReplaced(found, value, of)) return false
    const renewed = copyValue(value)
    this.#shareTexts(renewed)
    this.#replace(entry, renewed)
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
      if (soft) this.#replace(entry, softened(this.#valueOf(entry), this.#now()))
      else this.#remove(entry)
    }
    return entries.length
  }

  * list (origin: string): Generator<CacheStoreListed> {
    // By key: the order of use changes from page to page.
    const entries = this.#entries.all().filter(entry => entry.origin === origin)
    entries.sort((one, other) => one.path < other.path ? -1 : 1)
    for (const entry of entries) {
      if (this.#entries.has(entry)) yield { key: entry.key, value: this.#valueOf(entry), size: entry.size }
    }
  }

  * keys (origin: string): Generator<CacheStoreKey> {
    for (const { key } of this.list(origin)) yield key
  }

  stats (): { entries: number, bytes: number } {
    return { entries: this.#entries.size, bytes: this.#bytes }
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const writer of this.#writers.all()) writer.destroy()
    for (const entry of this.#entries.all()) this.#remove(entry)
    this.#short = new ShortBodies()
  }

  /** Keeps once what the headers have in common with those of others. */
  #shareTexts (value: CacheStoreValue): void {
    const { headers, etag } = value
    for (const name in headers) {
      const text = headers[name]
      if (typeof text === 'string') headers[name] = this.#texts.of(text)
    }
    if (etag !== undefined) value.etag = this.#texts.of(etag)
  }

  #add (
    key: CacheStoreKey, value: CacheStoreValue, tags: readonly string[], pieces: readonly Buffer[], size: number, order = ++this.#order
  ): void {
    const entry = new MemoryEntry(key, value, tags, size, order)
    const weight = entry.weight = this.#weightOf(entry)
    if (size < TOO_LONG) this.#short.put(entry, pieces, size)
    else entry.body = joined(pieces, size)
    this.#index.add(entry)
    for (const tag of tags) {
      const name = `${entry.origin}\0${tag}`
      const tagged = this.#tags.get(name)
      if (tagged === undefined) this.#tags.set(name, new Set([entry]))
      else tagged.add(entry)
    }
    // One that is larger than all there may be is not taken.
    if (weight > this.#maxSize) {
      this.#forget(entry)
    } else {
      this.#entries.add(entry, value, this.#now())
      this.#bytes += weight
      this.#makeRoom()
    }
    this.#plan()
  }

  /** Removes what was used longest ago. */
  #makeRoom (): void {
    while (this.#bytes > this.#maxSize || this.#entries.size > this.#maxEntries) {
      const { oldest } = this.#entries
      if (oldest === undefined) return
      this.#remove(oldest)
    }
  }

  /** Gives an entry another head. Its place among the variants stays. */
  #replace (entry: MemoryEntry, value: CacheStoreValue): void {
    const { origin, method, path, vary, size, order } = entry
    const head = { ...value }
    delete head.vary
    const pieces = [this.#bodyOf(entry)]
    this.#remove(entry)
    const kept = vary === undefined ? head : { ...head, vary }
    this.#add({ origin, method, path }, kept, readTags(value.headers), pieces, size, order)
  }

  /** An entry that somebody asks for, if it is not over. */
  #used (entry: MemoryEntry | undefined): MemoryEntry | undefined {
    if (entry === undefined) return undefined
    const now = this.#now()
    const entries = this.#entries
    if (entries.deleteAt(entry) <= now || entries.usedAt(entry) + this.#inactive <= now) {
      this.#remove(entry)
      return undefined
    }
    entries.use(entry, now)
    return entry
  }

  /** The body; of a short one a copy. */
  #bodyOf (entry: MemoryEntry): Buffer {
    const { body, size } = entry
    if (body === undefined) return this.#short.get(entry, size)
    return size < TOO_LONG ? Buffer.from(body) : body
  }

  #valueOf (entry: MemoryEntry): CacheStoreValue {
    return entry.value(this.#entries.timesOf(entry))
  }

  #weightOf ({ path, headers, statusMessage, size, tags, variant }: MemoryEntry): number {
    let sum = OVERHEAD + headersSize(headers) + path.length + variant.length + statusMessage.length
    sum += size < TOO_LONG ? this.#short.sizeOf(size) : size
    for (const tag of tags) sum += tag.length
    return sum
  }

  #remove (entry: MemoryEntry): void {
    if (!this.#entries.delete(entry)) return
    this.#bytes -= entry.weight
    this.#forget(entry)
  }

  #forget (entry: MemoryEntry): void {
    this.#index.delete(entry)
    this.#short.delete(entry)
    if (entry.body !== undefined && entry.size < TOO_LONG) this.#lent--
    for (const tag of entry.tags) {
      const name = `${entry.origin}\0${tag}`
      const tagged = this.#tags.get(name)
      tagged?.delete(entry)
      if (tagged?.size === 0) this.#tags.delete(name)
    }
  }

  #matching (origin: string, match: PurgeMatch): MemoryEntry[] {
    if ('key' in match) return this.#index.entriesOf({ origin, method: 'GET', path: match.key })
    if ('tag' in match) return [...this.#tags.get(`${origin}\0${match.tag}`) ?? []]
    const test = purgeTest(origin, match)
    return this.#entries.all().filter(test)
  }

  /** What was fetched before a purge is what the purge is against. */
  #purgeWriters (origin: string, match: PurgeMatch): void {
    const test = purgeTest(origin, match)
    for (const writer of this.#writers.all()) {
      const { key, tags } = writer
      if (test({ origin: key.origin, path: key.path, tags })) writer.destroy()
    }
  }

  /** Looks for inactive entries again, as long as there are entries. */
  #plan (): void {
    if (this.#timer !== undefined || this.#entries.size === 0) return
    this.#timer = outside(() => setTimeout(() => {
      this.#timer = undefined
      const entries = this.#entries
      const limit = this.#now() - this.#inactive
      for (let { oldest } = entries; oldest !== undefined && entries.usedAt(oldest) <= limit; { oldest } = entries) this.#remove(oldest)
      this.#plan()
    }, Math.min(Math.max(this.#inactive, 10), 10_000)).unref())
  }
}

/** Bytes of the headers, for the books. */
function headersSize (headers: CacheStoreValue['headers']): number {
  let size = 0
  for (const name in headers) {
    const text = headers[name] ?? ''
    size += 20 + name.length + (typeof text === 'string' ? text : text.join()).length
  }
  return size
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
function resultOf (entry: MemoryEntry, { cachedAt, staleAt, deleteAt }: EntryTimes, body: Buffer): CacheStoreResult {
  const { statusCode, statusMessage, headers, vary, etag, directives, size, order: id } = entry
  entry.freeze()
  const result: CacheStoreResult = { statusCode, statusMessage, headers, cachedAt, staleAt, deleteAt, body, size, id }
  if (vary !== undefined) result.vary = vary
  if (etag !== undefined) result.etag = etag
  if (directives !== undefined) result.cacheControlDirectives = directives
  return result
}
