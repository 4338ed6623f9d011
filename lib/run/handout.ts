import { closeHandle, type Handle } from './handles.ts'
import type { WorkerLink } from './worker-link.ts'

/** Those that have one configuration, and the numbers that it has for the sockets. */
export interface Takers {
  readonly workers: readonly WorkerLink[]
  readonly numbers: ReadonlyMap<string, number>
}

/**
 * Hands connections out, one at a time to each worker in turn. One that a worker did not take, for it is about to end or was killed, goes to
 * another; where there is none, it waits.
 */
export class Handout {
  readonly #queue: { readonly key: string, readonly connection: Handle }[] = []
  #takers: Takers = { workers: [], numbers: new Map() }
  #turn = 0

  /** Those that get connections from now on. */
  use (takers: Takers): void {
    this.#takers = takers
    this.next()
  }

  /** A connection came by a socket. */
  take (key: string, connection: Handle): void {
    this.#queue.push({ key, connection })
    this.next()
  }

  /** To be called when a worker may have become free. */
  next (): void {
    for (;;) {
      // Those of a socket that is to be served by workers which are not ready yet wait.
      const index = this.#queue.findIndex(({ key }) => this.#takers.numbers.has(key))
      const waiting = this.#queue[index]
      const number = this.#takers.numbers.get(waiting?.key ?? '')
      const worker = this.#free()
      if (waiting === undefined || number === undefined || worker === undefined) return
      this.#queue.splice(index, 1)
      worker.give(number, waiting.connection, accepted => {
        if (accepted) closeHandle(waiting.connection)
        else this.#queue.unshift(waiting)
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
    for (const { connection } of this.#queue.splice(0)) closeHandle(connection)
    this.#takers = { workers: [], numbers: new Map() }
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
