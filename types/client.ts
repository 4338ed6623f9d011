import type { Readable } from 'node:stream'
import type { Size, Time } from './units.ts'
import type { BindOptions } from './exchange.ts'

/** Options of `new ScgiClient(address, options)`. */
export interface ScgiClientOptions {
  /** Time for the connection to stand; 0 is without limit. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest pause between two successful writes of a request; 0 is without limit. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /** Time for the whole head of a reply once the request is sent, then longest pause between two pieces of its body; 0 is without limit. Default 60s. (scgi_read_timeout) */
  readTimeout?: Time
  /** Largest head of a reply, and largest single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /** Idle connections kept for reuse, where the server agrees to it (SCGI_KEEPALIVE=1 is sent). Default 0, off. */
  keepalive?: number
  /** Connections opened ahead of the requests, at most 2 s old. Default 0, off. Not for servers with a single worker. */
  preconnect?: number
  /** Local address to connect from: `'10.0.0.1'`, `'10.0.0.1:4001'`, `'[::1]:4001'`. Ignored on unix sockets. Default none. (scgi_bind) */
  bind?: string | BindOptions | false
  /** SO_KEEPALIVE on the sockets. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe. Default 0, the system's. */
    initialDelay?: Time
  }
}

/** Value of a parameter: text, sent as UTF-8, or bytes. */
export type ScgiParamBytes = string | Uint8Array

/** One request of an `ScgiClient`. */
export interface ScgiClientRequest {
  /**
   * The parameters, in this order. CONTENT_LENGTH, SCGI and SCGI_KEEPALIVE are the client's own and refused here, and so are a
   * NUL and a name that comes twice. An address with a path puts it before PATH_INFO.
   */
  params?: Readonly<Record<string, ScgiParamBytes>> | Iterable<readonly [name: string, value: ScgiParamBytes]>
  /** Sent as REQUEST_METHOD, unless `params` has it. The reply to HEAD has no body. Default: REQUEST_METHOD, else POST with a body and GET without. */
  method?: string
  /** The body. A stream whose `length` is not given is read to its end first (16k in memory, more in a temporary file): SCGI sends the length before the body. */
  body?: string | Uint8Array | Readable | null
  /** Bytes of a `body` that is a stream, which is then sent as it comes. */
  length?: number
  /** Ends the request: the promise is rejected with the signal's reason, a body that is being read fails with it. */
  signal?: AbortSignal
}

/** The reply as `ScgiClient` gives it. */
export interface ScgiClientResponse {
  /** 200 to 599. */
  readonly statusCode: number
  /** Reason phrase of the application; empty when it gave none. */
  readonly statusMessage: string
  /** Headers by lower-case name, values as latin1 text; repeated ones are an array. Content-Length and Transfer-Encoding are in it as received. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Name and value of each header line as the application wrote them: `[name, value, name, value, ...]`. */
  readonly rawHeaders: readonly string[]
  /** The body, decoded from chunks. It must be read to its end or destroyed; destroying it closes the connection. */
  readonly body: Readable
}
