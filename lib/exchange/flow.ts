import { UpstreamRate } from '../reply/rate.ts'
import type { Pass } from '../attempts/pass.ts'

// Why the application is not read for now.
export const CLIENT = 1
const RATE = 2
export const STORE = 4
export const CACHE = 8

/** Holds an application's reply back as long as one of those whom it goes to takes no more, or its rate is used up. */
export class Flow {
  /** What is held back, once there is something. */
  pass: Pass | undefined
  #held = 0
  #rate: UpstreamRate | undefined
  #timer: NodeJS.Timeout | undefined

  hold (reason: number): void {
    if (this.#held === 0) this.pass?.pause()
    this.#held |= reason
  }

  release (reason: number): void {
    if (this.#held === 0) return
    this.#held &= ~reason
    if (this.#held === 0) this.pass?.resume()
  }

  /** @param rate bytes a second that are read */
  limit (rate: number): void {
    this.#rate = new UpstreamRate(rate)
  }

  /** So many bytes have been read. No more are until the rate allows it. */
  read (bytes: number): void {
    if (this.#rate === undefined) return
    const wait = this.#rate.read(bytes)
    if (wait === 0 || this.#timer !== undefined) return
    this.hold(RATE)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.release(RATE)
    }, wait)
  }

  /** There is nothing more to read. */
  end (): void {
    clearTimeout(this.#timer)
  }
}
