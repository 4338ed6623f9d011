import { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { ActiveList } from '../runtime/active-list.ts'
import type { Socket } from 'node:net'
import { ServerConnection } from './connection.ts'
import { parseServerOptions } from './options.ts'
import { Warnings, type Warn } from './warnings.ts'
import type { ConnectionHost } from './host.ts'
import type { ServerSettings } from './options.ts'
import type { ScgiRequestListener, ScgiServerOptions } from '../../types/server.ts'

/** Bounds of the time between two looks at the deadlines of all connections, in milliseconds. */
const MIN_SWEEP = 10
const MAX_SWEEP = 1000

/**
 * An `http.Server` that speaks SCGI: same events ('request', 'clientError', 'timeout'), same methods, same limits, with an
 * `http.IncomingMessage` and an `http.ServerResponse` for each request.
 *
 * - 'clientError' is emitted after the refusal (400, 408, 431) has been sent, so the listener must not answer, and cannot destroy the
 *   socket: it ends when the gateway has the refusal. Without a listener, a process warning says what was refused.
 * - 'upgrade' comes with request, socket and head, where somebody listens, for a request with HTTP_UPGRADE and HTTP_CONNECTION and without a
 *   body: the listener writes `HTTP/1.1 101 Switching Protocols` and its headers itself, as the libraries for WebSocket do.
 * - 'connect', 'checkContinue' and 'checkExpectation' never come.
 * - `headersTimeout`, `requestTimeout`, `keepAliveTimeout`, `timeout`, `maxHeadersCount` and `maxRequestsPerSocket` may be set on the server.
 */
export class ScgiServer extends Server implements ConnectionHost {
  /** The options as they were read, with their defaults. */
  readonly settings: ServerSettings
  readonly #connections = new ActiveList<ServerConnection>()
  readonly #warn: Warn | undefined
  readonly #warnings = new Warnings()
  #sweeper: NodeJS.Timeout | undefined

  /**
   * @param warn called with refused requests instead of a process warning
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
   */
  constructor (options: ScgiServerOptions, listener?: ScgiRequestListener, warn?: Warn) {
    const settings = parseServerOptions(options)
    super()
    this.settings = settings
    this.#warn = warn
    this.keepAliveTimeout = settings.keepAliveTimeout
    this.headersTimeout = settings.headersTimeout
    this.requestTimeout = settings.requestTimeout
    this.timeout = settings.timeout
    this.maxRequestsPerSocket = settings.maxRequestsPerSocket
    // What Node.js has put there reads HTTP, and looks after connections that are none.
    this.removeAllListeners('connection')
    this.removeAllListeners('listening')
    this.on('connection', (socket: Socket) => this.#accept(socket))
    if (listener !== undefined) this.on('request', listener)
  }

  #accept (socket: Socket): void {
    if (this.timeout > 0) socket.setTimeout(this.timeout)
    this.#connections.add(new ServerConnection(this, socket, performance.now()))
    if (this.#sweeper === undefined) this.#watch()
  }

  /** Called by a connection that has closed. @internal */
  forget (connection: ServerConnection): void {
    this.#connections.delete(connection)
  }

  /** Called by a connection that refuses what came. @internal */
  refused (error: Error, socket: Socket): void {
    if (this.#warn !== undefined) this.#warn(error, socket)
    else if (this.listenerCount('clientError') === 0) this.#warnings.add(error, socket)
  }

  // One timer for all connections: a request that comes and goes should not have to start and stop one of its own.
  #watch (): void {
    let shortest = MAX_SWEEP * 4
    for (const time of [this.headersTimeout, this.requestTimeout, this.keepAliveTimeout]) {
      if (time > 0 && time < shortest) shortest = time
    }
    this.#sweeper = setTimeout(() => {
      this.#sweeper = undefined
      const now = performance.now()
      for (const connection of this.#connections.all()) connection.expire(now)
      if (this.#connections.size > 0) this.#watch()
    }, Math.max(MIN_SWEEP, shortest / 4)).unref()
  }

  /**
   * Stops listening, closes idle connections, and calls back when the last request has been answered.
   */
  override close (callback?: (error?: Error) => void): this {
    NetServer.prototype.close.call(this, callback)
    // What has arrived already is still read, in the turn of the event loop between these two: a request must not be cut.
    setImmediate(() => setImmediate(() => {
      if (!this.listening) this.closeIdleConnections()
    }))
    return this
  }

  /** Closes connections without a request in progress. */
  override closeIdleConnections (): void {
    for (const connection of this.#connections.all()) {
      if (connection.idle) connection.socket.destroy()
    }
  }

  /** Closes all connections, including those with requests in progress. */
  override closeAllConnections (): void {
    for (const connection of this.#connections.all()) connection.socket.destroy()
  }
}

/**
 * Creates a server for a Node.js application behind an SCGI gateway (nginx `scgi_pass`, Apache `ProxyPass scgi://`, lighttpd, this package).
 * The listener is the same as for `http.createServer`; call `listen` with a port or the path of a unix socket.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function createScgiServer (options: ScgiServerOptions, listener?: ScgiRequestListener): ScgiServer
export function createScgiServer (listener?: ScgiRequestListener): ScgiServer
export function createScgiServer (options: ScgiServerOptions | ScgiRequestListener = {}, listener?: ScgiRequestListener): ScgiServer {
  return typeof options === 'function' ? new ScgiServer({}, options) : new ScgiServer(options, listener)
}
