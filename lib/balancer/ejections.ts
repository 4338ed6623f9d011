import type { Timers } from '../runtime/timers.ts'
import type { Peer } from './peer.ts'

interface Ejection {
  readonly reason: string | undefined
  readonly until: number
  /** Ends the wait for its end; `undefined` while nobody waits. */
  cancel: (() => void) | undefined
}

/** Servers that are ejected, and why: each is brought back when its time is over, however it came to be ejected. */
export class Ejections<T> {
  readonly #timers: Timers
  readonly #running = new Map<Peer<T>, Ejection>()

  constructor (timers: Timers) {
    this.#timers = timers
  }

  /** @param time milliseconds */
  eject (peer: Peer<T>, time: number, reason: string | undefined): void {
    this.#running.get(peer)?.cancel?.()
    const until = this.#timers.now() + time
    this.#running.set(peer, { reason, until, cancel: this.#timers.after(time, () => this.end(peer)) })
    peer.reason = reason
    peer.ejectedUntil = until
  }

  end (peer: Peer<T>): void {
    const ejection = this.#running.get(peer)
    this.remove(peer)
    // It may be out for something else by now.
    if (ejection !== undefined && peer.reason === ejection.reason) peer.reason = undefined
    peer.ejectedUntil = -Infinity
  }

  /** Forgets a peer that has left the group. */
  remove (peer: Peer<T>): void {
    this.#running.get(peer)?.cancel?.()
    this.#running.delete(peer)
  }

  /** Waits for no end any more; ejections end all the same, without being told of before `start`. */
  stop (): void {
    for (const ejection of this.#running.values()) {
      ejection.cancel?.()
      ejection.cancel = undefined
    }
  }

  start (): void {
    const now = this.#timers.now()
    for (const [peer, ejection] of this.#running) {
      if (ejection.cancel !== undefined) continue
      if (now >= ejection.until) this.end(peer)
      else ejection.cancel = this.#timers.after(ejection.until - now, () => this.end(peer))
    }
  }
}
