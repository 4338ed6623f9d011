/** So many milliseconds are too long for one call. */
const LONG = 10
/** So long the disk is not waited for after one such call; twice as long after each further one, up to the most. */
const REST = 100
const MOST = 1000
/** If there was none for so long, the next one is the first again. */
const QUIET = 10_000

/**
 * When the disk is asked at once. For what is small a trip to the thread pool costs more than the call, which the system answers from its
 * memory; but all requests wait meanwhile, so that a disk that is slow is left to the pool for a while. A call can also seem long because
 * the system ran something else: that is seldom, and must not send a whole second's work to the pool.
 */
export class AtOnce {
  #slowUntil = -Infinity
  #rest = REST

  get allowed (): boolean {
    return performance.now() >= this.#slowUntil
  }

  /** Makes a call, and sees how long it takes. */
  run<Result> (call: () => Result): Result {
    const begun = performance.now()
    try {
      return call()
    } finally {
      const now = performance.now()
      if (now - begun > LONG) this.#restFrom(now)
    }
  }

  #restFrom (now: number): void {
    this.#rest = now - this.#slowUntil < QUIET ? Math.min(this.#rest * 2, MOST) : REST
    this.#slowUntil = now + this.#rest
  }
}
