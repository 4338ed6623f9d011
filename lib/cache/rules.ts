import type { IgnoredHeaders } from './freshness.ts'
import type { UseStale } from './use-stale.ts'
import type { ValidTimes } from './valid.ts'

/** The rules of a mount, read from its options. Times in milliseconds. */
export interface CacheRules {
  readonly valid: ValidTimes
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
  /** Bytes; Infinity is without limit. */
  readonly maxRangeOffset: number
}
