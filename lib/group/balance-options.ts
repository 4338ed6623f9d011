import { byBusyness } from '../balancer/by-busyness.ts'
import { byTraffic } from '../balancer/by-traffic.ts'
import { consistentHash } from '../balancer/consistent-hash.ts'
import { hash } from '../balancer/hash.ts'
import { ipHash } from '../balancer/ip-hash.ts'
import { leastConn } from '../balancer/least-conn.ts'
import { leastTime, type LeastTimeOptions } from '../balancer/least-time.ts'
import { random, randomTwo } from '../balancer/random.ts'
import { roundRobin } from '../balancer/round-robin.ts'
import { select } from '../balancer/select.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { checkKeys } from '../options/keys.ts'
import { BALANCE } from '../options/table/group.ts'
import { show } from '../options/units.ts'
import { flag, isRecord } from '../options/checks.ts'
import { atOnce, readFunction, valueOf } from '../options/functions.ts'
import type { Method, PickRequest } from '../balancer/method.ts'
import type { BalanceContext, UpstreamServer } from '../../types/upstream.ts'

/** A balancing method as it was configured. */
export interface BalanceSettings {
  /** As users call it. */
  readonly name: string
  readonly method: <T> () => Method<T>
  /** Weights that change by themselves have no meaning to it, for it must not move requests to and fro. */
  readonly fixedWeights: boolean
}

const NAMED: Readonly<Record<string, BalanceSettings>> = {
  round_robin: { name: 'round_robin', method: () => roundRobin, fixedWeights: false },
  least_conn: { name: 'least_conn', method: () => leastConn, fixedWeights: false },
  ip_hash: { name: 'ip_hash', method: () => ipHash, fixedWeights: true },
  random: { name: 'random', method: () => random(), fixedWeights: true },
  bytraffic: { name: 'bytraffic', method: () => byTraffic, fixedWeights: false },
  bybusyness: { name: 'bybusyness', method: () => byBusyness, fixedWeights: false },
}

/** What an object has, and what it may have beside. */
const FORMS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(BALANCE).map(([form, rows]) => [form, Object.keys(rows)])
)

const EXPECTED = `${Object.keys(NAMED).map(name => `'${name}'`).join(', ')}, { leastTime }, { hash }, { random: 'two' } or an object with select()`

/**
 * Reads the option `balance` of a group.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function readBalance (option: string, value: unknown = 'round_robin'): BalanceSettings {
  const named = typeof value === 'string' && Object.hasOwn(NAMED, value) ? NAMED[value] : undefined
  if (named !== undefined) return named
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), EXPECTED)
  const forms = Object.keys(FORMS).filter(form => value[form] !== undefined)
  // What leastTime goes by may also choose between two by chance.
  const form = forms.includes('random') ? 'random' : forms[0] ?? ''
  if (forms.length === 0 || forms.some(other => other !== form && !FORMS[form]?.includes(other))) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), EXPECTED)
  }
  // An object with select() may be of a class of the user's, with whatever it needs.
  if (form !== 'select') {
    checkKeys(option, value, [form, ...FORMS[form] ?? []], `with ${form} it`)
  }
  if (form === 'leastTime') return readLeastTime(option, value)
  if (form === 'hash') return readHash(option, value)
  if (form === 'select') return readSelect(option, value)
  return readRandom(option, value)
}

function readRandom (option: string, value: Record<string, unknown>): BalanceSettings {
  if (value['random'] !== 'two') throw new FST_SCGI_OPT_INVALID(`${option}.random`, show(value['random']), "'two'")
  if (value['leastTime'] === undefined) {
    if (value['inflight'] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.inflight`, "without 'leastTime' no time counts")
    return { name: 'random two', method: () => randomTwo(), fixedWeights: true }
  }
  const times = readTimes(option, value)
  return { name: 'random two least_time', method: () => randomTwo(Math.random, times), fixedWeights: true }
}

function readLeastTime (option: string, value: Record<string, unknown>): BalanceSettings {
  const times = readTimes(option, value)
  return { name: 'least_time', method: () => leastTime(times), fixedWeights: false }
}

function readTimes (option: string, value: Record<string, unknown>): LeastTimeOptions {
  const time = value['leastTime']
  if (time !== 'header' && time !== 'lastByte') throw new FST_SCGI_OPT_INVALID(`${option}.leastTime`, show(time), "'header' or 'lastByte'")
  return { time, inflight: flag(`${option}.inflight`, value['inflight'], false) }
}

function readHash (option: string, value: Record<string, unknown>): BalanceSettings {
  const given = readFunction(`${option}.hash`, value['hash'], 'a function that gives the key of a request')
  const key = (request: PickRequest): string => {
    const found = given(request.source)
    return found === undefined || found === null ? '' : String(found)
  }
  const consistent = flag(`${option}.consistent`, value['consistent'], false)
  return { name: 'hash', method: () => consistent ? consistentHash(key) : hash(key), fixedWeights: true }
}

function readSelect (option: string, value: Record<string, unknown>): BalanceSettings {
  if (!hasSelect(value)) throw new FST_SCGI_OPT_INVALID(`${option}.select`, show(value['select']), 'a function that gives one of context.servers')
  // Called as a method of its object, which may keep what it needs.
  const name = `${option}.select`
  atOnce(name, value.select)
  return { name: 'select', method: () => select(context => valueOf(name, value.select(context))), fixedWeights: false }
}

/** What it gives is looked at where it is called. */
function hasSelect (value: object): value is { select (context: BalanceContext<unknown>): UpstreamServer | undefined } {
  return 'select' in value && typeof value.select === 'function'
}
