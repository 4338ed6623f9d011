import { keepCase } from './header-case.ts'
import { judgeByRfc, renewByRfc } from './rfc-storing.ts'
import { permitsAuthorized, readFreshness } from './freshness.ts'
import { readVary, selectVariant } from './vary.ts'
import { setOwn } from '../runtime/own-property.ts'
import type { CacheRules } from './rules.ts'
import type { Asked, Renewal, Verdict } from './verdict.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/**
 * Judges a reply. It is stored when its lifetime is known, unless it sets a cookie, varies by what no header tells, says that it
 * must not be, or answers a request with Authorization without leave.
 * @param asked the request
 * @param requested when it was sent on, in milliseconds since the epoch
 * @param keepStale milliseconds that an expired entry is kept at least
 */
export function judge (head: ResponseHead, asked: Asked, rules: CacheRules, requested: number, now: number, keepStale: number): Verdict {
  const verdict = rules.rfc === undefined
    ? judgeAsNginx(head, asked, rules, now, keepStale)
    : judgeByRfc(head, asked, rules, requested, now, keepStale)
  if (rules.headerCase && verdict.value !== undefined) keepCase(verdict.value.headers, head.rawHeaders)
  return verdict
}

function judgeAsNginx (head: ResponseHead, asked: Asked, rules: CacheRules, now: number, keepStale: number): Verdict {
  const { headers, statusCode } = head
  const freshness = readFreshness(headers, rules.ignore, now)
  const vary = rules.ignore.vary ? [] : readVary(headers)
  const allowed = freshness.allowed && vary !== null && (rules.ignore.setCookie || headers['set-cookie'] === undefined)
  const staleAt = allowed && authorized(asked, head, rules) ? lifetime(freshness.staleAt, statusCode, rules, now) : 0
  // A 304 answers a condition of one client: it is no reply to anybody else.
  if (staleAt === 0 || vary === null || statusCode === 304) return { allowed, staleAt, vary: vary ?? [], value: undefined }
  const { staleWhileRevalidate, staleIfError } = freshness
  const value: CacheStoreValue = {
    statusCode,
    statusMessage: head.statusMessage,
    headers: copyHeaders(headers),
    cachedAt: now,
    staleAt,
    deleteAt: Math.max(staleAt, now) + Math.max(keepStale, staleWhileRevalidate * 1000, staleIfError * 1000),
  }
  if (vary.length > 0) value.vary = selectVariant(vary, asked.headers)
  const { etag } = headers
  if (typeof etag === 'string') value.etag = etag
  const directives = staleDirectives(staleWhileRevalidate, staleIfError)
  if (directives !== undefined) value.cacheControlDirectives = directives
  return { allowed, staleAt, vary, value }
}

/** The head of an entry that has been revalidated. */
export function renew (
  entry: CacheStoreValue, notModified: ResponseHead, rules: CacheRules, requested: number, now: number, keepStale: number
): Renewal {
  if (rules.rfc !== undefined) {
    const renewal = renewByRfc(entry, notModified, rules, requested, now, keepStale)
    const { served, stored } = renewal
    if (rules.headerCase && stored !== undefined) keepCase(stored.headers, notModified.rawHeaders)
    // The entry itself is the store's.
    if (rules.headerCase && served !== stored && served !== entry) keepCase(served.headers, notModified.rawHeaders)
    return renewal
  }
  // nginx takes no header of a 304.
  const stored = renewAsNginx(entry, notModified, rules, now, keepStale)
  return { served: stored ?? entry, stored }
}

/** `undefined` if it gets no new lifetime. */
function renewAsNginx (
  entry: CacheStoreValue, notModified: ResponseHead, rules: CacheRules, now: number, keepStale: number
): CacheStoreValue | undefined {
  let freshness = readFreshness(notModified.headers, rules.ignore, now)
  if (!freshness.allowed) return undefined
  if (freshness.staleAt === 0) freshness = readFreshness(entry.headers, rules.ignore, now)
  // Of the entry only a lifetime counts: an Expires that is past now does not forbid what was stored by it.
  const staleAt = lifetime(freshness.staleAt, entry.statusCode, rules, now)
  if (staleAt === 0) return undefined
  const { staleWhileRevalidate, staleIfError } = freshness
  const { statusCode, statusMessage, headers, vary, etag } = entry
  const value: CacheStoreValue = {
    statusCode,
    statusMessage,
    headers,
    cachedAt: now,
    staleAt,
    deleteAt: Math.max(staleAt, now) + Math.max(keepStale, staleWhileRevalidate * 1000, staleIfError * 1000),
  }
  if (vary !== undefined) value.vary = vary
  if (etag !== undefined) value.etag = etag
  const directives = staleDirectives(staleWhileRevalidate, staleIfError)
  if (directives !== undefined) value.cacheControlDirectives = directives
  return value
}

/** The end of the lifetime: what the headers say, which may be past (`X-Accel-Expires: @1`), else the mount. 0 if there is none. */
function lifetime (staleAt: number, statusCode: number, rules: CacheRules, now: number): number {
  if (staleAt !== 0) return staleAt
  const valid = rules.valid.of(statusCode)
  return valid === 0 ? 0 : now + valid
}

function authorized ({ isAuthorized }: Asked, { headers: reply, statusCode }: ResponseHead, rules: CacheRules): boolean {
  if (rules.ignoreAuthorization) return true
  // Who is told to log in comes back with Authorization, and must not be told the same by the cache.
  return (!isAuthorized && statusCode !== 401) || permitsAuthorized(reply, rules.ignore)
}

function staleDirectives (staleWhileRevalidate: number, staleIfError: number): CacheStoreValue['cacheControlDirectives'] {
  if (staleWhileRevalidate === 0 && staleIfError === 0) return undefined
  return { 'stale-while-revalidate': staleWhileRevalidate, 'stale-if-error': staleIfError }
}

function copyHeaders (headers: ResponseHead['headers']): Record<string, string | string[]> {
  const copy: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    // The reply's own lists go on to hooks, which may change them.
    if (value !== undefined) setOwn(copy, name, typeof value === 'string' ? value : [...value])
  }
  return copy
}
