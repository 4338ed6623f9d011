/** So many bytes of `100 Continue` are taken before the reply that counts. */
const MAX_DROPPED = 65_536
/** Where an interim head shows that it is one. */
const BEGINNING = 'HTTP/1.1 100 '
const INTERIM = /^HTTP\/1\.[01] 1\d\d[ \r\n]/
/** Place of the first digit of the status. */
const STATUS = 9
const ONE = 0x31
const CR = 0x0d
const LF = 0x0a

/** Where in the reply the next byte is. */
const BEGINS = 0
/** In a head that is passed over, in one that undici reads. */
const DROPPED = 1
const PASSED = 2
/** In the head that counts, or behind it. */
const FINAL = 3

const NOTHING = Buffer.alloc(0)
const REFUSED = Buffer.from('HTTP/1.1 100 \r\n\r\n')

/**
 * Leaves out `100 Continue` before a reply, wherever among the interim heads it is. A client has to expect it unasked (RFC 9110 section
 * 15.2), and undici, which takes every other 1xx, breaks the connection off. The work is in proportion to the bytes, in however small
 * pieces they come.
 */
export class InterimFilter {
  #place = FINAL
  /** What has come of the beginning of a head. */
  #begun: Buffer = NOTHING
  /** The line, in an interim head, has nothing in it as yet. */
  #emptyLine = false
  #dropped = 0

  /** A new reply begins with the next byte. */
  arm (): void {
    this.#place = BEGINS
    this.#begun = NOTHING
    this.#dropped = 0
  }

  /** What is left of a piece that was read: nothing, as long as more has to come to judge it. */
  filter (chunk: Buffer): Buffer | null {
    if (this.#place === FINAL) return chunk
    // Nearly every reply.
    if (this.#place === BEGINS && this.#begun.length === 0 && chunk.length > STATUS && chunk[STATUS] !== ONE) {
      this.#place = FINAL
      return chunk
    }
    const left: Buffer[] = []
    for (let at = 0, end: number; at < chunk.length; at = end) {
      const place = this.#place
      if (place === BEGINS) {
        end = Math.min(chunk.length, at + BEGINNING.length - this.#begun.length)
        this.#judge(chunk.subarray(at, end), left)
      } else {
        end = place === FINAL ? chunk.length : this.#endOfHead(chunk, at)
        if (place === DROPPED) this.#drop(end - at, left)
        else left.push(chunk.subarray(at, end))
      }
    }
    return left.length > 1 ? Buffer.concat(left) : left[0] ?? null
  }

  /** More of the beginning of a head. */
  #judge (bytes: Buffer, left: Buffer[]): void {
    const begun = this.#begun.length === 0 ? bytes : Buffer.concat([this.#begun, bytes])
    const text = begun.toString('latin1')
    const interim = INTERIM.test(text + BEGINNING.slice(text.length))
    if (interim && text.length < BEGINNING.length) {
      // A copy: the piece may be overwritten.
      this.#begun = Buffer.from(begun)
      return
    }
    this.#begun = NOTHING
    this.#emptyLine = text.endsWith('\n')
    const status = text.slice(STATUS, STATUS + 3)
    // A 101 counts, and what follows is no head.
    if (!interim || status === '101') this.#place = FINAL
    else this.#place = status === '100' ? DROPPED : PASSED
    if (this.#place === DROPPED) this.#drop(text.length, left)
    else left.push(begun)
  }

  /** Where the head ends in these bytes, and the next one begins. */
  #endOfHead (bytes: Buffer, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at]
      if (byte === LF) {
        if (this.#emptyLine) {
          this.#place = BEGINS
          return at + 1
        }
        this.#emptyLine = true
      } else if (byte !== CR) {
        this.#emptyLine = false
      }
    }
    return bytes.length
  }

  #drop (length: number, left: Buffer[]): void {
    this.#dropped += length
    if (this.#dropped <= MAX_DROPPED) return
    // undici then breaks it off.
    this.#place = FINAL
    left.push(REFUSED)
  }
}
