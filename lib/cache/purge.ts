import { compileGlob } from './glob.ts'
import { discard } from './store-guard.ts'
import { FST_SCGI_CACHE_PURGE } from '../errors.ts'
import { readTags } from './tags.ts'
import type { CacheStore, CacheStoreKey, PurgeMatch } from '../../types/cache-store.ts'

/** How often a soft purge looks anew for an entry that others change. */
const ATTEMPTS = 10

/**
 * Purges a store that has no method for it. One key is deleted by its name; anything else needs a store that can list its keys.
 * @throws FST_SCGI_CACHE_PURGE
 */
export async function purgeBySearch (
  store: CacheStore, name: string, origin: string, match: PurgeMatch, soft: boolean, now: number
): Promise<number> {
  if ('key' in match && !soft) {
    await store.delete({ origin, method: 'GET', path: match.key })
    return 1
  }
  if (store.keys === undefined) throw new FST_SCGI_CACHE_PURGE(name, 'the store cannot list its keys: only one key can be purged, and not softly')
  if (soft && store.updateMeta === undefined) throw new FST_SCGI_CACHE_PURGE(name, "the store cannot change entries: only a purge without 'soft' is possible")
  const keys: CacheStoreKey[] = []
  const byKey = 'key' in match ? (key: string) => key === match.key : 'glob' in match ? compileGlob(match.glob) : () => true
  for await (const key of store.keys(origin)) if (byKey(key.path)) keys.push(key)
  let count = 0
  for (const key of keys) {
    // One that is renewed or replaced in the meantime is as much in the way as the one before it.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const entry = await store.get(key)
      if (entry === undefined) break
      discard(entry)
      if ('tag' in match && !readTags(entry.headers).includes(match.tag)) break
      if (soft) {
        const { body: _body, size: _size, id: _id, ...value } = entry
        if (await store.updateMeta?.(key, { ...value, staleAt: Math.min(value.staleAt, now - 1) }, entry) !== true) continue
      } else {
        // It takes the other variants of the key with it.
        await store.delete(key)
      }
      count++
      break
    }
  }
  return count
}
