import type { Timers } from '../../lib/runtime/timers.ts'

/** Timers of a test: time passes when it is told to. It begins where the time of day would, not at 0. */
export class FakeTimers implements Timers {
  time = 1_700_000_000_000
  #next = 0
  readonly #waiting = new Map<number, { due: number, callback: () => void }>()

  readonly now = (): number => this.time

  /** How many wait. */
  get pending (): number {
    return this.#waiting.size
  }

  /** Milliseconds to the next that is due; `undefined` where none waits. */
  get next (): number | undefined {
    const due = Math.min(...[...this.#waiting.values()].map(timer => timer.due))
    return due === Infinity ? undefined : due - this.time
  }

  after (milliseconds: number, callback: () => void): () => void {
    const id = this.#next++
    // As the system's, it never comes in the same turn.
    this.#waiting.set(id, { due: this.time + Math.max(1, milliseconds), callback })
    return () => { this.#waiting.delete(id) }
  }

  /** Lets time pass, and calls what becomes due meanwhile in its order. */
  advance (milliseconds: number): void {
    const end = this.time + milliseconds
    for (;;) {
      let first: [number, { due: number, callback: () => void }] | undefined
      for (const entry of this.#waiting) if (entry[1].due <= end && (first === undefined || entry[1].due < first[1].due)) first = entry
      if (first === undefined) break
      this.#waiting.delete(first[0])
      this.time = first[1].due
      first[1].callback()
    }
    this.time = end
  }
}
