import type { SecureContext } from 'node:tls'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, HttpRequestHead, ServerAddress } from '../../types/exchange.ts'

/** What the balancer hands out for a server: the way to have an exchange with it. */
export interface Endpoint {
  /** Where the server listens. */
  readonly address: ServerAddress
  /** The server's address, as logs show it. */
  readonly name: string
  readonly protocol: Protocol
  /** Path of the server's address, put before PATH_INFO; percent-encoded for HTTP. */
  readonly pathPrefix: string
  /** Requests offer to keep the connection. */
  readonly keepalive: boolean
  /** Prepares an exchange; `start()` begins it. */
  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl
  /** Keeps as many idle connections as that from now on, and opens as many ahead; absent where it does neither. */
  configure? (settings: PoolSettings): void
  /** Closes idle connections. */
  closeIdle (): void
}

/** How the server of an `https://` address is known. */
export interface TlsSettings {
  /** Certificates and keys, read already. */
  readonly context: SecureContext
  readonly rejectUnauthorized: boolean
  /** Name for SNI and for the check of the certificate. Default: the name in the address. */
  readonly servername: string | undefined
}

export interface PoolSettings {
  /** Most idle connections kept, for each local address. */
  readonly keepalive: number
  /** Connections held open ahead of the requests. */
  readonly preconnect: number
}

export interface EndpointOptions extends PoolSettings {
  /** For protocols over TLS. */
  readonly tls?: TlsSettings | undefined
}

export type AddedHeaders = Readonly<Record<string, string | undefined>>

/** A request that can be put in the form of any protocol. */
export interface EncodableRequest {
  /**
   * The header netstring for a server. May throw: the request is then answered with that error.
   * @param added headers over those of the request, by lower-case name
   */
  encode (endpoint: Endpoint, added?: AddedHeaders): Buffer
  /** The same for a server that speaks HTTP. */
  encodeHttp (endpoint: Endpoint, added?: AddedHeaders): HttpRequestHead
}

/** The head of a request, in the form of a protocol. */
export type EncodedHead = Pick<ExchangeRequest, 'head' | 'http'>

/** What a health check asks for. */
export interface ProbeRequest {
  readonly method: string
  /** Path and query, percent-encoded. */
  readonly path: string
  /** From the option of the check that `ProtocolProbe.option` names. */
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/** User-Agent of health checks. */
export const PROBE_AGENT = 'fastify-scgi (health check)'

/** How a server is asked by a health check. */
export interface ProtocolProbe {
  /** The `type` of these checks. Protocols may share it. */
  readonly type: string
  /** Where a check says what goes with its request. */
  readonly option: 'params' | 'headers'
  head (address: ServerAddress, request: ProbeRequest): EncodedHead
}

/** All that depends on what a server speaks. Whoever has a server asks its protocol, and not which it is. */
export interface Protocol {
  /** The scheme of its addresses, and `ServerAddress.protocol`. */
  readonly name: string
  /** Port of an address that says none. */
  readonly defaultPort: number
  /** What its addresses look like, for errors. */
  readonly form: string
  /** A server may listen on a unix socket. */
  readonly unix: boolean
  /** Its connections are secured by TLS. */
  readonly tls: boolean
  /** Idle connections that are kept where the option `keepalive` says nothing. */
  readonly keepalive: number
  /** Why no connections are opened ahead; `undefined` if they can be. */
  readonly noPreconnect: string | undefined
  /** Informational heads go to the client where the option `earlyHints` says nothing. */
  readonly earlyHints: boolean
  /** Servers see the client's header lines, and not parameters made of them. */
  readonly headerLines: boolean
  readonly probe: ProtocolProbe
  /**
   * The path prefix of an address.
   * @param path from the slash after its authority on, or empty
   * @throws FST_SCGI_OPT_INVALID
   */
  parse (option: string, text: string, path: string): string
  /** What is encoded for one server serves others of the same `encode`, path prefix and keepalive. */
  encode (request: EncodableRequest, endpoint: Endpoint, added?: AddedHeaders): EncodedHead
  /** What connects to a server. */
  connect (address: ServerAddress, options: EndpointOptions): Endpoint
}
