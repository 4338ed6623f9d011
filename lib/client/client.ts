import { FST_SCGI_CLIENT_CLOSED, FST_SCGI_OPT_INVALID } from '../errors.ts'
import { literalAddress, needsLookup, parseAddress, resolveAddress, type ParsedAddress } from '../connections/address.ts'
import { ClientRequest, type ClientServer, type ClientSettings, type RequestOwner } from './request.ts'
import { isUnbound, parseFixedAddress } from '../connections/local-address.ts'
import { ConnectionPool } from '../connections/scgi/pool.ts'
import { ActiveList } from '../runtime/active-list.ts'
import { readRows } from '../options/read.ts'
import { initialDelay } from '../options/table/connections.ts'
import { CLIENT } from '../options/table/doors.ts'
import { show } from '../options/units.ts'
import type { ScgiClientOptions, ScgiClientRequest, ScgiClientResponse } from '../../types/client.ts'
import type { ServerAddress } from '../../types/exchange.ts'
import type { Address } from '../../types/upstream.ts'

export type { ScgiClientOptions, ScgiClientRequest, ScgiClientResponse, ScgiParamBytes } from '../../types/client.ts'

/**
 * A client of one SCGI server: no balancing, no retry on another server, no filtering of headers. A name is resolved at the first
 * request; if it has several addresses, they are tried in turn until one accepts the connection.
 */
export class ScgiClient {
  readonly #parsed: ParsedAddress
  readonly #owner: RequestOwner
  readonly #keepalive: number
  readonly #preconnect: number
  readonly #connectTimeout: number
  readonly #running = new ActiveList<ClientRequest>()
  #servers: readonly ClientServer[] | undefined
  #resolving: Promise<readonly ClientServer[]> | undefined
  #closed = false
  /** Called when the last request is over after `close()`. */
  readonly #waiting: (() => void)[] = []

  /**
   * @param address for instance `'127.0.0.1:4000'`, `'unix:/run/app.sock'`
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  constructor (address: Address, options: ScgiClientOptions = {}) {
    this.#parsed = parseAddress('address', address)
    const { settings, preconnect, keepalive } = readSettings(options, this.#parsed.pathPrefix)
    this.#keepalive = keepalive
    this.#preconnect = preconnect
    this.#connectTimeout = settings.timeouts.connect
    if (!needsLookup(this.#parsed)) this.#servers = [this.#server(literalAddress(this.#parsed))]
    this.#owner = {
      settings,
      servers: () => this.#servers ?? this.#resolve(),
      connected: server => this.#prefer(server),
      unreachable: () => this.#forget(),
      over: request => this.#over(request),
    }
  }

  /**
   * Sends a request. The promise is resolved when the head of the reply has arrived.
   *
   * It is rejected with FST_SCGI_CONNECT, FST_SCGI_CONNECT_TIMEOUT, FST_SCGI_LOCAL, FST_SCGI_SEND, FST_SCGI_SEND_TIMEOUT,
   * FST_SCGI_READ, FST_SCGI_READ_TIMEOUT, FST_SCGI_PREMATURE_CLOSE, FST_SCGI_INVALID_HEADER or FST_SCGI_HEADER_TOO_BIG if the
   * exchange with the server failed; FST_SCGI_RESOLVE; FST_SCGI_BAD_REQUEST or a TypeError for an invalid request; FST_SCGI_TEMP_FILE;
   * FST_SCGI_CLIENT_CLOSED; the error of the body's stream; the reason of the signal. A failure after the head is an error of the body. A
   * stream given as body is destroyed if it is not read to its end.
   */
  request (options: ScgiClientRequest = {}): Promise<ScgiClientResponse> {
    return new Promise((resolve, reject) => {
      const request = new ClientRequest(this.#owner, options, resolve, reject)
      this.#running.add(request)
      if (this.#closed) request.abort(new FST_SCGI_CLIENT_CLOSED())
      else request.start(options)
    })
  }

  /** Closes idle connections, accepts no more requests, and waits until those in progress have ended. Their bodies must be read. */
  close (): Promise<void> {
    this.#shut()
    if (this.#running.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /**
   * Closes every connection at once.
   * @param error for the requests in progress; default FST_SCGI_CLIENT_CLOSED
   */
  destroy (error?: Error): void {
    this.#shut()
    for (const request of this.#running.all()) request.abort(error ?? new FST_SCGI_CLIENT_CLOSED())
  }

  #shut (): void {
    this.#closed = true
    for (const { pool } of this.#servers ?? []) pool?.close()
  }

  #server (address: ServerAddress): ClientServer {
    const options = { keepalive: this.#keepalive, preconnect: this.#preconnect, connectTimeout: this.#connectTimeout }
    return { address, pool: this.#keepalive > 0 || this.#preconnect > 0 ? new ConnectionPool(address, options) : undefined }
  }

  #resolve (): Promise<readonly ClientServer[]> {
    this.#resolving ??= resolveAddress(this.#parsed).then(
      addresses => {
        this.#resolving = undefined
        this.#servers = addresses.map(address => this.#server(address))
        if (this.#closed) this.#shut()
        return this.#servers
      },
      (error: unknown) => {
        this.#resolving = undefined
        throw error
      })
    return this.#resolving
  }

  /** The address that answers goes first from now on. */
  #prefer (server: ClientServer): void {
    const servers = this.#servers
    if (servers === undefined || servers[0] === server || !servers.includes(server)) return
    this.#servers = [server, ...servers.filter(other => other !== server)]
  }

  /** Names may have moved: the next request asks again. */
  #forget (): void {
    if (!needsLookup(this.#parsed)) return
    for (const { pool } of this.#servers ?? []) pool?.close()
    this.#servers = undefined
  }

  #over (request: ClientRequest): void {
    this.#running.delete(request)
    if (this.#running.size === 0) for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

function readSettings (
  options: ScgiClientOptions, pathPrefix: string
): { settings: ClientSettings, keepalive: number, preconnect: number } {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), 'an object')
  const read = readRows(CLIENT, options, '', 'a client')
  const { connectTimeout, sendTimeout, readTimeout, bufferSize, socketKeepalive, keepalive, preconnect } = read
  const local = isUnbound(options.bind) ? undefined : parseFixedAddress(options.bind, ' or false')
  const settings = {
    timeouts: { connect: connectTimeout, send: sendTimeout, read: readTimeout },
    bufferSize,
    localAddress: local?.localAddress,
    localPort: local?.localPort,
    transparent: local?.transparent,
    socketKeepalive: initialDelay(socketKeepalive),
    keepalive: keepalive > 0,
    pathPrefix,
  }
  return { settings, keepalive, preconnect }
}
