import type { NextUpstream } from '../balancer/next-upstream.ts'

/** Holds a request while no server can be had, and lets it try again from time to time. (Caddy: lb_try_duration, lb_try_interval) */
export class Hold {
  readonly #rules: NextUpstream
  readonly #again: () => void
  /** When no server could be had for the first time. */
  #began: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor (rules: NextUpstream, again: () => void) {
    this.#rules = rules
    this.#again = again
  }

  /** False if the request has waited for as long as it may. */
  begin (): boolean {
    const { wait, interval } = this.#rules
    const now = performance.now()
    this.#began ??= now
    const left = this.#began + wait - now
    if (left <= 0) return false
    this.#timer = setTimeout(this.#again, Math.max(1, Math.min(interval, left)))
    return true
  }

  end (): void {
    clearTimeout(this.#timer)
  }
}
