import { Writable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
import { parseSize, parseTime } from '../../units.ts'
import { readTags } from '../tags.ts'
import { copyValue, keyText, promisedLength, purgeTest, selectingHeaders, softened } from './key.ts'
import { varyMatches, variantText, varyNames } from './vary.ts'

export interface MemoryStoreOptions {
  /** Bytes of all entries, heads included; the one used longest ago goes first. Default `'64m'`. */
  maxSize?: number | string
  /** Default: no limit but `maxSize`. */
  maxEntries?: number
  /** Bytes of one body; a larger one is not stored. Default: an eighth of `maxSize`. */
  maxEntrySize?: number | string
  /** An entry nobody asked for so long is removed, fresh or not. Default `'10m'`. (nginx: inactive) */
  inactive?: number | string
  /** Milliseconds since the epoch; tests have their own. */
  now?: () => number
}

interface Entry {
  readonly key: CacheStoreKey
  readonly text: string
  /** Names of the headers that select the variant, and the text of the variant. */
  readonly names: string
  readonly variant: string
  readonly tags: readonly string[]
  readonly result: CacheStoreResult
  readonly body: Buffer
  /** Of two that a request could get, the later one is right. */
  readonly order: number
  usedAt: number
}

/** What an entry is made of. */
type Made = Pick<Entry, 'key' | 'text' | 'body' | 'tags'> & { readonly value: CacheStoreValue }

/** Variants that differ in the same headers. */
interface Group {
  readonly names: readonly string[]
  readonly entries: Map<string, Entry>
}

/** What there is of a key. Most have one entry that does not vary, and many small maps cost time when they are made and when they go. */
type Kept = Entry | Map<string, Group>

/** An application that changes its Vary all the time does not make a lookup slow. */
const MAX_GROUPS = 8
/** What an entry takes beside its texts and its body, about. */
const OVERHEAD = 500

/** Keeps entries in this process's memory, each body in one Buffer that all who ask for it get. */
export class MemoryStore implements CacheStore {
  readonly #maxEntries: number
  readonly #maxEntrySize: number
  readonly #inactive: number
  readonly #now: () => number
  readonly #lru: LRUCache<Entry, Entry>
  readonly #keys = new Map<string, Kept>()
  readonly #tags = new Map<string, Set<Entry>>()
  readonly #writers = new Set<MemoryWriter>()
  #order = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined

  /** @throws FST_SCGI_OPT_INVALID */
  constructor (options: MemoryStoreOptions = {}) {
    const maxSize = Math.max(1, parseSize('maxSize', options.maxSize ?? '64m'))
    this.#maxEntries = options.maxEntries === undefined ? Infinity : parseSize('maxEntries', options.maxEntries)
    this.#maxEntrySize = options.maxEntrySize === undefined ? Math.floor(maxSize / 8) : parseSize('maxEntrySize', options.maxEntrySize)
    this.#inactive = parseTime('inactive', options.inactive ?? '10m')
    this.#now = options.now ?? Date.now
    this.#lru = new LRUCache<Entry, Entry>({
      maxSize,
      sizeCalculation: sizeOf,
      dispose: entry => this.#forget(entry),
    })
  }

  get (key: CacheStoreKey): CacheStoreResult | undefined {
    const entry = this.#find(key)
    if (entry === undefined) return undefined
    const now = this.#now()
    if (entry.result.deleteAt <= now || entry.usedAt + this.#inactive <= now) {
      this.#lru.delete(entry)
      return undefined
    }
    entry.usedAt = now
    this.#lru.get(entry)
    return entry.result
  }

  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined {
    if (this.#closed || promisedLength(value) > this.#maxEntrySize) return undefined
    const writer = new MemoryWriter(key, copyValue(value), this.#maxEntrySize, body => {
      this.#add({ key, text: keyText(key), value: writer.value, body, tags: writer.tags })
    })
    this.#writers.add(writer)
    writer.once('close', () => this.#writers.delete(writer))
    return writer
  }

  /**
   * Takes an entry with its whole body, which is copied. What `createWriteStream` is for bodies that come in time.
   * @returns false where the entry is refused
   */
  put (key: CacheStoreKey, value: CacheStoreValue, pieces: readonly Buffer[], length: number): boolean {
    if (this.#closed || length > this.#maxEntrySize) return false
    this.#add({ key, text: keyText(key), value: copyValue(value), body: joined(pieces, length), tags: readTags(value.headers) })
    return true
  }

  delete (key: CacheStoreKey): void {
    this.#purgeWriters(key.origin, { key: key.path })
    for (const entry of this.#entriesOf(key)) this.#lru.delete(entry)
  }

  updateMeta (key: CacheStoreKey, value: CacheStoreValue): boolean {
    const entry = this.#find(key)
    if (entry === undefined || entry.result.etag !== value.etag) return false
    this.#replace(entry, copyValue(value))
    return this.#find(key) !== undefined
  }

  openRange (key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult): Buffer | undefined {
    const body = of === undefined ? this.#find(key)?.body : of.body
    if (!Buffer.isBuffer(body) || start < 0 || start > end || end >= body.length) return undefined
    return body.subarray(start, end + 1)
  }

  purge (origin: string, match: PurgeMatch, soft: boolean): number {
    this.#purgeWriters(origin, match)
    const entries = this.#matching(origin, match)
    for (const entry of entries) {
      if (soft) this.#replace(entry, softened(entry.result, this.#now()))
      else this.#lru.delete(entry)
    }
    return entries.length
  }

  * keys (origin: string): Generator<CacheStoreKey> {
    for (const entry of [...this.#lru.keys()]) {
      if (entry.key.origin === origin && this.#lru.has(entry)) yield entry.key
    }
  }

  stats (): { entries: number, bytes: number } {
    return { entries: this.#lru.size, bytes: this.#lru.calculatedSize }
  }

  close (): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const writer of this.#writers) writer.destroy()
    this.#lru.clear()
  }

  #find (key: CacheStoreKey): Entry | undefined {
    const kept = this.#keys.get(keyText(key))
    if (!(kept instanceof Map)) return kept?.variant === key.method ? kept : undefined
    let found: Entry | undefined
    for (const group of kept.values()) {
      const entry = group.entries.get(group.names.length === 0 ? key.method : variantText(key.method, group.names, key.headers))
      if (entry !== undefined && (found === undefined || entry.order > found.order)) found = entry
    }
    return found
  }

  #add (made: Made, order = ++this.#order): void {
    const { key: { origin, method, path }, text, value, body, tags } = made
    const names = varyNames(value.vary)
    const entry: Entry = {
      key: { origin, method, path, ...selectingHeaders(value.vary) },
      text,
      names: names.join(),
      variant: variantText(method, names, value.vary),
      tags,
      result: frozen({ ...value, body, size: body.length }),
      body,
      order,
      usedAt: this.#now(),
    }
    this.#supersede(entry)
    if (names.length === 0 && !this.#keys.has(text)) this.#keys.set(text, entry)
    else this.#addVariant(entry, names)
    for (const tag of tags) {
      const name = `${origin}\0${tag}`
      const tagged = this.#tags.get(name)
      if (tagged === undefined) this.#tags.set(name, new Set([entry]))
      else tagged.add(entry)
    }
    this.#lru.set(entry, entry)
    // One that is larger than all there may be is not taken, and nobody is told.
    if (!this.#lru.has(entry)) this.#forget(entry)
    while (this.#lru.size > this.#maxEntries) this.#lru.pop()
    this.#plan()
  }

  /** One of several of a key. */
  #addVariant (entry: Entry, names: readonly string[]): void {
    const kept = this.#keys.get(entry.text)
    let groups: Map<string, Group>
    if (kept instanceof Map) {
      groups = kept
    } else {
      groups = new Map()
      if (kept !== undefined) groups.set(kept.names, { names: [], entries: new Map([[kept.variant, kept]]) })
      this.#keys.set(entry.text, groups)
    }
    let group = groups.get(entry.names)
    if (group === undefined) {
      const [oldest] = groups.values()
      if (oldest !== undefined && groups.size >= MAX_GROUPS) for (const other of [...oldest.entries.values()]) this.#lru.delete(other)
      groups.set(entry.names, group = { names, entries: new Map() })
    }
    group.entries.set(entry.variant, entry)
  }

  /** Removes what no request would get any more. */
  #supersede ({ text, names, variant, key: { method }, result: { vary }, order }: Entry): void {
    const kept = this.#keys.get(text)
    if (kept === undefined) return
    if (!(kept instanceof Map)) {
      if (kept.names === names && kept.variant === variant) this.#lru.delete(kept)
      return
    }
    const selecting = varyNames(vary)
    for (const group of [...kept.values()]) {
      if (group.names.join() === names) {
        const same = group.entries.get(variant)
        if (same !== undefined) this.#lru.delete(same)
      } else if (selecting.every(name => group.names.includes(name))) {
        for (const other of [...group.entries.values()]) {
          if (other.order < order && other.key.method === method && varyMatches(vary, other.result.vary)) this.#lru.delete(other)
        }
      }
    }
  }

  /** Gives an entry another head. Its place among the variants stays. */
  #replace (entry: Entry, value: CacheStoreValue): void {
    const { vary } = entry.result
    const head = { ...value }
    delete head.vary
    this.#lru.delete(entry)
    this.#add({
      key: entry.key,
      text: entry.text,
      value: vary === undefined ? head : { ...head, vary },
      body: entry.body,
      tags: readTags(value.headers),
    }, entry.order)
  }

  #forget (entry: Entry): void {
    const kept = this.#keys.get(entry.text)
    if (kept === entry) {
      this.#keys.delete(entry.text)
    } else if (kept instanceof Map) {
      const group = kept.get(entry.names)
      if (group?.entries.get(entry.variant) === entry) {
        group.entries.delete(entry.variant)
        if (group.entries.size === 0) kept.delete(entry.names)
        if (kept.size === 0) this.#keys.delete(entry.text)
      }
    }
    for (const tag of entry.tags) {
      const name = `${entry.key.origin}\0${tag}`
      const tagged = this.#tags.get(name)
      tagged?.delete(entry)
      if (tagged?.size === 0) this.#tags.delete(name)
    }
  }

  #entriesOf (key: CacheStoreKey): Entry[] {
    const kept = this.#keys.get(keyText(key))
    if (kept === undefined) return []
    return kept instanceof Map ? [...kept.values()].flatMap(group => [...group.entries.values()]) : [kept]
  }

  #matching (origin: string, match: PurgeMatch): Entry[] {
    if ('key' in match) return this.#entriesOf({ origin, method: 'GET', path: match.key })
    if ('tag' in match) return [...this.#tags.get(`${origin}\0${match.tag}`) ?? []]
    const test = purgeTest(origin, match)
    return [...this.#lru.keys()].filter(({ key: { path, origin }, tags }) => test({ origin, path, tags }))
  }

  /** What was fetched before a purge is what the purge is against. */
  #purgeWriters (origin: string, match: PurgeMatch): void {
    const test = purgeTest(origin, match)
    for (const writer of this.#writers) {
      const { key, tags } = writer
      if (test({ origin: key.origin, path: key.path, tags })) writer.destroy()
    }
  }

  /** Looks for inactive entries again, as long as there are entries. */
  #plan (): void {
    if (this.#timer !== undefined || this.#lru.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const limit = this.#now() - this.#inactive
      for (const entry of [...this.#lru.rkeys()]) {
        if (entry.usedAt > limit) break
        this.#lru.delete(entry)
      }
      this.#plan()
    }, Math.min(Math.max(this.#inactive, 10), 10_000)).unref()
  }
}

/** Collects a body; the entry is made at the end. */
class MemoryWriter extends Writable {
  readonly key: CacheStoreKey
  readonly value: CacheStoreValue
  readonly tags: readonly string[]
  readonly #limit: number
  readonly #commit: (body: Buffer) => void
  #chunks: Buffer[] = []
  #size = 0

  constructor (key: CacheStoreKey, value: CacheStoreValue, limit: number, commit: (body: Buffer) => void) {
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
    this.#commit(joined(this.#chunks, this.#size))
    done()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#chunks = []
    done(error)
  }
}

/** A memory of its own: a chunk may be a small part of a large one, or of one that is used again. */
function joined (chunks: readonly Buffer[], length: number): Buffer {
  const body = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const chunk of chunks) at += chunk.copy(body, at)
  return body
}

function sizeOf ({ text, variant, result, body, tags }: Entry): number {
  let size = OVERHEAD + body.length + text.length + variant.length + result.statusMessage.length
  for (const tag of tags) size += tag.length
  const { headers } = result
  for (const name in headers) {
    const value = headers[name] ?? ''
    size += 20 + name.length + (typeof value === 'string' ? value : value.join()).length
  }
  return size
}

/** Everybody gets the same object: who changes it shall fail, not change what others get. */
function frozen (result: CacheStoreResult): CacheStoreResult {
  const { headers } = result
  for (const name in headers) if (Array.isArray(headers[name])) Object.freeze(headers[name])
  Object.freeze(headers)
  return Object.freeze(result)
}
