import { isWide } from '../http/path.ts'
import { utf8 } from '../bytes/text.ts'

/** Room before the block for its length, and what ends it. */
const ROOM_FOR_LENGTH = 12
const COLON = 58
const COMMA = 44
/** A text of so many chars costs less by itself than the call of what copies it. */
const SHORT = 48
/** Room that is kept for the next request. */
const USUAL = 65_536

/**
 * A header block in the making. It is written byte by byte into memory that is used again for the next request. Joined as text, each
 * parameter would be two objects more, which are only there to be walked through once.
 */
export class Block {
  #room = Buffer.allocUnsafeSlow(16_384)
  #end = ROOM_FOR_LENGTH

  /** Bytes so far. */
  get size (): number {
    return this.#end - ROOM_FOR_LENGTH
  }

  /** Adds what is known to be bytes, one char each. */
  bytes (text: string): void {
    const { length } = text
    const room = this.#roomFor(length)
    const at = this.#end
    if (length > SHORT) room.write(text, at, length, 'latin1')
    else for (let i = 0; i < length; i++) room[at + i] = text.charCodeAt(i)
    this.#end = at + length
  }

  /** Adds a value. Nothing that came over HTTP/1 has chars that are no bytes; of what has, the UTF-8 is sent. False if it holds a NUL. */
  value (text: string): boolean {
    const { length } = text
    if (length > SHORT) {
      this.bytes(isWide(text) ? utf8(text) : text)
      return !text.includes('\0')
    }
    const room = this.#roomFor(length)
    const at = this.#end
    let all = 0
    let isWhole = true
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i)
      room[at + i] = code
      all |= code
      if (code === 0) isWhole = false
    }
    if (all > 0xff) this.bytes(utf8(text))
    else this.#end = at + length
    return isWhole
  }

  /** The block as a netstring, in memory of its own. */
  netstring (): Buffer {
    const { size } = this
    const room = this.#roomFor(1)
    room[this.#end] = COMMA
    let from = ROOM_FOR_LENGTH - 1
    room[from] = COLON
    let left = size
    do {
      room[--from] = 48 + left % 10
      left = Math.floor(left / 10)
    } while (left > 0)
    const netstring = Buffer.allocUnsafe(this.#end + 1 - from)
    room.copy(netstring, 0, from, this.#end + 1)
    return netstring
  }

  /** The block as text, one char a byte. */
  text (): string {
    return this.#room.toString('latin1', ROOM_FOR_LENGTH, this.#end)
  }

  clear (): void {
    this.#end = ROOM_FOR_LENGTH
    if (this.#room.length > USUAL) this.#room = Buffer.allocUnsafeSlow(USUAL)
  }

  #roomFor (length: number): Buffer {
    const needed = this.#end + length + 1
    if (needed > this.#room.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#room.length * 2))
      this.#room.copy(larger, 0, 0, this.#end)
      this.#room = larger
    }
    return this.#room
  }
}
