import type { AsyncResource } from 'node:async_hooks'
import type { Readable } from 'node:stream'

/**
 * Where one server listens. Host names are resolved before they get here: `host` is an IP literal.
 */
export interface ServerAddress {
  /** Protocol of the server, from the scheme of its address: `'scgi'`, `'http'` or `'https'`. Default `'scgi'`. */
  readonly protocol?: string | undefined
  /** The name that was resolved to `host`, for TLS; `undefined` if the address has no host name. */
  readonly hostname?: string | undefined
  /** `'10.0.0.1:4000'`, `'[::1]:4000'` or `'unix:/run/app.sock'`: nginx's format, used in logs, errors and `upstreamAddr`. */
  readonly name: string
  /** IP literal, without brackets; `undefined` for a unix socket. */
  readonly host: string | undefined
  /** TCP port; 0 for a unix socket. */
  readonly port: number
  /** Path of the unix socket; `undefined` for TCP. */
  readonly socketPath: string | undefined
  /**
   * Path of the address without a trailing slash; empty if there is none. The path of `scgi://host/path` is decoded and put in front of
   * PATH_INFO, that of `http://host/path` is percent-encoded and put in front of the path of the request.
   */
  readonly pathPrefix: string
}

/** The local address to connect from, as an object. */
export interface BindOptions {
  /** `'addr'`, `'addr:port'` or `'[v6]:port'`. */
  address: string
  /**
   * Allow an address that this machine does not have, such as the client's, so that servers see it as their peer. Needs Linux, the package
   * `koffi`, CAP_NET_RAW or CAP_NET_ADMIN, and routes that lead the servers' replies here. `FST_SCGI_OPT_UNSUPPORTED` names what is missing;
   * if a function `bind` returned it, the request fails with 500 (`FST_SCGI_LOCAL`). Default false. (scgi_bind ... transparent)
   */
  transparent?: boolean
}

/** A local address to connect from. */
export interface LocalAddress {
  readonly localAddress: string
  readonly localPort: number | undefined
  /** It need not be an address of this machine. */
  readonly transparent: boolean
}

/** The phase of an exchange in which something failed. */
export type ExchangePhase = 'connect' | 'send' | 'head' | 'body'

/**
 * Kind of failure that ended an exchange, in the terms of `nextUpstream`; `local` is a failure of this machine
 * (bind failed, no file descriptors left), which is never retried.
 */
export type FailureKind = 'error' | 'timeout' | 'invalid_header' | 'local'

/** An error of the exchange with one server. */
export interface UpstreamError extends Error {
  code: string
  statusCode: number
  /** The server's address, as in `ServerAddress.name`. */
  address: string
  phase: ExchangePhase
  kind: FailureKind
}

/** The parsed head of an application's reply. */
export interface ResponseHead {
  /** 200 to 599, or 101 in answer to `ExchangeRequest.upgrade`; for an informational head 102 to 199. */
  readonly statusCode: number
  /** Reason phrase of the application, or empty. */
  readonly statusMessage: string
  /**
   * All headers of the reply by lower-case name, values as latin1 text. Repeated headers are an array, except for
   * single-valued headers, of which the first counts. Content-Length and Transfer-Encoding are included as received.
   */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** Name and value of each header as the application wrote them, in order, including duplicates: `[name, value, name, value, ...]`. */
  readonly rawHeaders: readonly string[]
  /** Value of Content-Length, or -1. */
  readonly contentLength: number
  /** The body comes in chunked coding (and is decoded before `onData`). */
  readonly chunked: boolean
  /** The head began with an HTTP status line ("non-parsed header"), whose status won over any `Status` header. */
  readonly nph: boolean
}

/** Time limits of an exchange, in milliseconds; 0 means no limit. */
export interface ExchangeTimeouts {
  readonly connect: number
  readonly send: number
  readonly read: number
}

/** The body of a request. */
export interface RequestBody {
  readonly length: number
  /** It can be sent more than once. */
  readonly replayable: boolean
  /** The bytes for one sending: a Buffer, or a stream of exactly `length` bytes. Called when the connection is established. */
  open (): Buffer | Readable
}

/**
 * A request as a server that speaks HTTP gets it. All strings are binary strings: one char a byte. Framing (Content-Length) and
 * the connection's own headers are not in it.
 */
export interface HttpRequestHead {
  /** Path and query, percent-encoded; `'*'` for the asterisk-form. */
  readonly path: string
  /** Value of Host; empty if the client gave none. */
  readonly host: string
  /** Name and value of each header line in order, Host aside: `[name, value, name, value, ...]`. */
  readonly headers: string[]
  /** The protocol that is asked for by Upgrade. */
  readonly upgrade?: string | undefined
}

/** One request to one server. */
export interface ExchangeRequest {
  /** For a server that speaks SCGI: the complete header netstring, comma included. Else empty. */
  readonly head: Buffer
  /** For a server that speaks HTTP. */
  readonly http?: HttpRequestHead | undefined
  readonly body: RequestBody | null
  /** Request method: the reply to HEAD has no body. */
  readonly method: string
  readonly timeouts: ExchangeTimeouts
  /** Largest head of a reply, and largest single read, in bytes. */
  readonly bufferSize: number
  /** Local address to connect from; `undefined` leaves the choice to the system. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** `localAddress` need not be an address of this machine. */
  readonly transparent?: boolean | undefined
  /** Set SO_KEEPALIVE with this initial delay in milliseconds; `undefined` leaves it off. */
  readonly socketKeepalive?: number | undefined
  /** The asynchronous context in which the handler is called. Default: the one in which the exchange is created. */
  readonly context?: AsyncResource | undefined
  /**
   * The request asks for another protocol and may be answered with 101, whose head is then given to `onHead`; after that, bytes are passed
   * on in both directions. Default false: a 101 is skipped like any other 1xx.
   */
  readonly upgrade?: boolean | undefined
}

/**
 * Receives what happens in one exchange. Exactly one of `onEnd` and `onError` is called, once, and it is the last call.
 * Nothing is called after `abort()`. None of the methods may throw.
 */
export interface ExchangeHandler {
  /** The connection is established and the first byte of the request is about to be written: from here on the request counts as sent. */
  onConnect (): void
  /**
   * The head is complete and valid.
   * @param whole the body has come with it: all of it follows, and then `onEnd`, before anything else is done. Default: that is not known
   */
  onHead (head: ResponseHead, whole?: boolean): void
  /** An informational head other than 100 and 101 has arrived before the final head. It must not end the exchange. Default: it is ignored. */
  onInterim? (head: ResponseHead): void
  /** A piece of the decoded body. The receiver owns it, unless it answers `true`: it has no more use for the memory. */
  onData (chunk: Buffer): true | void
  /** The body is complete; after a 101 the server has ended the connection. */
  onEnd (): void
  /** After a 101: the server has taken what was written. */
  onDrain? (): void
  onError (error: UpstreamError): void
}

/** Controls a running exchange. */
export interface ExchangeControl {
  /**
   * Starts the exchange; the handler may be called before this returns.
   * @param fresh do not use a connection that is already open
   */
  start (fresh?: boolean): void
  /** Stops reading the body; the read timeout is suspended meanwhile. */
  pause (): void
  resume (): void
  /** After a 101: sends bytes to the server. Returns false if it takes no more for now; `onDrain` follows. */
  write? (chunk: Buffer): boolean
  /** After a 101: nothing more will be sent. The server may still send. */
  endWrite? (): void
  /** Ends the exchange at once. The handler is not called any more. */
  abort (): void
  /** Bytes of the request handed to the socket, netstring included. */
  readonly bytesSent: number
  /** Bytes received from the server, head and framing included. */
  readonly bytesReceived: number
  /** Bytes of the reply after its head, surplus past Content-Length included; from an HTTP server, bytes of its payload. */
  readonly bodyReceived: number
  /** The request used a connection that was already open (`keepalive`, `preconnect`). */
  readonly reused: boolean
}
