import { count, flag, flagOr, lifetime, object, ofRoom, share, size, text, time, word } from '../readers.ts'
import { row, type Rows } from '../row.ts'

export const LOCK = {
  age: row(time(), { default: '5s', directives: ['scgi_cache_lock_age'], doc: 'time after which one more request is let through' }),
  timeout: row(time(), {
    default: '5s', directives: ['scgi_cache_lock_timeout'], doc: 'time after which a waiting request goes to the application; its reply is not stored',
  }),
} satisfies Rows

export const HEURISTIC = {
  fraction: row(share('a number above 0, at most 1'), { default: 0.1, doc: 'of the time since Last-Modified' }),
  max: row(lifetime, { default: '1d', doc: 'the longest lifetime of that kind' }),
} satisfies Rows

const BY_RULES = "true with `rules: 'rfc9111'`, else false"

/** Of `cache`. */
export const CACHE = {
  zone: row(ofRoom(['other', 'function']), { required: true, directives: ['scgi_cache'], doc: 'the cache to use, from `createCache`, or a function that chooses one' }),
  key: row(ofRoom(['function']), { otherwise: 'scheme, host and request URI', directives: ['scgi_cache_key'], doc: 'what tells one entry from another, without the method' }),
  valid: row(ofRoom(['lifetime', 'object']), {
    otherwise: 'none', directives: ['scgi_cache_valid'], doc: 'how long a reply is fresh that does not say so itself, by status',
  }),
  methods: row(ofRoom(['names']), { otherwise: 'GET and HEAD', directives: ['scgi_cache_methods'], doc: 'methods whose replies are cached; POST needs a `key` of its own' }),
  minUses: row(count(1), { default: 1, directives: ['scgi_cache_min_uses'], doc: 'requests for the same before a reply is stored' }),
  lock: row(flagOr(object(LOCK, 'true, false or { age, timeout }'), 'true, false or { age, timeout }'), {
    default: false, directives: ['scgi_cache_lock'], doc: 'one request at a time fetches what is not there; the others wait for it',
  }),
  useStale: row(ofRoom(['names', 'flag']), { otherwise: 'never', directives: ['scgi_cache_use_stale'], doc: 'when an expired entry may be served' }),
  backgroundUpdate: row(flag, { default: false, directives: ['scgi_cache_background_update'], doc: 'serve an expired entry at once and renew it beside that' }),
  revalidate: row(flag, { otherwise: BY_RULES, directives: ['scgi_cache_revalidate'], doc: 'ask whether an expired entry has changed instead of fetching it' }),
  bypass: row(ofRoom(['predicate']), { otherwise: 'none', directives: ['scgi_cache_bypass'], doc: 'requests that are not answered from the cache' }),
  noCache: row(ofRoom(['predicate']), { otherwise: 'none', directives: ['scgi_no_cache'], doc: 'requests whose replies are not stored' }),
  maxRangeOffset: row(size(), {
    otherwise: 'without limit', directives: ['scgi_cache_max_range_offset'], doc: 'a range that begins at this byte or later is fetched as it is and not stored',
  }),
  convertHead: row(flag, { otherwise: BY_RULES, directives: ['proxy_cache_convert_head'], doc: 'fetch HEAD as GET, so that its reply can be stored' }),
  statusHeader: row(ofRoom(['header', 'flag']), {
    otherwise: 'none', doc: 'name of a header that tells clients the cache status',
  }),
  rules: row(word(['rfc9111', 'nginx']), { default: 'rfc9111', doc: 'whose rules say what may be stored and how long it is fresh' }),
  targets: row(ofRoom(['names']), { default: ['CDN-Cache-Control'], doc: 'header fields that go before Cache-Control and Expires (RFC 9213)' }),
  clientControl: row(word(['ignore', 'obey']), { default: 'ignore', doc: 'whether the Cache-Control of a request counts' }),
  setCookie: row(flag, { default: false, doc: 'store a reply with Set-Cookie where its Cache-Control says `public`' }),
  heuristic: row(flagOr(object(HEURISTIC, 'true, false or { fraction, max }'), 'true, false or { fraction, max }'), {
    default: false, doc: 'a lifetime for replies that say nothing of theirs',
  }),
  cacheStatus: row(ofRoom(['flag', 'text']), { otherwise: BY_RULES, doc: 'send Cache-Status (RFC 9211), or a name for it' }),
  age: row(flag, { otherwise: BY_RULES, doc: 'send Age with what comes from the cache' }),
  authorization: row(word(['rfc9111', 'ignore']), {
    otherwise: "`'rfc9111'`; with `rules: 'nginx'` `'ignore'`", doc: 'whether a reply to a request with Authorization may be stored',
  }),
} satisfies Rows

/** A task that goes over many files. */
export const ROUNDS = {
  files: row(count(), { default: 100, doc: 'files of one round' }),
  sleep: row(time(), { default: '50ms', doc: 'pause between two rounds' }),
  threshold: row(time(), { default: '200ms', doc: 'longest round' }),
} satisfies Rows

export const LOADER = {
  ...ROUNDS,
  delay: row(time(), { default: '60s', doc: 'time before it begins' }),
} satisfies Rows

const UNSTORED = 'an eighth of `maxSize` in memory, without limit on disk'

/** Of `createCache`. */
export const CREATE_CACHE = {
  name: row(text(/^[^\0]+$/, 'a name, by which the cache is known'), { required: true, directives: ['keys_zone'], doc: 'name, by which `fastify.scgi.caches` knows it' }),
  store: row(ofRoom(['word', 'other']), { otherwise: "`'disk'` with a `path`, else `'memory'`", doc: "where entries are kept: `'memory'`, `'disk'` or a store" }),
  path: row(ofRoom(['text']), { otherwise: 'none', directives: ['scgi_cache_path'], doc: 'directory of the disk store' }),
  levels: row(ofRoom(['text', 'number', 'list']), { otherwise: 'none', directives: ['levels'], doc: 'directories below `path`' }),
  useTempPath: row(ofRoom(['flag', 'text']), { default: true, directives: ['use_temp_path'], doc: 'where the disk store writes an entry before it gets its name' }),
  inactive: row(lifetime, { default: '10m', directives: ['inactive'], doc: 'time after which an entry that nobody asks for is removed' }),
  maxSize: row(size(), { otherwise: '64m in memory, without limit on disk', directives: ['max_size'], doc: 'most bytes of all entries' }),
  maxEntries: row(count(), { otherwise: 'without limit', doc: 'most entries' }),
  maxEntrySize: row(size(), { otherwise: UNSTORED, doc: 'longest body; a longer one is not stored' }),
  minFree: row(size(), { default: 0, directives: ['min_free'], doc: 'bytes that stay free on the file system of `path`' }),
  manager: row(object(ROUNDS, '{ files, sleep, threshold }'), {
    otherwise: '', directives: ['manager_files', 'manager_sleep', 'manager_threshold'], doc: 'how the disk store removes entries',
  }),
  loader: row(object(LOADER, '{ files, sleep, threshold, delay }'), {
    otherwise: '', directives: ['loader_files', 'loader_sleep', 'loader_threshold'], doc: 'how the disk store finds the entries of an earlier run',
  }),
  storeTimeout: row(time(), { default: '250ms', doc: 'longest wait for the store; after that the request goes on without the cache' }),
} satisfies Rows

/** Of `redisStore`. */
export const REDIS_STORE = {
  url: row(ofRoom(['text']), { otherwise: 'required, unless `client`', doc: 'URL of a server' }),
  client: row(ofRoom(['other']), { otherwise: 'required, unless `url`', doc: 'a client of iovalkey or ioredis' }),
  prefix: row(text(/^/, 'a text'), { default: 'fastify-scgi:', doc: 'what the keys in Redis begin with' }),
  timeout: row(time(), { default: '250ms', doc: 'time for an answer' }),
  maxEntrySize: row(size(), { default: '1m', doc: 'bytes of one body; a larger one is not stored' }),
  onWarning: row(ofRoom(['function']), { otherwise: '`process.emitWarning()`', doc: 'told once for each time that Redis fails' }),
} satisfies Rows
