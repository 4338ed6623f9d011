// The one path of a request, whatever it was spelt like: what the router, guards, cache keys and the application go by. Everything here
// works on binary strings, one char a byte: a path need not be UTF-8, and what is not must arrive as it was sent.

import { FST_SCGI_BAD_REQUEST, FST_SCGI_ENCODED_SLASH } from '../errors.ts'
import { utf8 } from '../bytes/text.ts'
import { isWide, pathOf } from '../http/path.ts'
import { escaped } from '../bytes/path-bytes.ts'

/** What an escaped slash (`%2F`) is: a slash, itself, or a reason to refuse the request. */
export type EncodedSlashes = 'decode' | 'keep' | 'refuse'

export interface PathRules {
  readonly encodedSlashes: EncodedSlashes
  /** Repeated slashes are one. */
  readonly mergeSlashes: boolean
}

/** In origin-form, without escapes, dot segments, repeated slashes and whatever else may have another spelling. */
const PLAIN = /^(?:\/(?![./])[\x21\x22\x24\x26-\x2e\x30-\x3a\x3c-\x3e\x40-\x7e]*)+(?:\?|$)/
/** The latest target that was found to be plain. A request is asked twice: when it is routed, and when its path is split. */
let plainest: string | undefined

/** Whether a target is spelt as the canonical one is. */
export function isPlain (rawTarget: string): boolean {
  if (rawTarget === plainest) return true
  if (!PLAIN.test(rawTarget)) return false
  plainest = rawTarget
  return true
}

/** As nginx does. */
export const NGINX_PATHS: PathRules = { encodedSlashes: 'decode', mergeSlashes: true }

/** Where the mount ends and the application's own path begins. `scriptName + pathInfo === documentUri`, all of them binary strings. */
export interface PathSplit {
  readonly scriptName: string
  readonly pathInfo: string
  readonly documentUri: string
  /** PATH_INFO as a URL has it, with escapes. */
  readonly urlInfo: string
}

/** A path that cannot be served. */
export interface PathError {
  /** Why, for the client. */
  readonly error: string
  /** It holds an escaped slash, and those are refused: 404, as in Apache. */
  readonly slash?: boolean
}

/** The same for who asked. */
export function pathError ({ error, slash }: PathError): Error {
  return slash === true ? new FST_SCGI_ENCODED_SLASH() : new FST_SCGI_BAD_REQUEST(error)
}

const SLASH = 47
const NUL = 'the path holds a NUL'
/** What the fast path cannot take: an escape, a segment that begins with a dot, repeated slashes, a NUL, a char that is not a byte. */
const SPECIAL = /[%\0\u0100-\uffff]|\/[./]/
/** What must be escaped in a path (RFC 3986 section 3.3), a percent sign among it. */
const ESCAPED = /[^\w.~!$&'()*+,;=:@/-]/g
/** Stands for an escaped slash that is kept: no path holds a NUL. */
const KEPT = '\0'
/** A percent sign that would pass for the beginning of a kept slash, or of one that is told apart from it in this way. */
const LIKE_KEPT = /%(?=(?:25)*2f)/gi

/**
 * Splits the canonical path of a raw request target behind its first `segments` segments (see `mountSegments`).
 *
 * Every escape is decoded once, byte for byte; slashes are merged; dot segments are resolved within PATH_INFO. A dot segment that leaves
 * the mount or stands in it is an error, and so are a malformed escape and a NUL. Where escaped slashes are kept, PATH_INFO has `%2F` for
 * them, and `%252F` for a name that holds that text: two paths are never one. Takes the origin-form, the absolute-form and `*`.
 */
export function splitPath (rawTarget: string, segments: number, rules: PathRules = NGINX_PATHS): PathSplit | PathError {
  if (rawTarget === plainest) {
    const query = rawTarget.indexOf('?')
    return splitPlain(query === -1 ? rawTarget : rawTarget.slice(0, query), segments)
  }
  if (rawTarget === '*') return { scriptName: '', pathInfo: '*', documentUri: '*', urlInfo: '*' }
  const path = pathOf(rawTarget)
  if (path === undefined) return { error: 'the request target is neither a path nor an http URL' }
  if (!SPECIAL.test(path)) return splitPlain(path, segments)
  const canonical = resolve(path, segments, rules)
  if (typeof canonical !== 'string') return canonical
  const end = endOf(canonical, segments)
  const scriptName = shown(canonical.slice(0, end), rules)
  const pathInfo = shown(canonical.slice(end), rules)
  return { scriptName, pathInfo, documentUri: scriptName + pathInfo, urlInfo: escapePath(canonical.slice(end)) }
}

/** A path that is its own canonical form. */
function splitPlain (path: string, segments: number): PathSplit {
  const end = endOf(path, segments)
  const info = path.slice(end)
  return { scriptName: path.slice(0, end), pathInfo: info, documentUri: path, urlInfo: info }
}

/** The canonical path of a raw request target as a URL has it: of all its spellings the one that is routed. */
export function canonicalUrl (rawTarget: string, segments: number, rules: PathRules): string | PathError {
  const path = pathOf(rawTarget)
  if (path === undefined) return { error: 'the request target is neither a path nor an http URL' }
  const canonical = resolve(path, segments, rules)
  return typeof canonical === 'string' ? escapePath(canonical) : canonical
}

/** Percent-encodes a path of bytes: only what may stand in a path as it is, slashes among it, is left. */
export function escapePath (path: string): string {
  return path.replace(ESCAPED, char => char === KEPT ? '%2F' : escapeByte(char))
}

function escapeByte (char: string): string {
  return '%' + char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')
}

function resolve (path: string, segments: number, rules: PathRules): string | PathError {
  // A string that no HTTP/1 parser made may hold chars beyond a byte: as UTF-8 they are not cut in half.
  const bytes = isWide(path) ? escaped(path) : path
  const decoded = decode(isWide(bytes) ? utf8(bytes) : bytes, rules)
  return typeof decoded === 'string' ? resolveDots(decoded, segments, rules.mergeSlashes) : decoded
}

function endOf (path: string, segments: number): number {
  let end = 0
  for (let left = segments; left > 0 && end !== -1; left--) end = path.indexOf('/', end + 1)
  return end === -1 ? path.length : end
}

function shown (path: string, { encodedSlashes }: PathRules): string {
  return encodedSlashes === 'keep' ? path.replace(LIKE_KEPT, '%25').replaceAll(KEPT, '%2F') : path
}

/** Percent-decodes to bytes, once. */
function decode (text: string, { encodedSlashes }: PathRules): string | PathError {
  if (text.includes('\0')) return { error: NUL }
  let decoded = ''
  let from = 0
  for (let at = text.indexOf('%'); at !== -1; at = text.indexOf('%', at + 3)) {
    const code = hexDigit(text.charCodeAt(at + 1)) * 16 + hexDigit(text.charCodeAt(at + 2))
    if (code === 0) return { error: NUL }
    if (Number.isNaN(code)) return { error: 'the path holds a malformed percent escape' }
    if (code === SLASH && encodedSlashes === 'refuse') return { error: 'the path holds an escaped slash', slash: true }
    decoded += text.slice(from, at) + (code === SLASH && encodedSlashes === 'keep' ? KEPT : String.fromCharCode(code))
    from = at + 3
  }
  return from === 0 ? text : decoded + text.slice(from)
}

function hexDigit (code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : NaN
}

/** RFC 3986 section 5.2.4, but an error where a dot segment stands in the first segments, or a `..` would remove one of them. */
function resolveDots (path: string, segments: number, merge: boolean): string | PathError {
  if (!SPECIAL.test(path)) return path
  const parts = path.split('/')
  const last = parts.length - 1
  const kept: string[] = []
  let directory = false
  for (let i = 1; i <= last; i++) {
    const segment = parts[i] ?? ''
    directory = segment === '' || segment === '.' || segment === '..'
    if (segment === '.' || segment === '..') {
      if (kept.length < segments) return { error: 'the path has a dot segment above the application' }
      if (segment === '.') continue
      if (kept.length === segments) return { error: "the path leaves the application's mount with '..'" }
      kept.pop()
    } else if (segment !== '' || (!merge && i < last)) kept.push(segment)
  }
  // '/a/..' and '/a/.' name directories: their slash stays.
  if (directory && kept.length > 0) kept.push('')
  return '/' + kept.join('/')
}
