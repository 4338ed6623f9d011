import { normaliseHeaders } from './vary.ts'
import type { CacheStoreKey } from '../../types/cache-store.ts'

/** Request headers by lower-case name. */
export type LookupHeaders = Readonly<Record<string, string | string[] | undefined>>

/**
 * The default key: what a browser would show as the address. Joined and not concatenated, it is one text in memory and not a tree of
 * four: it is hashed at each lookup, and an entry keeps it.
 */
export function defaultKey (scheme: string, host: string, uri: string): string {
  return [scheme, '://', host, uri].join('')
}

/** The key as stores get it: GET and HEAD share an entry, no other method gets what was made for them. */
export function methodKey (method: string, key: string): string {
  return method === 'GET' || method === 'HEAD' ? key : `${method} ${key}`
}

/** What a store is asked by. Most entries have no `vary`, and then nobody reads the headers: they are made when they are read. */
export class StoreKey implements CacheStoreKey {
  readonly origin: string
  readonly method = 'GET'
  readonly path: string
  /** What the application sees cannot be told: nothing in the store is for this request. */
  unknown = false
  readonly #seen: () => LookupHeaders
  readonly #mayBeAuthorized: boolean
  #headers: Record<string, string | string[]> | undefined

  /**
   * @param seen gives the headers that the application sees
   * @param mayBeAuthorized false if there is no Authorization among them
   */
  constructor (origin: string, path: string, seen: () => LookupHeaders, mayBeAuthorized = true) {
    this.origin = origin
    this.path = path
    this.#seen = seen
    this.#mayBeAuthorized = mayBeAuthorized
  }

  get isAuthorized (): boolean {
    return this.#mayBeAuthorized && this.headers['authorization'] !== undefined
  }

  get headers (): Record<string, string | string[]> {
    if (this.#headers !== undefined) return this.#headers
    try {
      this.#headers = normaliseHeaders(this.#seen())
    } catch {
      // A function of the user's, or a request that cannot be sent: whoever sends it is told.
      this.unknown = true
      this.#headers = {}
    }
    return this.#headers
  }
}

/** The same for stores that know nothing of ours, and may copy or serialize what they get. */
export function plainKey (key: StoreKey): CacheStoreKey & { headers: Record<string, string | string[]> } {
  const { origin, method, path, headers } = key
  return { origin, method, path, headers }
}
