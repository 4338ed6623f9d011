import { FST_SCGI_ADMIN_INPUT } from '../../../errors.ts'
import { agesHere, entriesHere, isAges, isEntries, joinAges, type AgesModel, type EntriesModel } from './entries.ts'
import { count, missingIn, objectOf, textOf, type Answer, type Call, type Operation } from './route.ts'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { Cache } from '../../../../types/cache.ts'
import type { PurgeMatch } from '../../../../types/cache-store.ts'

/** Entries of one page at most, and unless it is said. */
const MOST_ENTRIES = 1000
const ENTRIES = 50

/** What is named where workers have not answered. */
interface Missing {
  readonly missing?: readonly WorkerName[]
}

function cacheOf ({ service, params }: Pick<Call, 'service' | 'params'>): Cache {
  return service.cache(params['cache'] ?? '')
}

async function cacheAnswer ({ service }: Call, { name }: Cache): Promise<Answer> {
  const { caches, missing } = await service.overall()
  return { body: { ...caches.find(cache => cache.name === name), ...missingIn(missing) } }
}

export const CACHE_OPERATIONS: readonly Operation[] = [
  {
    method: 'GET',
    path: '/caches',
    summary: 'All caches',
    answer: 'Caches',
    async run ({ service }) {
      const { caches, missing } = await service.overall()
      return { body: { caches, ...missingIn(missing) } }
    },
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
      limit: { type: 'integer', description: 'Entries of a page, up to 1000; of several workers that have entries of their own, so many of each. Default 50.' },
    },
    answer: 'Entries',
    run: async call => ({ body: await listEntries(call) }),
  },
  {
    method: 'GET',
    path: '/caches/:cache/ages',
    summary: 'How old the entries of a cache are; all of them are looked at, ten thousand at most',
    answer: 'Ages',
    run: async call => ({ body: await agesOf(call.service, cacheOf(call)) }),
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
      const { purged, missing } = await purgeAll(call, cache, wanted, soft)
      call.service.tell(call.operator, `purges ${Object.entries(wanted).join().replace(',', ' ')} from the cache ${cache.name}${soft ? ', softly' : ''}: ${purged} entries`)
      return { body: { purged, ...missingIn(missing) } }
    },
  },
  {
    method: 'POST',
    path: '/caches/:cache/reset',
    summary: 'Counts from zero again',
    answer: 'Cache',
    async run (call) {
      const cache = cacheOf(call)
      await call.service.resetCache(cache, call.operator)
      return cacheAnswer(call, cache)
    },
  },
]

/** A page of entries; what the page of the cache shows, too. Those in memory are of all workers. */
export async function listEntries (call: Pick<Call, 'service' | 'params' | 'query'>): Promise<EntriesModel & Missing> {
  const { service } = call
  const cache = cacheOf(call)
  const search = textOf(call, 'search')
  const limit = count(call, 'limit', ENTRIES, MOST_ENTRIES)
  if (limit === 0) throw new FST_SCGI_ADMIN_INPUT('limit is 0')
  const glob = search === undefined || search === '' ? undefined : search.includes('*') ? search : `*${search}*`
  const page = { glob, offset: count(call, 'offset', 0, 1e15), limit }
  const asked = cache.shared ? undefined : service.ask({ what: 'entries', cache: cache.name, ...page })
  const own = await entriesHere(cache, page, service.now())
  const others = await asked
  if (others === undefined) return own
  const told = others.answers.flatMap(({ worker, answer }) => isEntries(answer) ? [{ worker, answer }] : [])
  const parts = [{ worker: service.worker, answer: own }, ...told].sort((one, other) => one.worker - other.worker)
  const nexts = parts.flatMap(({ answer }) => answer.next ?? [])
  return {
    entries: parts.flatMap(({ worker, answer }) => answer.entries.map(entry => ({ ...entry, worker }))),
    next: nexts.length === 0 ? null : Math.max(...nexts),
    missing: others.missing,
  }
}

/** How old entries are, in classes. */
export async function agesOf (service: Call['service'], cache: Cache): Promise<AgesModel & Missing> {
  const asked = cache.shared ? undefined : service.ask({ what: 'ages', cache: cache.name })
  const own = await agesHere(cache, service.now())
  const others = await asked
  if (others === undefined) return own
  return { ...joinAges([own, ...others.answers.flatMap(({ answer }) => isAges(answer) ? [answer] : [])]), missing: others.missing }
}

/** Purges in all workers. What they have in common is counted once. */
async function purgeAll ({ service }: Call, cache: Cache, match: PurgeMatch, soft: boolean): Promise<{ purged: number } & Missing> {
  const others = service.shared
  const own = await cache.purge(match, { soft, here: others })
  if (!others) return { purged: own }
  const asked = await service.ask({ what: 'purge', cache: cache.name, match, soft })
  // Last of all those who hear of it by the channel of a group: what they had removed before would be in no count.
  await cache.purge(match, { soft })
  const counts = cache.shared ? [] : asked?.answers.map(({ answer }) => typeof answer === 'number' ? answer : 0) ?? []
  return { purged: counts.reduce((sum, each) => sum + each, own), ...missingIn(asked?.missing) }
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
