import type { CacheStoreValue } from '../../types/cache-store.ts'
import type { HeaderValues } from '../../types/cache.ts'

/** What of a request decides on its reply. */
export interface Asked {
  /** It has an Authorization header. */
  readonly isAuthorized: boolean
  /** Normalised. */
  readonly headers: HeaderValues
}

/** What a 304 makes of an entry. */
export interface Renewal {
  /** What this client gets. */
  readonly served: CacheStoreValue
  /** What is stored in its place; `undefined` if the entry stays as it was. */
  readonly stored: CacheStoreValue | undefined
}

/** What happens to a reply as far as its head can tell. */
export interface Verdict {
  /** Its headers do not forbid to store it: the gateway may answer conditions and ranges from it. */
  readonly allowed: boolean
  /** Fresh until then, which may be past; 0 if that is not known, or the reply must not be stored. */
  readonly staleAt: number
  /** Names of the request headers that it depends on. */
  readonly vary: readonly string[]
  /** The entry to store, where it is to be stored. */
  readonly value: CacheStoreValue | undefined
}
