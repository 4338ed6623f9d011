import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { chosenAddress, isUnbound, parseFixedAddress, type LocalAddress } from '../connections/local-address.ts'
import { parseNextUpstream } from '../balancer/next-upstream.ts'
import { compileParams, type ParamsEncoder } from '../request/params.ts'
import { utf8 } from '../bytes/text.ts'
import { mountSegments } from '../http/path.ts'
import { parsePathRules } from '../routing/path-options.ts'
import { show } from '../options/units.ts'
import { isRecord } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { initialDelay } from '../options/table/connections.ts'
import { DISPATCHER } from '../options/table/doors.ts'
import { spoolOf } from '../options/table/request.ts'
import { atOnce } from '../options/functions.ts'
import type { SpoolOptions } from '../files/spool.ts'
import type { PathRules } from '../routing/canonical-path.ts'
import type { PassSettings } from '../attempts/contract.ts'
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

/**
 * Checks the options of a dispatcher.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function readOptions (options: ScgiDispatcherOptions): Settings {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), 'an object')
  const read = readRows(DISPATCHER, options, '', 'a dispatcher')
  const { params = {} } = options
  if (!isRecord(params)) throw new FST_SCGI_OPT_INVALID('params', show(params), 'an object of names and values')
  return {
    encoder: compileParams<DispatchOptions>({
      params,
      defaultParams: read.defaultParams,
      passRequestHeaders: read.passRequestHeaders,
      underscoresInHeaders: read.underscoresInHeaders,
      forwarded: read.forwarded,
      maxParamsSize: read.maxParamsSize,
    }),
    pass: {
      nextUpstream: parseNextUpstream(options.nextUpstream),
      timeouts: { connect: read.connectTimeout, send: read.sendTimeout, read: read.readTimeout },
      bufferSize: read.bufferSize,
      socketKeepalive: initialDelay(read.socketKeepalive),
    },
    buffering: read.requestBuffering !== false,
    spool: spoolOf(read.requestBuffering),
    bind: bind(options.bind),
    scriptName: utf8(read.scriptName),
    segments: mountSegments(`${read.scriptName}/*`),
    paths: parsePathRules(options),
  }
}

/** Each request can cause a warning: not more than one in so many milliseconds. */
const WARN_INTERVAL = 1000

function bind (value: ScgiDispatcherOptions['bind'] = false): Settings['bind'] {
  if (typeof value === 'function') {
    const ask = atOnce('bind', value)
    let quiet = 0
    const warn = (message: string): void => {
      const now = performance.now()
      if (now < quiet) return
      quiet = now + WARN_INTERVAL
      process.emitWarning(message, 'ScgiDispatcherWarning')
    }
    return options => chosenAddress(ask(options), warn)
  }
  const address = isUnbound(value) ? undefined : parseFixedAddress(value, ', a function or false')
  return () => address
}
