import { STEERING, wishOf } from '../http/accel-headers.ts'
import { parseHttpDate } from '../http/date.ts'
import type { HeaderValues } from '../../types/cache.ts'

/** Headers of replies that have no effect on the cache. (scgi_ignore_headers) */
export interface IgnoredHeaders {
  readonly accelExpires: boolean
  readonly cacheControl: boolean
  readonly expires: boolean
  readonly setCookie: boolean
  readonly vary: boolean
}

/** What the headers of a reply say about how long it may be used. */
export interface Freshness {
  /** They do not forbid to store it. */
  readonly allowed: boolean
  /** Fresh until then, in milliseconds since the epoch, which may be past; 0 if they do not say. */
  readonly staleAt: number
  /** Seconds after that in which it may be served while it is being renewed. */
  readonly staleWhileRevalidate: number
  /** Seconds after that in which it may be served when the application fails. */
  readonly staleIfError: number
}

/** Longest lifetime in seconds, some 68 years; a longer one is cut. */
const MAX_SECONDS = 2 ** 31 - 1

const FORBIDDING = ['no-cache', 'no-store', 'private']

interface Line {
  /** -1 if the line says nothing about it. */
  maxAge: number
  staleWhileRevalidate: number
  staleIfError: number
  /** no-cache, no-store or private. */
  forbids: boolean
  /** A malformed number. */
  malformed: boolean
}

/**
 * Reads X-Accel-Expires, Cache-Control and Expires, of which the first that gives a lifetime counts, in that order. X-Accel-Expires 0,
 * and Cache-Control with no-cache, no-store, private, a lifetime of 0 or one that is no number, forbid; so does an Expires that
 * is past or no date, where Cache-Control gives no lifetime. A valid X-Accel-Expires lifts what the other two forbid.
 */
export function readFreshness (headers: HeaderValues, ignore: IgnoredHeaders, now: number): Freshness {
  const accel = ignore.accelExpires ? undefined : wishOf(STEERING.expires, headers, now)
  let allowed = accel !== 0
  let staleAt = accel ?? 0
  let staleWhileRevalidate = 0
  let staleIfError = 0
  const control = ignore.cacheControl ? undefined : headers['cache-control']
  if (control !== undefined) {
    for (const text of typeof control === 'string' ? [control] : control) {
      const line = readLine(text)
      if (line.forbids || line.malformed || (line.maxAge === 0 && accel === undefined)) {
        // The line says no more than that, save where the application has told the gateway otherwise.
        if (accel === undefined) allowed = false
        continue
      }
      if (accel === undefined && line.maxAge > 0) staleAt = now + line.maxAge * 1000
      // One who may be late for a renewal may be late for an error, unless the reply says otherwise.
      if (line.staleWhileRevalidate >= 0) staleWhileRevalidate = staleIfError = line.staleWhileRevalidate
      if (line.staleIfError >= 0) staleIfError = line.staleIfError
    }
  }
  if (staleAt === 0 && allowed && !ignore.expires) {
    const text = first(headers['expires'])
    if (text !== undefined) {
      const expires = parseHttpDate(text.trim())
      if (expires !== undefined && expires * 1000 > now) staleAt = expires * 1000
      else allowed = false
    }
  }
  return { allowed, staleAt: allowed ? staleAt : 0, staleWhileRevalidate, staleIfError }
}

/** Whether Cache-Control lets a reply to a request with Authorization be stored (RFC 9111 section 3.5). */
export function permitsAuthorized (headers: HeaderValues, ignore: IgnoredHeaders): boolean {
  const control = ignore.cacheControl ? undefined : headers['cache-control']
  if (control === undefined) return false
  for (const line of typeof control === 'string' ? [control] : control) {
    // A comma within quotes can only make us find a directive less: what stands in quotes is never one of these alone.
    for (const part of line.replace(/"(?:[^"\\]|\\.)*"?/g, '').split(',')) {
      const name = part.split('=', 1)[0]?.trim().toLowerCase()
      if (name === 'public' || name === 's-maxage' || name === 'must-revalidate') return true
    }
  }
  return false
}

function readLine (text: string): Line {
  const line = text.toLowerCase()
  let maxAge = readSeconds(line, 's-maxage=')
  if (maxAge === -1) maxAge = readSeconds(line, 'max-age=')
  const staleWhileRevalidate = readSeconds(line, 'stale-while-revalidate=')
  const staleIfError = readSeconds(line, 'stale-if-error=')
  return {
    maxAge,
    staleWhileRevalidate,
    staleIfError,
    // Anywhere in the line, as nginx has it: a wrong guess costs a hit, not more.
    forbids: FORBIDDING.some(word => line.includes(word)),
    malformed: maxAge === -2 || staleWhileRevalidate === -2 || staleIfError === -2,
  }
}

/** The number after `name`, up to a comma, a semicolon or a space; -1 if the name is not there, -2 where it is no number. */
function readSeconds (line: string, name: string): number {
  const at = line.indexOf(name)
  if (at < 0) return -1
  let seconds = 0
  for (let i = at + name.length; i < line.length; i++) {
    const code = line.charCodeAt(i)
    if (code === 0x2c || code === 0x3b || code === 0x20) break
    if (code < 0x30 || code > 0x39) return -2
    seconds = Math.min(seconds * 10 + code - 0x30, MAX_SECONDS)
  }
  return seconds
}

function first (value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}
