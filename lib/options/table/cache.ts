import { count, flag, flagOr, lifetime, object, ofRoom, share, size, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

export const LOCK = {
  age: row(time(), { default: '5s', directives: ['scgi_cache_lock_age'], doc: 'time after which one more request is let through' }),
  timeout: row(time(), {
    default: '5s', directives: ['scgi_cache_lock_timeout'], doc: 'time after which a waiting request is sent to the application; its reply is not stored',
  }),
} satisfies Rows

export const HEURISTIC = {
  fraction: row(share('a number above 0, at most 1'), { default: 0.1, doc: 'fraction of the time since Last-Modified' }),
  max: row(lifetime, { default: '1d', doc: 'longest lifetime of this kind' }),
} satisfies Rows

const BY_RULES = "true with `rules: 'rfc9111'`, else false"

/** Of `cache`. */
export const CACHE = {
  zone: row(ofRoom(['other', 'function']), { required: true, directives: ['scgi_cache'], doc: 'the cache, from `createCache`, or a function that chooses one' }),
  key: row(ofRoom(['function']), { otherwise: 'scheme, host and request URI', directives: ['scgi_cache_key'], doc: 'cache key, without the method' }),
  valid: row(ofRoom(['lifetime', 'object']), {
    otherwise: 'none', directives: ['scgi_cache_valid'], doc: 'how long a reply without a lifetime of its own is fresh, by status',
  }),
  methods: row(ofRoom(['names']), { otherwise: 'GET and HEAD', directives: ['scgi_cache_methods'], doc: 'methods whose replies are cached; POST needs a `key` of its own' }),
  minUses: row(count(1), { default: 1, directives: ['scgi_cache_min_uses'], doc: 'requests for a key before its reply is stored' }),
  lock: row(flagOr(object(LOCK, 'true, false or { age, timeout }'), 'true, false or { age, timeout }'), {
    default: false, directives: ['scgi_cache_lock'], doc: 'only one request at a time fetches a missing entry; the others wait for it',
  }),
  useStale: row(ofRoom(['names', 'flag']), { otherwise: 'never', directives: ['scgi_cache_use_stale'], doc: 'when an expired entry may be served' }),
  backgroundUpdate: row(flag, { default: false, directives: ['scgi_cache_background_update'], doc: 'serve an expired entry at once and update it in the background' }),
  revalidate: row(flag, { otherwise: BY_RULES, directives: ['scgi_cache_revalidate'], doc: 'revalidate an expired entry instead of fetching it' }),
  bypass: row(ofRoom(['predicate']), { otherwise: 'none', directives: ['scgi_cache_bypass'], doc: 'requests not to answer from the cache' }),
  noCache: row(ofRoom(['predicate']), { otherwise: 'none', directives: ['scgi_no_cache'], doc: 'requests whose replies are not to be stored' }),
  maxRangeOffset: row(size(), {
    otherwise: 'no limit', directives: ['scgi_cache_max_range_offset'], doc: 'a range that starts at this byte or later is fetched as is and not stored',
  }),
  convertHead: row(flag, { otherwise: BY_RULES, directives: ['proxy_cache_convert_head'], doc: 'fetch HEAD requests as GET, so that the reply can be stored' }),
  statusHeader: row(ofRoom(['header', 'flag']), {
    otherwise: 'none', doc: 'name of a header for clients with the cache status',
  }),
  rules: row(word(['rfc9111', 'nginx']), { default: 'rfc9111', doc: 'rules for what may be stored and how long it is fresh' }),
  targets: row(ofRoom(['names']), { default: ['CDN-Cache-Control'], doc: 'headers that take precedence over Cache-Control and Expires (RFC 9213)' }),
  clientControl: row(word(['ignore', 'obey']), { default: 'ignore', doc: 'whether to obey the Cache-Control of requests' }),
  setCookie: row(flag, { default: false, doc: 'store a reply with Set-Cookie if its Cache-Control has `public`' }),
  heuristic: row(flagOr(object(HEURISTIC, 'true, false or { fraction, max }'), 'true, false or { fraction, max }'), {
    default: false, doc: 'heuristic lifetime for replies that have none',
  }),
  cacheStatus: row(ofRoom(['flag', 'text']), { otherwise: BY_RULES, doc: 'send Cache-Status (RFC 9211), optionally with this name' }),
  age: row(flag, { otherwise: BY_RULES, doc: 'send Age with replies from the cache' }),
  authorization: row(word(['rfc9111', 'ignore']), {
    otherwise: "`'rfc9111'`; with `rules: 'nginx'` `'ignore'`", doc: 'whether a reply to a request with Authorization may be stored',
  }),
} satisfies Rows

/** A background task that works through many files. */
export const ROUNDS = {
  files: row(count(), { default: 100, doc: 'files per round' }),
  sleep: row(time(), { default: '50ms', doc: 'pause between two rounds' }),
  threshold: row(time(), { default: '200ms', doc: 'maximum time of a round' }),
} satisfies Rows

export const LOADER = {
  ...ROUNDS,
  delay: row(time(), { default: '60s', doc: 'time before it starts' }),
} satisfies Rows

const UNSTORED = 'an eighth of `maxSize` in memory, no limit on disk'

/** Of `createCache`. */
export const CREATE_CACHE = {
  name: row(text(/^[^\0]+$/, 'a name, by which the cache is known'), { required: true, directives: ['keys_zone'], doc: 'name of the cache, in `fastify.scgi.caches`' }),
  store: row(ofRoom(['word', 'other']), { otherwise: "`'disk'` with a `path`, else `'memory'`", doc: "where to keep entries: `'memory'`, `'disk'` or a store" }),
  path: row(ofRoom(['text']), { otherwise: 'none', directives: ['scgi_cache_path'], doc: 'directory of the disk store' }),
  levels: row(ofRoom(['text', 'number', 'list']), { otherwise: 'none', directives: ['levels'], doc: 'levels of subdirectories below `path`' }),
  useTempPath: row(ofRoom(['flag', 'text']), { default: true, directives: ['use_temp_path'], doc: 'where the disk store writes an entry until it is complete' }),
  inactive: row(lifetime, { default: '10m', directives: ['inactive'], doc: 'time after which an unused entry is removed' }),
  maxSize: row(size(), { otherwise: '64m in memory, no limit on disk', directives: ['max_size'], doc: 'maximum size of all entries' }),
  maxEntries: row(count(), { otherwise: 'no limit', doc: 'maximum number of entries' }),
  maxEntrySize: row(size(), { otherwise: UNSTORED, doc: 'maximum size of a body; a larger one is not stored' }),
  minFree: row(size(), { default: 0, directives: ['min_free'], doc: 'bytes to keep free on the file system of `path`' }),
  manager: row(object(ROUNDS, '{ files, sleep, threshold }'), {
    otherwise: '', directives: ['manager_files', 'manager_sleep', 'manager_threshold'], doc: 'how the disk store removes entries',
  }),
  loader: row(object(LOADER, '{ files, sleep, threshold, delay }'), {
    otherwise: '', directives: ['loader_files', 'loader_sleep', 'loader_threshold'], doc: 'how the disk store loads the entries of an earlier run',
  }),
  storeTimeout: row(time(), { default: '250ms', doc: 'maximum time to wait for the store; after that the request goes on without the cache' }),
} satisfies Rows

/** Of `redisStore`. */
export const REDIS_STORE = {
  url: row(ofRoom(['text']), { otherwise: 'required without `client`', doc: 'URL of the server' }),
  client: row(ofRoom(['other']), { otherwise: 'required without `url`', doc: 'a client of iovalkey or ioredis' }),
  prefix: row(text(/^/, 'a text'), { default: 'fastify-scgi:', doc: 'prefix of the keys in Redis' }),
  timeout: row(time(), { default: '250ms', doc: 'maximum time to wait for an answer' }),
  maxEntrySize: row(size(), { default: '1m', doc: 'maximum size of a body; a larger one is not stored' }),
  onWarning: row(ofRoom(['function']), { otherwise: '`process.emitWarning()`', doc: 'called once for each outage of Redis' }),
} satisfies Rows
