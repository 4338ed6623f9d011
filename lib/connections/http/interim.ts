/** So many bytes of interim replies are taken before the one that counts. */
const MAX_INTERIM = 65_536
/** `HTTP/1.1 100` and the byte after it. */
const STATUS_END = 12
const HEAD_END = '\r\n\r\n'

const NOTHING = Buffer.alloc(0)

/**
 * Passes over `100 Continue` at the beginning of a reply. A client has to expect it unasked (RFC 9110 section 15.2), and undici, which
 * takes every other 1xx, breaks the connection off. The work is in proportion to the bytes, in however small pieces they come.
 */
export class InterimFilter {
  #armed = false
  /** The beginning of a head that is not complete, and how much of the room is taken. */
  #store: Buffer = NOTHING
  #stored = 0
  #dropped = 0

  /** A new reply begins with the next byte. */
  arm (): void {
    this.#armed = true
    this.#forget()
    this.#dropped = 0
  }

  /** What is left of a piece that was read: nothing, as long as more has to come to judge it. */
  filter (chunk: Buffer): Buffer | null {
    if (!this.#armed) return chunk
    // In what was there before there is no end, save one that these bytes complete.
    let searched = Math.max(0, this.#stored - HEAD_END.length + 1)
    const bytes = this.#stored === 0 ? chunk : this.#append(chunk)
    let at = 0
    while (at < bytes.length) {
      const status = bytes.toString('latin1', at, at + STATUS_END)
      if (!'HTTP/1.1 100'.startsWith(status) && !'HTTP/1.0 100'.startsWith(status)) return this.#pass(bytes, at)
      const after = bytes[at + STATUS_END]
      if (after !== undefined && after !== 0x20 && after !== 0x0d) return this.#pass(bytes, at)
      const end = bytes.indexOf(HEAD_END, Math.max(at, searched))
      if (end === -1) {
        // Whoever reads it then says what is wrong with it.
        if (bytes.length - at > MAX_INTERIM) return this.#pass(bytes, at)
        this.#keep(bytes, at)
        return null
      }
      this.#dropped += end + HEAD_END.length - at
      at = searched = end + HEAD_END.length
      if (this.#dropped > MAX_INTERIM) return this.#pass(bytes, at)
    }
    this.#forget()
    return null
  }

  #append (chunk: Buffer): Buffer {
    const length = this.#stored + chunk.length
    if (this.#store.length < length) {
      const larger = Buffer.allocUnsafe(Math.max(1024, length * 2))
      this.#store.copy(larger, 0, 0, this.#stored)
      this.#store = larger
    }
    chunk.copy(this.#store, this.#stored)
    this.#stored = length
    return this.#store.subarray(0, length)
  }

  #keep (bytes: Buffer, from: number): void {
    if (from === 0 && this.#stored === bytes.length) return
    this.#forget()
    this.#append(bytes.subarray(from))
  }

  #forget (): void {
    this.#store = NOTHING
    this.#stored = 0
  }

  #pass (bytes: Buffer, from: number): Buffer | null {
    this.#armed = false
    this.#forget()
    return from === bytes.length ? null : bytes.subarray(from)
  }
}
