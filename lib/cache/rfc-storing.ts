import { httpDate } from '../http/date.ts'
import { namedByConnection } from '../http/connection-field.ts'
import { permitsStale, type CacheControl } from './cache-control.ts'
import { readReply, type Reading } from './rfc9111.ts'
import { readVary, selectVariant } from './vary.ts'
import type { Asked, Renewal, Verdict } from './verdict.ts'
import type { CacheRules } from './rules.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'
import type { HeaderValues } from '../../types/cache.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** Header fields that are about one connection, or one proxy: neither stored nor updated (RFC 9111 section 3.1). */
const ONE_HOP = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'proxy-authenticate', 'proxy-authentication-info', 'proxy-authorization',
])
/** Those, and the age, which is in the time that an entry is kept with. */
const UNSTORED = new Set([...ONE_HOP, 'age'])
/** Fields that describe the stored body, which a 304 has not (RFC 9111 section 3.2). */
const OF_THE_BODY = new Set(['content-length', 'content-encoding', 'content-range'])

/** Final statuses whose rules for caches this cache follows. 206 and 304 are parts of an answer, not one that can be stored. */
const UNDERSTOOD = new Set([
  200, 201, 202, 203, 204, 205,
  300, 301, 302, 303, 307, 308,
  400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428, 429, 431,
  451,
  500, 501, 502, 503, 504, 505, 511,
])

/**
 * Judges a reply by RFC 9111 section 3. One that has to be validated before each use is stored as well, where it can be.
 * @param requested when the request for it went out
 */
export function judgeByRfc (
  head: ResponseHead, asked: Asked, rules: CacheRules, requested: number, now: number, keepStale: number
): Verdict {
  const { headers, statusCode } = head
  const reading = readReply(headers, statusCode, rules, requested, now)
  const { control } = reading
  const vary = rules.ignore.vary ? [] : readVary(headers)
  const mayBeKept = reading.accel ? reading.staleAt !== 0 : permits(control, statusCode)
  const allowed = mayBeKept && vary !== null && cookieAllows(headers, control, rules)
  const mayBeShared = rules.ignoreAuthorization || (!asked.isAuthorized && statusCode !== 401) ||
    control.public || control.mustRevalidate || control.sMaxage !== -1
  const staleAt = allowed && mayBeShared && !(control.noCache && !reading.accel) && reading.staleAt > now ? reading.staleAt : 0
  const isPart = statusCode === 206 || statusCode === 304
  if (!allowed || !mayBeShared || isPart || vary === null || !(staleAt > 0 || isUsefulStale(reading, head, rules))) {
    return { allowed: allowed && !isPart, staleAt, vary: vary ?? [], value: undefined }
  }
  const value = makeEntry(statusCode, head.statusMessage, stored(headers, control, now), reading, now, keepStale)
  if (vary.length > 0) value.vary = selectVariant(vary, asked.headers)
  return { allowed, staleAt, vary, value }
}

/**
 * The head of an entry after a 304: the fields of that take the place of the stored ones (RFC 9111 section 3.2), those that may not be stored,
 * a cookie say, for this client alone. The entry stays as it was where the 304 is about another reply, or forbids to store.
 */
export function renewByRfc (
  entry: CacheStoreValue, notModified: ResponseHead, rules: CacheRules, requested: number, now: number, keepStale: number
): Renewal {
  const { headers: update } = notModified
  const { etag } = update
  if (typeof etag === 'string' && entry.etag !== undefined && weak(etag) !== weak(entry.etag)) return { served: entry, stored: undefined }
  const listed = namedByConnection(update['connection'])
  const headers = { ...entry.headers }
  // The age that was stored is in cachedAt, and the date was that of the reply before.
  if (update['date'] === undefined) headers['date'] = httpDate(now)
  for (const name in update) {
    const value = update[name]
    if (value === undefined || ONE_HOP.has(name) || OF_THE_BODY.has(name) || listed.has(name)) continue
    headers[name] = typeof value === 'string' ? value : [...value]
  }
  // Stores tell by the entity tag whether an entry was replaced meanwhile: it stays as it is written.
  if (entry.etag === undefined) delete headers['etag']
  else headers['etag'] = entry.etag
  const reading = readReply(headers, entry.statusCode, rules, requested, now)
  const { control } = reading
  const value = makeEntry(entry.statusCode, entry.statusMessage, stored(headers, control, now), reading, now, keepStale)
  if (entry.vary !== undefined) value.vary = entry.vary
  const cookie = headers['set-cookie']
  if (cookie !== undefined && update['set-cookie'] !== undefined && !cookieAllows(update, control, rules)) {
    const before = entry.headers['set-cookie']
    if (before === undefined) delete value.headers['set-cookie']
    else value.headers['set-cookie'] = before
  }
  const permitted = reading.accel ? reading.staleAt !== 0 : permits(control, entry.statusCode)
  const selectable = rules.ignore.vary || selectsAlike(readVary(headers), entry.vary)
  return { served: forThisClient(value, headers, update), stored: permitted && selectable ? value : undefined }
}

/** The entry is kept by all that it depends on now (RFC 9111 section 4.1): others would get it although they ask for something else. */
function selectsAlike (names: readonly string[] | null, vary: CacheStoreValue['vary'] = {}): boolean {
  return names !== null && names.every(name => Object.hasOwn(vary, name))
}

/** With what of the 304 is not stored. */
function forThisClient (value: CacheStoreValue, headers: CacheStoreValue['headers'], update: ResponseHead['headers']): CacheStoreValue {
  let all: CacheStoreValue['headers'] | undefined
  for (const name in update) {
    const own = headers[name]
    if (own === undefined || name === 'age' || (name !== 'set-cookie' && value.headers[name] !== undefined)) continue
    all ??= { ...value.headers }
    all[name] = own
  }
  return all === undefined ? value : { ...value, headers: all }
}

/** What allows to serve an expired entry: the mount's `useStale`, and the entry's own words. */
export function staleLeave (value: CacheStoreValue, rules: CacheRules): { byMount: boolean, byReply: boolean } {
  return permitsStale(value.headers, rules.rfc?.targets ?? [], rules.ignore.cacheControl)
}

/** Cache-Control does not forbid a shared cache to store it. */
function permits (control: CacheControl, statusCode: number): boolean {
  if (control.private) return false
  // must-understand takes no-store back for those who know what the status asks of them (section 5.2.2.3).
  if (control.mustUnderstand) return UNDERSTOOD.has(statusCode)
  return !control.noStore
}

function cookieAllows (headers: HeaderValues, control: CacheControl, rules: CacheRules): boolean {
  return headers['set-cookie'] === undefined || rules.ignore.setCookie || control.withheld.includes('set-cookie') ||
    (rules.rfc?.setCookie === true && control.public)
}

/** It is not fresh, but can be validated, or says itself that it may be served stale. */
function isUsefulStale (reading: Reading, head: ResponseHead, rules: CacheRules): boolean {
  const { headers, statusCode } = head
  if (!reading.explicit) return false
  if (reading.accel) return true
  if (reading.control.staleWhileRevalidate > 0 || reading.control.staleIfError > 0) return true
  return rules.revalidate && statusCode === 200 && (typeof headers['etag'] === 'string' || typeof headers['last-modified'] === 'string')
}

function makeEntry (
  statusCode: number, statusMessage: string, headers: CacheStoreValue['headers'], reading: Reading, now: number, keepStale: number
): CacheStoreValue {
  const { control, age } = reading
  const staleWhileRevalidate = Math.max(0, control.staleWhileRevalidate)
  const staleIfError = Math.max(0, control.staleIfError)
  const staleAt = (control.noCache && !reading.accel) || reading.staleAt === 0 ? Math.min(reading.staleAt, now) - 1 : reading.staleAt
  const value: CacheStoreValue = {
    statusCode,
    statusMessage,
    headers,
    cachedAt: now - age * 1000,
    staleAt,
    deleteAt: Math.max(staleAt, now) + Math.max(keepStale, staleWhileRevalidate * 1000, staleIfError * 1000),
  }
  const { etag } = headers
  if (typeof etag === 'string') value.etag = etag
  if (staleWhileRevalidate > 0 || staleIfError > 0) {
    value.cacheControlDirectives = { 'stale-while-revalidate': staleWhileRevalidate, 'stale-if-error': staleIfError }
  }
  return value
}

/** The header fields that are stored. */
function stored (headers: HeaderValues | ResponseHead['headers'], control: CacheControl, now: number): CacheStoreValue['headers'] {
  const { connection } = headers
  const listed = connection === undefined ? undefined : namedByConnection(connection)
  const { withheld } = control
  const copy: CacheStoreValue['headers'] = {}
  for (const name in headers) {
    const value = headers[name]
    if (value === undefined || UNSTORED.has(name) || listed?.has(name) === true) continue
    if (withheld.length > 0 && withheld.includes(name)) continue
    copy[name] = typeof value === 'string' ? value : [...value]
  }
  // Who received it without a date notes when that was (RFC 9110 section 6.6.1).
  copy['date'] ??= httpDate(now)
  return copy
}

function weak (etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag
}
