import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { parseLifetime, show } from '../options/units.ts'

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
