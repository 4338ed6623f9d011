import { isAccel } from './accel-headers.ts'
import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { setOwn } from '../runtime/own-property.ts'

/** Request headers by name, as Node's `request.headers` and the user's hooks give them. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Which request headers the application gets. */
export interface HeaderRules {
  /** All, none, or those of the list (lower case). */
  readonly pass: boolean | ReadonlySet<string>
  /** Names may hold an underscore. */
  readonly underscores: boolean
  /** Pass X-Forwarded-* and Forwarded. */
  readonly forwarded: boolean
  /** Parameter names (`HTTP_X`, upper case, no dashes) that are not to be made from a header. */
  readonly hidden: ReadonlySet<string>
  /** The headers are those of a hook, which may also steer applications: only what ends at this hop is dropped. Default false. */
  readonly trusted?: boolean
}

/** Names beyond this number are forgotten and learnt anew: clients choose them. */
const MAX_NAMES = 1024
/** Longer names are not learnt. */
const MAX_NAME_LENGTH = 100
/** Stamps stay small integers. */
const MAX_STAMP = 2 ** 30
const NONE: ReadonlySet<string> = new Set()

// CONTENT_TYPE and CONTENT_LENGTH are parameters of their own, HTTP_HOST is made from the effective host. The others end at this
// hop (RFC 9110 section 7.6.1), or pose as the environment variable HTTP_PROXY.
const OF_THIS_HOP: ReadonlySet<string> = new Set([
  'host', 'content-type', 'content-length',
  'connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'scgi-keepalive', 'proxy',
])
/** What a client has nothing to say in: it is meant for proxies, or steers an application or a gateway, as X-Accel-* does. */
const NOT_THE_CLIENTS: ReadonlySet<string> = new Set(['proxy-authenticate', 'proxy-authorization', 'x-sendfile-type'])
/** Headers of which a request may have one line, beside If-*: two of them mean different things to different readers. */
const SINGLE: ReadonlySet<string> = new Set([
  'host', 'authorization', 'proxy-authorization', 'range', 'content-range', 'content-length', 'transfer-encoding', 'expect',
])
/** Values of Connection that list no header which would be sent otherwise. */
const PLAIN_CONNECTION: ReadonlySet<string> = new Set(['keep-alive', 'Keep-Alive', 'close', ''])

/** The one name that `request.headers` of Node.js has no room for: an object takes it for its prototype, and the header is lost. */
const LOST = '__proto__'

const NAME = /^[A-Za-z0-9-]+$/
const NAME_WITH_UNDERSCORES = /^[A-Za-z0-9_-]+$/

/** Whether a header of this lower-case name is dropped whatever is configured. */
export function isNeverSent (name: string): boolean {
  return OF_THIS_HOP.has(name) || NOT_THE_CLIENTS.has(name) || isAccel(name)
}

/** Whether this is a name that a header may have and be sent. */
export function isHeaderName (name: string, underscores: boolean): boolean {
  return (underscores ? NAME_WITH_UNDERSCORES : NAME).test(name)
}

/** `HTTP_USER_AGENT` of `user-agent`. */
export function headerParam (name: string): string {
  return 'HTTP_' + name.toUpperCase().replaceAll('-', '_')
}

/** A line of the request by its name: what matters if it comes again. */
interface Line {
  /** In lower case. */
  readonly name: string
  readonly single: boolean
  readonly connection: boolean
  /** The last request that had it. */
  stamp: number
}

/** What happens to a key of `headers`. */
interface Key {
  /** `HTTP_X` between two NULs; empty for a header that is not sent. */
  readonly label: string
  /** Repeated values are joined by this. */
  readonly separator: string
  /** Another key can stand for the same parameter: upper case (from a hook), or an underscore. */
  readonly ambiguous: boolean
  readonly connection: boolean
  /** The name of its line as it was written last. */
  line: string
}

/** All lines of one name. */
interface Lines {
  readonly first: string
  /** Joined as Node joins what it does not drop. */
  joined: string
}

/** The header that a parameter is made of. */
interface Chosen {
  readonly name: string
  readonly value: string
  readonly rank: number
}

/**
 * Makes the HTTP_* pairs of a request. What is known about a name is looked up, in tables that are filled as names come and that
 * cannot grow without limit.
 */
export class HeaderEncoder {
  readonly #rules: HeaderRules
  #lines = new Map<string, Line>()
  #keys = new Map<string, Key>()
  #stamp = 0
  /** Places of header lines that `#plain` has met. */
  #met = 0

  constructor (rules: HeaderRules) {
    this.#rules = rules
  }

  /** Names with an underscore are sent. */
  get passesUnderscores (): boolean {
    return this.#rules.underscores && this.#rules.pass !== false
  }

  /**
   * The pairs `NUL HTTP_X NUL value ...` (without a NUL at the end) of the headers that are sent, in the order of `headers`, which is what the user's hooks
   * have made of them. `rawHeaders` are the lines as they came: lines of one name become one pair, joined by `, ` (Cookie: `; `),
   * also where Node keeps the first only.
   * @throws FST_SCGI_BAD_REQUEST for a NUL in a value, or a second line of a header that may come once.
   */
  pairs (headers: Headers, rawHeaders: readonly string[]): string {
    const pairs = this.#plain(headers, rawHeaders)
    // Every line is there under a key of its own, so that none has come twice.
    if (pairs !== undefined && this.#met === rawHeaders.length) return pairs
    const special = this.#inspect(rawHeaders)
    if (this.#rules.pass === false) return ''
    return (special ? undefined : pairs) ?? this.#careful(headers, rawHeaders)
  }

  /**
   * The header lines that are sent, `[name, value, ...]`: as they came, byte for byte and in their order, as long as the user's hooks
   * have left them as they were; then what the hooks have added. By the same rules as `pairs`, save that a name with an underscore
   * is one of its own. Cookie is one line: over HTTP/2 it may come in pieces.
   * @param contentType what is sent as Content-Type, which is always; empty for none
   * @throws as `pairs`, NUL aside
   */
  lines (headers: Headers, rawHeaders: readonly string[], contentType: string): string[] {
    this.#inspect(rawHeaders)
    const received = collect(rawHeaders)
    const whole = this.#whole(headers, received)
    const listed = this.#rules.trusted === true ? NONE : listedInConnection(headers, received)
    const rewritten = this.#rules.pass === false ? new Map<string, string | string[]>() : this.#rewritten(whole, received)
    // Without lines nothing tells the client's own from a hook's.
    if (rawHeaders.length === 0) for (const name of rewritten.keys()) if (listed.has(name.replaceAll('_', '-'))) rewritten.delete(name)
    const lines: string[] = []
    let type = contentType
    let cookie = false
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? ''
      const lower = name.toLowerCase()
      if (lower === 'content-type' && type !== '') {
        lines.push(name, type)
        type = ''
      }
      const key = this.#keys.get(lower) ?? this.#learnKey(lower)
      if (key.label === '' || !Object.hasOwn(whole, lower) || whole[lower] === undefined || rewritten.has(lower) || listed.has(lower.replaceAll('_', '-'))) continue
      if (lower !== 'cookie') {
        lines.push(name, rawHeaders[i + 1] ?? '')
      } else if (!cookie) {
        cookie = true
        lines.push(name, received.get(lower)?.joined ?? '')
      }
    }
    if (type !== '') lines.push('content-type', type)
    for (const [name, value] of rewritten) {
      for (const one of Array.isArray(value) ? value : [value]) lines.push(name, String(one))
    }
    return lines
  }

  /** The headers with what Node.js has lost of them; what a hook has left out of all of them stays out. */
  #whole (headers: Headers, received: Map<string, Lines>): Headers {
    const lost = received.get(LOST)
    if (lost === undefined || this.#rules.trusted === true || Object.hasOwn(headers, LOST)) return headers
    const whole = { ...headers }
    setOwn(whole, LOST, lost.joined)
    return whole
  }

  /** What is not as the client sent it, by lower-case name. */
  #rewritten (headers: Headers, received: Map<string, Lines>): Map<string, string | string[]> {
    const rewritten = new Map<string, string | string[]>()
    for (const name in headers) {
      const value = headers[name]
      const lower = name.toLowerCase()
      const key = this.#keys.get(lower) ?? this.#learnKey(lower)
      // What a hook wrote in upper case goes before the client's own.
      if (value === undefined || key.label === '' || (name === lower && rewritten.has(lower))) continue
      const text = join(value, key.separator)
      const own = name === lower ? received.get(lower) : undefined
      // Of some headers Node.js keeps the first line only; a hook of the gateway's was given them all.
      const same = own !== undefined && (text === own.joined || (text === own.first && this.#rules.trusted !== true))
      if (!same) rewritten.set(lower, lower === 'cookie' ? text : value)
    }
    return rewritten
  }

  /** Number of names in the tables. */
  get size (): number {
    return this.#lines.size + this.#keys.size
  }

  /** Looks for repeated lines, and for a Connection that lists headers. */
  #inspect (rawHeaders: readonly string[]): boolean {
    // Only here, never in the midst of a request: the stamps must hold until its last line.
    if (this.#lines.size > MAX_NAMES || this.#stamp === MAX_STAMP) {
      this.#lines.clear()
      this.#stamp = 0
    }
    const stamp = ++this.#stamp
    let special = false
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? ''
      const line = this.#lines.get(name) ?? this.#learnLine(name)
      if (line === undefined) special = true
      else if (line.stamp === stamp) {
        if (line.single) throw new FST_SCGI_BAD_REQUEST(`the header ${name} comes more than once`)
        special = true
      } else {
        line.stamp = stamp
        if (line.connection && !PLAIN_CONNECTION.has(rawHeaders[i + 1] ?? '')) special = true
      }
    }
    return special
  }

  #learnLine (name: string): Line | undefined {
    if (name.length > MAX_NAME_LENGTH) return undefined
    const lower = name.toLowerCase()
    if (lower === LOST) return undefined
    let line = this.#lines.get(lower)
    if (line === undefined) {
      line = { name: lower, single: SINGLE.has(lower) || lower.startsWith('if-'), connection: lower === 'connection', stamp: 0 }
      this.#lines.set(lower, line)
    }
    this.#lines.set(name, line)
    return line
  }

  /**
   * The common request: `undefined` when it turns out to be none. Node.js gives the headers in the order of the lines: how far the two go
   * together is found on the way.
   */
  #plain (headers: Headers, rawHeaders: readonly string[]): string | undefined {
    let pairs = ''
    let met = 0
    for (const name in headers) {
      const key = this.#keys.get(name) ?? this.#learnKey(name)
      const line = rawHeaders[met]
      if (line !== undefined && (line === key.line || this.#isLineOf(name, key, line))) {
        if (key.connection && !PLAIN_CONNECTION.has(rawHeaders[met + 1] ?? '')) return undefined
        met += 2
      }
      let value = headers[name]
      if (value === undefined) continue
      if (key.label === '') {
        if (key.connection && !PLAIN_CONNECTION.has(String(value))) return undefined
        continue
      }
      if (key.ambiguous) return undefined
      if (typeof value !== 'string') value = join(value, key.separator)
      if (value.includes('\0')) return undefined
      pairs = pairs + key.label + value
    }
    this.#met = met
    return pairs
  }

  /** Whether a line is called like this key, if it has been seen before. */
  #isLineOf (name: string, key: Key, line: string): boolean {
    if (this.#lines.get(line)?.name !== name) return false
    key.line = line
    return true
  }

  #learnKey (name: string): Key {
    const lower = name.toLowerCase()
    const key: Key = {
      label: isHeaderName(name, this.#rules.underscores) && this.#sent(lower) ? '\0' + headerParam(lower) + '\0' : '',
      separator: lower === 'cookie' ? '; ' : ', ',
      ambiguous: lower !== name || lower.includes('_'),
      connection: lower === 'connection',
      line: '',
    }
    if (this.#keys.size > MAX_NAMES) this.#keys.clear()
    if (name.length <= MAX_NAME_LENGTH) this.#keys.set(name, key)
    return key
  }

  #sent (lower: string): boolean {
    const { pass, forwarded, hidden, trusted = false } = this.#rules
    // As parameters they are the same, so an underscore gets nothing past the rules.
    const dashed = lower.replaceAll('_', '-')
    if (hidden.has(headerParam(lower))) return false
    if (trusted) return !OF_THIS_HOP.has(dashed)
    if (isNeverSent(dashed)) return false
    if (!forwarded && (dashed === 'forwarded' || dashed === 'x-forwarded' || dashed.startsWith('x-forwarded-'))) return false
    return pass === true || (pass !== false && pass.has(lower))
  }

  /**
   * What the application gets of the headers, by lower-case name: one value for each parameter, without what is dropped.
   * @throws as `pairs`
   */
  sent (headers: Headers, rawHeaders: readonly string[]): Map<string, string> {
    this.#inspect(rawHeaders)
    const sent = new Map<string, string>()
    if (this.#rules.pass !== false) for (const { name, value } of this.#choose(headers, rawHeaders).values()) sent.set(name, value)
    return sent
  }

  #careful (headers: Headers, rawHeaders: readonly string[]): string {
    let pairs = ''
    for (const [label, { value }] of this.#choose(headers, rawHeaders)) pairs += label + value
    return pairs
  }

  /** Of repeated lines, headers listed in Connection, and several keys for one parameter: what is sent, by label. */
  #choose (headers: Headers, rawHeaders: readonly string[]): Map<string, Chosen> {
    const received = collect(rawHeaders)
    const listed = listedInConnection(headers, received)
    const chosen = new Map<string, Chosen>()
    const whole = this.#whole(headers, received)
    for (const name in whole) {
      const value = whole[name]
      if (value === undefined) continue
      const key = this.#keys.get(name) ?? this.#learnKey(name)
      if (key.label === '') continue
      let text = join(value, key.separator)
      const lines = received.get(name)
      const untouched = lines !== undefined && (text === lines.joined || text === lines.first)
      if (untouched) text = lines.joined
      // The client may take back what it sent itself, not what a hook has put there.
      if ((untouched || rawHeaders.length === 0) && listed.has(name.toLowerCase().replaceAll('_', '-'))) continue
      if (text.includes('\0')) throw nul(name)
      // What a hook wrote in upper case goes before the client's own, and X-Foo before X_Foo.
      const rank = name.includes('_') ? 0 : key.ambiguous ? 2 : 1
      const rival = chosen.get(key.label)
      if (rival === undefined || rival.rank < rank) chosen.set(key.label, { name: name.toLowerCase(), value: text, rank })
    }
    return chosen
  }
}

function collect (rawHeaders: readonly string[]): Map<string, Lines> {
  const received = new Map<string, Lines>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    const value = rawHeaders[i + 1] ?? ''
    const lines = received.get(name)
    if (lines === undefined) received.set(name, { first: value, joined: value })
    else lines.joined += (name === 'cookie' ? '; ' : ', ') + value
  }
  return received
}

function listedInConnection (headers: Headers, received: Map<string, Lines>): Set<string> {
  const listed = new Set<string>()
  for (const value of [received.get('connection')?.joined, headers.connection]) {
    if (value === undefined) continue
    for (const name of join(value, ',').split(',')) listed.add(name.trim().toLowerCase().replaceAll('_', '-'))
  }
  return listed
}

function join (value: string | string[], separator: string): string {
  // JavaScript hooks give numbers, too, as Node's own setHeader() takes them.
  return Array.isArray(value) ? value.join(separator) : String(value)
}

function nul (name: string): Error {
  return new FST_SCGI_BAD_REQUEST(`the header ${name} holds a NUL`)
}
