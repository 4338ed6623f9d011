import { FST_SCGI_NO_LIVE_UPSTREAMS } from '../errors.ts'
import { failurePassesOn, mayResend, statusCountsAsFailure, statusPassesOn, type NextUpstream } from './next-upstream.ts'
import type { Group } from '../balancer/group.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Selection } from '../balancer/selection.ts'
import type { Endpoint } from '../transport/endpoint.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Attempt } from '../../types/request.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeTimeouts, RequestBody, ResponseHead, UpstreamError } from '../../types/exchange.ts'

/** What is the same for every request of a mount. */
export interface PassSettings {
  readonly nextUpstream: NextUpstream
  readonly timeouts: ExchangeTimeouts
  readonly bufferSize: number
  readonly socketKeepalive: number | undefined
}

/** What is sent. */
export interface PassRequest {
  readonly method: string
  readonly body: RequestBody | null
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  /** The header netstring for a server. May throw: the request is then answered with that error. */
  encode (endpoint: Endpoint): Buffer
}

/** Receives the outcome: `onHead`, `onData` ..., `onEnd`, or `onError`, before or after `onHead`, as the last call. */
export interface PassHandler {
  onHead (head: ResponseHead): void
  onData (chunk: Buffer): void
  onEnd (): void
  /** `error` is of the last attempt; after `onHead` the reply is incomplete. */
  onError (error: Error): void
  /** An attempt has ended. */
  onAttempt (attempt: Attempt, error: Error | undefined): void
}

/**
 * One pass of a request through a group: attempts on one server after the other until one answers or the rules of
 * `nextUpstream` end it. Every server taken is given back, once.
 */
export class Pass implements ExchangeHandler {
  readonly attempts: Attempt[]
  readonly #group: Group<Endpoint>
  readonly #selection: Selection<Endpoint>
  readonly #settings: PassSettings
  readonly #request: PassRequest
  readonly #handler: PassHandler
  readonly #begun: number
  #peer: Peer<Endpoint> | undefined
  #control: ExchangeControl | undefined
  #attempt: Attempt | undefined
  #attemptBegun = 0
  /** The running attempt has begun to write the request. */
  #sent = false
  #headGiven = false
  #head: Buffer | undefined
  #headFor: Endpoint | undefined

  constructor (group: Group<Endpoint>, settings: PassSettings, request: PassRequest, handler: PassHandler, attempts: Attempt[]) {
    this.#group = group
    this.#selection = group.begin()
    this.#settings = settings
    this.#request = request
    this.#handler = handler
    this.attempts = attempts
    this.#begun = settings.nextUpstream.timeout > 0 ? performance.now() : 0
    const { tries } = settings.nextUpstream
    if (tries > 0 && tries < this.#selection.tries) this.#selection.tries = tries
  }

  start (): void {
    const peer = this.#peer = this.#selection.next()
    this.#attemptBegun = performance.now()
    this.#attempt = {
      address: peer === undefined ? this.#group.name : peer.target.name,
      status: undefined,
      connectTime: undefined,
      headerTime: undefined,
      responseTime: undefined,
      bytesSent: 0,
      bytesReceived: 0,
      responseLength: 0,
    }
    this.attempts.push(this.#attempt)
    if (peer === undefined) {
      const error = new FST_SCGI_NO_LIVE_UPSTREAMS(this.#group.name)
      this.#attempt.status = 502
      this.#endAttempt(error)
      this.#handler.onError(error)
    } else {
      this.#exchange(peer, false)
    }
  }

  /** Stop reading the body of the reply. */
  pause (): void {
    this.#control?.pause()
  }

  resume (): void {
    this.#control?.resume()
  }

  /** Ends everything at once, without a further call of the handler save `onAttempt`. */
  abort (): void {
    if (this.#peer === undefined) return
    this.#control?.abort()
    this.#endAttempt(undefined)
    this.#release(this.#headGiven ? 'ok' : 'abort')
  }

  onConnect (): void {
    this.#sent = true
    if (this.#attempt !== undefined) this.#attempt.connectTime = this.#elapsed()
  }

  onHead (head: ResponseHead): void {
    const attempt = this.#attempt
    if (attempt !== undefined) {
      attempt.headerTime = this.#elapsed()
      attempt.status = head.statusCode
    }
    if (head.statusCode >= 400 && statusPassesOn(this.#settings.nextUpstream, head.statusCode) &&
        this.#selection.tries > 1 && this.#mayGoOn()) {
      this.#control?.abort()
      this.#endAttempt(undefined)
      this.#release(statusCountsAsFailure(head.statusCode) ? 'failed' : 'next')
      this.start()
      return
    }
    this.#headGiven = true
    this.#handler.onHead(head)
  }

  onData (chunk: Buffer): void {
    this.#handler.onData(chunk)
  }

  onEnd (): void {
    this.#endAttempt(undefined)
    this.#release('ok')
    this.#handler.onEnd()
  }

  onError (error: UpstreamError): void {
    if (this.#headGiven) {
      this.#endAttempt(error)
      this.#release('ok')
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

  #settleError (error: UpstreamError, outcome: AttemptOutcome): void {
    if (this.#attempt !== undefined && error.kind !== 'local') this.#attempt.status = error.statusCode
    this.#endAttempt(error)
    this.#release(outcome)
    if (outcome === 'failed' && this.#selection.tries > 0 && failurePassesOn(this.#settings.nextUpstream, error.kind) && this.#mayGoOn()) {
      this.start()
    } else {
      this.#handler.onError(error)
    }
  }

  /** The conditions aside: whether the request may be sent to another server at all. */
  #mayGoOn (): boolean {
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
    const { method, body, localAddress, localPort } = this.#request
    const endpoint = peer.target
    this.#sent = false
    if (this.#headFor === undefined || this.#headFor.pathPrefix !== endpoint.pathPrefix || this.#headFor.keepalive !== endpoint.keepalive) {
      try {
        this.#head = this.#request.encode(endpoint)
      } catch (error) {
        const failure = error instanceof Error ? error : new Error(String(error))
        this.#endAttempt(failure)
        this.#release('abort')
        this.#handler.onError(failure)
        return
      }
      this.#headFor = endpoint
    }
    const control = this.#control = endpoint.exchange({
      head: this.#head ?? Buffer.alloc(0),
      body,
      method,
      timeouts,
      bufferSize,
      localAddress,
      localPort,
      socketKeepalive,
    }, this)
    control.start(fresh)
  }

  #elapsed (): number {
    return performance.now() - this.#attemptBegun
  }

  #endAttempt (error: Error | undefined): void {
    const attempt = this.#attempt
    if (attempt === undefined) return
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
  }

  #release (outcome: AttemptOutcome): void {
    const peer = this.#peer
    if (peer === undefined) return
    this.#peer = undefined
    this.#selection.release(peer, outcome)
  }
}
