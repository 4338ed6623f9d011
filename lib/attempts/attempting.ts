import { performance } from 'node:perf_hooks'
import { AttemptEvent, attemptsAreHeard } from './attempt-event.ts'
import type { EncodedHead, Endpoint } from '../connections/protocol.ts'
import type { PassTerms } from './contract.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Selection } from '../balancer/selection.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Attempt } from '../../types/request.ts'
import type { ExchangeControl, ExchangeHandler, ExchangeRequest, ResponseHead } from '../../types/exchange.ts'

const NOT_ENCODED: EncodedHead = { head: Buffer.alloc(0), http: undefined }

/** The attempts of one pass, of which one runs at a time: its server, the exchange with it, and the account of it. */
export class Attempting {
  readonly attempts: Attempt[]
  /** The server that is being asked. */
  peer: Peer<Endpoint> | undefined
  control: ExchangeControl | undefined
  /** Attempts that were begun. */
  made = 0
  /** Why there is one more, in the words of `nextUpstream`. */
  reason: string | undefined
  readonly #terms: PassTerms
  #attempt: Attempt | undefined
  #begun = 0
  #encoded: EncodedHead = NOT_ENCODED
  #encodedFor: Endpoint | undefined
  /** Where somebody listens. */
  #event: AttemptEvent | undefined

  constructor (terms: PassTerms, attempts: Attempt[]) {
    this.#terms = terms
    this.attempts = attempts
  }

  /** The next attempt begins, with a server that was taken. */
  begin (peer: Peer<Endpoint>): void {
    this.peer = peer
    this.made += 1
    const attempt = this.#enter(peer.target.name)
    if (!attemptsAreHeard()) return
    const { group, request } = this.#terms
    this.#event = new AttemptEvent(group, peer, request, attempt, this.made - 1, this.reason)
  }

  /** Enters that no server took the request. */
  refuse (error: Error, status: number): Attempt {
    const attempt = this.#enter(this.#terms.group.name)
    attempt.status = status
    this.#end(error)
    return attempt
  }

  /**
   * Makes the head that the server of the attempt gets.
   * @throws what the functions of the user's throw
   */
  encode (endpoint: Endpoint): void {
    const { protocol } = endpoint
    const known = this.#encodedFor
    const added = this.#event?.headers
    if (added === undefined && known?.pathPrefix === endpoint.pathPrefix && known.keepalive === endpoint.keepalive &&
        known.protocol.encode === protocol.encode) return
    this.#encoded = protocol.encode(this.#terms.request, endpoint, added)
    // What is added is for this attempt alone.
    this.#encodedFor = added === undefined ? endpoint : undefined
  }

  /** @param fresh not on a connection that stands already */
  send (peer: Peer<Endpoint>, fresh: boolean, handler: ExchangeHandler): void {
    const { settings, request, context } = this.#terms
    const { timeouts, bufferSize, socketKeepalive } = settings
    const { method, body, localAddress, localPort, transparent } = request
    const endpoint = peer.target
    const sent: ExchangeRequest = {
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
      context,
      upgrade: request.upgrade !== undefined,
    }
    // Of the two objects with the head one is kept.
    this.#encoded = sent
    const control = this.control = endpoint.exchange(sent, handler)
    control.start(fresh)
  }

  connected (): void {
    if (this.#attempt !== undefined) this.#attempt.connectTime = this.#elapsed
    this.#event?.connected()
  }

  answered (head: ResponseHead): void {
    const attempt = this.#attempt
    if (attempt !== undefined) {
      attempt.headerTime = this.#elapsed
      attempt.status = head.statusCode
    }
    this.#event?.answered(head)
  }

  /** The status of what the gateway says instead. */
  failed (statusCode: number): void {
    if (this.#attempt !== undefined) this.#attempt.status = statusCode
  }

  /** How an attempt ends whose reply has come, by its status. */
  get outcome (): AttemptOutcome {
    const status = this.#attempt?.status
    return status !== undefined && this.#terms.group.failOnStatus?.has(status) === true ? 'failed' : 'ok'
  }

  /**
   * The attempt has ended, and its server is given back.
   * @param complete the reply was received to its end
   */
  end (selection: Selection<Endpoint>, outcome: AttemptOutcome, error?: Error, complete?: boolean): void {
    const attempt = this.#end(error)
    const { peer } = this
    if (peer === undefined) return
    this.peer = undefined
    const event = this.#event
    this.#event = undefined
    selection.release(peer, outcome, attempt, error, complete)
    event?.ended(outcome, error)
  }

  #enter (address: string): Attempt {
    this.#begun = performance.now()
    const attempt = this.#attempt = attemptOn(address)
    this.attempts.push(attempt)
    return attempt
  }

  get #elapsed (): number {
    return performance.now() - this.#begun
  }

  #end (error: Error | undefined): Attempt | undefined {
    const attempt = this.#attempt
    if (attempt === undefined) return undefined
    this.#attempt = undefined
    attempt.responseTime = this.#elapsed
    const { control } = this
    if (control !== undefined) {
      attempt.bytesSent = control.bytesSent
      attempt.bytesReceived = control.bytesReceived
      attempt.responseLength = control.bodyReceived
      this.control = undefined
    }
    this.#terms.handler.onAttempt(attempt, error)
    return attempt
  }
}

function attemptOn (address: string): Attempt {
  return {
    address,
    status: undefined,
    connectTime: undefined,
    headerTime: undefined,
    responseTime: undefined,
    bytesSent: 0,
    bytesReceived: 0,
    responseLength: 0,
  }
}

const NO_ATTEMPT = attemptOn('')

/** An empty list with room for one, as most requests need it: a list that was always empty gets room for 17 with the first. */
export function noAttempts (): Attempt[] {
  const attempts = [NO_ATTEMPT]
  attempts.pop()
  return attempts
}
