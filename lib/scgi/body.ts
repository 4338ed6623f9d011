import { printableByte } from './printable.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/**
 * How the body of a reply is delimited: there is none whatever the head says, it has `contentLength` bytes, it is in chunked coding,
 * or it lasts until the connection ends.
 */
export type BodyFraming = 'none' | 'length' | 'chunked' | 'eof'

/** The framing of the reply to a request with this method (RFC 9112 section 6.3). */
export function bodyFraming (head: ResponseHead, method: string): BodyFraming {
  if (method === 'HEAD' || head.statusCode === 204 || head.statusCode === 304) return 'none'
  if (head.chunked) return 'chunked'
  return head.contentLength >= 0 ? 'length' : 'eof'
}

// Limits of what a chunked body may carry beside its payload, in bytes: one size line with its extensions, and all trailers.
const MAX_SIZE_LINE = 4096
const MAX_TRAILERS = 16_384

const TAB = 0x09
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const SEMICOLON = 0x3b
const DEL = 0x7f

// What the chunked coding has next.
const SIZE = 0
const AFTER_SIZE = 1
const EXTENSION = 2
const SIZE_LF = 3
const DATA = 4
const DATA_END = 5
const DATA_LF = 6
const TRAILER = 7
const TRAILER_LINE = 8
const LAST_LF = 9

/**
 * Finds the payload in the body of one reply. It copies and keeps nothing, and never throws.
 *
 * ```
 * for (let at = start; at < end && !body.done;) {
 *   at = body.write(chunk, at, end)
 *   if (body.error !== undefined) return fail(body.error)
 *   if (body.payloadEnd > body.payloadStart) use(chunk, body.payloadStart, body.payloadEnd)
 * }
 * ```
 */
export class BodyDecoder {
  readonly framing: BodyFraming
  /** The body is complete. What still comes is surplus. True from the start for a body that is empty or not allowed. */
  done: boolean
  /** The coding is broken: what is wrong with it. */
  error: string | undefined = undefined
  /** Where the payload is in the chunk that was written last; nowhere if the two are equal. */
  payloadStart = 0
  payloadEnd = 0
  /** Payload bytes so far. */
  received = 0

  /** Bytes to come: of the body, or of the chunk of a chunked body. */
  #left: number
  readonly #length: number
  #state = SIZE
  #digits = 0
  /** Bytes of the size line, or of the trailers. */
  #overhead = 0

  /**
   * @param head the final head of the reply
   * @param method method of the request
   */
  constructor (head: ResponseHead, method: string) {
    this.framing = bodyFraming(head, method)
    this.#length = this.#left = this.framing === 'length' ? head.contentLength : 0
    this.done = this.framing === 'none' || (this.framing === 'length' && this.#left === 0)
  }

  /** Whether so many more bytes are known to bring the end of the body. */
  endsWithin (bytes: number): boolean {
    return this.done || (this.framing === 'length' && this.#left <= bytes)
  }

  /**
   * Takes bytes of `chunk` from `start` on, at most to `end`: up to the end of the first range of payload, or to the end of the body.
   * @returns The offset after what was taken. If it is less than `end`, call again with it, unless `done` or `error` is set.
   */
  write (chunk: Uint8Array, start: number, end: number): number {
    this.payloadStart = this.payloadEnd = start
    if (this.done || this.error !== undefined) return start
    if (this.framing === 'chunked') return this.#chunked(chunk, start, end)
    if (this.framing === 'eof') return this.#payload(start, end)
    const next = this.#payload(start, Math.min(end, start + this.#left))
    this.#left -= next - start
    this.done = this.#left === 0
    return next
  }

  /**
   * The connection has ended.
   * @returns `undefined` if the body is complete, otherwise what is missing.
   */
  end (): string | undefined {
    if (this.error !== undefined) return this.error
    if (this.done || this.framing === 'eof') return undefined
    if (this.framing === 'length') return `got ${this.received} of ${this.#length} bytes`
    switch (this.#state) {
      case DATA: return 'EOF inside a chunk'
      case TRAILER: case TRAILER_LINE: case LAST_LF: return 'EOF inside the trailers'
      default: return 'EOF before the last chunk'
    }
  }

  #payload (start: number, end: number): number {
    this.payloadStart = start
    this.payloadEnd = end
    this.received += end - start
    return end
  }

  /** The chunked coding of RFC 9112 section 7.1; a line may end in a bare LF too. */
  #chunked (chunk: Uint8Array, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.#state === DATA) {
        const next = this.#payload(at, Math.min(end, at + this.#left))
        this.#left -= next - at
        if (this.#left === 0) this.#state = DATA_END
        return next
      }
      if (!this.#framingByte(chunk[at++] ?? 0)) return at
    }
    return at
  }

  /** Takes one byte that is not payload; false at the end of the body and when it is broken. */
  #framingByte (byte: number): boolean {
    switch (this.#state) {
      case SIZE: {
        const digit = hexDigit(byte)
        if (digit < 0) {
          if (this.#digits === 0) return this.#broken(`${printableByte(byte)} where a chunk size should begin`)
          this.#state = AFTER_SIZE
          return this.#framingByte(byte)
        }
        if (this.#left > (Number.MAX_SAFE_INTEGER - digit) / 16) return this.#broken('a chunk size is too large')
        this.#left = this.#left * 16 + digit
        this.#digits++
        return this.#count(MAX_SIZE_LINE, 'a chunk size line')
      }
      case AFTER_SIZE:
        if (byte === LF) return this.#sizeRead()
        if (byte === SEMICOLON) this.#state = EXTENSION
        else if (byte === CR) this.#state = SIZE_LF
        else if (byte !== SPACE && byte !== TAB) return this.#broken(`${printableByte(byte)} after a chunk size`)
        return this.#count(MAX_SIZE_LINE, 'a chunk size line')
      case EXTENSION:
        if (byte === LF) return this.#sizeRead()
        if (byte === CR) this.#state = SIZE_LF
        else if ((byte < SPACE && byte !== TAB) || byte === DEL) return this.#broken(`${printableByte(byte)} in a chunk extension`)
        return this.#count(MAX_SIZE_LINE, 'a chunk size line')
      case SIZE_LF:
        if (byte !== LF) return this.#broken(`${printableByte(byte)} after the CR of a chunk size line`)
        return this.#sizeRead()
      case DATA_END:
        if (byte === LF) this.#state = SIZE
        else if (byte === CR) this.#state = DATA_LF
        else return this.#broken(`${printableByte(byte)} after a chunk, which is longer than its size or lacks its line end`)
        return true
      case DATA_LF:
        if (byte !== LF) return this.#broken(`${printableByte(byte)} after the CR of a chunk`)
        this.#state = SIZE
        return true
      case TRAILER:
        if (byte === LF) return this.#complete()
        if (byte === CR) {
          this.#state = LAST_LF
          return true
        }
        this.#state = TRAILER_LINE
        return this.#count(MAX_TRAILERS, 'the trailers')
      case TRAILER_LINE:
        if (byte === LF) this.#state = TRAILER
        return this.#count(MAX_TRAILERS, 'the trailers')
      default:
        if (byte !== LF) return this.#broken(`${printableByte(byte)} after the CR that ends the trailers`)
        return this.#complete()
    }
  }

  #sizeRead (): true {
    this.#state = this.#left === 0 ? TRAILER : DATA
    this.#digits = 0
    this.#overhead = 0
    return true
  }

  #count (limit: number, what: string): boolean {
    return ++this.#overhead > limit ? this.#broken(`${what} of more than ${limit} bytes`) : true
  }

  #complete (): false {
    this.done = true
    return false
  }

  #broken (message: string): false {
    this.error = message
    return false
  }
}

function hexDigit (byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}
