/** So many milliseconds are too long for one call. */
const LONG = 10
/** And so long the disk is not waited for after that. */
const REST = 1000

/**
 * When the disk is asked at once. For what is small a trip to the thread pool costs more than the call, which the system answers from its
 * memory; but all requests wait meanwhile, so that a disk that is slow is left to the pool for a while.
 */
export class AtOnce {
  #slowUntil = -Infinity

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
      if (now - begun > LONG) this.#slowUntil = now + REST
    }
  }
}
