import { patiently } from '../runtime/patience.ts'
import type { Timers } from '../runtime/timers.ts'

interface Commit {
  /** Entries of the key that are complete and are being put into the store. */
  running: number
  waits: Map<() => void, () => void> | undefined
}

/**
 * Entries that are complete but not yet in the store: whoever asks for one of them waits the moment that it takes, so that a client which
 * has got a reply finds it in the cache.
 */
export class Commits {
  readonly #clock: Timers
  readonly #commits = new Map<string, Commit>()
  #idle: (() => void)[] = []

  constructor (clock: Timers) {
    this.#clock = clock
  }

  begin (key: string): void {
    const commit = this.#commits.get(key)
    if (commit === undefined) this.#commits.set(key, { running: 1, waits: undefined })
    else commit.running++
  }

  end (key: string): void {
    const commit = this.#commits.get(key)
    if (commit === undefined || --commit.running > 0) return
    this.#commits.delete(key)
    for (const [callback, cancel] of commit.waits ?? []) {
      cancel()
      setImmediate(callback)
    }
    if (this.#commits.size > 0) return
    const idle = this.#idle
    this.#idle = []
    for (const callback of idle) callback()
  }

  /** Entries of a key are being put. */
  isRunning (key: string): boolean {
    return this.#commits.size > 0 && this.#commits.has(key)
  }

  /** Calls back when the entries of a key are there, or after the timeout. False if there are none to wait for. */
  wait (key: string, timeout: number, callback: () => void): boolean {
    if (this.#commits.size === 0) return false
    const commit = this.#commits.get(key)
    if (commit === undefined) return false
    const waits = commit.waits ??= new Map()
    waits.set(callback, patiently(this.#clock, timeout, () => {
      waits.delete(callback)
      callback()
    }))
    return true
  }

  /** Resolves when nothing is being put into the store. */
  idle (): Promise<void> {
    return this.#commits.size === 0 ? Promise.resolve() : new Promise(resolve => this.#idle.push(resolve))
  }
}
