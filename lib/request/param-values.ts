import { flag } from '../options/checks.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { atOnce } from '../options/functions.ts'
import { show } from '../options/units.ts'
import { toBytes } from '../bytes/text.ts'
import type { RequestView } from './param-sets.ts'
import type { ParamValue } from '../../types/options.ts'

const OWN: Readonly<Record<string, string>> = {
  CONTENT_LENGTH: 'another name: CONTENT_LENGTH is always the length of the body that is sent',
  SCGI: "another name: SCGI is always '1'",
  SCGI_KEEPALIVE: "another name: SCGI_KEEPALIVE is sent to the servers that have the option 'keepalive'",
}

/** An entry of `params`. */
export type Configured<R> = { name: string, ifNotEmpty: boolean } & ({ value: string } | { ask: (request: R) => string | undefined })

/** @throws FST_SCGI_OPT_INVALID */
export function configured<R> (name: string, value: ParamValue<R>): Configured<R> {
  const option = `params.${name}`
  if (name === '' || name.includes('\0')) throw new FST_SCGI_OPT_INVALID('params', show(name), 'a name that is not empty and holds no NUL')
  const own = Object.hasOwn(OWN, name) ? OWN[name] : undefined
  if (own !== undefined) throw new FST_SCGI_OPT_INVALID('params', show(name), own)
  const full = typeof value === 'object' && value !== null ? value : { value }
  const { value: given } = full
  const ifNotEmpty = flag(`${option}.ifNotEmpty`, full.ifNotEmpty, false)
  if (typeof given === 'function') return { name, ifNotEmpty, ask: atOnce(option, given) }
  if (typeof given !== 'string') throw new FST_SCGI_OPT_INVALID(option, show(value), 'a string, a function, or { value, ifNotEmpty }')
  if (given.includes('\0')) throw new FST_SCGI_OPT_INVALID(option, show(given), 'a value without NUL')
  return { name, ifNotEmpty, value: given }
}

/** The answer of a user's function as bytes. */
export function asked (name: string, value: unknown, { headers }: RequestView): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return toBytes(value, headers)
  if (typeof value === 'number') return String(value)
  throw new FST_SCGI_OPT_INVALID(`params.${name}`, `a function that gave ${show(value)}`,
    'a function that returns a string or undefined')
}
