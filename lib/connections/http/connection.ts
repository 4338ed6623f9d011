import { Socket, isIP, type TcpSocketConnectOpts } from 'node:net'
import { checkServerIdentity, connect as connectTls, type ConnectionOptions as TlsOptions } from 'node:tls'
import { outside } from '../../runtime/context.ts'
import { attend } from '../last-words.ts'
import { InterimFilter } from './interim.ts'
import { KEEPALIVE_AGE } from '../pool.ts'
import { ServerConnection, targetOf, type ConnectionOptions, type ServerConnectionOwner } from '../connection.ts'
import { transparentSocket } from '../transparent.ts'
import type { Readable } from 'node:stream'
import type { Client, Dispatcher } from 'undici'
import type { TlsSettings } from '../protocol.ts'
import type { ServerAddress } from '../../../types/exchange.ts'

/** What a connection tells the exchange that uses it. `onEof` may be the end of a body to undici. */
export interface HttpConnectionOwner extends ServerConnectionOwner {
  /** The first byte of the request is about to be written. */
  onRequestStart (): void
  /** Bytes have come. */
  onBytes (): void
  onResponseStart (statusCode: number, rawHeaders: readonly Buffer[], statusMessage: string): void
  onResponseData (chunk: Buffer): void
  onResponseEnd (): void
  /** The server has answered 101, as `HttpDispatch.upgrade` lets it; what it sends then are data, once `startTunnel()` was called. */
  onSwitched (rawHeaders: readonly Buffer[]): void
  /** The connection is lost; without an error the server has just closed it. */
  onLost (error: NodeJS.ErrnoException | undefined): void
}

/** One request, for undici. */
export interface HttpDispatch {
  readonly method: string
  readonly path: string
  /** `[name, value, ...]` */
  readonly headers: string[]
  readonly body: Buffer | Readable | null
  /** Close the connection after the reply, and say so. */
  readonly reset?: boolean
  /** Ask for this protocol. */
  readonly upgrade?: string
}

const NOTHING = Buffer.alloc(0)

/**
 * One connection to an HTTP server: a socket of ours, and an undici client that knows this socket and no other. The socket is ours for the
 * sake of what undici has no say in: a time limit in milliseconds for each request, the local address, what was sent and received, and
 * whether the connection had been used before.
 */
export class HttpConnection extends ServerConnection<HttpConnectionOwner> implements Dispatcher.DispatchHandler {
  readonly socket: Socket
  readonly #Client: typeof Client
  readonly #origin: string
  readonly #bufferSize: number
  readonly #interim = new InterimFilter()
  readonly #readSocket: Socket['read']
  #client: Client | undefined
  #connectTimer: NodeJS.Timeout | undefined
  #stands = false
  /** The loop has turned since the last reply: a server that closes in spite of what it said has done so. */
  #settled = true
  #paused = false
  #tunnel = false
  #lost = false

  /** Begins to connect. May throw what Node.js throws for an argument that it cannot use. */
  constructor (
    loaded: typeof Client, address: ServerAddress, tls: TlsSettings | undefined, options: ConnectionOptions,
    owner: HttpConnectionOwner, connectTimeout: number
  ) {
    super()
    this.#Client = loaded
    this.#origin = `http://${address.name}`
    this.#bufferSize = options.bufferSize
    this.knowsResets = tls === undefined
    this.owner = owner
    const { localAddress, localPort } = options
    const { host = '' } = address
    // A transparent socket is bound already.
    const transparent = options.transparent === true && localAddress !== undefined
    const bound = transparent ? transparentSocket({ localAddress, localPort, host }, options => new Socket(options)) : undefined
    const target = targetOf(host, address.port, bound === undefined ? localAddress : undefined, localPort)
    const socket = this.socket = tls === undefined ? bound ?? new Socket() : this.#secure(address, tls, target, bound)
    attend(socket, this)
    socket.once(tls === undefined ? 'connect' : 'secureConnect', () => this.#connected())
    // Before undici's own listeners, which see to it that the error goes no further.
    socket.on('error', error => this.#ended(error))
    socket.on('end', () => {
      const { owner } = this
      owner?.context.runInAsyncScope(owner.onEof, owner)
    })
    socket.on('close', () => this.#ended(undefined))
    socket.on('timeout', () => { if (this.owner !== null) this.timedOut(this.owner) })
    const read = this.#readSocket = socket.read.bind(socket)
    socket.read = (size?: number) => this.#paused ? null : this.#read(read(size))
    if (tls === undefined) connect(socket, target)
    socket.setNoDelay(true)
    this.setSocketKeepalive(options.socketKeepalive)
    // A timer, not the socket's: the bytes of a handshake are no reason to wait longer.
    if (connectTimeout > 0) this.#connectTimer = setTimeout(() => setImmediate(() => this.#connectTimedOut()), connectTimeout)
  }

  /** No request can be sent on it any more. */
  get lost (): boolean {
    return this.#lost || this.socket.destroyed
  }

  get ready (): boolean {
    return this.#settled
  }

  /** undici counts the time itself, and keeps the process alive for requests alone. */
  rest (): void {
    this.owner = null
    this.setTimeout(0)
    this.#settled = false
    setImmediate(() => { this.#settled = true })
  }

  wake (): void {}

  /** Sends a request. Not from within a callback of another connection: undici's parser is one for all. */
  dispatch (request: HttpDispatch): void {
    const client = this.#client ??= this.#makeClient()
    // undici keeps timers and more that go on beyond this request.
    outside(() => client.dispatch({ ...request, headersTimeout: 0, bodyTimeout: 0, blocking: false }, this))
  }

  /** Calls back when what has been written has left for the kernel. */
  flushed (callback: () => void): void {
    if (this.socket.writableLength === 0) callback()
    else this.socket.write(NOTHING, error => { if (!error) callback() })
  }

  /**
   * Stop reading; what has been read already still comes. undici's own pause is not used: when the server ends the connection in the
   * midst of it, undici fails where nobody can catch it.
   */
  pause (): void {
    this.#paused = true
    if (this.#tunnel) this.socket.pause()
  }

  resume (): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#tunnel) {
      this.socket.resume()
      return
    }
    // Not from within a callback: see dispatch().
    queueMicrotask(() => { if (!this.#paused && !this.lost) this.socket.emit('readable') })
  }

  /** After a 101, for which undici has let go of the socket. */
  startTunnel (): void {
    const { socket } = this
    this.#tunnel = true
    socket.read = this.#readSocket
    socket.on('data', (chunk: Buffer) => {
      const { owner } = this
      owner?.context.runInAsyncScope(owner.onResponseData, owner, chunk)
    })
    // That undici does not listen to 'readable' any more is known to the stream in a tick, and resumes it.
    process.nextTick(() => { if (this.#paused) socket.pause(); else socket.resume() })
  }

  destroy (): void {
    this.owner = null
    this.onIdleEnd = undefined
    clearTimeout(this.#connectTimer)
    this.#client?.destroy(null, ignore)
    if (!this.socket.destroyed) this.socket.destroy()
  }

  onRequestStart (): void {
    this.#interim.arm()
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onRequestStart, owner)
  }

  onResponseStart (controller: Dispatcher.DispatchController, statusCode: number, _headers: unknown, statusMessage = ''): void {
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onResponseStart, owner, statusCode, linesOf(controller), statusMessage)
  }

  onRequestUpgrade (controller: Dispatcher.DispatchController): void {
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onSwitched, owner, linesOf(controller))
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onResponseData, owner, chunk)
  }

  onResponseEnd (): void {
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onResponseEnd, owner)
  }

  /** What concerns the connection has come by its own events before; this is what undici refuses to send. */
  onResponseError (_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#lose(error)
  }

  /** @param bound a socket to use, which is not yet connected */
  #secure (
    address: ServerAddress, { context, rejectUnauthorized, servername = address.hostname }: TlsSettings,
    target: TcpSocketConnectOpts, bound: Socket | undefined
  ): Socket {
    if (bound !== undefined) connect(bound, target)
    const secured = connectTls({
      ...target,
      ...(bound === undefined ? undefined : { socket: bound }),
      secureContext: context,
      rejectUnauthorized,
      ALPNProtocols: ['http/1.1'],
      ...(servername === undefined ? undefined : nameOf(servername)),
    })
    bound?.on('error', error => secured.destroy(error))
    return secured
  }

  #makeClient (): Client {
    let given = false
    return new this.#Client(this.#origin, {
      pipelining: 1,
      maxHeaderSize: this.#bufferSize,
      keepAliveTimeout: KEEPALIVE_AGE,
      keepAliveMaxTimeout: KEEPALIVE_AGE,
      connect: (_options, callback) => {
        // undici expects an answer that comes later. A second connection it never gets.
        const first = !given
        given = true
        queueMicrotask(() => {
          if (first && !this.lost) callback(null, this.socket)
          else callback(new Error('the connection is closed'), null)
        })
      },
    })
  }

  #connected (): void {
    this.#stands = true
    clearTimeout(this.#connectTimer)
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onConnected, owner)
  }

  #connectTimedOut (): void {
    const { owner } = this
    if (!this.#stands) owner?.context.runInAsyncScope(owner.onTimeout, owner)
  }

  #read (chunk: unknown): Buffer | null {
    if (!Buffer.isBuffer(chunk)) return null
    this.owner?.onBytes()
    return this.#interim.filter(chunk)
  }

  #ended (error: NodeJS.ErrnoException | undefined): void {
    this.#lost = true
    clearTimeout(this.#connectTimer)
    const tell = this.onIdleEnd
    this.onIdleEnd = undefined
    tell?.()
    this.#lose(error)
  }

  #lose (error: NodeJS.ErrnoException | undefined): void {
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onLost, owner, error)
  }
}

/** An IP address is no server name (RFC 6066 section 3); the certificate is checked for it all the same. */
function nameOf (servername: string): TlsOptions {
  if (isIP(servername) === 0) return { servername }
  return { checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate) }
}

/** Begins to connect; a socket whose arguments Node.js cannot use is not left open. */
function connect (socket: Socket, target: TcpSocketConnectOpts): void {
  try {
    socket.connect(target)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function linesOf ({ rawHeaders }: Dispatcher.DispatchController): Buffer[] {
  const lines: Buffer[] = []
  if (Array.isArray(rawHeaders)) for (const piece of rawHeaders) lines.push(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
  return lines
}

function ignore (): void {}
