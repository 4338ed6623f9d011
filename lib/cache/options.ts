import { CacheZone } from './zone.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { isBareToken } from './dictionary.ts'
import { show } from '../options/units.ts'
import { parseUseStale } from './use-stale.ts'
import { parseValid } from './valid.ts'
import { STEERING, steeringHeaders } from '../http/accel-headers.ts'
import { headerName, isToken } from '../http/token.ts'
import { orSwitch } from '../options/checks.ts'
import { checkKeys } from '../options/keys.ts'
import { readRows } from '../options/read.ts'
import { CACHE, HEURISTIC, LOCK } from '../options/table/cache.ts'
import { atOnce } from '../options/functions.ts'
import type { Values } from '../options/row.ts'
import type { CacheOptions, CachePredicate } from '../../types/cache.ts'
import type { CacheRules, RfcRules } from './rules.ts'
import type { IgnoredHeaders } from './freshness.ts'

/** The names that `ignoreHeaders` has for the cache, in lower case. */
export const CACHE_HEADERS: readonly string[] = [
  ...steeringHeaders(({ obeyedBy }) => obeyedBy === 'cache').map(({ name }) => name), 'cache-control', 'expires', 'set-cookie', 'vary',
]

/** The option `cache` of a mount, read. */
export class CachePolicy<Request> {
  readonly rules: CacheRules
  /** Name of the header with the cache status, in lower case. */
  readonly statusHeader: string | undefined
  /** Send Age. */
  readonly age: boolean
  readonly #zone: CacheOptions<Request>['zone']
  readonly #key: ((request: Request) => string) | undefined
  readonly #methods: ReadonlySet<string>
  readonly #bypass: readonly CachePredicate<Request>[]
  readonly #noCache: readonly CachePredicate<Request>[]

  /**
   * @param ignoreHeaders the option of the mount, in any case; names that are not the cache's are left to others
   * @param tempPath of the option `buffering`, for caches with `useTempPath`
   * @param headerCase the option `preserveHeaderCase`
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  constructor (options: CacheOptions<Request>, ignoreHeaders: readonly string[], tempPath?: string, headerCase = false) {
    const read = readOptions(options)
    const ignore = readIgnored(ignoreHeaders)
    this.rules = { ...readRules(options, read, ignore), tempPath, headerCase }
    this.#zone = typeof options.zone === 'function' ? atOnce('cache.zone', options.zone) : checkZone('cache.zone', options.zone)
    if (options.key !== undefined && typeof options.key !== 'function') throw new FST_SCGI_OPT_INVALID('cache.key', show(options.key), 'a function')
    this.#key = options.key === undefined ? undefined : atOnce('cache.key', options.key)
    this.#methods = readMethods(options)
    this.#bypass = readPredicates('cache.bypass', options.bypass)
    this.#noCache = readPredicates('cache.noCache', options.noCache)
    this.age = read.age ?? this.rules.rfc !== undefined
    this.statusHeader = readStatusHeader(options.statusHeader)
  }

  /** The cache has to do with requests of this method. */
  covers (method: string): boolean {
    return this.#methods.has(method)
  }

  /**
   * The cache for a request; `undefined` is none.
   * @throws FST_SCGI_OPT_INVALID, and what the user's function throws
   */
  zoneOf (request: Request): CacheZone | undefined {
    const zone = typeof this.#zone === 'function' ? this.#zone(request) : this.#zone
    return zone === false ? undefined : checkZone('cache.zone()', zone)
  }

  /**
   * The key of a request; `undefined` if it is the default one.
   * @throws FST_SCGI_OPT_INVALID, and what the user's function throws
   */
  keyOf (request: Request): string | undefined {
    if (this.#key === undefined) return undefined
    const key: unknown = this.#key(request)
    if (typeof key !== 'string') throw new FST_SCGI_OPT_INVALID('cache.key()', show(key), 'a string')
    return key
  }

  /** The cache, where it is the same for all requests. */
  get zone (): CacheZone | undefined {
    return this.#zone instanceof CacheZone ? this.#zone : undefined
  }

  /** No function of the user's has a say in which entry a request gets. */
  get isDefault (): boolean {
    return this.zone !== undefined && this.#key === undefined && this.#bypass.length === 0
  }

  /** @throws FST_SCGI_OPT_INVALID, and what the user's function throws */
  bypass (request: Request): boolean {
    return this.#bypass.length > 0 && holds(this.#bypass, request)
  }

  /** @throws FST_SCGI_OPT_INVALID, and what the user's function throws */
  noCache (request: Request): boolean {
    return this.#noCache.length > 0 && holds(this.#noCache, request)
  }
}

function holds<Request> (predicates: readonly CachePredicate<Request>[], request: Request): boolean {
  return predicates.some(predicate => {
    const value = predicate(request)
    return value !== undefined && value !== null && value !== false && value !== '' && value !== '0'
  })
}

function readRules<Request> (
  options: CacheOptions<Request>, read: Values<typeof CACHE>, ignore: IgnoredHeaders
): Omit<CacheRules, 'tempPath' | 'headerCase'> {
  const { lock, minUses, rules, clientControl, backgroundUpdate } = read
  const byRfc = rules === 'rfc9111'
  const { authorization = byRfc ? 'rfc9111' : 'ignore', revalidate = byRfc, convertHead = byRfc, maxRangeOffset = Infinity } = read
  const waits = typeof lock === 'boolean' ? readRows(LOCK, {}, 'cache.lock') : lock
  const useStale = parseUseStale('cache.useStale', options.useStale)
  if (backgroundUpdate && !useStale.updating && ignore.cacheControl) {
    throw new FST_SCGI_OPT_UNSUPPORTED('cache.backgroundUpdate',
      "nothing lets an expired entry be served while it is renewed: add 'updating' to useStale, or leave Cache-Control out of ignoreHeaders")
  }
  return {
    valid: parseValid('cache.valid', options.valid),
    rfc: byRfc ? readRfcRules(options, read) : refuseRfcOptions(options),
    obeyClient: clientControl === 'obey',
    cacheStatus: readCacheStatus(options.cacheStatus, byRfc),
    ignore,
    ignoreAuthorization: authorization === 'ignore',
    minUses,
    lock: lock !== false,
    lockAge: waits.age,
    lockTimeout: waits.timeout,
    useStale,
    backgroundUpdate,
    revalidate,
    convertHead,
    maxRangeOffset,
  }
}

function readRfcRules<Request> (options: CacheOptions<Request>, { setCookie, heuristic, targets: given }: Values<typeof CACHE>): RfcRules {
  const targets: unknown = given
  if (!Array.isArray(targets) || !targets.every(name => typeof name === 'string' && isToken(name))) {
    throw new FST_SCGI_OPT_INVALID('cache.targets', show(targets), "a list of header names, such as ['Gateway-Cache-Control', 'CDN-Cache-Control']")
  }
  return {
    targets: targets.map(name => name.toLowerCase()),
    setCookie,
    heuristic: heuristic === true ? readRows(HEURISTIC, {}, 'cache.heuristic') : heuristic === false ? undefined : heuristic,
  }
}

/** Options that only the rules of RFC 9111 have. */
function refuseRfcOptions<Request> (options: CacheOptions<Request>): undefined {
  for (const name of ['targets', 'heuristic', 'setCookie'] as const) {
    if (options[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`cache.${name}`, "it belongs to rules: 'rfc9111'")
  }
}

/** A name for Cache-Status is a string or a token (RFC 9211 section 2). */
function readCacheStatus (value: unknown, otherwise: boolean): string | undefined {
  const wanted = value ?? otherwise
  if (typeof wanted === 'boolean') return wanted ? 'fastify-scgi' : undefined
  if (typeof wanted !== 'string' || !/^[\x20-\x7e]+$/.test(wanted)) {
    throw new FST_SCGI_OPT_INVALID('cache.cacheStatus', show(wanted), 'true, false or the name of this cache')
  }
  return isBareToken(wanted) ? wanted : `"${wanted.replace(/["\\]/g, '\\$&')}"`
}

function readIgnored (names: readonly string[]): IgnoredHeaders {
  const ignored = new Set(names.map(name => name.toLowerCase()))
  return {
    accelExpires: ignored.has(STEERING.expires.name),
    cacheControl: ignored.has('cache-control'),
    expires: ignored.has('expires'),
    setCookie: ignored.has('set-cookie'),
    vary: ignored.has('vary'),
  }
}

function readMethods<Request> (options: CacheOptions<Request>): ReadonlySet<string> {
  const { methods = [] } = options
  if (!Array.isArray(methods)) throw new FST_SCGI_OPT_INVALID('cache.methods', show(methods), "a list of 'GET', 'HEAD', 'POST'")
  for (const method of methods) {
    if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') {
      throw new FST_SCGI_OPT_INVALID('cache.methods', show(method), "some of 'GET', 'HEAD', 'POST'")
    }
    if (method === 'POST' && options.key === undefined) {
      throw new FST_SCGI_OPT_UNSUPPORTED('cache.methods', "replies to POST depend on the body: give a 'key' that tells them apart")
    }
  }
  return new Set(['GET', 'HEAD', ...methods])
}

function readPredicates<Request> (
  option: string, value: CachePredicate<Request> | CachePredicate<Request>[] | undefined
): CachePredicate<Request>[] {
  if (value === undefined) return []
  const list = Array.isArray(value) ? value : [value]
  return list.map(predicate => {
    if (typeof predicate !== 'function') throw new FST_SCGI_OPT_INVALID(option, show(predicate), 'a function, or a list of functions')
    return atOnce(option, predicate)
  })
}

function readStatusHeader (value: string | false | undefined): string | undefined {
  if (value === undefined || value === false) return undefined
  return headerName('cache.statusHeader', value, orSwitch(value, "the name of a header, such as 'X-Cache-Status', or false"))
}

function checkZone (option: string, zone: unknown): CacheZone {
  if (zone instanceof CacheZone) return zone
  throw new FST_SCGI_OPT_INVALID(option, show(zone), 'a cache made by createCache')
}

function readOptions (options: unknown): Values<typeof CACHE> {
  if (typeof options !== 'object' || options === null) {
    throw new FST_SCGI_OPT_INVALID('cache', show(options), orSwitch(options, "an object with the option 'zone', or false"))
  }
  if (!('zone' in options) || options.zone === undefined) {
    checkKeys('cache', options, Object.keys(CACHE), 'it')
    throw new FST_SCGI_OPT_INVALID('cache.zone', 'missing', 'a cache made by createCache')
  }
  return readRows(CACHE, options, 'cache', 'it')
}
