import { BoundedMap } from './bounded-map.ts'
import { isToken } from '../http/token.ts'
import { parseDictionary, type Item } from './dictionary.ts'
import type { HeaderValues } from '../../types/cache.ts'

/** What the Cache-Control of a reply says to a shared cache (RFC 9111 section 5.2.2, RFC 5861). Numbers are seconds, -1 if nothing is said. */
export type CacheControl = Readonly<Draft> & { readonly withheld: readonly string[] }

interface Draft {
  noStore: boolean
  /** Without field names. */
  noCache: boolean
  /** Without field names. */
  private: boolean
  public: boolean
  mustRevalidate: boolean
  proxyRevalidate: boolean
  mustUnderstand: boolean
  maxAge: number
  sMaxage: number
  staleWhileRevalidate: number
  staleIfError: number
  /** Header fields that `no-cache="..."` and `private="..."` name, in lower case. */
  withheld: string[]
}

/** Longest lifetime in seconds, some 68 years; a longer one is cut (RFC 9111 section 1.2.2). */
export const MAX_SECONDS = 2 ** 31 - 1

const DIGITS = /^\d+$/

/** One directive: `value` is `undefined` if there is no `=`, and has lost the quotes where `quoted`. */
export interface Directive {
  name: string
  value: string | undefined
  quoted: boolean
}

/**
 * Splits the lines of a Cache-Control field. A comma in quotes separates nothing. White space beside `=` is not allowed; it stays in
 * the value, so that a number with it is none.
 */
export function splitDirectives (field: string | string[]): Directive[] {
  const directives: Directive[] = []
  for (const line of typeof field === 'string' ? [field] : field) {
    let start = 0
    let inQuotes = false
    for (let i = 0; i <= line.length; i++) {
      const char = line[i]
      if (inQuotes && char === '\\') i++
      else if (char === '"') inQuotes = !inQuotes
      if (i < line.length && (inQuotes || char !== ',')) continue
      const part = line.slice(start, i).trim()
      if (part !== '') directives.push(toDirective(part))
      start = i + 1
    }
  }
  return directives
}

function toDirective (part: string): Directive {
  const equals = part.indexOf('=')
  if (equals === -1) return { name: part.toLowerCase(), value: undefined, quoted: false }
  const name = part.slice(0, equals).toLowerCase()
  const value = part.slice(equals + 1)
  if (name !== name.trimEnd()) return { name: name.trimEnd(), value: ` ${value}`, quoted: false }
  if (value.length > 1 && value.startsWith('"') && value.endsWith('"')) {
    return { name, value: value.slice(1, -1).replace(/\\(.)/g, '$1'), quoted: true }
  }
  return { name, value, quoted: false }
}

/**
 * The caching policy of a reply: of the first targeted field that is valid and not empty (RFC 9213 section 2.2), else of Cache-Control.
 * @param targets names of targeted fields in lower case, in the order in which they are looked for
 * @returns the policy, and whether a targeted field gave it: then Expires does not count
 */
export function readPolicy (
  headers: HeaderValues, targets: readonly string[], ignoreCacheControl: boolean
): { control: CacheControl, targeted: boolean } {
  for (const name of targets) {
    const field = headers[name]
    if (field === undefined) continue
    const members = parseDictionary(typeof field === 'string' ? field : field.join(','))
    if (members !== undefined && members.size > 0) return { control: fromDictionary(members), targeted: true }
  }
  return { control: readCacheControl(ignoreCacheControl ? undefined : headers['cache-control']), targeted: false }
}

/** What was read before, by the text: an application says the same of most of its replies. */
const known = new BoundedMap<CacheControl>(256, 32_768)

/** Reads Cache-Control. What is malformed, or said twice, is read in the strictest way that it allows. */
export function readCacheControl (field: string | string[] | undefined): CacheControl {
  if (field === undefined) return nothingSaid()
  if (typeof field !== 'string') return readDirectives(field)
  let control = known.get(field, 0)
  if (control === undefined) known.set(field, control = readDirectives(field), Infinity)
  return control
}

function readDirectives (field: string | string[]): CacheControl {
  const control = nothingSaid()
  for (const { name, value, quoted } of splitDirectives(field)) {
    switch (name) {
      case 'no-store': control.noStore = true; break
      case 'no-cache':
        if (!withhold(control, quoted ? value : undefined)) control.noCache = true
        break
      case 'private':
        if (!withhold(control, quoted ? value : undefined)) control.private = true
        break
      case 'public': control.public = true; break
      case 'must-revalidate': control.mustRevalidate = true; break
      case 'proxy-revalidate': control.proxyRevalidate = true; break
      case 'must-understand': control.mustUnderstand = true; break
      case 'max-age': control.maxAge = least(control.maxAge, toSeconds(value)); break
      case 's-maxage': control.sMaxage = least(control.sMaxage, toSeconds(value)); break
      case 'stale-while-revalidate': control.staleWhileRevalidate = least(control.staleWhileRevalidate, toSeconds(value)); break
      case 'stale-if-error': control.staleIfError = least(control.staleIfError, toSeconds(value)); break
    }
  }
  return control
}

/** Seconds of a directive's argument; 0 for what is no number. */
export function toSeconds (value: string | undefined): number {
  return value !== undefined && DIGITS.test(value) ? Math.min(Number(value), MAX_SECONDS) : 0
}

/** A directive whose value has not its type is as if it were not there. */
function fromDictionary (members: ReadonlyMap<string, Item>): CacheControl {
  const control = nothingSaid()
  const holds = (name: string): boolean => members.get(name)?.value === true
  const secondsOf = (name: string): number => {
    const item = members.get(name)
    return item?.type === 'integer' ? Math.min(Math.max(item.value, 0), MAX_SECONDS) : -1
  }
  const fieldsOf = (name: string): string | undefined => {
    const item = members.get(name)
    return item?.type === 'string' ? item.value : undefined
  }
  control.noStore = holds('no-store')
  control.public = holds('public')
  control.mustRevalidate = holds('must-revalidate')
  control.proxyRevalidate = holds('proxy-revalidate')
  control.mustUnderstand = holds('must-understand')
  control.maxAge = secondsOf('max-age')
  control.sMaxage = secondsOf('s-maxage')
  control.staleWhileRevalidate = secondsOf('stale-while-revalidate')
  control.staleIfError = secondsOf('stale-if-error')
  const noCacheFields = fieldsOf('no-cache')
  control.noCache = noCacheFields === undefined ? holds('no-cache') : !withhold(control, noCacheFields)
  const privateFields = fieldsOf('private')
  control.private = privateFields === undefined ? holds('private') : !withhold(control, privateFields)
  return control
}

function nothingSaid (): Draft {
  return {
    noStore: false,
    noCache: false,
    private: false,
    public: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    maxAge: -1,
    sMaxage: -1,
    staleWhileRevalidate: -1,
    staleIfError: -1,
    withheld: [],
  }
}

/** Takes down the fields that a qualified directive names. False if it names none, or what is no field: it then stands for the whole reply. */
function withhold (control: Draft, fields: string | undefined): boolean {
  if (fields === undefined) return false
  const names = fields.split(',').map(name => name.trim().toLowerCase()).filter(name => name !== '')
  if (names.length === 0 || !names.every(name => isToken(name))) return false
  control.withheld.push(...names)
  return true
}

function least (known: number, value: number): number {
  return known === -1 ? value : Math.min(known, value)
}

/**
 * Whether a reply lets its stale copy be served (RFC 9111 section 4.2.4): on the word of the mount, and on its own `stale-while-revalidate`
 * and `stale-if-error`. `s-maxage` forbids the first as `proxy-revalidate` does; with a stale window of its own beside it, that is meant.
 */
export function permitsStale (
  headers: HeaderValues, targets: readonly string[], ignoreCacheControl: boolean
): { byMount: boolean, byReply: boolean } {
  const { control } = readPolicy(headers, targets, ignoreCacheControl)
  const byReply = !control.noCache && !control.mustRevalidate && !control.proxyRevalidate
  return { byMount: byReply && control.sMaxage === -1, byReply }
}
