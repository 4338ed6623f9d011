import type { UpstreamServers } from '../../types/upstream.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'

/** Groups by name. As host names are, the names are the same in upper and in lower case. */
export class GroupRegistry<G extends UpstreamServers> implements Iterable<G> {
  readonly #groups = new Map<string, G>()

  /**
   * Adds a group under its name; a group that is here already (several registrations may share it) stays.
   * Throws `FST_SCGI_OPT_INVALID`, which names `option`, if another group has the name.
   */
  add (group: G, option = 'upstreams.name'): void {
    const key = group.name.toLowerCase()
    const present = this.#groups.get(key)
    if (present === group) return
    if (present !== undefined) {
      throw new FST_SCGI_OPT_INVALID(option, `'${group.name}'`, `a name that no other group has ('${present.name}' exists)`)
    }
    this.#groups.set(key, group)
  }

  get (name: string): G | undefined {
    return this.#groups.get(name.toLowerCase())
  }

  has (name: string): boolean {
    return this.#groups.has(name.toLowerCase())
  }

  get size (): number {
    return this.#groups.size
  }

  /** The groups in the order in which they were added. */
  [Symbol.iterator] (): IterableIterator<G> {
    return this.#groups.values()
  }
}
