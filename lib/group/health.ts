import { CheckSchedule } from './check-schedule.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'

/**
 * Checks a member once. Calls `done` when it is known how the member is, with the reason where it is not well; not after the
 * function that it returns was called, which ends the check.
 */
export type Probe<M> = (member: M, done: (reason: string | undefined) => void) => () => void

export interface HealthSettings {
  /** Milliseconds between two checks of a member. */
  readonly interval: number
  /** Milliseconds by which a check may be late, at random. */
  readonly jitter: number
  /** Checks passed in a row that bring a member back. */
  readonly passes: number
  /** Checks failed in a row that take a member out. */
  readonly fails: number
}

export interface HealthOptions<M> extends HealthSettings {
  readonly probe: Probe<M>
  readonly timers?: Timers
  readonly random?: () => number
  /** Whether a member that comes (back) counts as healthy, until it is checked; `undefined` if it is unknown before its first check. */
  healthy (member: M): boolean | undefined
  /** A member that is not to be checked now: it is down. */
  skip (member: M): boolean
  /** Failed requests keep a member out, and passed checks are to end that. */
  failed (member: M): boolean
  /** As many checks as bring a member back have passed in a row since it `failed`. Called before `onChange`. */
  onRecovery (member: M): void
  /** A member has changed for the worse, and why, or for the better, or its first check has told how it is. */
  onChange (member: M, healthy: boolean, reason: string | undefined): void
}

interface State {
  /** `undefined` until the first check, which is not spread over the interval as others are: somebody waits for it. */
  healthy: boolean | undefined
  /** Checks passed in a row while it was out. */
  passes: number
  fails: number
  /** Ends the check that is running. */
  cancel: (() => void) | undefined
  /** Its first check was due while it was down. */
  owed: boolean
}

/** Checks members again and again. */
export class HealthChecks<M> {
  readonly #options: HealthOptions<M>
  readonly #schedule: CheckSchedule<M>
  readonly #states = new Map<M, State>()

  constructor (options: HealthOptions<M>) {
    const { interval, jitter, timers = systemTimers, random = Math.random } = options
    this.#options = options
    this.#schedule = new CheckSchedule({ interval, jitter, timers, random, check: member => this.#check(member) })
  }

  /** These are the members from now on; those that stay keep what is known of them. */
  update (members: Iterable<M>): void {
    const now = new Set(members)
    for (const member of [...this.#states.keys()]) if (!now.has(member)) this.#remove(member)
    for (const member of now) {
      const known = this.#states.get(member)
      if (known === undefined) this.#add(member)
      else if (known.owed && !this.#options.skip(member)) {
        known.owed = false
        this.#schedule.hurry(member)
      }
    }
  }

  /** Ends all checks. */
  stop (): void {
    this.update([])
    this.#schedule.stop()
  }

  #add (member: M): void {
    const healthy = this.#options.healthy(member)
    this.#states.set(member, { healthy, passes: 0, fails: 0, cancel: undefined, owed: false })
    this.#schedule.add(member, healthy === undefined)
  }

  #remove (member: M): void {
    this.#schedule.remove(member)
    this.#states.get(member)?.cancel?.()
    this.#states.delete(member)
  }

  #check (member: M): void {
    const state = this.#states.get(member)
    // A check that takes longer than the interval is not joined by a second one.
    if (state === undefined || state.cancel !== undefined) return
    if (this.#options.skip(member)) {
      state.owed = state.healthy === undefined
      return
    }
    let over = false
    const cancel = this.#options.probe(member, reason => {
      over = true
      state.cancel = undefined
      this.#result(member, state, reason)
    })
    if (!over) state.cancel = cancel
  }

  #result (member: M, state: State, reason: string | undefined): void {
    const { passes, fails, onChange, onRecovery } = this.#options
    const failed = this.#options.failed(member)
    if (reason === undefined) {
      state.fails = 0
      state.passes = state.healthy === true && !failed ? 0 : state.passes + 1
    } else {
      state.passes = 0
      state.fails += 1
    }
    const first = state.healthy === undefined
    const isBack = state.passes >= (first ? 1 : passes)
    const healthy = state.healthy === true ? state.fails < fails : isBack
    if (isBack) state.passes = 0
    if (isBack && failed) onRecovery(member)
    if (healthy === state.healthy) return
    state.healthy = healthy
    onChange(member, healthy, reason)
  }
}
