import { entryKey } from './key.ts'
import { varyNames, variantText } from './vary.ts'
import type { BodyOwner, Page } from './short-bodies.ts'
import type { EntryTimes, Placed } from './entry-table.ts'
import type { Indexed } from './memory-index.ts'
import type { SharedEntry } from '../store-guard.ts'
import type { CacheStoreKey, CacheStoreValue } from '../../../types/cache-store.ts'

/** Whose requests get an entry. */
interface Selection {
  readonly method: string
  readonly vary: CacheStoreValue['vary']
  readonly names: string
  readonly variant: string
}

/** Most entries are for all. */
const ALL: Selection = { method: 'GET', vary: undefined, names: '', variant: 'GET' }

function selectionOf (method: string, vary: CacheStoreValue['vary']): Selection {
  if (vary === undefined && method === 'GET') return ALL
  const names = varyNames(vary)
  return { method, vary, names: names.join(), variant: variantText(method, names, vary) }
}

/**
 * An entry of the memory store. It is one object, with what it has in common with others: of an entry of many the collector would copy
 * each. Its times are in the table of entries.
 */
export class MemoryEntry implements Indexed, BodyOwner, Placed {
  place = -1
  grouped = false
  page: Page | undefined = undefined
  slot = 0
  /** The body, unless it is among the short ones. */
  body: Buffer | undefined = undefined
  /** It has been given out: nobody may change it any more. */
  frozen = false
  /** What all get who ask for it again. */
  shared: SharedEntry | undefined = undefined
  /** Bytes of all of it, for the books. */
  weight = 0
  readonly origin: string
  readonly path: string
  readonly statusCode: number
  readonly statusMessage: string
  readonly headers: CacheStoreValue['headers']
  readonly etag: string | undefined
  readonly directives: CacheStoreValue['cacheControlDirectives']
  readonly tags: readonly string[]
  /** Of the body. */
  readonly size: number
  readonly order: number
  readonly #selection: Selection

  constructor ({ origin, method, path }: CacheStoreKey, value: CacheStoreValue, tags: readonly string[], size: number, order: number) {
    this.origin = origin
    this.path = path
    this.#selection = selectionOf(method, value.vary)
    this.statusCode = value.statusCode
    this.statusMessage = value.statusMessage
    this.headers = value.headers
    this.etag = value.etag
    this.directives = value.cacheControlDirectives
    this.tags = tags
    this.size = size
    this.order = order
  }

  get method (): string {
    return this.#selection.method
  }

  get vary (): CacheStoreValue['vary'] {
    return this.#selection.vary
  }

  get names (): string {
    return this.#selection.names
  }

  get variant (): string {
    return this.#selection.variant
  }

  /** With the request headers that get it. */
  get key (): CacheStoreKey {
    const { method, vary } = this.#selection
    return entryKey(this.origin, method, this.path, vary)
  }

  /** Its head as it was given. */
  value ({ cachedAt, staleAt, deleteAt }: EntryTimes): CacheStoreValue {
    const { statusCode, statusMessage, headers, etag, directives, vary } = this
    const value: CacheStoreValue = { statusCode, statusMessage, headers, cachedAt, staleAt, deleteAt }
    if (vary !== undefined) value.vary = vary
    if (etag !== undefined) value.etag = etag
    if (directives !== undefined) value.cacheControlDirectives = directives
    return value
  }

  /** Everybody gets the same headers: who changes them shall fail, not change what others get. Most entries nobody ever asks for. */
  freeze (): void {
    if (this.frozen) return
    this.frozen = true
    const { headers } = this
    for (const name in headers) if (Array.isArray(headers[name])) Object.freeze(headers[name])
    Object.freeze(headers)
  }
}
