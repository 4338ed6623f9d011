import { noAttempts } from '../attempts/attempting.ts'
import type { CacheStatus } from '../../types/cache.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { Attempt, ScgiRequestInfo } from '../../types/request.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** What `request.scgi` is. The strings are made when they are asked for: most requests are never logged that way. */
export class RequestInfo implements ScgiRequestInfo {
  readonly attempts = noAttempts()
  readonly hop: number
  clientAddress = ''
  head: ResponseHead | undefined = undefined
  /** The passes before internal redirects. */
  readonly #former: readonly ScgiRequestInfo[]

  constructor (redirected: RedirectState | undefined) {
    this.hop = redirected === undefined ? 0 : redirected.hops
    this.#former = redirected === undefined ? NONE : redirected.former
  }

  /** The cache's part in it. */
  cache: { readonly status: CacheStatus | undefined } | undefined = undefined

  get cacheStatus (): CacheStatus | undefined {
    return this.cache?.status
  }

  /** Of the server that was asked last. */
  get address (): string {
    return this.attempts.at(-1)?.address ?? '-'
  }

  get upstreamAddr (): string | undefined {
    return this.#join('upstreamAddr', attempt => attempt.address)
  }

  get upstreamStatus (): string | undefined {
    return this.#join('upstreamStatus', attempt => attempt.status === undefined ? '-' : String(attempt.status))
  }

  get upstreamConnectTime (): string | undefined {
    return this.#join('upstreamConnectTime', attempt => seconds(attempt.connectTime))
  }

  get upstreamHeaderTime (): string | undefined {
    return this.#join('upstreamHeaderTime', attempt => seconds(attempt.headerTime))
  }

  get upstreamResponseTime (): string | undefined {
    return this.#join('upstreamResponseTime', attempt => seconds(attempt.responseTime))
  }

  get upstreamResponseLength (): string | undefined {
    return this.#join('upstreamResponseLength', attempt => String(attempt.responseLength))
  }

  get upstreamBytesSent (): string | undefined {
    return this.#join('upstreamBytesSent', attempt => String(attempt.bytesSent))
  }

  get upstreamBytesReceived (): string | undefined {
    return this.#join('upstreamBytesReceived', attempt => String(attempt.bytesReceived))
  }

  header (name: string): string | undefined {
    const value = this.#lines(name.toLowerCase().replaceAll('_', '-'))
    return value?.join(', ')
  }

  cookie (name: string): string | undefined {
    const wanted = name.toLowerCase()
    for (const line of this.#lines('set-cookie') ?? []) {
      const equals = line.indexOf('=')
      if (equals === -1 || trimBlanks(line.slice(0, equals)).toLowerCase() !== wanted) continue
      const end = line.indexOf(';', equals)
      // Blanks around the value are none of it; a tab is, as in nginx.
      return trimBlanks(line.slice(equals + 1, end === -1 ? undefined : end))
    }
    return undefined
  }

  #lines (name: string): string[] | undefined {
    if (this.head === undefined || !Object.hasOwn(this.head.headers, name)) return undefined
    const value = this.head.headers[name]
    return typeof value === 'string' ? [value] : value
  }

  #join (name: UpstreamString, show: (attempt: Attempt) => string): string | undefined {
    const own = this.attempts.length === 0 ? undefined : this.attempts.map(show).join(', ')
    // The last of the former passes has joined those before it.
    const before = this.#former.findLast(info => info !== this)?.[name]
    return before === undefined ? own : own === undefined ? before : `${before} : ${own}`
  }
}

type UpstreamString = Extract<keyof ScgiRequestInfo, `upstream${string}`>

const NONE: readonly ScgiRequestInfo[] = []
const SPACE = 0x20

function trimBlanks (text: string): string {
  let from = 0
  let to = text.length
  while (text.charCodeAt(from) === SPACE) from++
  while (to > from && text.charCodeAt(to - 1) === SPACE) to--
  return text.slice(from, to)
}

function seconds (milliseconds: number | undefined): string {
  return milliseconds === undefined ? '-' : (milliseconds / 1000).toFixed(3)
}
