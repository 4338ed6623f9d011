import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { parseAddress, type ParsedAddress } from '../connections/address.ts'
import { protocolOf } from '../connections/protocols.ts'
import { readRows } from '../options/read.ts'
import { GROUP, SERVER } from '../options/table/group.ts'
import { show } from '../options/units.ts'
import { readBalance, type BalanceSettings } from './balance-options.ts'
import { readWatch } from './discovery.ts'
import { nameOf, readSpawn, type SpawnSettings } from '../spawn/options.ts'
import { readSticky, type StickySettings } from './sticky-options.ts'
import { readTls } from './tls-options.ts'
import { readHealth, readOutlier, readResolver, requireCheck, type HealthCheck, type ResolverSettings } from './health-options.ts'
import { isFunction, isRecord } from '../options/checks.ts'
import type { OutlierSettings } from '../balancer/outlier.ts'
import type { QueueOptions } from '../balancer/queue.ts'
import type { TlsSettings } from '../connections/protocol.ts'
import type { WatchedName } from './resolve/watch.ts'
import type { GroupChannel } from '../../types/channel.ts'
import type { GroupChanges } from '../../types/live.ts'
import type { GroupOptions } from '../../types/upstream.ts'

/** A server as it was configured, its address read. */
export interface ServerSettings {
  readonly address: ParsedAddress
  /** The address, as it was written. */
  readonly given: string
  /** What the DNS is asked again and again; `undefined` if it is not. */
  readonly watch: WatchedName | undefined
  /** The application that is started for it; `undefined` if it has an address. */
  readonly spawn: Spawned | undefined
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

/** A server that is started here, as it was configured. */
interface Spawned {
  /** The option, for errors. */
  readonly option: string
  readonly given: unknown
  readonly settings: SpawnSettings
}

/** A group as it was configured. */
export interface GroupSettings {
  readonly name: string | undefined
  readonly servers: readonly ServerSettings[]
  readonly balance: BalanceSettings
  readonly sticky: StickySettings | undefined
  readonly queue: QueueOptions | undefined
  /** Most attempts of a request; 0 is without limit. */
  readonly tries: number
  readonly failOnStatus: ReadonlySet<number> | undefined
  readonly forceRecovery: boolean
  readonly health: readonly HealthCheck[]
  readonly outlier: OutlierSettings | undefined
  readonly resolver: ResolverSettings
  readonly shared: GroupChannel | undefined
}

/**
 * Reads a group.
 * @param option the option that holds it, for errors
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readGroup (options: GroupOptions<never>, option: string): GroupSettings {
  const { name, queue, tries, forceRecovery, ...other } = readRows(GROUP, options, option, 'a group')
  const { servers: given } = other
  if (!Array.isArray(given) || given.length === 0) {
    throw new FST_SCGI_OPT_INVALID(`${option}.servers`, show(given), 'a list of at least one server')
  }
  const balance = readBalance(`${option}.balance`, other.balance)
  const servers = given.map((server, index) => readServer(server, `${option}[${index}]`, balance))
  if (servers.every(server => server.backup)) {
    throw new FST_SCGI_OPT_INVALID(option, show(given), 'at least one server that is not a backup')
  }
  // Each one takes the place of another.
  if (servers.every(server => server.spare)) throw new FST_SCGI_OPT_INVALID(option, show(given), 'at least one server that is not a spare')
  const health = readHealth(`${option}.health`, other.health)
  for (const { address, given: text } of servers) requireCheck(health, address, `${option}.health`, text)
  return {
    name,
    servers,
    balance,
    sticky: readSticky(`${option}.sticky`, other.sticky),
    queue,
    tries,
    failOnStatus: readStatuses(`${option}.failOnStatus`, other.failOnStatus),
    forceRecovery,
    health,
    outlier: readOutlier(`${option}.outlier`, other.outlier),
    resolver: readResolver(`${option}.resolver`, other.resolver),
    shared: readChannel(`${option}.shared`, other.shared),
  }
}

/** Some of the options of a group that may change. */
export type GroupOptionSettings = Partial<Pick<GroupSettings, keyof GroupSettings & keyof GroupChanges>>

/** Reads one of them, from a value that `undefined` stands for none of. */
const GROUP_READERS: { readonly [Option in keyof GroupChanges]-?: (value: unknown) => GroupOptionSettings } = {
  balance: value => ({ balance: readBalance('balance', value) }),
  sticky: value => ({ sticky: readSticky('sticky', value) }),
  queue: value => ({ queue: GROUP.queue.read('queue', value) }),
  tries: value => ({ tries: GROUP.tries.read('tries', value) }),
  failOnStatus: value => ({ failOnStatus: readStatuses('failOnStatus', value) }),
  forceRecovery: value => ({ forceRecovery: GROUP.forceRecovery.read('forceRecovery', value) }),
  health: value => ({ health: readHealth('health', value) }),
}

/**
 * Reads options of a group that may change.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function readGroupOptions (options: Readonly<Record<string, unknown>>): GroupOptionSettings {
  const readers = Object.entries(GROUP_READERS).filter(([name]) => Object.hasOwn(options, name))
  return Object.assign({}, ...readers.map(([name, read]) => read(options[name])))
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
  const options = readRows(SERVER, given, option, 'a server')
  const spawn = readSpawned(option, options)
  const address = spawn === undefined ? parseAddress(typeof server === 'string' ? option : `${option}.address`, options.address, true) : placeOf(spawn)
  const protocol = protocolOf(address)
  const written = spawn === undefined ? String(options.address) : `spawn:${nameOf(spawn.settings)}`
  const text = textOf(written)
  const read: ServerSettings = {
    ...options,
    address,
    spawn,
    given: written,
    watch: readWatch(option, { address, text, resolve: options.resolve, service: options.service }),
    text,
    keepalive: options.keepalive ?? protocol.keepalive,
    tls: readTls(`${option}.tls`, options.tls, protocol.tls),
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

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
function readSpawned (option: string, given: { readonly [Name in 'spawn' | 'address' | 'resolve' | 'service' | 'tls']: unknown }): Spawned | undefined {
  if (given.spawn === undefined) return undefined
  for (const name of ['address', 'service', 'tls'] as const) {
    if (given[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${name}`, "a server with 'spawn' listens where it is told, and speaks SCGI")
  }
  return { option: `${option}.spawn`, given: given.spawn, settings: readSpawn(`${option}.spawn`, given.spawn) }
}

/** What is known of where an application listens before it is started. */
function placeOf ({ settings: { socket } }: Spawned): ParsedAddress {
  return { protocol: 'scgi', hostname: undefined, port: 0, socketPath: socket === 'port' ? undefined : '', pathPrefix: '' }
}

/** What stands for the server on the circle of a consistent hash, as nginx would be given it. */
function textOf (address: unknown): string {
  const text = String(address)
  if (/^unix:/i.test(text)) return text.split('|', 1).join('')
  return text.replace(/^[a-z][a-z\d+.-]*:\/\//i, '').replace(/\/.*$/s, '')
}

/** What its methods take and give is looked at where they are called. */
function readChannel (option: string, value: unknown): GroupChannel | undefined {
  if (value === undefined || isChannel(value)) return value
  throw new FST_SCGI_OPT_INVALID(option, show(value), "clusterChannel() or redisChannel() of 'fastify-scgi/channel', or an object with their methods")
}

function isChannel (value: unknown): value is GroupChannel {
  return isRecord(value) && isFunction(value['publish']) && isFunction(value['subscribe']) &&
    isFunction(value['snapshot']) && isFunction(value['presence'])
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
