import { ConnectionPool } from './scgi/pool.ts'
import { Exchange } from './scgi/exchange.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, ServerAddress } from '../../types/exchange.ts'

/** What the balancer hands out for a server: the way to have an exchange with it. */
export interface Endpoint {
  /** Where the server listens. */
  readonly address: ServerAddress
  /** The server's address, as logs show it. */
  readonly name: string
  /** Which form of a request its exchanges take: `ExchangeRequest.head`, or `ExchangeRequest.http`. */
  readonly protocol: 'scgi' | 'http'
  /** Path of the server's address, put before PATH_INFO; percent-encoded for HTTP. */
  readonly pathPrefix: string
  /** Requests offer to keep the connection. */
  readonly keepalive: boolean
  /** Prepares an exchange; `start()` begins it. */
  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl
  /** Closes idle connections. */
  closeIdle (): void
}

export interface ScgiEndpointOptions {
  readonly keepalive: number
  readonly preconnect: number
  /** For connections opened ahead, in milliseconds. */
  readonly connectTimeout: number
}

/** A server that speaks SCGI. */
export class ScgiEndpoint implements Endpoint {
  readonly protocol = 'scgi'
  readonly address: ServerAddress
  readonly #pool: ConnectionPool | undefined

  constructor (address: ServerAddress, options: ScgiEndpointOptions) {
    this.address = address
    this.#pool = options.keepalive > 0 || options.preconnect > 0 ? new ConnectionPool(address, options) : undefined
  }

  get name (): string {
    return this.address.name
  }

  get pathPrefix (): string {
    return this.address.pathPrefix
  }

  get keepalive (): boolean {
    return this.#pool?.keepalive === true
  }

  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl {
    return new Exchange(this.address, request, handler, this.#pool)
  }

  closeIdle (): void {
    this.#pool?.closeIdle()
  }
}
