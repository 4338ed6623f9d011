import * as errors from '../../errors.ts'
import { upstreamError } from '../../errors.ts'
import { currentContext, outside } from '../../runtime/context.ts'
import { isLocalError } from '../explain.ts'
import { SwitchedConnection } from '../switched.ts'
import { HttpConnection, type HttpConnectionOwner } from './connection.ts'
import { explainHttpClose, explainHttpConnect, explainHttpHead } from './explain.ts'
import { readHttpHead } from './head.ts'
import { HttpRequestBody } from './body.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Client } from 'undici'
import type { HttpPool } from './pool.ts'
import type { TlsSettings } from '../protocol.ts'
import type {
  ExchangeControl, ExchangeHandler, ExchangePhase, ExchangeRequest, FailureKind, ResponseHead, ServerAddress,
} from '../../../types/exchange.ts'

/** What all exchanges with one server share. */
export interface HttpServer {
  readonly address: ServerAddress
  readonly tls: TlsSettings | undefined
  readonly pool: HttpPool | undefined
  /** undici, once it is loaded, and the way to wait for it. */
  readonly undici: { readonly Client: typeof Client | undefined, load (): Promise<typeof Client> }
}

/** As in an SCGI exchange: informational heads without end would be read for ever. */
const MAX_INFORMATIONAL = 1000

/** What undici calls the end of a connection. */
const EOF_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'UND_ERR_INFO', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED'])
/** What it finds wrong with the server's bytes. Errors of its parser have a name, and not always a code. */
const PROTOCOL_CODE = /^HPE_|^UND_ERR_(?:HEADERS_OVERFLOW|RES_CONTENT_LENGTH_MISMATCH)$/
/** What it finds wrong with the request. */
const REQUEST_CODE = /^UND_ERR_(?:INVALID_ARG|NOT_SUPPORTED|REQ_CONTENT_LENGTH_MISMATCH)/

/**
 * One request to one HTTP server and its reply. To its handler it is what the exchange with an SCGI server is: the same calls in the same
 * order, the same time limits, the same errors. It settles once.
 */
export class HttpExchange implements ExchangeControl, HttpConnectionOwner {
  readonly #server: HttpServer
  readonly #request: ExchangeRequest
  readonly #handler: ExchangeHandler
  #connection: HttpConnection | undefined
  #phase: ExchangePhase | 'done' = 'connect'
  /** The whole request had left for the kernel before the reply was complete. */
  #sent = false
  #paused = false
  #head: ResponseHead | undefined
  #body: HttpRequestBody | undefined
  #informational = 0
  /** A 101 has come: what follows is no reply. */
  #switched: SwitchedConnection | undefined
  /** When the head must be complete, in milliseconds of `performance.now()`. */
  #headDeadline = 0
  #readBefore = 0
  #writtenBefore = 0
  #readInAll = 0
  #writtenInAll = 0
  readonly context: AsyncResource
  reused = false
  bodyReceived = 0

  constructor (server: HttpServer, request: ExchangeRequest, handler: ExchangeHandler) {
    this.#server = server
    this.#request = request
    this.#handler = handler
    this.context = request.context ?? currentContext()
  }

  get bytesSent (): number {
    if (this.#phase === 'connect') return 0
    return (this.#phase === 'done' ? this.#writtenInAll : this.#connection?.socket.bytesWritten ?? 0) - this.#writtenBefore
  }

  get bytesReceived (): number {
    return (this.#phase === 'done' ? this.#readInAll : this.#connection?.socket.bytesRead ?? 0) - this.#readBefore
  }

  start (fresh = false): void {
    const idle = fresh ? undefined : this.#server.pool?.take(this.#request)
    if (idle !== undefined) {
      this.reused = true
      this.#connection = idle
      idle.owner = this
      this.#readBefore = idle.socket.bytesRead
      this.#writtenBefore = idle.socket.bytesWritten
      idle.setSocketKeepalive(this.#request.socketKeepalive)
      // The exchange before this one may be in the midst of a callback of undici's.
      queueMicrotask(() => { if (!this.#settled()) this.onConnected() })
      return
    }
    const { undici } = this.#server
    if (undici.Client !== undefined) this.#open(undici.Client)
    else undici.load().then(loaded => { if (!this.#settled()) this.#open(loaded) }, (error: unknown) => this.#localFailure(error))
  }

  onConnected (): void {
    const { http, body, method } = this.#request
    const connection = this.#connection
    if (connection === undefined) return
    if (http === undefined) {
      this.#localFailure(new TypeError('there is no HTTP head for it'))
      return
    }
    // Now as if the request went by itself: its own time limit begins when it is written.
    connection.setTimeout(0)
    const host = http.host === '' ? this.#hostOfAddress() : http.host
    const headers = ['host', host, ...http.headers]
    let content: Buffer | HttpRequestBody | null = null
    if (body !== null && body.length > 0) {
      const opened = body.replayable ? body.open() : undefined
      if (Buffer.isBuffer(opened)) {
        content = opened
      } else {
        headers.push('content-length', String(body.length))
        content = this.#body = new HttpRequestBody(() => opened ?? body.open(), body.length, error => this.#sourceFailed(error))
        content.once('end', () => this.#flush())
      }
    }
    // RFC 9112 section 3.2.4: the asterisk-form of a proxy's request is a target in absolute-form without a path.
    const path = http.path === '*' ? `http://${host}` : http.path
    connection.dispatch({
      method,
      path,
      headers,
      body: content,
      ...(this.#server.pool === undefined ? { reset: true } : undefined),
      ...(http.upgrade === undefined ? undefined : { upgrade: http.upgrade }),
    })
  }

  onRequestStart (): void {
    if (this.#phase !== 'connect') return
    this.#phase = 'send'
    this.#handler.onConnect()
    if (this.#settled()) return
    this.#connection?.setTimeout(this.#request.timeouts.send)
    // undici writes what it has at once when this returns.
    if (this.#body === undefined) queueMicrotask(() => this.#flush())
  }

  onBytes (): void {
    // A head that dribbles in does not get more time for it.
    if (this.#phase === 'head' && this.#headDeadline > 0) {
      this.#connection?.setTimeout(Math.max(1, Math.ceil(this.#headDeadline - performance.now())))
    }
  }

  onRefused (): void {
    if (this.#settled()) return
    this.#sent = false
    if (this.#phase === 'head') this.#phase = 'send'
    if (this.#switched !== undefined) this.#switched.limitSilence()
    else if (!this.#paused) this.#connection?.setTimeout(this.#request.timeouts.read)
  }

  onResponseStart (statusCode: number, rawHeaders: readonly Buffer[], statusMessage: string): void {
    if (this.#settled()) return
    if (statusCode === 101 && this.#request.http?.upgrade !== undefined) {
      this.#invalidHead('a 101 without the headers Upgrade and Connection: upgrade')
      return
    }
    if (statusCode >= 100 && statusCode < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) this.#invalidHead(`more than ${MAX_INFORMATIONAL} informational (1xx) heads`)
      // One that is malformed is nobody's, and says nothing of the reply that follows.
      else readHttpHead(statusCode, statusMessage, rawHeaders, this.#request.bufferSize, false, this.#handler)
      return
    }
    const head = this.#readHead(statusCode, statusMessage, rawHeaders)
    if (head === undefined) return
    this.#head = head
    this.#phase = 'body'
    // Also where the reply is early, and the request still being sent.
    this.#connection?.setTimeout(this.#paused ? 0 : this.#request.timeouts.read)
    this.#handler.onHead(head)
    if (this.#settled()) return
    if (this.#paused) this.#connection?.pause()
    // Of a body that there is not the length is told all the same (RFC 9110 section 8.6); undici would miss the bytes.
    if ((statusCode === 204 || statusCode === 304) && head.contentLength > 0 && this.#request.method !== 'HEAD') {
      this.#settle()
      this.#handler.onEnd()
    }
  }

  onSwitched (rawHeaders: readonly Buffer[]): void {
    const connection = this.#connection
    if (connection === undefined || this.#settled()) return
    const head = this.#readHead(101, '', rawHeaders)
    if (head === undefined) return
    this.#head = head
    this.#phase = 'body'
    this.#switched = new SwitchedConnection(connection, this.#request.timeouts, () => this.#handler.onDrain?.())
    this.#handler.onHead(head)
    if (!this.#settled()) connection.startTunnel()
  }

  onResponseData (chunk: Buffer): void {
    if (this.#settled()) return
    this.bodyReceived += chunk.length
    this.#handler.onData(chunk)
  }

  onResponseEnd (): void {
    if (this.#settled()) return
    this.#settle(this.#sent)
    this.#handler.onEnd()
  }

  onEof (): void {
    if (this.#phase !== 'body') return
    // A server that answers without reading all of the request resets the connection when it closes: that says nothing of the reply.
    const reset = this.#sent && this.#connection?.wasReset === true
    if (this.#switched !== undefined && !reset) {
      this.#settle()
      this.#handler.onEnd()
    } else if (reset && (this.#switched !== undefined || this.#endless)) {
      // undici takes it for the end of a body that has no other.
      this.#fail('error', new errors.FST_SCGI_READ(this.#name, 'ECONNRESET'))
    }
  }

  onTimeout (): void {
    const { connect, send, read } = this.#request.timeouts
    switch (this.#phase) {
      case 'connect':
        this.#fail('timeout', new errors.FST_SCGI_CONNECT_TIMEOUT(this.#name, connect))
        break
      case 'send':
        // Nothing to write is the client's slowness, which has its own time limit.
        if (this.#body === undefined || this.#body.readableLength > 0 || (this.#connection?.socket.writableLength ?? 0) > 0) {
          this.#fail('timeout', new errors.FST_SCGI_SEND_TIMEOUT(this.#name, send))
        }
        break
      case 'head': {
        const got = this.bytesReceived === 0 ? 'nothing' : 'only a part of the head of its reply'
        this.#fail('timeout', new errors.FST_SCGI_READ_TIMEOUT(this.#name, got, read))
        break
      }
      case 'body':
        if (this.#switched !== undefined) this.#silent(this.#switched)
        else if (!this.#paused) this.#fail('timeout', new errors.FST_SCGI_READ_TIMEOUT(this.#name, 'no further piece of its reply body', read))
    }
  }

  onLost (error: NodeJS.ErrnoException | undefined): void {
    const code = error?.code ?? ''
    if (error !== undefined && REQUEST_CODE.test(code)) this.#localFailure(error)
    else if (error !== undefined && (PROTOCOL_CODE.test(code) || error.name === 'HTTPParserError')) this.#brokenReply(error)
    else this.#disconnected(EOF_CODES.has(code) ? undefined : error)
  }

  pause (): void {
    if (this.#paused || this.#settled()) return
    this.#paused = true
    if (this.#phase !== 'body') return
    if (this.#switched !== undefined) this.#switched.pause()
    else this.#connection?.setTimeout(0)
    this.#connection?.pause()
  }

  resume (): void {
    if (!this.#paused || this.#settled()) return
    this.#paused = false
    if (this.#phase !== 'body') return
    if (this.#switched !== undefined) this.#switched.resume()
    else this.#connection?.setTimeout(this.#request.timeouts.read)
    this.#connection?.resume()
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

  get #name (): string {
    return this.#server.address.name
  }

  #hostOfAddress (): string {
    const { hostname, port, name } = this.#server.address
    return hostname === undefined ? name : `${hostname}:${port}`
  }

  #settled (): boolean {
    return this.#phase === 'done'
  }

  #open (loaded: typeof Client): void {
    const { address, tls } = this.#server
    try {
      const open = (): HttpConnection => new HttpConnection(loaded, address, tls, this.#request, this, this.#request.timeouts.connect)
      // One that may be kept must not keep the context of the request which has opened it.
      this.#connection = this.#server.pool === undefined ? open() : outside(open)
    } catch (error) {
      // Node.js refuses some arguments, a port that is no number say, by throwing.
      this.#localFailure(error)
    }
  }

  /** All that undici has to write it has written. */
  #flush (): void {
    if (this.#phase === 'send' || this.#phase === 'body') this.#connection?.flushed(() => this.#written())
  }

  #written (): void {
    this.#sent = !this.#settled()
    if (this.#phase !== 'send') return
    this.#phase = 'head'
    const { read } = this.#request.timeouts
    this.#connection?.setTimeout(read)
    if (read > 0) this.#headDeadline = performance.now() + read
  }

  #sourceFailed (cause: Error): void {
    // The reply may still come, and be a good one: a server may answer without reading all of the request.
    if (this.#phase !== 'send') return
    // The body's stream is the client's, or its connection.
    this.context.runInAsyncScope(this.#fail, this, 'local', new errors.FST_SCGI_SEND(this.#name, cause.message), cause)
  }

  /** `undefined` where it is none, of which the handler has been told. */
  #readHead (statusCode: number, statusMessage: string, rawHeaders: readonly Buffer[]): ResponseHead | undefined {
    const head = readHttpHead(statusCode, statusMessage, rawHeaders, this.#request.bufferSize, statusCode === 101)
    if (!('kind' in head)) return head
    if (head.kind === 'too_big') this.#headTooBig()
    else this.#invalidHead(head.message)
    return undefined
  }

  #silent (switched: SwitchedConnection): void {
    const error = switched.silence(this.#name)
    if (error !== undefined) this.#fail('timeout', error)
  }

  /** The server's bytes are no HTTP. */
  #brokenReply (error: NodeJS.ErrnoException): void {
    if (this.#phase === 'body') this.#fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.#name, this.#missing() ?? explainHttpHead(error)), error)
    else if (error.code === 'UND_ERR_HEADERS_OVERFLOW') this.#headTooBig()
    else this.#invalidHead(explainHttpHead(error), error)
  }

  #disconnected (error: NodeJS.ErrnoException | undefined): void {
    const name = this.#name
    const reason = error === undefined ? undefined : error.code ?? error.message
    const received = this.bytesReceived
    switch (this.#phase) {
      case 'connect':
        if (this.reused) this.#fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(0, reason)), error)
        else if (error !== undefined && isLocalError(error)) this.#fail('local', new errors.FST_SCGI_LOCAL(name, `${error.syscall ?? 'socket'}() ${error.message}`), error)
        else this.#fail('error', new errors.FST_SCGI_CONNECT(name, error === undefined ? 'it closed the connection' : explainHttpConnect(error)), error)
        break
      case 'send':
        if (reason !== undefined) this.#fail('error', new errors.FST_SCGI_SEND(name, received === 0 ? reason + explainHttpClose(0, undefined) : reason), error)
        else this.#fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(received, reason)), error)
        break
      case 'head':
        if (reason === undefined || received === 0) this.#fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(received, reason)), error)
        else this.#fail('error', new errors.FST_SCGI_READ(name, reason), error)
        break
      case 'body':
        // As in onEof.
        if (this.#endless && !this.#sent && (reason === 'ECONNRESET' || reason === 'EPIPE')) {
          this.#settle()
          this.#handler.onEnd()
        } else if (reason === undefined) this.#fail('error', new errors.FST_SCGI_BODY_TRUNCATED(name, this.#missing() ?? 'EOF inside it'), error)
        else this.#fail('error', new errors.FST_SCGI_READ(name, reason), error)
    }
  }

  /** The reply's body ends with the connection. */
  get #endless (): boolean {
    return this.#head?.contentLength === -1 && !this.#head.chunked
  }

  /** What the body lacks to the length that was announced. */
  #missing (): string | undefined {
    const { contentLength = -1, chunked = false } = this.#head ?? {}
    if (contentLength > this.bodyReceived) return `got ${this.bodyReceived} of ${contentLength} bytes`
    return chunked && this.#connection?.lost === true ? 'EOF before the last chunk' : undefined
  }

  #invalidHead (message: string, cause?: unknown): void {
    this.#fail('invalid_header', new errors.FST_SCGI_INVALID_HEADER(this.#name, message), cause)
  }

  #headTooBig (): void {
    this.#fail('invalid_header', new errors.FST_SCGI_HEADER_TOO_BIG(this.#name, this.#request.bufferSize))
  }

  #localFailure (cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#fail('local', new errors.FST_SCGI_LOCAL(this.#name, reason), cause)
  }

  #fail (kind: FailureKind, error: Error & { code: string, statusCode?: number }, cause?: unknown): void {
    if (this.#phase === 'done') return
    const phase = this.#phase
    this.#settle()
    this.#handler.onError(upstreamError(error, this.#name, kind, phase, cause))
  }

  #settle (keep = false): void {
    const connected = this.#phase !== 'connect'
    const connection = this.#connection
    this.#readInAll = connection?.socket.bytesRead ?? 0
    this.#writtenInAll = connected ? connection?.socket.bytesWritten ?? 0 : this.#writtenBefore
    this.#phase = 'done'
    this.#body?.destroy()
    this.#switched?.release()
    this.#switched = undefined
    if (connection === undefined) return
    this.#connection = undefined
    if (keep && this.#server.pool !== undefined) {
      connection.setTimeout(0)
      // The piece that ended the reply may have been one too many for the receiver.
      connection.resume()
      this.#server.pool.put(connection, this.#request)
    } else {
      connection.destroy()
    }
  }
}
