import type { FastifyRequest } from 'fastify'
import type { CacheStore, PurgeMatch } from './cache-store.ts'
import type { Size, Time } from './units.ts'

/** Headers by lower-case name. */
export type HeaderValues = Readonly<Record<string, string | string[]>>

/**
 * What the cache did for a request (nginx: $upstream_cache_status):
 * - `MISS`: nothing usable was there; the application answered
 * - `BYPASS`: the option `bypass` said not to look
 * - `EXPIRED`: what was there had expired; the application answered
 * - `STALE`: what had expired was served, because the application failed or while it is being renewed in the background
 * - `UPDATING`: what had expired was served, because another request is renewing it
 * - `REVALIDATED`: the application answered 304, and what was there was served
 * - `HIT`: what was there was fresh, or an error that is remembered
 */
export type CacheStatus = 'MISS' | 'BYPASS' | 'EXPIRED' | 'STALE' | 'UPDATING' | 'REVALIDATED' | 'HIT'

/** When an expired entry may be served: on that failure of the servers, on that status of the reply, while another request renews it. */
export type UseStaleCondition =
  | 'error' | 'timeout' | 'invalid_header' | 'updating'
  | 'http_500' | 'http_503' | 'http_403' | 'http_404' | 'http_429'

/** A condition of a request. False for `undefined`, `null`, `false`, `''` and `'0'`. */
export type CachePredicate<Request = FastifyRequest> = (request: Request) => unknown

/** The cache of a mount. */
export interface CacheOptions<Request = FastifyRequest> {
  /** The cache to use, from `createCache`; a function chooses for each request, and `false` uses none. (scgi_cache) */
  zone: Cache | ((request: Request) => Cache | false)
  /**
   * What tells one entry from another, without the method. A function must take in whatever the reply depends on and the application
   * does not name in `Vary`. Default: scheme, host and request URI. (scgi_cache_key)
   */
  key?: (request: Request) => string
  /**
   * How long a reply is fresh that does not say so itself, by status: `{ '200 302': '10m', '404': '1m', any: '1m' }`. A status of its own
   * goes before `any`, and 0 means not to cache. One time alone stands for 200, 301 and 302. Default: none, only what the reply
   * says. (scgi_cache_valid)
   */
  valid?: Time | Record<string, Time>
  /** Methods that are cached; GET and HEAD are always among them. POST needs a `key`. Default `['GET', 'HEAD']`. (scgi_cache_methods) */
  methods?: ('GET' | 'HEAD' | 'POST')[]
  /** Requests for a key after which its reply is stored. Default 1. (scgi_cache_min_uses) */
  minUses?: number
  /**
   * Of several requests for a key that is not there let one go to the application, and let the others wait for what it brings.
   * Default false. (scgi_cache_lock)
   */
  lock?: boolean | {
    /** Time after which one more request is let through. Default 5s. (scgi_cache_lock_age) */
    age?: Time
    /** Time after which a waiting request goes to the application; its reply is not stored. Default 5s. (scgi_cache_lock_timeout) */
    timeout?: Time
  }
  /** When an expired entry may be served, beside what the entry's own `stale-while-revalidate` and `stale-if-error` allow. Default: never. (scgi_cache_use_stale) */
  useStale?: UseStaleCondition[] | false
  /**
   * Serve an expired entry at once and renew it beside that, where `useStale: ['updating']` or the entry's `stale-while-revalidate`
   * allows. Default false. (scgi_cache_background_update)
   */
  backgroundUpdate?: boolean
  /** Ask whether an expired entry has changed (If-Modified-Since, If-None-Match) instead of fetching it. Default true with `rules: 'rfc9111'`, else false. (scgi_cache_revalidate) */
  revalidate?: boolean
  /** Requests that are not answered from the cache; their replies may be stored. Default: none. (scgi_cache_bypass) */
  bypass?: CachePredicate<Request> | CachePredicate<Request>[]
  /** Requests whose replies are not stored; asked when the reply's head is there. Default: none. (scgi_no_cache) */
  noCache?: CachePredicate<Request> | CachePredicate<Request>[]
  /**
   * A range that begins at this byte or later is fetched as it is and not stored, where the entry is not there; 0 says so of every
   * range. Default: without limit. (scgi_cache_max_range_offset)
   */
  maxRangeOffset?: Size
  /** Fetch HEAD as GET, so that its reply can be stored. With false HEAD stores nothing. Default true with `rules: 'rfc9111'`, else false. (proxy_cache_convert_head) */
  convertHead?: boolean
  /** Name of a header that tells clients the cache status, for instance `'X-Cache-Status'`. Default: none. */
  statusHeader?: string | false
  /**
   * Whose rules say what may be stored, how long it is fresh, and when a stale reply may be served. `'rfc9111'`: those of RFC 9111 for a
   * shared cache. `'nginx'`: those of nginx, for who compares the two. It decides the defaults of `age`, `authorization`, `revalidate`
   * and `cacheStatus`. Default `'rfc9111'`.
   */
  rules?: 'rfc9111' | 'nginx'
  /**
   * Header fields that go before `Cache-Control` and `Expires`, the first that is there and valid counts (RFC 9213). Only with
   * `rules: 'rfc9111'`. Default `['CDN-Cache-Control']`.
   */
  targets?: string[]
  /**
   * Whether the `Cache-Control` of a request counts (RFC 9111 section 5.2.1): with `'obey'` a client can have an entry validated, a reply
   * not stored, or a stale one served; `only-if-cached` without an entry is 504. Default `'ignore'`, so that no client can pass the cache by.
   */
  clientControl?: 'ignore' | 'obey'
  /** Store a reply with `Set-Cookie` where its Cache-Control says `public`. Only with `rules: 'rfc9111'`. Default false. */
  setCookie?: boolean
  /**
   * A lifetime for replies that say nothing of theirs, and for which `valid` has none: a `fraction` (default 0.1) of the time since their
   * Last-Modified, at most `max` (default `'1d'`). Only with `rules: 'rfc9111'`. Default false. (RFC 9111 section 4.2.2)
   */
  heuristic?: boolean | { fraction?: number, max?: Time }
  /**
   * Send `Cache-Status` (RFC 9211): `true` under the name `fastify-scgi`, or a name of your own. Default true with `rules: 'rfc9111'`, else
   * false.
   */
  cacheStatus?: boolean | string
  /** Send `Age` with what comes from the cache (RFC 9111 section 5.1). Default true with `rules: 'rfc9111'`, else false. */
  age?: boolean
  /**
   * `'rfc9111'`: a reply to a request with Authorization is stored only where its Cache-Control says public, s-maxage or must-revalidate
   * (section 3.5). `'ignore'`: Authorization makes no difference. Default `'rfc9111'`, with `rules: 'nginx'` `'ignore'`.
   */
  authorization?: 'rfc9111' | 'ignore'
}

/** Limits of a task that goes over many files: so many at a time, or for so long, then a pause. */
export interface CacheRoundOptions {
  /** Files of one round. Default 100. */
  files?: number
  /** Pause between two rounds. Default 50ms. */
  sleep?: Time
  /** Longest round. Default 200ms. */
  threshold?: Time
}

/** A cache that several mounts may share. (scgi_cache_path) */
export interface CreateCacheOptions {
  /** Name, by which `fastify.scgi.caches` knows it, and which keeps caches apart in a store that they share. (keys_zone) */
  name: string
  /**
   * Where entries are kept. `'memory'` is lost with the process; `'disk'` keeps one file an entry below `path`; or a store of your
   * own or of undici's kind. Default `'disk'` with a `path`, else `'memory'`.
   */
  store?: 'memory' | 'disk' | CacheStore
  /** Directory of the disk store; made where it is missing. Several processes may share it. (scgi_cache_path) */
  path?: string
  /** Directories below `path`, as so many characters from the end of an entry's name: `'1:2'`, `[1, 2]` or `1`. Default: none. (levels) */
  levels?: string | number | readonly number[]
  /**
   * Where the disk store writes an entry before it gets its name: `true` for `buffering.tempPath` of the mount, or a directory in `path`
   * where the mount gives none; `false` for the entry's own; or a directory. From another file system an entry is copied. Default true.
   * (use_temp_path)
   */
  useTempPath?: boolean | string
  /**
   * Time after which an entry that nobody asks for is removed, fresh or not. A store of your own keeps an entry for as long after it
   * has expired. Default 10m. (inactive)
   */
  inactive?: Time
  /** Most bytes of all entries. The least recently used go first. Default 64m in memory, without limit on disk. (max_size) */
  maxSize?: Size
  /** Most entries. Default: without limit. */
  maxEntries?: number
  /** Longest body; a longer one is not stored. Default: an eighth of `maxSize` in memory, without limit on disk. */
  maxEntrySize?: Size
  /** Bytes that stay free on the file system of `path`. Default 0. (min_free) */
  minFree?: Size
  /** How the disk store removes entries. (manager_files, manager_sleep, manager_threshold) */
  manager?: CacheRoundOptions
  /** How the disk store finds the entries of an earlier run. (loader_files, loader_sleep, loader_threshold) */
  loader?: CacheRoundOptions & {
    /** Time before it begins; an entry that is asked for is found before that. Default 60s. */
    delay?: Time
  }
  /**
   * Longest wait for the store to find an entry, or to take the next piece of one: after that the request goes on without the cache.
   * Default 250ms.
   */
  storeTimeout?: Time
}

export interface CacheStats {
  /** Entries and bytes, where the store counts them. */
  entries: number | undefined
  bytes: number | undefined
  /** Requests by what the cache did for them, since the start. */
  requests: Record<CacheStatus, number>
  /** Expired entries that are being renewed in the background now. */
  updating: number
  /** Requests that wait for another one's reply now. */
  waiting: number
  /** Times that the store failed or was too slow, since the start. */
  storeFailures: number
}

/** An entry of a cache, as an operator sees it. Times are milliseconds since the epoch. */
export interface CacheEntry {
  readonly key: string
  readonly statusCode: number
  /** Bytes of the body, where the store knows them. */
  readonly size: number | undefined
  readonly cachedAt: number
  /** Fresh until then. */
  readonly staleAt: number
  /** Of no use after that. */
  readonly deleteAt: number
  /** By which it can be purged. */
  readonly tags: readonly string[]
  /** Names of the request headers that select it among the variants of its key. */
  readonly vary: readonly string[]
}

/** A page of a cache's entries. */
export interface CacheEntries {
  readonly entries: readonly CacheEntry[]
  /** The `offset` of the next page, where there is one. */
  readonly next: number | undefined
}

/** A cache, made by `createCache`. */
export interface Cache {
  readonly name: string
  /**
   * Removes entries: one key with all its variants, every key that a glob matches, or every entry with a tag (of its `Cache-Tag` or
   * `Surrogate-Key` header). A string alone is a key. Replies that are on their way at the time are not stored. Resolves to the
   * number of entries, as far as the store counts them.
   * @throws FST_SCGI_CACHE_PURGE where the store cannot do it, or fails
   */
  purge (match: string | PurgeMatch, options?: {
    /** Make them expire instead, so that they can be served stale and revalidated. Default false. */
    soft?: boolean
  }): Promise<number>
  /**
   * Lists entries in the order of the store; what comes and goes meanwhile may be missed, or seen twice.
   * @throws FST_SCGI_CACHE_LIST where the store cannot list its keys, or fails
   */
  entries (options?: {
    /** Only keys that it matches: `*` is any text, `?` one character. Default: all. */
    glob?: string
    /** So many of them are left out. Default 0. */
    offset?: number
    /** Most entries of a page, 1 to 10000. Default 100. */
    limit?: number
  }): Promise<CacheEntries>
  stats (): CacheStats
  /** Waits for what is being stored, then closes the store. Requests after that find nothing. */
  close (): Promise<void>
}
