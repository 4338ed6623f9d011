/** Longer texts are rarely the same. */
const LONGEST = 64
/** So many are known at most: what is different in each entry must not pile up. */
const MOST = 1000

/** Texts that many entries have in common, such as `text/html` and `max-age=60`: each is kept once. */
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
    this.#known.set(text, text)
    return text
  }
}
