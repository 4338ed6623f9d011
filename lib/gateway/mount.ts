import { HeaderFilter } from './response-headers.ts'
import { compileParams, type ParamsEncoder } from '../upstream/params.ts'
import { parseNextUpstream } from '../upstream/next-upstream.ts'
import { parseBind, type Bind } from './bind.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { parseSize, parseTime, show } from '../units.ts'
import type { BodySettings } from './request-body.ts'
import type { PassSettings } from '../upstream/pass.ts'
import type { ExchangeHooks, ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** Options of a mount, checked and ready for use. */
export interface Mount {
  readonly encoder: ParamsEncoder<FastifyRequest>
  readonly pass: PassSettings
  readonly body: BodySettings
  readonly bind: Bind
  readonly filter: HeaderFilter
  /** Read the reply ahead of the client, and send it in one piece where it is complete at once. */
  readonly buffering: boolean
  /** Obey X-Accel-Buffering of the reply. */
  readonly accelBuffering: boolean
  readonly ignoreClientAbort: boolean
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
    params = {}, defaultParams = 'cgi', passRequestHeaders, underscoresInHeaders, forwarded = 'set', requestBuffering = true, buffering = true,
  } = options
  if (!SETS.includes(defaultParams)) throw new FST_SCGI_OPT_INVALID('defaultParams', show(defaultParams), "'cgi', 'nginx', 'minimal' or false")
  if (!FORWARDED.includes(forwarded)) throw new FST_SCGI_OPT_INVALID('forwarded', show(forwarded), "'set', 'pass' or 'drop'")
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new FST_SCGI_OPT_INVALID('params', show(params), 'an object of names and values')
  }
  const requestBuffer = flagOrObject('requestBuffering', requestBuffering, ['memory', 'tempPath'])
  const replyBuffer = flagOrObject('buffering', buffering, ['enabled', 'bufferSize'])
  const bufferSize = replyBuffer.bufferSize === undefined ? 65536 : parseSize('buffering.bufferSize', replyBuffer.bufferSize)
  if (bufferSize < 1024) throw new FST_SCGI_OPT_INVALID('buffering.bufferSize', show(replyBuffer.bufferSize), 'at least 1k')
  if (requestBuffer.tempPath !== undefined && typeof requestBuffer.tempPath !== 'string') {
    throw new FST_SCGI_OPT_INVALID('requestBuffering.tempPath', show(requestBuffer.tempPath), 'a directory')
  }
  const passRequestBody = flag('passRequestBody', options.passRequestBody, true)
  return {
    encoder: compileParams<FastifyRequest>({
      params,
      defaultParams,
      passRequestHeaders: headerNames(passRequestHeaders),
      underscoresInHeaders: flag('underscoresInHeaders', underscoresInHeaders, false),
      forwarded,
      maxParamsSize: options.maxParamsSize === undefined ? undefined : parseSize('maxParamsSize', options.maxParamsSize),
    }),
    pass: {
      nextUpstream: parseNextUpstream(options.nextUpstream),
      timeouts: {
        connect: time('connectTimeout', options.connectTimeout),
        send: time('sendTimeout', options.sendTimeout),
        read: time('readTimeout', options.readTimeout),
      },
      bufferSize,
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
    filter: new HeaderFilter(names('hideHeaders', options.hideHeaders), names('passHeaders', options.passHeaders)),
    buffering: buffering !== false && flag('buffering.enabled', replyBuffer.enabled, true),
    accelBuffering: !ignored(options.ignoreHeaders).has('x-accel-buffering'),
    ignoreClientAbort: flag('ignoreClientAbort', options.ignoreClientAbort, false),
    preserveHeaderCase: flag('preserveHeaderCase', options.preserveHeaderCase, false),
    hooks: {
      ...hook('rewriteRequestHeaders', options.rewriteRequestHeaders),
      ...hook('rewriteHeaders', options.rewriteHeaders),
      ...hook('onResponse', options.onResponse),
      ...hook('onError', options.onError),
    },
  }
}

function hook<Name extends keyof ExchangeHooks> (name: Name, value: ExchangeHooks[Name]): Pick<ExchangeHooks, Name> | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'function') throw new FST_SCGI_OPT_INVALID(name, show(value), 'a function')
  const hooks: Partial<ExchangeHooks> = {}
  hooks[name] = value
  return hooks
}

function time (option: string, value: unknown): number {
  return value === undefined ? MINUTE : parseTime(option, value)
}

/** @throws FST_SCGI_OPT_INVALID */
export function flag (option: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(option, show(value), 'true or false')
  return value
}

function flagOrObject<T extends object> (option: string, value: boolean | T, keys: readonly string[]): Partial<T> {
  if (typeof value === 'boolean') return {}
  if (typeof value !== 'object' || value === null) throw new FST_SCGI_OPT_INVALID(option, show(value), `true, false or { ${keys.join(', ')} }`)
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
  return value === undefined || typeof value === 'boolean' ? value : names('passRequestHeaders', value)
}

/** Headers whose effect can be switched off: those that have one. */
const EFFECTIVE = ['x-accel-buffering']

function ignored (value: unknown): Set<string> {
  const list = names('ignoreHeaders', value).map(name => name.toLowerCase())
  for (const name of list) {
    if (!EFFECTIVE.includes(name)) {
      throw new FST_SCGI_OPT_INVALID('ignoreHeaders', show(name), `headers that have an effect on the gateway: ${EFFECTIVE.join(', ')}`)
    }
  }
  return new Set(list)
}
