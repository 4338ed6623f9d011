// The values of the headers by which an application steers the gateway. All take a header's text as it came, one char a byte.

import { causedBy, FST_SCGI_REDIRECT_TARGET } from '../errors.ts'
import { binaryPath } from '../bytes/binary-path.ts'
import { leadsUpwards } from './path.ts'
import { show } from '../options/units.ts'

const DIGITS = /^\d+$/

/**
 * X-Accel-Limit-Rate: bytes a second, 0 without limit; `undefined` if the value is invalid, and to be ignored. A number too large to be
 * exact is the largest that is.
 */
export function parseLimitRate (value: string): number | undefined {
  return DIGITS.test(value) ? Math.min(Number(value), Number.MAX_SAFE_INTEGER) : undefined
}

/** X-Accel-Buffering: `yes` or `no` in any case; `undefined` for anything else, which is to be ignored. */
export function parseBuffering (value: string): boolean | undefined {
  switch (value.toLowerCase()) {
    case 'yes': return true
    case 'no': return false
    default: return undefined
  }
}

/** Longest lifetime in seconds, some 68 years; a longer one is cut. */
const MAX_SECONDS = 2 ** 31 - 1

/**
 * X-Accel-Expires: seconds, or `@` and a time of day in seconds since the epoch. Gives the end in milliseconds since the epoch, 0 if the
 * reply is not to be kept; `undefined` if the value is invalid, and to be ignored.
 */
export function parseAccelExpires (value: string, now: number): number | undefined {
  const match = /^(@?)(\d{1,15})$/.exec(value.trim())
  if (match === null) return undefined
  const seconds = Number(match[2])
  if (match[1] === '@') return seconds === 0 ? undefined : seconds * 1000
  return seconds === 0 ? 0 : now + Math.min(seconds, MAX_SECONDS) * 1000
}

/** Where an internal redirect leads. */
export type RedirectTarget =
  /** A named location; `name` with its `@`. */
  | { readonly kind: 'location', readonly name: string }
  /**
   * A path of this server. `url` is `path`, and `?query` where there is a query: a target for the router, all ASCII, no matter what bytes
   * the application sent.
   */
  | { readonly kind: 'uri', readonly url: string, readonly path: string, readonly query: string | undefined }
  /** Nothing that may be followed: 404. */
  | { readonly kind: 'unsafe', readonly reason: string }

// Not what may stand in a path as it is (RFC 3986: pchar, and slash), less semicolon: the router may take that for the beginning of a query.
const STAYS_ESCAPED = /[^\w!$&'()*+,./:=@~-]/
// Escapes, and what must become one.
const CHANGED = /%[0-9a-f]{2}|[^\w!$&'()*+,./:;=@~-]/gi
const NOT_QUERY = /[^\x21\x22\x24-\x7e]/g
const ESCAPE = /%([0-9a-f]{2})?/gi

/**
 * X-Accel-Redirect, or a Location that is followed here: `@name`, or a path and perhaps a query. The path is percent-decoded and encoded
 * anew, so that `%2F` is a slash and `%252F` part of a name: a raw space or a byte that is no ASCII becomes an escape, and an escape that
 * means something else than the char itself (`%3F`, `%25`) stays one. The query is kept raw, but for bytes that no request target can hold.
 *
 * Unsafe are: an empty value, one that begins with `?` or without a slash, a malformed escape, a NUL or a component `..`, both also
 * behind escapes.
 */
export function parseRedirect (value: string): RedirectTarget {
  const target = binaryPath(value)
  if (target.startsWith('@')) return { kind: 'location', name: target }
  const mark = target.indexOf('?')
  const raw = mark === -1 ? target : target.slice(0, mark)
  if (raw === '') return unsafe(target === '' ? 'it is empty' : 'it has no path')
  if (!raw.startsWith('/')) return unsafe('it does not begin with a slash')
  if (leadsUpwards(raw)) return unsafe('it leads upwards')

  if (raw.includes('%')) {
    let malformed = false
    const decoded = raw.replace(ESCAPE, (escape, digits: string | undefined) => {
      if (digits !== undefined) return String.fromCharCode(parseInt(digits, 16))
      malformed = true
      return escape
    })
    if (malformed) return unsafe('it holds a malformed percent escape')
    if (decoded.includes('\0')) return unsafe('it holds a NUL')
    if (leadsUpwards(decoded)) return unsafe('it leads upwards')
  } else if (raw.includes('\0')) {
    return unsafe('it holds a NUL')
  }
  const path = raw.replace(CHANGED, piece => {
    if (piece.length === 1) return escapeByte(piece)
    const char = String.fromCharCode(parseInt(piece.slice(1), 16))
    return STAYS_ESCAPED.test(char) ? piece.toUpperCase() : char
  })
  if (mark === -1) return { kind: 'uri', url: path, path, query: undefined }
  const query = target.slice(mark + 1).replace(NOT_QUERY, escapeByte)
  return { kind: 'uri', url: `${path}?${query}`, path, query }
}

function unsafe (reason: string): RedirectTarget {
  return { kind: 'unsafe', reason }
}

function escapeByte (byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
}

/** The error of a target that is not followed. */
export function targetRefused (target: string, reason: string): Error {
  return causedBy(new FST_SCGI_REDIRECT_TARGET(), new Error(`The internal redirect target ${show(target)} is not used: ${reason}`))
}
