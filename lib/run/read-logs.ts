import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { isRecord } from '../options/checks.ts'
import { parseTime, show } from '../options/units.ts'
import { checkKeys } from '../options/keys.ts'
import type { AccessLogFormat, AccessLogOptions, GatewayLogOptions } from '../../types/config.ts'

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
type LogLevel = typeof LOG_LEVELS[number]

/** Milliseconds in which equal failures are one line. */
const SUM_UP = 10_000

export interface LogSettings {
  /** `undefined`: what Fastify's logger was told, else info. */
  readonly level: LogLevel | undefined
  readonly file: string | undefined
  /** `undefined`: on a terminal. */
  readonly pretty: boolean | undefined
  readonly sumUp: number
}

export interface AccessLogSettings {
  readonly format: 'combined' | 'json' | AccessLogFormat
  readonly file: string | undefined
}

const LOG: Record<keyof GatewayLogOptions, true> = { level: true, file: true, pretty: true, sumUp: true }
const ACCESS: Record<keyof AccessLogOptions, true> = { format: true, file: true }

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readLog (value: unknown): LogSettings {
  if (value === undefined) return { level: undefined, file: undefined, pretty: undefined, sumUp: SUM_UP }
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID('log', show(value), '{ level, file, pretty, sumUp }')
  checkKeys('log', value, Object.keys(LOG), "'log'")
  const { level, pretty, sumUp = SUM_UP } = value
  const known = LOG_LEVELS.find(one => one === level)
  if (known === undefined && level !== undefined) throw new FST_SCGI_OPT_INVALID('log.level', show(level), `one of ${LOG_LEVELS.join(', ')}`)
  if (pretty !== undefined && typeof pretty !== 'boolean') throw new FST_SCGI_OPT_INVALID('log.pretty', show(pretty), 'true or false')
  return { level: known, file: readFile('log.file', value.file), pretty, sumUp: parseTime('log.sumUp', sumUp) }
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readAccessLog (value: unknown): AccessLogSettings | undefined {
  if (value === undefined || value === false) return undefined
  if (!isRecord(value)) return { format: readFormat('accessLog', value), file: undefined }
  checkKeys('accessLog', value, Object.keys(ACCESS), "'accessLog'")
  return { format: readFormat('accessLog.format', value.format ?? 'combined'), file: readFile('accessLog.file', value.file) }
}

function readFormat (option: string, value: unknown): AccessLogSettings['format'] {
  if (value === 'combined' || value === 'json' || isFormat(value)) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), "'combined', 'json' or a function that makes the line")
}

/** What it gives is looked at where it is called. */
function isFormat (value: unknown): value is AccessLogFormat {
  return typeof value === 'function'
}

function readFile (option: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), 'the path of a file')
}
