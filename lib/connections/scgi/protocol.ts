import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { encodePairs } from '../../scgi/netstring.ts'
import { show } from '../../options/units.ts'
import { ConnectionPool } from './pool.ts'
import { Exchange } from './exchange.ts'
import { PROBE_AGENT, type Endpoint, type PoolSettings, type ProbeRequest, type Protocol } from '../protocol.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, ServerAddress } from '../../../types/exchange.ts'

/** Connections opened ahead are an offer: one that takes longer than this is given up. */
const PRECONNECT_TIMEOUT = 2000

/** A server that speaks SCGI. */
class ScgiEndpoint implements Endpoint {
  readonly protocol = scgi
  readonly address: ServerAddress
  #settings: PoolSettings
  #pool: ConnectionPool | undefined

  constructor (address: ServerAddress, settings: PoolSettings) {
    this.address = address
    this.#settings = settings
    this.#pool = poolOf(address, settings)
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

  configure (settings: PoolSettings): void {
    const { keepalive, preconnect } = this.#settings
    if (settings.keepalive === keepalive && settings.preconnect === preconnect) return
    this.#settings = settings
    // Exchanges that run give their connections back to the pool that they know, which closes them.
    this.#pool?.close()
    this.#pool = poolOf(this.address, settings)
  }

  closeIdle (): void {
    this.#pool?.closeIdle()
  }
}

function poolOf (address: ServerAddress, { keepalive, preconnect }: PoolSettings): ConnectionPool | undefined {
  if (keepalive === 0 && preconnect === 0) return undefined
  return new ConnectionPool(address, { keepalive, preconnect, connectTimeout: PRECONNECT_TIMEOUT })
}

export const scgi: Protocol = {
  name: 'scgi',
  // It has none of its own; this is what its servers use.
  defaultPort: 4000,
  form: "an address: 'host:4000', '[::1]:4000', 'unix:/path', 'scgi://host[:port][/path]' or 'unix:/path|scgi://name/path'",
  unix: true,
  tls: false,
  keepalive: 0,
  noPreconnect: undefined,
  earlyHints: false,
  headerLines: false,
  probe: { type: 'scgi', option: 'params', head: (address, request) => ({ head: probeHead(address, request) }) },
  parse (option, text, path) {
    try {
      // PATH_INFO is decoded bytes, held one byte a character until they are written.
      return Buffer.from(decodeURIComponent(path).replace(/\/+$/, '')).toString('latin1')
    } catch {
      throw new FST_SCGI_OPT_INVALID(option, show(text), 'an address whose path is percent-encoded UTF-8')
    }
  },
  encode: (request, endpoint, added) => ({ head: request.encode(endpoint, added), http: undefined }),
  connect: (address, options) => new ScgiEndpoint(address, options),
}

function probeHead ({ host, port, socketPath, pathPrefix }: ServerAddress, { method, path, fields }: ProbeRequest): Buffer {
  const query = path.indexOf('?')
  const bare = query === -1 ? path : path.slice(0, query)
  const name = host ?? 'localhost'
  const pairs = new Map([
    ['CONTENT_LENGTH', '0'],
    ['SCGI', '1'],
    ['SERVER_SOFTWARE', 'fastify-scgi'],
    ['SERVER_NAME', name.includes(':') ? `[${name}]` : name],
    ['SERVER_PORT', socketPath === undefined ? String(port) : ''],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['GATEWAY_INTERFACE', 'CGI/1.1'],
    ['REQUEST_METHOD', method],
    ['REQUEST_URI', path],
    ['REQUEST_SCHEME', 'http'],
    ['QUERY_STRING', query === -1 ? '' : path.slice(query + 1)],
    ['SCRIPT_NAME', ''],
    ['PATH_INFO', pathPrefix + decoded(bare)],
    ['DOCUMENT_URI', decoded(bare)],
    ['REMOTE_ADDR', '127.0.0.1'],
    ['HTTP_HOST', name],
    ['HTTP_USER_AGENT', PROBE_AGENT],
    ...fields,
  ])
  return encodePairs([...pairs])
}

/** As PATH_INFO has it: decoded, one character a byte. The options are checked: it can be decoded. */
function decoded (path: string): string {
  return Buffer.from(decodeURIComponent(path)).toString('latin1')
}
