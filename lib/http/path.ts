// Request targets and route patterns. A target is a binary string, one char a byte, as Node's HTTP parser gives it.

const SLASH = 47

const WIDE = /[\u0100-\uffff]/
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]+/i

/**
 * How many path segments of a Fastify route pattern stand before its wildcard: `'/scgi-bin/*'` is 1, `'/a/:b/*'` is 2, `'/*'` is 0.
 * A pattern without wildcard counts whole (PATH_INFO is then empty), save for a slash at its end. Only complete segments count:
 * `'/img-*'` is 0. An optional parameter counts as given.
 */
export function mountSegments (routeUrl: string): number {
  let slashes = 0
  let parameter = false
  let name = false
  for (let i = 0; i < routeUrl.length; i++) {
    switch (routeUrl[i]) {
      case '/':
        slashes++
        parameter = name = false
        break
      case ':':
        // '::' is an escaped colon; else a parameter begins, also behind another one in the same segment.
        if (routeUrl[i + 1] === ':') i++
        else parameter = name = true
        break
      case '-':
      case '.':
        name = false
        break
      case '(':
        // Only directly behind a parameter's name is it a regular expression, in which slashes and stars mean nothing to us.
        if (name) i = closingParenthesis(routeUrl, i)
        name = false
        break
      case '*':
        if (!parameter && i === routeUrl.length - 1) return Math.max(slashes - 1, 0)
        break
    }
  }
  return routeUrl.charCodeAt(routeUrl.length - 1) === SLASH ? slashes - 1 : slashes
}

/** Where the parenthesis of a regular expression closes that opens here. */
export function closingParenthesis (pattern: string, open: number): number {
  let depth = 0
  for (let i = open; i < pattern.length; i++) {
    const char = pattern[i]
    if (char === '\\') i++
    else if (char === '(') depth++
    else if (char === ')' && --depth === 0) return i
  }
  return pattern.length
}

/**
 * The query of a raw request target, without its `?` and verbatim; empty when there is none. A fragment, which a target should not
 * have, ends it.
 */
export function queryString (rawTarget: string): string {
  const start = rawTarget.indexOf('?')
  if (start === -1) return ''
  const fragment = rawTarget.indexOf('#')
  return rawTarget.slice(start + 1, fragment === -1 ? undefined : fragment)
}

/** The same with its `?`, also where nothing follows it. */
export function queryPart (rawTarget: string): string {
  return /^[^#]*\?/.test(rawTarget) ? '?' + queryString(rawTarget) : ''
}

/** REQUEST_URI: the raw request target, verbatim; of the absolute-form its path and query. */
export function requestUri (rawTarget: string): string {
  if (rawTarget.charCodeAt(0) === SLASH) return rawTarget
  const authority = ABSOLUTE_FORM.exec(rawTarget)
  if (authority === null) return rawTarget
  const rest = rawTarget.slice(authority[0].length)
  return rest.charCodeAt(0) === SLASH ? rest : '/' + rest
}

/** The undecoded path; `undefined` for a target that has none. */
export function pathOf (rawTarget: string): string | undefined {
  const target = requestUri(rawTarget)
  if (target.charCodeAt(0) !== SLASH) return undefined
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  const fragment = path.indexOf('#')
  return fragment === -1 ? path : path.slice(0, fragment)
}

const UPWARDS = /(?:^|\/)\.\.(?:\/|$)/
const UPWARDS_WINDOWS = /(?:^|[\\/])\.\.(?:[\\/]|$)/
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/

/**
 * Whether a path has a segment `..`.
 * @param separator what divides segments besides the slash, in the file system that it is for
 */
export function leadsUpwards (path: string, separator: '/' | '\\' = '/'): boolean {
  return separator === '/' ? UPWARDS.test(path) : UPWARDS_WINDOWS.test(path)
}

/** Whether a path has a segment `.` or `..`. */
export function hasDotSegment (path: string): boolean {
  return DOT_SEGMENT.test(path)
}

/** Whether a string holds a char that is no byte. */
export function isWide (text: string): boolean {
  return WIDE.test(text)
}
