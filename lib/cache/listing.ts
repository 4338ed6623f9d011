import { compileGlob } from './glob.ts'
import { discard } from './store-guard.ts'
import { readTags } from './tags.ts'
import { FST_SCGI_CACHE_LIST } from '../errors.ts'
import type { CacheEntries, CacheEntry } from '../../types/cache.ts'
import type { CacheStore, CacheStoreKey, CacheStoreListed } from '../../types/cache-store.ts'

/** What is listed: the entries whose key matches, so many after the first ones. */
export interface Listing {
  readonly glob: string | undefined
  readonly offset: number
  readonly limit: number
}

/**
 * Lists entries of a store. It goes on with other work between the entries of a store that gives them one by one.
 * @throws FST_SCGI_CACHE_LIST for a store that cannot list its keys, or fails
 */
export async function listEntries (store: CacheStore, name: string, origin: string, listing: Listing, now: number): Promise<CacheEntries> {
  const { glob, offset, limit } = listing
  const test = glob === undefined ? () => true : compileGlob(glob)
  const entries: CacheEntry[] = []
  let passed = 0
  try {
    for await (const { key, value, size } of listed(store, name, origin, key => test(key) && passed++ >= offset)) {
      if (value.deleteAt <= now) continue
      // It is known now that there are more. Those that are over were passed, too.
      if (entries.length === limit) return { entries, next: passed - 1 }
      entries.push(entryOf(key.path, value, size))
    }
  } catch (error) {
    if (error instanceof FST_SCGI_CACHE_LIST) throw error
    throw Object.assign(new FST_SCGI_CACHE_LIST(name, error instanceof Error ? error.message : String(error)), { cause: error })
  }
  return { entries, next: undefined }
}

/** The entries whose key is wanted. To ask a store that has no list of them for each counts as a use. */
async function * listed (
  store: CacheStore, name: string, origin: string, wanted: (key: string) => boolean
): AsyncGenerator<CacheStoreListed> {
  if (store.list !== undefined) {
    for await (const entry of store.list(origin)) if (wanted(entry.key.path)) yield entry
    return
  }
  if (store.keys === undefined) throw new FST_SCGI_CACHE_LIST(name, 'its store cannot list its keys')
  const keys = []
  for await (const key of store.keys(origin)) keys.push(key)
  // What is asked for may change its place with that.
  for (const key of keys.sort(byPath)) {
    if (!wanted(key.path)) continue
    const value = await store.get(key)
    if (value === undefined) continue
    discard(value)
    yield { key, value, size: value.size }
  }
}

function byPath (one: CacheStoreKey, other: CacheStoreKey): number {
  return one.path < other.path ? -1 : one.path > other.path ? 1 : 0
}

function entryOf (key: string, value: CacheStoreListed['value'], size: number | undefined): CacheEntry {
  const { statusCode, headers, vary, cachedAt, staleAt, deleteAt } = value
  return { key, statusCode, size, cachedAt, staleAt, deleteAt, tags: readTags(headers), vary: vary === undefined ? [] : Object.keys(vary) }
}
