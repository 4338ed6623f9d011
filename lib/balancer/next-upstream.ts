import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { orSwitch } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { NEXT_UPSTREAM } from '../options/table/connections.ts'
import { show } from '../options/units.ts'
import type { FailureKind } from '../../types/exchange.ts'
import type { NextUpstreamCondition, NextUpstreamOptions } from '../../types/options.ts'

const BITS: Readonly<Record<NextUpstreamCondition, number>> = {
  error: 1, timeout: 2, invalid_header: 4, http_500: 8, http_503: 16, http_403: 32, http_404: 64, http_429: 128, non_idempotent: 256,
}
const KIND_BITS: Readonly<Record<FailureKind, number>> = {
  error: BITS.error, timeout: BITS.timeout, invalid_header: BITS.invalid_header, local: 0,
}
const STATUS_BITS: Readonly<Record<number, number>> = {
  500: BITS.http_500, 503: BITS.http_503, 403: BITS.http_403, 404: BITS.http_404, 429: BITS.http_429,
}

/** The methods that are not sent twice once sending has begun. */
const NON_IDEMPOTENT = new Set(['POST', 'LOCK', 'PATCH'])

/** When a request goes on to the next server. */
export interface NextUpstream {
  readonly conditions: number
  /** 0 is without limit. */
  readonly tries: number
  /** Milliseconds; 0 is without limit. */
  readonly timeout: number
  /** Milliseconds for which a request is held while no server can be had; 0 for not at all. */
  readonly wait: number
  /** Milliseconds from one look for a server to the next meanwhile. */
  readonly interval: number
}

/**
 * Reads the option `nextUpstream`.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function parseNextUpstream (value: NextUpstreamCondition[] | NextUpstreamOptions | false | undefined): NextUpstream {
  if (value !== undefined && value !== false && (typeof value !== 'object' || value === null)) {
    throw new FST_SCGI_OPT_INVALID('nextUpstream', show(value), orSwitch(value, 'a list of conditions, { on, tries, timeout, wait, interval } or false'))
  }
  const given = value === false ? { on: [] } : Array.isArray(value) ? { on: value } : value ?? {}
  const { on, tries, timeout, wait, interval } = readRows(NEXT_UPSTREAM, given, 'nextUpstream', 'it')
  if (wait === 0 && given.interval !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED('nextUpstream.interval', "without 'wait' no request is held")
  return { conditions: readConditions(on), tries, timeout, wait, interval }
}

function readConditions (on: unknown): number {
  if (!Array.isArray(on)) throw new FST_SCGI_OPT_INVALID('nextUpstream.on', show(on), 'a list of conditions')
  let conditions = 0
  for (const condition of on) {
    const bit = isCondition(condition) ? BITS[condition] : undefined
    if (bit === undefined) {
      throw new FST_SCGI_OPT_INVALID('nextUpstream.on', show(condition), `one of ${Object.keys(BITS).join(', ')}; an empty list passes nothing on`)
    }
    conditions |= bit
  }
  return conditions
}

function isCondition (value: unknown): value is NextUpstreamCondition {
  return typeof value === 'string' && Object.hasOwn(BITS, value)
}

/** Whether a request of this method that was `sent` (its first byte at least) may be sent once more. */
export function mayResend (rules: NextUpstream, method: string, sent: boolean): boolean {
  return !sent || !NON_IDEMPOTENT.has(method) || (rules.conditions & BITS.non_idempotent) !== 0
}

/** Whether a failed attempt is a condition to go on. */
export function failurePassesOn (rules: NextUpstream, kind: FailureKind): boolean {
  return (rules.conditions & KIND_BITS[kind]) !== 0
}

/** Whether a reply of this status is a condition to go on. */
export function statusPassesOn (rules: NextUpstream, statusCode: number): boolean {
  return (rules.conditions & (STATUS_BITS[statusCode] ?? 0)) !== 0
}

/** Whether a reply of this status that makes the request go on is a failure of its server. */
export function statusCountsAsFailure (statusCode: number): boolean {
  return statusCode !== 403 && statusCode !== 404
}
