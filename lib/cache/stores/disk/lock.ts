/** Lets those who want the same thing have it one after the other. */
export class Lock {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Somebody has something of this name. */
  isBusy (name: string): boolean {
    return this.#last.size > 0 && this.#last.has(name)
  }

  /** Runs `work` when all that came before it for this name have ended. */
  run<T> (name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const mine = before === undefined ? work() : before.then(work, work)
    this.#last.set(name, mine)
    const end = (): void => {
      if (this.#last.get(name) === mine) this.#last.delete(name)
    }
    mine.then(end, end)
    return mine
  }

  /** Waits for all that has begun. */
  async idle (): Promise<void> {
    await Promise.allSettled([...this.#last.values()])
  }
}
