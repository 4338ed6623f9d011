import { RequestInfo } from './info.ts'
import { BackgroundUpdate, type Verdict } from './background-update.ts'
import { BodyReader, findBody, sendsBody } from '../request/body-reader.ts'
import { BufferedReply } from '../reply/buffered-reply.ts'
import { OutgoingRequest } from './outgoing.ts'
import { ReplySender, type ReplyOwner } from './reply-sender.ts'
import { askedOf, StoreTee, type StoreOwner } from './store-tap.ts'
import { divert, divertWithCookie, toPage, type Diversion } from './diversion.ts'
import { failureOf } from './failure.ts'
import { pageFor, sendDiversion, sendFailure, type Instead } from './answer.ts'
import { CACHE, CLIENT, Flow, STORE } from './flow.ts'
import { invalidate, isUnsafe, openCache } from './caching.ts'
import { requestBegan, type RequestEvent } from './request-event.ts'
import { sendInterim } from './interim.ts'
import { Tunnel } from './tunnel.ts'
import { upgradeOf } from '../inbound/upgrades.ts'
import { BYPASS, METHOD } from '../cache/status-header.ts'
import { parseBuffering } from '../http/accel-values.ts'
import { passageOf, type Passage } from '../http/passage.ts'
import { refusedCoding } from '../inbound/transfer-coding.ts'
import { breakOff, isGone, isHttp2, offSocketClose, onSocketClose } from '../http/raw-reply.ts'
import { ReplyStream, type ReplySource } from '../reply/reply-stream.ts'
import { Pass, type PassHandler } from '../attempts/pass.ts'
import { FST_SCGI_BODY_TOO_LARGE, FST_SCGI_CACHED_ERROR, FST_SCGI_CLIENT_ABORT, FST_SCGI_ONLY_IF_CACHED } from '../errors.ts'
import { currentContext } from '../runtime/context.ts'
import { toError } from '../runtime/caught.ts'
import type { Readable } from 'node:stream'
import type { CacheHost, CachePass, FetchPlan } from '../cache/pass.ts'
import type { CachedEntry } from '../cache/entry.ts'
import type { Mount } from './mount.ts'
import type { GatewayState, Running, Service } from './service.ts'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { Attempt } from '../../types/request.ts'
import type { RequestBody, ResponseHead } from '../../types/exchange.ts'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'

/** Bytes of a reply that are held back at most while it may still prove complete. */
const WHOLE_LIMIT = 131_072

/**
 * One request on its way through the gateway, from the route's handler to the reply. A reply that is complete within two turns
 * of the event loop goes out whole, with its length; any other goes out as a stream.
 */
export class GatewayExchange implements PassHandler, ReplySource, ReplyOwner, StoreOwner, CacheHost, Running {
  place = -1
  readonly #service: Service
  readonly #state: GatewayState
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #passage: Passage | undefined
  /** Entered wherever a callback is another's: so that every function of the user's is called in the context of this request. */
  readonly context = currentContext()
  readonly #info: RequestInfo
  readonly #sender: ReplySender
  #outgoing: OutgoingRequest
  #group: Group<Endpoint> | undefined
  /** The body that was given in the place of the request's own. */
  #given: Buffer | string | Readable | undefined
  #reader: BodyReader | undefined
  #pass: Pass | undefined
  #head: ResponseHead | undefined
  /** Pieces of the body, until it is known whether they are all. */
  #pieces: Buffer[] = []
  #collected = 0
  /** The last bytes of a body, until it is stored. */
  #tail: Buffer | undefined
  #turns = 0
  #stream: ReplyStream | BufferedReply | undefined
  #cache: CachePass | undefined
  #tunnel: Tunnel | undefined
  #store: StoreTee | undefined
  /** Whether the application is read. */
  readonly #flow = new Flow()
  /** The exchange with the servers is over. */
  #over = false
  /** The client is gone, or has all it gets, and the application may finish for itself. */
  #detached = false
  /** The reply is finished, or the client is gone. */
  #closed = false
  /** Where somebody listens. */
  #event: RequestEvent | undefined

  /** @throws FST_SCGI_BAD_REQUEST */
  constructor (service: Service, state: GatewayState, request: FastifyRequest, reply: FastifyReply) {
    this.#service = service
    this.#state = state
    this.#request = request
    this.#reply = reply
    this.#passage = passageOf(request.raw)
    this.#info = new RequestInfo(this.#passage)
    this.#sender = new ReplySender(service.mount, request, reply, this)
    this.#outgoing = new OutgoingRequest(service, request)
    this.#info.clientAddress = this.#outgoing.view.remoteAddr
    request.scgi = this.#info
    // While an asynchronous hook ran, say: nobody is left to be answered, and nothing is begun.
    if (isGone(reply.raw) || request.raw.socket.destroyed) {
      this.#over = this.#closed = true
      return
    }
    state.running.add(this)
    this.#event = requestBegan(request, reply, this.#info)
    reply.raw.once('close', this.#clientClosed)
    // A pipelined request waits for its turn, and until then its reply does not hear of the connection.
    if (reply.raw.socket === null) onSocketClose(request.raw.socket, this.#clientClosed)
  }

  /**
   * Answers the request, from the cache or from a group.
   * @param given the body, where it is not the request's own
   */
  start (group: Group<Endpoint>, given?: Buffer | string | Readable): void {
    if (this.#over) return
    this.#group = group
    if (this.#event !== undefined) this.#event.group = group
    this.#given = given
    const refused = given === undefined ? refusedCoding(this.#request.raw) : undefined
    if (refused !== undefined) {
      this.#refuseBody(refused)
      return
    }
    const { cache } = this.#service.mount
    // A tunnel is no reply, and an answer to who asked for one is nobody else's.
    if (cache !== undefined && this.#outgoing.upgrade === undefined) {
      try {
        this.#cache = this.#info.cache = openCache(cache, this.#outgoing, this.#sendsBody, group, this, this.#state.caches)
      } catch (error) {
        this.#answerError(error)
        return
      }
    }
    if (this.#cache === undefined) {
      if (cache?.rules.cacheStatus !== undefined) this.#sender.cacheStatus = cache.covers(this.#outgoing.method) ? BYPASS : METHOD
      this.#readBody()
      return
    }
    this.#sender.cacheStatus = this.#cache
    this.#cache.start()
  }

  /** Ends the exchange for good, for instance because no server could be chosen. */
  fail (error: unknown): void {
    this.#answerError(error)
  }

  get lastOfConnection (): boolean {
    return this.#state.closing
  }

  sendError (error: unknown): void {
    this.#answerError(error)
  }

  /** The reply cannot be sent: nobody needs the rest of it. */
  sendingFailed (): void {
    this.#pass?.abort()
    this.#end()
  }

  cut (): void {
    this.context.runInAsyncScope(this.sendingFailed, this)
    this.#tunnel?.end()
    breakOff(this.#reply.raw)
  }

  closing (): void {
    const { raw } = this.#reply
    const { socket } = this.#request.raw
    if (raw.headersSent && !isHttp2(raw)) raw.once('finish', () => socket.destroySoon())
  }

  // --- what the cache says ---

  serve (entry: CachedEntry): void {
    if (this.#over || this.#detached) {
      entry.discard()
      this.#end()
      return
    }
    this.#head = this.#info.head = entry.head
    this.#end()
    this.#sender.entry(entry)
  }

  serveError (statusCode: number, remembered: boolean): void {
    this.#answerError(remembered ? Object.assign(new FST_SCGI_CACHED_ERROR(statusCode), { statusCode }) : new FST_SCGI_ONLY_IF_CACHED())
  }

  fetch (plan: FetchPlan): void {
    this.#outgoing = this.#outgoing.forCache(plan)
    this.#readBody()
  }

  fetchInBackground (pass: CachePass, plan: FetchPlan): void {
    const { mount } = this.#service
    if (this.#group === undefined || this.#request.method === 'POST') {
      // The body of this one is the client's, which is answered and gone.
      pass.abort()
      return
    }
    const update = new BackgroundUpdate(
      pass, this.#group, mount.pass, this.#outgoing.forCache(plan), head => this.#judge(head), this.#request.log, done => this.#gone(done))
    this.#state.running.add(update)
    update.start()
  }

  onStoreDrain (): void {
    this.#flow.release(CACHE)
  }

  // --- what the servers say ---

  onHead (head: ResponseHead): void {
    this.#head = this.#info.head = head
    if (head.statusCode === 101) {
      this.#openTunnel(head)
      return
    }
    const { mount } = this.#service
    const sender = this.#sender
    if (head.statusCode < 400) this.#invalidate(head.headers)
    sender.buffering = this.#isBuffered(head)
    let diversion = this.#diversionOf(head)
    const cookie = sender.setCookie = this.#pass?.setCookie
    if (cookie !== undefined && diversion !== undefined) diversion = divertWithCookie(diversion, cookie)
    if (this.#cache !== undefined && this.#cacheTakes(this.#cache, head, diversion)) return
    if (diversion !== undefined) {
      this.#pass?.abort()
      this.#divert(diversion)
      return
    }
    if (mount.store !== undefined && sender.buffering && this.#outgoing.upgrade === undefined && this.#mayStore) {
      this.#store = StoreTee.open(mount.store, this.#request, this.#outgoing.view.pathInfo, head, this)
    }
    if (this.#detached) {
      // The client has gone, and it was not known whether anybody else wants the reply.
      if (this.#store === undefined && this.#cache?.wanted !== true && !mount.ignoreClientAbort) {
        this.#pass?.abort()
        this.#end()
      }
      return
    }
    if (mount.response.limitRate !== undefined && sender.buffering && !this.#limit(mount.response.limitRate)) return
    if (mount.hooks.onResponse !== undefined) this.#stream = this.#startStream(mount.hooks.onResponse)
    else if (sender.buffering) setImmediate(turn, this)
    else process.nextTick(turn, this)
  }

  onInterim (head: ResponseHead, usual: boolean): void {
    const { mount } = this.#service
    const wanted = mount.earlyHints ?? usual
    if (wanted && !this.#detached && !this.#over && !this.#reply.sent) sendInterim(mount, this.#request.raw, this.#reply.raw, head)
  }

  onDrain (): void {
    this.#tunnel?.serverDrained()
  }

  onData (chunk: Buffer): void {
    if (this.#tunnel !== undefined) {
      this.#tunnel.fromServer(chunk)
      return
    }
    if (this.#cache !== undefined && !this.#cache.onData(chunk)) this.#flow.hold(CACHE)
    this.#store?.write(chunk)
    if (this.#detached) return
    this.#flow.read(chunk.length)
    if (this.#store?.isLast(chunk) === true) {
      this.#tail = chunk
      return
    }
    if (this.#stream !== undefined) {
      this.#stream.feed(chunk)
      return
    }
    this.#pieces.push(chunk)
    this.#collected += chunk.length
    if (this.#collected > WHOLE_LIMIT) this.#startStream()
  }

  onEnd (): void {
    this.#cache?.onEnd()
    const isStoring = this.#store?.commit(() => this.context.runInAsyncScope(this.#finish, this)) === true
    this.#end()
    if (this.#tunnel !== undefined) {
      this.#tunnel.serverEnded()
      return
    }
    // The file is there before the client has the end of the reply.
    if (!isStoring) this.#finish()
  }

  /** The body is complete, and so is what the client gets. */
  #finish (): void {
    if (this.#detached || this.#closed) return
    const tail = this.#tail
    if (this.#stream !== undefined) {
      if (tail !== undefined) this.#stream.feed(tail)
      this.#stream.finish()
    } else if (this.#head !== undefined && !this.#reply.sent) {
      if (tail !== undefined) {
        this.#pieces.push(tail)
        this.#collected += tail.length
      }
      this.#sender.whole(this.#head, this.#pieces, this.#collected)
    }
  }

  onError (error: Error): void {
    if (this.#head === undefined) {
      this.#invalidateUnheard()
      const { failure, statusCode } = failureOf(error)
      const entry = this.#cache?.onError(failure, statusCode)
      if (entry !== undefined) {
        this.#request.log.warn({ err: error }, `${error.message}; an expired entry of the cache is served`)
        this.serve(entry)
        return
      }
      if (!this.#detached) {
        this.#answerError(error)
        return
      }
    }
    this.#cache?.abort()
    this.#end()
    if (this.#tunnel !== undefined) {
      this.#request.log.info({ err: error }, error.message)
      this.#tunnel.cut()
      return
    }
    if (this.#detached) return
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
    if (this.#sender.buffering && this.#turns++ === 0) setImmediate(turn, this)
    else this.#startStream()
  }

  // --- what the client, the disk and the clock say ---

  resume (): void {
    this.#flow.release(CLIENT)
  }

  pause (): void {
    if (!this.#detached) this.#flow.hold(CLIENT)
  }

  storeFull (): void {
    this.#flow.hold(STORE)
  }

  storeDrained (): void {
    this.#flow.release(STORE)
  }

  storing (tee: StoreTee): void {
    this.#state.running.add(tee)
  }

  stored (tee: StoreTee): void {
    this.#gone(tee)
  }

  abandon (): void {
    if (!this.#over) this.context.runInAsyncScope(this.#leave, this)
  }

  // --- the way to the servers ---

  #readBody (): void {
    if (this.#over) return
    const { mount, bodyLimit } = this.#service
    const given = this.#given
    if (this.#passage !== undefined && given === undefined) {
      // An earlier route has read what there was.
      const { body } = this.#passage
      if (body !== null && body.length > bodyLimit) this.#answerError(new FST_SCGI_BODY_TOO_LARGE(bodyLimit))
      else this.#begin(mount.body.pass ? body : null)
      return
    }
    let found
    try {
      found = findBody(this.#request, given)
    } catch (error) {
      this.#answerError(error)
      return
    }
    if (found === null) {
      this.#begin(null)
      return
    }
    const reader = this.#reader = new BodyReader(this.#request, mount.body, bodyLimit, (error, body) => {
      if (this.#over) return
      if (error === null) this.context.runInAsyncScope(this.#begin, this, body)
      else this.context.runInAsyncScope(this.#refuseBody, this, error)
    })
    reader.onStreamTimeout = error => this.context.runInAsyncScope(this.#bodyTimedOut, this, error)
    reader.read(found)
  }

  get #sendsBody (): boolean {
    return this.#service.mount.body.pass && sendsBody(this.#request, this.#passage, this.#given)
  }

  #bodyTimedOut (error: Error): void {
    this.#pass?.abort()
    if (this.#head === undefined) this.#refuseBody(error)
    else this.onError(error)
  }

  #begin (body: RequestBody | null): void {
    const { mount } = this.#service
    this.#outgoing.body = body
    if (this.#group === undefined) return
    this.#pass = this.#flow.pass = new Pass(this.#group, mount.pass, this.#outgoing, this, this.#info.attempts, this.context)
    this.#pass.start()
  }

  // --- another protocol ---

  #openTunnel (head: ResponseHead): void {
    const upgrade = upgradeOf(this.#request.raw)
    const pass = this.#pass
    if (this.#detached || this.#reply.sent || upgrade === undefined || pass === undefined) {
      this.sendingFailed()
      return
    }
    const { response } = this.#service.mount
    this.#tunnel = new Tunnel(upgrade, this.#reply.raw, pass, response.clientSendTimeout, error => {
      this.#request.log.info({ err: error }, 'client timed out')
      this.cut()
    })
    if (this.#sender.switched(head, pass.setCookie)) this.#tunnel.open()
    else this.#tunnel = undefined
  }

  // --- the end ---

  readonly #clientClosed = (): void => {
    offSocketClose(this.#request.raw.socket, this.#clientClosed)
    this.#closed = true
    if (!this.#over) this.context.runInAsyncScope(this.#leave, this)
    else this.#reader?.close()
    // Of a pipelined request nobody else hears that its connection ended.
    this.#stream?.destroy()
    if (this.#over) this.#gone(this)
    this.#event?.ended()
    this.#event = undefined
  }

  /** The client takes no more: the application is told by a closed connection, or finishes unheard. */
  #leave (): void {
    const wanted = (this.#service.mount.ignoreClientAbort && this.#tunnel === undefined) || this.#cache?.wanted === true ||
      this.#store?.wanted === true || (this.#head === undefined && this.#mayStore)
    if (this.#pass !== undefined && wanted) {
      this.#detached = true
      this.#pieces = []
      if (!this.#service.mount.ignoreClientAbort) this.#pass.settle()
      this.#flow.release(CLIENT)
      return
    }
    this.#pass?.abort()
    this.#invalidateUnheard()
    this.#end()
    this.#tunnel?.end()
    const { log } = this.#request
    if (isVerbose(log)) log.debug({ err: new FST_SCGI_CLIENT_ABORT() }, 'client closed the connection')
  }

  /** As far as the request can tell, its reply may be stored. */
  get #mayStore (): boolean {
    const { store } = this.#service.mount
    if (store === undefined || this.#group === undefined || this.#outgoing.upgrade !== undefined) return false
    return store.takes(askedOf(this.#outgoing, this.#sendsBody, this.#group))
  }

  #end (): void {
    this.#over = true
    this.#flow.end()
    this.#store?.abort()
    this.#cache?.abort()
    this.#reader?.close()
    if (this.#closed) this.#gone(this)
  }

  #gone (running: Running): void {
    const state = this.#state
    if (state.running.delete(running) && state.running.size === 0) state.onIdle?.()
  }

  #startStream (onResponse?: Mount['hooks']['onResponse']): ReplyStream | BufferedReply | undefined {
    const head = this.#head
    if (head === undefined || this.#reply.sent) {
      this.sendingFailed()
      return undefined
    }
    const { buffering: limits } = this.#service.mount
    // A slow client is not to hold up the file that others wait for.
    const isKept = this.#store?.wanted === true || this.#cache?.wanted === true
    const buffering = isKept ? { ...limits, maxTempFileSize: Infinity } : limits
    const stream = this.#stream = this.#sender.buffering
      ? new BufferedReply(this, buffering, error => this.context.runInAsyncScope(this.#spoolFailed, this, error))
      : new ReplyStream(this, buffering.bufferSize)
    for (const piece of this.#pieces) stream.feed(piece)
    this.#pieces = []
    this.#sender.stream(head, stream, onResponse)
    return stream
  }

  /** False where the function of the user's failed, and that was answered. */
  #limit (limitRate: (request: FastifyRequest) => number): boolean {
    try {
      const rate = limitRate(this.#request)
      if (rate > 0) this.#flow.limit(rate)
      return true
    } catch (error) {
      this.#pass?.abort()
      this.#answerError(error)
      return false
    }
  }

  #spoolFailed (error: Error): void {
    this.#request.log.error({ err: error }, error.message)
    this.sendingFailed()
  }

  #isBuffered (head: ResponseHead): boolean {
    const { buffering, response } = this.#service.mount
    const wish = response.accel.buffering ? head.headers['x-accel-buffering'] : undefined
    return (typeof wish === 'string' ? parseBuffering(wish) : undefined) ?? buffering.enabled
  }

  #diversionOf (head: ResponseHead): Diversion | undefined {
    const { response, filter } = this.#service.mount
    return divert(head, response, this.#request, this.#info.address, () => filter.apply(head, this.#request.raw.httpVersionMajor === 2))
  }

  /** For the cache, of a reply that goes to no client. */
  #judge (head: ResponseHead): Verdict {
    const diversion = this.#diversionOf(head)
    return { noCache: diversion !== undefined || !this.#isBuffered(head) || this.#noCache(), intercepted: diversion?.intercepted === true }
  }

  /** A request that may have changed something takes what the cache has of it away (RFC 9111 section 4.4). */
  #invalidate (headers: ResponseHead['headers']): void {
    const { cache } = this.#service.mount
    if (cache?.rules.rfc === undefined || !isUnsafe(this.#outgoing.method)) return
    try {
      invalidate(cache, this.#outgoing, headers, this.#cache !== undefined)
    } catch (error) {
      this.#request.log.error({ err: error }, 'the cache was not told of a change: cache.zone or cache.key failed')
    }
  }

  /** Nobody has heard what became of it, but it was sent, and may have been done. */
  #invalidateUnheard (): void {
    if (this.#head === undefined && this.#info.attempts.some(({ connectTime }) => connectTime !== undefined)) this.#invalidate({})
  }

  #noCache (): boolean {
    try {
      return this.#service.mount.cache?.noCache(this.#request) === true
    } catch (error) {
      this.#request.log.error({ err: error }, 'the reply is not stored: cache.noCache failed')
      return true
    }
  }

  /** Shows a head to the cache. True where that has answered the client instead. */
  #cacheTakes (cache: CachePass, head: ResponseHead, diversion: Diversion | undefined): boolean {
    const intercepted = diversion !== undefined && diversion.intercepted
    const decision = cache.onHead(head, diversion !== undefined || !this.#sender.buffering || this.#noCache(), intercepted)
    this.#sender.ownConditions = cache.ownConditions
    if (decision === 'again') {
      this.#pass?.abort()
      this.#head = this.#info.head = undefined
      cache.fetchAgain()
      return true
    }
    if (decision === 'revalidated' || decision === 'stale') {
      this.#pass?.abort()
      if (cache.entry !== undefined) this.serve(cache.entry)
      else this.#answerError(new FST_SCGI_CACHED_ERROR(head.statusCode))
      return true
    }
    // The client asked for the head, the cache for all of it.
    if (diversion === undefined && this.#request.method === 'HEAD' && this.#outgoing.method === 'GET') {
      if (decision === 'pass') {
        this.#pass?.abort()
        this.#end()
      }
      if (!this.#detached) this.#sender.whole(head, [], 0)
      this.#detached = true
      return true
    }
    if (decision === 'pass' && this.#detached && !this.#service.mount.ignoreClientAbort) {
      this.#pass?.abort()
      this.#end()
      return true
    }
    return false
  }

  /** Something else than the application's body answers. The request's body stays for it, where it can be read again. */
  #divert (diversion: Diversion): void {
    // After its end the reader has let go of what it had read.
    const body = !this.#over && this.#outgoing.body?.replayable === true ? this.#outgoing.body : null
    this.#over = true
    this.#cache?.abort()
    if (body === null) this.#reader?.close()
    if (this.#closed) this.#end()
    if (!this.#detached && !this.#closed && !this.#reply.sent) sendDiversion(this.#instead, diversion, body)
  }

  get #instead (): Instead {
    return {
      mount: this.#service.mount,
      request: this.#request,
      reply: this.#reply,
      passage: this.#passage,
      info: this.#info,
      sender: this.#sender,
      head: this.#head,
      lastOfConnection: this.lastOfConnection,
    }
  }

  #refuseBody (error: Error): void {
    // The rest of the body will not be read: the connection cannot be used again.
    if (this.#request.raw.httpVersionMajor < 2) this.#reply.header('connection', 'close')
    this.#answerError(error)
  }

  #answerError (error: unknown): void {
    const reply = this.#reply
    if (reply.sent || reply.raw.destroyed) {
      this.#end()
      return
    }
    const failure = toError(error)
    const instead = this.#instead
    let page
    try {
      page = pageFor(instead, failure)
    } catch (cause) {
      this.#request.log.error({ err: failure }, failure.message)
      this.#end()
      sendFailure(instead, toError(cause))
      return
    }
    if (page !== undefined) {
      this.#request.log.error({ err: failure }, failure.message)
      // What is left of a body that is refused must not be taken for the next request, whoever answers this one.
      this.#divert(toPage(page, reply.getHeader('connection') === 'close' ? { connection: 'close' } : {}))
      return
    }
    this.#end()
    sendFailure(instead, failure)
  }
}

/** Whether debug lines are written: what goes into one is not made for nobody. */
function isVerbose ({ level }: FastifyBaseLogger): boolean {
  return level === 'debug' || level === 'trace'
}

function turn (exchange: GatewayExchange): void {
  exchange.turn()
}
