import { parseExactHttpDate } from '../http/date.ts'
import { MAX_SECONDS, readPolicy, type CacheControl } from './cache-control.ts'
import { STEERING, wishOf } from '../http/accel-headers.ts'
import type { CacheRules } from './rules.ts'
import type { HeaderValues } from '../../types/cache.ts'

/** How long a reply may be used, and how old it is (RFC 9111 sections 4.2.1 to 4.2.3). */
export interface Reading {
  readonly control: CacheControl
  /** Fresh until then, in milliseconds since the epoch; 0 if neither the reply nor the mount says. It may be past. */
  readonly staleAt: number
  /** The reply itself says how long it is fresh, or that it has to be validated. */
  readonly explicit: boolean
  /** Seconds that it was old when it came (corrected_initial_age). */
  readonly age: number
  /** X-Accel-Expires gave the lifetime: it is the application's word to this gateway, and goes before everything else. */
  readonly accel: boolean
}

/** Statuses that may be stored by a rule of thumb (RFC 9110 section 15.1). */
const HEURISTIC = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501])

/**
 * Reads the freshness and the age of a reply.
 * @param requested when the request went out, in milliseconds since the epoch
 * @param now when the head came
 */
export function readReply (headers: HeaderValues, statusCode: number, rules: CacheRules, requested: number, now: number): Reading {
  const { ignore, rfc } = rules
  const { control, targeted } = readPolicy(headers, rfc?.targets ?? [], ignore.cacheControl)
  const date = dateOf(headers, now)
  const age = ageOf(headers, date, requested, now)
  const accelUntil = ignore.accelExpires ? undefined : wishOf(STEERING.expires, headers, now)
  if (accelUntil !== undefined) {
    return { control, staleAt: accelUntil > now ? accelUntil - 1 : accelUntil, explicit: accelUntil !== 0, age, accel: true }
  }
  const { expires } = headers
  const seconds = control.sMaxage !== -1 ? control.sMaxage : control.maxAge
  let lifetime = -1
  if (seconds !== -1) lifetime = seconds * 1000
  else if (expires !== undefined && !ignore.expires && !targeted) lifetime = lifetimeOf(expires, date)
  const explicit = lifetime !== -1 || control.noCache
  if (lifetime === -1) {
    // What the mount says counts from the moment in which the reply comes.
    const valid = rules.valid.of(statusCode)
    if (valid > 0) return { control, staleAt: now + valid - 1, explicit, age, accel: false }
    lifetime = heuristic(headers, statusCode, control, rules, date)
  }
  // Fresh as long as the lifetime is greater than the age: the last millisecond is the one before.
  const staleAt = lifetime === -1 ? 0 : now + lifetime - age * 1000 - 1
  return { control, staleAt, explicit, age, accel: false }
}

/** When the application made the reply, as it says itself; milliseconds. */
function dateOf (headers: HeaderValues, now: number): number {
  const date = one(headers['date'])
  const seconds = date === undefined ? undefined : parseExactHttpDate(date.trim())
  return seconds === undefined ? now : seconds * 1000
}

/** The age of a reply in seconds when it comes (section 4.2.3). */
function ageOf (headers: HeaderValues, date: number, requested: number, now: number): number {
  const apparent = Math.max(0, Math.floor((now - date) / 1000))
  const delay = Math.max(0, Math.floor((now - requested) / 1000))
  return Math.min(Math.max(apparent, readAge(headers['age']) + delay), MAX_SECONDS)
}

/** The first member of an Age field; what is no number counts for nothing (section 5.1). */
function readAge (field: string | string[] | undefined): number {
  const first = one(field)?.split(',', 1)[0]?.trim()
  return first !== undefined && /^\d+$/.test(first) ? Math.min(Number(first), MAX_SECONDS) : 0
}

/** Expires minus Date. What is no date is past (section 5.3); of several the earliest counts. */
function lifetimeOf (expires: string | string[], date: number): number {
  let least = Infinity
  for (const text of typeof expires === 'string' ? [expires] : expires) {
    const seconds = parseExactHttpDate(text.trim())
    least = Math.min(least, seconds === undefined ? 0 : Math.max(0, seconds * 1000 - date))
  }
  return Math.min(least, MAX_SECONDS * 1000)
}

/** A part of the time since the last change (section 4.2.2), where the mount wants that. */
function heuristic (headers: HeaderValues, statusCode: number, control: CacheControl, { rfc }: CacheRules, date: number): number {
  if (rfc?.heuristic === undefined || (!control.public && !HEURISTIC.has(statusCode))) return -1
  const modified = one(headers['last-modified'])
  const seconds = modified === undefined ? undefined : parseExactHttpDate(modified.trim())
  if (seconds === undefined || seconds * 1000 >= date) return -1
  return Math.min((date - seconds * 1000) * rfc.heuristic.fraction, rfc.heuristic.max)
}

function one (value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0]
}
