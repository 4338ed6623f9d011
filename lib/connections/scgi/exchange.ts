import { Buffer } from 'node:buffer'
import { BodyDecoder } from '../../scgi/body.ts'
import { BodySender } from './body-sender.ts'
import { BODY, CONNECT, HEAD, SEND } from '../phase.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import { copyBytes } from '../../bytes/copy.ts'
import { explainClose, explainConnect, explainHttp, explainSilence } from '../explain.ts'
import { HeadParser, looksLikeHttpServer } from '../../scgi/head.ts'
import { ServerExchange } from '../exchange.ts'
import { takeRoom } from '../../bytes/rooms.ts'
import * as errors from '../../errors.ts'
import type { Readable } from 'node:stream'

/** A body of up to so many bytes gets its room at once. */
const ONE_ALLOCATION = 131_072

/** Up to so many bytes head and body of a request are copied together: that costs less than to write two pieces as one. */
const JOINED = 16_384

/** One request to one SCGI server and its reply. */
export class Exchange extends ServerExchange<Connection> implements ConnectionOwner {
  /** From the first byte of the reply on. */
  #parser: HeadParser | undefined
  #body: BodyDecoder | undefined
  #surplus = false
  /** Why the server takes no more of the request. */
  #refused: NodeJS.ErrnoException | undefined
  #sender: BodySender | undefined
  /** Room for a whole body, and how much of it is taken. */
  #whole: Buffer | undefined
  #taken = 0
  /** What is read into, and not shared with others: pieces of it are given away. */
  #own: Buffer | undefined
  bytesReceived = 0

  protected override open (): Connection {
    return Connection.open(this.address, this.request, this, this.request.timeouts.connect)
  }

  protected override adopt (idle: Connection): void {
    idle.owner = this
    this.onConnected()
  }

  protected override get isSending (): boolean {
    return this.#sender === undefined || this.#sender.pending
  }

  protected override stopSending (): void {
    this.#sender?.stop()
  }

  onConnected (): void {
    const { connection } = this
    if (!this.beginRequest() || connection === undefined) return
    const { head, body } = this.request
    if (body === null || body.length === 0) {
      connection.finish(head)
      return
    }
    const content = body.open()
    // In one segment: some servers read head and body with a single recv() each.
    if (!Buffer.isBuffer(content)) this.#stream(connection, content, body.length)
    else if (head.length + content.length > JOINED) connection.finishBoth(head, content)
    else connection.finish(Buffer.concat([head, content]))
  }

  #stream (connection: Connection, content: Readable, length: number): void {
    connection.socket.setNoDelay(true)
    connection.socket.write(this.request.head)
    this.#sender = new BodySender(connection, length, error => this.sourceFailed(error))
    this.#sender.start(content)
  }

  onWritten (): void {
    if (this.phase !== SEND) return
    // A reply that began before: the server may not have read the request, and leave its rest to the next one.
    this.sent = this.bytesReceived === 0
    const { head, body } = this.request
    this.requestWritten(body === null ? head.length : head.length + body.length)
  }

  override onRefused (error: NodeJS.ErrnoException): void {
    if (this.settled) return
    this.#refused = error
    this.#sender?.stop()
    super.onRefused(error)
  }

  onBytes (buffer: Buffer, length: number): void {
    this.bytesReceived += length
    if (this.phase === BODY) {
      this.#bodyBytes(buffer, 0, length)
      return
    }
    const parser = this.#parser ??= new HeadParser(this.request.bufferSize, this.request.upgrade, this.handler)
    const offset = parser.write(buffer, 0, length)
    if (offset === -1) {
      this.headGoesOn()
      return
    }
    const { head } = parser
    if (offset < 0 || head === undefined) {
      const { error } = parser
      if (error?.kind === 'too_big') this.headTooBig()
      else this.invalidHead(error?.message ?? 'unreadable')
      return
    }
    // Other statuses may well be an application's own; this one is what every HTTP server says to a netstring.
    // To an upgrade the libraries of applications answer it too.
    if (head.statusCode === 400 && this.request.upgrade !== true && head.rawHeaders.length > 0 && looksLikeHttpServer(head)) {
      this.invalidHead(explainHttp(head))
      return
    }
    const body = this.#body = head.statusCode === 101 ? undefined : new BodyDecoder(head, this.request.method)
    if (this.beginBody(head, body?.endsWithin(length - offset))) this.#bodyBytes(buffer, offset, length)
  }

  onEof (): void {
    if (this.phase !== BODY) {
      if (this.#refused !== undefined) this.onSocketError(this.#refused)
      else this.fail('error', new errors.FST_SCGI_PREMATURE_CLOSE(this.address.name, this.#explainClose(this.bytesReceived)))
      return
    }
    const missing = this.#body?.end()
    // A server that answers without reading all of the request resets the connection when it closes: that says nothing of the reply.
    if (missing === undefined && this.sent && this.connection?.wasReset === true) {
      this.fail('error', new errors.FST_SCGI_READ(this.address.name, 'ECONNRESET'))
    } else if (missing === undefined) this.finish(this.#isReusable())
    else this.fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.address.name, missing))
  }

  override onTimeout (): void {
    if (this.phase === SEND && this.#refused !== undefined) this.onSocketError(this.#refused)
    else super.onTimeout()
  }

  onSocketError (error: NodeJS.ErrnoException): void {
    const { name } = this.address
    const reason = error.code ?? error.message
    switch (this.phase) {
      case CONNECT:
        this.connectFailed(error, explainConnect(error))
        break
      case SEND:
        this.fail('error', new errors.FST_SCGI_SEND(name, this.bytesReceived === 0 ? reason + this.#explainClose(0) : reason), error)
        break
      case HEAD:
        this.fail('error', this.bytesReceived === 0
          ? new errors.FST_SCGI_PREMATURE_CLOSE(name, ` (${reason})${this.#explainClose(0)}`)
          : new errors.FST_SCGI_READ(name, reason), error)
        break
      case BODY:
        // As in onEof.
        if (!this.sent && error.code === 'ECONNRESET' && this.#body?.end() === undefined) this.finish(this.#isReusable())
        else this.fail('error', new errors.FST_SCGI_READ(name, reason), error)
    }
  }

  protected override explainSilence (): string {
    return explainSilence(this.bytesSent, this.reused)
  }

  #explainClose (received: number): string {
    return explainClose(received, this.request.head.length, this.request.body?.length)
  }

  #bodyBytes (buffer: Buffer, start: number, end: number): void {
    this.bodyReceived += end - start
    const body = this.#body
    if (body === undefined) {
      if (end > start) this.handler.onData(Buffer.from(buffer.subarray(start, end)))
      return
    }
    // A piece that fills little of it is copied: it would hold the memory of the rest.
    const isGiven = buffer === this.#own && (this.#whole !== undefined || (end - start) * 2 >= buffer.length)
    let isKept = false
    let from = start
    while (!body.done && from < end) {
      from = body.write(buffer, from, end)
      if (body.error !== undefined) {
        this.fail('error', new errors.FST_SCGI_BODY_TRUNCATED(this.address.name, body.error))
        return
      }
      const { payloadStart, payloadEnd } = body
      if (payloadEnd > payloadStart) {
        const piece = isGiven ? buffer.subarray(payloadStart, payloadEnd) : this.#copy(buffer, payloadStart, payloadEnd)
        if (isGiven) this.#taken += piece.length
        if (this.handler.onData(piece) !== true && isGiven) isKept = true
        if (this.settled) return
      }
    }
    if (!body.done) {
      this.#readOn(isKept)
      return
    }
    this.#surplus = from < end
    this.finish(this.#isReusable())
  }

  /**
   * Where the next bytes of the body are read. Those of a large one go to memory of its own, which is given away without a copy.
   * @param isKept somebody keeps what was read last
   */
  #readOn (isKept: boolean): void {
    const { bufferSize } = this.request
    const whole = this.#whole
    const own = this.#own
    if (whole !== undefined) this.#own = whole.subarray(this.#taken, this.#taken + bufferSize)
    else if (own === undefined ? this.#isLarge : isKept) this.#own = Buffer.allocUnsafeSlow(bufferSize)
    if (this.#own !== undefined && this.#own !== own) this.connection?.readInto(this.#own)
  }

  get #isLarge (): boolean {
    return this.bodyReceived > ONE_ALLOCATION || (this.#parser?.head?.contentLength ?? -1) > ONE_ALLOCATION
  }

  /**
   * A copy that the receiver may keep. The pieces of a body of known and moderate length lie one after the other in one allocation, so
   * that who wants the whole need not copy them once more.
   */
  #copy (buffer: Buffer, start: number, end: number): Buffer {
    const length = end - start
    const contentLength = this.#parser?.head?.contentLength ?? -1
    if (this.#taken === 0 && contentLength > length && contentLength <= ONE_ALLOCATION) {
      // One more, for what would be too much.
      this.#whole = takeRoom(contentLength + 1).subarray(0, contentLength + 1)
    }
    const whole = this.#whole
    if (whole === undefined) {
      const piece = Buffer.allocUnsafe(length)
      copyBytes(piece, buffer, start, end)
      return piece
    }
    copyBytes(whole, buffer, start, end)
    this.#taken = length
    return whole.subarray(0, length)
  }

  /** The server has agreed to keep the connection, and both sides know where this reply ends. */
  #isReusable (): boolean {
    if (this.pool?.keepalive !== true || !this.sent || this.#surplus) return false
    const head = this.#parser?.head
    if (head === undefined) return false
    const { statusCode, contentLength, headers } = head
    return contentLength >= 0 && this.request.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304 &&
      headers['scgi-keepalive'] === '1'
  }
}
