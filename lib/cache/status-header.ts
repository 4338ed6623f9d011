import type { CacheStatus } from '../../types/cache.ts'

/** Who knows what came of a request. */
export interface StatusTeller {
  /** One member of Cache-Status, by the name of this cache. */
  statusMember (name: string): string
}

/** What came of a request, for the field Cache-Status. */
export interface StatusReport {
  readonly status: CacheStatus
  /** The application was asked for this client. */
  readonly forwarded: boolean
  /** What was there was fresh, but not what the client asked for. */
  readonly wasFresh: boolean
  /** There may be replies to other requests for the same URI. */
  readonly varies: boolean
  /** Status of the application's reply, where that is not the one that the client gets. */
  readonly forwardStatus: number | undefined
  /** The reply goes to the store as well. */
  readonly stored: boolean
  /** Another request's reply was waited for. */
  readonly collapsed: boolean
  /** Seconds that what is served stays fresh; below 0 if it is stale, `undefined` if that is not known. */
  readonly ttl: number | undefined
}

const REASON: Readonly<Record<CacheStatus, string>> = {
  MISS: 'uri-miss', BYPASS: 'bypass', EXPIRED: 'stale', STALE: 'stale', UPDATING: 'stale', REVALIDATED: 'stale', HIT: 'request',
}

/** Of requests that the cache has no part in: their method is none of its own, or the mount keeps them out. */
export const METHOD: StatusTeller = { statusMember: name => `${name}; fwd=method` }
export const BYPASS: StatusTeller = { statusMember: name => `${name}; fwd=bypass` }

/** That of a hit: what most requests are. */
export function hitMember (name: string, ttl: number): string {
  return `${name}; hit; ttl=${ttl}`
}

/** One member of Cache-Status (RFC 9211 section 2). */
export function cacheStatusMember (name: string, report: StatusReport): string {
  const { status, forwarded, forwardStatus, stored, collapsed, ttl } = report
  // Who has waited for another's reply went forward with that.
  const went = forwarded || collapsed
  let text = went ? `${name}; fwd=${reasonOf(report)}` : status === 'MISS' || status === 'EXPIRED' ? name : `${name}; hit`
  if (forwardStatus !== undefined) text += `; fwd-status=${forwardStatus}`
  if (ttl !== undefined) text += `; ttl=${ttl}`
  if (forwarded && stored) text += '; stored'
  if (collapsed) text += '; collapsed'
  return text
}

function reasonOf ({ status, forwarded, wasFresh, varies }: StatusReport): string {
  // Which of the two it was nobody knows.
  if (status === 'MISS' || !forwarded) return varies ? 'miss' : REASON.MISS
  return wasFresh ? 'request' : REASON[status]
}
