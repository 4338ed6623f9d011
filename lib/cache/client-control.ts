import { MAX_SECONDS, splitDirectives, toSeconds } from './cache-control.ts'
import type { LookupHeaders } from './key.ts'

/** What the Cache-Control of a request asks for (RFC 9111 section 5.2.1). Numbers are seconds, -1 if nothing is asked. */
export interface ClientControl {
  noCache: boolean
  noStore: boolean
  onlyIfCached: boolean
  maxAge: number
  minFresh: number
  /** Infinity: however long it has been stale. */
  maxStale: number
  staleIfError: number
}

/** `undefined` if the client asks for nothing. Pragma counts where there is no Cache-Control (section 5.4). */
export function readClientControl (headers: LookupHeaders): ClientControl | undefined {
  const field = headers['cache-control']
  const asked: ClientControl = {
    noCache: false, noStore: false, onlyIfCached: false, maxAge: -1, minFresh: -1, maxStale: -1, staleIfError: -1,
  }
  if (field === undefined) {
    const { pragma } = headers
    if (pragma === undefined || !splitDirectives(pragma).some(({ name }) => name === 'no-cache')) return undefined
    asked.noCache = true
    return asked
  }
  for (const { name, value } of splitDirectives(field)) {
    switch (name) {
      case 'no-cache': asked.noCache = true; break
      case 'no-store': asked.noStore = true; break
      case 'only-if-cached': asked.onlyIfCached = true; break
      case 'max-age': asked.maxAge = asked.maxAge === -1 ? toSeconds(value) : Math.min(asked.maxAge, toSeconds(value)); break
      case 'min-fresh': asked.minFresh = Math.max(asked.minFresh, /^\d+$/.test(value ?? '') ? toSeconds(value) : MAX_SECONDS); break
      case 'max-stale': asked.maxStale = value === undefined ? Infinity : toSeconds(value); break
      case 'stale-if-error': asked.staleIfError = toSeconds(value); break
    }
  }
  return asked
}
