import type { SinkOwner } from './sink.ts'

/** A body of up to so many bytes is put into a store that takes it at once in one piece. */
export const SHORT = 131_072

/** Collects a short body for a store that takes entries whole: a stream costs more than all the rest of it. */
export class ShortSink {
  readonly #owner: SinkOwner
  readonly #expected: number
  readonly #put: (body: readonly Buffer[], length: number) => boolean
  #chunks: Buffer[] = []
  #length = 0
  #over = false

  /**
   * @param expected bytes that the entry must have
   * @param put puts the entry into the store; false if that does not want it
   */
  constructor (expected: number, put: (body: readonly Buffer[], length: number) => boolean, owner: SinkOwner) {
    this.#expected = expected
    this.#put = put
    this.#owner = owner
  }

  /** Takes a piece. There is always room. */
  write (chunk: Buffer): boolean {
    if (!this.#over) {
      this.#chunks.push(chunk)
      this.#length += chunk.length
    }
    return true
  }

  /** The body is complete. */
  end (): void {
    this.#settle(this.#length === this.#expected && !this.#over && this.#put(this.#chunks, this.#length))
  }

  /** The body is not to be stored. */
  abort (): void {
    this.#settle(false)
  }

  #settle (stored: boolean): void {
    if (this.#over) return
    this.#over = true
    this.#chunks = []
    this.#owner.onSinkEnd(stored)
  }
}
