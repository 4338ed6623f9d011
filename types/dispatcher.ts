import type { Dispatcher } from 'undici'
import type { NextUpstreamCondition, NextUpstreamOptions, ParamValue, RequestBufferingOptions } from './options.ts'
import type { BindOptions, ResponseHead } from './exchange.ts'
import type { Attempt } from './request.ts'
import type { UpstreamGroup } from './live.ts'
import type { Address, GroupOptions, ServerEntry, UpstreamServers } from './upstream.ts'
import type { Size, Time } from './units.ts'

/** undici's options of a request: origin, path, method, headers, body. */
export type DispatchOptions = Dispatcher.DispatchOptions

/**
 * Where an `ScgiDispatcher` sends its requests: an address, a list of addresses and servers, a group, a group made by
 * `createUpstreams`, or a function that chooses among groups made by it, for instance by `options.origin`.
 */
export type DispatcherUpstreams =
  | Address
  | ServerEntry[]
  | GroupOptions<DispatchOptions>
  | UpstreamGroup
  | ((options: DispatchOptions) => UpstreamServers | Promise<UpstreamServers>)

/** The `context` of handlers and of the result of `request()`: what is known of the request so far. */
export interface DispatchContext {
  /** Every attempt so far, in order. */
  readonly attempts: Attempt[]
  /** Head of the application's reply, including headers that the handler does not get. */
  readonly head: ResponseHead | undefined
  /**
   * Set-Cookie header of a group with `sticky: { cookie }`. It is not among the headers of the reply;
   * add it when you send the reply to a client.
   */
  readonly setCookie: string | undefined
}

/** Options of `new ScgiDispatcher(upstreams, options)`. They mean the same as in the plugin. */
export interface ScgiDispatcherOptions {
  /** Parameters to add, or to replace those of `defaultParams`; functions get undici's options of the request. (scgi_param) */
  params?: Record<string, ParamValue<DispatchOptions>>
  /** Set of parameters to start from. Default `'cgi'`. */
  defaultParams?: 'cgi' | 'nginx' | 'minimal' | false
  /** Maximum size of the header block in bytes; a larger one is refused (`FST_SCGI_PARAMS_TOO_LARGE`). Default 2000 with `'minimal'`, else none. */
  maxParamsSize?: Size
  /** Send request headers as HTTP_*: all, none, or those in the list. Default true; false with `'minimal'`. (scgi_pass_request_headers) */
  passRequestHeaders?: boolean | string[]
  /** Pass on headers with an underscore in their name. Default false. (underscores_in_headers) */
  underscoresInHeaders?: boolean
  /** How to treat `%2F` in a path: decode it to a slash, keep it, or fail with FST_SCGI_ENCODED_SLASH. Default `'decode'`. (Apache: AllowEncodedSlashes) */
  encodedSlashes?: 'decode' | 'keep' | 'refuse'
  /** Merge repeated slashes in a path into one. Default true. (merge_slashes) */
  mergeSlashes?: boolean
  /** X-Forwarded-* among the request headers: `'pass'` or `'drop'`. Default `'pass'`. */
  forwarded?: 'pass' | 'drop'
  /**
   * Part of the path that is SCRIPT_NAME; PATH_INFO is the rest. A request for a path that is not
   * below it fails with FST_SCGI_BAD_REQUEST. Default `''`: PATH_INFO is the whole path.
   */
  scriptName?: string
  /**
   * Read a body that is a stream to its end before a server is chosen, so that it can be sent again. false streams it if Content-Length
   * or a Blob tells its length. A body of unknown length is always read first. Default true, 16k in memory. (scgi_request_buffering)
   */
  requestBuffering?: boolean | RequestBufferingOptions
  /**
   * Local address to connect from, with or without port; '' or false for none. Ignored for unix sockets. If a function gives what is no
   * address, there is a process warning (at most one a second) and no bind. Default none. (scgi_bind)
   */
  bind?: string | BindOptions | ((options: DispatchOptions) => string | BindOptions | false | undefined) | false
  /** SO_KEEPALIVE on the sockets to the servers. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe, rounded up to seconds, at most 32767 of them. Default 0, the system's. */
    initialDelay?: Time
  }
  /** Time to connect. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest time between two successful writes of the request. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /**
   * Time for the complete head of the reply, then longest time between two reads of its body. Default 60s. undici's `headersTimeout`
   * and `bodyTimeout` of a request override the first and the second. (scgi_read_timeout)
   */
  readTimeout?: Time
  /** Maximum size of the head of a reply, and of a single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /** When a request is sent to the next server. Default `['error', 'timeout']`. (scgi_next_upstream) */
  nextUpstream?: NextUpstreamCondition[] | NextUpstreamOptions | false
}
