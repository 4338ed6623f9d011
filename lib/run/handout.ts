import { closeHandle, type Handle } from './handles.ts'
import type { Passing, TakersPlace } from './passing.ts'
import type { WorkerLink } from './worker-link.ts'

/** Those that have one configuration, and what it says of the places. */
export interface Takers {
  readonly workers: readonly WorkerLink[]
  readonly places: ReadonlyMap<string, TakersPlace>
}

const NONE: Takers = { workers: [], places: new Map() }

/**
 * Hands connections out, one at a time to each worker in turn. One that a worker did not take, for it is about to end or was killed, goes to
 * another; where there is none, it waits.
 */
export class Handout {
  readonly #queue: Passing[] = []
  #takers = NONE
  #turn = 0
  #closed = false

  /** Those that get connections from now on. */
  use (takers: Takers): void {
    this.#takers = takers
    this.next()
  }

  /** A connection came by a socket. */
  take (key: string, connection: Handle): void {
    if (this.#closed) {
      closeHandle(connection)
      return
    }
    this.#queue.push({ key, connection })
    this.next()
  }

  /** Connections of a dead worker, which waited before all others. */
  inherit (connections: readonly Passing[]): void {
    const wanted = connections.filter(({ key, connection }) => {
      if (!this.#closed && this.#takers.places.get(key)?.plain === true) return true
      closeHandle(connection)
      return false
    })
    this.#queue.unshift(...wanted)
    this.next()
  }

  /** To be called when a worker may have become free. */
  next (): void {
    for (;;) {
      // Those of a socket that is to be served by workers which are not ready yet wait.
      const index = this.#queue.findIndex(({ key }) => this.#takers.places.has(key))
      const waiting = this.#queue[index]
      const place = this.#takers.places.get(waiting?.key ?? '')
      const worker = this.#free()
      if (waiting === undefined || place === undefined || worker === undefined) return
      this.#queue.splice(index, 1)
      if (waiting.again === true && !place.plain) {
        // A reload came between.
        closeHandle(waiting.connection)
        continue
      }
      worker.give(place, waiting, accepted => {
        if (!accepted) this.#refused(waiting)
        this.next()
      })
    }
  }

  /** A socket is no more. */
  forget (key: string): void {
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      if (this.#queue[i]?.key === key) for (const { connection } of this.#queue.splice(i, 1)) closeHandle(connection)
    }
  }

  /** Nobody is served any more. */
  close (): void {
    this.#closed = true
    for (const { connection } of this.#queue.splice(0)) closeHandle(connection)
    this.#takers = NONE
  }

  #refused (passing: Passing): void {
    if (this.#closed) closeHandle(passing.connection)
    else this.#queue.unshift(passing)
  }

  #free (): WorkerLink | undefined {
    const { workers } = this.#takers
    for (let i = 0; i < workers.length; i++) {
      const worker = workers[(this.#turn + i) % workers.length]
      if (worker?.free !== true) continue
      this.#turn = (this.#turn + i + 1) % workers.length
      return worker
    }
    return undefined
  }
}
