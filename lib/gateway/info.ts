import type { Attempt, ScgiRequestInfo } from '../../types/request.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** What `request.scgi` is. The strings are made when they are asked for: most requests are never logged that way. */
export class RequestInfo implements ScgiRequestInfo {
  readonly attempts: Attempt[] = []
  readonly hop: number = 0
  head: ResponseHead | undefined = undefined

  get upstreamAddr (): string | undefined {
    return this.#join(attempt => attempt.address)
  }

  get upstreamStatus (): string | undefined {
    return this.#join(attempt => attempt.status === undefined ? '-' : String(attempt.status))
  }

  get upstreamConnectTime (): string | undefined {
    return this.#join(attempt => seconds(attempt.connectTime))
  }

  get upstreamHeaderTime (): string | undefined {
    return this.#join(attempt => seconds(attempt.headerTime))
  }

  get upstreamResponseTime (): string | undefined {
    return this.#join(attempt => seconds(attempt.responseTime))
  }

  get upstreamResponseLength (): string | undefined {
    return this.#join(attempt => String(attempt.responseLength))
  }

  get upstreamBytesSent (): string | undefined {
    return this.#join(attempt => String(attempt.bytesSent))
  }

  get upstreamBytesReceived (): string | undefined {
    return this.#join(attempt => String(attempt.bytesReceived))
  }

  header (name: string): string | undefined {
    const value = this.#lines(name.toLowerCase().replaceAll('_', '-'))
    return value?.join(', ')
  }

  cookie (name: string): string | undefined {
    const wanted = name.toLowerCase()
    for (const line of this.#lines('set-cookie') ?? []) {
      const equals = line.indexOf('=')
      if (equals === -1 || line.slice(0, equals).trim().toLowerCase() !== wanted) continue
      const end = line.indexOf(';', equals)
      return line.slice(equals + 1, end === -1 ? undefined : end).trim()
    }
    return undefined
  }

  #lines (name: string): string[] | undefined {
    if (this.head === undefined || !Object.hasOwn(this.head.headers, name)) return undefined
    const value = this.head.headers[name]
    return typeof value === 'string' ? [value] : value
  }

  #join (show: (attempt: Attempt) => string): string | undefined {
    return this.attempts.length === 0 ? undefined : this.attempts.map(show).join(', ')
  }
}

function seconds (milliseconds: number | undefined): string {
  return milliseconds === undefined ? '-' : (milliseconds / 1000).toFixed(3)
}
