/** So many bytes of interim replies are taken before the one that counts. */
const MAX_INTERIM = 65_536
/** `HTTP/1.1 100` and the byte after it. */
const STATUS_END = 12

/**
 * Passes over `100 Continue` at the beginning of a reply. A client has to expect it unasked (RFC 9110 section 15.2), and undici, which
 * takes every other 1xx, breaks the connection off.
 */
export class InterimFilter {
  #armed = false
  #held: Buffer | undefined = undefined
  #dropped = 0

  /** A new reply begins with the next byte. */
  arm (): void {
    this.#armed = true
    this.#held = undefined
    this.#dropped = 0
  }

  /** What is left of a piece that was read: nothing, as long as more has to come to judge it. */
  filter (chunk: Buffer): Buffer | null {
    if (!this.#armed) return chunk
    let bytes = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = undefined
    while (bytes.length > 0) {
      const status = bytes.toString('latin1', 0, STATUS_END)
      if (!'HTTP/1.1 100'.startsWith(status) && !'HTTP/1.0 100'.startsWith(status)) return this.#pass(bytes)
      const after = bytes[STATUS_END]
      if (after !== undefined && after !== 0x20 && after !== 0x0d) return this.#pass(bytes)
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) {
        // Whoever reads it then says what is wrong with it.
        if (bytes.length > MAX_INTERIM) return this.#pass(bytes)
        this.#held = bytes
        return null
      }
      this.#dropped += end + 4
      bytes = bytes.subarray(end + 4)
      if (this.#dropped > MAX_INTERIM) return this.#pass(bytes)
    }
    return null
  }

  #pass (bytes: Buffer): Buffer | null {
    this.#armed = false
    return bytes.length === 0 ? null : bytes
  }
}
