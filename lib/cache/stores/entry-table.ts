/** A member of an EntryTable, of one at a time. */
export interface Placed {
  /** Where its numbers are; -1 while it is in none. */
  place: number
}

/** The times of an entry, in milliseconds since the epoch. */
export interface EntryTimes {
  readonly cachedAt: number
  readonly staleAt: number
  readonly deleteAt: number
}

const FIRST = 64
/** Numbers of a place: its times, and those next to it in the order of use. */
const TIMES = 4
const LINKS = 2
/** Among the times, */
const STALE = 1
const DELETE = 2
const USED = 3
/** and among the neighbours. */
const NEWER = 1
const NONE = -1

/**
 * Entries in the order of their use, with their times. An entry stays for long, and the collector copies all that stays twice: so its numbers,
 * which would each be an object, and its neighbours are in tables that the collector has nothing to do with.
 */
export class EntryTable<E extends Placed> {
  readonly #entries: (E | undefined)[] = []
  #times = new Float64Array(TIMES * FIRST)
  #links = new Int32Array(LINKS * FIRST)
  #size = 0
  #oldest = NONE
  #newest = NONE
  /** The first free place; each names the next one. */
  #free = NONE

  get size (): number {
    return this.#size
  }

  /** The entry that was used longest ago. */
  get oldest (): E | undefined {
    return this.#entries[this.#oldest]
  }

  /** Takes an entry as the one that was used last. */
  add (entry: E, { cachedAt, staleAt, deleteAt }: EntryTimes, now: number): void {
    const place = entry.place = this.#takePlace()
    this.#entries[place] = entry
    const at = TIMES * place
    const times = this.#times
    times[at] = cachedAt
    times[at + STALE] = staleAt
    times[at + DELETE] = deleteAt
    times[at + USED] = now
    this.#size++
    this.#append(place)
  }

  /** Somebody asks for it. */
  use (entry: E, now: number): void {
    const { place } = entry
    this.#times[TIMES * place + USED] = now
    if (place === this.#newest) return
    this.#unlink(place)
    this.#append(place)
  }

  has ({ place }: E): boolean {
    return place !== NONE
  }

  /** False if it was not there. */
  delete (entry: E): boolean {
    const { place } = entry
    if (place === NONE) return false
    this.#unlink(place)
    entry.place = NONE
    this.#entries[place] = undefined
    this.#links[LINKS * place] = this.#free
    this.#free = place
    this.#size--
    return true
  }

  timesOf ({ place }: E): EntryTimes {
    const at = TIMES * place
    const times = this.#times
    return { cachedAt: times[at] ?? 0, staleAt: times[at + STALE] ?? 0, deleteAt: times[at + DELETE] ?? 0 }
  }

  deleteAt ({ place }: E): number {
    return this.#times[TIMES * place + DELETE] ?? 0
  }

  usedAt ({ place }: E): number {
    return this.#times[TIMES * place + USED] ?? 0
  }

  /** All entries, in no order. */
  all (): E[] {
    return this.#entries.filter(entry => entry !== undefined)
  }

  #takePlace (): number {
    const free = this.#free
    if (free !== NONE) {
      this.#free = this.#links[LINKS * free] ?? NONE
      return free
    }
    const place = this.#entries.length
    if (LINKS * place === this.#links.length) this.#grow()
    return place
  }

  #grow (): void {
    const times = new Float64Array(2 * this.#times.length)
    times.set(this.#times)
    this.#times = times
    const links = new Int32Array(2 * this.#links.length)
    links.set(this.#links)
    this.#links = links
  }

  #append (place: number): void {
    const links = this.#links
    const before = this.#newest
    links[LINKS * place] = before
    links[LINKS * place + NEWER] = NONE
    if (before === NONE) this.#oldest = place
    else links[LINKS * before + NEWER] = place
    this.#newest = place
  }

  #unlink (place: number): void {
    const links = this.#links
    const older = links[LINKS * place] ?? NONE
    const newer = links[LINKS * place + NEWER] ?? NONE
    if (older === NONE) this.#oldest = newer
    else links[LINKS * older + NEWER] = newer
    if (newer === NONE) this.#newest = older
    else links[LINKS * newer] = older
  }
}
