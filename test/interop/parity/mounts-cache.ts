import type { CacheOptions } from '../../../types/cache.ts'
import type { ExchangeOptions } from '../../../types/index.ts'

/** A mount with a cache that this gateway and nginx have with the same meaning. */
export interface CacheMount {
  name: string
  options: Omit<CacheOptions, 'zone'>
  /** Directives of the location, beside those that every mount with a cache has. */
  nginx: string
  /** Options of the mount beside the cache. */
  more?: ExchangeOptions
  /** Passes to servers that refuse. */
  dead?: true
  /** `?zone=off` uses no cache. */
  chooses?: true
}

const STALE: CacheOptions['useStale'] = ['error', 'timeout', 'invalid_header', 'http_500', 'http_503', 'http_403', 'http_404', 'http_429']
const NGINX_STALE = 'scgi_cache_use_stale error timeout invalid_header http_500 http_503 http_403 http_404 http_429;'

/** Timeouts are short where nothing is to be answered in time, long where something is: tests may run on a busy machine. */
export const cacheMounts: CacheMount[] = [
  { name: 'cache', options: {}, nginx: '' },
  { name: 'age', options: { age: true }, nginx: '' },
  { name: 'zone', options: {}, nginx: '', chooses: true },
  { name: 'valid', options: { valid: { '200 302': '1m', 404: '1m' } }, nginx: 'scgi_cache_valid 200 302 1m; scgi_cache_valid 404 1m;' },
  { name: 'valid-plain', options: { valid: '1m' }, nginx: 'scgi_cache_valid 1m;' },
  { name: 'valid-any', options: { valid: { 404: 0, any: '1m' } }, nginx: 'scgi_cache_valid 404 0; scgi_cache_valid any 1m;' },
  { name: 'valid-any-first', options: { valid: { any: '1m', 404: 0 } }, nginx: 'scgi_cache_valid any 1m; scgi_cache_valid 404 0;' },
  { name: 'valid-1s', options: { valid: '1s' }, nginx: 'scgi_cache_valid 1s;' },
  {
    name: 'ignoring',
    options: { valid: '1m' },
    more: { ignoreHeaders: ['X-Accel-Expires', 'Cache-Control', 'Expires', 'Set-Cookie', 'Vary'] },
    nginx: 'scgi_cache_valid 1m; scgi_ignore_headers X-Accel-Expires Cache-Control Expires Set-Cookie Vary;',
  },
  { name: 'bypass', options: { bypass: (request) => request.headers['x-refresh'] }, nginx: 'scgi_cache_bypass $http_x_refresh;' },
  {
    name: 'no-cache',
    options: { noCache: [(request) => request.headers['x-private'], (request) => request.scgi?.header('x-volatile')] },
    nginx: 'scgi_no_cache $http_x_private $upstream_http_x_volatile;',
  },
  {
    name: 'around',
    options: { bypass: (request) => request.headers['x-refresh'], noCache: (request) => request.headers['x-refresh'] },
    nginx: 'scgi_cache_bypass $http_x_refresh; scgi_no_cache $http_x_refresh;',
  },
  { name: 'min-uses', options: { minUses: 3 }, nginx: 'scgi_cache_min_uses 3;' },
  {
    name: 'post',
    options: { methods: ['POST'], key: (request) => request.url },
    nginx: 'scgi_cache_methods POST; scgi_cache_key $request_uri;',
  },
  { name: 'head-as-head', options: { convertHead: false }, nginx: '' },
  { name: 'stale', options: { useStale: STALE }, nginx: NGINX_STALE },
  { name: 'stale-slow', options: { useStale: STALE }, more: { readTimeout: 4000 }, nginx: `${NGINX_STALE} scgi_read_timeout 4s;` },
  { name: 'stale-off-slow', options: {}, more: { readTimeout: 4000 }, nginx: 'scgi_read_timeout 4s;' },
  { name: 'updating', options: { useStale: ['updating'] }, nginx: 'scgi_cache_use_stale updating;' },
  {
    name: 'background',
    options: { useStale: ['updating'], backgroundUpdate: true },
    nginx: 'scgi_cache_use_stale updating; scgi_cache_background_update on;',
  },
  { name: 'background-only', options: { backgroundUpdate: true }, nginx: 'scgi_cache_background_update on;' },
  { name: 'revalidate', options: { revalidate: true, valid: { 200: '1s' } }, nginx: 'scgi_cache_revalidate on; scgi_cache_valid 200 1s;' },
  {
    name: 'background-revalidate',
    options: { useStale: ['updating'], backgroundUpdate: true, revalidate: true },
    nginx: 'scgi_cache_use_stale updating; scgi_cache_background_update on; scgi_cache_revalidate on;',
  },
  {
    name: 'bypass-stale',
    options: { bypass: (request) => request.headers['x-refresh'], useStale: STALE, revalidate: true },
    nginx: `scgi_cache_bypass $http_x_refresh; scgi_cache_revalidate on; ${NGINX_STALE}`,
  },
  { name: 'lock-stale', options: { lock: true, useStale: STALE }, nginx: `scgi_cache_lock on; ${NGINX_STALE}` },
  {
    name: 'dead-page',
    options: { valid: { 502: '1m' } },
    more: { errorPages: { 502: '/app/sorry' } },
    nginx: 'scgi_cache_valid 502 1m; error_page 502 /app/sorry;',
    dead: true,
  },
  { name: 'dead-cache', options: { valid: { 502: '1m' } }, nginx: 'scgi_cache_valid 502 1m;', dead: true },
  { name: 'dead-any', options: { valid: { any: '1m' } }, nginx: 'scgi_cache_valid any 1m;', dead: true },
  { name: 'dead-200', options: { valid: { 200: '1m' } }, nginx: 'scgi_cache_valid 200 1m;', dead: true },
  { name: 'slow-cache', options: { valid: { 504: '1m' } }, more: { readTimeout: 300 }, nginx: 'scgi_cache_valid 504 1m; scgi_read_timeout 300ms;' },
  {
    name: 'intercepted',
    options: { valid: { 404: '1m' } },
    more: { interceptErrors: true, errorPages: { 404: '/app/sorry', 500: '/app/sorry' } },
    nginx: 'scgi_cache_valid 404 1m; scgi_intercept_errors on; error_page 404 500 /app/sorry;',
  },
  { name: 'max-range', options: { maxRangeOffset: 5 }, nginx: 'scgi_cache_max_range_offset 5;' },
  { name: 'max-range-0', options: { maxRangeOffset: 0 }, nginx: 'scgi_cache_max_range_offset 0;' },
  { name: 'force-ranges', options: {}, more: { forceRanges: true }, nginx: 'scgi_force_ranges on;' },
  { name: 'lock', options: { lock: true }, nginx: 'scgi_cache_lock on;' },
  { name: 'lock-short', options: { lock: { timeout: 200 } }, nginx: 'scgi_cache_lock on; scgi_cache_lock_timeout 200ms;' },
  { name: 'unbuffered', options: {}, more: { buffering: false }, nginx: 'scgi_buffering off;' },
]
