import { FST_SCGI_ADMIN_INPUT } from '../../../errors.ts'
import { cacheModel, entryModel } from './model.ts'
import { count, objectOf, textOf, type Answer, type Call, type Operation } from './route.ts'
import type { Cache } from '../../../../types/cache.ts'
import type { PurgeMatch } from '../../../../types/cache-store.ts'

/** Entries of one page at most, and unless it is said. */
const MOST_ENTRIES = 1000
const ENTRIES = 50
/** So many entries are looked at to tell how old they are. */
const MOST_AGED = 10_000
/** Upper bounds of ages in seconds; the last class has none. */
const AGES = [60, 600, 3600, 21_600, 86_400, 604_800]

function cacheOf ({ service, params }: Pick<Call, 'service' | 'params'>): Cache {
  return service.cache(params['cache'] ?? '')
}

function cacheAnswer ({ service }: Call, cache: Cache): Answer {
  return { body: cacheModel(cache, service.baseOf(cache)) }
}

export const CACHE_OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/caches',
    summary: 'All caches',
    answer: 'Caches',
    run: ({ service }) => ({ body: { caches: service.caches.map(cache => cacheModel(cache, service.baseOf(cache))) } }),
  },
  {
    method: 'GET',
    path: '/caches/:cache',
    summary: 'A cache',
    answer: 'Cache',
    run: call => cacheAnswer(call, cacheOf(call)),
  },
  {
    method: 'GET',
    path: '/caches/:cache/entries',
    summary: 'Entries of a cache by key, page by page',
    query: {
      search: { type: 'string', description: 'Keys that contain it; with a * in it, keys that it matches as a whole. Default: all.' },
      offset: { type: 'integer', description: 'So many are left out. Default 0.' },
      limit: { type: 'integer', description: 'Entries of a page, up to 1000. Default 50.' },
    },
    answer: 'Entries',
    run: async call => ({ body: await listEntries(call) }),
  },
  {
    method: 'GET',
    path: '/caches/:cache/ages',
    summary: 'How old the entries of a cache are; all of them are looked at, ten thousand at most',
    answer: 'Ages',
    run: async call => ({ body: await agesOf(cacheOf(call), call.service.now()) }),
  },
  {
    method: 'POST',
    path: '/caches/:cache/purge',
    summary: 'Removes entries by key, glob or tag, or makes them expire',
    body: 'Purge',
    answer: 'Purged',
    async run (call) {
      const cache = cacheOf(call)
      const { soft = false, ...match } = objectOf(call)
      if (typeof soft !== 'boolean') throw new FST_SCGI_ADMIN_INPUT("'soft' is neither true nor false")
      const wanted = matchOf(match)
      const purged = await cache.purge(wanted, { soft })
      call.service.tell(call.operator, `purges ${Object.entries(wanted).join().replace(',', ' ')} from the cache ${cache.name}${soft ? ', softly' : ''}: ${purged} entries`)
      return { body: { purged } }
    },
  },
  {
    method: 'POST',
    path: '/caches/:cache/reset',
    summary: 'Counts from zero again',
    answer: 'Cache',
    run (call) {
      const cache = cacheOf(call)
      call.service.resetCache(cache, call.operator)
      return cacheAnswer(call, cache)
    },
  },
]

/** A page of entries; what the page of the cache shows, too. */
export async function listEntries (call: Pick<Call, 'service' | 'params' | 'query'>) {
  const cache = cacheOf(call)
  const search = textOf(call, 'search')
  const limit = count(call, 'limit', ENTRIES, MOST_ENTRIES)
  if (limit === 0) throw new FST_SCGI_ADMIN_INPUT('limit is 0')
  const glob = search === undefined || search === '' ? undefined : search.includes('*') ? search : `*${search}*`
  const { entries, next } = await cache.entries({ ...(glob === undefined ? undefined : { glob }), offset: count(call, 'offset', 0, 1e15), limit })
  const now = call.service.now()
  return { entries: entries.map(entry => entryModel(entry, now)), next: next ?? null }
}

/** How old entries are, in classes. */
export async function agesOf (cache: Cache, now: number) {
  const { entries, next } = await cache.entries({ limit: MOST_AGED })
  const ages = [...AGES, null].map(upTo => ({ upTo, entries: 0, bytes: 0 }))
  let stale = 0
  for (const { cachedAt, staleAt, size } of entries) {
    const age = (now - cachedAt) / 1000
    const found = ages.find(({ upTo }) => upTo === null || age <= upTo)
    if (found === undefined) continue
    found.entries += 1
    found.bytes += size ?? 0
    if (staleAt <= now) stale += 1
  }
  return { ages, stale, whole: next === undefined }
}

/** @throws FST_SCGI_ADMIN_INPUT */
function matchOf (match: Record<string, unknown>): PurgeMatch {
  const entries = Object.entries(match)
  const [kind, text] = entries.length === 1 ? entries[0] ?? [] : []
  if (typeof text === 'string' && text !== '') {
    if (kind === 'key') return { key: text }
    if (kind === 'glob') return { glob: text }
    if (kind === 'tag') return { tag: text }
  }
  throw new FST_SCGI_ADMIN_INPUT("a purge has one of 'key', 'glob' and 'tag', a text")
}
