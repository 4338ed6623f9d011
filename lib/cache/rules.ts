import type { IgnoredHeaders } from './freshness.ts'
import type { UseStale } from './use-stale.ts'
import type { ValidTimes } from './valid.ts'

/** What `rules: 'rfc9111'` adds. */
export interface RfcRules {
  /** Targeted fields that go before Cache-Control, in lower case (RFC 9213). */
  readonly targets: readonly string[]
  /** A reply with Set-Cookie may be stored where Cache-Control says public. */
  readonly setCookie: boolean
  /** Lifetime as a part of the time since Last-Modified, at most `max` milliseconds (RFC 9111 section 4.2.2). */
  readonly heuristic: { readonly fraction: number, readonly max: number } | undefined
}

/** The rules of a mount, read from its options. Times in milliseconds. */
export interface CacheRules {
  readonly valid: ValidTimes
  /** `undefined`: nginx's rules. */
  readonly rfc: RfcRules | undefined
  readonly ignore: IgnoredHeaders
  readonly ignoreAuthorization: boolean
  readonly minUses: number
  /** Requests for a key that is not there wait for one another. */
  readonly lock: boolean
  readonly lockAge: number
  readonly lockTimeout: number
  readonly useStale: UseStale
  readonly backgroundUpdate: boolean
  readonly revalidate: boolean
  readonly convertHead: boolean
  /** Entries keep how the application spelt the names of headers. */
  readonly headerCase: boolean
  /** The Cache-Control of a request counts. */
  readonly obeyClient: boolean
  /** Name of this cache in Cache-Status (RFC 9211); `undefined` sends none. */
  readonly cacheStatus: string | undefined
  /** The mount's directory of temporary files. */
  readonly tempPath: string | undefined
  /** Bytes; Infinity is without limit. */
  readonly maxRangeOffset: number
}
