import { printable, printableByte } from './printable.ts'

// The header netstring of a request, `70:CONTENT_LENGTH\0` ... `,` (SCGI specification, "Request Format").

/** The header block of an SCGI request. */
export interface ScgiRequestHead {
  /** Every parameter in the order received, names and values as latin1 text: one character is one byte. CONTENT_LENGTH is the first. */
  readonly params: Map<string, string>
  /** Bytes of body that follow. */
  readonly contentLength: number
}

/** Why the header block of a request cannot be used. */
export interface NetstringError {
  readonly kind: 'invalid' | 'too_big'
  /** What is wrong, in printable characters. */
  readonly message: string
}

/** `NetstringDecoder.write`: the netstring is not complete yet. */
export const NETSTRING_MORE = -1
/** `NetstringDecoder.write`: this is no SCGI request, `error` says why. */
export const NETSTRING_ERROR = -2

const ZERO = 0x30
const COLON = 0x3a
const COMMA = 0x2c

/**
 * Decodes the header netstring of a request, whole or in pieces. It is strict and never throws.
 */
export class NetstringDecoder {
  readonly #limit: number
  #request: ScgiRequestHead | undefined = undefined
  #error: NetstringError | undefined = undefined
  /** Length of the block; -1 before its first digit. */
  #length = -1
  #inBlock = false
  // The beginning of a block that did not come whole.
  #store: Buffer | undefined = undefined
  #stored = 0

  /**
   * @param limit Largest header block in bytes (the number before the colon).
   */
  constructor (limit: number) {
    this.#limit = limit
  }

  /** The header block, once it is complete. */
  get request (): ScgiRequestHead | undefined { return this.#request }

  /** Why this is no SCGI request. */
  get error (): NetstringError | undefined { return this.#error }

  /** Makes the decoder ready for another request. */
  reset (): void {
    this.#request = undefined
    this.#error = undefined
    this.#length = -1
    this.#inBlock = false
    this.#store = undefined
    this.#stored = 0
  }

  /**
   * Takes the bytes of `chunk` from `start` to `end`. Nothing refers to `chunk` after the call.
   * @returns The offset in `chunk` of the first byte of the body, `NETSTRING_MORE` (-1) or `NETSTRING_ERROR` (-2).
   */
  write (chunk: Buffer, start: number, end: number): number {
    if (this.#error !== undefined) return NETSTRING_ERROR
    if (this.#request !== undefined) return start
    let at = start
    while (!this.#inBlock) {
      if (at === end) return NETSTRING_MORE
      if (!this.#lengthByte(chunk[at++] ?? 0)) return NETSTRING_ERROR
    }
    // Block and comma.
    const missing = this.#length + 1 - this.#stored
    if (end - at < missing) {
      this.#keep(chunk, at, end)
      return NETSTRING_MORE
    }
    const next = at + missing
    if (chunk[next - 1] !== COMMA) return this.#fail('invalid', `${printableByte(chunk[next - 1] ?? 0)} in place of the comma after the header block`)
    let block
    if (this.#stored === 0) block = chunk.toString('latin1', at, next - 1)
    else block = this.#keep(chunk, at, next).toString('latin1', 0, this.#length)
    this.#store = undefined
    return this.#parse(block) ? next : NETSTRING_ERROR
  }

  #fail (kind: NetstringError['kind'], message: string): typeof NETSTRING_ERROR {
    this.#error = { kind, message }
    this.#store = undefined
    return NETSTRING_ERROR
  }

  #lengthByte (byte: number): boolean {
    if (byte === COLON && this.#length >= 0) {
      this.#inBlock = true
      return true
    }
    const digit = byte - ZERO
    if (!(digit >= 0 && digit <= 9)) {
      this.#fail('invalid', `${printableByte(byte)} in place of ${this.#length < 0 ? 'the length of the header block' : 'a digit or the colon'}`)
    } else if (this.#length === 0) {
      this.#fail('invalid', 'the length of the header block has a leading zero')
    } else {
      this.#length = Math.max(this.#length, 0) * 10 + digit
      if (this.#length <= this.#limit) return true
      this.#fail('too_big', `the header block has more than ${this.#limit} bytes`)
    }
    return false
  }

  #keep (chunk: Buffer, start: number, end: number): Buffer {
    const length = this.#stored + end - start
    let store = this.#store
    if (store === undefined || store.length < length) {
      // The length is a claim of the other side: memory follows what really came.
      const larger = Buffer.allocUnsafe(Math.min(this.#length + 1, Math.max(1024, length * 2)))
      store?.copy(larger, 0, 0, this.#stored)
      this.#store = store = larger
    }
    chunk.copy(store, this.#stored, start, end)
    this.#stored = length
    return store
  }

  #parse (block: string): boolean {
    const params = new Map<string, string>()
    let contentLength = -1
    for (let at = 0; at < block.length;) {
      const nameEnd = block.indexOf('\0', at)
      const valueEnd = nameEnd < 0 ? -1 : block.indexOf('\0', nameEnd + 1)
      if (valueEnd < 0) return this.#invalid('the header block does not end in a complete, NUL-terminated pair')
      const name = block.slice(at, nameEnd)
      const value = block.slice(nameEnd + 1, valueEnd)
      if (at === 0) {
        if (name !== 'CONTENT_LENGTH') return this.#invalid(`the first header is '${printable(name)}', not 'CONTENT_LENGTH'`)
        contentLength = /^[0-9]{1,16}$/.test(value) ? Number(value) : -1
        if (contentLength < 0 || !Number.isSafeInteger(contentLength)) {
          return this.#invalid(`CONTENT_LENGTH is '${printable(value)}', not a number of bytes`)
        }
      } else {
        if (name === '') return this.#invalid('a header without a name')
      }
      const before = at === 0 ? undefined : params.get(name)
      if (before === undefined) params.set(name, value)
      // A second length could make us read another body than a gateway in front has checked.
      else if (name === 'CONTENT_LENGTH' && value !== before) return this.#invalid('CONTENT_LENGTH is there twice, with two values')
      // Names should be unique, but gateways do send a repeated header line as two pairs, and a parameter configured twice as both.
      else if (name.startsWith('HTTP_')) params.set(name, before + (name === 'HTTP_COOKIE' ? '; ' : ', ') + value)
      else params.set(name, value)
      at = valueEnd + 1
    }
    if (contentLength < 0) return this.#invalid('there is no CONTENT_LENGTH')
    if (params.get('SCGI') !== '1') return this.#invalid("there is no 'SCGI' header with the value '1'")
    this.#request = { params, contentLength }
    return true
  }

  #invalid (message: string): false {
    this.#fail('invalid', message)
    return false
  }
}

/**
 * The netstring of a header block.
 * @param block names and values joined, `name\0value\0name\0value\0`, as latin1 text: one character is one byte. It is not checked.
 */
export function encodeNetstring (block: string): Buffer {
  return Buffer.from(`${block.length}:${block},`, 'latin1')
}

/**
 * The netstring of these names and values, in the order given: CONTENT_LENGTH and SCGI are the caller's to put in, the first one first.
 * @throws TypeError when a name is empty, or a name or value has a NUL or a character that is no byte
 */
export function encodePairs (pairs: Iterable<readonly [name: string, value: string]>): Buffer {
  let block = ''
  for (const [name, value] of pairs) {
    if (name === '' || !isLatin1Text(name) || !isLatin1Text(value)) {
      throw new TypeError(`'${printable(name)}' cannot be sent over SCGI: names are not empty, and names and values are latin1 text without NUL`)
    }
    block += `${name}\0${value}\0`
  }
  return encodeNetstring(block)
}

function isLatin1Text (text: string): boolean {
  return /^[\x01-\xff]*$/.test(text) // eslint-disable-line no-control-regex
}
