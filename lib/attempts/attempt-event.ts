import { performance } from 'node:perf_hooks'
import { ATTEMPT_CONNECT, ATTEMPT_END, ATTEMPT_HEAD, ATTEMPT_START, QUEUE_LEAVE, QUEUE_WAIT } from '../runtime/diagnostics.ts'
import type { Group } from '../balancer/group.ts'
import type { PickRequest } from '../balancer/method.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { AttemptMessage, QueueMessage, QueueOutcome } from '../../types/diagnostics.ts'
import type { ResponseHead, ServerAddress } from '../../types/exchange.ts'
import type { Attempt } from '../../types/request.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'

interface SentRequest extends PickRequest {
  readonly method: string
}

/** What is told of an attempt. */
export class AttemptEvent implements AttemptMessage {
  readonly request: unknown
  readonly method: string
  readonly group: Group<Endpoint>
  readonly server: Peer<Endpoint>
  readonly attempt: Attempt
  readonly resendCount: number
  readonly reason: string | undefined
  head: ResponseHead | undefined = undefined
  outcome: AttemptOutcome | undefined = undefined
  error: Error | undefined = undefined
  /** What subscribers have set, by lower-case name; `undefined` for what is left out. */
  headers: Record<string, string | undefined> | undefined = undefined
  #begun = false

  constructor (
    group: Group<Endpoint>, server: Peer<Endpoint>, { source, method }: SentRequest, attempt: Attempt, resendCount: number,
    reason: string | undefined
  ) {
    this.request = source
    this.method = method
    this.group = group
    this.server = server
    this.attempt = attempt
    this.resendCount = resendCount
    this.reason = reason
    ATTEMPT_START.publish(this)
    this.#begun = true
  }

  get address (): ServerAddress {
    return this.server.target.address
  }

  setHeader (name: string, value: string | undefined): void {
    if (this.#begun) return
    this.headers ??= Object.create(null)
    if (this.headers !== undefined) this.headers[name.toLowerCase()] = value
  }

  connected (): void {
    ATTEMPT_CONNECT.publish(this)
  }

  answered (head: ResponseHead): void {
    this.head = head
    ATTEMPT_HEAD.publish(this)
  }

  ended (outcome: AttemptOutcome, error: Error | undefined): void {
    this.outcome = outcome
    this.error = error
    ATTEMPT_END.publish(this)
  }
}

/** Somebody listens to attempts. */
export function attemptsAreHeard (): boolean {
  return ATTEMPT_START.hasSubscribers || ATTEMPT_END.hasSubscribers || ATTEMPT_HEAD.hasSubscribers || ATTEMPT_CONNECT.hasSubscribers
}

/** What is told of a wait in a queue. */
export class QueueEvent implements QueueMessage {
  readonly request: unknown
  readonly group: Group<Endpoint>
  readonly length: number
  outcome: QueueOutcome | undefined = undefined
  waited: number | undefined = undefined
  readonly #begun = performance.now()

  constructor (group: Group<Endpoint>, { source }: PickRequest) {
    this.request = source
    this.group = group
    this.length = group.queue?.length ?? 0
    QUEUE_WAIT.publish(this)
  }

  left (outcome: QueueOutcome): void {
    this.outcome = outcome
    this.waited = performance.now() - this.#begun
    QUEUE_LEAVE.publish(this)
  }
}

/** Somebody listens to the queues. */
export function queuesAreHeard (): boolean {
  return QUEUE_WAIT.hasSubscribers || QUEUE_LEAVE.hasSubscribers
}
