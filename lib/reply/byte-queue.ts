/** A piece smaller than this is copied: it would hold the memory of its neighbours, and cost more than its bytes. */
const SMALL = 4096
const SHARED_SIZE = 8192

/** Bytes in memory, first in, first out. */
export class ByteQueue {
  /** Bytes in it. */
  length = 0
  #pieces: Buffer[] = []
  /** What small pieces are copied to, one after the other. */
  #shared: Buffer | undefined
  #sharedEnd = 0
  /** Where in `#shared` the last piece begins, or -1 if it lies elsewhere. */
  #lastStart = -1

  /** Bytes of the piece that `take` would give; 0 if there is none. */
  get nextLength (): number {
    return this.#pieces[0]?.length ?? 0
  }

  push (piece: Buffer): void {
    this.length += piece.length
    if (piece.length < SMALL) {
      this.#pushCopy(piece)
    } else {
      this.#lastStart = -1
      this.#pieces.push(piece)
    }
  }

  /** Puts back what was taken last. */
  unshift (pieces: readonly Buffer[]): void {
    this.#pieces.unshift(...pieces)
    for (const piece of pieces) this.length += piece.length
    // The last piece may be among them, and be shorter than it was.
    this.#lastStart = -1
  }

  /** The next bytes, at most so many, as they lie in memory; undefined if there are none. */
  take (most: number): Buffer | undefined {
    const piece = this.#pieces[0]
    if (piece === undefined) return undefined
    // What is given out is not lengthened any more.
    if (this.#pieces.length === 1) this.#lastStart = -1
    if (piece.length > most) {
      this.#pieces[0] = piece.subarray(most)
      this.length -= most
      return piece.subarray(0, most)
    }
    this.#pieces.shift()
    this.length -= piece.length
    return piece
  }

  /** As `take`, and all that there is up to `most`. */
  takeAll (most: number): Buffer[] {
    const taken: Buffer[] = []
    for (let left = most; left > 0;) {
      const piece = this.take(left)
      if (piece === undefined) break
      taken.push(piece)
      left -= piece.length
    }
    return taken
  }

  clear (): void {
    this.#pieces = []
    this.#shared = undefined
    this.#lastStart = -1
    this.length = 0
  }

  #pushCopy (piece: Buffer): void {
    let shared = this.#shared
    if (shared === undefined || this.#sharedEnd + piece.length > shared.length) {
      shared = this.#shared = Buffer.allocUnsafeSlow(SHARED_SIZE)
      this.#sharedEnd = 0
      this.#lastStart = -1
    }
    const start = this.#sharedEnd
    const end = this.#sharedEnd = start + piece.copy(shared, start)
    if (this.#lastStart === -1) {
      this.#lastStart = start
      this.#pieces.push(shared.subarray(start, end))
    } else {
      this.#pieces[this.#pieces.length - 1] = shared.subarray(this.#lastStart, end)
    }
  }
}
