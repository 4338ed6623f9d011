import { performance } from 'node:perf_hooks'
import * as errors from '../errors.ts'
import { upstreamError } from '../errors.ts'
import { currentContext, outside } from '../runtime/context.ts'
import { isLocalError } from './explain.ts'
import { BODY, CONNECT, DONE, HEAD, SEND, type ExchangePhase } from './phase.ts'
import { SwitchedConnection } from './switched.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { ConnectionOptions, ServerConnection } from './connection.ts'
import type { IdleConnections } from './pool.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, FailureKind, ResponseHead, ServerAddress } from '../../types/exchange.ts'

/** What every exchange needs of its connection, whoever owns it. */
type ExchangeConnection = Omit<ServerConnection<never>, 'owner'>

/**
 * One request to one server and its reply, on one connection, whatever the server speaks: the phases, the time limits, who is told what.
 * It settles once: after `onEnd`, `onError` or `abort()` the handler hears nothing more, and the connection is closed or back in its pool.
 */
export abstract class ServerExchange<C extends ExchangeConnection> implements ExchangeControl {
  readonly context: AsyncResource
  reused = false
  bodyReceived = 0
  protected readonly address: ServerAddress
  protected readonly request: ExchangeRequest
  protected readonly handler: ExchangeHandler
  protected readonly pool: IdleConnections<C, ConnectionOptions> | undefined
  protected connection: C | undefined = undefined
  protected phase: ExchangePhase = CONNECT
  /** The whole request had left for the kernel in time: what the server says of it and of the connection counts. */
  protected sent = false
  protected paused = false
  /** A 101 has come: what follows is no reply. */
  protected switched: SwitchedConnection | undefined = undefined
  /** When the head must be complete, in milliseconds of `performance.now()`. */
  #headDeadline = 0
  /** `bytesWritten` of the socket before this exchange. */
  #writtenBefore = 0
  /** Once it is certain: when the request has left as a whole, or at the end. */
  #bytesSent = -1

  constructor (
    address: ServerAddress, request: ExchangeRequest, handler: ExchangeHandler, pool?: IdleConnections<C, ConnectionOptions>
  ) {
    this.address = address
    this.request = request
    this.handler = handler
    this.pool = pool
    this.context = request.context ?? currentContext()
  }

  abstract readonly bytesReceived: number

  /** Begins to connect. */
  protected abstract open (): C
  /** The exchange owns an idle connection from now on, and sends on it. */
  protected abstract adopt (idle: C): void
  /** Bytes of the request wait for the server; false while they are waited for. */
  protected abstract get isSending (): boolean
  protected abstract stopSending (): void

  get bytesSent (): number {
    if (this.#bytesSent >= 0) return this.#bytesSent
    return this.phase === CONNECT || this.connection === undefined ? 0 : this.connection.socket.bytesWritten - this.#writtenBefore
  }

  protected get settled (): boolean {
    return this.phase === DONE
  }

  /**
   * Connects, or takes an idle connection, and sends. The handler may be called before this returns.
   * @param fresh use no idle connection
   */
  start (fresh = false): void {
    const idle = fresh ? undefined : this.pool?.take(this.request)
    if (idle === undefined) {
      this.connect()
      return
    }
    this.reused = true
    this.connection = idle
    this.#writtenBefore = idle.socket.bytesWritten
    idle.setSocketKeepalive(this.request.socketKeepalive)
    this.adopt(idle)
  }

  protected connect (): void {
    try {
      this.connection = this.pool?.keepalive === true ? this.#openOutside() : this.open()
    } catch (error) {
      // Node.js refuses some arguments, a port that is no number say, by throwing.
      this.localFailure(error)
    }
  }

  /** A connection that may be kept must not keep the context of the request which has opened it. */
  #openOutside (): C {
    return outside(() => this.open())
  }

  /** The first byte of the request is about to be written. False if the handler has ended the exchange. */
  protected beginRequest (): boolean {
    this.phase = this.phase.to(SEND)
    this.handler.onConnect()
    if (this.settled) return false
    this.connection?.setTimeout(this.request.timeouts.send)
    return true
  }

  /**
   * The whole request has left for the kernel.
   * @param length its bytes, where the exchange knows them
   */
  protected requestWritten (length = -1): void {
    this.phase = this.phase.to(HEAD)
    this.#bytesSent = length
    const { read } = this.request.timeouts
    this.connection?.setTimeout(read)
    if (read > 0) this.#headDeadline = performance.now() + read
  }

  onRefused (_error: NodeJS.ErrnoException): void {
    if (this.settled) return
    this.sent = false
    if (this.phase === HEAD) this.phase = this.phase.to(SEND)
    if (this.switched !== undefined) this.switched.limitSilence()
    else if (this.phase !== BODY || !this.paused) this.connection?.setTimeout(this.request.timeouts.read)
  }

  /** A part of the head has come. One that dribbles in does not get more time for it. */
  protected headGoesOn (): void {
    if (this.#headDeadline > 0) this.connection?.setTimeout(Math.max(1, Math.ceil(this.#headDeadline - performance.now())))
  }

  /**
   * The head is complete. False if the handler has ended the exchange.
   * @param whole the body is there as well, and follows at once
   */
  protected beginBody (head: ResponseHead, whole = false): boolean {
    this.phase = this.phase.to(BODY)
    const { connection } = this
    // Also where the reply is early, and the request still being sent.
    connection?.setTimeout(this.paused ? 0 : this.request.timeouts.read)
    if (head.statusCode === 101 && connection !== undefined) this.#switch(connection)
    this.handler.onHead(head, whole)
    if (this.settled) return false
    if (this.paused) this.#halt()
    return true
  }

  #switch (connection: C): void {
    // There is more to come.
    this.#bytesSent = -1
    this.switched = new SwitchedConnection(connection, this.request.timeouts, () => this.handler.onDrain?.())
  }

  onTimeout (): void {
    const { name } = this.address
    const { connect, send, read } = this.request.timeouts
    switch (this.phase) {
      case CONNECT:
        this.fail('timeout', new errors.FST_SCGI_CONNECT_TIMEOUT(name, connect))
        break
      case SEND:
        // Nothing to write is the client's slowness, which has its own time limit.
        if (this.isSending) this.fail('timeout', new errors.FST_SCGI_SEND_TIMEOUT(name, send))
        break
      case HEAD: {
        const silent = this.bytesReceived === 0
        const error = new errors.FST_SCGI_READ_TIMEOUT(name, silent ? 'nothing' : 'only a part of the head of its reply', read)
        if (silent) error.message += this.explainSilence()
        this.fail('timeout', error)
        break
      }
      case BODY: {
        const error = this.switched !== undefined
          ? this.switched.silence(name)
          : this.paused ? undefined : new errors.FST_SCGI_READ_TIMEOUT(name, 'no further piece of its reply body', read)
        if (error !== undefined) this.fail('timeout', error)
      }
    }
  }

  /** What to say of a server that was silent for all of the read timeout. */
  protected explainSilence (): string {
    return ''
  }

  pause (): void {
    if (this.paused || this.settled) return
    this.paused = true
    // Before the head there is nothing that could be held back.
    if (this.phase === BODY) this.#halt()
  }

  resume (): void {
    if (!this.paused || this.settled) return
    this.paused = false
    if (this.phase !== BODY) return
    if (this.switched !== undefined) this.switched.resume()
    else this.connection?.setTimeout(this.request.timeouts.read)
    this.connection?.resume()
  }

  write (chunk: Buffer): boolean {
    return this.switched?.write(chunk) ?? true
  }

  endWrite (): void {
    this.switched?.end()
  }

  abort (): void {
    this.settle()
  }

  #halt (): void {
    if (this.switched !== undefined) this.switched.pause()
    else this.connection?.setTimeout(0)
    this.connection?.pause()
  }

  protected sourceFailed (cause: Error): void {
    // The reply may still come, and be a good one: a server may answer without reading all of the request.
    if (this.phase !== SEND) return
    // The body's stream is the client's, or its connection.
    this.context.runInAsyncScope(this.fail, this, 'local', new errors.FST_SCGI_SEND(this.address.name, cause.message), cause)
  }

  protected connectFailed (error: NodeJS.ErrnoException, reason: string): void {
    const { name } = this.address
    if (isLocalError(error)) this.fail('local', new errors.FST_SCGI_LOCAL(name, `${error.syscall ?? 'socket'}() ${error.message}`), error)
    else this.fail('error', new errors.FST_SCGI_CONNECT(name, reason), error)
  }

  protected localFailure (cause: unknown): void {
    this.fail('local', new errors.FST_SCGI_LOCAL(this.address.name, cause instanceof Error ? cause.message : String(cause)), cause)
  }

  protected invalidHead (message: string, cause?: unknown): void {
    this.fail('invalid_header', new errors.FST_SCGI_INVALID_HEADER(this.address.name, message), cause)
  }

  protected headTooBig (): void {
    this.fail('invalid_header', new errors.FST_SCGI_HEADER_TOO_BIG(this.address.name, this.request.bufferSize))
  }

  /** @param keep the connection may serve another request */
  protected finish (keep: boolean): void {
    this.settle(keep)
    this.handler.onEnd()
  }

  protected fail (kind: FailureKind, error: Error & { code: string, statusCode?: number }, cause?: unknown): void {
    const { name } = this.phase
    if (name === 'done') return
    this.settle()
    this.handler.onError(upstreamError(error, this.address.name, kind, name, cause))
  }

  protected settle (keep = false): void {
    if (this.phase === DONE) return
    this.#bytesSent = this.bytesSent
    this.phase = this.phase.to(DONE)
    this.stopSending()
    const { connection } = this
    if (connection === undefined) return
    this.switched?.release()
    this.switched = undefined
    this.connection = undefined
    if (keep && this.pool !== undefined) {
      // The read that ended the reply may have been one too many for the receiver.
      if (this.paused) connection.resume()
      this.pool.put(connection, this.request)
    } else {
      connection.destroy()
    }
  }
}
