/** A bare item of a structured field (RFC 9651 section 3.3). */
export type Item =
  | { type: 'integer' | 'decimal' | 'date', value: number }
  | { type: 'string' | 'token' | 'binary' | 'display', value: string }
  | { type: 'boolean', value: boolean }
  | { type: 'list', value: undefined }

const KEY = /[a-z*][a-z0-9_.*-]*/y
const NUMBER = /-?\d+(?:\.\d+)?/y
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const TOKEN = /[A-Za-z*][\w!#$%&'*+.^`|~:/-]*/y
const WHOLE_TOKEN = new RegExp(`^${TOKEN.source}$`)
const BINARY = /:([A-Za-z0-9+/=]*):/y
const BOOLEAN = /\?[01]/y
const DATE = /@-?\d{1,15}/y
const DISPLAY = /%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*)"/y
const SPACES = / */y
const BLANKS = /[ \t]*/y

/** Whether a text can stand in a structured field as it is, without quotes. It has more forms than a token elsewhere. */
export function isBareToken (text: string): boolean {
  return WHOLE_TOKEN.test(text)
}

/**
 * Reads a dictionary (RFC 9651 section 4.2.2). Parameters are read and left out, inner lists keep their place only.
 * @returns `undefined` for what is none
 */
export function parseDictionary (text: string): Map<string, Item> | undefined {
  const reader = new Reader(text.replace(/^ +| +$/g, ''))
  const members = new Map<string, Item>()
  while (!reader.atEnd) {
    const key = reader.take(KEY)
    if (key === undefined) return undefined
    const item: Item | undefined = reader.skip('=') ? reader.readMember() : { type: 'boolean', value: true }
    if (item === undefined || !reader.skipParameters()) return undefined
    // The last of several members of a name counts, in its own place.
    members.delete(key)
    members.set(key, item)
    reader.take(BLANKS)
    if (reader.atEnd) return members
    if (!reader.skip(',')) return undefined
    reader.take(BLANKS)
    // A comma at the end is malformed.
    if (reader.atEnd) return undefined
  }
  return members
}

class Reader {
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  get atEnd (): boolean {
    return this.#at >= this.#text.length
  }

  /** What the pattern matches here; its first group, where it has one. */
  take (pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) return undefined
    this.#at += match[0].length
    return match[1] ?? match[0]
  }

  skip (char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  /** An item or an inner list. */
  readMember (): Item | undefined {
    if (!this.skip('(')) return this.#readItem()
    for (;;) {
      this.take(SPACES)
      if (this.skip(')')) return { type: 'list', value: undefined }
      if (this.#readItem() === undefined || !this.skipParameters()) return undefined
      const next = this.#text[this.#at]
      if (next !== ' ' && next !== ')') return undefined
    }
  }

  skipParameters (): boolean {
    while (this.skip(';')) {
      this.take(SPACES)
      if (this.take(KEY) === undefined) return false
      if (this.skip('=') && this.#readItem() === undefined) return false
    }
    return true
  }

  #readItem (): Item | undefined {
    switch (this.#text[this.#at]) {
      case '"': return text('string', this.take(STRING)?.replace(/\\(.)/g, '$1'))
      case ':': return text('binary', this.take(BINARY))
      case '%': return text('display', this.take(DISPLAY))
      case '?': {
        const value = this.take(BOOLEAN)
        return value === undefined ? undefined : { type: 'boolean', value: value === '?1' }
      }
      case '@': {
        const value = this.take(DATE)
        return value === undefined ? undefined : { type: 'date', value: Number(value.slice(1)) }
      }
    }
    return this.#readNumber() ?? text('token', this.take(TOKEN))
  }

  #readNumber (): Item | undefined {
    const from = this.#at
    const digits = this.take(NUMBER)
    if (digits === undefined) return undefined
    const [whole = '', fraction] = digits.replace('-', '').split('.')
    if (fraction === undefined ? whole.length <= 15 : whole.length <= 12 && fraction.length <= 3) {
      return { type: fraction === undefined ? 'integer' : 'decimal', value: Number(digits) }
    }
    this.#at = from
    return undefined
  }
}

function text (type: 'string' | 'token' | 'binary' | 'display', value: string | undefined): Item | undefined {
  return value === undefined ? undefined : { type, value }
}
