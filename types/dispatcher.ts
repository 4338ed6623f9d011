import type { Dispatcher } from 'undici'
import type { NextUpstreamCondition, NextUpstreamOptions, ParamValue, RequestBufferingOptions } from './options.ts'
import type { BindOptions, ResponseHead } from './exchange.ts'
import type { Attempt } from './request.ts'
import type { UpstreamGroup } from './live.ts'
import type { Address, GroupOptions, ServerEntry, UpstreamServers } from './upstream.ts'
import type { Size, Time } from './units.ts'

/** What undici is asked for: origin, path, method, headers, body. */
export type DispatchOptions = Dispatcher.DispatchOptions

/**
 * Where an `ScgiDispatcher` sends its requests: one address, a list of addresses and servers, a group in full, a group made by
 * `createUpstreams`, or a function that chooses among such groups, for instance by `options.origin`.
 */
export type DispatcherUpstreams =
  | Address
  | ServerEntry[]
  | GroupOptions<DispatchOptions>
  | UpstreamGroup
  | ((options: DispatchOptions) => UpstreamServers | Promise<UpstreamServers>)

/** The `context` that handlers get, and that `request()` gives: what became of the request, filled in as it goes. */
export interface DispatchContext {
  /** Every attempt so far, in order. */
  readonly attempts: Attempt[]
  /** What the application answered, the headers included that the handler does not get. */
  readonly head: ResponseHead | undefined
  /**
   * What a group with `sticky: { cookie }` would have the client keep: the value of a Set-Cookie header. The reply that the handler gets has it not;
   * whoever hands the reply on to a client adds it.
   */
  readonly setCookie: string | undefined
}

/** Options of `new ScgiDispatcher(upstreams, options)`. They have the meaning that they have in the plugin. */
export interface ScgiDispatcherOptions {
  /** Parameters sent to the application, over those of `defaultParams`; functions get undici's options of the request. (scgi_param) */
  params?: Record<string, ParamValue<DispatchOptions>>
  /** The set of parameters to begin with. Default `'cgi'`. */
  defaultParams?: 'cgi' | 'nginx' | 'minimal' | false
  /** Largest header block in bytes; a longer one is refused (`FST_SCGI_PARAMS_TOO_LARGE`). Default 2000 with `'minimal'`, else none. */
  maxParamsSize?: Size
  /** Send the request headers as HTTP_*: all, none, or those of the list. Default true; false with `'minimal'`. (scgi_pass_request_headers) */
  passRequestHeaders?: boolean | string[]
  /** Pass headers with an underscore in their name. Default false. (underscores_in_headers) */
  underscoresInHeaders?: boolean
  /** What `%2F` in a path is: a slash, itself, or a reason to fail with FST_SCGI_ENCODED_SLASH. Default `'decode'`. (Apache: AllowEncodedSlashes) */
  encodedSlashes?: 'decode' | 'keep' | 'refuse'
  /** Repeated slashes in a path are one. Default true. (merge_slashes) */
  mergeSlashes?: boolean
  /** X-Forwarded-* among the request headers: `'pass'` or `'drop'`. Default `'pass'`: they are the caller's own. */
  forwarded?: 'pass' | 'drop'
  /**
   * Part of the path that belongs to the mount: it is SCRIPT_NAME, and PATH_INFO is what follows it. A request for a path that is not
   * below it fails with FST_SCGI_BAD_REQUEST. Default `''`: PATH_INFO is the whole path.
   */
  scriptName?: string
  /**
   * Collect a body that is a stream before a server is chosen, so that it can be sent again. false streams it where Content-Length
   * or a Blob tells its length. A body of unknown length is always collected. Default true, 16k in memory. (scgi_request_buffering)
   */
  requestBuffering?: boolean | RequestBufferingOptions
  /** Local address, with or without port, to connect from; '' or false for none. Ignored on unix sockets. Default none. (scgi_bind) */
  bind?: string | BindOptions | ((options: DispatchOptions) => string | BindOptions | false | undefined) | false
  /** SO_KEEPALIVE on the sockets to the servers. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe. Default 0, the system's. */
    initialDelay?: Time
  }
  /** Time for the connection to stand. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest pause between two successful writes of the request. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /**
   * Time for the whole head of the reply, then longest pause between two pieces of its body. Default 60s. undici's `headersTimeout`
   * and `bodyTimeout` of a request replace it for the one and the other. (scgi_read_timeout)
   */
  readTimeout?: Time
  /** Largest head of a reply, and largest single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /** When a request goes on to the next server. Default `['error', 'timeout']`. (scgi_next_upstream) */
  nextUpstream?: NextUpstreamCondition[] | NextUpstreamOptions | false
}
