/**
 * When the requests of an open loop are due: at a constant rate, whatever became of those before. Latency is counted from the time at
 * which a request was due, not from the time at which it could be sent, so that those that wait behind a slow reply count as slow
 * (they would be left out otherwise: coordinated omission). Times are milliseconds.
 */
export class Schedule {
  readonly #rate: number
  readonly #begun: number
  #taken = 0

  /** @param rate requests a second */
  constructor (rate: number, begun: number) {
    if (!(rate > 0)) throw new RangeError(`a rate of ${rate} requests a second`)
    this.#rate = rate
    this.#begun = begun
  }

  /** So many requests were taken. */
  get taken (): number {
    return this.#taken
  }

  /** When the request number `n`, from 0 on, is due. */
  dueAt (n: number): number {
    return this.#begun + n * 1000 / this.#rate
  }

  /** Takes the next request and says when it was due; undefined where none is due yet. */
  take (now: number): number | undefined {
    const due = this.dueAt(this.#taken)
    if (due > now) return undefined
    this.#taken++
    return due
  }
}
