import type { SinkOwner } from './sink.ts'

/** A body of up to so many bytes is put into a store that takes it at once in one piece. */
export const SHORT = 131_072

/** Whether a store has taken an entry; `'later'` if it needs time, and is to be given a stream. */
export type Put = boolean | 'later'

/** Collects a short body for a store that takes entries whole: a stream costs more than all the rest of it. */
export class ShortSink {
  readonly #owner: SinkOwner
  readonly #expected: number
  readonly #put: (body: readonly Buffer[], length: number) => Put
  #chunks: Buffer[] = []
  #length = 0
  #over = false

  /**
   * @param expected bytes that the entry must have
   * @param put puts the entry into the store
   */
  constructor (expected: number, put: (body: readonly Buffer[], length: number) => Put, owner: SinkOwner) {
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

  /** What was collected. */
  get pieces (): readonly Buffer[] {
    return this.#chunks
  }

  /** The body is complete. False if the store needs time for it: then the owner goes on with the pieces. */
  end (): boolean {
    const put = this.#length === this.#expected && !this.#over && this.#put(this.#chunks, this.#length)
    if (put === 'later') return false
    this.#settle(put)
    return true
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
