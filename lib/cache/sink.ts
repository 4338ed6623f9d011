import { patiently } from '../runtime/patience.ts'
import type { Timers } from '../runtime/timers.ts'
import type { Writable } from 'node:stream'

/** Receives what happens to an entry that is being written. Exactly one `onSinkEnd`. */
export interface SinkOwner {
  /** The store takes more. */
  onSinkDrain (): void
  /** @param stored the entry is in the store, whole; otherwise it is not */
  onSinkEnd (stored: boolean): void
  onSinkFailure (message: string, error: unknown): void
}

/** Bytes that wait for the store at most; a store that is further behind is left behind. */
const MAX_BEHIND = 8 * 1024 * 1024
/** Time for a store to put a complete entry in its place. */
const COMMIT_TIMEOUT = 5000

/** Writes a reply's body into the store, and gives the entry up rather than hold the reply back for long. */
export class StoreSink {
  readonly #stream: Writable
  readonly #owner: SinkOwner
  readonly #clock: Timers
  readonly #timeout: number
  /** Bytes that the entry must have, -1 if it is unknown. */
  readonly #expected: number
  #written = 0
  #over = false
  #ending = false
  #cancel: (() => void) | undefined

  /** @param timeout longest time without a drain, in milliseconds */
  constructor (stream: Writable, expected: number, timeout: number, clock: Timers, owner: SinkOwner) {
    this.#stream = stream
    this.#expected = expected
    this.#timeout = timeout
    this.#clock = clock
    this.#owner = owner
    stream.on('drain', () => this.#drained())
    stream.on('error', error => this.#lost('an entry could not be stored', error))
    stream.once('finish', () => this.#settle(true))
    // Destroyed without an error: the store does not want it.
    stream.once('close', () => this.#settle(false))
  }

  /** Takes a piece. False if the store is behind: `onSinkDrain` follows, or the entry is given up. */
  write (chunk: Buffer): boolean {
    if (this.#over) return true
    this.#written += chunk.length
    const room = this.#stream.write(chunk)
    // The store may have refused it in the call.
    if (room || this.#stream.destroyed) return true
    if (this.#stream.writableLength > MAX_BEHIND) {
      this.#lost('an entry is not stored, the store is too slow for it', undefined)
      return true
    }
    this.#cancel ??= patiently(this.#clock, this.#timeout, () => {
      this.#lost(`an entry is not stored, the store took nothing for ${this.#timeout} ms`, undefined)
    })
    return false
  }

  /** The body is complete. */
  end (): void {
    if (this.#over) return
    // Of a stream that was destroyed before anybody listened nothing is heard.
    if (this.#stream.destroyed || (this.#expected >= 0 && this.#written !== this.#expected)) {
      this.abort()
      return
    }
    this.#ending = true
    this.#cancel?.()
    this.#cancel = this.#clock.after(COMMIT_TIMEOUT, () => {
      this.#lost(`an entry is not stored, the store had not taken it after ${COMMIT_TIMEOUT} ms`, undefined)
    })
    this.#stream.end()
  }

  /** The body is not to be stored. */
  abort (): void {
    this.#settle(false)
  }

  #drained (): void {
    if (this.#over || this.#ending) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#owner.onSinkDrain()
  }

  #lost (message: string, error: unknown): void {
    if (this.#over) return
    this.#owner.onSinkFailure(message, error)
    this.#settle(false)
  }

  #settle (stored: boolean): void {
    if (this.#over) return
    this.#over = true
    const waiting = this.#cancel !== undefined && !this.#ending
    this.#cancel?.()
    this.#cancel = undefined
    if (!stored) this.#stream.destroy()
    this.#owner.onSinkEnd(stored)
    // Nobody is to wait for a store that takes no more.
    if (waiting) this.#owner.onSinkDrain()
  }
}
