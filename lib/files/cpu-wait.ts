import { readFileSync } from 'node:fs'

/**
 * Milliseconds for which this thread could have run, but had no processor, since it began; NaN where the system does not say. (Linux: the
 * second number of /proc/thread-self/schedstat)
 */
export function cpuWait (): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
  } catch {
    return NaN
  }
}
