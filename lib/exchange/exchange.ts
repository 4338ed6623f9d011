import { FST_SCGI_BODY_CONSUMED, FST_SCGI_CACHED_ERROR, FST_SCGI_ONLY_IF_CACHED } from '../errors.ts'
import { breakOff } from '../http/raw-reply.ts'
import { currentContext } from '../runtime/context.ts'
import { replacementWithCookie, type Replacement } from './replacement.ts'
import { ended, type GatewayState, type Running } from './drain.ts'
import { failureOf } from './failure.ts'
import { ASKING, DETACHED, LOOKING_UP, OVER, READING, REPLYING, type GatewayPhase } from './phase.ts'
import { logAttempt, logLeft } from './log.ts'
import { isBuffered, ReplySide } from './reply-side.ts'
import { OutgoingRequest } from './outgoing.ts'
import { answerTo, sendReplacement, sendFailure } from './answer.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import { refusedCoding } from '../inbound/transfer-coding.ts'
import { RequestInfo } from './info.ts'
import { sendInterim } from '../reply/interim.ts'
import { Taps } from './taps.ts'
import { CLIENT, UpstreamSide } from './upstream-side.ts'
import type { Readable } from 'node:stream'
import type { CachedEntry } from '../cache/entry.ts'
import type { CacheHost, CacheTransaction, FetchPlan } from '../cache/transaction.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { Exchanging } from './exchanging.ts'
import type { Hits } from './hits.ts'
import type { RequestEvent } from './request-event.ts'
import type { Group } from '../balancer/group.ts'
import type { Mount } from './mount.ts'
import type { PassHandler } from '../attempts/contract.ts'
import type { Service } from './service.ts'
import type { Attempt } from '../../types/request.ts'
import type { RequestBody, ResponseHead } from '../../types/exchange.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * One request on its way through the gateway, from the route's handler to the reply: a machine of phases between the side of the servers,
 * the side of the client, and the taps for cache and store. It alone goes from phase to phase, and ends once.
 */
export class GatewayExchange implements Exchanging, PassHandler, CacheHost, Running {
  place = -1
  readonly context = currentContext()
  readonly #request: FastifyRequest
  readonly #mount: Mount
  readonly #state: GatewayState
  readonly #info: RequestInfo
  readonly #hits: Hits | undefined
  readonly #upstream: UpstreamSide
  readonly #client: ReplySide
  readonly #taps: Taps | undefined
  #phase: GatewayPhase = READING

  /**
   * @param event where it was begun before
   * @throws FST_SCGI_BAD_REQUEST, and what the user's hooks throw
   */
  constructor (service: Service, state: GatewayState, request: FastifyRequest, reply: FastifyReply, event?: RequestEvent) {
    const { mount } = service
    const redirected = redirectStateOf(request.raw)
    const outgoing = new OutgoingRequest(service, request, redirected)
    const info = this.#info = request.scgi = new RequestInfo(redirected)
    info.clientAddress = outgoing.clientAddress
    this.#request = request
    this.#mount = mount
    this.#state = state
    this.#hits = service.hits
    this.#upstream = new UpstreamSide(this, service, redirected, outgoing, info.attempts)
    this.#client = new ReplySide(this, mount, state, this.#upstream, reply, redirected, info)
    this.#taps = mount.cache === undefined && mount.store === undefined ? undefined : new Taps(mount, state, this.#upstream, this.#client)
    if (this.#client.watch(this.#clientClosed, event)) state.running.add(this)
    else this.#phase = this.#phase.to(OVER)
  }

  get phase (): GatewayPhase {
    return this.#phase
  }

  get isKept (): boolean {
    return this.#taps?.wanted === true
  }

  /**
   * Answers the request, from the cache or from a group.
   * @param given the body, where it is not the request's own
   */
  start (group: Group<Endpoint>, given?: Buffer | string | Readable): void {
    if (this.#phase !== READING) return
    const { event } = this.#client
    if (event !== undefined) event.group = group
    const refused = given === undefined ? refusedCoding(this.#request.raw) : undefined
    if (refused !== undefined) {
      this.refuseBody(refused)
      return
    }
    this.#upstream.choose(group, given)
    let cache
    try {
      cache = this.#taps?.openCache(this)
    } catch (error) {
      this.answerError(error)
      return
    }
    if (cache === undefined) {
      this.#upstream.read()
      return
    }
    this.#phase = this.#phase.to(LOOKING_UP)
    cache.start()
  }

  /** The body is there, or there is none: the servers are asked. */
  ask (body: RequestBody | null): void {
    if (this.#phase !== DETACHED) this.#phase = this.#phase.to(ASKING)
    this.#upstream.ask(body)
    // It is asked once more, and the client has gone meanwhile.
    if (this.#phase === DETACHED && !this.#settle()) this.sendingFailed()
  }

  // --- what the cache says ---

  serve (entry: CachedEntry): void {
    if (this.#phase === OVER || this.#phase === DETACHED) {
      entry.discard()
      this.#end()
      return
    }
    this.#client.head = this.#info.head = entry.head
    this.#taps?.served(this.#hits)
    this.#end()
    this.#client.sender.entry(entry)
  }

  serveError (statusCode: number, remembered: boolean): void {
    this.answerError(remembered ? Object.assign(new FST_SCGI_CACHED_ERROR(statusCode), { statusCode }) : new FST_SCGI_ONLY_IF_CACHED())
  }

  fetch (plan: FetchPlan): void {
    const upstream = this.#upstream
    const outgoing = upstream.outgoing = upstream.outgoing.forCache(plan)
    if (this.#phase === LOOKING_UP) {
      this.#phase = this.#phase.to(READING)
      upstream.read()
    } else if (outgoing.body === null || outgoing.body.replayable) {
      this.ask(outgoing.body)
    } else {
      this.answerError(new FST_SCGI_BODY_CONSUMED())
    }
  }

  fetchInBackground (transaction: CacheTransaction, plan: FetchPlan): void {
    this.#taps?.update(transaction, plan)
  }

  onStoreDrain (): void {
    this.#taps?.cacheDrained()
  }

  // --- what the servers say ---

  onHead (head: ResponseHead, whole = false): void {
    const client = this.#client
    const upstream = this.#upstream
    const taps = this.#taps
    const { sender } = client
    if (this.#phase !== DETACHED) this.#phase = this.#phase.to(REPLYING)
    client.head = this.#info.head = head
    if (head.statusCode === 101) {
      client.openTunnel(head)
      return
    }
    if (head.statusCode < 400) taps?.invalidate(head.headers)
    sender.buffering = isBuffered(head, this.#mount)
    let replacement = client.replacementOf(head)
    const cookie = sender.setCookie = upstream.pass?.setCookie
    if (cookie !== undefined && replacement !== undefined) replacement = replacementWithCookie(replacement, cookie)
    if (taps?.cache !== undefined && taps.cacheTakes(taps.cache, head, replacement, this)) return
    if (replacement !== undefined) {
      upstream.abort()
      this.#replacementFor(replacement)
      return
    }
    taps?.openStore(head)
    if (this.#phase === DETACHED) {
      // The client has disconnected, and it was not known whether anybody else wants the reply.
      if (!this.isKept && !this.#mount.ignoreClientAbort) this.sendingFailed()
      return
    }
    const { limitRate } = this.#mount.response
    if (limitRate !== undefined && sender.buffering) {
      try {
        upstream.limit(limitRate(this.#request))
      } catch (error) {
        upstream.abort()
        this.answerError(error)
        return
      }
    }
    client.begin(whole)
  }

  onInterim (head: ResponseHead, usual: boolean): void {
    const { reply } = this.#client
    if (!(this.#mount.earlyHints ?? usual) || this.#phase !== ASKING || reply.sent) return
    sendInterim(this.#mount, this.#request.raw, reply.raw, head)
  }

  onData (chunk: Buffer): true | void {
    const client = this.#client
    const taps = this.#taps
    if (client.tunnel !== undefined) {
      client.tunnel.fromServer(chunk)
      return
    }
    taps?.data(chunk)
    if (this.#phase === DETACHED) return
    this.#upstream.took(chunk.length)
    if (taps?.isLast(chunk) === true) {
      client.keep(chunk)
      return
    }
    const isFree = client.data(chunk)
    if (isFree && taps === undefined) return true
  }

  onDrain (): void {
    this.#client.tunnel?.serverDrained()
  }

  onEnd (): void {
    const client = this.#client
    const isStoring = this.#taps?.end(() => this.context.runInAsyncScope(client.finish, client)) === true
    this.#end()
    if (client.tunnel !== undefined) client.tunnel.serverEnded()
    // The file is there before the client has the end of the reply.
    else if (!isStoring) client.finish()
  }

  onError (error: Error): void {
    if (this.#client.head === undefined) {
      this.#taps?.invalidate(undefined)
      const { failure, statusCode } = failureOf(error)
      const entry = this.#taps?.fail(failure, statusCode)
      if (entry !== undefined) {
        this.#request.log.warn({ err: error }, `${error.message}; an expired entry of the cache is served`)
        this.serve(entry)
        return
      }
      if (this.#phase !== DETACHED) {
        this.answerError(error)
        return
      }
    }
    this.#end()
    this.#client.fail(error)
  }

  onAttempt (attempt: Attempt, error: Error | undefined): void {
    logAttempt(this.#request.log, attempt, error)
  }

  // --- what ends it ---

  /** Answers with an error, also because no server could be chosen. */
  answerError (error: unknown): void {
    const client = this.#client
    const { reply } = client
    if (reply.sent || reply.raw.destroyed) {
      this.#end()
      return
    }
    const { page, failure } = answerTo(client, error)
    if (page !== undefined) {
      this.#replacementFor(page)
      return
    }
    this.#end()
    sendFailure(client, failure)
  }

  refuseBody (error: Error): void {
    // The rest of the body will not be read: the connection cannot be used again.
    if (this.#request.raw.httpVersionMajor < 2) this.#client.reply.header('connection', 'close')
    this.answerError(error)
  }

  bodyTimedOut (error: Error): void {
    this.#upstream.abort()
    if (this.#client.head === undefined) this.refuseBody(error)
    else this.onError(error)
  }

  sendingFailed (): void {
    this.#upstream.abort()
    this.#end()
  }

  detach (): void {
    if (this.#phase !== DETACHED) this.#phase = this.#phase.to(DETACHED)
  }

  abandon (): void {
    if (this.#phase !== OVER) this.context.runInAsyncScope(this.#leave, this)
  }

  cut (): void {
    const { tunnel, reply } = this.#client
    this.context.runInAsyncScope(this.sendingFailed, this)
    tunnel?.end()
    breakOff(reply.raw)
  }

  closing (): void {
    this.#client.closing()
  }

  readonly #clientClosed = (): void => {
    const client = this.#client
    client.gone(this.#clientClosed)
    if (this.#phase !== OVER) this.context.runInAsyncScope(this.#leave, this)
    // What was kept of the body for whoever answered instead is not needed any more.
    if (this.#phase === OVER) this.#end()
    client.closed()
  }

  /** The client takes no more: the application is told by a closed connection, or finishes unheard. */
  #leave (): void {
    const client = this.#client
    const upstream = this.#upstream
    const taps = this.#taps
    const { ignoreClientAbort } = this.#mount
    const isAsked = this.#phase === ASKING || this.#phase === REPLYING || this.#phase === DETACHED
    const isWanted = (ignoreClientAbort && client.tunnel === undefined) || this.isKept
    if (isAsked && (isWanted || (client.head === undefined && taps?.mayStore === true)) && this.#settle()) {
      this.detach()
      client.drop()
      upstream.release(CLIENT)
      return
    }
    upstream.abort()
    if (client.head === undefined) taps?.invalidate(undefined)
    this.#end()
    client.tunnel?.end()
    logLeft(this.#request.log)
  }

  /** The client has gone: an attempt that runs may finish, and is the last. False if none does, as the request still waits for a server. */
  #settle (): boolean {
    return this.#mount.ignoreClientAbort || this.#upstream.pass?.settle() !== false
  }

  /**
   * Lets go of everything.
   * @param keepsBody but not of what was read of the request's body
   */
  #end (keepsBody = false): void {
    if (this.#phase !== OVER) this.#phase = this.#phase.to(OVER)
    this.#upstream.end(keepsBody)
    this.#taps?.abort()
    if (this.#client.client === 'gone') ended(this.#state, this)
  }

  /** Something else than the application's body answers. The request's body stays for it, where it can be read again. */
  #replacementFor (replacement: Replacement): void {
    const client = this.#client
    const { body } = this.#upstream.outgoing
    // After its end the reader has let go of what it had read.
    const kept = this.#phase !== OVER && client.client !== 'gone' && body?.replayable === true ? body : null
    this.#end(kept !== null)
    if (client.client === 'listening' && !client.reply.sent) sendReplacement(client, replacement, kept)
  }
}
