import type { Readable, Writable } from 'node:stream'

/** What an entry is found by. One key may have several variants, which differ in `headers`. */
export interface CacheStoreKey {
  /** Name of the zone, `'scgi:'` put before it. */
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

/** What a store found: never an entry that is not whole. */
export interface CacheStoreResult extends CacheStoreValue {
  body?: Readable | Iterable<Buffer | string> | AsyncIterable<Buffer | string> | Buffer | string
  /** Length of the body in bytes, where the store knows it without reading. */
  size?: number
}

/** What is purged: one key with all its variants, every key that a glob matches (`*` any text, `?` one character), every entry with a tag. */
export type PurgeMatch = { key: string } | { glob: string } | { tag: string }

/**
 * Where a cache keeps its entries. The first three methods are undici's `CacheStore`, so that one of those can be used; the others
 * are optional and make a store better.
 */
export interface CacheStore {
  /** An entry, expired ones up to `deleteAt` included. */
  get (key: CacheStoreKey): CacheStoreResult | Promise<CacheStoreResult | undefined> | undefined
  /**
   * Takes the body of an entry; it is there when the stream has finished, and replaces what was. A stream that is destroyed leaves
   * nothing behind. `undefined` refuses the entry.
   */
  createWriteStream (key: CacheStoreKey, value: CacheStoreValue): Writable | undefined
  /** Removes a key with all its variants. */
  delete (key: CacheStoreKey): void | Promise<void>
  /** Changes an entry's head and times and leaves its body (a revalidation, a soft purge). False where the entry is gone. */
  updateMeta?(key: CacheStoreKey, value: CacheStoreValue): boolean | Promise<boolean>
  /** A part of an entry's body, both ends included; the rest is not read. `undefined` where the entry is gone. */
  openRange?(key: CacheStoreKey, start: number, end: number): Readable | Buffer | undefined | Promise<Readable | Buffer | undefined>
  /** Removes entries, or with `soft` makes them stale. Returns their number. */
  purge?(origin: string, match: PurgeMatch, soft: boolean): number | Promise<number>
  keys?(origin: string): AsyncIterable<CacheStoreKey> | Iterable<CacheStoreKey>
  stats?(): { entries: number, bytes: number }
  close?(): void | Promise<void>
}
