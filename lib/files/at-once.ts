import { cpuWait } from './cpu-wait.ts'

/** So many milliseconds are too long for one call. */
const LONG = 10
/** So long the disk is not waited for after one such call; twice as long after each further one, up to the most. */
const REST = 100
const MOST = 1000
/** If there was none for so long, the next one is the first again. */
const QUIET = 10_000
/** How old what is known of the waiting for a processor may be when a call begins. */
const FRESH = 10

/**
 * When the disk is asked at once. For what is small a trip to the thread pool costs more than the call, which the system answers from its
 * memory; but all requests wait meanwhile, so that a disk that is slow is left to the pool for a while. Not so where a call took long
 * because something else had the processor: then the pool, which needs more of it, would make things worse.
 */
export class AtOnce {
  readonly #cpuWait: () => number
  #slowUntil = -Infinity
  #rest = REST
  #waited = NaN
  #waitedAt = -Infinity

  /** @param wait milliseconds that were waited for a processor so far */
  constructor (wait = cpuWait) {
    this.#cpuWait = wait
  }

  get allowed (): boolean {
    return performance.now() >= this.#slowUntil
  }

  /** Makes a call, and sees how long it takes. */
  run<Result> (call: () => Result): Result {
    const begun = performance.now()
    if (begun - this.#waitedAt > FRESH) this.#look(begun)
    try {
      return call()
    } finally {
      const now = performance.now()
      if (now - begun > LONG) this.#judge(now, now - begun)
    }
  }

  /** A call took long. */
  #judge (now: number, took: number): void {
    const before = this.#waited
    this.#look(now)
    if (took - (this.#waited - before) <= LONG) return
    this.#rest = now - this.#slowUntil < QUIET ? Math.min(this.#rest * 2, MOST) : REST
    this.#slowUntil = now + this.#rest
  }

  #look (now: number): void {
    this.#waited = this.#cpuWait()
    // What the system does not say it will not say later either.
    this.#waitedAt = Number.isNaN(this.#waited) ? Infinity : now
  }
}
