// The request path as the application gets it. Everything here works on binary strings, one char a byte, as Node's HTTP parser
// gives them: a path need not be UTF-8, and what is not must arrive as it was sent.

/** Where the mount ends and the application's own path begins. `scriptName + pathInfo === documentUri`, all of them binary strings. */
export interface PathSplit {
  readonly scriptName: string
  readonly pathInfo: string
  readonly documentUri: string
}

/** A path that cannot be served; `error` says why, for a 400. */
export interface PathError {
  readonly error: string
}

export interface SplitOptions {
  /** The router takes `//` for `/` (Fastify's option of the same name), so the application does not see repeated slashes either. Default false. */
  ignoreDuplicateSlashes?: boolean | undefined
}

const SLASH = 47

// What the fast path cannot take: an escape, a segment that begins with a dot, a NUL, a char that is not a byte.
const SPECIAL = /[%\0\u0100-\uffff]|\/\./
const WIDE = /[\u0100-\uffff]/
const NOT_ASCII = /[^\0-\x7f]/
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]+/i
const REPEATED_SLASHES = /\/\/+/g
const ENCODED_DOT = /%2e/gi
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i

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

function closingParenthesis (pattern: string, open: number): number {
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
 * Splits the path of a raw request target behind its first `segments` segments (see `mountSegments`).
 *
 * SCRIPT_NAME is the mount as the client wrote it, PATH_INFO what follows, both percent-decoded byte for byte, save that `%2F` stays as
 * it is written: it is no separator. Dot segments, encoded or not, are resolved within PATH_INFO; one that leaves the mount, or that
 * stands in the mount, is an error, and so are a malformed escape and a NUL. Repeated slashes are kept as they are, unless the router
 * ignores them. Takes the origin-form, the absolute-form and `*`.
 */
export function splitPath (rawTarget: string, segments: number, options?: SplitOptions): PathSplit | PathError {
  if (rawTarget === '*') return { scriptName: '', pathInfo: '*', documentUri: '*' }
  let path = pathOf(rawTarget)
  if (path === undefined) return { error: 'the request target is neither a path nor an http URL' }
  if (options?.ignoreDuplicateSlashes === true) path = path.replace(REPEATED_SLASHES, '/')

  const special = SPECIAL.test(path)
  // A string that no HTTP/1 parser made may hold chars beyond a byte: as UTF-8 they are not cut in half.
  if (special && isWide(path)) path = utf8(path)

  let end = 0
  for (let left = segments; left > 0 && end !== -1; left--) end = path.indexOf('/', end + 1)
  if (end === -1) end = path.length

  const mount = path.slice(0, end)
  const rest = path.slice(end)
  return special ? splitSpecial(mount, rest) : { scriptName: mount, pathInfo: rest, documentUri: path }
}

/**
 * What follows the first `segments` segments of a raw request target (see `splitPath`), not decoded, without the query: verbatim save
 * for dot segments, which are resolved; one that leads out ends at the mount. Empty for the mount itself; `undefined` for a target
 * that has no path.
 */
export function rawRest (rawTarget: string, segments: number, ignoreDuplicateSlashes = false): string | undefined {
  let path = pathOf(rawTarget)
  if (path === undefined) return undefined
  if (ignoreDuplicateSlashes) path = path.replace(REPEATED_SLASHES, '/')
  if (isWide(path)) path = utf8(path)
  let end = 0
  for (let left = segments; left > 0 && end !== -1; left--) end = path.indexOf('/', end + 1)
  const rest = end === -1 ? '' : path.slice(end)
  if (!DOT_SEGMENT.test(rest)) return rest
  const kept: string[] = []
  let directory = false
  for (const segment of rest.split('/').slice(1)) {
    const plain = segment.replace(ENCODED_DOT, '.')
    directory = plain === '.' || plain === '..'
    if (plain === '..') kept.pop()
    else if (!directory) kept.push(segment)
  }
  if (directory) kept.push('')
  return '/' + kept.join('/')
}

function splitSpecial (mount: string, rest: string): PathSplit | PathError {
  if (mount.includes('\0') || rest.includes('\0')) return { error: NUL }
  const scriptName = decode(mount)
  if (typeof scriptName !== 'string') return scriptName
  for (const segment of scriptName.split('/')) {
    if (segment === '.' || segment === '..') return { error: 'the path has a dot segment above the application' }
  }
  const decoded = decode(rest)
  if (typeof decoded !== 'string') return decoded
  const pathInfo = resolveDots(decoded)
  if (pathInfo === undefined) return { error: "the path leaves the application's mount with '..'" }
  return { scriptName, pathInfo, documentUri: scriptName + pathInfo }
}

const NUL = 'the path holds a NUL'

/** Percent-decodes to bytes, all but `%2F`. A slash never comes out of it, so segments may be told apart afterwards. */
function decode (text: string): string | PathError {
  let decoded = ''
  let from = 0
  for (let at = text.indexOf('%'); at !== -1; at = text.indexOf('%', at + 3)) {
    const code = hexDigit(text.charCodeAt(at + 1)) * 16 + hexDigit(text.charCodeAt(at + 2))
    if (code === SLASH) continue
    if (code === 0) return { error: NUL }
    if (Number.isNaN(code)) return { error: 'the path holds a malformed percent escape' }
    decoded += text.slice(from, at) + String.fromCharCode(code)
    from = at + 3
  }
  return from === 0 ? text : decoded + text.slice(from)
}

function hexDigit (code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : NaN
}

/** RFC 3986 section 5.2.4, but `undefined` where a `..` finds nothing to remove. */
function resolveDots (path: string): string | undefined {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  segments.shift()
  let directory = false
  for (const segment of segments) {
    directory = segment === '.' || segment === '..'
    if (segment === '..') {
      if (kept.pop() === undefined) return undefined
    } else if (segment !== '.') kept.push(segment)
  }
  // '/a/..' and '/a/.' name directories: their slash stays.
  if (directory) kept.push('')
  return '/' + kept.join('/')
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

/** REQUEST_URI: the raw request target, verbatim; of the absolute-form its path and query. */
export function requestUri (rawTarget: string): string {
  if (rawTarget.charCodeAt(0) === SLASH) return rawTarget
  const authority = ABSOLUTE_FORM.exec(rawTarget)
  if (authority === null) return rawTarget
  const rest = rawTarget.slice(authority[0].length)
  return rest.charCodeAt(0) === SLASH ? rest : '/' + rest
}

/** The undecoded path; `undefined` for a target that has none. */
function pathOf (rawTarget: string): string | undefined {
  const target = requestUri(rawTarget)
  if (target.charCodeAt(0) !== SLASH) return undefined
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  const fragment = path.indexOf('#')
  return fragment === -1 ? path : path.slice(0, fragment)
}

/** The UTF-8 bytes of a text, one char a byte. */
export function utf8 (text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}

/** Whether a string holds a char that is no byte. */
export function isWide (text: string): boolean {
  return WIDE.test(text)
}
