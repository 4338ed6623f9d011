/** A script without comments, and without the blanks that mean nothing. No text of several lines may depend on indentation, or begin a line with slashes. */
export function compactScript (source: string): string {
  const lines = source.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('//')).join('\n')
  return new Compactor(lines).code()
}

/** What an expression, and not a divisor, stands behind. */
const BEFORE_EXPRESSION = /[(,=:[!&|?{};+>\n]$|^$|\breturn$/
const WORD = /[\w$]/

class Compactor {
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  /** @param nested up to the brace that ends a part of a template */
  code (nested = false): string {
    let out = ''
    for (let depth = 0; this.#at < this.#text.length;) {
      const char = this.#text.charAt(this.#at)
      if (nested && char === '}' && depth === 0) break
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      if (char === ' ') {
        this.#at += 1
        const next = this.#text.charAt(this.#at)
        const last = out.slice(-1)
        if ((WORD.test(last) && WORD.test(next)) || (last === next && /[+-]/.test(last))) out += ' '
      } else if (char === "'" || char === '"') out += this.#until(/(['"])(?:\\.|(?!\1).)*\1/y)
      else if (char === '`') out += this.#template()
      else if (char === '/' && BEFORE_EXPRESSION.test(out)) out += this.#until(/\/(?:\\.|\[(?:\\.|[^\]])*\]|[^/])+\//y)
      else out += this.#text.charAt(this.#at++)
    }
    return out
  }

  #until (pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const [found = this.#text.charAt(this.#at)] = pattern.exec(this.#text) ?? []
    this.#at += found.length
    return found
  }

  #template (): string {
    let out = this.#until(/`/y)
    while (this.#at < this.#text.length) {
      out += this.#until(/(?:\\.|\$(?!\{)|[^`$\\])*/sy)
      if (this.#text.charAt(this.#at) === '`') break
      out += this.#until(/\$\{/y) + this.code(true) + this.#until(/\}/y)
    }
    return out + this.#until(/`/y)
  }
}

/** A style sheet without the blanks that mean nothing. */
export function compactStyle (source: string): string {
  return source.replace(/\s+/g, ' ').replace(/ ?([{};,>]) ?/g, '$1').replace(/: /g, ':').replaceAll(';}', '}').trim()
}
