import { performance } from 'node:perf_hooks'
import { FST_SCGI_NO_FAILOVER, FST_SCGI_NO_LIVE_UPSTREAMS, FST_SCGI_QUEUE_FULL, FST_SCGI_QUEUE_TIMEOUT } from '../errors.ts'
import { failurePassesOn, mayResend, statusCountsAsFailure, statusPassesOn } from '../balancer/next-upstream.ts'
import { Attempting } from './attempting.ts'
import { currentContext } from '../runtime/context.ts'
import { ANSWERED, BEGUN, CONNECTING, HOLDING, OPENING, OVER, QUEUED, SENT } from './phase.ts'
import { GROUP_REFUSED } from '../runtime/diagnostics.ts'
import { Hold } from './hold.ts'
import { QueueEvent, queuesAreHeard } from './attempt-event.ts'
import { toError } from '../runtime/caught.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Endpoint } from '../connections/protocol.ts'
import type { Group } from '../balancer/group.ts'
import type { PassHandler, PassRequest, PassSettings, PassTerms } from './contract.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Selection } from '../balancer/selection.ts'
import type { Stickiness } from '../balancer/sticky/stickiness.ts'
import type { Waiter } from '../balancer/queue.ts'
import type { QueueOutcome } from '../../types/diagnostics.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Attempt } from '../../types/request.ts'
import type { ExchangeHandler, ResponseHead, UpstreamError } from '../../types/exchange.ts'

export type { PassHandler, PassRequest, PassSettings } from './contract.ts'

/**
 * One pass of a request through a group: attempts on one server after the other until one answers or the rules of
 * `nextUpstream` end it. Every server taken is given back, once.
 */
export class Pass implements ExchangeHandler, Waiter, PassTerms {
  /** From the head on: what Set-Cookie is to tell the client besides, so that it keeps its server. */
  setCookie: string | undefined = undefined
  readonly group: Group<Endpoint>
  #selection: Selection<Endpoint>
  readonly settings: PassSettings
  readonly request: PassRequest
  readonly handler: PassHandler
  readonly context: AsyncResource
  readonly #running: Attempting
  #phase = BEGUN
  /** From then on no further server is asked; 0 is never. Not Infinity: that would be an object of its own in each pass. */
  #deadline: number
  /** From the moment on in which no server could be had. */
  #hold: Hold | undefined
  /** The wait in the queue, where somebody listens. */
  #queued: QueueEvent | undefined

  /** @param context what the functions of the user's, and the handler, are called in */
  constructor (
    group: Group<Endpoint>, settings: PassSettings, request: PassRequest, handler: PassHandler, attempts: Attempt[],
    context = currentContext()
  ) {
    this.context = context
    this.group = group
    this.#selection = group.begin(request)
    this.settings = settings
    this.request = request
    this.handler = handler
    this.#running = new Attempting(this, attempts)
    const { tries, timeout } = settings.nextUpstream
    this.#deadline = timeout > 0 ? performance.now() + timeout : 0
    if (tries > 0) this.#selection.limit(tries)
  }

  get attempts (): Attempt[] {
    return this.#running.attempts
  }

  start (): void {
    const { open } = this.group
    if (open === undefined) this.#begin()
    else this.#open(open)
  }

  #open (open: () => Promise<unknown>): void {
    this.#phase = this.#phase.to(OPENING)
    open().then(
      () => this.context.runInAsyncScope(this.#opened, this),
      error => this.context.runInAsyncScope(this.#notOpened, this, error)
    )
  }

  #opened (): void {
    if (this.#phase !== OPENING) return
    const { tries } = this.settings.nextUpstream
    this.#selection = this.group.begin(this.request)
    if (tries > 0) this.#selection.limit(tries)
    this.#begin()
  }

  #notOpened (error: unknown): void {
    if (this.#phase !== OPENING) return
    this.#phase = this.#phase.to(OVER)
    this.handler.onError(toError(error))
  }

  #begin (): void {
    const { queue } = this.group
    const mayWait = queue !== undefined && queue.size > 0
    // Who comes now is served after those who wait.
    if (mayWait && queue.length > 0) this.#wait()
    else this.#take(mayWait)
  }

  /** No attempt was made yet, and any server would do. For the queue. */
  get fresh (): boolean {
    return this.#selection.fresh && !this.#selection.bound
  }

  /** For the queue: a server that drains has room for it, and for nobody who is not bound to it. */
  get apart (): boolean {
    return !this.#selection.unbound && this.context.runInAsyncScope(this.#isApart, this)
  }

  /** For the queue, when a server may have become free. */
  serve (): boolean {
    return this.context.runInAsyncScope(this.#serve, this)
  }

  /** For the queue, when the time is over. */
  expire (): void {
    this.#leftQueue('timeout')
    const error = new FST_SCGI_QUEUE_TIMEOUT(this.group.name, this.group.queue?.timeout ?? 0)
    this.context.runInAsyncScope(this.#refuse, this, error)
  }

  /** The attempt that runs is the last: nobody waits for the answer any more. False if none runs: nothing is to be expected. */
  settle (): boolean {
    this.#deadline = -1
    return this.#phase === CONNECTING || this.#phase === SENT || this.#phase === ANSWERED
  }

  /** Stop reading the body of the reply. */
  pause (): void {
    this.#running.control?.pause()
  }

  resume (): void {
    this.#running.control?.resume()
  }

  /** After a 101: see `ExchangeControl`. */
  write (chunk: Buffer): boolean {
    return this.#running.control?.write?.(chunk) ?? true
  }

  endWrite (): void {
    this.#running.control?.endWrite?.()
  }

  /** Ends everything at once, without a further call of the handler save `onAttempt`. */
  abort (): void {
    const phase = this.#phase
    if (phase === BEGUN || phase === OVER) return
    this.#phase = phase.to(OVER)
    if (phase === HOLDING) {
      this.#hold?.end()
    } else if (phase === QUEUED) {
      this.group.queue?.leave(this)
      this.#leftQueue('abort')
    } else if (phase !== OPENING) {
      const running = this.#running
      running.control?.abort()
      running.end(this.#selection, phase === ANSWERED ? running.outcome : 'abort', undefined, false)
    }
  }

  onConnect (): void {
    this.#phase = this.#phase.to(SENT)
    this.#running.connected()
  }

  onHead (head: ResponseHead, whole = false): void {
    const running = this.#running
    const { statusCode } = head
    running.answered(head)
    this.#selection.answered()
    if (statusCode >= 400 && statusPassesOn(this.settings.nextUpstream, statusCode) && this.#selection.tries > 1 && this.#mayGoOn()) {
      running.control?.abort()
      running.end(this.#selection, statusCountsAsFailure(statusCode) ? 'failed' : running.outcome === 'failed' ? 'failed' : 'next')
      running.reason = `http_${statusCode}`
      this.#begin()
      return
    }
    if (this.group.sticky !== undefined && !this.#bind(this.group.sticky, head)) return
    this.#phase = this.#phase.to(ANSWERED)
    this.handler.onHead(head, whole)
  }

  onInterim (head: ResponseHead): void {
    this.handler.onInterim?.(head, this.#running.peer?.target.protocol.earlyHints === true)
  }

  onData (chunk: Buffer): true | void {
    return this.handler.onData(chunk)
  }

  onDrain (): void {
    this.handler.onDrain?.()
  }

  onEnd (): void {
    this.#phase = this.#phase.to(OVER)
    this.#running.end(this.#selection, this.#running.outcome)
    this.handler.onEnd()
  }

  onError (error: UpstreamError): void {
    const running = this.#running
    if (this.#phase === ANSWERED) {
      this.#fail(error, running.outcome)
      return
    }
    const { peer, control } = running
    if (control?.reused === true && control.bytesReceived === 0 && error.kind === 'error') {
      // The connection had gone stale: no fault of the server's, and no attempt of the request's.
      if (peer !== undefined && this.#mayResend) this.#send(peer, true)
      else this.#failed(error, 'abort')
      return
    }
    this.#failed(error, error.kind === 'local' ? 'abort' : 'failed')
  }

  #isApart (): boolean {
    try {
      return this.#selection.findReserved()
    } catch {
      // It ends with that when it is served.
      return true
    }
  }

  #serve (): boolean {
    this.#selection.renew()
    return this.#take(true)
  }

  /**
   * Takes the next server, and begins with it; ends the request where there is none. False if it waits.
   * @param mayWait it has, or may have, a place in the queue
   */
  #take (mayWait: boolean): boolean {
    let peer
    try {
      peer = this.#selection.next()
    } catch (error) {
      // A function of the user's: the key of a hash, a method of their own.
      this.#leaveQueue('refused')
      this.#phase = this.#phase.to(OVER)
      this.handler.onError(toError(error))
      return true
    }
    if (peer === undefined) {
      if (mayWait && this.#selection.full) return this.#phase === QUEUED ? false : this.#wait()
      this.#leaveQueue('refused')
      if (this.#holds()) return true
      if (this.#selection.held) this.#refuse(new FST_SCGI_NO_FAILOVER(this.group.name), 503)
      else this.#refuse(new FST_SCGI_NO_LIVE_UPSTREAMS(this.group.name))
      return true
    }
    this.#leaveQueue('served')
    this.#running.begin(peer)
    this.#send(peer, false)
    return true
  }

  #wait (): boolean {
    this.#phase = this.#phase.to(QUEUED)
    const { queue } = this.group
    if (queue?.enter(this) === true) {
      // It may have been served meanwhile.
      const isWaiting = this.#phase === QUEUED
      if (isWaiting && queuesAreHeard()) this.#queued = new QueueEvent(this.group, this.request)
      return !isWaiting
    }
    this.#refuse(new FST_SCGI_QUEUE_FULL(this.group.name, queue?.size ?? 0))
    return true
  }

  #leaveQueue (outcome: 'served' | 'refused'): void {
    if (this.#phase !== QUEUED) return
    this.group.queue?.leave(this)
    this.#leftQueue(outcome)
  }

  #leftQueue (outcome: QueueOutcome): void {
    this.#queued?.left(outcome)
    this.#queued = undefined
  }

  /** Notes whose server it is that has answered. False if that has ended the request. */
  #bind (sticky: Stickiness<Endpoint>, head: ResponseHead): boolean {
    const { peer, outcome } = this.#running
    // A reply that counts against its server is no reason to come again.
    if (peer === undefined || outcome === 'failed') return true
    try {
      this.setCookie = sticky.answered(this.request, this.group.servers, peer, head)
      return true
    } catch (error) {
      // A function of the user's: the session of a reply, the domain of a cookie.
      this.#running.control?.abort()
      this.#fail(toError(error), 'abort')
      return false
    }
  }

  /** No server took the request. */
  #refuse (error: Error, status = 502): void {
    this.#phase = this.#phase.to(OVER)
    const attempt = this.#running.refuse(error, status)
    if (GROUP_REFUSED.hasSubscribers) GROUP_REFUSED.publish({ request: this.request.source, group: this.group, attempt, error })
    this.handler.onError(error)
  }

  /** The attempt that runs has failed, and with it the pass. */
  #fail (error: Error, outcome: AttemptOutcome): void {
    this.#phase = this.#phase.to(OVER)
    this.#running.end(this.#selection, outcome, error)
    this.handler.onError(error)
  }

  /** The attempt that runs has failed: another server is asked, if the rules have it so. */
  #failed (error: UpstreamError, outcome: AttemptOutcome): void {
    const running = this.#running
    if (error.kind !== 'local') running.failed(error.statusCode)
    running.end(this.#selection, outcome, error)
    running.reason = error.kind
    if (outcome === 'failed' && failurePassesOn(this.settings.nextUpstream, error.kind)) {
      if (this.#selection.tries > 0 && this.#mayGoOn()) {
        this.#begin()
        return
      }
      if (this.#holds()) return
    }
    this.#phase = this.#phase.to(OVER)
    this.handler.onError(error)
  }

  /** Waits until a server may be back, if the request may be sent then. */
  #holds (): boolean {
    const { nextUpstream } = this.settings
    const { wait, tries } = nextUpstream
    if (wait === 0 || (tries > 0 && this.#running.made >= tries) || !this.#mayGoOn()) return false
    this.#hold ??= new Hold(nextUpstream, () => this.context.runInAsyncScope(this.#again, this))
    if (!this.#hold.begin()) return false
    this.#phase = this.#phase.to(HOLDING)
    return true
  }

  /** All servers are asked once more. */
  #again (): void {
    const { tries } = this.settings.nextUpstream
    this.#selection = this.group.begin(this.request)
    const { limit } = this.group
    this.#selection.limit((tries > 0 && tries < limit ? tries : limit) - this.#running.made)
    this.#begin()
  }

  /** The conditions aside: whether the request may be sent to another server at all. */
  #mayGoOn (): boolean {
    return this.#mayResend && (this.#deadline === 0 || performance.now() < this.#deadline)
  }

  /** What was sent may be sent again: by its method, and by its body, which can be replayed, or nothing has taken from it. */
  get #mayResend (): boolean {
    const { method, body } = this.request
    const isSent = this.#phase === SENT
    return mayResend(this.settings.nextUpstream, method, isSent) && (!isSent || body === null || body.replayable)
  }

  #send (peer: Peer<Endpoint>, fresh: boolean): void {
    this.#phase = this.#phase.to(CONNECTING)
    try {
      this.#running.encode(peer.target)
    } catch (error) {
      // A function of the user's: the value of a parameter.
      this.#fail(toError(error), 'abort')
      return
    }
    this.#running.send(peer, fresh, this)
  }
}
