import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from '../options/units.ts'
import type { UseStaleCondition } from '../../types/cache.ts'

/** Why no server gave a reply; `no_live` is that there was none to ask, `local` a failure of this machine. */
export type FetchFailure = 'error' | 'timeout' | 'invalid_header' | 'no_live' | 'local'

const BITS: Readonly<Record<UseStaleCondition, number>> = {
  error: 1, timeout: 2, invalid_header: 4, updating: 8, http_500: 16, http_503: 32, http_403: 64, http_404: 128, http_429: 256,
}
const FAILURE_BITS: Readonly<Record<FetchFailure, number>> = {
  error: BITS.error, timeout: BITS.timeout, invalid_header: BITS.invalid_header, no_live: BITS.error, local: 0,
}
const STATUS_BITS: Readonly<Record<number, number>> = {
  500: BITS.http_500, 503: BITS.http_503, 403: BITS.http_403, 404: BITS.http_404, 429: BITS.http_429,
}

/** When the mount lets an expired entry be served. */
export class UseStale {
  readonly #bits: number
  /** While another request renews it. */
  readonly updating: boolean

  constructor (bits: number) {
    this.#bits = bits
    this.updating = (bits & BITS.updating) !== 0
  }

  onFailure (failure: FetchFailure): boolean {
    return (this.#bits & FAILURE_BITS[failure]) !== 0
  }

  onStatus (statusCode: number): boolean {
    return (this.#bits & (STATUS_BITS[statusCode] ?? 0)) !== 0
  }
}

/**
 * Reads the option `useStale`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseUseStale (option: string, value: unknown): UseStale {
  if (value === undefined || value === false) return new UseStale(0)
  if (!Array.isArray(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of conditions, or false')
  let bits = 0
  for (const condition of value) {
    const bit = isCondition(condition) ? BITS[condition] : undefined
    if (bit === undefined) throw new FST_SCGI_OPT_INVALID(option, show(condition), `some of ${Object.keys(BITS).join(', ')}`)
    bits |= bit
  }
  return new UseStale(bits)
}

function isCondition (value: unknown): value is UseStaleCondition {
  return typeof value === 'string' && Object.hasOwn(BITS, value)
}
