import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { flag } from '../options/checks.ts'
import { parseSize, parseTime, show } from '../options/units.ts'
import type { ScgiServerOptions } from '../../types/server.ts'

/** The options of a server, checked, in milliseconds and bytes. */
export interface ServerSettings {
  readonly nph: boolean
  readonly trustGateway: boolean
  readonly keepalive: boolean
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number
  readonly maxParamsSize: number
  readonly headersTimeout: number
  readonly requestTimeout: number
  readonly timeout: number
}

const NAMES: ReadonlySet<string> = new Set<keyof ScgiServerOptions>([
  'nph', 'trustGateway', 'keepalive', 'keepAliveTimeout', 'maxRequestsPerSocket', 'maxParamsSize',
  'headersTimeout', 'requestTimeout', 'timeout',
])

function parseCount (option: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a whole number, 0 for no limit')
  }
  return value
}

function parseLimit (option: string, value: unknown): number {
  const size = parseSize(option, value)
  if (size === 0) throw new FST_SCGI_OPT_INVALID(option, show(value), 'at least 1 byte')
  return size
}

/**
 * Checks the options of a server and fills in the defaults.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function parseServerOptions (options: ScgiServerOptions): ServerSettings {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), 'an object')
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw new FST_SCGI_OPT_UNKNOWN(name, `; a server has ${[...NAMES].join(', ')}`)
  }
  const {
    keepAliveTimeout = '5s', maxRequestsPerSocket = 0,
    maxParamsSize = '64k', headersTimeout = '60s', requestTimeout = 0, timeout = 0,
  } = options
  return {
    nph: flag('nph', options.nph, false),
    trustGateway: flag('trustGateway', options.trustGateway, true),
    keepalive: flag('keepalive', options.keepalive, true),
    keepAliveTimeout: parseTime('keepAliveTimeout', keepAliveTimeout),
    maxRequestsPerSocket: parseCount('maxRequestsPerSocket', maxRequestsPerSocket),
    maxParamsSize: parseLimit('maxParamsSize', maxParamsSize),
    headersTimeout: parseTime('headersTimeout', headersTimeout),
    requestTimeout: parseTime('requestTimeout', requestTimeout),
    timeout: parseTime('timeout', timeout),
  }
}
