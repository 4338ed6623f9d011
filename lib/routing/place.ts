import { closingParenthesis, mountSegments } from '../http/path.ts'
import type { PathRules } from './canonical-path.ts'

/** Where in the path the application begins, and by which rules the path is read. */
export interface MountPoint {
  /** Path segments before PATH_INFO. */
  readonly segments: number
  readonly rules: PathRules
  /** Put before PATH_INFO; binary string. */
  readonly rewritePrefix: string
}

/** The parameters that the router found, by name. */
export type RouteParams = Readonly<Record<string, string | undefined>>

/** A route as far as its pattern tells: where in a path the application begins, and whether what the router found is this route. */
export class RoutePlace {
  /** Path segments before PATH_INFO. */
  readonly segments: number
  readonly #names: readonly string[]
  /** What is written in the first segments; `undefined` if a parameter stands. */
  readonly #fixed: readonly (string | undefined)[]
  readonly #caseSensitive: boolean

  constructor (pattern: string, caseSensitive: boolean) {
    this.segments = mountSegments(pattern)
    const plain = withoutExpressions(pattern)
    this.#caseSensitive = caseSensitive
    this.#names = [...plain.replaceAll('::', '').matchAll(/:([^/:.-]+)/g)].map(([, name = '']) => name)
    this.#fixed = plain.split('/').slice(1, this.segments + 1).map(segment =>
      segment.replaceAll('::', '').includes(':') ? undefined : this.#folded(segment.replaceAll('::', ':')))
  }

  /**
   * Whether the router, which found these parameters for a path, found this route: no other has its parameters, its fixed parts, and its
   * wildcard where the application begins.
   * @param path as the router compared it: decoded, less what it ignores
   */
  is (params: RouteParams, path: string): boolean {
    const segments = path.split('/').slice(1)
    const { '*': wildcard, ...named } = params
    const names = Object.keys(named)
    if (names.length !== this.#names.length || !this.#names.every(name => names.includes(name))) return false
    if (wildcard === undefined ? segments.length !== this.segments : segments.slice(this.segments).join('/') !== wildcard) return false
    return this.#fixed.every((fixed, index) => fixed === undefined || fixed === this.#folded(segments[index] ?? ''))
  }

  #folded (text: string): string {
    return this.#caseSensitive ? text : text.toLowerCase()
  }
}

/** The pattern less the regular expressions of its parameters, in which slashes and colons mean something else. */
function withoutExpressions (pattern: string): string {
  let plain = ''
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === '(' && /:[^/:().-]+$/.test(plain)) at = closingParenthesis(pattern, at)
    else plain += pattern[at]
  }
  return plain
}
