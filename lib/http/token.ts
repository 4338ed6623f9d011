import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { switched } from '../options/checks.ts'
import { show } from '../options/units.ts'

/** The characters of a token (RFC 9110 section 5.6.2), as a part of regular expressions. */
export const TOKEN = String.raw`[\w!#$%&'*+.^\x60|~-]+`

const WHOLE = new RegExp(`^${TOKEN}$`)

/** Whether a text is a token: a method, the name of a header or of a cookie. */
export function isToken (text: string): boolean {
  return WHOLE.test(text)
}

/**
 * An option that is a header's name, in lower case. On, Off, Yes and the like are none: they are meant as a switch.
 * @throws FST_SCGI_OPT_INVALID
 */
export function headerName (option: string, value: unknown, expected: string): string {
  if (typeof value !== 'string' || !isToken(value) || switched(value) !== undefined) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  }
  return value.toLowerCase()
}
