import type { CacheStoreKey, CacheStoreValue } from '../../../types/cache-store.ts'
import { varyMatches, variantText, varyNames } from './vary.ts'

/** An entry as the index sees it. */
export interface Indexed {
  readonly origin: string
  readonly method: string
  readonly path: string
  /** The headers that select the variant, their names as one text, and the text of the variant. */
  readonly vary: CacheStoreValue['vary']
  readonly names: string
  readonly variant: string
  /** Of two that a request could get, the later one is right. */
  readonly order: number
  /** The index has it among others of its key. */
  grouped: boolean
}

/** Variants that differ in the same headers. */
interface Group<E> {
  readonly names: readonly string[]
  readonly entries: Map<string, E>
}

/** What there is of a key. Most have one entry that does not vary, and many small maps cost time when they are made and when they go. */
type Kept<E> = E | Map<string, Group<E>>

/** An application that changes its Vary all the time does not make a lookup slow. */
const MAX_GROUPS = 8

/** Finds entries by their keys, and among those of one key the variant that a request gets. */
export class MemoryIndex<E extends Indexed> {
  /** By origin, then by path. */
  readonly #keys = new Map<string, Map<string, Kept<E>>>()
  readonly #remove: (entry: E) => void
  /** What was asked for last: most stores have one origin. */
  #origin: string | undefined
  #paths: Map<string, Kept<E>> | undefined

  /** @param remove removes an entry that no request would get any more; it calls `delete` */
  constructor (remove: (entry: E) => void) {
    this.#remove = remove
  }

  /** The entry that a request gets. */
  find (key: CacheStoreKey): E | undefined {
    const kept = this.#pathsOf(key.origin)?.get(key.path)
    if (!(kept instanceof Map)) return kept?.variant === key.method ? kept : undefined
    let found: E | undefined
    for (const { names, entries } of kept.values()) {
      const entry = entries.get(names.length === 0 ? key.method : variantText(key.method, names, key.headers))
      if (entry !== undefined && (found === undefined || entry.order > found.order)) found = entry
    }
    return found
  }

  /** The entry of a key that has one for all requests. */
  single (origin: string, path: string): E | undefined {
    const kept = this.#pathsOf(origin)?.get(path)
    return kept instanceof Map || kept?.variant !== 'GET' ? undefined : kept
  }

  /** All entries of a key. */
  entriesOf ({ origin, path }: CacheStoreKey): E[] {
    const kept = this.#pathsOf(origin)?.get(path)
    if (kept === undefined) return []
    return kept instanceof Map ? [...kept.values()].flatMap(({ entries }) => [...entries.values()]) : [kept]
  }

  add (entry: E): void {
    const { origin, path } = entry
    let paths = this.#pathsOf(origin)
    if (paths === undefined) {
      this.#keys.set(origin, paths = new Map())
      this.#paths = paths
    }
    let kept = paths.get(path)
    if (kept !== undefined) {
      this.#supersede(entry, kept)
      kept = paths.get(path)
    }
    if (entry.names === '' && kept === undefined) paths.set(path, entry)
    else this.#addVariant(entry, paths)
  }

  /** Removes an entry that is there. */
  delete (entry: E): void {
    const { origin, path } = entry
    const paths = this.#pathsOf(origin)
    if (!entry.grouped) {
      paths?.delete(path)
      return
    }
    const kept = paths?.get(path)
    if (!(kept instanceof Map)) return
    const group = kept.get(entry.names)
    if (group?.entries.get(entry.variant) !== entry) return
    group.entries.delete(entry.variant)
    if (group.entries.size === 0) kept.delete(entry.names)
    if (kept.size === 0) paths?.delete(path)
  }

  #pathsOf (origin: string): Map<string, Kept<E>> | undefined {
    if (origin !== this.#origin) {
      this.#origin = origin
      this.#paths = this.#keys.get(origin)
    }
    return this.#paths
  }

  /** One of several of a key. */
  #addVariant (entry: E, paths: Map<string, Kept<E>>): void {
    const { path, vary } = entry
    const kept = paths.get(path)
    let groups: Map<string, Group<E>>
    if (kept instanceof Map) {
      groups = kept
    } else {
      groups = new Map()
      if (kept !== undefined) {
        kept.grouped = true
        groups.set(kept.names, { names: [], entries: new Map([[kept.variant, kept]]) })
      }
      paths.set(path, groups)
    }
    let group = groups.get(entry.names)
    if (group === undefined) {
      const [oldest] = groups.values()
      if (oldest !== undefined && groups.size >= MAX_GROUPS) for (const other of [...oldest.entries.values()]) this.#remove(other)
      groups.set(entry.names, group = { names: varyNames(vary), entries: new Map() })
    }
    entry.grouped = true
    group.entries.set(entry.variant, entry)
  }

  /** Removes what no request would get any more. */
  #supersede ({ names, variant, method, vary, order }: E, kept: Kept<E>): void {
    if (!(kept instanceof Map)) {
      if (kept.names === names && kept.variant === variant) this.#remove(kept)
      return
    }
    const selecting = varyNames(vary)
    for (const group of [...kept.values()]) {
      if (group.names.join() === names) {
        const same = group.entries.get(variant)
        if (same !== undefined) this.#remove(same)
      } else if (selecting.every(name => group.names.includes(name))) {
        for (const other of [...group.entries.values()]) {
          if (other.order < order && other.method === method && varyMatches(vary, other.vary)) this.#remove(other)
        }
      }
    }
  }
}
