/** The time, and what is to be done later; tests have their own. Nothing that waits here keeps the process alive. */
export interface Timers {
  /** Milliseconds; never goes back. */
  now (): number
  /** Calls `callback` after so many milliseconds, unless what is returned is called before. */
  after (milliseconds: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after (milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds).unref()
    return () => clearTimeout(timer)
  },
}
