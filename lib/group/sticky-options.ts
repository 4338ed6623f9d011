import { StickySuffix } from '../balancer/sticky/apache.ts'
import { StickyCookie, hmacSid, nginxSid, type OfRequest, type Sid } from '../balancer/sticky/cookie.ts'
import { StickyLearn } from '../balancer/sticky/learn.ts'
import { StickyRoute } from '../balancer/sticky/route.ts'
import { Stickiness } from '../balancer/sticky/stickiness.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isToken } from '../http/token.ts'
import { parseLifetime, parseTime, show } from '../options/units.ts'
import { flag, isFunction, isRecord } from '../options/checks.ts'
import { atOnce } from '../options/functions.ts'
import type { StickyPolicy } from '../balancer/sticky/policy.ts'
import type { StickyApacheOptions, StickyCookieOptions, StickyLearnOptions } from '../../types/sticky.ts'

/** The sessions of a group, made anew for each group. */
export type StickySettings = <T> () => Stickiness<T>

const KINDS: Readonly<Record<string, (option: string, value: unknown) => () => StickyPolicy>> = {
  cookie: readCookie, route: readRoute, learn: readLearn, apache: readApache,
}
const COOKIE: ReadonlySet<string> = new Set<keyof StickyCookieOptions>([
  'name', 'secret', 'nginxSid', 'expires', 'domain', 'path', 'httpOnly', 'secure', 'sameSite',
])
const LEARN: ReadonlySet<string> = new Set<keyof StickyLearnOptions>(['create', 'lookup', 'timeout', 'maxEntries'])
const APACHE: ReadonlySet<string> = new Set<keyof StickyApacheOptions>(['cookie', 'param', 'separator'])

const ATTRIBUTE = /^[\x20-\x3a\x3c-\x7e]*$/
/** A shorter key could be found by trying. */
const MIN_SECRET = 16

/**
 * Reads the option `sticky` of a group.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readSticky (option: string, value: unknown): StickySettings | undefined {
  if (value === undefined) return undefined
  const names = Object.keys(KINDS)
  const given = record(option, value, new Set([...names, 'failover']))
  const kinds = names.filter(name => given[name] !== undefined)
  const read = kinds.length === 1 ? KINDS[kinds[0] ?? ''] : undefined
  if (read === undefined) throw new FST_SCGI_OPT_INVALID(option, show(value), `one of ${names.map(name => `{ ${name} }`).join(', ')}`)
  const failover = flag(`${option}.failover`, given['failover'], true)
  const policy = read(`${option}.${kinds[0] ?? ''}`, given[kinds[0] ?? ''])
  return () => new Stickiness(policy(), failover)
}

function readCookie (option: string, value: unknown): () => StickyPolicy {
  const given = record(option, value, COOKIE)
  const secure = readSecure(`${option}.secure`, given['secure'])
  const sameSite = ofRequest(`${option}.sameSite`, given['sameSite'], /^(?:strict|lax|none)$/, "'strict', 'lax', 'none' or a function that gives one")
  if (sameSite === 'none' && secure === false) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.sameSite`, "browsers take a cookie with 'none' only if it is secure")
  }
  const path = given['path'] ?? '/'
  if (typeof path !== 'string' || !ATTRIBUTE.test(path)) throw new FST_SCGI_OPT_INVALID(`${option}.path`, show(path), 'a path without semicolons')
  const options = {
    name: token(`${option}.name`, given['name']),
    sid: readSid(option, given['secret'], flag(`${option}.nginxSid`, given['nginxSid'], false)),
    expires: expires(`${option}.expires`, given['expires']),
    domain: ofRequest(`${option}.domain`, given['domain'], /^[\x21-\x3a\x3c-\x7e]+$/, 'a domain, or a function that gives one'),
    path: path === '' ? undefined : path,
    httpOnly: flag(`${option}.httpOnly`, given['httpOnly'], true),
    secure,
    sameSite,
  }
  return () => new StickyCookie(options)
}

function readSecure (option: string, value: unknown): boolean | 'auto' {
  if (value === 'auto') return value
  if (value !== undefined && typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(option, show(value), "true, false or 'auto'")
  return value === true
}

function readSid (option: string, secret: unknown, ofNginx: boolean): Sid {
  if (ofNginx) {
    if (secret !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.secret`, "'nginxSid' has none")
    return nginxSid
  }
  const secrets: unknown[] = Array.isArray(secret) ? secret : [secret]
  const keys = secrets.filter((key): key is string | Buffer => typeof key === 'string' || Buffer.isBuffer(key))
  if (secrets.length === 0 || keys.length < secrets.length || keys.some(key => Buffer.byteLength(key) < MIN_SECRET)) {
    // Not shown: it is one.
    throw new FST_SCGI_OPT_INVALID(`${option}.secret`, secret === undefined ? 'undefined' : 'something else',
      `a string or Buffer of ${MIN_SECRET} bytes or more, or a list of such, the same in every gateway`)
  }
  // What becomes of a Buffer outside must not change the servers' names.
  return hmacSid(keys.map(key => Buffer.from(key)))
}

function readRoute (option: string, value: unknown): () => StickyPolicy {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isFunction)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of functions that give the route of a request')
  }
  const sources = value.map(source => atOnce(option, source))
  return () => new StickyRoute(sources)
}

function readLearn (option: string, value: unknown): () => StickyPolicy {
  const given = record(option, value, LEARN)
  const { timeout = '10m', maxEntries = 10_000 } = given
  if (typeof maxEntries !== 'number' || !Number.isSafeInteger(maxEntries) || maxEntries < 1) {
    throw new FST_SCGI_OPT_INVALID(`${option}.maxEntries`, show(maxEntries), 'an integer of 1 or more')
  }
  const options = {
    create: session(`${option}.create`, given['create']),
    lookup: session(`${option}.lookup`, given['lookup']),
    timeout: parseTime(`${option}.timeout`, timeout),
    maxEntries,
    now: () => performance.now(),
  }
  if (options.timeout === 0) throw new FST_SCGI_OPT_INVALID(`${option}.timeout`, show(timeout), 'a time of more than 0')
  return () => new StickyLearn(options)
}

function readApache (option: string, value: unknown): () => StickyPolicy {
  const given = record(option, value, APACHE)
  const { cookie, param, separator = '.' } = given
  if (cookie === undefined && param === undefined) throw new FST_SCGI_OPT_INVALID(option, show(value), "a 'cookie', a 'param' or both")
  if (separator !== false && (typeof separator !== 'string' || separator.length !== 1)) {
    throw new FST_SCGI_OPT_INVALID(`${option}.separator`, show(separator), 'one character, or false')
  }
  const options = {
    cookie: cookie === undefined ? undefined : token(`${option}.cookie`, cookie),
    param: param === undefined ? undefined : token(`${option}.param`, param),
    separator: separator === false ? undefined : separator,
  }
  return () => new StickySuffix(options)
}

/** Milliseconds; cookies may live longer than timers. */
function expires (option: string, value: unknown): number | 'max' | undefined {
  if (value === undefined || value === 'max') return value
  const ms = parseLifetime(option, value)
  if (ms < 1000) throw new FST_SCGI_OPT_INVALID(option, show(value), "'max', or a time of 1 s or more, such as '1h', '30d', '1y'")
  return ms
}

function ofRequest (option: string, value: unknown, pattern: RegExp, expected: string): OfRequest {
  if (isFunction(value)) return atOnce(option, value)
  if (value === undefined || (typeof value === 'string' && pattern.test(value))) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
}

function session (option: string, value: unknown): string | ((...of: unknown[]) => unknown) {
  if (isFunction(value)) return atOnce(option, value)
  if (typeof value === 'string' && isToken(value)) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), 'a function that gives the session, or the name of a cookie')
}

function token (option: string, value: unknown): string {
  if (typeof value !== 'string' || !isToken(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a name without blanks and separators')
  return value
}

function record (option: string, value: unknown, known: ReadonlySet<string>): Record<string, unknown> {
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), `an object with ${[...known].join(', ')}`)
  for (const key of Object.keys(value)) if (!known.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: it has ${[...known].join(', ')}`)
  return value
}
