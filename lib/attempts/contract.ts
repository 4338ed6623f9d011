import type { AsyncResource } from 'node:async_hooks'
import type { EncodableRequest, Endpoint } from '../connections/protocol.ts'
import type { Group } from '../balancer/group.ts'
import type { NextUpstream } from '../balancer/next-upstream.ts'
import type { PickRequest } from '../balancer/method.ts'
import type { Attempt } from '../../types/request.ts'
import type { ExchangeTimeouts, RequestBody, ResponseHead } from '../../types/exchange.ts'

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
  /** @param whole see `ExchangeHandler` */
  onHead (head: ResponseHead, whole?: boolean): void
  /**
   * An informational head of an attempt, any but 100 and 101. Nothing may be ended by it.
   * @param usual the protocol of its server has clients hear of it, unless the options say otherwise
   */
  onInterim? (head: ResponseHead, usual: boolean): void
  onData (chunk: Buffer): true | void
  onEnd (): void
  /** After a 101: the server has taken what was written. */
  onDrain? (): void
  /** `error` is of the last attempt; after `onHead` the reply is incomplete. */
  onError (error: Error): void
  /** An attempt has ended. */
  onAttempt (attempt: Attempt, error: Error | undefined): void
}

/** What is the same for all attempts of a pass. */
export interface PassTerms {
  readonly group: Group<Endpoint>
  readonly settings: PassSettings
  readonly request: PassRequest
  readonly handler: PassHandler
  /** What the functions of the user's, and the handler, are called in. */
  readonly context: AsyncResource
}
