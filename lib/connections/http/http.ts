import { HttpExchange, type HttpServer } from './exchange.ts'
import { HttpPool } from './pool.ts'
import type { Client } from 'undici'
import type { Endpoint } from '../endpoint.ts'
import type { TlsSettings } from './connection.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, ServerAddress } from '../../../types/exchange.ts'

export interface HttpEndpointOptions {
  /** Most idle connections kept, for each local address; 0 sends `Connection: close`. */
  readonly keepalive: number
  /** For `https://`. */
  readonly tls?: TlsSettings | undefined
}

let loaded: typeof Client | undefined
let loading: Promise<typeof Client> | undefined

/** undici is loaded for the first HTTP server of the process: who has none does not pay for it. */
async function load (): Promise<typeof Client> {
  try {
    const undici = await import('undici')
    loaded = undici.Client
    return loaded
  } catch (error) {
    loading = undefined
    throw error
  }
}

const undici: HttpServer['undici'] = {
  get Client () {
    return loaded
  },
  load () {
    loading ??= load()
    return loading
  },
}

/** A server that speaks HTTP/1.1, in clear or over TLS. */
export class HttpEndpoint implements Endpoint {
  readonly protocol = 'http'
  readonly address: ServerAddress
  readonly #server: HttpServer

  constructor (address: ServerAddress, { keepalive, tls }: HttpEndpointOptions) {
    this.address = address
    this.#server = { address, tls, pool: keepalive > 0 ? new HttpPool(keepalive) : undefined, undici }
    // The first request shall not wait for it; if it fails, that request says so.
    undici.load().catch(() => {})
  }

  get name (): string {
    return this.address.name
  }

  get pathPrefix (): string {
    return this.address.pathPrefix
  }

  get keepalive (): boolean {
    return this.#server.pool !== undefined
  }

  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl {
    return new HttpExchange(this.#server, request, handler)
  }

  closeIdle (): void {
    this.#server.pool?.closeIdle()
  }
}
