/**
 * Makes a matcher of a glob: `*` stands for any text, `?` for one character, everything else for itself. The whole text has to
 * match. The time is linear in the length of the text, whatever the glob.
 */
export function compileGlob (glob: string): (text: string) => boolean {
  const parts = glob.split('*')
  const first = parts.shift() ?? ''
  const last = parts.pop()
  // Without a star there is one part, and it is all.
  if (last === undefined) return text => text.length === first.length && matchesAt(first, text, 0)
  const searches = parts.filter(part => part !== '').map(part => new Search(part))
  return text => {
    const end = text.length - last.length
    if (end < first.length || !matchesAt(first, text, 0) || !matchesAt(last, text, end)) return false
    let position = first.length
    // The leftmost place of each part leaves the most for those that follow: no other place has to be tried.
    for (const search of searches) {
      position = search.after(text, position, end)
      if (position < 0) return false
    }
    return true
  }
}

function matchesAt (part: string, text: string, at: number): boolean {
  for (let i = 0; i < part.length; i++) {
    if (part[i] !== '?' && part.charCodeAt(i) !== text.charCodeAt(at + i)) return false
  }
  return true
}

const WORD = 31

/** Finds a part by following all its places at once, a bit each (Shift-And). */
class Search {
  readonly #length: number
  /** Words of the bit field. */
  readonly #words: number
  readonly #masks = new Map<number, Int32Array>()
  /** The bits of `?`, which any character satisfies. */
  readonly #any: Int32Array

  constructor (part: string) {
    this.#length = part.length
    this.#words = Math.ceil(part.length / WORD)
    this.#any = new Int32Array(this.#words)
    for (let i = 0; i < part.length; i++) if (part[i] === '?') setBit(this.#any, i)
    for (let i = 0; i < part.length; i++) {
      if (part[i] === '?') continue
      const code = part.charCodeAt(i)
      let mask = this.#masks.get(code)
      if (mask === undefined) this.#masks.set(code, mask = this.#any.slice())
      setBit(mask, i)
    }
  }

  /** The position after the leftmost occurrence between `from` and `end`, or -1. */
  after (text: string, from: number, end: number): number {
    const state = new Int32Array(this.#words)
    const lastWord = Math.floor((this.#length - 1) / WORD)
    const lastBit = 1 << ((this.#length - 1) % WORD)
    for (let position = from; position < end; position++) {
      const mask = this.#masks.get(text.charCodeAt(position)) ?? this.#any
      let carry = 1
      for (let word = 0; word < this.#words; word++) {
        const bits = state[word] ?? 0
        state[word] = ((bits << 1) | carry) & 0x7fffffff & (mask[word] ?? 0)
        carry = (bits >>> (WORD - 1)) & 1
      }
      if (((state[lastWord] ?? 0) & lastBit) !== 0) return position + 1
    }
    return -1
  }
}

function setBit (field: Int32Array, bit: number): void {
  const word = Math.floor(bit / WORD)
  field[word] = (field[word] ?? 0) | (1 << (bit % WORD))
}
