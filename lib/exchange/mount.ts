import { STEERING } from '../http/accel-headers.ts'
import { HeaderFilter } from '../reply/response-headers.ts'
import { compileParams, type ParamsEncoder } from '../request/params.ts'
import { parseNextUpstream } from '../balancer/next-upstream.ts'
import { parsePathRules } from '../routing/path-options.ts'
import { parseBind, type Bind } from '../request/bind.ts'
import { CachePolicy } from '../cache/options.ts'
import { compileStore, type Mirror } from '../mirror/store.ts'
import { compileBuffering, type ReplyBuffering } from '../reply/buffering-options.ts'
import { compileResponse, type ResponseSettings } from './response-options.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { show } from '../options/units.ts'
import { isRecord } from '../options/checks.ts'
import { readKnown } from '../options/read.ts'
import { initialDelay } from '../options/table/connections.ts'
import { EXCHANGE } from '../options/table/plugin.ts'
import { spoolOf } from '../options/table/request.ts'
import { atOnce } from '../options/functions.ts'
import type { BodySettings } from '../request/body-reader.ts'
import type { ReplySettings } from '../reply/settings.ts'
import type { PathRules } from '../routing/canonical-path.ts'
import type { PassSettings } from '../attempts/contract.ts'
import type { CacheOptions } from '../../types/cache.ts'
import type { ExchangeHooks, ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** Options of a mount, checked and ready for use. */
export interface Mount extends ReplySettings {
  readonly encoder: ParamsEncoder<FastifyRequest>
  readonly pass: PassSettings
  readonly body: BodySettings
  readonly bind: Bind
  /** How the reply is read ahead of the client. */
  readonly buffering: ReplyBuffering
  readonly response: ResponseSettings
  /** How paths are read. */
  readonly paths: PathRules
  readonly store: Mirror<FastifyRequest> | undefined
  readonly ignoreClientAbort: boolean
  /** Informational replies (1xx) are handed on, by what the server speaks. */
  readonly earlyHints: boolean | undefined
  /** A client may ask for another protocol. */
  readonly upgrade: boolean
  readonly hooks: ExchangeHooks
}

/**
 * Checks the options of an exchange.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileMount (options: ExchangeOptions & ExchangeHooks): Mount {
  const read = readKnown(EXCHANGE, options, '')
  const { params = {} } = options
  if (!isRecord(params)) throw new FST_SCGI_OPT_INVALID('params', show(params), 'an object of names and values')
  const buffering = compileBuffering(options.buffering)
  const response = compileResponse(options)
  // `{ enabled: false }` has sizes for the replies that ask for it with X-Accel-Buffering, where that is not ignored.
  const neverBuffered = options.buffering === false || (!buffering.enabled && !response.obeyed.has(STEERING.buffering.name))
  if (neverBuffered && response.limitRate !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED('limitRate', "with 'buffering: false' nothing is read ahead of the client that a rate could hold back")
  }
  const paths = parsePathRules(options)
  const encoder = compileParams<FastifyRequest>({
    params,
    defaultParams: read.defaultParams,
    passRequestHeaders: read.passRequestHeaders,
    underscoresInHeaders: read.underscoresInHeaders,
    forwarded: read.forwarded,
    maxParamsSize: read.maxParamsSize,
    dropped: response.hidden,
  })
  return {
    encoder,
    pass: {
      nextUpstream: parseNextUpstream(options.nextUpstream),
      timeouts: { connect: read.connectTimeout, send: read.sendTimeout, read: read.readTimeout },
      bufferSize: buffering.bufferSize,
      socketKeepalive: initialDelay(read.socketKeepalive),
    },
    body: {
      pass: read.passRequestBody,
      buffering: read.requestBuffering !== false,
      spool: spoolOf(read.requestBuffering),
      timeout: read.clientBodyTimeout,
    },
    bind: parseBind(options.bind),
    filter: new HeaderFilter([...read.hideHeaders, ...response.hidden], read.passHeaders),
    buffering,
    response,
    paths,
    cache: options.cache === undefined || options.cache === false ? undefined : cachePolicy(ruled(options.cache, read.cacheRules), options),
    store: options.store === undefined || options.store === false
      ? undefined
      : compileStore<FastifyRequest>(options.store, tempDirectory(options.buffering), paths.encodedSlashes === 'keep'),
    upgrade: read.upgrade && encoder.sendsUpgrade,
    ignoreClientAbort: read.ignoreClientAbort,
    earlyHints: read.earlyHints,
    preserveHeaderCase: read.preserveHeaderCase,
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
