import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { hasDotSegment } from '../../http/path.ts'
import { show } from '../../options/units.ts'
import { DEFAULT_PORTS, hostOf } from './host.ts'
import { HttpExchange, type HttpServer } from './exchange.ts'
import { HttpPool } from './pool.ts'
import { PROBE_AGENT, type Endpoint, type EndpointOptions, type PoolSettings, type ProbeRequest, type Protocol } from '../protocol.ts'
import type { Client } from 'undici'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, HttpRequestHead, ServerAddress } from '../../../types/exchange.ts'

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

export type HttpEndpointOptions = Pick<EndpointOptions, 'keepalive' | 'tls'>

/** A server that speaks HTTP/1.1, in clear or over TLS. */
export class HttpEndpoint implements Endpoint {
  readonly protocol: Protocol
  readonly address: ServerAddress
  #server: HttpServer
  #keepalive: number

  /** Without `keepalive` it sends `Connection: close`. */
  constructor (address: ServerAddress, { keepalive, tls }: HttpEndpointOptions, protocol = http) {
    this.address = address
    this.protocol = protocol
    this.#keepalive = keepalive
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

  configure ({ keepalive }: Pick<PoolSettings, 'keepalive'>): void {
    if (keepalive === this.#keepalive) return
    this.#keepalive = keepalive
    // Exchanges that run give their connections back to the pool that they know, which closes them.
    this.#server.pool?.close()
    this.#server = { ...this.#server, pool: keepalive > 0 ? new HttpPool(keepalive) : undefined }
  }

  closeIdle (): void {
    this.#server.pool?.closeIdle()
  }
}

const NO_HEAD = Buffer.alloc(0)

export const http: Protocol = {
  name: 'http',
  defaultPort: DEFAULT_PORTS.http,
  form: "an address: 'http://host[:port][/path]' or 'https://host[:port][/path]'",
  unix: false,
  tls: false,
  // HTTP servers keep connections unless told otherwise.
  keepalive: 32,
  noPreconnect: 'an HTTP server keeps its connections: use keepalive',
  earlyHints: true,
  headerLines: true,
  probe: { type: 'http', option: 'headers', head: (address, request) => ({ head: NO_HEAD, http: probeHead(address, request) }) },
  /** The path as it goes over the wire; whether its escapes are UTF-8 is the server's affair. */
  parse (option, text, path) {
    if (/%(?![\da-f]{2})/i.test(path) || hasDotSegment(path)) throw new FST_SCGI_OPT_INVALID(option, show(text), "an address whose path has whole percent escapes and no '.' or '..' segment")
    return Buffer.from(path).toString('latin1').replace(/[^\x21-\x7e]/g, char => '%' + char.charCodeAt(0).toString(16).toUpperCase()).replace(/\/+$/, '')
  },
  encode: (request, endpoint, added) => ({ head: NO_HEAD, http: request.encodeHttp(endpoint, added) }),
  connect: (address, options) => new HttpEndpoint(address, options, http),
}

export const https: Protocol = {
  ...http,
  name: 'https',
  defaultPort: DEFAULT_PORTS.https,
  tls: true,
  connect: (address, options) => new HttpEndpoint(address, options, https),
}

function probeHead (address: ServerAddress, { path, fields }: ProbeRequest): HttpRequestHead {
  return {
    path: address.pathPrefix + path,
    host: fields.find(([header]) => header === 'host')?.[1] ?? hostOf(address),
    headers: [...new Map([['user-agent', PROBE_AGENT], ...fields])].filter(([header]) => header !== 'host').flat(),
  }
}
