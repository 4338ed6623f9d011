import { Readable } from 'node:stream'
import { RequestInfo } from './info.ts'
import { BodyReader, findBody } from './request-body.ts'
import { breakOff, clearHead, isGone, isHttp2, offSocketClose, onSocketClose } from './raw-reply.ts'
import { ReplyStream, type ReplySource } from '../scgi/reply-stream.ts'
import { FastifyView, isMediaType, type MountPoint } from './view.ts'
import { Pass, type PassHandler, type PassRequest } from '../upstream/pass.ts'
import { FST_SCGI_CLIENT_ABORT } from '../errors.ts'
import { show } from '../units.ts'
import type { Mount } from './mount.ts'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../transport/endpoint.ts'
import type { Attempt } from '../../types/request.ts'
import type { RequestBody, ResponseHead } from '../../types/exchange.ts'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'

/** What the gateways of one application share. */
export interface GatewayState {
  /** The application is closing: connections are not to be kept. */
  closing: boolean
  /** Exchanges that run, with or without their client. */
  readonly running: Set<GatewayExchange>
  /** Called when the last of them has ended. */
  onIdle: (() => void) | undefined
}

/** A route as the gateway serves it. */
export interface Service {
  readonly mount: Mount
  readonly point: MountPoint
  /** Largest request body in bytes. */
  readonly bodyLimit: number
}

/** Bytes of a reply that are held back at most while it may still prove complete. */
const WHOLE_LIMIT = 131_072

/**
 * One request on its way through the gateway, from the route's handler to the reply. A reply that is complete within two turns
 * of the event loop goes out whole, with its length; any other goes out as a stream.
 */
export class GatewayExchange implements PassHandler, PassRequest, ReplySource {
  readonly method: string
  body: RequestBody | null = null
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly #service: Service
  readonly #state: GatewayState
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #info = new RequestInfo()
  readonly #view: FastifyView
  #reader: BodyReader | undefined
  #pass: Pass | undefined
  #head: ResponseHead | undefined
  /** Pieces of the body, until it is known whether they are all. */
  #pieces: Buffer[] = []
  #collected = 0
  #turns = 0
  #stream: ReplyStream | undefined
  #buffering = true
  /** The exchange with the servers is over. */
  #over = false
  /** The client is gone and the application may finish for itself. */
  #detached = false
  /** The reply is finished, or the client is gone. */
  #closed = false

  /** @throws FST_SCGI_BAD_REQUEST */
  constructor (service: Service, state: GatewayState, request: FastifyRequest, reply: FastifyReply) {
    this.#service = service
    this.#state = state
    this.#request = request
    this.#reply = reply
    const { hooks, bind } = service.mount
    const rewritten = hooks.rewriteRequestHeaders?.(request, { ...request.headers, ...trueType(request) })
    this.#view = new FastifyView(request, service.point, rewritten)
    this.method = this.#view.method
    const local = bind(request)
    this.localAddress = local?.localAddress
    this.localPort = local?.localPort
    request.scgi = this.#info
    // While an asynchronous hook ran, say: nobody is left to be answered, and nothing is begun.
    if (isGone(reply.raw) || request.raw.socket.destroyed) {
      this.#over = this.#closed = true
      return
    }
    state.running.add(this)
    reply.raw.once('close', this.#clientClosed)
    // A pipelined request waits for its turn, and until then its reply does not hear of the connection.
    if (reply.raw.socket === null) onSocketClose(request.raw.socket, this.#clientClosed)
  }

  /**
   * Sends the request to a group.
   * @param given the body, where it is not the request's own
   */
  start (group: Group<Endpoint>, given?: Buffer | string | Readable): void {
    if (this.#over) return
    let found
    try {
      found = findBody(this.#request, given)
    } catch (error) {
      this.#answerError(error)
      return
    }
    if (found === null) {
      this.#begin(group)
      return
    }
    const { mount, bodyLimit } = this.#service
    const reader = this.#reader = new BodyReader(this.#request, mount.body, bodyLimit, (error, body) => {
      if (this.#over) return
      if (error !== null) {
        this.#refuseBody(error)
        return
      }
      this.body = body
      this.#begin(group)
    })
    reader.onStreamTimeout = error => {
      this.#pass?.abort()
      if (this.#head === undefined) this.#refuseBody(error)
      else this.onError(error)
    }
    reader.read(found)
  }

  /** Ends the exchange for good, for instance because no server could be chosen. */
  fail (error: unknown): void {
    this.#answerError(error)
  }

  /** Cuts whatever still runs. */
  cut (): void {
    this.#pass?.abort()
    this.#end()
    breakOff(this.#reply.raw)
  }

  /** The application is closing: a reply that has promised to keep its connection does not. */
  closing (): void {
    const { raw } = this.#reply
    const { socket } = this.#request.raw
    if (raw.headersSent && !isHttp2(raw)) raw.once('finish', () => socket.destroySoon())
  }

  encode (endpoint: Endpoint): Buffer {
    return this.#service.mount.encoder.encode(this.#view, this.#request, {
      contentLength: this.body === null ? 0 : this.body.length,
      pathPrefix: endpoint.pathPrefix,
      keepalive: endpoint.keepalive,
    })
  }

  onHead (head: ResponseHead): void {
    this.#head = this.#info.head = head
    const { mount } = this.#service
    this.#buffering = mount.buffering
    if (mount.accelBuffering) {
      const wish = head.headers['x-accel-buffering']
      if (typeof wish === 'string') this.#buffering = buffered(wish, mount.buffering)
    }
    if (mount.hooks.onResponse !== undefined) this.#stream = this.#startStream(mount.hooks.onResponse)
    else if (this.#buffering) setImmediate(turn, this)
    else process.nextTick(turn, this)
  }

  onData (chunk: Buffer): void {
    if (this.#detached) return
    if (this.#stream !== undefined) {
      this.#stream.feed(chunk)
      return
    }
    this.#pieces.push(chunk)
    this.#collected += chunk.length
    if (this.#collected > WHOLE_LIMIT) this.#startStream()
  }

  onEnd (): void {
    this.#end()
    if (this.#stream !== undefined) this.#stream.finish()
    else if (!this.#detached) this.#sendWhole()
  }

  onError (error: Error): void {
    this.#end()
    if (this.#detached) return
    if (this.#head === undefined) {
      this.#answerError(error)
      return
    }
    // The head was good, and nobody can take it back: the client gets what there is, and a connection that breaks off.
    if (this.#stream === undefined) this.#startStream()
    this.#stream?.fail(error)
  }

  onAttempt (attempt: Attempt, error: Error | undefined): void {
    const { log } = this.#request
    if (isVerbose(log)) {
      log.debug({ upstream: attempt, err: error }, `upstream ${attempt.address} ${attempt.status ?? '-'}`)
    }
  }

  /** One turn of the event loop after the head, or two: if the body has not ended by now it is sent as it comes. */
  turn (): void {
    if (this.#over || this.#stream !== undefined || this.#detached) return
    if (this.#buffering && this.#turns++ === 0) setImmediate(turn, this)
    else this.#startStream()
  }

  resume (): void {
    this.#pass?.resume()
  }

  pause (): void {
    if (!this.#detached) this.#pass?.pause()
  }

  abandon (): void {
    if (!this.#over) this.#leave()
  }

  #begin (group: Group<Endpoint>): void {
    this.#pass = new Pass(group, this.#service.mount.pass, this, this, this.#info.attempts)
    this.#pass.start()
  }

  readonly #clientClosed = (): void => {
    offSocketClose(this.#request.raw.socket, this.#clientClosed)
    this.#closed = true
    if (!this.#over) this.#leave()
    else this.#reader?.close()
    if (this.#over) this.#gone()
  }

  /** The client takes no more: the application is told by a closed connection, or finishes unheard. */
  #leave (): void {
    if (this.#service.mount.ignoreClientAbort && this.#pass !== undefined) {
      this.#detached = true
      this.#pieces = []
      this.#pass.resume()
      return
    }
    this.#pass?.abort()
    this.#end()
    const { log } = this.#request
    if (isVerbose(log)) log.debug({ err: new FST_SCGI_CLIENT_ABORT() }, 'client closed the connection')
  }

  #end (): void {
    this.#over = true
    this.#reader?.close()
    if (this.#closed) this.#gone()
  }

  #gone (): void {
    const state = this.#state
    if (state.running.delete(this) && state.running.size === 0) state.onIdle?.()
  }

  #sendWhole (): void {
    const reply = this.#reply
    const head = this.#head
    if (head === undefined || reply.sent) return
    // What the user's hooks do or give may throw, and nobody above a socket's callback would catch it.
    try {
      const headers = this.#applyHead(head)
      const first = this.#pieces[0]
      if (first === undefined) {
        // Of a HEAD or a 304 the length is the application's to tell; of anything else it is 0.
        if (head.contentLength >= 0 && head.statusCode !== 204 && (this.method === 'HEAD' || head.statusCode === 304)) {
          reply.header('content-length', head.contentLength)
        }
        reply.send()
        return
      }
      const whole = this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces, this.#collected)
      // Fastify gives every Buffer a type, and the application gave none.
      if (!isMediaType(headers['content-type'])) reply.header('content-length', whole.length).send(Readable.from([whole], { objectMode: false }))
      else reply.send(whole)
    } catch (error) {
      this.#sendFailed(error)
    }
  }

  #startStream (onResponse?: Mount['hooks']['onResponse']): ReplyStream | undefined {
    const reply = this.#reply
    const head = this.#head
    if (head === undefined || reply.sent) {
      this.#pass?.abort()
      this.#end()
      return undefined
    }
    const stream = this.#stream = new ReplyStream(this, this.#service.mount.pass.bufferSize)
    stream.once('error', () => this.#streamFailed(onResponse !== undefined))
    for (const piece of this.#pieces) stream.feed(piece)
    this.#pieces = []
    try {
      const headers = this.#applyHead(head)
      if (head.contentLength >= 0 && head.statusCode !== 204) reply.header('content-length', head.contentLength)
      if (onResponse !== undefined) {
        this.#handOver(onResponse, { statusCode: head.statusCode, headers, body: stream })
        return stream
      }
      const { raw } = reply
      // A head without a byte of body (server-sent events, a long poll) goes to the client now; but only when everything that
      // wants to change it has done so, that is when the body is being piped.
      raw.once('pipe', () => this.#beginStream(stream))
      reply.send(stream)
    } catch (error) {
      stream.destroy()
      this.#sendFailed(error)
    }
    return stream
  }

  /** Writes the head by itself: with the first piece of the body an error of Node.js about it would come where nobody catches it. */
  #beginStream (stream: ReplyStream): void {
    const { raw } = this.#reply
    if (raw.headersSent) return
    try {
      if (stream.readableLength === 0) raw.flushHeaders()
      else raw.writeHead(raw.statusCode)
    } catch (error) {
      this.#request.log.error({ err: error }, 'the reply could not be sent')
      this.#pass?.abort()
      this.#end()
      breakOff(raw)
    }
  }

  /**
   * The body broke off. Fastify ends a reply whose stream fails, but it does not see ours where a hook has put another stream in
   * its place, and over HTTP/2 it ends it as if it were complete.
   */
  #streamFailed (handedOver: boolean): void {
    const { raw } = this.#reply
    if (raw.headersSent && isHttp2(raw)) breakOff(raw)
    setImmediate(() => {
      if (!raw.writableEnded && (raw.headersSent || !handedOver)) breakOff(raw)
    })
  }

  /** The reply could not even be begun: a hook threw, or gave what cannot be sent. */
  #sendFailed (error: unknown): void {
    const { raw } = this.#reply
    if (raw.headersSent || this.#reply.sent) {
      this.#request.log.error({ err: error }, 'the reply could not be sent')
      breakOff(raw)
      return
    }
    clearHead(this.#reply)
    this.#answerError(error)
  }

  #handOver (onResponse: NonNullable<Mount['hooks']['onResponse']>, response: Parameters<NonNullable<Mount['hooks']['onResponse']>>[2]): void {
    const failed = (error: unknown): void => {
      response.body.destroy()
      this.#sendFailed(error)
    }
    try {
      const result: unknown = onResponse(this.#request, this.#reply, response)
      // A reply is a thenable too, which `(request, reply, response) => reply.send(...)` gives.
      if (result instanceof Promise) result.then(undefined, failed)
    } catch (error) {
      failed(error)
    }
  }

  /** Status and headers of the reply, as far as the client gets them. */
  #applyHead (head: ResponseHead): Record<string, string | string[]> {
    const { mount } = this.#service
    const { raw } = this.#reply
    const http2 = this.#request.raw.httpVersionMajor === 2
    let headers = mount.filter.apply(head, http2)
    if (mount.hooks.rewriteHeaders !== undefined) {
      headers = mount.hooks.rewriteHeaders(headers, this.#request)
      if (typeof headers !== 'object' || headers === null || headers instanceof Promise) {
        throw new TypeError(`the hook 'rewriteHeaders' gave ${show(headers)}, expected an object of headers`)
      }
      headers = mount.filter.clean(headers, http2)
    }
    this.#reply.code(head.statusCode)
    if (!http2) {
      if (head.statusMessage !== '') raw.statusMessage = head.statusMessage
      if (this.#state.closing) this.#reply.header('connection', 'close')
    }
    if (mount.preserveHeaderCase && !http2) {
      const spelling = mount.filter.spelling(head)
      for (const name in headers) raw.setHeader(spelling.get(name) ?? name, headers[name] ?? '')
    } else {
      this.#reply.headers(headers)
    }
    return headers
  }

  #refuseBody (error: Error): void {
    // The rest of the body will not be read: the connection cannot be used again.
    if (this.#request.raw.httpVersionMajor < 2) this.#reply.header('connection', 'close')
    this.#answerError(error)
  }

  #answerError (error: unknown): void {
    this.#end()
    const reply = this.#reply
    if (reply.sent || reply.raw.destroyed) return
    if (this.#state.closing && this.#request.raw.httpVersionMajor < 2) reply.header('connection', 'close')
    const failure = error instanceof Error ? error : new Error(String(error))
    const { onError } = this.#service.mount.hooks
    try {
      if (onError === undefined) {
        reply.send(failure)
        return
      }
      const result: unknown = onError(reply, { error: failure })
      if (result instanceof Promise) result.then(undefined, cause => this.#answerFailed(cause))
    } catch (cause) {
      this.#answerFailed(cause)
    }
  }

  /** The hook onError threw. */
  #answerFailed (cause: unknown): void {
    const reply = this.#reply
    if (reply.sent || reply.raw.headersSent) {
      this.#request.log.error({ err: cause }, 'the error could not be answered')
      breakOff(reply.raw)
    } else {
      reply.send(cause instanceof Error ? cause : new Error(String(cause)))
    }
  }
}

/** The client's own Content-Type: where Fastify would refuse it the route has put another in its place. */
function trueType ({ raw }: FastifyRequest): { 'content-type'?: string } {
  const type = raw.headers['content-type']
  return type === undefined ? {} : { 'content-type': type }
}

/** Whether debug lines are written: what goes into one is not made for nobody. */
function isVerbose ({ level }: FastifyBaseLogger): boolean {
  return level === 'debug' || level === 'trace'
}

function turn (exchange: GatewayExchange): void {
  exchange.turn()
}

/** X-Accel-Buffering: `yes` or `no`, anything else changes nothing. */
function buffered (wish: string, otherwise: boolean): boolean {
  const word = wish.toLowerCase()
  return word === 'yes' ? true : word === 'no' ? false : otherwise
}
