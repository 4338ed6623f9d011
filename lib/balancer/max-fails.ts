import type { Clock, StateChange } from './peer-options.ts'

/** They may change while the server runs. */
interface FailureLimits {
  readonly maxFails: number
  /** In milliseconds. */
  readonly failTimeout: number
  readonly retry: number | undefined
}

/** max_fails and fail_timeout of one server: the failures that count, the time for which they keep it out, and the probe after that. */
export class MaxFails {
  fails = 0

  readonly #limits: FailureLimits
  readonly #now: Clock
  /** The state change that was told last. */
  #out = false
  /** When an attempt failed last. */
  #accessed = -Infinity
  /** When an attempt failed last, or the peer was given another chance after that. */
  #checked = -Infinity
  /** The pass that was given the latest such chance, until something is known of how it ended. */
  #prober: object | undefined

  constructor (limits: FailureLimits, now: Clock) {
    this.#limits = limits
    this.#now = now
  }

  /** The failures that there are count by other limits now. */
  recount (): StateChange {
    if (this.fails === 0 || this.#out === this.isReached()) return undefined
    this.#out = !this.#out
    return this.#out ? 'down' : 'up'
  }

  /** Failures have taken the peer out, and nothing has shown since then that it serves again: the time alone does not. */
  get tookOut (): boolean {
    return this.#out
  }

  /** There are as many failures as take a peer out. */
  isReached (): boolean {
    const { maxFails, retry } = this.#limits
    return maxFails > 0 && this.fails >= maxFails && retry !== 0
  }

  /** They keep the peer out at `now`. */
  keepOut (now: number): boolean {
    return this.isReached() && now - this.#checked <= this.outTime
  }

  /** How long failures keep the peer out, from the latest one on. */
  get outTime (): number {
    return this.#limits.retry ?? this.#limits.failTimeout
  }

  /** When the time alone ends that, if they keep it out. */
  get until (): number {
    return this.#checked + this.outTime
  }

  /** When the peer was last known to fail or to be probed. */
  get checked (): number {
    return this.#checked
  }

  /** It is known that failures keep the peer out for so many milliseconds more. */
  takeOut (remaining: number): StateChange {
    this.fails = Math.max(this.fails, this.#limits.maxFails)
    this.#checked = this.#now() + remaining - this.outTime
    // As with failures of its own, the probe comes after that.
    this.#accessed = this.#checked
    this.#prober = undefined
    const change = this.#out ? undefined : 'down'
    this.#out = true
    return change
  }

  /**
   * A peer with failures was picked. If they are older than `failTimeout` this is the probe: for another `failTimeout` it
   * stays the only attempt on a peer that is out, and a success from now on clears the failures.
   */
  picked (now: number, pass: object): void {
    if (this.#limits.retry !== undefined && this.isReached()) {
      // It would not have been picked before its time was over: all is forgotten, and any request may be the probe.
      this.fails = 0
      return
    }
    if (now - this.#checked <= this.#limits.failTimeout) return
    this.#checked = now
    this.#prober = pass
  }

  failed (): StateChange {
    const now = this.#now()
    this.fails += 1
    this.#accessed = now
    this.#checked = now
    this.#prober = undefined
    if (this.#out || !this.isReached()) return undefined
    this.#out = true
    return 'down'
  }

  /**
   * The server answered. That clears its failures only if they are old enough for a probe to have been sent: the
   * successes among recent failures do not count, or a server that fails every other time would never go out.
   */
  answered (): StateChange {
    return this.fails > 0 && this.#accessed >= this.#checked ? undefined : this.forget()
  }

  /** Forgets all failures. */
  forget (): StateChange {
    this.fails = 0
    this.#prober = undefined
    if (!this.#out) return undefined
    this.#out = false
    return 'up'
  }

  /**
   * An attempt was given up for reasons that are not the server's. If it was the probe, nothing was learnt, and the next
   * one need not wait for all of `failTimeout`. It waits as long again as this one took: a client that goes away at once
   * delays the return of the server by nearly nothing, while clients that lose patience with a server that hangs, and
   * come again, are not all sent to that server one after the other.
   */
  aborted (pass: object): void {
    if (this.#prober !== pass) return
    this.#prober = undefined
    const now = this.#now()
    const taken = now - this.#checked
    this.#checked = Math.min(this.#checked, now + taken - this.#limits.failTimeout)
  }
}
