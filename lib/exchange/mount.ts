import { HeaderFilter } from '../reply/response-headers.ts'
import { compileParams, type ParamsEncoder } from '../request/params.ts'
import { parseNextUpstream } from '../balancer/next-upstream.ts'
import { parsePathRules } from '../routing/path-options.ts'
import { parseBind, type Bind } from '../request/bind.ts'
import { CachePolicy, readRuleSet } from '../cache/options.ts'
import { compileStore, type Store } from '../mirror/store.ts'
import { compileBuffering, type ReplyBuffering } from '../reply/buffering-options.ts'
import { compileResponse, type ResponseSettings } from './response-options.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { parseSize, parseTime, show } from '../options/units.ts'
import { flag, isRecord, orSwitch } from '../options/checks.ts'
import { atOnce } from '../options/functions.ts'
import type { BodySettings } from '../request/body-reader.ts'
import type { PathRules } from '../routing/canonical-path.ts'
import type { PassSettings } from '../attempts/pass.ts'
import type { CacheOptions } from '../../types/cache.ts'
import type { ExchangeHooks, ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** Options of a mount, checked and ready for use. */
export interface Mount {
  readonly encoder: ParamsEncoder<FastifyRequest>
  readonly pass: PassSettings
  readonly body: BodySettings
  readonly bind: Bind
  readonly filter: HeaderFilter
  /** How the reply is read ahead of the client. */
  readonly buffering: ReplyBuffering
  readonly response: ResponseSettings
  /** How paths are read. */
  readonly paths: PathRules
  readonly store: Store<FastifyRequest> | undefined
  readonly cache: CachePolicy<FastifyRequest> | undefined
  readonly ignoreClientAbort: boolean
  /** Informational replies (1xx) are handed on, by what the server speaks. */
  readonly earlyHints: boolean | undefined
  /** A client may ask for another protocol. */
  readonly upgrade: boolean
  readonly preserveHeaderCase: boolean
  readonly hooks: ExchangeHooks
}

const MINUTE = 60_000
const SETS = ['cgi', 'nginx', 'minimal', false]
const FORWARDED = ['set', 'pass', 'drop']

/**
 * Checks the options of an exchange.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileMount (options: ExchangeOptions & ExchangeHooks): Mount {
  const {
    params = {}, defaultParams = 'cgi', passRequestHeaders, underscoresInHeaders, forwarded = 'set', requestBuffering = true,
  } = options
  if (!SETS.includes(defaultParams)) throw new FST_SCGI_OPT_INVALID('defaultParams', show(defaultParams), orSwitch(defaultParams, "'cgi', 'nginx', 'minimal' or false"))
  if (!FORWARDED.includes(forwarded)) throw new FST_SCGI_OPT_INVALID('forwarded', show(forwarded), "'set', 'pass' or 'drop'")
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new FST_SCGI_OPT_INVALID('params', show(params), 'an object of names and values')
  }
  const requestBuffer = flagOrObject('requestBuffering', requestBuffering, ['memory', 'tempPath'])
  const buffering = compileBuffering(options.buffering)
  if (requestBuffer.tempPath !== undefined && typeof requestBuffer.tempPath !== 'string') {
    throw new FST_SCGI_OPT_INVALID('requestBuffering.tempPath', show(requestBuffer.tempPath), 'a directory')
  }
  const response = compileResponse(options)
  // `{ enabled: false }` has sizes for the replies that ask for it with X-Accel-Buffering, where that is not ignored.
  const neverBuffered = options.buffering === false || (!buffering.enabled && !response.accel.buffering)
  if (neverBuffered && response.limitRate !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED('limitRate', "with 'buffering: false' nothing is read ahead of the client that a rate could hold back")
  }
  const hidden = [...names('hideHeaders', options.hideHeaders), ...response.hidden]
  const paths = parsePathRules(options)
  const cacheRules = readRuleSet(options.cacheRules, 'cacheRules')
  const passRequestBody = flag('passRequestBody', options.passRequestBody, true)
  const encoder = compileParams<FastifyRequest>({
    params,
    defaultParams,
    passRequestHeaders: headerNames(passRequestHeaders),
    underscoresInHeaders: flag('underscoresInHeaders', underscoresInHeaders, false),
    forwarded,
    maxParamsSize: options.maxParamsSize === undefined ? undefined : parseSize('maxParamsSize', options.maxParamsSize),
  })
  return {
    encoder,
    pass: {
      nextUpstream: parseNextUpstream(options.nextUpstream),
      timeouts: {
        connect: time('connectTimeout', options.connectTimeout),
        send: time('sendTimeout', options.sendTimeout),
        read: time('readTimeout', options.readTimeout),
      },
      bufferSize: buffering.bufferSize,
      socketKeepalive: keepalive(options.socketKeepalive),
    },
    body: {
      pass: passRequestBody,
      buffering: requestBuffering !== false,
      spool: {
        memory: requestBuffer.memory === undefined ? 16_384 : parseSize('requestBuffering.memory', requestBuffer.memory),
        tempPath: requestBuffer.tempPath,
      },
      timeout: time('clientBodyTimeout', options.clientBodyTimeout),
    },
    bind: parseBind(options.bind),
    filter: new HeaderFilter(hidden, names('passHeaders', options.passHeaders)),
    buffering,
    response,
    paths,
    cache: options.cache === undefined || options.cache === false ? undefined : cachePolicy(ruled(options.cache, cacheRules), options),
    store: options.store === undefined || options.store === false
      ? undefined
      : compileStore<FastifyRequest>(options.store, tempDirectory(options.buffering), paths.encodedSlashes === 'keep'),
    upgrade: flag('upgrade', options.upgrade, true) && encoder.sendsUpgrade,
    ignoreClientAbort: flag('ignoreClientAbort', options.ignoreClientAbort, false),
    earlyHints: options.earlyHints === undefined ? undefined : flag('earlyHints', options.earlyHints, false),
    preserveHeaderCase: flag('preserveHeaderCase', options.preserveHeaderCase, false),
    hooks: hooks(options),
  }
}

/** The hooks whose value is needed, and those that may take their time. */
function hooks ({ rewriteRequestHeaders, rewriteHeaders, onResponse, onError }: ExchangeHooks): ExchangeHooks {
  for (const [name, value] of Object.entries({ rewriteRequestHeaders, rewriteHeaders, onResponse, onError })) {
    if (value !== undefined && typeof value !== 'function') throw new FST_SCGI_OPT_INVALID(name, show(value), 'a function')
  }
  return {
    ...(rewriteRequestHeaders !== undefined && { rewriteRequestHeaders: atOnce('rewriteRequestHeaders', rewriteRequestHeaders) }),
    ...(rewriteHeaders !== undefined && { rewriteHeaders: atOnce('rewriteHeaders', rewriteHeaders) }),
    ...(onResponse !== undefined && { onResponse }),
    ...(onError !== undefined && { onError }),
  }
}

function time (option: string, value: unknown): number {
  return value === undefined ? MINUTE : parseTime(option, value)
}

function flagOrObject<T extends object> (option: string, value: boolean | T, keys: readonly string[]): Partial<T> {
  if (typeof value === 'boolean') return {}
  if (typeof value !== 'object' || value === null) throw new FST_SCGI_OPT_INVALID(option, show(value), orSwitch(value, `true, false or { ${keys.join(', ')} }`))
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) throw new FST_SCGI_OPT_INVALID(`${option}.${key}`, show(Reflect.get(value, key)), `one of ${keys.join(', ')}`)
  }
  return value
}

function keepalive (value: ExchangeOptions['socketKeepalive']): number | undefined {
  if (value === undefined || value === false) return undefined
  return parseTime('socketKeepalive.initialDelay', flagOrObject('socketKeepalive', value, ['initialDelay']).initialDelay ?? 0)
}

function names (option: string, value: unknown): string[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.some(name => typeof name !== 'string' || name === '')) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of header names')
  }
  return value
}

function headerNames (value: ExchangeOptions['passRequestHeaders']): boolean | readonly string[] | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  if (!Array.isArray(value)) throw new FST_SCGI_OPT_INVALID('passRequestHeaders', show(value), orSwitch(value, 'true, false or a list of header names'))
  return names('passRequestHeaders', value)
}

/** Unfinished copies are written where temporary files go, if that was said. */
function tempDirectory (buffering: ExchangeOptions['buffering']): string | undefined {
  const path = typeof buffering === 'object' ? buffering.tempPath : undefined
  return typeof path === 'object' ? path.path : path
}

/** The rules of the mount stand for those that the cache does not name; what is wrong with it is said elsewhere. */
function ruled (cache: CacheOptions, rules: 'rfc9111' | 'nginx'): CacheOptions {
  return rules === 'nginx' && isRecord(cache) && cache.rules === undefined ? { ...cache, rules } : cache
}

function cachePolicy (cache: CacheOptions, options: ExchangeOptions): CachePolicy<FastifyRequest> {
  const { store, ignoreHeaders = [], buffering, preserveHeaderCase } = options
  if (store !== undefined && store !== false) throw new FST_SCGI_OPT_UNSUPPORTED('cache', "a mount has either 'cache' or 'store'")
  return new CachePolicy<FastifyRequest>(cache, ignoreHeaders, tempDirectory(buffering), preserveHeaderCase)
}
