import type { FastifyReply, FastifyRequest, RouteShorthandOptions, FastifyContextConfig } from 'fastify'
import type { UpstreamGroup } from './live.ts'
import type { Address, GroupOptions, ServerEntry } from './upstream.ts'
import type { Size, Time } from './units.ts'
import type { BufferingOptions } from './buffering.ts'
import type { ResolverOptions } from './health.ts'
import type { CacheOptions } from './cache.ts'
import type { StoreOptions } from './store.ts'
import type { BindOptions, UpstreamError } from './exchange.ts'

export type { BufferingOptions, TempPathOptions } from './buffering.ts'
export type { StoreOptions } from './store.ts'

/**
 * Value of a parameter. A string is sent as UTF-8. A function is called for each request: `undefined` sends
 * nothing, `''` sends an empty value. With `ifNotEmpty` an empty value is not sent at all.
 * A request with a NUL in a value is answered with 400 (`FST_SCGI_BAD_REQUEST`). (nginx: scgi_param)
 */
export type ParamValue<Request = FastifyRequest> =
  | string
  | ((request: Request) => string | undefined)
  | { value: string | ((request: Request) => string | undefined), ifNotEmpty?: boolean }

/** A condition under which a request goes on to the next server. (nginx: scgi_next_upstream) */
export type NextUpstreamCondition =
  | 'error' | 'timeout' | 'invalid_header'
  | 'http_500' | 'http_503' | 'http_403' | 'http_404' | 'http_429'
  | 'non_idempotent'

/** When a request is sent to the next server: `nextUpstream`. (scgi_next_upstream) */
export interface NextUpstreamOptions {
  /** Conditions; with an empty list no request goes on. Default `['error', 'timeout']`. */
  on?: NextUpstreamCondition[]
  /** Maximum number of attempts per request; 0 means no limit. Default 0. (scgi_next_upstream_tries) */
  tries?: number
  /** Time after which no further attempt is started; 0 means no limit. Default 0. (scgi_next_upstream_timeout) */
  timeout?: Time
  /**
   * How long a request that may be sent (again) waits while no server is available, because all have failed or are out; useful while the
   * only server restarts. After that the request fails with the last error. `tries` and `timeout` still apply. Default 0, not at all.
   * (Caddy: lb_try_duration)
   */
  wait?: Time
  /** How often a waiting request looks for a server; only with `wait`. At least 1 ms. Default 250ms. (Caddy: lb_try_interval) */
  interval?: Time
}

/** Chooses the servers of a request. */
export type UpstreamSelector = (request: FastifyRequest) => Address | UpstreamGroup | Promise<Address | UpstreamGroup>

/**
 * Where requests go: an address, a list of addresses and servers, a group, a group made by `createUpstreams`,
 * `'balancer://name'` for a group that is registered elsewhere in this application, or a function.
 */
export type Upstreams = Address | ServerEntry[] | GroupOptions | UpstreamGroup | UpstreamSelector

/** Where request bodies are collected: `requestBuffering`. (scgi_request_buffering) */
export interface RequestBufferingOptions {
  /** Bytes of a body kept in memory; a longer body goes to an unlinked temporary file. Default 16k. (client_body_buffer_size) */
  memory?: Size
  /** Directory of the temporary files. Default: a directory of our own, mode 0700, under the system's. (client_body_temp_path) */
  tempPath?: string
}

/**
 * What answers instead of an error: a path of this application (`'/sorry'`), a named location (`'@fallback'`), or a URL, absolute or relative
 * (`'sorry.html'`), to which the client is redirected. A function is called for each error, with the request of its route;
 * `undefined`, `false` and `''` mean no page. The path that it returns is percent-encoded, like `request.url`. A path with `..` is answered
 * with 404 (`FST_SCGI_REDIRECT_TARGET`); any other invalid target, and an error that it throws, with 500 (`FST_SCGI_ERROR_PAGE`).
 */
export type ErrorPageTarget = string | ((request: FastifyRequest) => string | false | undefined)

/**
 * What answers instead of an error, by one or several statuses (`'500 502'`, 300 to 599). The client gets the status of the error, unless
 * `status` sets another (`=N`) or leaves it to the page (`'target'`: a bare `=`). Clients are redirected with 302, or with the 301, 303, 307
 * or 308 given as `status`. (error_page)
 */
export type ErrorPages = Record<string, ErrorPageTarget | { to: ErrorPageTarget, status?: number | 'target' }>

/** Files that the application has sent: `sendfile`. (ProxySCGISendfile) */
export interface SendfileOptions {
  /** Header of the reply that names the file; the client does not get it. Default `'X-Sendfile'`. */
  header?: string
  /** Directory or directories whose files may be sent. A relative name is relative to the first. */
  root: string | string[]
}

/** Options of the exchange with the servers, of `register` and of `reply.scgi()`. */
export interface ExchangeOptions {
  /**
   * Parameters to send to the application, in addition to those of `defaultParams` or instead of those with the same name.
   * `HTTP_X: ''` hides the request header X. (scgi_param)
   */
  params?: Record<string, ParamValue>
  /**
   * Set of parameters to start from: `'cgi'` (those of RFC 3875 that a gateway knows), `'nginx'` (nginx's scgi_params file),
   * `'minimal'` (for rTorrent: no request headers, at most 2000 bytes) or false for none. Default `'cgi'`.
   */
  defaultParams?: 'cgi' | 'nginx' | 'minimal' | false
  /** Maximum size of the header block in bytes; a larger one is refused with 431 (`FST_SCGI_PARAMS_TOO_LARGE`). Default 2000 with `'minimal'`, else none. */
  maxParamsSize?: Size
  /** Send request headers as HTTP_*: all, none, or those in the list. Default true; false with `'minimal'`. (scgi_pass_request_headers) */
  passRequestHeaders?: boolean | string[]
  /** Send the request body. Default true. (scgi_pass_request_body) */
  passRequestBody?: boolean
  /** Pass on headers with an underscore in their name. Default false: `X_Foo` could pose as `X-Foo`. (underscores_in_headers) */
  underscoresInHeaders?: boolean
  /**
   * How to treat `%2F` in a path. `'decode'` makes it a slash, as nginx does; `'keep'` leaves it as `%2F` in PATH_INFO, where the literal text
   * `%2F` is then `%252F`; `'refuse'` answers 404 (`FST_SCGI_ENCODED_SLASH`). Default `'decode'`. (Apache: AllowEncodedSlashes)
   */
  encodedSlashes?: 'decode' | 'keep' | 'refuse'
  /**
   * Merge repeated slashes in a path into one, for routes and for the application. Fastify's `ignoreDuplicateSlashes` implies it.
   * Default true. (merge_slashes)
   */
  mergeSlashes?: boolean
  /**
   * X-Forwarded-For, -Host and -Proto: `'set'` from what Fastify knows (its `trustProxy`), `'pass'` as the client sent them, `'drop'`.
   * Default `'set'`.
   */
  forwarded?: 'set' | 'pass' | 'drop'
  /**
   * Read the whole request body before a server is chosen, so that a slow upload occupies no server and the body can be sent again.
   * false streams a body whose length is known. Default true, 16k in memory. (scgi_request_buffering)
   */
  requestBuffering?: boolean | RequestBufferingOptions
  /**
   * Local address to connect from, with or without port; '' or false for none. Ignored for unix sockets. If it cannot be bound, the answer is
   * 500 (`FST_SCGI_LOCAL`). If a function gives what is no address, that is logged as a warning, and there is no bind. Default none. (scgi_bind)
   */
  bind?: string | BindOptions | ((request: FastifyRequest) => string | BindOptions | false | undefined) | false
  /** SO_KEEPALIVE on the sockets to the servers. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe, rounded up to seconds, at most 32767 of them. Default 0, the system's. */
    initialDelay?: Time
  }
  /** Time to connect. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest time between two successful writes of the request. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /** Time for the complete head of the reply once the request is sent, then longest time between two reads of its body. Default 60s. (scgi_read_timeout) */
  readTimeout?: Time
  /** Longest time between two reads of the client's request body; then 408. Default 60s. (client_body_timeout) */
  clientBodyTimeout?: Time
  /** Buffer the reply if the client is slower than the application. With false it is streamed, and the application waits for the client. Default true. (scgi_buffering) */
  buffering?: boolean | BufferingOptions
  /** Longest time in which the client takes nothing of the reply; then its connection is closed. Default 60s. (send_timeout) */
  clientSendTimeout?: Time
  /** Bytes per second read from the application; needs `buffering`; 0 means no limit. Default 0. (scgi_limit_rate) */
  limitRate?: Size | ((request: FastifyRequest) => number)
  /**
   * Bytes per second sent to the client, including the head of the reply; needs `buffering`. X-Accel-Limit-Rate overrides it; 0 means
   * no limit. Default 0. (limit_rate)
   */
  clientLimitRate?: Size | ((request: FastifyRequest) => number)
  /** Bytes sent to the client before `clientLimitRate` applies. Default 0. (limit_rate_after) */
  clientLimitRateAfter?: Size
  /** Answer Range requests if the application does not. Default false. (scgi_force_ranges) */
  forceRanges?: boolean
  /**
   * Replace replies with status 300 and above by the page that `errorPages` has for them; a reply without a page goes to the client.
   * With `'handler'`, replies with 400 and above that have no page are answered by Fastify's handlers: 404 by the not-found handler, others by
   * the error handler. Default false. (scgi_intercept_errors)
   */
  interceptErrors?: boolean | 'handler'
  /** What to send instead of an error of the gateway, and with `interceptErrors` of the application. Default none. (error_page) */
  errorPages?: ErrorPages
  /**
   * Apply `errorPages` to an error page that fails, too, up to ten internal redirects per request. Default false: it is answered by
   * Fastify's handlers. (recursive_error_pages)
   */
  recursiveErrorPages?: boolean
  /**
   * If a reply has no Status or status 200, and its `Location` (or the header named here) is a path, answer with the route of that
   * path. Default true. (ProxySCGIInternalRedirect)
   */
  internalRedirect?: boolean | string
  /** Send the file named in a header of the reply instead of its body. Default false. (ProxySCGISendfile) */
  sendfile?: SendfileOptions | false
  /** Cache replies. Default false. (scgi_cache) */
  cache?: CacheOptions | false
  /**
   * Value of `cache.rules` unless that is set, for presets such as `nginxDefaults`. It has no effect without `cache`.
   * Default `'rfc9111'`.
   */
  cacheRules?: 'rfc9111' | 'nginx'
  /** Save replies as files below a directory, for something else to serve. Default false. (scgi_store) */
  store?: StoreOptions | false
  /** Let the application finish if the client disconnects. Default false. (scgi_ignore_client_abort) */
  ignoreClientAbort?: boolean
  /**
   * Pass on informational replies, such as 103 (Early Hints), to HTTP/1.1 and HTTP/2 clients. Default: from HTTP servers only; true: also from
   * SCGI servers; false: from none. Errors: `FST_SCGI_OPT_INVALID`. (RFC 9110 section 15.2, RFC 8297)
   */
  earlyHints?: boolean
  /**
   * Pass on a GET that asks for another protocol, such as WebSocket: as HTTP_UPGRADE and HTTP_CONNECTION, or to an HTTP server as Upgrade. If
   * the application answers 101, the connection becomes a tunnel. `readTimeout` limits how long the application may be silent, `sendTimeout`
   * and `clientSendTimeout` how long either side may take nothing. `cache` and `store` ignore such requests. HTTP/1.1 only. With false they are
   * sent as ordinary requests. Default true. (RFC 9110 section 7.8)
   */
  upgrade?: boolean
  /** When a request is sent to the next server. Default `['error', 'timeout']`. (scgi_next_upstream) */
  nextUpstream?: NextUpstreamCondition[] | NextUpstreamOptions | false
  /** Reply headers not to send to the client, beside Status and X-Accel-*. (scgi_hide_header) */
  hideHeaders?: string[]
  /** Reply headers to send although they are hidden by default. (scgi_pass_header) */
  passHeaders?: string[]
  /**
   * Reply headers that the gateway does not act on: X-Accel-Redirect, X-Accel-Limit-Rate, X-Accel-Buffering, X-Accel-Charset,
   * and with `cache` X-Accel-Expires, Cache-Control, Expires, Set-Cookie, Vary. They are still sent or hidden as usual. (scgi_ignore_headers)
   */
  ignoreHeaders?: string[]
  /** Send header names as the application wrote them instead of in lower case. Default false. */
  preserveHeaderCase?: boolean
  /** Let a function `upstreams` name any address, not only configured ones. If the request decides the address, this is an open proxy. Default false. */
  allowAnyUpstream?: boolean
  /**
   * DNS servers for the names that a function `upstreams` returns and that are in no group; with `allowAnyUpstream`. Default: the system's,
   * queried every 30s. A name is kept while requests use it, and for at least a minute. (nginx: resolver)
   */
  resolver?: ResolverOptions
}

/** Request headers by lower-case name. */
export type RequestHeaders = Record<string, string | string[] | undefined>

/** Hooks of one exchange, as in @fastify/reply-from. */
export interface ExchangeHooks {
  /**
   * Called with the request headers that the application would get: names in lower case, no hop-by-hop headers except Upgrade if
   * `upgrade` passes it on, and Host and X-Forwarded-* as the gateway sets them. Returns the headers to send. The options for the client's
   * headers do not apply to them; `params` take precedence.
   */
  rewriteRequestHeaders?: (request: FastifyRequest, headers: RequestHeaders) => RequestHeaders
  /** Called with the reply headers (names in lower case). Returns the headers for the client. */
  rewriteHeaders?: (headers: Record<string, string | string[]>, request: FastifyRequest) => Record<string, string | string[]>
  /** Called with the reply instead of sending it: send `response.body` (or something else) with `reply.send`. */
  onResponse?: (request: FastifyRequest, reply: FastifyReply, response: ScgiResponse) => void | FastifyReply | Promise<void | FastifyReply>
  /** Called instead of Fastify's error handler if no server has replied. */
  onError?: (reply: FastifyReply, error: { error: UpstreamError | Error }) => void
}

/** The reply, for `onResponse`. */
export interface ScgiResponse {
  statusCode: number
  headers: Record<string, string | string[]>
  /** The body; it must be read, sent or destroyed. */
  body: import('node:stream').Readable
}

/** Options of `reply.scgi()`. */
export interface ReplyScgiOptions extends ExchangeOptions, ExchangeHooks {
  /** Where the request goes. (scgi_pass) */
  upstreams: Upstreams
  /** Put in front of the rest of the path to make PATH_INFO. Default `''`. */
  rewritePrefix?: string
  /** Body to send if Fastify has parsed the request body. */
  body?: Buffer | string | import('node:stream').Readable
}

/** Options of `register(scgi, ...)`. */
export interface FastifyScgiOptions extends ExchangeOptions, ExchangeHooks {
  /** Where the requests go. (scgi_pass) */
  upstreams: Upstreams
  /** Path under which the application is mounted. Default `'/'`. */
  prefix?: string
  /** Put in front of the path after `prefix` to make PATH_INFO. Default `''`. */
  rewritePrefix?: string
  /**
   * Methods to serve. Default: all that Node.js knows (`http.METHODS`), including those of WebDAV, except TRACE and CONNECT; CONNECT is
   * refused here. Methods that Fastify does not know are added to `fastify.supportedMethods`, and so to `fastify.all()`.
   */
  httpMethods?: string[]
  /**
   * Add `reply.from()` of @fastify/reply-from, speaking SCGI to `upstreams`. Default false. Hooks given to it take the place of those of
   * the registration. What happens to a reply afterwards (`errorPages`, `cache`, `store`, `limitRate` ...) is not done for it.
   */
  replyFrom?: boolean
  /**
   * Directories by path, whose files only an internal redirect (such as X-Accel-Redirect) can reach. The paths belong to the registering instance.
   * (location with internal and alias)
   */
  internal?: Record<string, string>
  /** How long `app.close()` waits for replies in progress before it cuts them off. Default 10s. */
  closeTimeout?: Time
  /** Largest request body; a longer one is refused with 413. Default: Fastify's, 1 MiB unless set. */
  bodyLimit?: Size
  /** Fastify's route constraints. */
  constraints?: Exclude<RouteShorthandOptions['constraints'], undefined>
  /** Fastify's route config. */
  config?: FastifyContextConfig
  preHandler?: Exclude<RouteShorthandOptions['preHandler'], undefined>
  preValidation?: Exclude<RouteShorthandOptions['preValidation'], undefined>
  logLevel?: Exclude<RouteShorthandOptions['logLevel'], undefined>
}
