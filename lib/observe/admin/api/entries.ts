import { isRecord } from '../../../options/checks.ts'
import { entryModel, type EntryModel } from './model.ts'
import type { Cache } from '../../../../types/cache.ts'

/** So many entries are looked at to tell how old they are. */
const MOST_AGED = 10_000
/** Upper bounds of ages in seconds; the last class has none. */
const AGES = [60, 600, 3600, 21_600, 86_400, 604_800]

/** A page of the entries of a cache. */
export interface EntriesModel {
  readonly entries: readonly EntryModel[]
  readonly next: number | null
}

/** How old entries are, in classes. */
export interface AgesModel {
  readonly ages: readonly { readonly upTo: number | null, readonly entries: number, readonly bytes: number }[]
  readonly stale: number
  readonly whole: boolean
}

export async function entriesHere (
  cache: Cache, { glob, offset, limit }: { readonly glob: string | undefined, readonly offset: number, readonly limit: number }, now: number
): Promise<EntriesModel> {
  const { entries, next } = await cache.entries({ ...(glob === undefined ? undefined : { glob }), offset, limit })
  return { entries: entries.map(entry => entryModel(entry, now)), next: next ?? null }
}

export function isEntries (answer: unknown): answer is EntriesModel {
  return isRecord(answer) && Array.isArray(answer['entries'])
}

export async function agesHere (cache: Cache, now: number): Promise<AgesModel> {
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

export function isAges (answer: unknown): answer is AgesModel {
  return isRecord(answer) && Array.isArray(answer['ages'])
}

export function joinAges (parts: readonly AgesModel[]): AgesModel {
  return {
    ages: [...AGES, null].map((upTo, index) => ({
      upTo,
      entries: parts.reduce((sum, { ages }) => sum + (ages[index]?.entries ?? 0), 0),
      bytes: parts.reduce((sum, { ages }) => sum + (ages[index]?.bytes ?? 0), 0),
    })),
    stale: parts.reduce((sum, { stale }) => sum + stale, 0),
    whole: parts.every(({ whole }) => whole),
  }
}
