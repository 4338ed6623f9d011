import type { Readable } from 'node:stream'
import type { Size, Time } from './units.ts'
import type { BindOptions } from './exchange.ts'

/** Options of `new ScgiClient(address, options)`. */
export interface ScgiClientOptions {
  /** Time to connect; 0 means no limit. Default 60s. (scgi_connect_timeout) */
  connectTimeout?: Time
  /** Longest time between two successful writes of a request; 0 means no limit. Default 60s. (scgi_send_timeout) */
  sendTimeout?: Time
  /** Time for the complete head of a reply once the request is sent, then longest time between two reads of its body; 0 means no limit. Default 60s. (scgi_read_timeout) */
  readTimeout?: Time
  /** Maximum size of the head of a reply, and of a single read; at least 1k. Default 64k. (scgi_buffer_size) */
  bufferSize?: Size
  /** Idle connections to keep, if the server supports it (SCGI_KEEPALIVE=1 is sent). Default 0, off. */
  keepalive?: number
  /** Connections to open in advance, at most 2 s old. Default 0, off. Not for servers with a single worker. */
  preconnect?: number
  /** Local address to connect from: `'10.0.0.1'`, `'10.0.0.1:4001'`, `'[::1]:4001'`. Ignored for unix sockets. Default none. (scgi_bind) */
  bind?: string | BindOptions | false
  /** SO_KEEPALIVE on the sockets. Default false. (scgi_socket_keepalive) */
  socketKeepalive?: boolean | {
    /** Idle time before the first probe, rounded up to seconds, at most 32767 of them. Default 0, the system's. */
    initialDelay?: Time
  }
}

/** Value of a parameter: text, sent as UTF-8, or bytes. */
export type ScgiParamBytes = string | Uint8Array

/** One request of an `ScgiClient`. */
export interface ScgiClientRequest {
  /**
   * The parameters, in this order. CONTENT_LENGTH, SCGI and SCGI_KEEPALIVE are set by the client and refused here, and so are a
   * NUL and a repeated name. The path of an address is put in front of PATH_INFO.
   */
  params?: Readonly<Record<string, ScgiParamBytes>> | Iterable<readonly [name: string, value: ScgiParamBytes]>
  /** Sent as REQUEST_METHOD unless `params` has one. The reply to HEAD has no body. Default: REQUEST_METHOD, else POST with a body and GET without. */
  method?: string
  /** The body. A stream without `length` is read to its end first (16k in memory, more in a temporary file): SCGI sends the length before the body. */
  body?: string | Uint8Array | Readable | null
  /** Length in bytes of a `body` that is a stream, which is then streamed. */
  length?: number
  /** Aborts the request: the promise is rejected with the signal's reason; so is reading the body. */
  signal?: AbortSignal
}

/** The reply to a request of an `ScgiClient`. */
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
