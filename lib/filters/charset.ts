import { isToken } from '../http/token.ts'

/**
 * What X-Accel-Charset makes of a reply's Content-Type: another value for it, nothing, or `unknown` where nobody knows a charset
 * of that name, which is worth a line in the debug log.
 */
export type CharsetResult = { readonly kind: 'set', readonly contentType: string } | { readonly kind: 'unchanged' } | { readonly kind: 'unknown' }

const UNCHANGED: CharsetResult = { kind: 'unchanged' }
const UNKNOWN: CharsetResult = { kind: 'unknown' }

/** The first charset parameter of a media type: what stands before it, its value, quoted or not, and what follows. */
const PARAMETER = /^([^;]*(?:;(?!\s*charset\s*=)[^;]*)*;\s*charset\s*=\s*)(?:"([^"]*)"|([^;\s]*))(.*)$/is

/**
 * Adds a charset to a Content-Type of any media type, in the spelling that the application gave it. A type that names another charset stays
 * as it is (nothing is converted here), one that names the same gets this spelling. Nothing is done to a reply without a type, to a 301 or a 302.
 * Known is what TextDecoder knows, case and aliases included; aliases of one charset are not the same.
 */
export function applyCharset (status: number, contentType: string | undefined, charset: string): CharsetResult {
  const name = charset.trim()
  if (!isKnown(name)) return UNKNOWN
  if (contentType === undefined || contentType === '' || status === 301 || status === 302) return UNCHANGED
  const value = isToken(name) ? name : `"${name}"`
  const match = PARAMETER.exec(contentType)
  if (match === null) return { kind: 'set', contentType: `${contentType}; charset=${value}` }
  const [, before = '', quoted, bare, after = ''] = match
  const given = quoted ?? bare ?? ''
  if (given === name || given.toLowerCase() !== name.toLowerCase()) return UNCHANGED
  return { kind: 'set', contentType: before + value + after }
}

const known = new Map<string, boolean>()

function isKnown (name: string): boolean {
  let answer = known.get(name)
  if (answer === undefined) {
    try {
      // eslint-disable-next-line no-new
      new TextDecoder(name)
      answer = name !== ''
    } catch {
      answer = false
    }
    // A handful, unless an application makes them up.
    if (known.size < 100) known.set(name, answer)
  }
  return answer
}
