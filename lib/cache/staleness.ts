import { ageOf } from './entry.ts'
import { listsTag } from '../http/entity-tags.ts'
import { staleLeave } from './rfc-storing.ts'
import type { CachedEntry } from './entry.ts'
import type { CacheRules } from './rules.ts'
import type { ClientControl } from './client-control.ts'
import type { RememberedError } from './remembered-errors.ts'
import type { CacheStoreValue } from '../../types/cache-store.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/** Who lets an entry be served although it is stale. */
interface Leave {
  readonly byMount: boolean
  readonly byReply: boolean
}

const ANY_LEAVE: Leave = { byMount: true, byReply: true }

/** Statuses that `stale-if-error` is about (RFC 5861 section 4). */
const SERVER_FAILED = new Set([500, 502, 503, 504])

/** Time that a reply grants by a directive, in milliseconds. */
export function seconds (value: CacheStoreValue, directive: 'stale-while-revalidate' | 'stale-if-error'): number {
  return (value.cacheControlDirectives?.[directive] ?? 0) * 1000
}

/** Whether a fresh entry is fresh enough for a client that has a say in it. */
export function isFreshEnough (entry: CachedEntry, client: ClientControl | undefined, now: number): boolean {
  return client === undefined || meets(client, client.maxAge === -1 ? 0 : entry.age(now), entry.value.staleAt - now)
}

/** The same of an error that is remembered: a client that has the cache validated asks the application. */
export function isErrorFreshEnough ({ since, until }: RememberedError, client: ClientControl | undefined, now: number): boolean {
  return client === undefined || meets(client, Math.floor((now - since) / 1000), until - now)
}

/**
 * @param age in seconds
 * @param left milliseconds for which it is fresh
 */
function meets ({ noCache, maxAge, minFresh }: ClientControl, age: number, left: number): boolean {
  return !noCache && (maxAge === -1 || age <= maxAge) && (minFresh === -1 || left >= minFresh * 1000)
}

/**
 * What a client with a say in it has nothing against (RFC 9111 section 5.2.1). One that gives `max-age` does not want what is stale, unless it
 * gives `max-stale` too, which lifts that, but not the limit of the age. `min-fresh` asks for what is fresh, whatever stands beside it.
 */
export function acceptsStale (value: CacheStoreValue, client: ClientControl | undefined, now: number): boolean {
  if (client === undefined) return true
  const { noCache, maxAge, minFresh, maxStale } = client
  if (noCache || minFresh !== -1) return false
  if (maxAge !== -1 && (maxStale === -1 || ageOf(value, now) > maxAge)) return false
  return maxStale === -1 || now - value.staleAt <= maxStale * 1000
}

/** The client takes an entry that has been stale for no longer than this. */
export function toleratesStale (value: CacheStoreValue, client: ClientControl | undefined, now: number): boolean {
  return client !== undefined && client.maxStale !== -1 && value.staleAt < now && acceptsStale(value, client, now)
}

export function leaveOf (value: CacheStoreValue, rules: CacheRules): Leave {
  return rules.rfc === undefined ? ANY_LEAVE : staleLeave(value, rules)
}

/** A reply of this status is worse than an entry that is stale. */
export function staleOnStatus (
  stored: CacheStoreValue, statusCode: number, rules: CacheRules, client: ClientControl | undefined, now: number
): boolean {
  const { byMount, byReply } = leaveOf(stored, rules)
  if (byMount && rules.useStale.onStatus(statusCode)) return true
  return rules.rfc !== undefined && SERVER_FAILED.has(statusCode) && withinError(stored, client, now, byMount, byReply)
}

/** Within the time of `stale-if-error`, of the reply or of a client that has a say in it (RFC 5861 section 4). */
export function withinError (
  stored: CacheStoreValue, client: ClientControl | undefined, now: number, byMount: boolean, byReply: boolean
): boolean {
  if (client?.noCache === true) return false
  const granted = byReply ? seconds(stored, 'stale-if-error') : 0
  const asked = byMount ? Math.max(0, client?.staleIfError ?? 0) * 1000 : 0
  return now <= stored.staleAt + Math.max(granted, asked)
}

/**
 * A 304 is about an entity tag of the client's, not about that of the entry.
 * @param own that of the entry
 * @param theirs If-None-Match of the client
 */
export function isAboutClient (
  { headers: { etag } }: ResponseHead, own: string | undefined, theirs: string | string[] | undefined, rules: CacheRules
): boolean {
  if (rules.rfc === undefined || typeof etag !== 'string' || own === undefined) return false
  return typeof theirs === 'string' && !listsTag(own, etag) && listsTag(theirs, etag)
}
