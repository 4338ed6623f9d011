import { setOwn } from '../runtime/own-property.ts'
import type { HeaderValues } from '../../types/cache.ts'

/** Longest text of all Vary lines together; a reply with more is not stored. */
const MAX_VARY = 128
const NOT_NORMAL = /[\t ]|^,|,,|,$/
const SEMICOLON = /[\t ]*;[\t ]*/g

/**
 * Names of the request headers that the reply depends on, in lower case; `null` where it depends on what no header tells (`*`), or on
 * too many.
 */
export function readVary (headers: HeaderValues): readonly string[] | null {
  const { vary } = headers
  if (vary === undefined) return []
  const text = typeof vary === 'string' ? vary : vary.join(', ')
  if (text.length > MAX_VARY) return null
  const names = new Set<string>()
  for (const part of text.toLowerCase().split(',')) {
    const name = part.trim()
    if (name === '*') return null
    if (name === '') continue
    names.add(name)
    // To an application that gets parameters X_A and X-A are one.
    if (name.includes('_')) names.add(name.replaceAll('_', '-'))
  }
  return [...names]
}

/** The values of a request in those headers, as an entry keeps them. */
export function selectVariant (names: readonly string[], request: HeaderValues): Record<string, string | string[] | null> {
  const variant: Record<string, string | string[] | null> = {}
  for (const name of names) setOwn(variant, name, Object.hasOwn(request, name) ? request[name] ?? null : null)
  return variant
}

/** One text for all requests that get the same variant of a key. */
export function variantKey (key: string, names: readonly string[], request: HeaderValues): string {
  let text = key
  for (const name of names) {
    const value = Object.hasOwn(request, name) ? request[name] : undefined
    // A NUL is in no header, and a line break neither.
    text += value === undefined ? `\0${name}` : `\0${name}\n${typeof value === 'string' ? value : value.join('\n')}`
  }
  return text
}

/**
 * The headers of a request as they select variants: in Accept-Charset, Accept-Encoding and Accept-Language it makes no difference
 * how the values are separated.
 */
export function normaliseHeaders (request: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  for (const name in request) {
    const value = request[name]
    if (value === undefined) continue
    const list = name === 'accept-encoding' || name === 'accept-language' || name === 'accept-charset'
    setOwn(headers, name, list ? normaliseList(typeof value === 'string' ? value : value.join(',')) : value)
  }
  return headers
}

/** RFC 9110 section 5.6: blanks around commas and semicolons mean nothing, nor do empty elements. */
function normaliseList (value: string): string {
  if (!NOT_NORMAL.test(value)) return value
  return value.split(',').map(part => part.trim().replace(SEMICOLON, ';')).filter(part => part !== '').join(',')
}
