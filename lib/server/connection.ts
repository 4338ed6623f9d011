import type { Socket } from 'node:net'
import { isChunked } from '../inbound/transfer-coding.ts'
import { FST_SCGI_BAD_REQUEST, FST_SCGI_REQUEST_TIMEOUT, FST_SCGI_TRANSFER_CODING } from '../errors.ts'
import { currentContext } from '../runtime/context.ts'
import { NetstringDecoder } from '../scgi/netstring.ts'
import { show } from '../options/units.ts'
import { readRequestHead } from './params.ts'
import { looksLikeHttp, refusal, undestroyed } from './refusal.ts'
import { asksForUpgrade, describeClient, forgetClient, ScgiIncomingMessage } from './request.ts'
import { KeepaliveServerResponse, ScgiServerResponse } from './response.ts'
import type { ScgiRequestHead } from '../scgi/netstring.ts'
import type { ConnectionHost } from './host.ts'
import type { Listed } from '../runtime/active-list.ts'

/** Waiting for a request, or for the rest of its parameters. */
const HEAD = 0
/** The application has the request; its body is still coming. */
const BODY = 1
/** The request is complete, the reply is not. */
const REPLY = 2
/** The reply is complete, what still comes is thrown away until the gateway closes. */
const LINGER = 3
const CLOSED = 4

/** How long the gateway may take to notice that the connection is over, in milliseconds. */
const LINGER_TIMEOUT = 5000

const NOTHING = Buffer.alloc(0)

function aborted (): Error {
  return Object.assign(new Error('aborted'), { code: 'ECONNRESET' })
}

/** One connection of a gateway: reads requests, one after the other, and gives them to the application. */
export class ServerConnection implements Listed {
  place = -1
  readonly socket: Socket
  readonly #host: ConnectionHost
  readonly #decoder: NetstringDecoder
  #state = HEAD
  #request: ScgiIncomingMessage | null = null
  #response: ScgiServerResponse | null = null
  /** Bytes of the request body that have not been read yet. */
  #bodyLeft = 0
  /** What came after the body: the next request. */
  #next: Buffer = NOTHING
  #requests = 0
  /** Whether a part of the next request has come. */
  #begun = false
  #gatewayAsks = false
  #clientDescribed = false
  /** When the first byte of the request came, on the clock of `performance.now()`; before the first request, when the connection did. */
  #began = 0
  /** What a request without all of its parameters reaches first. */
  #headLimit: 'headersTimeout' | 'requestTimeout' = 'headersTimeout'
  /** When this state has lasted too long, on the same clock; 0 is never. */
  #deadline = 0
  /** That in which the connection came. What a request leaves behind must not reach the next one. */
  readonly #context = currentContext()
  readonly #onData = (chunk: Buffer): void => this.#received(chunk)
  readonly #onEnd = (): void => this.#ended()
  readonly #onError = (error: Error): void => this.#failed(error)
  readonly #onClose = (): void => this.#closed()
  readonly #onTimeout = (): void => this.#timedOut()
  readonly #onDrain = (): void => {
    if (this.#response !== null && !this.#response.finished) this.#response.emit('drain')
  }

  readonly #mayKeep = (): boolean => this.#wantsToKeep()
  readonly #finish = (): void => this.#replied()

  constructor (host: ConnectionHost, socket: Socket, now: number) {
    this.#host = host
    this.socket = socket
    this.#decoder = new NetstringDecoder(host.settings.maxParamsSize)
    this.#began = now
    this.#limit(host.headersTimeout, now)
    socket.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose)
    socket.on('drain', this.#onDrain).on('timeout', this.#onTimeout)
  }

  /** Without a request, or a part of one. */
  get idle (): boolean {
    return this.#state === HEAD && !this.#begun
  }

  /** Ends the connection if its time is up. */
  expire (now: number): void {
    if (this.#deadline === 0 || now < this.#deadline) return
    this.#deadline = 0
    if (this.#state === LINGER || this.idle) {
      this.socket.destroy()
    } else if (this.#state === HEAD) {
      const option = this.#headLimit
      this.#refuse(new FST_SCGI_REQUEST_TIMEOUT(option, this.#host[option]), 408)
    } else if (this.#state === BODY) {
      this.#refuse(new FST_SCGI_REQUEST_TIMEOUT('requestTimeout', this.#host.requestTimeout), 408)
    }
  }

  #received (chunk: Buffer): void {
    if (this.#state === HEAD) this.#readHead(chunk)
    else if (this.#state === BODY) this.#readBody(chunk, 0)
    else if (this.#state === REPLY) this.#hold(chunk)
  }

  #readHead (chunk: Buffer): void {
    if (!this.#begun) {
      this.#begun = true
      this.#limitHead(performance.now())
    }
    const offset = this.#decoder.write(chunk, 0, chunk.length)
    const { request, error } = this.#decoder
    if (request !== undefined) this.#start(request, chunk, offset)
    else if (error?.kind === 'invalid') this.#refuseBytes(error.message, chunk)
    else if (error?.kind === 'too_big') this.#refuse(new FST_SCGI_BAD_REQUEST(`${error.message} (maxParamsSize)`), 431)
  }

  #start ({ params, contentLength }: ScgiRequestHead, chunk: Buffer, offset: number): void {
    const { settings } = this.#host
    this.#begun = false
    this.#requests++
    const coding = params.get('HTTP_TRANSFER_ENCODING')
    if (coding !== undefined && coding !== '' && !isChunked(coding)) {
      this.#refuse(new FST_SCGI_TRANSFER_CODING(show(coding)), 501)
      return
    }
    const head = readRequestHead(params, contentLength, this.#host.maxHeadersCount ?? 0)
    if (typeof head === 'string') {
      this.#refuse(new FST_SCGI_BAD_REQUEST(head), 400)
      return
    }
    if (this.#clientDescribed) forgetClient(this.socket)
    if (settings.trustGateway) {
      describeClient(this.socket, params)
      this.#clientDescribed = true
    }
    const context = this.#context.runInAsyncScope(currentContext)
    const request = new ScgiIncomingMessage(this.socket, head, params, context)
    if (contentLength === 0 && asksForUpgrade(request) && this.#host.listenerCount('upgrade') > 0) {
      this.#upgrade(request, chunk.subarray(offset))
      return
    }
    this.#gatewayAsks = settings.keepalive && params.get('SCGI_KEEPALIVE') === '1'
    const response = this.#gatewayAsks
      ? new KeepaliveServerResponse(request, settings.nph, this.#mayKeep)
      : new ScgiServerResponse(request, settings.nph)
    this.#request = request
    this.#response = response
    response.assignSocket(this.socket)
    // The first to know, before the listeners of the application.
    response.on('finish', this.#finish)

    const come = chunk.length - offset
    this.#bodyLeft = contentLength
    this.#state = contentLength > come ? BODY : REPLY
    this.#limit(this.#state === BODY ? this.#host.requestTimeout : 0, this.#began)
    try {
      context.runInAsyncScope(this.#host.emit, this.#host, 'request', request, response)
    } finally {
      // As with HTTP the body begins when the application has had its turn; it may have destroyed the socket.
      if (!this.socket.destroyed) this.#readBody(chunk, offset)
    }
  }

  /** As with HTTP: the connection is the listener's from now on. */
  #upgrade (request: ScgiIncomingMessage, head: Buffer): void {
    const { socket } = this
    this.#state = CLOSED
    this.#deadline = 0
    socket.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose)
    socket.off('drain', this.#onDrain).off('timeout', this.#onTimeout)
    this.#host.forget(this)
    socket.setTimeout(0)
    Reflect.set(request, 'upgrade', true)
    request.complete = true
    request.push(null)
    // So that it flows as soon as somebody listens.
    Reflect.set(socket, 'readableFlowing', null)
    this.#host.emit('upgrade', request, socket, head)
  }

  #readBody (chunk: Buffer, offset: number): void {
    const request = this.#request
    const end = Math.min(chunk.length, offset + this.#bodyLeft)
    this.#bodyLeft -= end - offset
    if (request !== null) {
      if (end > offset) {
        const goesOn = request.pushInContext(end - offset === chunk.length ? chunk : chunk.subarray(offset, end))
        if (!goesOn && this.#bodyLeft > 0) this.socket.pause()
      }
      if (this.#bodyLeft === 0) {
        request.complete = true
        request.pushInContext(null)
      }
    }
    if (this.#bodyLeft === 0) {
      if (this.#state === BODY) {
        this.#state = REPLY
        this.#deadline = 0
      }
      if (end < chunk.length) this.#hold(chunk.subarray(end))
    }
  }

  /** Bytes after the request: the next one if there may be one, else nothing that counts. */
  #hold (bytes: Buffer): void {
    if (!this.#gatewayAsks) return
    this.#next = this.#next.length === 0 ? bytes : Buffer.concat([this.#next, bytes])
    this.socket.pause()
  }

  #wantsToKeep (): boolean {
    const limit = this.#host.maxRequestsPerSocket ?? 0
    return this.#state === REPLY && this.#host.listening && (limit === 0 || this.#requests < limit)
  }

  /** The reply has been handed to the system. */
  #replied (): void {
    const request = this.#request
    const response = this.#response
    if (request === null || response === null || this.#state === CLOSED) return
    this.#request = null
    this.#response = null
    if (this.#state === BODY) {
      this.#linger(request, response)
      return
    }
    // As with HTTP: a request that nobody has read ends all the same.
    if (request.readableFlowing === null) request.resume()
    if (response.keepsConnection && this.#host.listening && !this.socket.destroyed && !this.socket.readableEnded) {
      response.detachSocket(this.socket)
      process.nextTick(release, response)
      this.#awaitNext()
    } else {
      // All of the request was read and all of the reply was written: to close is enough, the system delivers the rest.
      // Not before the stream is through with its last write, or it would make an error out of it, with a stack trace.
      process.nextTick(destroy, this.socket)
    }
  }

  #awaitNext (): void {
    this.#state = HEAD
    this.#decoder.reset()
    const bytes = this.#next
    this.#next = NOTHING
    this.#limit(this.#host.keepAliveTimeout, performance.now())
    // What the last request has set does not hold for the next one.
    if ((this.socket.timeout ?? 0) !== this.#host.timeout) this.socket.setTimeout(this.#host.timeout)
    // After the listeners of the reply before, and before what comes from the socket.
    this.#context.runInAsyncScope(this.#goOn, this, bytes)
  }

  #goOn (bytes: Buffer): void {
    if (bytes.length > 0) process.nextTick(() => this.#received(bytes))
    this.socket.resume()
  }

  /** To close with bytes of the request unread would reset the connection, and the gateway could lose the reply. */
  #linger (request: ScgiIncomingMessage, response: ScgiServerResponse): void {
    response.detachSocket(this.socket)
    process.nextTick(release, response)
    this.#state = LINGER
    this.#limit(LINGER_TIMEOUT, performance.now())
    this.socket.once('close', () => request.destroy(aborted()))
    this.socket.end()
    this.socket.resume()
  }

  /** Somebody who is no gateway, most likely: a browser, a health check, the wrong port. */
  #refuseBytes (reason: string, chunk: Buffer): void {
    const http = this.#requests === 0 && looksLikeHttp(chunk)
    this.#refuse(new FST_SCGI_BAD_REQUEST(http ? `this port speaks SCGI, and what came is HTTP (${reason}): connect with a gateway` : reason), 400, http)
  }

  /** Answers what is no request, or one that takes too long, and ends the connection. */
  #refuse (error: Error, status: number, http = false): void {
    const response = this.#response
    const answer = refusal(error.message, status, this.#host.settings.nph, http)
    if (response === null) {
      this.#state = LINGER
      this.#limit(LINGER_TIMEOUT, performance.now())
      this.socket.end(answer)
    } else {
      // The application is at work on this request; its own reply, if it has begun, cannot be taken back.
      if (!response.headersSent) this.socket.write(answer)
      this.socket.destroy()
    }
    this.#host.refused(error, this.socket)
    undestroyed(this.socket, () => this.#host.emit('clientError', error, this.socket))
  }

  /** The gateway has sent FIN: it has given up, as nobody who speaks SCGI closes one half only. */
  #ended (): void {
    if (this.#state === HEAD && this.#begun) {
      this.#refuse(new FST_SCGI_BAD_REQUEST('the connection was closed before the parameters were complete'), 400)
    }
    // A reply that has been handed over in full still gets its chance.
    if (this.#response?.writableEnded !== true) this.socket.destroy()
  }

  #failed (error: Error): void {
    // With a request under way the application learns of it by 'aborted' and 'close'.
    if (this.#state === HEAD) this.#host.emit('clientError', error, this.socket)
  }

  #closed (): void {
    this.#state = CLOSED
    this.#host.forget(this)
    const request = this.#request
    if (request !== null && !request.destroyed) request.destroy(aborted())
  }

  /** Inactivity, as set by `setTimeout` of the server, the request or the reply. */
  #timedOut (): void {
    const { socket } = this
    const heard = [
      this.#request !== null && !this.#request.complete && this.#request.emit('timeout', socket),
      this.#response !== null && this.#response.emit('timeout', socket),
      this.#host.emit('timeout', socket),
    ]
    if (!heard.includes(true)) socket.destroy()
  }

  /**
   * The time of the whole request runs while its parameters come. Those of the first one have had theirs since the connection came: a
   * gateway may open it ahead, and a connection that says nothing is to end.
   */
  #limitHead (now: number): void {
    const { headersTimeout, requestTimeout } = this.#host
    const since = this.#requests === 0 ? this.#began : now
    this.#began = now
    this.#limit(headersTimeout, since)
    this.#headLimit = 'headersTimeout'
    if (requestTimeout > 0 && (this.#deadline === 0 || now + requestTimeout < this.#deadline)) {
      this.#limit(requestTimeout, now)
      this.#headLimit = 'requestTimeout'
    }
  }

  #limit (time: number, from: number): void {
    this.#deadline = time > 0 ? from + time : 0
  }
}

function destroy (socket: Socket): void {
  socket.destroy()
}

function release (response: ScgiServerResponse): void {
  response.release()
}
