import { FST_SCGI_NO_FAILOVER, FST_SCGI_NO_LIVE_UPSTREAMS, FST_SCGI_QUEUE_FULL, FST_SCGI_QUEUE_TIMEOUT } from '../errors.ts'
import { failurePassesOn, mayResend, statusCountsAsFailure, statusPassesOn, type NextUpstream } from '../balancer/next-upstream.ts'
import { currentContext } from '../runtime/context.ts'
import { AttemptEvent, attemptsAreHeard, QueueEvent, queuesAreHeard } from './attempt-event.ts'
import { GROUP_REFUSED } from '../runtime/diagnostics.ts'
import { Hold } from './hold.ts'
import { toError } from '../runtime/caught.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Group } from '../balancer/group.ts'
import type { PickRequest } from '../balancer/method.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Waiter } from '../balancer/queue.ts'
import type { Selection } from '../balancer/selection.ts'
import type { Stickiness } from '../balancer/sticky/stickiness.ts'
import type { EncodableRequest, EncodedHead, Endpoint } from '../connections/protocol.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Attempt } from '../../types/request.ts'
import type {
  ExchangeControl, ExchangeHandler, ExchangeTimeouts, RequestBody, ResponseHead, UpstreamError,
} from '../../types/exchange.ts'

const NOT_ENCODED: EncodedHead = { head: Buffer.alloc(0), http: undefined }

/** What is the same for every request of a mount. */
export interface PassSettings {
  readonly nextUpstream: NextUpstream
  readonly timeouts: ExchangeTimeouts
  readonly bufferSize: number
  readonly socketKeepalive: number | undefined
}

/**
 * What is sent. For methods that look at the request it also tells the client's address and the request itself (`clientAddress`,
 * `source`: see PickRequest), best as getters, for most methods ask for neither.
 */
export interface PassRequest extends PickRequest, EncodableRequest {
  readonly method: string
  readonly body: RequestBody | null
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** The request asks for another protocol. */
  readonly upgrade?: string | undefined
  readonly transparent?: boolean | undefined
}

/** Receives the outcome: `onHead`, `onData` ..., `onEnd`, or `onError`, before or after `onHead`, as the last call. */
export interface PassHandler {
  onHead (head: ResponseHead): void
  /**
   * An informational head of an attempt, any but 100 and 101. Nothing may be ended by it.
   * @param usual the protocol of its server has clients hear of it, unless the options say otherwise
   */
  onInterim? (head: ResponseHead, usual: boolean): void
  onData (chunk: Buffer): void
  onEnd (): void
  /** After a 101: the server has taken what was written. */
  onDrain? (): void
  /** `error` is of the last attempt; after `onHead` the reply is incomplete. */
  onError (error: Error): void
  /** An attempt has ended. */
  onAttempt (attempt: Attempt, error: Error | undefined): void
}

/**
 * One pass of a request through a group: attempts on one server after the other until one answers or the rules of
 * `nextUpstream` end it. Every server taken is given back, once.
 */
export class Pass implements ExchangeHandler, Waiter {
  readonly attempts: Attempt[]
  /** From the head on: what Set-Cookie is to tell the client besides, so that it keeps its server. */
  setCookie: string | undefined = undefined
  readonly #group: Group<Endpoint>
  #selection: Selection<Endpoint>
  readonly #settings: PassSettings
  readonly #request: PassRequest
  readonly #handler: PassHandler
  readonly #context: AsyncResource
  readonly #begun: number
  #peer: Peer<Endpoint> | undefined
  #control: ExchangeControl | undefined
  #attempt: Attempt | undefined
  #attemptBegun = 0
  /** The running attempt has begun to write the request. */
  #sent = false
  #headGiven = false
  #last = false
  /** The status of the reply is one that counts as a failure. */
  #failing = false
  /** In the queue. */
  #waiting = false
  /** From the moment on in which no server could be had. */
  #hold: Hold | undefined
  /** Attempts that were begun. */
  #made = 0
  #encoded = NOT_ENCODED
  #encodedFor: Endpoint | undefined
  /** Why there is one more attempt, in the words of `nextUpstream`. */
  #reason: string | undefined
  /** Where somebody listens: the running attempt, and the wait in the queue. */
  #event: AttemptEvent | undefined
  #queued: QueueEvent | undefined

  /** @param context what the functions of the user's, and the handler, are called in */
  constructor (
    group: Group<Endpoint>, settings: PassSettings, request: PassRequest, handler: PassHandler, attempts: Attempt[],
    context = currentContext()
  ) {
    this.#context = context
    this.#group = group
    this.#selection = group.begin(request)
    this.#settings = settings
    this.#request = request
    this.#handler = handler
    this.attempts = attempts
    this.#begun = settings.nextUpstream.timeout > 0 ? performance.now() : 0
    const { tries } = settings.nextUpstream
    if (tries > 0) this.#selection.limit(tries)
  }

  start (): void {
    const { queue } = this.#group
    // Who comes now is served after those who wait.
    if (queue !== undefined && queue.length > 0) this.#wait()
    else this.#take(queue !== undefined)
  }

  /** No attempt was made yet, and any server would do. For the queue. */
  get fresh (): boolean {
    return this.#selection.fresh && !this.#selection.bound
  }

  /** For the queue, when a server may have become free. */
  serve (): boolean {
    return this.#context.runInAsyncScope(this.#serve, this)
  }

  /** For the queue, when the time is over. */
  expire (): void {
    this.#waiting = false
    this.#leftQueue('timeout')
    const error = new FST_SCGI_QUEUE_TIMEOUT(this.#group.name, this.#group.queue?.timeout ?? 0)
    this.#context.runInAsyncScope(this.#refuse, this, error)
  }

  /** The attempt that runs is the last: nobody waits for the answer any more. */
  settle (): void {
    this.#last = true
  }

  /** Stop reading the body of the reply. */
  pause (): void {
    this.#control?.pause()
  }

  resume (): void {
    this.#control?.resume()
  }

  /** After a 101: see `ExchangeControl`. */
  write (chunk: Buffer): boolean {
    return this.#control?.write?.(chunk) ?? true
  }

  endWrite (): void {
    this.#control?.endWrite?.()
  }

  /** Ends everything at once, without a further call of the handler save `onAttempt`. */
  abort (): void {
    this.#hold?.end()
    if (this.#waiting) {
      this.#waiting = false
      this.#group.queue?.leave(this)
      this.#leftQueue('abort')
    }
    if (this.#peer === undefined) return
    this.#control?.abort()
    const attempt = this.#endAttempt(undefined)
    this.#release(this.#headGiven ? this.#outcome() : 'abort', attempt, undefined, false)
  }

  onConnect (): void {
    this.#sent = true
    if (this.#attempt !== undefined) this.#attempt.connectTime = this.#elapsed()
    this.#event?.connected()
  }

  onHead (head: ResponseHead): void {
    const attempt = this.#attempt
    if (attempt !== undefined) {
      attempt.headerTime = this.#elapsed()
      attempt.status = head.statusCode
    }
    this.#event?.answered(head)
    this.#selection.answered()
    if (head.statusCode >= 400 && statusPassesOn(this.#settings.nextUpstream, head.statusCode) &&
        this.#selection.tries > 1 && this.#mayGoOn()) {
      this.#control?.abort()
      const failed = statusCountsAsFailure(head.statusCode) || this.#group.failOnStatus?.has(head.statusCode) === true
      this.#release(failed ? 'failed' : 'next', this.#endAttempt(undefined))
      this.#reason = `http_${head.statusCode}`
      this.start()
      return
    }
    this.#failing = this.#group.failOnStatus?.has(head.statusCode) === true
    if (this.#group.sticky !== undefined && !this.#bind(this.#group.sticky, head)) return
    this.#headGiven = true
    this.#handler.onHead(head)
  }

  onInterim (head: ResponseHead): void {
    this.#handler.onInterim?.(head, this.#peer?.target.protocol.earlyHints === true)
  }

  onData (chunk: Buffer): void {
    this.#handler.onData(chunk)
  }

  onDrain (): void {
    this.#handler.onDrain?.()
  }

  onEnd (): void {
    this.#release(this.#outcome(), this.#endAttempt(undefined))
    this.#handler.onEnd()
  }

  onError (error: UpstreamError): void {
    if (this.#headGiven) {
      this.#release(this.#outcome(), this.#endAttempt(error), error)
      this.#handler.onError(error)
      return
    }
    const peer = this.#peer
    const control = this.#control
    if (control?.reused === true && control.bytesReceived === 0 && error.kind === 'error') {
      // The connection had gone stale: no fault of the server's, and no attempt of the request's.
      if (peer !== undefined && this.#bodyLeft() && mayResend(this.#settings.nextUpstream, this.#request.method, this.#sent)) {
        this.#exchange(peer, true)
        return
      }
      this.#settleError(error, 'abort')
      return
    }
    this.#settleError(error, error.kind === 'local' ? 'abort' : 'failed')
  }

  #serve (): boolean {
    this.#selection.renew()
    return this.#take(true)
  }

  /**
   * Takes the next server, and begins with it; ends the request where there is none. False where it waits.
   * @param mayWait it has, or may have, a place in the queue
   */
  #take (mayWait: boolean): boolean {
    let peer
    try {
      peer = this.#selection.next()
    } catch (error) {
      // A function of the user's: the key of a hash, a method of their own.
      this.#leaveQueue()
      this.#handler.onError(toError(error))
      return true
    }
    if (peer === undefined) {
      if (mayWait && this.#selection.full) return this.#waiting ? false : this.#wait()
      this.#leaveQueue()
      if (this.#holds()) return true
      if (this.#selection.held) this.#refuse(new FST_SCGI_NO_FAILOVER(this.#group.name), 503)
      else this.#refuse(new FST_SCGI_NO_LIVE_UPSTREAMS(this.#group.name))
      return true
    }
    this.#leaveQueue()
    this.#peer = peer
    this.#made += 1
    const attempt = this.#beginAttempt(peer.target.name)
    if (attemptsAreHeard()) this.#event = new AttemptEvent(this.#group, peer, this.#request, attempt, this.#made - 1, this.#reason)
    this.#exchange(peer, false)
    return true
  }

  #wait (): boolean {
    this.#waiting = true
    const { queue } = this.#group
    if (queue?.enter(this) === true) {
      if (this.#waiting && queuesAreHeard()) this.#queued = new QueueEvent(this.#group, this.#request)
      return !this.#waiting
    }
    this.#waiting = false
    this.#refuse(new FST_SCGI_QUEUE_FULL(this.#group.name, queue?.size ?? 0))
    return true
  }

  #leaveQueue (): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#group.queue?.leave(this)
    this.#leftQueue('served')
  }

  #leftQueue (outcome: 'served' | 'timeout' | 'abort'): void {
    this.#queued?.left(outcome)
    this.#queued = undefined
  }

  /** Notes whose server it is that has answered. False where that has ended the request. */
  #bind (sticky: Stickiness<Endpoint>, head: ResponseHead): boolean {
    const peer = this.#peer
    // A reply that counts against its server is no reason to come again.
    if (peer === undefined || this.#failing) return true
    try {
      this.setCookie = sticky.answered(this.#request, this.#group.servers, peer, head)
      return true
    } catch (error) {
      // A function of the user's: the session of a reply, the domain of a cookie.
      const failure = toError(error)
      this.#control?.abort()
      this.#release('abort', this.#endAttempt(failure), failure)
      this.#handler.onError(failure)
      return false
    }
  }

  /** No server took the request. */
  #refuse (error: Error, status = 502): void {
    this.#beginAttempt(this.#group.name).status = status
    this.#endAttempt(error)
    if (GROUP_REFUSED.hasSubscribers) GROUP_REFUSED.publish({ request: this.#request.source, group: this.#group, error })
    this.#handler.onError(error)
  }

  #beginAttempt (address: string): Attempt {
    this.#attemptBegun = performance.now()
    const attempt: Attempt = this.#attempt = {
      address,
      status: undefined,
      connectTime: undefined,
      headerTime: undefined,
      responseTime: undefined,
      bytesSent: 0,
      bytesReceived: 0,
      responseLength: 0,
    }
    this.attempts.push(attempt)
    return attempt
  }

  #settleError (error: UpstreamError, outcome: AttemptOutcome): void {
    if (this.#attempt !== undefined && error.kind !== 'local') this.#attempt.status = error.statusCode
    this.#release(outcome, this.#endAttempt(error), error)
    this.#reason = error.kind
    if (outcome === 'failed' && failurePassesOn(this.#settings.nextUpstream, error.kind)) {
      if (this.#selection.tries > 0 && this.#mayGoOn()) {
        this.start()
        return
      }
      if (this.#holds()) return
    }
    this.#handler.onError(error)
  }

  /** Waits until a server may be back, if the request may be sent then. */
  #holds (): boolean {
    const { nextUpstream } = this.#settings
    const { wait, tries } = nextUpstream
    if (wait === 0 || (tries > 0 && this.#made >= tries) || !this.#mayGoOn()) return false
    this.#hold ??= new Hold(nextUpstream, () => this.#context.runInAsyncScope(this.#again, this))
    return this.#hold.begin()
  }

  /** All servers are asked once more. */
  #again (): void {
    const { tries } = this.#settings.nextUpstream
    this.#selection = this.#group.begin(this.#request)
    if (tries > 0) this.#selection.limit(tries - this.#made)
    this.start()
  }

  /** The conditions aside: whether the request may be sent to another server at all. */
  #mayGoOn (): boolean {
    if (this.#last) return false
    const { nextUpstream } = this.#settings
    return mayResend(nextUpstream, this.#request.method, this.#sent) && this.#bodyLeft() &&
      (nextUpstream.timeout === 0 || performance.now() - this.#begun < nextUpstream.timeout)
  }

  /** The body can be sent (again): it can be replayed, or nothing has taken from it. */
  #bodyLeft (): boolean {
    return !this.#sent || this.#request.body === null || this.#request.body.replayable
  }

  #exchange (peer: Peer<Endpoint>, fresh: boolean): void {
    const { timeouts, bufferSize, socketKeepalive } = this.#settings
    const { method, body, localAddress, localPort, transparent } = this.#request
    const endpoint = peer.target
    this.#sent = false
    const { protocol } = endpoint
    const known = this.#encodedFor
    const added = this.#event?.headers
    if (added !== undefined || known?.pathPrefix !== endpoint.pathPrefix || known.keepalive !== endpoint.keepalive ||
        known.protocol.encode !== protocol.encode) {
      try {
        this.#encoded = protocol.encode(this.#request, endpoint, added)
      } catch (error) {
        const failure = toError(error)
        this.#release('abort', this.#endAttempt(failure), failure)
        this.#handler.onError(failure)
        return
      }
      // What is added is for this attempt alone.
      this.#encodedFor = added === undefined ? endpoint : undefined
    }
    const control = this.#control = endpoint.exchange({
      head: this.#encoded.head,
      http: this.#encoded.http,
      body,
      method,
      timeouts,
      bufferSize,
      localAddress,
      localPort,
      transparent,
      socketKeepalive,
      context: this.#context,
      upgrade: this.#request.upgrade !== undefined,
    }, this)
    control.start(fresh)
  }

  #elapsed (): number {
    return performance.now() - this.#attemptBegun
  }

  #endAttempt (error: Error | undefined): Attempt | undefined {
    const attempt = this.#attempt
    if (attempt === undefined) return undefined
    this.#attempt = undefined
    attempt.responseTime = this.#elapsed()
    const control = this.#control
    if (control !== undefined) {
      attempt.bytesSent = control.bytesSent
      attempt.bytesReceived = control.bytesReceived
      attempt.responseLength = control.bodyReceived
      this.#control = undefined
    }
    this.#handler.onAttempt(attempt, error)
    return attempt
  }

  /** How an attempt has ended whose head was good. */
  #outcome (): AttemptOutcome {
    return this.#failing ? 'failed' : 'ok'
  }

  #release (outcome: AttemptOutcome, attempt: Attempt | undefined, error?: Error, complete?: boolean): void {
    const peer = this.#peer
    if (peer === undefined) return
    this.#peer = undefined
    const event = this.#event
    this.#event = undefined
    this.#selection.release(peer, outcome, attempt, error, complete)
    event?.ended(outcome, error)
  }
}
