import { Group } from '../balancer/group.ts'
import { OutlierDetector } from '../balancer/outlier.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_SERVER_DISCOVERED, FST_SCGI_SERVER_UNKNOWN } from '../errors.ts'
import { literalAddress, needsLookup, resolveAddress, type Lookup } from '../connections/address.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { show } from '../options/units.ts'
import { Discovery } from './discovery.ts'
import { MemberChecks } from './member-checks.ts'
import type { PeerChange } from '../balancer/group.ts'
import type { Peer, PeerOptions } from '../balancer/peer.ts'
import type { Questions } from './resolve/resolver.ts'
import type { Found } from './resolve/watch.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'
import type { UpstreamGroup } from '../../types/live.ts'
import type { ServerState } from '../../types/upstream.ts'
import type { GroupEmitter } from './group-events.ts'
import type { GroupSettings, ServerSettings } from './group-options.ts'

export interface MembersOptions {
  /** Whom events are about. */
  readonly group: UpstreamGroup
  readonly settings: GroupSettings
  readonly emitter: GroupEmitter
  readonly timers?: Timers
  /** Who is asked for names. Default: DNS servers, by the settings. */
  readonly questions?: (() => Questions) | undefined
  /** Makes what connects to a server. */
  endpoint (server: ServerSettings, address: ServerAddress): Endpoint
  /** A server at one of its addresses. */
  peer (server: ServerSettings, address: ServerAddress, target: Endpoint, key: string): PeerOptions<Endpoint>
}

/** A server of a line. */
interface Member {
  readonly address: ServerAddress
  readonly found: Found | undefined
}

/** One entry of the option `servers`, or one that was added: a server, or those of a name. */
interface Line {
  readonly id: number
  server: ServerSettings
  /** `undefined` until its name is resolved. */
  members: readonly Member[] | undefined
  /** By key. */
  readonly endpoints: Map<string, Endpoint>
}

/** What an edit sets. */
export type Edit = Partial<Pick<ServerSettings, 'down' | 'drain' | 'weight'>>

type EndpointPeer = Peer<Endpoint>

/**
 * The servers of a group: those of its configuration, those that the DNS knows of, and what was edited. It brings them to the balancer,
 * has them checked, and tells what becomes of them.
 */
export class Members {
  readonly balancer: Group<Endpoint>
  readonly #options: MembersOptions
  readonly #lines: Line[] = []
  readonly #lineOf = new Map<string, Line>()
  readonly #discovery: Discovery<Line>
  readonly #checks: MemberChecks
  readonly #outliers: OutlierDetector<Endpoint> | undefined
  /** The state of each peer that was told last. */
  readonly #told = new Map<EndpointPeer, ServerState>()
  /** Out for their failures, until one of their answers has shown that they are back. */
  readonly #failed = new Set<EndpointPeer>()
  #nextId = 0
  /** Every name that is looked up once has been. */
  #resolved = false
  #running = false
  /** There were first answers of the DNS, or none after a while: nobody needs to wait for them any more. */
  #asked = false
  /** There were servers to choose from. */
  #begun = false
  #starting: Promise<void> | undefined

  constructor (options: MembersOptions) {
    const { settings, timers = systemTimers } = this.#options = options
    const { balance, sticky, queue, failOnStatus, forceRecovery, outlier } = settings
    this.balancer = new Group<Endpoint>({
      name: options.group.name,
      peers: [],
      method: balance.method(),
      sticky: sticky?.(),
      queue,
      failOnStatus,
      forceRecovery,
      onStateChange: (peer, state) => this.#failures(peer, state),
      onChange: (peer, change) => this.#changed(peer, change),
      onOutcome: outlier === undefined ? undefined : (peer, outcome) => this.#outliers?.record(peer, outcome),
    })
    this.#outliers = outlier === undefined ? undefined : new OutlierDetector(outlier, () => this.balancer.servers, timers)
    this.#discovery = new Discovery({
      settings: settings.resolver,
      questions: options.questions,
      timers,
      onChange: (line, found) => this.#discovered(line, found),
      onFailure: (line, reason) => this.#resolving(line, 'failed', reason),
      onRecovery: line => this.#resolving(line, 'recovered', undefined),
    })
    this.#checks = new MemberChecks({
      group: options.group.name,
      checks: settings.health,
      timers,
      endpoint: (peer, address) => this.#endpointAt(peer, address),
    })
    for (const server of settings.servers) {
      const line = this.#line(server)
      this.#lines.push(line)
      if (server.watch !== undefined) this.#discovery.add(line, server.watch)
    }
    this.#resolved = this.#lines.every(line => line.members !== undefined)
    if (this.#resolved) this.#arrange()
  }

  /** Names are looked up, and what goes on beside the requests does. */
  get ready (): boolean {
    if (!this.#resolved) return false
    if (this.#discovery.size > 0) return this.#running && this.#asked
    return this.#running || this.#checks.size === 0
  }

  /** The addresses, as they are written. */
  get addresses (): ReadonlySet<string> {
    return new Set(this.#lines.map(({ server }) => server.given))
  }

  /** The first line with this address, as it is written. */
  find (address: string): ServerSettings | undefined {
    return this.#lines.find(({ server }) => server.given === address)?.server
  }

  /**
   * Looks up the names that have not been yet, and starts.
   * @throws FST_SCGI_RESOLVE
   */
  async open (lookup?: Lookup): Promise<void> {
    await Promise.all(this.#lines.map(async line => {
      if (line.members !== undefined) return
      line.members = (await resolveAddress(line.server.address, lookup)).map(address => ({ address, found: undefined }))
    }))
    this.#resolved = true
    this.#arrange()
    await this.start()
  }

  /** Begins to ask the DNS and to check servers. Fulfilled when there are first answers of the DNS, or none after a while. */
  start (): Promise<void> {
    this.#running = true
    this.#checks.update(this.balancer.servers)
    const starting: Promise<void> = this.#starting ??= this.#discovery.start().then(() => {
      // Not where it was stopped meanwhile.
      if (this.#starting === starting) this.#asked = true
    })
    return starting
  }

  /** Ends what goes on beside the requests, and closes idle connections. Requests are served as ever; `start` begins again. */
  stop (): void {
    this.#running = false
    this.#starting = undefined
    this.#discovery.stop()
    this.#checks.stop()
    this.#outliers?.stop()
    this.closeIdle()
  }

  closeIdle (): void {
    for (const peer of this.balancer.servers) peer.target.closeIdle()
  }

  /**
   * Adds a server, or those of its name.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_RESOLVE
   */
  async add (server: ServerSettings, option: string): Promise<EndpointPeer[]> {
    const line = this.#line(server)
    line.members ??= (await resolveAddress(server.address)).map(address => ({ address, found: undefined }))
    // After the lookup: meanwhile it may have been added by somebody else.
    const names = new Set(this.balancer.servers.map(({ name }) => name))
    if (this.find(server.given) !== undefined || line.members.some(({ address }) => names.has(address.name))) {
      throw new FST_SCGI_OPT_INVALID(option, show(server.given), `a server that ${this.balancer.name} has not yet`)
    }
    this.#lines.push(line)
    this.#arrange()
    if (server.watch !== undefined) await this.#discovery.add(line, server.watch)
    return this.#peersOf(line)
  }

  /**
   * Takes servers off.
   * @throws FST_SCGI_SERVER_UNKNOWN, FST_SCGI_SERVER_DISCOVERED
   */
  remove (name: string): EndpointPeer[] {
    const { lines, peers } = this.#select(name)
    const whole = new Set(lines)
    for (const line of lines.length > 0 ? [] : new Set(peers.map(peer => this.#lineOf.get(peer.key)))) {
      if (line === undefined) continue
      if (line.server.watch !== undefined) throw new FST_SCGI_SERVER_DISCOVERED(name, line.server.given)
      line.members = (line.members ?? []).filter(({ address }) => address.name !== name)
      if (line.members.length === 0) whole.add(line)
    }
    for (const line of whole) {
      this.#discovery.remove(line)
      this.#lines.splice(this.#lines.indexOf(line), 1)
    }
    this.#arrange()
    return peers
  }

  /**
   * Edits servers.
   * @throws FST_SCGI_SERVER_UNKNOWN
   */
  edit (name: string, edit: Edit): EndpointPeer[] {
    const { lines, peers } = this.#select(name)
    // Those that the name will have are to be no other than those that it has.
    for (const line of lines) line.server = { ...line.server, ...edit }
    // All at once: who is told of it may edit in turn, and the last edit is the one that holds.
    this.#arrange(() => {
      for (const peer of peers) {
        if (edit.weight !== undefined) peer.setWeight(edit.weight)
        if (edit.drain !== undefined) peer.drain = edit.drain
        if (edit.down !== undefined) peer.down = edit.down
      }
    })
    if (edit.weight !== undefined) for (const peer of peers) if (!peer.removed) this.#weighed(peer)
    return peers
  }

  /** The lines with this address, or the servers of this name. */
  #select (name: string): { lines: Line[], peers: EndpointPeer[] } {
    const lines = this.#lines.filter(({ server }) => server.given === name)
    const peers = lines.length > 0 ? lines.flatMap(line => this.#peersOf(line)) : this.balancer.servers.filter(peer => peer.name === name)
    if (lines.length === 0 && peers.length === 0) throw new FST_SCGI_SERVER_UNKNOWN(this.balancer.name, show(name))
    return { lines, peers }
  }

  #peersOf (line: Line): EndpointPeer[] {
    return this.balancer.servers.filter(peer => this.#lineOf.get(peer.key) === line)
  }

  #line (server: ServerSettings): Line {
    const members = server.watch !== undefined
      ? []
      : needsLookup(server.address) ? undefined : [{ address: literalAddress(server.address), found: undefined }]
    return { id: this.#nextId++, server, members, endpoints: new Map() }
  }

  #discovered (line: Line, found: readonly Found[]): void {
    const { address } = line.server
    line.members = found.map(server => ({
      address: { ...literalAddress({ ...address, hostname: server.host, port: server.port }), hostname: address.hostname },
      found: server,
    }))
    if (this.#lines.includes(line)) this.#arrange()
  }

  #resolving (line: Line, state: 'failed' | 'recovered', reason: string | undefined): void {
    const { group, emitter } = this.#options
    emitter.emit('resolve', () => ({ group, address: line.server.given, state, reason }))
  }

  /** Brings the balancer what there is, and has its servers edited. */
  #arrange (edit?: () => void): void {
    const starting = this.#discovery.size > 0 ? !this.#asked : !this.#begun
    this.#lineOf.clear()
    this.balancer.update(this.#lines.flatMap(line => this.#listed(line)), edit, starting)
    this.#begun = this.#resolved
    for (const peer of this.balancer.servers) this.#tell(peer)
    if (this.#running) this.#checks.update(this.balancer.servers)
  }

  #listed (line: Line): PeerOptions<Endpoint>[] {
    const { endpoint, peer } = this.#options
    const { server, endpoints } = line
    return (line.members ?? []).map(({ address, found }) => {
      const key = `${line.id} ${address.name}`
      let target = endpoints.get(key)
      if (target === undefined) endpoints.set(key, target = endpoint(server, address))
      this.#lineOf.set(key, line)
      const options = { ...peer(server, address, target, key), checking: this.#checks.awaits(address) }
      if (found === undefined) return options
      // As with nginx: weights of the DNS count where the configuration is silent.
      return { ...options, weight: server.weight === 1 ? found.weight ?? 1 : server.weight, backup: server.backup || found.backup }
    })
  }

  /** What connects to the host of a server at another port, and keeps no connection. */
  #endpointAt (peer: EndpointPeer, address: ServerAddress): Endpoint {
    const line = this.#lineOf.get(peer.key)
    return line === undefined ? peer.target : this.#options.endpoint({ ...line.server, keepalive: 0, preconnect: 0 }, address)
  }

  #failures (peer: EndpointPeer, state: 'down' | 'up'): void {
    if (state === 'down') this.#failed.add(peer)
    else this.#failed.delete(peer)
    this.#tell(peer)
  }

  #changed (peer: EndpointPeer, change: PeerChange): void {
    const { group, emitter } = this.#options
    if (change === 'added') {
      this.#told.set(peer, stateOf(peer, false))
      emitter.emit('added', () => ({ group, server: peer }))
    } else if (change === 'removed') {
      this.#told.delete(peer)
      this.#failed.delete(peer)
      this.#outliers?.remove(peer)
      this.#checks.left(peer)
      for (const line of this.#lines) line.endpoints.delete(peer.key)
      peer.target.closeIdle()
      emitter.emit('removed', () => ({ group, server: peer }))
    } else {
      this.#tell(peer)
    }
  }

  #weighed (peer: EndpointPeer): void {
    const { group, emitter } = this.#options
    emitter.emit('weight', () => ({ group, server: peer, weight: peer.weight }))
  }

  #tell (peer: EndpointPeer): void {
    const { group, emitter } = this.#options
    const state = stateOf(peer, this.#failed.has(peer))
    const previous = this.#told.get(peer) ?? 'up'
    if (state === previous) return
    this.#told.set(peer, state)
    emitter.emit('state', () => {
      const reason = state === 'failed' ? peer.lastFailure : state === 'unhealthy' || state === 'ejected' ? peer.reason : undefined
      return { group, server: peer, state, previous, reason }
    })
  }
}

/** The state, less what comes and goes with the requests, or with the time alone. */
function stateOf (peer: EndpointPeer, failed: boolean): ServerState {
  const { state } = peer
  if (state === 'full' || state === 'failed' || state === 'up') return failed ? 'failed' : 'up'
  return state
}
