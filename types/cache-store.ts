import type { Readable, Writable } from 'node:stream'

/** Key of an entry. A key may have several variants, which differ in `headers`. */
export interface CacheStoreKey {
  /** `'scgi:'` and the name of the cache; without a NUL. */
  origin: string
  /** Always `'GET'`: HEAD is served from the same entry. */
  method: string
  /** The evaluated cache key, any text. */
  path: string
  /** Request headers by lower-case name; the store compares those that the entry's `vary` names. */
  headers?: Record<string, string | string[]>
}

/** An entry without its body. Times are milliseconds since the epoch. */
export interface CacheStoreValue {
  statusCode: number
  statusMessage: string
  /** The application's headers by lower-case name, including those that clients do not get. */
  headers: Record<string, string | string[]>
  /** Request headers that select the variant, with the values of the original request; null for a header that it did not have. */
  vary?: Record<string, string | string[] | null>
  etag?: string
  /** `stale-while-revalidate` and `stale-if-error`, in seconds, if present. */
  cacheControlDirectives?: { 'stale-while-revalidate'?: number, 'stale-if-error'?: number }
  cachedAt: number
  /** When it stops being fresh. */
  staleAt: number
  /** When it can no longer be used; the store may drop it then. */
  deleteAt: number
}

/** An entry found in a store; it is always complete. It belongs to the store: neither it nor the bytes of its body may be changed. */
export interface CacheStoreResult extends CacheStoreValue {
  /** A stream may hold an open file: read it or destroy it. It stays readable when the entry is replaced or removed. */
  body?: Readable | Iterable<Buffer | string> | AsyncIterable<Buffer | string> | Buffer | string
  /** Length of the body in bytes, if the store knows it without reading. */
  size?: number
  /**
   * Which writing of the entry this is: another one of the same key has another `id`, and `updateMeta` leaves it as it is. Without it two replies of
   * one millisecond that have the same validators cannot be told apart.
   */
  id?: string | number
}

/** An entry in a list. */
export interface CacheStoreListed {
  key: CacheStoreKey
  value: CacheStoreValue
  /** Length of the body in bytes, if the store knows it. */
  size?: number | undefined
}

/** What to purge: a key with all its variants, every key that matches a glob (`*` is any text, `?` one character), or every entry with a tag. */
export type PurgeMatch = { key: string } | { glob: string } | { tag: string }

/**
 * Where a cache keeps its entries. The first three methods are those of undici's `CacheStore`, so that a store for undici can be used; the
 * others are optional improvements. `testCacheStore` tests a store of your own against all of this.
 */
export interface CacheStore {
  /** Other processes have the same entries, as they do on disk or in Redis. Default false: those of this process. */
  readonly shared?: boolean
  /** Finds an entry, including expired ones until `deleteAt`. */
  get (key: CacheStoreKey): CacheStoreResult | Promise<CacheStoreResult | undefined> | undefined
  /**
   * Returns a stream for the body of an entry. When the stream has finished, the entry can be found and replaces the earlier one. A destroyed
   * stream leaves nothing behind. `undefined` refuses the entry. The store can also refuse it later by destroying the stream, without an error
   * (too large, purged meanwhile) or with one (the disk is full).
   */
  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined
  /** Removes a key with all its variants, including those that are being written. Rejects on failure. */
  delete (key: CacheStoreKey): void | Promise<void>
  /**
   * Changes the head and the times of an entry, but not its body and `vary` (after a revalidation, a soft purge). Returns false if the entry
   * does not exist, was replaced meanwhile, or has no room for the new head. It was replaced if it has another `etag` than `value`, or another `id`,
   * `cachedAt` or `Last-Modified` than `of`, the result of `get` for which `value` was made.
   */
  updateMeta?(key: CacheStoreKey, value: CacheStoreValue, of?: CacheStoreResult): boolean | Promise<boolean>
  /**
   * Returns a part of the body of an entry, both ends included, without reading the rest; `undefined` if the entry does not exist or the range
   * is outside its body. `of` is the result of `get`: the part must belong to that entry, whose `body` is consumed if it is a stream. For a request
   * of several ranges it is called for one after the other with the same `of`, in any order; a part that is `undefined` then breaks off the
   * reply. A store without it needs a `body` that is no stream for ranges that overlap or descend: of a stream the client gets all.
   */
  openRange?(key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult):
    Readable | Buffer | undefined | Promise<Readable | Buffer | undefined>
  /** Removes entries, or with `soft` makes them stale. Returns their number. Rejects on failure. */
  purge?(origin: string, match: PurgeMatch, soft: boolean): number | Promise<number>
  /** The keys of a cache, each variant with the request headers that select it. */
  keys?(origin: string): AsyncIterable<CacheStoreKey> | Iterable<CacheStoreKey>
  /** The entries of a cache without their bodies, for operators; listing an entry does not count as using it. Default: `keys`, and `get` for each. */
  list?(origin: string): AsyncIterable<CacheStoreListed> | Iterable<CacheStoreListed>
  stats?(): { entries: number, bytes: number }
  close?(): void | Promise<void>
}
