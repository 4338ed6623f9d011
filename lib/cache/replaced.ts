import type { CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

/**
 * Whether another entry has taken the place of the one that a new head is for: its body is another one.
 * @param entry what is there now
 * @param value the new head
 * @param of the entry that was found, where that is known. Replies without an entity tag are told apart by it.
 */
export function wasReplaced (entry: CacheStoreResult, value: CacheStoreValue, of: CacheStoreResult | undefined): boolean {
  if (entry.etag !== value.etag) return true
  if (of === undefined) return false
  if (entry.id !== undefined && of.id !== undefined && entry.id !== of.id) return true
  return entry.cachedAt !== of.cachedAt || modified(entry) !== modified(of)
}

function modified ({ headers }: CacheStoreValue): string {
  return String(headers['last-modified'])
}
