import * as errors from '../../errors.ts'
import { BODY, CONNECT, HEAD, SEND } from '../phase.ts'
import { ServerExchange } from '../exchange.ts'
import { HttpConnection, type HttpConnectionOwner } from './connection.ts'
import { explainHttpClose, explainHttpConnect, explainHttpHead } from './explain.ts'
import { readHttpHead } from './head.ts'
import { hostOf } from './host.ts'
import { HttpRequestBody } from './body.ts'
import type { Client } from 'undici'
import type { HttpPool } from './pool.ts'
import type { TlsSettings } from '../protocol.ts'
import type { ExchangeHandler, ExchangeRequest, ResponseHead, ServerAddress } from '../../../types/exchange.ts'

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
 * order, the same time limits, the same errors.
 */
export class HttpExchange extends ServerExchange<HttpConnection> implements HttpConnectionOwner {
  readonly #server: HttpServer
  #head: ResponseHead | undefined
  #body: HttpRequestBody | undefined
  #informational = 0
  #readBefore = 0
  #readInAll = 0

  constructor (server: HttpServer, request: ExchangeRequest, handler: ExchangeHandler) {
    super(server.address, request, handler, server.pool)
    this.#server = server
  }

  get bytesReceived (): number {
    return (this.settled ? this.#readInAll : this.connection?.socket.bytesRead ?? 0) - this.#readBefore
  }

  protected override connect (): void {
    const { undici } = this.#server
    if (undici.Client !== undefined) super.connect()
    else undici.load().then(() => { if (!this.settled) super.connect() }, (error: unknown) => this.localFailure(error))
  }

  protected override open (): HttpConnection {
    const { address, tls, undici } = this.#server
    if (undici.Client === undefined) throw new Error('undici is not loaded')
    return new HttpConnection(undici.Client, address, tls, this.request, this, this.request.timeouts.connect)
  }

  protected override adopt (idle: HttpConnection): void {
    idle.owner = this
    this.#readBefore = idle.socket.bytesRead
    // The exchange before this one may be in the midst of a callback of undici's.
    queueMicrotask(() => { if (!this.settled) this.onConnected() })
  }

  protected override get isSending (): boolean {
    return this.#body === undefined || this.#body.readableLength > 0 || (this.connection?.socket.writableLength ?? 0) > 0
  }

  protected override stopSending (): void {
    this.#body?.destroy()
  }

  onConnected (): void {
    const { http, body, method } = this.request
    const connection = this.connection
    if (connection === undefined) return
    if (http === undefined) {
      this.localFailure(new TypeError('there is no HTTP head for it'))
      return
    }
    // Now as if the request went by itself: its own time limit begins when it is written.
    connection.setTimeout(0)
    const host = http.host === '' ? hostOf(this.address) : http.host
    const headers = ['host', host, ...http.headers]
    let content: Buffer | HttpRequestBody | null = null
    if (body !== null && body.length > 0) {
      const opened = body.replayable ? body.open() : undefined
      if (Buffer.isBuffer(opened)) {
        content = opened
      } else {
        headers.push('content-length', String(body.length))
        content = this.#body = new HttpRequestBody(() => opened ?? body.open(), body.length, error => this.sourceFailed(error))
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
      ...(this.pool === undefined ? { reset: true } : undefined),
      ...(http.upgrade === undefined ? undefined : { upgrade: http.upgrade }),
    })
  }

  onRequestStart (): void {
    if (this.phase !== CONNECT || !this.beginRequest()) return
    // undici writes what it has at once when this returns.
    if (this.#body === undefined) queueMicrotask(() => this.#flush())
  }

  onBytes (): void {
    if (this.phase === HEAD) this.headGoesOn()
  }

  onResponseStart (statusCode: number, rawHeaders: readonly Buffer[], statusMessage: string): void {
    if (this.settled) return
    if (statusCode === 101 && this.request.http?.upgrade !== undefined) {
      this.invalidHead('a 101 without the headers Upgrade and Connection: upgrade')
      return
    }
    if (statusCode >= 100 && statusCode < 200) {
      if (++this.#informational > MAX_INFORMATIONAL) this.invalidHead(`more than ${MAX_INFORMATIONAL} informational (1xx) heads`)
      // One that is malformed is nobody's, and says nothing of the reply that follows.
      else readHttpHead(statusCode, statusMessage, rawHeaders, this.request.bufferSize, false, this.handler)
      return
    }
    const head = this.#readHead(statusCode, statusMessage, rawHeaders)
    if (head === undefined) return
    this.#head = head
    if (!this.beginBody(head)) return
    // Of a body that there is not the length is told all the same (RFC 9110 section 8.6); undici would miss the bytes.
    if ((statusCode === 204 || statusCode === 304) && head.contentLength > 0 && this.request.method !== 'HEAD') {
      this.finish(false)
    }
  }

  onSwitched (rawHeaders: readonly Buffer[]): void {
    if (this.settled) return
    const head = this.#readHead(101, '', rawHeaders)
    if (head === undefined) return
    this.#head = head
    if (this.beginBody(head)) this.connection?.startTunnel()
  }

  onResponseData (chunk: Buffer): void {
    if (this.settled) return
    this.bodyReceived += chunk.length
    this.handler.onData(chunk)
  }

  onResponseEnd (): void {
    if (!this.settled) this.finish(this.sent)
  }

  onEof (): void {
    if (this.phase !== BODY) return
    // A server that answers without reading all of the request resets the connection when it closes: that says nothing of the reply.
    const reset = this.sent && this.connection?.wasReset === true
    if (this.switched !== undefined && !reset) {
      this.finish(false)
    } else if (reset && (this.switched !== undefined || this.#endless)) {
      // undici takes it for the end of a body that has no other.
      this.fail('error', new errors.FST_SCGI_READ(this.address.name, 'ECONNRESET'))
    }
  }

  onLost (error: NodeJS.ErrnoException | undefined): void {
    const code = error?.code ?? ''
    if (error !== undefined && REQUEST_CODE.test(code)) this.localFailure(error)
    else if (error !== undefined && (PROTOCOL_CODE.test(code) || error.name === 'HTTPParserError')) this.#brokenReply(error)
    else this.#disconnected(EOF_CODES.has(code) ? undefined : error)
  }

  /** All that undici has to write it has written. */
  #flush (): void {
    if (this.phase === SEND || this.phase === BODY) this.connection?.flushed(() => this.#written())
  }

  #written (): void {
    this.sent = !this.settled
    if (this.phase === SEND) this.requestWritten()
  }

  /** `undefined` if it is none, of which the handler has been told. */
  #readHead (statusCode: number, statusMessage: string, rawHeaders: readonly Buffer[]): ResponseHead | undefined {
    const head = readHttpHead(statusCode, statusMessage, rawHeaders, this.request.bufferSize, statusCode === 101)
    if (!('kind' in head)) return head
    if (head.kind === 'too_big') this.headTooBig()
    else this.invalidHead(head.message)
    return undefined
  }

  /** The server's bytes are no HTTP. */
  #brokenReply (error: NodeJS.ErrnoException): void {
    if (this.phase === BODY) this.fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.address.name, this.#missing() ?? explainHttpHead(error)), error)
    else if (error.code === 'UND_ERR_HEADERS_OVERFLOW') this.headTooBig()
    else this.invalidHead(explainHttpHead(error), error)
  }

  #disconnected (error: NodeJS.ErrnoException | undefined): void {
    const name = this.address.name
    const reason = error === undefined ? undefined : error.code ?? error.message
    const received = this.bytesReceived
    switch (this.phase) {
      case CONNECT:
        if (this.reused) this.fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(0, reason)), error)
        else if (error === undefined) this.fail('error', new errors.FST_SCGI_CONNECT(name, 'it closed the connection'))
        else this.connectFailed(error, explainHttpConnect(error))
        break
      case SEND:
        if (reason !== undefined) this.fail('error', new errors.FST_SCGI_SEND(name, received === 0 ? reason + explainHttpClose(0, undefined) : reason), error)
        else this.fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(received, reason)), error)
        break
      case HEAD:
        if (reason === undefined || received === 0) this.fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(name, explainHttpClose(received, reason)), error)
        else this.fail('error', new errors.FST_SCGI_READ(name, reason), error)
        break
      case BODY:
        // As in onEof.
        if (this.#endless && !this.sent && (reason === 'ECONNRESET' || reason === 'EPIPE')) {
          this.finish(false)
        } else if (reason === undefined) this.fail('error', new errors.FST_SCGI_BODY_TRUNCATED(name, this.#missing() ?? 'EOF inside it'), error)
        else this.fail('error', new errors.FST_SCGI_READ(name, reason), error)
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
    return chunked && this.connection?.lost === true ? 'EOF before the last chunk' : undefined
  }

  protected override settle (keep = false): void {
    if (!this.settled) this.#readInAll = this.connection?.socket.bytesRead ?? 0
    super.settle(keep)
  }
}
