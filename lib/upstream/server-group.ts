import { Group } from '../balancer/group.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN } from '../errors.ts'
import { literalAddress, needsLookup, parseAddress, resolveAddress, type Lookup, type ParsedAddress } from '../scgi/address.ts'
import { ScgiEndpoint, type Endpoint } from '../transport/endpoint.ts'
import { parseTime, show } from '../units.ts'
import type { Peer } from '../balancer/peer.ts'
import type { GroupOptions, ServerOptions, UpstreamGroup, UpstreamServer } from '../../types/upstream.ts'
import type { ServerAddress } from '../../types/exchange.ts'

/** A server as it was configured, its address read. */
interface Server {
  readonly address: ParsedAddress
  readonly weight: number
  readonly maxConns: number
  readonly maxFails: number
  readonly failTimeout: number
  readonly backup: boolean
  readonly down: boolean
  readonly keepalive: number
  readonly preconnect: number
}

const SERVER_OPTIONS = new Set(['address', 'weight', 'maxConns', 'maxFails', 'failTimeout', 'backup', 'down', 'keepalive', 'preconnect'])
const GROUP_OPTIONS = new Set(['name', 'servers'])

/** Connections opened ahead are an offer: one that takes longer than this is given up. */
const PRECONNECT_TIMEOUT = 2000

/** Told when a server goes out for its failures, and when it is back. */
export type StateListener = (group: ServerGroup, server: UpstreamServer, state: 'down' | 'up') => void

/**
 * A group of servers with its balancer and its connections. It may be shared by any number of registrations, which open it
 * before they use it.
 */
export class ServerGroup implements UpstreamGroup {
  readonly name: string
  /** It was given its name; else the name is made of its addresses. */
  readonly named: boolean
  readonly #servers: readonly Server[]
  readonly #given: readonly (string | ServerOptions)[]
  readonly #listeners = new Set<StateListener>()
  #opening: Promise<Group<Endpoint>> | undefined
  #group: Group<Endpoint> | undefined

  constructor (options: GroupOptions, option = 'upstreams') {
    const { servers, name } = options
    for (const key of Object.keys(options)) {
      if (!GROUP_OPTIONS.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: a group has ${[...GROUP_OPTIONS].join(', ')}`)
    }
    if (!Array.isArray(servers) || servers.length === 0) {
      throw new FST_SCGI_OPT_INVALID(`${option}.servers`, show(servers), 'a list of at least one server')
    }
    if (name !== undefined && (typeof name !== 'string' || !/^[^\s\0,/]+$/.test(name))) {
      throw new FST_SCGI_OPT_INVALID(`${option}.name`, show(name), 'a name without blanks, commas and slashes')
    }
    this.#given = [...servers]
    this.#servers = servers.map((server, index) => readServer(server, `${option}[${index}]`))
    if (this.#servers.every(server => server.backup)) {
      throw new FST_SCGI_OPT_INVALID(option, show(servers), 'at least one server that is not a backup')
    }
    this.named = name !== undefined
    this.name = name ?? this.#servers.map(({ address }) => needsLookup(address) ? `${address.hostname ?? ''}:${address.port}` : literalAddress(address).name).join(',')
    if (!this.#servers.some(server => needsLookup(server.address))) {
      this.#group = this.#build(this.#servers.map(server => [server, [literalAddress(server.address)]]))
    }
  }

  /** The servers; empty until the names among their addresses are resolved. */
  get servers (): readonly UpstreamServer[] {
    return this.#group?.servers ?? []
  }

  /**
   * The balancer, once every name is resolved.
   * @throws FST_SCGI_RESOLVE; it is tried again at the next call
   */
  async open (lookup?: Lookup): Promise<Group<Endpoint>> {
    if (this.#group !== undefined) return this.#group
    this.#opening ??= this.#resolve(lookup)
    try {
      return await this.#opening
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  /** The balancer of a group that is open. */
  get balancer (): Group<Endpoint> | undefined {
    return this.#group
  }

  /** Calls `listener` at every change of a server's state. Returns the way to stop it. */
  watch (listener: StateListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * For each address that was configured a group of that server alone, by the address as it was written: what a function
   * `upstreams` may name.
   */
  singles (): [string, ServerGroup][] {
    return this.#given.map(server => {
      const options = typeof server === 'string' ? { address: server } : server
      // Alone it stands in for nobody.
      return [options.address, new ServerGroup({ servers: [{ ...options, backup: false }] })]
    })
  }

  /** Closes idle connections. The group stays usable. */
  closeIdle (): void {
    for (const peer of this.#group?.servers ?? []) peer.target.closeIdle()
  }

  async #resolve (lookup: Lookup | undefined): Promise<Group<Endpoint>> {
    const resolved = await Promise.all(this.#servers.map(async (server): Promise<[Server, ServerAddress[]]> =>
      [server, await resolveAddress(server.address, lookup)]))
    this.#group = this.#build(resolved)
    return this.#group
  }

  #build (servers: [Server, ServerAddress[]][]): Group<Endpoint> {
    return new Group<Endpoint>({
      name: this.name,
      onStateChange: (peer, state) => this.#tell(peer, state),
      peers: servers.flatMap(([server, addresses]) => addresses.map(address => ({
        name: address.name,
        target: new ScgiEndpoint(address, {
          keepalive: server.keepalive, preconnect: server.preconnect, connectTimeout: PRECONNECT_TIMEOUT,
        }),
        weight: server.weight,
        maxConns: server.maxConns,
        maxFails: server.maxFails,
        failTimeout: server.failTimeout,
        backup: server.backup,
        down: server.down,
      }))),
    })
  }

  #tell (peer: Peer<Endpoint>, state: 'down' | 'up'): void {
    for (const listener of this.#listeners) listener(this, peer, state)
  }
}

function readServer (server: unknown, option: string): Server {
  const given = typeof server === 'string' ? { address: server } : server
  if (!isRecord(given)) throw new FST_SCGI_OPT_INVALID(option, show(server), 'an address, or an object with an address')
  for (const key of Object.keys(given)) {
    if (!SERVER_OPTIONS.has(key)) throw new FST_SCGI_OPT_UNKNOWN(`${option}.${key}`, `: a server has ${[...SERVER_OPTIONS].join(', ')}`)
  }
  return {
    address: parseAddress(typeof server === 'string' ? option : `${option}.address`, given['address']),
    weight: integer(`${option}.weight`, given['weight'], 1, 1),
    maxConns: integer(`${option}.maxConns`, given['maxConns'], 0, 0),
    maxFails: integer(`${option}.maxFails`, given['maxFails'], 0, 1),
    failTimeout: given['failTimeout'] === undefined ? 10_000 : parseTime(`${option}.failTimeout`, given['failTimeout']),
    backup: flag(`${option}.backup`, given['backup']),
    down: flag(`${option}.down`, given['down']),
    keepalive: integer(`${option}.keepalive`, given['keepalive'], 0, 0),
    preconnect: integer(`${option}.preconnect`, given['preconnect'], 0, 0),
  }
}

/** Takes anything that is an object with keys; what each key holds is checked where it is read. */
function isRecord (value: unknown): value is Record<keyof ServerOptions | string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function integer (option: string, value: unknown, least: number, otherwise: number): number {
  if (value === undefined) return otherwise
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), `an integer of ${least} or more`)
  }
  return value
}

function flag (option: string, value: unknown): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw new FST_SCGI_OPT_INVALID(option, show(value), 'true or false')
  return value
}

/**
 * A group of servers for several registrations: they share its balancer, its failure counts and its connections.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function createUpstreams (options: GroupOptions | GroupOptions['servers']): UpstreamGroup {
  return new ServerGroup(Array.isArray(options) ? { servers: options } : options)
}
