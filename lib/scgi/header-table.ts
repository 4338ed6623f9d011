import { steeringHeaders } from '../http/accel-headers.ts'

// What is known about bytes and header names, in tables built once.

/** 1 for each byte that may stand in a header name (RFC 9110 token). */
export const TOKEN = new Uint8Array(256)
/** 1 for each byte that may stand in a header value: TAB, and everything from 0x20 save DEL. */
export const TEXT = new Uint8Array(256)

for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN[char.charCodeAt(0)] = 1
  TOKEN[char.toUpperCase().charCodeAt(0)] = 1
}
TEXT.fill(1, 0x20)
TEXT[0x09] = 1
TEXT[0x7f] = 0

/** What happens to a header's repeated lines, and which headers the parser itself reads. */
export const LIST = 0
const FIRST = 1
export const LAST = 2
export const STATUS = 3
export const LOCATION = 4
export const CONTENT_LENGTH = 5
const TRANSFER_ENCODING = 6

/** A header name as it came, with its lower-case form: strings that need not be made for each reply. */
export interface HeaderName {
  readonly name: string
  readonly lower: string
  readonly rule: number
}

interface KnownName extends HeaderName {
  readonly hash: number
  /** The next name in the same slot of the table. */
  readonly next: KnownName | undefined
}

const MASK = 255
/** The headers that have a rule, and the common ones: never forgotten. */
const known = new Array<KnownName | undefined>(MASK + 1).fill(undefined)
/** Names and spellings that applications use beside those: the last one of each slot. */
const learned = new Array<KnownName | undefined>(MASK + 1).fill(undefined)
// Longer ones are not learned, so that an application cannot make us hold much.
const MAX_LEARNED = 64

/** One step of the hash that `headerName` expects, over the bytes of a name, beginning with 0. */
export function hashStep (hash: number, byte: number): number {
  return (Math.imul(hash, 31) + byte) | 0
}

function hashOf (name: string): number {
  let hash = 0
  for (let i = 0; i < name.length; i++) hash = hashStep(hash, name.charCodeAt(i))
  return hash
}

function addSpelling (rule: number, name: string, lower: string): void {
  const hash = hashOf(name)
  known[hash & MASK] = { name, lower, rule, hash, next: known[hash & MASK] }
}

const rules = new Map<string, number>()
const COUNTING = { first: FIRST, last: LAST, all: LIST }

function add (rule: number, names: string): void {
  for (const name of names.split(' ')) {
    const lower = name.toLowerCase()
    addSpelling(rule, name, lower)
    addSpelling(rule, lower, lower)
    rules.set(lower, rule)
  }
}

add(STATUS, 'Status')
add(LOCATION, 'Location')
add(CONTENT_LENGTH, 'Content-Length')
add(TRANSFER_ENCODING, 'Transfer-Encoding')
add(FIRST, 'Content-Type Date Server Refresh ETag Last-Modified Expires')
for (const { spelling, counts } of steeringHeaders(() => true)) add(COUNTING[counts], spelling)
add(LIST, 'Accept-Ranges Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods ' +
  'Access-Control-Allow-Origin Access-Control-Expose-Headers Access-Control-Max-Age Age Allow Alt-Svc Cache-Control Connection ' +
  'Content-Disposition Content-Encoding Content-Language Content-Location Content-Range Content-Security-Policy ' +
  'Cross-Origin-Embedder-Policy Cross-Origin-Opener-Policy Cross-Origin-Resource-Policy Keep-Alive Link P3P Permissions-Policy ' +
  'Pragma Referrer-Policy Retry-After SCGI-Keepalive Server-Timing Set-Cookie Strict-Transport-Security Trailer Upgrade Vary Via ' +
  'WWW-Authenticate X-Cache X-Content-Type-Options X-Frame-Options X-Powered-By X-Request-Id X-Runtime X-XSS-Protection')

/** The name at `start` to `end` of `bytes`, tokens all; `hash` is its hash. */
export function headerName (hash: number, bytes: Buffer, start: number, end: number): HeaderName {
  const slot = hash & MASK
  for (let entry = known[slot]; entry !== undefined; entry = entry.next) {
    if (entry.hash === hash && sameBytes(entry.name, bytes, start, end)) return entry
  }
  const entry = learned[slot]
  if (entry !== undefined && entry.hash === hash && sameBytes(entry.name, bytes, start, end)) return entry
  return learn(hash, bytes.toString('latin1', start, end))
}

function learn (hash: number, name: string): HeaderName {
  const lower = name.toLowerCase()
  const entry = { name, lower, rule: rules.get(lower) ?? LIST, hash, next: undefined }
  if (name.length <= MAX_LEARNED) learned[hash & MASK] = entry
  return entry
}

function sameBytes (name: string, bytes: Buffer, start: number, end: number): boolean {
  const length = name.length
  if (length !== end - start) return false
  for (let i = 0; i < length; i++) {
    if (name.charCodeAt(i) !== bytes[start + i]) return false
  }
  return true
}
