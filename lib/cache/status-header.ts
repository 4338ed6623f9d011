import type { CacheStatus } from '../../types/cache.ts'

/** What came of a request, for the field Cache-Status. */
export interface StatusReport {
  readonly status: CacheStatus
  /** The application was asked for this client. */
  readonly forwarded: boolean
  /** Status of the application's reply, where that is not the one that the client gets. */
  readonly forwardStatus: number | undefined
  /** The reply goes to the store as well. */
  readonly stored: boolean
  /** Another request's reply was waited for. */
  readonly collapsed: boolean
  /** Seconds that what is served stays fresh; below 0 where it is stale, `undefined` where that is not known. */
  readonly ttl: number | undefined
}

const REASON: Readonly<Record<CacheStatus, string>> = {
  MISS: 'uri-miss', BYPASS: 'bypass', EXPIRED: 'stale', STALE: 'stale', UPDATING: 'stale', REVALIDATED: 'stale', HIT: 'request',
}

/** One member of Cache-Status (RFC 9211 section 2). */
export function cacheStatusMember (name: string, report: StatusReport): string {
  const { status, forwarded, forwardStatus, stored, collapsed, ttl } = report
  let text = forwarded ? `${name}; fwd=${REASON[status]}` : `${name}; hit`
  if (forwardStatus !== undefined) text += `; fwd-status=${forwardStatus}`
  if (ttl !== undefined) text += `; ttl=${ttl}`
  if (forwarded && stored) text += '; stored'
  if (collapsed) text += '; collapsed'
  return text
}
