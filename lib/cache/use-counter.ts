import { BoundedMap } from './bounded-map.ts'

/** How often keys were asked for that are not stored. (scgi_cache_min_uses) */
export class UseCounter {
  readonly #counts = new BoundedMap<number>(65_536, 8 * 1024 * 1024)
  readonly #inactive: number

  /** @param inactive milliseconds after which an unused key is counted from 0 again */
  constructor (inactive: number) {
    this.#inactive = inactive
  }

  /** Counts one more, and says how many there are. */
  count (key: string, now: number): number {
    const uses = (this.#counts.get(key, now) ?? 0) + 1
    this.#counts.set(key, uses, now + this.#inactive)
    return uses
  }
}
