import { outside } from '../runtime/context.ts'
import { MAX_TIME } from '../options/units.ts'

export interface QueueOptions {
  /** So many may wait. */
  size: number
  /** Milliseconds after which one waits no longer. */
  timeout: number
}

/** A request that waits. */
export interface Waiter {
  /** It has tried no server yet: when it gets none, nobody who comes after it will. */
  readonly fresh: boolean
  /** A server that takes only those who are bound to it has room for this one: it takes nothing from those who came before. */
  readonly apart: boolean
  /**
   * Takes a server if there is one now. True if it did, or if waiting has become vain: it has left the queue, and what
   * comes of that may have begun, and ended, already.
   */
  serve (): boolean
  /** It has waited in vain, and has been taken off the queue. */
  expire (): void
}

/** Requests that wait for a server below its maxConns, first come, first served. (nginx: queue) */
export class WaitQueue {
  /** 0: nobody may wait any more. */
  size: number
  timeout: number
  readonly #now: () => number
  /** When the time alone may bring a server back. */
  readonly #nextReturn: () => number
  /** Whether a server that takes only those who are bound to it has room. */
  readonly #reserves: () => boolean
  /** Each with the time at which it gives up, which is the order in which they came. */
  readonly #waiters = new Map<Waiter, number>()
  #timer: NodeJS.Timeout | undefined
  #waking = false
  #again = false

  constructor (options: QueueOptions, now: () => number, nextReturn: () => number, reserves: () => boolean) {
    this.size = options.size
    this.timeout = options.timeout
    this.#now = now
    this.#nextReturn = nextReturn
    this.#reserves = reserves
  }

  get length (): number {
    return this.#waiters.size
  }

  /** Others may wait from now on, and those that do for another time: as if it had been so when they came. */
  configure ({ size, timeout }: QueueOptions): void {
    const longer = timeout - this.timeout
    this.size = size
    this.timeout = timeout
    if (longer === 0 || this.#waiters.size === 0) return
    for (const [waiter, deadline] of this.#waiters) this.#waiters.set(waiter, deadline + longer)
    this.#tick()
  }

  /** Puts a request at the end; false if there is no place left, and no server that it may have before those who wait. */
  enter (waiter: Waiter): boolean {
    if (this.#waiters.size >= this.size) return this.#overtakes(waiter)
    this.#waiters.set(waiter, this.#now() + this.timeout)
    this.wake()
    return true
  }

  /** Takes a request off, for instance because its client has disconnected. */
  leave (waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return
    if (!this.#waking) this.#arm()
  }

  /** A server may have become free. */
  wake (): void {
    if (this.#waking) {
      this.#again = true
      return
    }
    if (this.#waiters.size === 0) return
    this.#waking = true
    try {
      do {
        this.#again = false
        let areLeft = false
        for (const waiter of this.#waiters.keys()) {
          if (areLeft && !waiter.apart) continue
          if (waiter.serve() || areLeft || !waiter.fresh) continue
          if (!this.#reserves()) break
          areLeft = true
        }
      } while (this.#again)
    } finally {
      this.#waking = false
    }
    this.#arm()
  }

  /** Those who wait have all been asked: a server that is free now is none that they can use. */
  #overtakes (waiter: Waiter): boolean {
    if (this.#waking) return false
    for (const other of this.#waiters.keys()) {
      if (other.fresh) return this.#reserves() && waiter.apart && waiter.serve()
    }
    return waiter.serve()
  }

  #arm (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [deadline] = this.#waiters.values()
    if (deadline === undefined) return
    const now = this.#now()
    // A server whose time is over must be asked for after it, not at it.
    const wait = Math.min(deadline, this.#nextReturn() + 1) - now
    this.#timer = outside(() => setTimeout(() => this.#tick(), Math.min(Math.max(1, Math.ceil(wait)), MAX_TIME)))
  }

  #tick (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const now = this.#now()
    for (const [waiter, deadline] of this.#waiters) {
      if (deadline > now) break
      this.#waiters.delete(waiter)
      waiter.expire()
    }
    this.wake()
    if (this.#timer === undefined) this.#arm()
  }
}
