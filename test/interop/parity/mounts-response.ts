import type { Application } from './peer.ts'
import type { ExchangeOptions } from '../../../types/index.ts'

/** A mount that this gateway and others have with the same meaning. Each passes to the address `a` unless it says otherwise. */
export interface PairedMount {
  name: string
  options: (application: Application) => ExchangeOptions
  /** Directives of its location; nothing where nginx has no such thing. */
  nginx?: (application: Application) => string
  /** Directives of its `<Location>`; nothing where Apache has no such thing. */
  apache?: (application: Application) => string
  /** Default: `a`, where an application answers. */
  upstreams?: (application: Application) => string
}

/** The pages of `/errors` and of the mounts whose servers fail. They are the application's own, on other mounts. */
const ERROR_PAGES: ExchangeOptions['errorPages'] = {
  404: '/app/sorry?why=%34',
  403: { to: '/app/sorry', status: 200 },
  410: { to: '/app/sorry', status: 'target' },
  451: '/files/page.html',
  402: { to: '/nowhere', status: 'target' },
  500: '@fallback',
  503: { to: '@fallback', status: 299 },
  405: 'http://other.test/sorry',
  409: { to: 'https://other.test/sorry', status: 307 },
  401: '/app/login',
  302: { to: '/app/moved', status: 'target' },
  406: '/errors/again',
  407: '@nobody',
  '502 504': '/app/gateway',
}

const NGINX_PAGES = `
  error_page 404 /app/sorry?why=%34;
  error_page 403 =200 /app/sorry;
  error_page 410 = /app/sorry;
  error_page 451 /files/page.html;
  error_page 402 = /nowhere;
  error_page 500 @fallback;
  error_page 503 =299 @fallback;
  error_page 405 http://other.test/sorry;
  error_page 409 =307 https://other.test/sorry;
  error_page 401 /app/login;
  error_page 302 = /app/moved;
  error_page 406 /errors/again;
  error_page 407 @nobody;
  error_page 502 504 /app/gateway;
`

/** What nginx, Apache and this gateway do with a reply on its way to the client. */
export const responseMounts: PairedMount[] = [
  { name: 'local', options: () => ({ internalRedirect: false }), nginx: () => '', apache: () => 'ProxySCGIInternalRedirect Off' },
  { name: 'go', options: () => ({ internalRedirect: 'X-Go' }), apache: () => 'ProxySCGIInternalRedirect X-Go' },
  { name: 'sendfile', options: ({ files }) => ({ sendfile: { root: files } }), apache: () => 'ProxySCGISendfile On' },
  {
    name: 'ignore',
    options: () => ({ ignoreHeaders: ['X-Accel-Redirect', 'X-Accel-Charset', 'X-Accel-Limit-Rate', 'X-Accel-Buffering'] }),
    nginx: () => 'scgi_ignore_headers X-Accel-Redirect X-Accel-Charset X-Accel-Limit-Rate X-Accel-Buffering;',
  },
  { name: 'ranges', options: () => ({ forceRanges: true }), nginx: () => 'scgi_force_ranges on;' },
  { name: 'ranges-stream', options: () => ({ forceRanges: true, buffering: false }), nginx: () => 'scgi_force_ranges on; scgi_buffering off;' },
  {
    name: 'errors',
    options: () => ({ interceptErrors: true, errorPages: ERROR_PAGES }),
    nginx: () => `scgi_intercept_errors on; ${NGINX_PAGES}`,
  },
  {
    name: 'errors-asked',
    options: () => ({
      interceptErrors: true,
      errorPages: {
        404: { to: request => `/app/fetch${request.url.replace(/\?.*/, '')}`, status: 'target' },
        410: request => `/app/fetch${request.url.replace(/\?.*/, '')}?was=${request.url.replace(/.*\?/, '')}`,
        403: { to: request => `https://other.test${request.url}`, status: 303 },
        402: () => 'pay.html',
        500: () => '@fallback',
        405: 'sorry.html?x=%20',
        409: { to: '../sorry', status: 308 },
      },
    }),
    nginx: () => `scgi_intercept_errors on;
      error_page 404 = /app/fetch$uri;
      error_page 410 /app/fetch$uri?was=$args;
      error_page 403 =303 https://other.test$request_uri;
      error_page 402 pay$arg_nothing.html;
      error_page 500 @fallback$arg_nothing;
      error_page 405 sorry.html?x=%20;
      error_page 409 =308 ../sorry;`,
  },
  {
    name: 'errors-recursive',
    options: () => ({
      interceptErrors: true,
      recursiveErrorPages: true,
      errorPages: { 404: '/errors-recursive/one', 410: '/errors-recursive/two', 500: '/app/last', 403: '/errors/', 405: '/errors-recursive/cycle' },
    }),
    nginx: () => `scgi_intercept_errors on; recursive_error_pages on;
      error_page 404 /errors-recursive/one; error_page 410 /errors-recursive/two; error_page 500 /app/last; error_page 403 /errors/;
      error_page 405 /errors-recursive/cycle;`,
  },
  { name: 'no-intercept', options: () => ({ errorPages: ERROR_PAGES }), nginx: () => NGINX_PAGES },
  {
    name: 'dead-pages',
    upstreams: ({ dead }) => dead[0],
    options: () => ({ errorPages: ERROR_PAGES }),
    nginx: () => NGINX_PAGES,
  },
  {
    name: 'slow-pages',
    options: () => ({ errorPages: ERROR_PAGES, readTimeout: 300 }),
    nginx: () => `scgi_read_timeout 300ms; ${NGINX_PAGES}`,
  },
  {
    name: 'store',
    options: ({ stored }) => ({ store: { root: stored, access: 'user:rw group:r all:r' } }),
    nginx: ({ stored }) => `scgi_store ${stored}$path_info; scgi_store_access user:rw group:r all:r;`,
  },
  {
    name: 'store-post',
    options: ({ stored }) => ({ store: { root: stored, methods: ['GET', 'POST'] } }),
    nginx: ({ stored }) => `scgi_store ${stored}$path_info;`,
  },
]
