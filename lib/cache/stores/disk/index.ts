import { LRUCache } from 'lru-cache'

/** What is known of a file without opening it. */
export interface Slot {
  /** Bytes on the disk. */
  readonly size: number
  usedAt: number
  /** When other processes were told last that it is in use: the file's time of change. */
  stampedAt: number
  /** The number of this writing of the entry; undefined if it was only found. */
  readonly id: string | undefined
  /** The checksum of its body was right once, or this process has written it. */
  verified: boolean
  /** The names of the headers that its variants differ in; undefined if that is not known. */
  vary: string | undefined
  /** Its zone; undefined if that is not known. */
  readonly origin: string | undefined
}

const BLOCK = 4096

/** The files of a store, in the order of their use. A hint: the disk alone knows what is there. */
export class DiskIndex {
  readonly #slots = new LRUCache<string, Slot>({ maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: slot => slot.size })

  get entries (): number {
    return this.#slots.size
  }

  get bytes (): number {
    return this.#slots.calculatedSize
  }

  has (name: string): boolean {
    return this.#slots.has(name)
  }

  peek (name: string): Slot | undefined {
    return this.#slots.peek(name)
  }

  /** A file that was written, or found. */
  add (name: string, size: number, now: number, known: { id?: string, verified?: boolean, vary?: string, origin?: string } = {}): Slot {
    // The disk gives whole blocks.
    const { id, verified = false, vary, origin } = known
    const slot = { size: Math.ceil(size / BLOCK) * BLOCK, usedAt: now, stampedAt: now, id, verified, vary, origin }
    this.#slots.set(name, slot)
    return slot
  }

  /** A file that was read; another process may have replaced the known one. */
  use (name: string, size: number, id: string, now: number): Slot {
    const slot = this.#slots.get(name)
    if (slot === undefined || slot.id !== id) return this.add(name, size, now, { id })
    slot.usedAt = now
    return slot
  }

  drop (name: string): void {
    this.#slots.delete(name)
  }

  /** The one that was used longest ago. */
  oldest (): { name: string, slot: Slot } | undefined {
    for (const name of this.#slots.rkeys()) {
      const slot = this.#slots.peek(name)
      if (slot !== undefined) return { name, slot }
    }
    return undefined
  }

  /** Uses one at another time than now, as another process did. */
  postpone (name: string, usedAt: number): void {
    const slot = this.#slots.get(name)
    if (slot !== undefined) slot.usedAt = usedAt
  }

  clear (): void {
    this.#slots.clear()
  }
}
