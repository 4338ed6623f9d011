import { StickySuffix } from '../balancer/sticky/apache.ts'
import { StickyCookie, hmacSid, nginxSid, type OfRequest, type Sid } from '../balancer/sticky/cookie.ts'
import { StickyLearn } from '../balancer/sticky/learn.ts'
import { StickyRoute } from '../balancer/sticky/route.ts'
import { Stickiness } from '../balancer/sticky/stickiness.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isToken } from '../http/token.ts'
import { parseLifetime, show } from '../options/units.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { STICKY, type STICKY_APACHE, type STICKY_COOKIE, type STICKY_LEARN } from '../options/table/sticky.ts'
import { atOnce } from '../options/functions.ts'
import type { StickyPolicy } from '../balancer/sticky/policy.ts'
import type { Values } from '../options/row.ts'

/** The sessions of a group, made again for each group. */
export type StickySettings = <T> () => Stickiness<T>

/** Of these a group has one. */
export const STICKY_KINDS = ['cookie', 'route', 'learn', 'apache'] as const

/** A shorter key could be found by trying. */
const MIN_SECRET = 16

/**
 * Reads the option `sticky` of a group.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readSticky (option: string, value: unknown): StickySettings | undefined {
  if (value === undefined) return undefined
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), `an object with ${Object.keys(STICKY).join(', ')}`)
  const given = readRows(STICKY, value, option, 'it')
  const kinds = STICKY_KINDS.filter(name => given[name] !== undefined)
  if (kinds.length !== 1) throw new FST_SCGI_OPT_INVALID(option, show(value), `one of ${STICKY_KINDS.map(name => `{ ${name} }`).join(', ')}`)
  const policy = readPolicy(option, given)
  return () => new Stickiness(policy(), given.failover)
}

function readPolicy (option: string, { cookie, route, learn, apache }: Values<typeof STICKY>): () => StickyPolicy {
  if (cookie !== undefined) return readCookie(`${option}.cookie`, cookie)
  if (learn !== undefined) return readLearn(`${option}.learn`, learn)
  if (apache !== undefined) return readApache(`${option}.apache`, apache)
  return readRoute(`${option}.route`, route)
}

function readCookie (option: string, given: Values<typeof STICKY_COOKIE>): () => StickyPolicy {
  const { path, httpOnly, secure } = given
  const sameSite = ofRequest(`${option}.sameSite`, given.sameSite, /^(?:strict|lax|none)$/, "'strict', 'lax', 'none' or a function that gives one")
  if (sameSite === 'none' && secure === false) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.sameSite`, "browsers take a cookie with 'none' only if it is secure")
  }
  const options = {
    name: token(`${option}.name`, given.name),
    sid: readSid(option, given.secret, given.nginxSid),
    expires: expires(`${option}.expires`, given.expires),
    domain: ofRequest(`${option}.domain`, given.domain, /^[\x21-\x3a\x3c-\x7e]+$/, 'a domain, or a function that gives one'),
    path: path === '' ? undefined : path,
    httpOnly,
    secure,
    sameSite,
  }
  return () => new StickyCookie(options)
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
  // What happens to a Buffer outside must not change the servers' names.
  return hmacSid(keys.map(key => Buffer.from(key)))
}

function readRoute (option: string, value: unknown): () => StickyPolicy {
  if (!Array.isArray(value) || value.length === 0 || !value.every(isFunction)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of functions that give the route of a request')
  }
  const sources = value.map(source => atOnce(option, source))
  return () => new StickyRoute(sources)
}

function readLearn (option: string, given: Values<typeof STICKY_LEARN>): () => StickyPolicy {
  const options = {
    create: session(`${option}.create`, given.create),
    lookup: session(`${option}.lookup`, given.lookup),
    timeout: given.timeout,
    maxEntries: given.maxEntries,
    now: () => performance.now(),
  }
  return () => new StickyLearn(options)
}

function readApache (option: string, { separator, ...given }: Values<typeof STICKY_APACHE>): () => StickyPolicy {
  const cookie = given.cookie === undefined ? undefined : token(`${option}.cookie`, given.cookie)
  const param = given.param === undefined ? undefined : token(`${option}.param`, given.param)
  if (cookie === undefined && param === undefined) throw new FST_SCGI_OPT_INVALID(option, show({ separator }), "a 'cookie', a 'param' or both")
  const options = { cookie, param, separator: separator === false ? undefined : separator }
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
