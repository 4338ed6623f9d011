import { BodyDecoder } from '../../scgi/body.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import { currentContext, outside } from '../../runtime/context.ts'
import { explainClose, explainConnect, explainHttp, explainSilence, isLocalError } from '../explain.ts'
import { HeadParser, looksLikeHttpServer } from '../../scgi/head.ts'
import { RequestSource } from '../request-source.ts'
import { SwitchedConnection } from '../switched.ts'
import * as errors from '../../errors.ts'
import { upstreamError } from '../../errors.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { ConnectionPool } from './pool.ts'
import type {
  ExchangeControl, ExchangeHandler, ExchangePhase, ExchangeRequest, FailureKind, ServerAddress,
} from '../../../types/exchange.ts'

/** A body of up to so many bytes gets its room at once. */
const ONE_ALLOCATION = 131_072

/**
 * One request to one server and its reply, on one connection. It settles once: after `onEnd`, `onError` or `abort()`
 * the handler hears nothing more, and the connection is closed or back in its pool.
 */
export class Exchange implements ExchangeControl, ConnectionOwner {
  readonly #address: ServerAddress
  readonly #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  readonly #pool: ConnectionPool | undefined
  #parser: HeadParser
  #body: BodyDecoder | undefined
  #connection: Connection | undefined
  #phase: ExchangePhase | 'done' = 'connect'
  /** The whole request had left for the kernel before anything of the reply came. */
  #sent = false
  #paused = false
  #surplus = false
  /** Why the server takes no more of the request. */
  #refused: NodeJS.ErrnoException | undefined
  #source: RequestSource | undefined
  /** When the head must be complete, in milliseconds of `performance.now()`. */
  #headDeadline = 0
  /** `bytesWritten` of the socket before this exchange. */
  #writtenBefore = 0
  #writtenInAll = 0
  /** A 101 has come: what follows is no reply. */
  #switched: SwitchedConnection | undefined
  /** Room for a whole body, and how much of it is taken. */
  #whole: Buffer | undefined
  #taken = 0
  readonly context: AsyncResource
  reused = false
  bytesReceived = 0
  bodyReceived = 0

  constructor (address: ServerAddress, request: ExchangeRequest, handler: ExchangeHandler, pool?: ConnectionPool) {
    this.#address = address
    this.#request = request
    this.#handler = handler
    this.#pool = pool
    this.context = request.context ?? currentContext()
    this.#parser = new HeadParser(request.bufferSize, request.upgrade, handler)
  }

  get bytesSent (): number {
    if (this.#phase === 'connect') return 0
    return (this.#phase === 'done' ? this.#writtenInAll : this.#connection?.socket.bytesWritten ?? 0) - this.#writtenBefore
  }

  /**
   * Connects, or takes an idle connection, and sends. The handler may be called before this returns.
   * @param fresh use no idle connection
   */
  start (fresh = false): void {
    const idle = fresh ? undefined : this.#pool?.take(this.#request)
    if (idle === undefined) {
      try {
        // One that may be kept must not keep the context of the request which has opened it.
        this.#connection = this.#pool?.keepalive === true ? outside(() => this.#open()) : this.#open()
      } catch (error) {
        // Node.js refuses some arguments, a port that is no number say, by throwing.
        this.#phase = 'done'
        const reason = error instanceof Error ? error.message : String(error)
        this.#handler.onError(upstreamError(new errors.FST_SCGI_LOCAL(this.#address.name, reason), this.#address.name, 'local', 'connect', error))
      }
      return
    }
    this.reused = true
    this.#connection = idle
    idle.owner = this
    this.#writtenBefore = idle.socket.bytesWritten
    idle.setSocketKeepalive(this.#request.socketKeepalive)
    this.onConnected()
  }

  onConnected (): void {
    this.#phase = 'send'
    this.#handler.onConnect()
    const connection = this.#connection
    if (this.#settled() || connection === undefined) return
    const { socket } = connection
    const { head, timeouts } = this.#request
    connection.setTimeout(timeouts.send)
    if (this.#request.body === null || this.#request.body.length === 0) {
      connection.finish(head)
      return
    }
    const body = this.#request.body.open()
    if (Buffer.isBuffer(body)) {
      // In one segment: some servers read head and body with a single recv() each.
      connection.finishBoth(head, body)
    } else {
      socket.setNoDelay(true)
      socket.write(head)
      this.#source = new RequestSource(body, this.#request.body.length, connection, error => this.#sourceFailed(error))
      this.#source.start()
    }
  }

  onWritten (): void {
    if (this.#phase !== 'send') return
    // A reply that began before: the server may not have read the request, and leave its rest to the next one.
    this.#sent = this.bytesReceived === 0
    this.#phase = 'head'
    const { read } = this.#request.timeouts
    this.#connection?.setTimeout(read)
    if (read > 0) this.#headDeadline = performance.now() + read
  }

  onRefused (error: NodeJS.ErrnoException): void {
    if (this.#settled()) return
    this.#refused = error
    this.#sent = false
    if (this.#phase === 'head') this.#phase = 'send'
    this.#source?.stop()
    if (this.#switched !== undefined) this.#switched.limitSilence()
    else if (!this.#paused) this.#connection?.setTimeout(this.#request.timeouts.read)
  }

  onBytes (buffer: Buffer, length: number): void {
    this.bytesReceived += length
    if (this.#phase === 'body') {
      this.#bodyBytes(buffer, 0, length)
      return
    }
    const offset = this.#parser.write(buffer, 0, length)
    if (offset === -1) {
      // A head that dribbles in does not get more time for it.
      if (this.#headDeadline > 0) {
        this.#connection?.setTimeout(Math.max(1, Math.ceil(this.#headDeadline - performance.now())))
      }
      return
    }
    const { head } = this.#parser
    if (offset < 0 || head === undefined) {
      this.#invalidHead()
      return
    }
    // Other statuses may well be an application's own; this one is what every HTTP server says to a netstring.
    // To an upgrade the libraries of applications answer it too.
    if (head.statusCode === 400 && this.#request.upgrade !== true && head.rawHeaders.length > 0 && looksLikeHttpServer(head)) {
      this.#fail('invalid_header', new errors.FST_SCGI_INVALID_HEADER(this.#address.name, explainHttp(head)))
      return
    }
    this.#phase = 'body'
    // Also where the reply is early, and the request still being sent.
    this.#connection?.setTimeout(this.#request.timeouts.read)
    if (head.statusCode !== 101) this.#body = new BodyDecoder(head, this.#request.method)
    else if (this.#connection !== undefined) {
      this.#switched = new SwitchedConnection(this.#connection, this.#request.timeouts, () => this.#handler.onDrain?.())
    }
    this.#handler.onHead(head)
    if (!this.#settled()) this.#bodyBytes(buffer, offset, length)
  }

  onEof (): void {
    if (this.#phase !== 'body') {
      if (this.#refused !== undefined) this.onSocketError(this.#refused)
      else this.#fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(this.#address.name, explainClose(this.bytesReceived, this.#request.head.length, this.#request.body?.length)))
      return
    }
    const missing = this.#body?.end()
    // A server that answers without reading all of the request resets the connection when it closes: that says nothing of the reply.
    if (missing === undefined && this.#sent && this.#connection?.wasReset === true) {
      this.#fail('error', new errors.FST_SCGI_READ(this.#address.name, 'ECONNRESET'))
    } else if (missing === undefined) this.#finish()
    else this.#fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.#address.name, missing))
  }

  onTimeout (): void {
    const { name } = this.#address
    const { connect, send, read } = this.#request.timeouts
    if (this.#phase === 'send' && this.#refused !== undefined) {
      this.onSocketError(this.#refused)
      return
    }
    switch (this.#phase) {
      case 'connect':
        this.#fail('timeout', new errors.FST_SCGI_CONNECT_TIMEOUT(name, connect))
        break
      case 'send':
        // Nothing to write is the client's slowness, which has its own time limit.
        if (this.#source === undefined || this.#source.pending) this.#fail('timeout', new errors.FST_SCGI_SEND_TIMEOUT(name, send))
        break
      case 'head': {
        const silent = this.bytesReceived === 0
        const error = new errors.FST_SCGI_READ_TIMEOUT(name, silent ? 'nothing' : 'only a part of the head of its reply', read)
        if (silent) error.message += explainSilence(this.bytesSent, this.reused)
        this.#fail('timeout', error)
        break
      }
      case 'body':
        if (this.#switched !== undefined) this.#silent(this.#switched)
        else if (!this.#paused) this.#fail('timeout', new errors.FST_SCGI_READ_TIMEOUT(name, 'no further piece of its reply body', read))
    }
  }

  onSocketError (error: NodeJS.ErrnoException): void {
    const { name } = this.#address
    const reason = error.code ?? error.message
    switch (this.#phase) {
      case 'connect':
        if (isLocalError(error)) this.#fail('local', new errors.FST_SCGI_LOCAL(name, `${error.syscall ?? 'socket'}() ${error.message}`), error)
        else this.#fail('error', new errors.FST_SCGI_CONNECT(name, explainConnect(error)), error)
        break
      case 'send':
        this.#fail('error',
          new errors.FST_SCGI_SEND(
            name,
            this.bytesReceived === 0 ? reason + explainClose(0, this.#request.head.length, this.#request.body?.length) : reason
          ), error)
        break
      case 'head':
        this.#fail('error', this.bytesReceived === 0
          ? new errors.FST_SCGI_PREMATURE_CLOSE(name, ` (${reason})${explainClose(0, this.#request.head.length, this.#request.body?.length)}`)
          : new errors.FST_SCGI_READ(name, reason), error)
        break
      case 'body':
        // As in onEof.
        if (!this.#sent && error.code === 'ECONNRESET' && this.#body?.end() === undefined) this.#finish()
        else this.#fail('error', new errors.FST_SCGI_READ(name, reason), error)
    }
  }

  pause (): void {
    if (this.#paused || this.#settled()) return
    this.#paused = true
    if (this.#switched !== undefined) this.#switched.pause()
    else this.#connection?.setTimeout(0)
    this.#connection?.socket.pause()
  }

  resume (): void {
    if (!this.#paused || this.#settled()) return
    this.#paused = false
    if (this.#switched !== undefined) this.#switched.resume()
    else this.#connection?.setTimeout(this.#request.timeouts.read)
    this.#connection?.socket.resume()
  }

  write (chunk: Buffer): boolean {
    return this.#switched?.write(chunk) ?? true
  }

  endWrite (): void {
    this.#switched?.end()
  }

  abort (): void {
    if (!this.#settled()) this.#settle()
  }

  #open (): Connection {
    return Connection.open(this.#address, this.#request, this, this.#request.timeouts.connect)
  }

  #silent (switched: SwitchedConnection): void {
    const error = switched.silence(this.#address.name)
    if (error !== undefined) this.#fail('timeout', error)
  }

  #settled (): boolean {
    return this.#phase === 'done'
  }

  #bodyBytes (buffer: Buffer, start: number, end: number): void {
    this.bodyReceived += end - start
    const body = this.#body
    if (body === undefined) {
      if (end > start) this.#handler.onData(Buffer.from(buffer.subarray(start, end)))
      return
    }
    let from = start
    while (!body.done && from < end) {
      from = body.write(buffer, from, end)
      if (body.error !== undefined) {
        this.#fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.#address.name, body.error))
        return
      }
      if (body.payloadEnd > body.payloadStart) {
        this.#handler.onData(this.#copy(buffer, body.payloadStart, body.payloadEnd))
        if (this.#settled()) return
      }
    }
    if (!body.done) return
    this.#surplus = from < end
    this.#finish()
  }

  /**
   * A copy that the receiver may keep. The pieces of a body of known and moderate length lie one after the other in one allocation, so
   * that who wants the whole need not copy them once more.
   */
  #copy (buffer: Buffer, start: number, end: number): Buffer {
    const length = end - start
    const { contentLength = -1 } = this.#parser.head ?? {}
    if (this.#taken === 0 && contentLength > length && contentLength <= ONE_ALLOCATION) this.#whole = Buffer.allocUnsafeSlow(contentLength)
    const whole = this.#whole
    if (whole === undefined || this.#taken + length > whole.length) {
      const piece = Buffer.allocUnsafe(length)
      buffer.copy(piece, 0, start, end)
      return piece
    }
    buffer.copy(whole, this.#taken, start, end)
    const from = this.#taken
    this.#taken += length
    return whole.subarray(from, this.#taken)
  }

  #invalidHead (): void {
    const { error } = this.#parser
    this.#fail('invalid_header', error?.kind === 'too_big'
      ? new errors.FST_SCGI_HEADER_TOO_BIG(this.#address.name, this.#request.bufferSize)
      : new errors.FST_SCGI_INVALID_HEADER(this.#address.name, error?.message ?? 'unreadable'))
  }

  #sourceFailed (cause: Error): void {
    // The reply may still come, and be a good one: a server may answer without reading all of the request.
    if (this.#phase !== 'send') return
    // The body's stream is the client's, or its connection.
    this.context.runInAsyncScope(this.#fail, this, 'local', new errors.FST_SCGI_SEND(this.#address.name, cause.message), cause)
  }

  #finish (): void {
    this.#settle(this.#isReusable())
    this.#handler.onEnd()
  }

  #fail (kind: FailureKind, error: Error & { code: string, statusCode?: number }, cause?: unknown): void {
    if (this.#phase === 'done') return
    const phase = this.#phase
    this.#settle()
    this.#handler.onError(upstreamError(error, this.#address.name, kind, phase, cause))
  }

  /** The server has agreed to keep the connection, and both sides know where this reply ends. */
  #isReusable (): boolean {
    const { head } = this.#parser
    if (head === undefined || !this.#sent || this.#surplus || this.#pool?.keepalive !== true) return false
    const { statusCode, contentLength, headers } = head
    return contentLength >= 0 && this.#request.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304 &&
      headers['scgi-keepalive'] === '1'
  }

  #settle (keep = false): void {
    const connected = this.#phase !== 'connect'
    this.#phase = 'done'
    this.#source?.stop()
    const connection = this.#connection
    if (connection === undefined) return
    this.#switched?.release()
    this.#switched = undefined
    this.#writtenInAll = connected ? connection.socket.bytesWritten : this.#writtenBefore
    this.#connection = undefined
    if (keep && this.#pool !== undefined) {
      // The read that ended the reply may have been one too many for the receiver.
      if (this.#paused) connection.socket.resume()
      this.#pool.put(connection, this.#request)
    } else {
      connection.destroy()
    }
  }
}
