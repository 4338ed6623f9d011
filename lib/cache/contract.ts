import type { AsyncResource } from 'node:async_hooks'
import type { CachedEntry } from './entry.ts'
import type { LookupHeaders } from './key.ts'

export interface CacheRequest {
  readonly method: string
  /** The evaluated key. */
  readonly key: string
  /** The client's headers by lower-case name. They are not changed while the request lasts. */
  readonly headers: LookupHeaders
  /** Gives the headers that the application sees, which select the variant. Default: `headers`. It may throw. */
  readonly seen?: () => LookupHeaders
  /** False if there is certainly no Authorization among these. Default true. */
  readonly mayBeAuthorized?: boolean
  /** The option `bypass` says not to look. */
  readonly bypass: boolean
}

/** How the application is to be asked. */
export interface FetchPlan {
  /** Send GET although the client sent HEAD: the body is for the cache alone. */
  readonly asGet: boolean
  /** Leave out the client's Range, If-Range, If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since. */
  readonly strip: boolean
  /** Value of If-None-Match and of If-Modified-Since to send: what is stored is to be revalidated. */
  readonly etag: string | undefined
  readonly lastModified: string | undefined
}

/**
 * What the gateway does with a reply after its head:
 * - `pass`: it goes to the client as it is
 * - `store`: it does, and each piece of the body goes to `onData` too, then `onEnd` or `onError`
 * - `again`: the reply says nothing about the entry: the exchange is to be given up, and `fetchAgain()` called
 * - `revalidated`, `stale`: the exchange is over, and `entry` goes to the client instead
 *
 * Of a background update nothing goes to anybody: all but `store` end the exchange.
 */
export type HeadDecision = 'pass' | 'store' | 'again' | 'revalidated' | 'stale'

/** Who feeds the store. */
export interface StoreFeeder {
  /** The store takes more, after `onData` said false. */
  onStoreDrain (): void
}

/** The gateway as the cache sees it. None of the methods may throw. */
export interface CacheHost<Transaction> extends StoreFeeder {
  /** What it is called in. Default: where the transaction is made. */
  readonly context?: AsyncResource
  /** Answers with an entry. The cache is done with the request. */
  serve (entry: CachedEntry): void
  /**
   * Answers as it would an error of this status. The cache is done with the request.
   * @param remembered of an earlier request; else there is nothing for a client that wants what is stored alone
   */
  serveError (statusCode: number, remembered: boolean): void
  /** Asks the application; `onHead`, `onError` or `abort` of the transaction must follow. */
  fetch (plan: FetchPlan): void
  /** Asks the application beside a reply that is being served, for the given transaction, and sets its `feeder`. */
  fetchInBackground (transaction: Transaction, plan: FetchPlan): void
}
