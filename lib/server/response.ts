import { ServerResponse } from 'node:http'
import type { OutgoingHttpHeader, OutgoingHttpHeaders } from 'node:http'
import type { ScgiIncomingMessage } from './request.ts'

// The one thing of Node.js used here that is not documented: every head goes through `_storeHeader`, which validates it and
// leaves its text in `_header`. It has been so since Node.js 0.4; the tests tell if it ever changes.
const STORE_HEADER = '_storeHeader'
const storeHeader: unknown = Reflect.get(ServerResponse.prototype, STORE_HEADER)

// Headers that speak of a connection the application does not have, and those by which the gateway is spoken to.
const FOREIGN = /\r\n(?:connection|keep-alive|proxy-connection|transfer-encoding|trailer|upgrade|status|scgi-keepalive):/i
const FOREIGN_LINES = /\r\n(?:connection|keep-alive|proxy-connection|transfer-encoding|trailer|upgrade|status|scgi-keepalive):[^\r\n]*/gi
const CONTENT_LENGTH = /\r\ncontent-length: *(\d{1,15})\r\n/i
const CONTENT_LENGTHS = /\r\ncontent-length:.*\r\ncontent-length:/is

const HTTP_VERSION = 'HTTP/1.1 '

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]
type WriteCallback = (error: Error | null | undefined) => void

function nothing (): void {}

/**
 * A reply: an `http.ServerResponse` whose head is in the form of CGI (RFC 3875 section 6), without chunked coding and
 * without headers about the connection. A reply without Content-Length ends with the connection.
 */
export class ScgiServerResponse extends ServerResponse<ScgiIncomingMessage> {
  // Written by Node.js; declared, because its types leave internals out.
  declare _header: string | null
  declare _closed: boolean
  readonly #nph: boolean

  constructor (request: ScgiIncomingMessage, nph: boolean) {
    super(request)
    this.#nph = nph
    this.sendDate = false
    // Adds Content-Length where end() has the whole body; the Transfer-Encoding that Node.js adds elsewhere is cut again.
    this.useChunkedEncodingByDefault = true
    // No Connection header of Node.js' own.
    this.removeHeader('connection')
    // A write after end() is an error of the application. It is emitted for those who listen, but must not end the process.
    this.on('error', nothing)
  }

  /** SCGI has no interim replies: does nothing but call back. */
  override writeContinue (callback?: () => void): void {
    if (callback !== undefined) process.nextTick(callback)
  }

  /** SCGI has no interim replies: does nothing. */
  override writeProcessing (): void {}

  /** SCGI has no interim replies: does nothing but call back. */
  override writeEarlyHints (_hints: Record<string, string | string[]>, callback?: () => void): void {
    if (callback !== undefined) process.nextTick(callback)
  }

  /**
   * As `http.ServerResponse.writeHead`.
   * @throws RangeError for a status below 200: a gateway would wait for another head
   */
  override writeHead (statusCode: number, reason?: string | Headers, headers?: Headers): this {
    if (statusCode >= 100 && statusCode < 200) throw new RangeError(`SCGI has no interim replies: ${statusCode} cannot be sent`)
    return typeof reason === 'string' ? super.writeHead(statusCode, reason, headers) : super.writeHead(statusCode, reason ?? headers)
  }

  /** Called by Node.js with the status line and the headers, in whatever form, once a reply. */
  _storeHeader (firstLine: string, headers: unknown): void {
    if (typeof storeHeader !== 'function') throw new Error(`This version of Node.js has no ServerResponse.${STORE_HEADER}`)
    const statusLine = this.#nph ? firstLine : `Status: ${firstLine.slice(HTTP_VERSION.length)}`
    Reflect.apply(storeHeader, this, [statusLine, headers])
    if (this._header === null) return
    if (FOREIGN.test(this._header)) this._header = this._header.replace(FOREIGN_LINES, '')
    this.chunkedEncoding = false
    this._header = this.completeHead(this._header)
  }

  /** The last word on the text of the head, which ends with an empty line. */
  completeHead (head: string): string {
    return head
  }

  /** Whether the connection may serve another request, now that this reply has been written. */
  get keepsConnection (): boolean {
    return false
  }

  /** Tells everyone that this reply is through with, where the connection stays open and will not say so itself. */
  release (): void {
    this.destroyed = true
    if (this._closed) return
    this._closed = true
    this.emit('close')
  }
}

// Node.js keeps a note of its own, which only its own server can reset. (A property in its types, hence not in the class.)
Object.defineProperty(ScgiServerResponse.prototype, 'writableNeedDrain', {
  configurable: true,
  get (this: ScgiServerResponse): boolean {
    return !this.destroyed && !this.finished && this.socket !== null && this.socket.writableNeedDrain
  },
})

/**
 * A reply on a connection that the gateway would like to keep. It says yes (SCGI-Keepalive) where the gateway can tell from the
 * head where the body ends, and then holds the application to that length: what goes beyond is cut, as it would corrupt the
 * next reply, and after a body of another length the connection is not kept.
 */
export class KeepaliveServerResponse extends ScgiServerResponse {
  readonly #mayKeep: () => boolean
  // Length of the body given to end() before there was a head.
  #whole = -1
  // Bytes of the body that the head has promised and that are still to come; -1 if nothing was promised.
  #left = -1
  #surplus = false

  /** `mayKeep` is asked when the head is written. */
  constructor (request: ScgiIncomingMessage, nph: boolean, mayKeep: () => boolean) {
    super(request, nph)
    this.#mayKeep = mayKeep
  }

  override get keepsConnection (): boolean {
    return this.#left === 0 && !this.#surplus
  }

  override completeHead (head: string): string {
    if (this.req.method === 'HEAD' || this.statusCode === 204 || this.statusCode === 304) return head
    const length = Number(CONTENT_LENGTH.exec(head)?.[1] ?? -1)
    if (length < 0 || CONTENT_LENGTHS.test(head)) return head
    if (this.#whole >= 0 && this.#whole !== length) return head
    if (!this.#mayKeep()) return head
    this.#left = length
    return `${head.slice(0, -2)}SCGI-Keepalive: 1\r\n\r\n`
  }

  override write (chunk: unknown, encoding?: BufferEncoding | WriteCallback, callback?: WriteCallback): boolean {
    // The head must be made here: Node.js would make it with the first piece under way.
    if (!this.headersSent && !this.writableEnded && !this.destroyed && isPiece(chunk)) this.writeHead(this.statusCode)
    if (typeof encoding === 'function') return super.write(this.#cut(chunk, undefined), encoding)
    if (encoding === undefined || encoding === null) return super.write(this.#cut(chunk, undefined), callback)
    return super.write(this.#cut(chunk, encoding), encoding, callback)
  }

  override end (chunk?: unknown, encoding?: BufferEncoding | (() => void), callback?: () => void): this {
    if (typeof chunk === 'function') return super.end(chunk)
    const done = typeof encoding === 'function' ? encoding : callback
    const name = typeof encoding === 'string' ? encoding : undefined
    if (chunk === undefined || chunk === null) return super.end(done)
    if (this.writableEnded) return super.end(chunk, name ?? 'utf8', done)
    if (this.headersSent) return super.end(this.#cut(chunk, name), name ?? 'utf8', done)
    if (isPiece(chunk)) this.#whole = byteLength(chunk, name)
    super.end(chunk, name ?? 'utf8', done)
    if (this.#left > 0) this.#left = 0
    return this
  }

  #cut (chunk: unknown, encoding: BufferEncoding | undefined): unknown {
    if (this.#left < 0 || this.writableEnded || !isPiece(chunk)) return chunk
    const length = byteLength(chunk, encoding)
    if (length <= this.#left) {
      this.#left -= length
      return chunk
    }
    this.#surplus = true
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
    const piece = bytes.subarray(0, this.#left)
    this.#left = 0
    return piece
  }
}

function isPiece (chunk: unknown): chunk is string | Uint8Array {
  return typeof chunk === 'string' || chunk instanceof Uint8Array
}

function byteLength (chunk: string | Uint8Array, encoding: BufferEncoding | undefined): number {
  return typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength
}
