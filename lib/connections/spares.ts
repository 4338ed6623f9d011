import { systemTimers } from '../runtime/timers.ts'

/** So many are kept however long nobody needs them. */
const FEW = 256
/** And so many at most: what comes to more is made again. */
const MOST = 10_000
/** What nobody has needed for so many milliseconds is given up. */
const PERIOD = 10_000

/**
 * Objects that wait for their next use: as many as were in use at once of late. Which ones are too many is known without counting those
 * in use: the fewest that have lain here during a period were of no use in it.
 */
export class Spares<Item> {
  readonly #items: Item[] = []
  #fewest = 0
  #isWatched = false

  get size (): number {
    return this.#items.length
  }

  /** The one used last. */
  take (): Item | undefined {
    const item = this.#items.pop()
    if (this.#items.length < this.#fewest) this.#fewest = this.#items.length
    return item
  }

  keep (item: Item): void {
    if (this.#items.length >= MOST) return
    this.#items.push(item)
    if (!this.#isWatched && this.#items.length > FEW) this.#watch()
  }

  #watch (): void {
    this.#fewest = this.#items.length
    this.#isWatched = true
    systemTimers.after(PERIOD, () => this.#shrink())
  }

  #shrink (): void {
    // Those at the bottom have lain longest.
    this.#items.splice(0, Math.min(this.#fewest, this.#items.length - FEW))
    this.#isWatched = false
    if (this.#items.length > FEW) this.#watch()
  }
}
