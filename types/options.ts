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
 * Value of a parameter. A string is sent as it is, as UTF-8. A function is asked for each request: `undefined` sends
 * nothing, `''` sends an empty value. With `ifNotEmpty` an empty value is not sent at all.
 * A value that holds a NUL refuses the request with 400 (`FST_SCGI_BAD_REQUEST`). (nginx: scgi_param)
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

export interface NextUpstreamOptions {
  /** Conditions; an empty list passes nothing on. Default `['error', 'timeout']`. */
  on?: NextUpstreamCondition[]
  /** Most attempts of one request; 0 is without limit. Default 0. (scgi_next_upstream_tries) */
  tries?: number
  /** Time after which no further attempt is begun; 0 is without limit. Default 0. (scgi_next_upstream_timeout) */
  timeout?: Time
  /**
   * How long a request that may be sent (again) is held while no server can be had, for the restart of an only one: all have failed, or
   * are out. It ends with the last error. `tries` and `timeout` hold meanwhile, too. Default 0, not at all. (Caddy: lb_try_duration)
   */
  wait?: Time
  /** How often a held request looks for a server; only with `wait`. At least 1 ms. Default 250ms. (Caddy: lb_try_interval) */
  interval?: Time
}

/** What chooses the servers of one request. */
export type UpstreamSelector = (request: FastifyRequest) => Address | UpstreamGroup | Promise<Address | UpstreamGroup>

/**
 * Where requests go: one address, a list of addresses and servers, a group in full, a group made by `createUpstreams`,
 * `'balancer://name'` for a group that is registered elsewhere in this application, or a function.
 */
export type Upstreams = Address | ServerEntry[] | GroupOptions | UpstreamGroup | UpstreamSelector

export interface RequestBufferingOptions {
  /** Bytes of a body held in memory; what is longer goes to an unlinked temporary file. Default 16k. (client_body_buffer_size) */
  memory?: Size
  /** Directory of the temporary files. Default: a directory of our own, mode 0700, under the system's. (client_body_temp_path) */
  tempPath?: string
}

/**
 * Where the answer to an error comes from: a path of this application (`'/sorry'`), a named location (`'@fallback'`), or what the client is
 * redirected to, a URL or a relative one (`'sorry.html'`). A function is asked for each error, with the request as its route has it:
 * `undefined`, `false` and `''` are no page. The path that it gives is percent-encoded, as `request.url` is; one that leads upwards is a
 * 404 (`FST_SCGI_REDIRECT_TARGET`), anything else that is no target, and what it throws, a 500 (`FST_SCGI_ERROR_PAGE`).
 */
export type ErrorPageTarget = string | ((request: FastifyRequest) => string | false | undefined)

/**
 * What answers instead of an error, by status or several (`'500 502'`, 300 to 599). The client's status stays the error's, unless `status`
 * says another (`=N`) or leaves it to the page (`'target'`: a bare `=`). A redirect of the client is a 302, or the 301, 303, 307, 308 given
 * as `status`. (error_page)
 */
export type ErrorPages = Record<string, ErrorPageTarget | { to: ErrorPageTarget, status?: number | 'target' }>

export interface SendfileOptions {
  /** Header of the reply that names the file; the client does not get it. Default `'X-Sendfile'`. */
  header?: string
  /** Directories below which files may be sent. A relative name is taken from the first. */
  root: string | string[]
}

/** How the exchange with the servers is done; all of it may also be given to `reply.scgi()`. */
export interface ExchangeOptions {
  /**
   * Parameters sent to the application, over those of `defaultParams`; a name given here replaces the default of that name.
   * `HTTP_X: ''` hides the request header X. (scgi_param)
   */
  params?: Record<string, ParamValue>
  /**
   * The set of parameters to begin with: `'cgi'` (RFC 3875 as far as a gateway knows it), `'nginx'` (nginx's scgi_params file),
   * `'minimal'` (for rTorrent: no request headers, at most 2000 bytes) or none. Default `'cgi'`.
   */
  defaultParams?: 'cgi' | 'nginx' | 'minimal' | false
  /** Largest header block in bytes; a longer one is refused with 431 (`FST_SCGI_PARAMS_TOO_LARGE`). Default 2000 with `'minimal'`, else none. */
  maxParamsSize?: Size
  /** Send the request headers as HTTP_*: all, none, or those of the list. Default true; false with `'minimal'`. (scgi_pass_request_headers) */
  passRequestHeaders?: boolean | string[]
  /** Send the request body. Default true. (scgi_pass_request_body) */
  passRequestBody?: boolean
  /** Pass headers with an underscore in their name. Default false: `X_Foo` could pose as `X-Foo`. (underscores_in_headers) */
  underscoresInHeaders?: boolean
  /**
   * What `%2F` in a path is: `'decode'` makes it a slash, as nginx does; `'keep'` leaves it as `%2F` in PATH_INFO, which then has `%252F` for a
   * name that holds the text `%2F`; `'refuse'` answers 404 (`FST_SCGI_ENCODED_SLASH`). Default `'decode'`. (Apache: AllowEncodedSlashes)
   */
  encodedSlashes?: 'decode' | 'keep' | 'refuse'
  /**
   * Repeated slashes in a path are one, for routes and for the application; always where Fastify's `ignoreDuplicateSlashes` is on.
   * Default true. (merge_slashes)
   */
  mergeSlashes?: boolean
  /**
   * X-Forwarded-For, -Host and -Proto: `'set'` from what Fastify knows (its `trustProxy`), `'pass'` as the client sent them, `'drop'`.
   * Default `'set'`.
   */
  forwarded?: 'set' | 'pass' | 'drop'
  /**
   * Collect the request body before a server is chosen (so that a slow upload holds no server, and the body can be sent again).
   * false streams a body whose length is known. Default true, 16k in memory. (scgi_request_buffering)
   */
  requestBuffering?: boolean | RequestBufferingOptions
  /**
   * Local address, with or without port, to connect from; '' or false for none. Ignored on unix sockets. One that cannot be bound is 500
   * (`FST_SCGI_LOCAL`). Default none. (scgi_bind)
   */
  bind?: string | BindOptions | ((request: FastifyRequest) => string | BindOptions | false | undefined) | false
  /** SO_KEEPALIVE on the sockets to the servers. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe. Default 0, the system's. */
    initialDelay?: Time
  }
  /** Time for the connection to stand. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest pause between two successful writes of the request. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /** Time for the whole head of the reply once the request is sent, then longest pause between two pieces of the body. Default 60s. (scgi_read_timeout) */
  readTimeout?: Time
  /** Longest pause between two pieces of the client's request body; then 408. Default 60s. (client_body_timeout) */
  clientBodyTimeout?: Time
  /** false: each piece of the reply goes to the client as it comes and the application waits for the client. Default true. (scgi_buffering) */
  buffering?: boolean | BufferingOptions
  /** Longest time in which the client takes nothing of its reply; then its connection is cut. Default 60s. (send_timeout) */
  clientSendTimeout?: Time
  /** Bytes a second read from the application, while `buffering` is on; 0 is without limit. Default 0. (scgi_limit_rate) */
  limitRate?: Size | ((request: FastifyRequest) => number)
  /**
   * Bytes a second sent to the client, the head of the reply among them, while `buffering` is on; X-Accel-Limit-Rate overrides it; 0 is
   * without limit. Default 0. (limit_rate)
   */
  clientLimitRate?: Size | ((request: FastifyRequest) => number)
  /** Bytes sent to the client before `clientLimitRate` begins. Default 0. (limit_rate_after) */
  clientLimitRateAfter?: Size
  /** Cut ranges out of replies whose application does not. Default false. (scgi_force_ranges) */
  forceRanges?: boolean
  /**
   * Replace the application's replies of status 300 and more by the page that `errorPages` has for them; what has none goes to the client.
   * `'handler'` gives those of 400 and more without a page to Fastify's handlers: 404 to the not-found handler, others to the error
   * handler. Default false. (scgi_intercept_errors)
   */
  interceptErrors?: boolean | 'handler'
  /** What answers instead of an error: of the gateway's own always, of the application's with `interceptErrors`. Default none. (error_page) */
  errorPages?: ErrorPages
  /**
   * An error page that fails has an error page again, up to the ten internal redirects of one request. Default false: it is answered by
   * Fastify's handlers. (recursive_error_pages)
   */
  recursiveErrorPages?: boolean
  /**
   * Follow a reply without Status, or of status 200, whose `Location` (or the header named here) is a path: it is answered by the
   * route of that path. Default true. (ProxySCGIInternalRedirect)
   */
  internalRedirect?: boolean | string
  /** Send the file that the reply names in a header instead of its body. Default false. (ProxySCGISendfile) */
  sendfile?: SendfileOptions | false
  /** Keep replies, and answer from them. Default false. (scgi_cache) */
  cache?: CacheOptions | false
  /**
   * `rules` of `cache` where it has none of its own, so that a preset can say it (see `nginxDefaults`). Without `cache` it has no effect.
   * Default `'rfc9111'`.
   */
  cacheRules?: 'rfc9111' | 'nginx'
  /** Keep replies as files below a directory, from which something else serves them. Default false. (scgi_store) */
  store?: StoreOptions | false
  /** Let the application finish when the client has gone. Default false. (scgi_ignore_client_abort) */
  ignoreClientAbort?: boolean
  /**
   * Hand informational replies on, 103 (Early Hints) above all, to clients of HTTP/1.1 and HTTP/2. Default: those of HTTP servers, and not
   * those of SCGI servers; true is both, false neither. Wrong values are `FST_SCGI_OPT_INVALID`. (RFC 9110 section 15.2, RFC 8297)
   */
  earlyHints?: boolean
  /**
   * Pass on a GET that asks for another protocol (WebSocket) as HTTP_UPGRADE and HTTP_CONNECTION, to a server that speaks HTTP as Upgrade,
   * and where the application answers 101 be a tunnel from then on. `readTimeout` bounds its silence, `sendTimeout` and `clientSendTimeout`
   * the time in which a side takes nothing. Never with `cache` or `store`. Over HTTP/1.1 only. false sends every such request as a plain
   * one. Default true. (RFC 9110 section 7.8)
   */
  upgrade?: boolean
  /** When a request goes on to the next server. Default `['error', 'timeout']`. (scgi_next_upstream) */
  nextUpstream?: NextUpstreamCondition[] | NextUpstreamOptions | false
  /** Headers of the reply that the client does not get, beside Status and X-Accel-*. (scgi_hide_header) */
  hideHeaders?: string[]
  /** Headers of the reply that the client gets although they are hidden by default. (scgi_pass_header) */
  passHeaders?: string[]
  /**
   * Headers of the reply that have no effect on the gateway: X-Accel-Redirect, X-Accel-Limit-Rate, X-Accel-Buffering, X-Accel-Charset,
   * and with `cache` X-Accel-Expires, Cache-Control, Expires, Set-Cookie, Vary. They are passed or hidden as ever. (scgi_ignore_headers)
   */
  ignoreHeaders?: string[]
  /** Send the header names of the reply as the application wrote them, not in lower case. Default false. */
  preserveHeaderCase?: boolean
  /** Let a function `upstreams` name any address, not only configured ones. Makes an open proxy where the request decides. Default false. */
  allowAnyUpstream?: boolean
  /**
   * Who is asked for names that a function `upstreams` gives, of servers that no group has; with `allowAnyUpstream`. Default: the system, every 30s. A name is known
   * for as long as requests ask for it, a minute at least. (nginx: resolver)
   */
  resolver?: ResolverOptions
}

/** Request headers by lower-case name. */
export type RequestHeaders = Record<string, string | string[] | undefined>

/** Hooks of one exchange, as in @fastify/reply-from. */
export interface ExchangeHooks {
  /**
   * Gets the request headers as the application would get them (lower case; without what ends at this hop, but with Upgrade where
   * `upgrade` passes it on, and with Host and X-Forwarded-* as the gateway sets them) and returns those to send. No rule for the client's headers is applied to them; `params` go before.
   */
  rewriteRequestHeaders?: (request: FastifyRequest, headers: RequestHeaders) => RequestHeaders
  /** Gets the reply's headers (lower case) and returns those for the client. */
  rewriteHeaders?: (headers: Record<string, string | string[]>, request: FastifyRequest) => Record<string, string | string[]>
  /** Called when the reply's head is there, instead of sending it: send `response.body` (or something else) with `reply.send`. */
  onResponse?: (request: FastifyRequest, reply: FastifyReply, response: ScgiResponse) => void | Promise<void>
  /** Called instead of Fastify's error handler when no server gave a reply. */
  onError?: (reply: FastifyReply, error: { error: UpstreamError | Error }) => void
}

/** The reply as `onResponse` gets it. */
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
  /** PATH_INFO = `rewritePrefix` + what follows the mount. Default `''`. */
  rewritePrefix?: string
  /** The body to send, where the request's own was parsed by Fastify already. */
  body?: Buffer | string | import('node:stream').Readable
}

/** Options of `register(scgi, ...)`. */
export interface FastifyScgiOptions extends ExchangeOptions, ExchangeHooks {
  /** Where the requests go. (scgi_pass) */
  upstreams: Upstreams
  /** Path under which the application is mounted. Default `'/'`. */
  prefix?: string
  /** PATH_INFO = `rewritePrefix` + what follows `prefix`. Default `''`. */
  rewritePrefix?: string
  /**
   * Methods to serve. Default: all that Node.js knows (`http.METHODS`), WebDAV's among them, save TRACE, and CONNECT, which is refused here.
   * Fastify is told of those that it does not know by itself: `fastify.supportedMethods` then has them, and with it `fastify.all()`.
   */
  httpMethods?: string[]
  /** Add `reply.from()` of @fastify/reply-from, which then speaks SCGI to `upstreams`. Default false. */
  replyFrom?: boolean
  /**
   * Directories by path: files that only an internal redirect gets at, such as X-Accel-Redirect's. Paths of the instance that registers.
   * (location with internal and alias)
   */
  internal?: Record<string, string>
  /** How long `app.close()` waits for replies in flight before it cuts them. Default 10s. */
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
