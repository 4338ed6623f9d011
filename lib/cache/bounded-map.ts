interface Slot<V> {
  readonly value: V
  readonly expires: number
}

/**
 * A map by text that cannot grow without end: beyond its limits it forgets what was set longest ago, and everything after its time.
 */
export class BoundedMap<V> {
  readonly #slots = new Map<string, Slot<V>>()
  readonly #maxEntries: number
  readonly #maxLength: number
  #length = 0

  /** @param maxLength characters of all keys together */
  constructor (maxEntries: number, maxLength: number) {
    this.#maxEntries = maxEntries
    this.#maxLength = maxLength
  }

  get size (): number {
    return this.#slots.size
  }

  get (key: string, now: number): V | undefined {
    const slot = this.#slots.get(key)
    if (slot === undefined) return undefined
    if (slot.expires > now) return slot.value
    this.delete(key)
    return undefined
  }

  /** @param expires milliseconds since the epoch */
  set (key: string, value: V, expires: number): void {
    this.delete(key)
    this.#slots.set(key, { value, expires })
    this.#length += key.length
    for (const oldest of this.#slots.keys()) {
      if (this.#slots.size <= this.#maxEntries && this.#length <= this.#maxLength) break
      this.delete(oldest)
    }
  }

  delete (key: string): void {
    if (this.#slots.delete(key)) this.#length -= key.length
  }

  /** Removes what a test is true for. */
  deleteWhere (test: (key: string, value: V) => boolean): void {
    for (const [key, { value }] of [...this.#slots]) if (test(key, value)) this.delete(key)
  }
}
