import { performance } from 'node:perf_hooks'
import { outside } from './context.ts'

/**
 * The time, and what is to be done later; tests have their own. Nothing that waits here keeps the process alive, nor the asynchronous
 * context of the request that happened to begin it: what is a request's has to enter that by itself.
 */
export interface Timers {
  /** Milliseconds; never goes back. */
  now (): number
  /** Calls `callback` after so many milliseconds, unless what is returned is called before. */
  after (milliseconds: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after (milliseconds, callback) {
    const timer = outside(() => setTimeout(callback, milliseconds).unref())
    return () => clearTimeout(timer)
  },
}
