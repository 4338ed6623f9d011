import type { AsyncResource } from 'node:async_hooks'
import type { CachedEntry } from '../cache/entry.ts'
import type { GatewayPhase } from './phase.ts'
import type { RequestBody } from '../../types/exchange.ts'

/** An exchange as its sides see it. */
export interface Exchanging {
  readonly phase: GatewayPhase
  /** Entered wherever a callback is another's: so that every function of the user's is called in the context of this request. */
  readonly context: AsyncResource
  /** Somebody besides the client wants the reply whole. */
  readonly isKept: boolean
  /** The body is there: the servers are to be asked. */
  ask (body: RequestBody | null): void
  /** The body cannot be had, and the rest of it is not read. */
  refuseBody (error: Error): void
  /** The client has been silent too long in a body that is being sent already. */
  bodyTimedOut (error: Error): void
  /** Answers with an error, and ends. */
  answerError (error: unknown): void
  /** Answers with an entry of the cache, and ends. */
  serve (entry: CachedEntry): void
  /** The client has all that it gets; the reply is read to its end all the same. */
  detach (): void
  /** The reply is of no use to anybody: ends. */
  sendingFailed (): void
  /** Ends it at once, and the connection of the client with it. */
  cut (): void
  /** The reply is not read any more, although it has not ended. */
  abandon (): void
}
