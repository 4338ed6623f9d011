import type { FastifyRequest } from 'fastify'
import type { CacheStore, PurgeMatch } from './cache-store.ts'
import type { Size, Time } from './units.ts'

/** Headers by lower-case name. */
export type HeaderValues = Readonly<Record<string, string | string[]>>

/**
 * What the cache did for a request (nginx: $upstream_cache_status):
 * - `MISS`: there was no usable entry; the application answered
 * - `BYPASS`: the cache was not asked, because of the option `bypass`
 * - `EXPIRED`: the entry had expired; the application answered
 * - `STALE`: an expired entry was served, because the application failed or while it is updated in the background
 * - `UPDATING`: an expired entry was served, because another request is updating it
 * - `REVALIDATED`: the application answered 304, and the entry was served
 * - `HIT`: a fresh entry was served, or a remembered error
 */
export type CacheStatus = 'MISS' | 'BYPASS' | 'EXPIRED' | 'STALE' | 'UPDATING' | 'REVALIDATED' | 'HIT'

/** When an expired entry may be served: on this failure of the servers, on this status of the reply, or while another request updates it. */
export type UseStaleCondition =
  | 'error' | 'timeout' | 'invalid_header' | 'updating'
  | 'http_500' | 'http_503' | 'http_403' | 'http_404' | 'http_429'

/** A condition on a request. `undefined`, `null`, `false`, `''` and `'0'` mean no. */
export type CachePredicate<Request = FastifyRequest> = (request: Request) => unknown

/** The cache of a mount. */
export interface CacheOptions<Request = FastifyRequest> {
  /** The cache, from `createCache`, or a function that chooses one for each request; `false` means none. (scgi_cache) */
  zone: Cache | ((request: Request) => Cache | false)
  /**
   * Cache key, without the method. A function must include everything that the reply depends on and that the application
   * does not name in `Vary`. Default: scheme, host and request URI. (scgi_cache_key)
   */
  key?: (request: Request) => string
  /**
   * How long a reply without a lifetime of its own is fresh, by status: `{ '200 302': '10m', '404': '1m', any: '1m' }`. A status takes
   * precedence over `any`, and 0 means not to cache. A single time applies to 200, 301 and 302. Default: none, only what the reply
   * says. (scgi_cache_valid)
   */
  valid?: Time | Record<string, Time>
  /** Methods whose replies are cached; GET and HEAD always are. POST needs a `key`. Default `['GET', 'HEAD']`. (scgi_cache_methods) */
  methods?: ('GET' | 'HEAD' | 'POST')[]
  /** Requests for a key before its reply is stored. Default 1. (scgi_cache_min_uses) */
  minUses?: number
  /**
   * Only one request at a time fetches a missing entry; others for the same key wait for its reply.
   * Default false. (scgi_cache_lock)
   */
  lock?: boolean | {
    /** Time after which one more request is let through. Default 5s. (scgi_cache_lock_age) */
    age?: Time
    /** Time after which a waiting request is sent to the application; its reply is not stored. Default 5s. (scgi_cache_lock_timeout) */
    timeout?: Time
  }
  /** When an expired entry may be served, in addition to what its `stale-while-revalidate` and `stale-if-error` allow. Default: never. (scgi_cache_use_stale) */
  useStale?: UseStaleCondition[] | false
  /**
   * Serve an expired entry at once and update it in the background, if `useStale: ['updating']` or the entry's `stale-while-revalidate`
   * allows it. Default false. (scgi_cache_background_update)
   */
  backgroundUpdate?: boolean
  /** Revalidate an expired entry (If-Modified-Since, If-None-Match) instead of fetching it. Default true with `rules: 'rfc9111'`, else false. (scgi_cache_revalidate) */
  revalidate?: boolean
  /** Requests not to answer from the cache; their replies may be stored. Default: none. (scgi_cache_bypass) */
  bypass?: CachePredicate<Request> | CachePredicate<Request>[]
  /** Requests whose replies are not to be stored; called when the head of the reply has arrived. Default: none. (scgi_no_cache) */
  noCache?: CachePredicate<Request> | CachePredicate<Request>[]
  /**
   * If the entry is missing, a range that starts at this byte or later is fetched as is and not stored; 0 means any
   * range. Default: no limit. (scgi_cache_max_range_offset)
   */
  maxRangeOffset?: Size
  /** Fetch HEAD requests as GET, so that the reply can be stored. With false, HEAD stores nothing. Default true with `rules: 'rfc9111'`, else false. (proxy_cache_convert_head) */
  convertHead?: boolean
  /** Name of a header for clients with the cache status, for instance `'X-Cache-Status'`. Default: none. */
  statusHeader?: string | false
  /**
   * Rules for what may be stored, how long it is fresh, and when a stale reply may be served. `'rfc9111'`: those of RFC 9111 for a
   * shared cache. `'nginx'`: those of nginx. They also set the defaults of `age`, `authorization`, `convertHead`, `revalidate`
   * and `cacheStatus`. Default `'rfc9111'`.
   */
  rules?: 'rfc9111' | 'nginx'
  /**
   * Headers that take precedence over `Cache-Control` and `Expires`; the first valid one counts (RFC 9213). Only with
   * `rules: 'rfc9111'`. Default `['CDN-Cache-Control']`.
   */
  targets?: string[]
  /**
   * Whether to obey the `Cache-Control` of requests (RFC 9111 section 5.2.1). With `'obey'`, a client can ask to validate an entry, not to store
   * a reply, or for a stale reply; `only-if-cached` without an entry is answered with 504. Default `'ignore'`, so that no client can bypass the cache.
   */
  clientControl?: 'ignore' | 'obey'
  /** Store a reply with `Set-Cookie` if its Cache-Control has `public`. Only with `rules: 'rfc9111'`. Default false. */
  setCookie?: boolean
  /**
   * Heuristic lifetime for replies that have none and to which `valid` gives none: a `fraction` (default 0.1) of the time since their
   * Last-Modified, at most `max` (default `'1d'`). Only with `rules: 'rfc9111'`. Default false. (RFC 9111 section 4.2.2)
   */
  heuristic?: boolean | { fraction?: number, max?: Time }
  /**
   * Send `Cache-Status` (RFC 9211): `true` under the name `fastify-scgi`, or a name of your own. Default true with `rules: 'rfc9111'`, else
   * false.
   */
  cacheStatus?: boolean | string
  /** Send `Age` with replies from the cache (RFC 9111 section 5.1). Default true with `rules: 'rfc9111'`, else false. */
  age?: boolean
  /**
   * `'rfc9111'`: a reply to a request with Authorization is stored only if its Cache-Control has public, s-maxage or must-revalidate
   * (section 3.5). `'ignore'`: Authorization makes no difference. Default `'rfc9111'`, with `rules: 'nginx'` `'ignore'`.
   */
  authorization?: 'rfc9111' | 'ignore'
}

/** Limits of a background task that works through many files in rounds, with a pause between them. */
export interface CacheRoundOptions {
  /** Files per round. Default 100. */
  files?: number
  /** Pause between two rounds. Default 50ms. */
  sleep?: Time
  /** Maximum time of a round. Default 200ms. */
  threshold?: Time
}

/** A cache that several mounts may share. (scgi_cache_path) */
export interface CreateCacheOptions {
  /** Name of the cache, in `fastify.scgi.caches`. It also keeps caches apart that share a store. (keys_zone) */
  name: string
  /**
   * Where to keep entries. `'memory'` is lost when the process ends; `'disk'` keeps one file per entry below `path`; or a store of your
   * own or one for undici. Default `'disk'` with a `path`, else `'memory'`.
   */
  store?: 'memory' | 'disk' | CacheStore
  /** Directory of the disk store; created if it does not exist. Several processes may share it. (scgi_cache_path) */
  path?: string
  /** Levels of subdirectories below `path`, as numbers of characters from the end of an entry's name: `'1:2'`, `[1, 2]` or `1`. Default: none. (levels) */
  levels?: string | number | readonly number[]
  /**
   * Where the disk store writes an entry until it is complete: `true` for `buffering.tempPath` of the mount, or a directory in `path`
   * if the mount has none; `false` for the directory of the entry; or a directory. An entry is copied from another file system. Default true.
   * (use_temp_path)
   */
  useTempPath?: boolean | string
  /**
   * Time after which an unused entry is removed, fresh or not. A store of your own keeps an entry for this time after it
   * has expired. Default 10m. (inactive)
   */
  inactive?: Time
  /** Maximum size of all entries. The least recently used are removed first. Default 64m in memory, no limit on disk. (max_size) */
  maxSize?: Size
  /** Maximum number of entries. Default: no limit. */
  maxEntries?: number
  /** Maximum size of a body; a larger one is not stored. Default: an eighth of `maxSize` in memory, no limit on disk. */
  maxEntrySize?: Size
  /** Bytes to keep free on the file system of `path`. Default 0. (min_free) */
  minFree?: Size
  /** How the disk store removes entries. (manager_files, manager_sleep, manager_threshold) */
  manager?: CacheRoundOptions
  /** How the disk store loads the entries of an earlier run. (loader_files, loader_sleep, loader_threshold) */
  loader?: CacheRoundOptions & {
    /** Time before it starts; requests find their entries before that. Default 60s. */
    delay?: Time
  }
  /**
   * Maximum time to wait for the store to find an entry, or to accept the next part of one; after that the request goes on without the cache.
   * Default 250ms.
   */
  storeTimeout?: Time
}

/** What a cache holds and how often it has answered, from `cache.stats()`. */
export interface CacheStats {
  /** Entries and bytes, if the store counts them. */
  entries: number | undefined
  bytes: number | undefined
  /** Requests by cache status, since startup. */
  requests: Record<CacheStatus, number>
  /** Expired entries that are being updated in the background. */
  updating: number
  /** Requests that are waiting for the reply to another one. */
  waiting: number
  /** How often the store failed or was too slow, since startup. */
  storeFailures: number
}

/** An entry of a cache. Times are milliseconds since the epoch. */
export interface CacheEntry {
  readonly key: string
  readonly statusCode: number
  /** Size of the body in bytes, if the store knows it. */
  readonly size: number | undefined
  readonly cachedAt: number
  /** When it stops being fresh. */
  readonly staleAt: number
  /** When it can no longer be used. */
  readonly deleteAt: number
  /** Tags by which it can be purged. */
  readonly tags: readonly string[]
  /** Names of the request headers that select this variant. */
  readonly vary: readonly string[]
}

/** A page of the entries of a cache. */
export interface CacheEntries {
  readonly entries: readonly CacheEntry[]
  /** `offset` of the next page, if there is one. */
  readonly next: number | undefined
}

/** A cache, made by `createCache`. */
export interface Cache {
  readonly name: string
  /** Other processes have the same entries, as its store says. */
  readonly shared: boolean
  /**
   * Removes entries: a key with all its variants, every key that matches a glob, or every entry with a tag (in its `Cache-Tag` or
   * `Surrogate-Key` header). A string is a key. Replies that are being received are not stored. Resolves to the
   * number of entries, as far as the store counts them.
   * @throws FST_SCGI_CACHE_PURGE if the store does not support it, or fails
   */
  purge (match: string | PurgeMatch, options?: {
    /** Let them expire instead, so that they can be served stale and revalidated. Default false. */
    soft?: boolean
    /** Only in this process: others that share a group with it are not told. Default false. */
    here?: boolean
  }): Promise<number>
  /**
   * Lists entries in the order of the store. Entries that change meanwhile may be missing, or listed twice.
   * @throws FST_SCGI_CACHE_LIST if the store cannot list its keys, or fails
   */
  entries (options?: {
    /** Only keys that match it: `*` is any text, `?` one character. Default: all. */
    glob?: string
    /** Number of entries to skip. Default 0. */
    offset?: number
    /** Maximum number of entries, 1 to 10000. Default 100. */
    limit?: number
  }): Promise<CacheEntries>
  stats (): CacheStats
  /** Waits for entries that are being stored, then closes the store. Requests after that find nothing. */
  close (): Promise<void>
}
