import type { Readable, Writable } from 'node:stream'

/** What an entry is found by. One key may have several variants, which differ in `headers`. */
export interface CacheStoreKey {
  /** Name of the zone, `'scgi:'` put before it; without a NUL. */
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
  /** The application's headers by lower-case name, those that clients do not get included. */
  headers: Record<string, string | string[]>
  /** Request headers that select the variant, with the values of the request that it was made for; null where that one had none. */
  vary?: Record<string, string | string[] | null>
  etag?: string
  /** `stale-while-revalidate` and `stale-if-error`, in seconds, where they are granted. */
  cacheControlDirectives?: { 'stale-while-revalidate'?: number, 'stale-if-error'?: number }
  cachedAt: number
  /** Fresh until then. */
  staleAt: number
  /** Of no use after that; the store may drop it then. */
  deleteAt: number
}

/** What a store found: never an entry that is not whole. It belongs to the store: nobody may change it, nor the bytes of its body. */
export interface CacheStoreResult extends CacheStoreValue {
  /** A stream may hold an open file: read it or destroy it. It stays readable when the entry is replaced or removed. */
  body?: Readable | Iterable<Buffer | string> | AsyncIterable<Buffer | string> | Buffer | string
  /** Length of the body in bytes, where the store knows it without reading. */
  size?: number
}

/** An entry as a store lists it. */
export interface CacheStoreListed {
  key: CacheStoreKey
  value: CacheStoreValue
  /** Length of the body in bytes, where the store knows it. */
  size?: number | undefined
}

/** What is purged: one key with all its variants, every key that a glob matches (`*` any text, `?` one character), every entry with a tag. */
export type PurgeMatch = { key: string } | { glob: string } | { tag: string }

/**
 * Where a cache keeps its entries. The first three methods are undici's `CacheStore`, so that one of those can be used; the others
 * are optional and make a store better. `testCacheStore` tries all of this on a store of your own.
 */
export interface CacheStore {
  /** An entry, expired ones up to `deleteAt` included. */
  get (key: CacheStoreKey): CacheStoreResult | Promise<CacheStoreResult | undefined> | undefined
  /**
   * Takes the body of an entry; it is there when the stream has finished, and replaces what was. A stream that is destroyed leaves
   * nothing behind. `undefined` refuses the entry. The store refuses it later by destroying the stream, without an error (too large,
   * purged meanwhile) or with one (the disk is full).
   */
  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined
  /** Removes a key with all its variants, and what is being written to it. Rejects where it could not be done. */
  delete (key: CacheStoreKey): void | Promise<void>
  /**
   * Changes an entry's head and times and leaves its body and `vary` (a revalidation, a soft purge). False where the entry is gone, has
   * another `etag` than `value` (it was replaced meanwhile), or has no room for the new head.
   */
  updateMeta?(key: CacheStoreKey, value: CacheStoreValue): boolean | Promise<boolean>
  /**
   * A part of an entry's body, both ends included; the rest is not read. `undefined` where the entry is gone, or the range is not inside
   * its body. `of` is what `get` gave: the part is one of that entry, and its `body`, if it is a stream, is used up by this.
   */
  openRange?(key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult):
    Readable | Buffer | undefined | Promise<Readable | Buffer | undefined>
  /** Removes entries, or with `soft` makes them stale. Returns their number. Rejects where it could not be done. */
  purge?(origin: string, match: PurgeMatch, soft: boolean): number | Promise<number>
  /** The entries of a zone, each variant with the request headers that select it. */
  keys?(origin: string): AsyncIterable<CacheStoreKey> | Iterable<CacheStoreKey>
  /** The entries of a zone without their bodies, for an operator to look at: to be listed is no use of an entry. Default: `keys`, and `get` for each. */
  list?(origin: string): AsyncIterable<CacheStoreListed> | Iterable<CacheStoreListed>
  stats?(): { entries: number, bytes: number }
  close?(): void | Promise<void>
}
