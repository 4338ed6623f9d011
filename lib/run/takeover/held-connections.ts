import { readFileSync } from 'node:fs'
import { closeHandle } from '../handles.ts'
import { isRepeatable } from './request-head.ts'
import type { Entry } from './journal.ts'
import type { Passing } from '../passing.ts'

/** Descriptors that are left for everything else. */
const SPARE = 256
/** Descriptors of a process, where the system does not tell. */
const COMMON_LIMIT = 1024

interface Held {
  readonly passing: Passing
  /** The worker has it. */
  arrived: boolean
}

let room: number | undefined

/** The copies of the connections that one worker has: they stay open when it dies. */
export class HeldConnections {
  readonly #held = new Map<number, Held>()
  #last = 0

  /**
   * Keeps a copy of what is on its way to the worker.
   * @returns the id by which the worker is to speak of it; `undefined` where this process has as many as it may have
   */
  hold (passing: Passing): number | undefined {
    room ??= Math.max(0, openFilesLimit() - SPARE)
    if (room === 0) return undefined
    room--
    this.#held.set(++this.#last, { passing, arrived: false })
    return this.#last
  }

  /** The worker has it. */
  arrived (id: number): void {
    const held = this.#held.get(id)
    if (held !== undefined) held.arrived = true
  }

  /** The worker has not taken it: it is the caller's again. */
  refused (id: number): void {
    this.#take(id)
  }

  /** They are no more. */
  closed (ids: readonly number[]): void {
    for (const id of ids) {
      const held = this.#take(id)
      if (held !== undefined) closeHandle(held.passing.connection)
    }
  }

  /** From now on none is kept. */
  drop (): void {
    this.closed([...this.#held.keys()])
  }

  /**
   * The worker is dead. Closes those that cannot be passed to another one.
   * @param journal what it had in flight
   * @returns the others
   */
  inherit (journal: ReadonlyMap<number, Entry>): Passing[] {
    const passed: Passing[] = []
    for (const [id, { passing, arrived }] of [...this.#held]) {
      this.#take(id)
      const next = successor(passing, arrived, journal.get(id))
      if (next === undefined) closeHandle(passing.connection)
      else passed.push(next)
    }
    return passed
  }

  get size (): number {
    return this.#held.size
  }

  #take (id: number): Held | undefined {
    const held = this.#held.get(id)
    if (held !== undefined && this.#held.delete(id) && room !== undefined) room++
    return held
  }
}

/**
 * What another worker gets of a connection; `undefined` if it must be closed.
 *
 * | the journal has | it has arrived                             | it was on its way               |
 * | --------------- | ------------------------------------------ | ------------------------------- |
 * | nothing         | the connection                             | what the dead worker was to get |
 * | a request       | the connection and the request             | the same                        |
 * | anything else   | nothing                                    | nothing                         |
 */
function successor (passing: Passing, arrived: boolean, entry: Entry | undefined): Passing | undefined {
  const { key, connection } = passing
  if (entry === undefined) return arrived ? { key, connection, again: true } : passing
  if (entry === 'closes' || !isRepeatable(entry.request)) return undefined
  return { key, connection, again: true, request: entry.request }
}

function openFilesLimit (): number {
  try {
    const [, limit] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return limit === 'unlimited' ? Infinity : Number(limit ?? COMMON_LIMIT)
  } catch {
    return COMMON_LIMIT
  }
}
