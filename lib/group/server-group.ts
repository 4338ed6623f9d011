import { isDeepStrictEqual } from 'node:util'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { literalAddress, needsLookup, type Lookup } from '../connections/address.ts'
import { protocolOf } from '../connections/protocols.ts'
import { isRecord } from '../options/checks.ts'
import { show } from '../options/units.ts'
import { GROUP_EDITABLE, GroupEdits, type GroupEdit } from './group-edits.ts'
import { GroupEmitter } from './group-events.ts'
import { readGroup, readGroupOptions, readServer, type GroupSettings, type ServerSettings } from './group-options.ts'
import { requireCheck } from './health-options.ts'
import { Members } from './members.ts'
import { SharedGroup } from './channel/shared-group.ts'
import type { Questions } from './resolve/resolver.ts'
import type { Group } from '../balancer/group.ts'
import type { PeerOptions } from '../balancer/peer.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'
import type { GroupChanges, GroupEvents, GroupOptionsNow, UpstreamGroup, UpstreamGroupDetails, UpstreamGroupState } from '../../types/live.ts'
import type { Balance, GroupOptions, ServerChanges, ServerEntry, ServerOptions, UpstreamServer } from '../../types/upstream.ts'
import type { FastifyRequest } from 'fastify'
import type { GroupChannel } from '../../types/channel.ts'
import type { Witness } from './witness.ts'

/**
 * A group of servers with its balancer and its connections. It may be shared by any number of registrations, which open it
 * before they use it.
 */
export class ServerGroup implements UpstreamGroup {
  readonly name: string
  /** It was given its name; else the name is made of its addresses. */
  readonly named: boolean
  readonly #settings: GroupSettings
  readonly #resolver: GroupOptions['resolver']
  /** By address, as it was written. */
  readonly #given = new Map<string, ServerOptions>()
  readonly #edits: GroupEdits
  readonly #emitter = new GroupEmitter()
  readonly #members: Members
  readonly #shared: SharedGroup | undefined
  #opening: Promise<void> | undefined
  #users = 0

  /** @param questions makes who is asked for names, instead of the option `resolver` */
  constructor (options: GroupOptions<never>, option = 'upstreams', questions?: () => Questions) {
    const settings = this.#settings = readGroup(options, option)
    const { servers, name } = settings
    this.#resolver = options.resolver
    this.#edits = new GroupEdits(options)
    for (const server of options.servers) this.#remember(server)
    this.named = name !== undefined
    this.name = name ?? servers.map(nameOf).join(',')
    const witness: Witness | undefined = settings.shared === undefined
      ? undefined
      : {
          health: (...told) => this.#shared?.health(...told),
          found: (...told) => this.#shared?.found(...told),
          failures: (...told) => this.#shared?.failures(...told),
          changed: (...told) => this.#shared?.changed(...told),
          released: peer => this.#shared?.released(peer),
        }
    const members = this.#members = new Members({
      group: this, settings, emitter: this.#emitter, endpoint: endpointOf, peer: peerOf, questions, witness,
    })
    if (settings.shared === undefined) return
    this.#shared = new SharedGroup({
      group: this.name,
      channel: settings.shared,
      target: {
        balancer: members.balancer,
        lead: leads => members.lead(leads),
        judge: (...told) => members.judge(...told),
        eject: (...told) => members.eject(...told),
        find: (...told) => members.find(...told),
        edit: (server, changes) => members.edit(server, changes, true),
        add: server => this.#add(server),
        remove: server => this.#remove(server),
        setOption: (option, edit) => { this.#setOptions(new Map([[option, edit]])) },
      },
    })
  }

  /** The servers; empty until the names among their addresses are resolved. */
  get servers (): readonly UpstreamServer[] {
    return this.#members.balancer.servers
  }

  /**
   * The balancer, once every name is resolved. What the group does beside the requests (health checks, names with `resolve`) goes on
   * from now on.
   * @throws FST_SCGI_RESOLVE, FST_SCGI_SPAWN; it is tried again at the next call
   */
  async open (lookup?: Lookup): Promise<Group<Endpoint>> {
    if (!this.#members.ready || this.#shared?.settled === false) {
      this.#opening ??= this.#open(lookup).finally(() => { this.#opening = undefined })
      await this.#opening
    }
    return this.#members.balancer
  }

  /** What it shares with other processes, and over which channel. */
  get sharing (): { readonly group: SharedGroup, readonly channel: GroupChannel } | undefined {
    const { shared: channel } = this.#settings
    return this.#shared === undefined || channel === undefined ? undefined : { group: this.#shared, channel }
  }

  /** The balancer, also of a group that is not open yet, which has no servers. */
  get unopened (): Group<Endpoint> {
    return this.#members.balancer
  }

  /** The balancer of a group that is open. */
  get balancer (): Group<Endpoint> | undefined {
    return this.#members.ready && this.#shared?.settled !== false ? this.#members.balancer : undefined
  }

  async #open (lookup: Lookup | undefined): Promise<void> {
    // What others know comes first: a server that they have removed is not to be looked up.
    await this.#shared?.join()
    await this.#members.open(lookup)
  }

  /** Marks the group as used until `release` is called. */
  hold (): void {
    this.#users += 1
    void this.#shared?.join()
    void this.#members.start()
  }

  /** Ends one use of the group; the last one stops it. */
  release (): void {
    this.#users -= 1
    if (this.#users === 0) this.stop()
    else this.closeIdle()
  }

  /** Undoes `open` without using the group: it is stopped unless it is used elsewhere. */
  abandon (): void {
    if (this.#users === 0) this.stop()
  }

  /** Stops health checks and DNS queries, and closes idle connections. The group stays usable: `open` starts it again. */
  stop (): void {
    this.#shared?.leave()
    this.#members.stop()
  }

  /** Resolves when the applications that were started for it and should end have ended. */
  stopped (): Promise<void> {
    return this.#members.stopped()
  }

  /** Whether a server has this address, as written in the options. */
  lists (address: string): boolean {
    return this.#given.has(address)
  }

  /** A group of the server with this address alone: what a function `upstreams` may name. */
  single (address: string): ServerGroup | undefined {
    const given = this.#given.get(address)
    if (given === undefined) return undefined
    // Alone it stands in for nobody.
    const server = { ...given, backup: false, spare: false, standby: false }
    return new ServerGroup({ servers: [server], ...(this.#resolver === undefined ? undefined : { resolver: this.#resolver }) })
  }

  /** Closes idle connections. The group stays usable. */
  closeIdle (): void {
    this.#members.closeIdle()
  }

  async add (server: ServerEntry): Promise<readonly UpstreamServer[]> {
    const added = await this.#add(server)
    const options = optionsOf(server)
    // An application that is started here is a server of this process alone.
    if (options !== undefined) this.#shared?.added(options)
    return added
  }

  remove (server: string): readonly UpstreamServer[] {
    const removed = this.#remove(server)
    this.#shared?.removed(server)
    return removed
  }

  async #add (server: unknown): Promise<readonly UpstreamServer[]> {
    const { health } = this.#members
    const settings = readServer(server, 'server', this.#members.balance)
    requireCheck(health, settings.address, 'server.address', settings.given)
    const added = await this.#members.add(settings, typeof server === 'string' ? 'server' : settings.spawn === undefined ? 'server.address' : 'server.spawn')
    if (isServer(server)) this.#remember(server)
    return added
  }

  #remove (server: string): readonly UpstreamServer[] {
    const removed = this.#members.remove(server)
    const { addresses } = this.#members
    for (const address of [...this.#given.keys()]) if (!addresses.has(address)) this.#given.delete(address)
    return removed
  }

  edit (server: string, changes: ServerChanges): readonly UpstreamServer[] {
    const edited = this.#members.edit(server, changes)
    this.#shared?.edited(server, changes)
    return edited
  }

  drain (server: string): void {
    this.edit(server, { drain: true })
  }

  enable (server: string): void {
    this.edit(server, { drain: false, down: false })
  }

  disable (server: string): void {
    this.edit(server, { down: true })
  }

  setWeight (server: string, weight: number): void {
    if (!Number.isSafeInteger(weight) || weight < 1) throw new FST_SCGI_OPT_INVALID('weight', show(weight), 'an integer of 1 or more')
    this.edit(server, { weight })
  }

  /** Name of the balancing method, for errors. */
  get balance (): string {
    return this.#members.balance.name
  }

  setBalance (balance: Balance<never>): void {
    this.setOptions({ balance })
  }

  setOptions (changes: GroupChanges<never>): void {
    const edits = this.#edits.read(changes)
    this.#setOptions(edits, () => this.#shared?.checkOptions(edits))
    this.#shared?.optionsSet(edits)
  }

  get options (): GroupOptionsNow {
    const now = (option: string): unknown => this.#edits.of(option)
    return {
      balance: now('balance') ?? 'round_robin',
      sticky: now('sticky'),
      queue: now('queue'),
      tries: now('tries') ?? 0,
      failOnStatus: now('failOnStatus'),
      forceRecovery: now('forceRecovery') ?? false,
      health: now('health'),
    }
  }

  /** What cannot be changes nothing. @param check whether others can be told of it */
  #setOptions (edits: ReadonlyMap<string, GroupEdit | undefined>, check?: () => void): void {
    const before = this.options
    const after = Object.fromEntries([...edits].map(([option, edit]) => [option, this.#edits.after(option, edit)]))
    const settings = readGroupOptions(after)
    this.#members.check(settings)
    check?.()
    for (const [option, edit] of edits) this.#edits.enter(option, edit)
    this.#members.setOptions(settings, sameSessions(before.sticky, after['sticky']))
    const changed = GROUP_EDITABLE.filter(option => edits.has(option) && !isDeepStrictEqual(before[option], this.options[option]))
    // Of the method there is an event of its own.
    const told = changed.filter(option => option !== 'balance')
    if (told.length > 0) this.#emitter.emit('options', () => ({ group: this, changed: told }))
    if (changed.includes('sticky')) this.#shared?.watchSessions()
  }

  on<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this {
    this.#emitter.on(event, listener)
    return this
  }

  off<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this {
    this.#emitter.off(event, listener)
    return this
  }

  details (): UpstreamGroupDetails {
    const presence = this.#settings.shared?.presence()
    return {
      ...this.#members.details(),
      processes: presence === undefined ? undefined : { count: presence.members.length, connected: presence.connected },
    }
  }

  toJSON (): UpstreamGroupState {
    return {
      name: this.name,
      balance: this.balance,
      servers: this.servers.map(server => ({
        name: server.name,
        state: server.state,
        reason: server.reason,
        weight: server.weight,
        maxConns: server.maxConns,
        backup: server.backup,
        route: server.route,
        active: server.active,
        fails: server.fails,
        served: server.served,
        failures: server.failures,
        bytesSent: server.bytesSent,
        bytesReceived: server.bytesReceived,
        headerTime: server.headerTime,
        responseTime: server.responseTime,
        lastError: server.lastError?.message,
      })),
    }
  }

  #remember (server: ServerEntry): void {
    const options = optionsOf(server)
    // An application is started for its group alone.
    if (options === undefined) return
    if (!this.#given.has(options.address)) this.#given.set(options.address, options)
  }
}

/** `undefined` for a server without an address. */
function optionsOf (server: ServerEntry): ServerOptions | undefined {
  if (typeof server === 'string') return { address: server }
  return server.address === undefined ? undefined : { ...server }
}

/** Whether two options `sticky` differ in nothing but where requests go whose server is out. */
function sameSessions (one: unknown, other: unknown): boolean {
  return isRecord(one) && isRecord(other) && isDeepStrictEqual({ ...one, failover: true }, { ...other, failover: true })
}

function nameOf ({ address, spawn, given }: ServerSettings): string {
  if (spawn !== undefined) return given
  return needsLookup(address) ? `${address.hostname ?? ''}:${address.port}` : literalAddress(address).name
}

/** What it holds was read. */
function isServer (server: unknown): server is ServerEntry {
  return typeof server === 'string' || (typeof server === 'object' && server !== null && 'address' in server)
}

function endpointOf ({ keepalive, preconnect, tls }: ServerSettings, address: ServerAddress): Endpoint {
  return protocolOf(address).connect(address, { keepalive, preconnect, tls })
}

/**
 * A server at one of its addresses.
 * @param key what it is recognised by when the servers of the group are listed anew
 */
function peerOf (server: ServerSettings, address: ServerAddress, target: Endpoint, key: string): PeerOptions<Endpoint> {
  const { weight, maxConns, maxFails, failTimeout, retry, slowStart, backup, lbset, spare, standby, down, drain, route, redirect } = server
  return {
    key,
    name: address.name,
    target,
    server: server.text,
    weight,
    maxConns,
    maxFails,
    failTimeout,
    retry,
    slowStart,
    backup,
    lbset,
    spare,
    standby,
    down,
    drain,
    route,
    redirect,
    keepalive: server.keepalive,
    preconnect: server.preconnect,
  }
}

/**
 * Creates a group of servers for several registrations, which share its balancer, its failure counts and its connections.
 * `Request` is the argument of functions among the options: in a group for `ScgiDispatcher` undici's DispatchOptions.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function createUpstreams<Request = FastifyRequest> (options: GroupOptions<Request> | GroupOptions['servers']): UpstreamGroup {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('upstreams', show(options), 'a list of servers, or { servers }')
  return new ServerGroup(Array.isArray(options) ? { servers: options } : options)
}
