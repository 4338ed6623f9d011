import type { HeaderValues } from '../../types/cache.ts'

/** Most tags of one entry, and the longest tag: what is beyond them is not a tag. */
const MAX_TAGS = 128
const MAX_TAG = 256
const NONE: readonly string[] = []

/**
 * The tags by which an entry can be purged: those that the application gave in Cache-Tag (with commas between them) and
 * Surrogate-Key (with spaces), each once.
 */
export function readTags (headers: HeaderValues): readonly string[] {
  const { 'cache-tag': cacheTag, 'surrogate-key': surrogateKey } = headers
  if (cacheTag === undefined && surrogateKey === undefined) return NONE
  const tags = new Set<string>()
  addTags(tags, cacheTag, ',')
  addTags(tags, surrogateKey, ' ')
  return [...tags]
}

function addTags (tags: Set<string>, lines: string | string[] | undefined, separator: string): void {
  if (lines === undefined) return
  for (const line of typeof lines === 'string' ? [lines] : lines) {
    for (const part of line.split(separator)) {
      const tag = part.trim()
      if (tags.size >= MAX_TAGS) return
      if (tag !== '' && tag.length <= MAX_TAG) tags.add(tag)
    }
  }
}
