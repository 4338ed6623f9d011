/** A member of an ActiveList, of one at a time. */
export interface Listed {
  /** Its index in the list; -1 while it is in none. */
  place: number
}

/**
 * Requests, connections and the like that are in progress, in no order, added and deleted in constant time. What comes and goes with every request must not be kept in a Set: each time V8 makes the table of
 * a Set anew, the old table refers to the new one. A full collection moves the table of that moment to the old generation; dead as it
 * soon is, it keeps all later tables, and what was in them, through the small collections until the next full one. Here that was a
 * third of all that requests allocate, and a tenth of the CPU time.
 */
export class ActiveList<T extends Listed> {
  readonly #list: T[] = []

  get size (): number {
    return this.#list.length
  }

  add (one: T): void {
    if (this.#has(one)) return
    one.place = this.#list.length
    this.#list.push(one)
  }

  /** False if it was not in the list. */
  delete (one: T): boolean {
    if (!this.#has(one)) return false
    const { place } = one
    const last = this.#list.pop()
    if (last !== undefined && last !== one) {
      this.#list[place] = last
      last.place = place
    }
    one.place = -1
    return true
  }

  #has (one: T): boolean {
    // At -1 the engine would look for a property of that name.
    return one.place >= 0 && this.#list[one.place] === one
  }

  /** A copy of the current members: the list may change while it is iterated. */
  all (): readonly T[] {
    return this.#list.slice()
  }
}
