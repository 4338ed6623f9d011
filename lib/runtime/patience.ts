import type { Timers } from './timers.ts'

const PARTS = 5

/**
 * Calls back after so many milliseconds, in parts: a process that was busy for long looks at what has come meanwhile between two of
 * them, and does not take its own delay for the store's.
 * @returns what cancels it
 */
export function patiently (clock: Pick<Timers, 'after'>, milliseconds: number, callback: () => void): () => void {
  let part = 0
  const next = (): () => void => {
    const length = Math.floor(milliseconds * (part + 1) / PARTS) - Math.floor(milliseconds * part / PARTS)
    return clock.after(length, () => {
      if (++part === PARTS) callback()
      else cancel = next()
    })
  }
  let cancel = next()
  return () => cancel()
}
