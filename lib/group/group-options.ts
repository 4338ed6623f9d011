import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { parseAddress, type ParsedAddress } from '../connections/address.ts'
import { protocolOf } from '../connections/protocols.ts'
import { parseTime, show } from '../options/units.ts'
import { readBalance, type BalanceSettings } from './balance-options.ts'
import { readWatch } from './discovery.ts'
import { readSticky, type StickySettings } from './sticky-options.ts'
import { readTls } from './tls-options.ts'
import { readHealth, readOutlier, readResolver, requireCheck, type HealthCheck, type ResolverSettings } from './health-options.ts'
import { flag, integer, isRecord } from '../options/checks.ts'
import type { OutlierSettings } from '../balancer/outlier.ts'
import type { QueueOptions } from '../balancer/queue.ts'
import type { TlsSettings } from '../connections/protocol.ts'
import type { WatchedName } from './resolve/watch.ts'
import type { GroupOptions, ServerOptions } from '../../types/upstream.ts'

/** A server as it was configured, its address read. */
export interface ServerSettings {
  readonly address: ParsedAddress
  /** The address, as it was written. */
  readonly given: string
  /** What the DNS is asked again and again; `undefined` where it is not. */
  readonly watch: WatchedName | undefined
  /** The address less scheme and path: what its points on the circle of a consistent hash are made of. */
  readonly text: string
  readonly weight: number
  readonly maxConns: number
  readonly maxFails: number
  readonly failTimeout: number
  readonly backup: boolean
  readonly down: boolean
  readonly drain: boolean
  readonly slowStart: number
  readonly lbset: number
  readonly spare: boolean
  readonly standby: boolean
  readonly retry: number | undefined
  readonly route: string | undefined
  readonly redirect: string | undefined
  readonly keepalive: number
  readonly preconnect: number
  /** For a protocol over TLS. */
  readonly tls: TlsSettings | undefined
}

/** A group as it was configured. */
export interface GroupSettings {
  readonly name: string | undefined
  readonly servers: readonly ServerSettings[]
  readonly balance: BalanceSettings
  readonly sticky: StickySettings | undefined
  readonly queue: QueueOptions | undefined
  readonly failOnStatus: ReadonlySet<number> | undefined
  readonly forceRecovery: boolean
  readonly health: readonly HealthCheck[]
  readonly outlier: OutlierSettings | undefined
  readonly resolver: ResolverSettings
}

export const SERVER_OPTIONS: ReadonlySet<string> = new Set<keyof ServerOptions>([
  'address', 'weight', 'maxConns', 'maxFails', 'failTimeout', 'backup', 'down', 'drain', 'slowStart', 'lbset', 'spare', 'standby', 'retry',
  'route', 'redirect', 'resolve', 'service', 'keepalive', 'preconnect', 'tls',
])
const GROUP_OPTIONS: ReadonlySet<string> = new Set<keyof GroupOptions>([
  'name', 'servers', 'balance', 'sticky', 'queue', 'failOnStatus', 'forceRecovery', 'health', 'outlier', 'resolver',
])

/**
 * Reads a group.
 * @param option the option that holds it, for errors
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readGroup (options: GroupOptions<never>, option: string): GroupSettings {
  for (const key of Object.keys(options)) {
    if (!GROUP_OPTIONS.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: a group has ${[...GROUP_OPTIONS].join(', ')}`)
  }
  const { servers: given, name } = options
  if (!Array.isArray(given) || given.length === 0) {
    throw new FST_SCGI_OPT_INVALID(`${option}.servers`, show(given), 'a list of at least one server')
  }
  if (name !== undefined && (typeof name !== 'string' || !/^[^\s\0,/]+$/.test(name))) {
    throw new FST_SCGI_OPT_INVALID(`${option}.name`, show(name), 'a name without blanks, commas and slashes')
  }
  const balance = readBalance(`${option}.balance`, options.balance)
  const servers = given.map((server, index) => readServer(server, `${option}[${index}]`, balance))
  if (servers.every(server => server.backup)) {
    throw new FST_SCGI_OPT_INVALID(option, show(given), 'at least one server that is not a backup')
  }
  // Each one takes the place of another.
  if (servers.every(server => server.spare)) throw new FST_SCGI_OPT_INVALID(option, show(given), 'at least one server that is not a spare')
  const health = readHealth(`${option}.health`, options.health)
  for (const { address, given: text } of servers) requireCheck(health, address, `${option}.health`, text)
  return {
    name,
    servers,
    balance,
    sticky: readSticky(`${option}.sticky`, options.sticky),
    queue: readQueue(`${option}.queue`, options.queue),
    failOnStatus: readStatuses(`${option}.failOnStatus`, options.failOnStatus),
    forceRecovery: flag(`${option}.forceRecovery`, options.forceRecovery, false),
    health,
    outlier: readOutlier(`${option}.outlier`, options.outlier),
    resolver: readResolver(`${option}.resolver`, options.resolver),
  }
}

/**
 * Reads a server of a group.
 * @param option the option that holds it, for errors
 * @param balance how its group balances
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readServer (server: unknown, option: string, balance?: BalanceSettings): ServerSettings {
  const given = typeof server === 'string' ? { address: server } : server
  if (!isRecord(given)) throw new FST_SCGI_OPT_INVALID(option, show(server), 'an address, or an object with an address')
  for (const key of Object.keys(given)) {
    if (!SERVER_OPTIONS.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: a server has ${[...SERVER_OPTIONS].join(', ')}`)
  }
  const address = parseAddress(typeof server === 'string' ? option : `${option}.address`, given['address'], true)
  const protocol = protocolOf(address)
  const text = textOf(given['address'])
  const resolve = flag(`${option}.resolve`, given['resolve'], false)
  const read: ServerSettings = {
    address,
    given: String(given['address']),
    watch: readWatch(option, { address, text, resolve, service: given['service'] }),
    text,
    weight: integer(`${option}.weight`, given['weight'], 1, 1),
    maxConns: integer(`${option}.maxConns`, given['maxConns'], 0, 0),
    maxFails: integer(`${option}.maxFails`, given['maxFails'], 0, 1),
    failTimeout: time(`${option}.failTimeout`, given['failTimeout'], 10_000),
    backup: flag(`${option}.backup`, given['backup'], false),
    down: flag(`${option}.down`, given['down'], false),
    drain: flag(`${option}.drain`, given['drain'], false),
    slowStart: time(`${option}.slowStart`, given['slowStart'], 0),
    lbset: integer(`${option}.lbset`, given['lbset'], 0, 0),
    spare: flag(`${option}.spare`, given['spare'], false),
    standby: flag(`${option}.standby`, given['standby'], false),
    retry: time(`${option}.retry`, given['retry'], undefined),
    route: route(`${option}.route`, given['route']),
    redirect: route(`${option}.redirect`, given['redirect']),
    keepalive: integer(`${option}.keepalive`, given['keepalive'], 0, protocol.keepalive),
    preconnect: integer(`${option}.preconnect`, given['preconnect'], 0, 0),
    tls: readTls(`${option}.tls`, given['tls'], protocol.tls),
  }
  if (read.preconnect > 0 && protocol.noPreconnect !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.preconnect`, protocol.noPreconnect)
  }
  if (read.spare && read.standby) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.standby`, 'a server is a spare or a standby, not both')
  if (read.slowStart > 0 && balance?.fixedWeights === true) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.slowStart`, `'${balance.name}' knows no weight that grows`)
  }
  return read
}

/** What stands for the server on the circle of a consistent hash, as nginx would be given it. */
function textOf (address: unknown): string {
  const text = String(address)
  if (/^unix:/i.test(text)) return text.split('|', 1).join('')
  return text.replace(/^[a-z][a-z\d+.-]*:\/\//i, '').replace(/\/.*$/s, '')
}

function readQueue (option: string, value: unknown): QueueOptions | undefined {
  if (value === undefined) return undefined
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), '{ size, timeout }')
  for (const key of Object.keys(value)) {
    if (key !== 'size' && key !== 'timeout') throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, ': it has size, timeout')
  }
  if (value['size'] === undefined) throw new FST_SCGI_OPT_INVALID(`${option}.size`, 'undefined', 'an integer of 1 or more')
  const timeout = time(`${option}.timeout`, value['timeout'], 60_000)
  if (timeout < 1) throw new FST_SCGI_OPT_INVALID(`${option}.timeout`, show(value['timeout']), 'a time of at least 1 ms')
  return { size: integer(`${option}.size`, value['size'], 1, 1), timeout }
}

function readStatuses (option: string, value: unknown): ReadonlySet<number> | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a list of statuses')
  const statuses = new Set<number>()
  for (const status of value) {
    if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599) {
      throw new FST_SCGI_OPT_INVALID(option, show(status), 'statuses of 200 to 599')
    }
    statuses.add(status)
  }
  return statuses.size === 0 ? undefined : statuses
}

function route (option: string, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || !/^[^\s\0,;]{1,96}$/.test(value)) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), 'a name of 1 to 96 characters without blanks, commas and semicolons')
  }
  return value
}

function time<D> (option: string, value: unknown, otherwise: D): number | D {
  return value === undefined ? otherwise : parseTime(option, value)
}
