import type { CachePolicy } from '../cache/options.ts'
import type { HeaderFilter } from './response-headers.ts'
import type { ExchangeHooks } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** How the reply of an application is sent to its client, as far as the options say it. */
export interface ReplyRules {
  /** Names of the headers that steer this reply, in lower case, less those of `ignoreHeaders`. */
  readonly obeyed: ReadonlySet<string>
  readonly forceRanges: boolean
  /** Bytes a second to the client. */
  readonly clientLimitRate: ((request: FastifyRequest) => number) | undefined
  readonly clientLimitRateAfter: number
  /** Milliseconds; 0 is without limit. */
  readonly clientSendTimeout: number
}

/** What those who send a reply need to know of a mount. */
export interface ReplySettings {
  readonly filter: HeaderFilter
  readonly response: ReplyRules
  readonly cache: CachePolicy<FastifyRequest> | undefined
  readonly preserveHeaderCase: boolean
  readonly hooks: Pick<ExchangeHooks, 'rewriteHeaders' | 'onResponse'>
}
