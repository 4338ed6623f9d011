import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from '../units.ts'

const TIME = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)?$/
const UNITS: Readonly<Record<string, number>> = {
  ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000,
}
/** A hundred years: beyond that a time is a mistake. */
const MAX = 100 * 31_536_000_000

/**
 * Milliseconds of a lifetime, which may be longer than a timer can be: a number of milliseconds, or a text such as `'30d'`, `'1y'`.
 * @throws FST_SCGI_OPT_INVALID
 */
function parseLifetime (option: string, value: unknown): number {
  let ms = NaN
  if (typeof value === 'number') ms = value
  else if (typeof value === 'string') {
    const match = TIME.exec(value.trim())
    if (match?.[1] !== undefined) ms = Math.round(Number(match[1]) * (UNITS[match[2] ?? 'ms'] ?? NaN))
  }
  if (!(ms >= 0 && ms <= MAX)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), "milliseconds, or a time such as '60s', '10m', '1h', '30d', '1y'")
  }
  return ms
}

/** How long a reply is fresh that does not say so itself. */
export class ValidTimes {
  readonly #byStatus: ReadonlyMap<number, number>
  readonly #any: number

  constructor (byStatus: ReadonlyMap<number, number>, any: number) {
    this.#byStatus = byStatus
    this.#any = any
  }

  /** Milliseconds; 0 is not at all. */
  of (statusCode: number): number {
    return this.#byStatus.get(statusCode) ?? this.#any
  }
}

/**
 * Reads the option `valid`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseValid (option: string, value: unknown): ValidTimes {
  const byStatus = new Map<number, number>()
  let any = 0
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [codes, time] of Object.entries(value)) {
      const name = `${option}['${codes}']`
      const ms = parseLifetime(name, time)
      for (const code of codes.trim().split(/[\s,]+/)) {
        if (code === 'any') {
          any = ms
          continue
        }
        if (!/^[1-5]\d\d$/.test(code)) throw new FST_SCGI_OPT_INVALID(option, show(codes), "status codes such as '200 302', or 'any'")
        if (byStatus.has(Number(code))) throw new FST_SCGI_OPT_INVALID(option, show(value), `each status once (${code} is there twice)`)
        byStatus.set(Number(code), ms)
      }
    }
  } else if (value !== undefined) {
    const ms = parseLifetime(option, value)
    for (const code of [200, 301, 302]) byStatus.set(code, ms)
  }
  return new ValidTimes(byStatus, any)
}
