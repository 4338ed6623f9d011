/** Longer texts are rarely the same. */
const LONGEST = 64
/** V8 does not copy a text of at least so many characters that is cut out of another: it refers to that one, and keeps it. */
const SHORTEST_CUT = 13
/** So many are known at most: what is different in each entry must not pile up. */
const MOST = 1000

/**
 * Texts that many entries have in common, such as `text/html` and `max-age=60`: each is kept once. What is not known yet, as an entity tag, is
 * kept without the head that it was cut out of.
 */
export class InternedTexts {
  readonly #known = new Map<string, string>()

  get size (): number {
    return this.#known.size
  }

  of (text: string): string {
    if (text.length > LONGEST) return text
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (this.#known.size >= MOST) this.#known.clear()
    const own = text.length < SHORTEST_CUT ? text : alone(text)
    this.#known.set(own, own)
    return own
  }
}

/** The same text, cut out of one that has nothing else in it. */
function alone (text: string): string {
  return ` ${text}`.slice(1)
}
