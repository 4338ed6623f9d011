import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { isUnbound, parseFixedAddress, parseLocalAddress, type LocalAddress } from '../connections/local-address.ts'
import { parseNextUpstream } from '../balancer/next-upstream.ts'
import { compileParams, type ParamsEncoder } from '../request/params.ts'
import { utf8 } from '../bytes/text.ts'
import { mountSegments } from '../http/path.ts'
import { parsePathRules } from '../routing/path-options.ts'
import { parseSize, parseTime, show } from '../options/units.ts'
import { flag, orSwitch } from '../options/checks.ts'
import { atOnce } from '../options/functions.ts'
import type { SpoolOptions } from '../files/spool.ts'
import type { PathRules } from '../routing/canonical-path.ts'
import type { PassSettings } from '../attempts/pass.ts'
import type { DispatchOptions, ScgiDispatcherOptions } from '../../types/dispatcher.ts'

/** Options of a dispatcher, checked and ready for use. */
export interface Settings {
  readonly encoder: ParamsEncoder<DispatchOptions>
  readonly pass: PassSettings
  /** Collect streams whose length is known, too. */
  readonly buffering: boolean
  readonly spool: SpoolOptions
  readonly bind: (options: DispatchOptions) => LocalAddress | undefined
  /** One character is one byte. */
  readonly scriptName: string
  /** Path segments of `scriptName`. */
  readonly segments: number
  readonly paths: PathRules
}

const NAMES: ReadonlySet<string> = new Set<keyof ScgiDispatcherOptions>([
  'params', 'defaultParams', 'maxParamsSize', 'passRequestHeaders', 'underscoresInHeaders', 'forwarded', 'scriptName',
  'requestBuffering', 'bind', 'socketKeepalive', 'connectTimeout', 'sendTimeout', 'readTimeout', 'bufferSize', 'nextUpstream',
  'encodedSlashes', 'mergeSlashes',
])
const SETS: readonly unknown[] = ['cgi', 'nginx', 'minimal', false]

/**
 * Checks the options of a dispatcher.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function readOptions (options: ScgiDispatcherOptions): Settings {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), 'an object')
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw new FST_SCGI_OPT_UNKNOWN(name, `: a dispatcher has ${[...NAMES].join(', ')}`)
  }
  const {
    params = {}, defaultParams = 'cgi', maxParamsSize, passRequestHeaders, underscoresInHeaders = false, forwarded = 'pass',
    scriptName = '', connectTimeout = '60s', sendTimeout = '60s', readTimeout = '60s', bufferSize = '64k',
  } = options
  if (typeof params !== 'object' || params === null || Array.isArray(params)) {
    throw new FST_SCGI_OPT_INVALID('params', show(params), 'an object of names and values')
  }
  if (!SETS.includes(defaultParams)) throw new FST_SCGI_OPT_INVALID('defaultParams', show(defaultParams), "'cgi', 'nginx', 'minimal' or false")
  if (forwarded !== 'pass' && forwarded !== 'drop') throw new FST_SCGI_OPT_INVALID('forwarded', show(forwarded), "'pass' or 'drop'")
  const size = parseSize('bufferSize', bufferSize)
  if (size < 1024) throw new FST_SCGI_OPT_INVALID('bufferSize', show(bufferSize), 'at least 1k')
  if (typeof scriptName !== 'string' || !/^(?:\/[^\0?#]*[^\0?#/])?$/.test(scriptName)) {
    throw new FST_SCGI_OPT_INVALID('scriptName', show(scriptName), "'', or a path that begins with '/' and does not end in one")
  }
  return {
    encoder: compileParams<DispatchOptions>({
      params,
      defaultParams,
      passRequestHeaders: headerNames(passRequestHeaders),
      underscoresInHeaders: flag('underscoresInHeaders', underscoresInHeaders, false),
      forwarded,
      maxParamsSize: maxParamsSize === undefined ? undefined : parseSize('maxParamsSize', maxParamsSize),
    }),
    pass: {
      nextUpstream: parseNextUpstream(options.nextUpstream),
      timeouts: {
        connect: parseTime('connectTimeout', connectTimeout),
        send: parseTime('sendTimeout', sendTimeout),
        read: parseTime('readTimeout', readTimeout),
      },
      bufferSize: size,
      socketKeepalive: keepalive(options.socketKeepalive),
    },
    ...requestBuffering(options.requestBuffering),
    bind: bind(options.bind),
    scriptName: utf8(scriptName),
    segments: mountSegments(`${scriptName}/*`),
    paths: parsePathRules(options),
  }
}

function headerNames (value: unknown): boolean | readonly string[] | undefined {
  if (value === undefined || typeof value === 'boolean') return value
  if (!Array.isArray(value) || value.some(name => typeof name !== 'string' || name === '')) {
    throw new FST_SCGI_OPT_INVALID('passRequestHeaders', show(value), orSwitch(value, 'true, false or a list of header names'))
  }
  return value
}

function requestBuffering (value: ScgiDispatcherOptions['requestBuffering'] = true): Pick<Settings, 'buffering' | 'spool'> {
  const given = typeof value === 'boolean' ? {} : value
  if (typeof given !== 'object' || given === null) {
    throw new FST_SCGI_OPT_INVALID('requestBuffering', show(value), orSwitch(value, 'true, false or { memory, tempPath }'))
  }
  for (const key of Object.keys(given)) {
    if (key !== 'memory' && key !== 'tempPath') throw new FST_SCGI_OPT_UNKNOWN(`requestBuffering.${key}`, ': it has memory, tempPath')
  }
  const { memory = '16k', tempPath } = given
  if (tempPath !== undefined && typeof tempPath !== 'string') {
    throw new FST_SCGI_OPT_INVALID('requestBuffering.tempPath', show(tempPath), 'a directory')
  }
  return { buffering: value !== false, spool: { memory: parseSize('requestBuffering.memory', memory), tempPath } }
}

function keepalive (value: ScgiDispatcherOptions['socketKeepalive'] = false): number | undefined {
  if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) if (key !== 'initialDelay') throw new FST_SCGI_OPT_UNKNOWN(`socketKeepalive.${key}`, ': it has initialDelay')
    return parseTime('socketKeepalive.initialDelay', value.initialDelay ?? 0)
  }
  return flag('socketKeepalive', value, false) ? 0 : undefined
}

function bind (value: ScgiDispatcherOptions['bind'] = false): Settings['bind'] {
  if (typeof value === 'function') {
    const ask = atOnce('bind', value)
    return options => {
      const given = ask(options)
      return isUnbound(given) ? undefined : parseLocalAddress(given, ' or false')
    }
  }
  const address = isUnbound(value) ? undefined : parseFixedAddress(value, ', a function or false')
  return () => address
}
