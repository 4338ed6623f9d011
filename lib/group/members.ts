import { Group } from '../balancer/group.ts'
import { Ejections } from '../balancer/ejections.ts'
import { OutlierDetector } from '../balancer/outlier.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { literalAddress, needsLookup, resolveAddress, type Lookup } from '../connections/address.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { show } from '../options/units.ts'
import { Applications } from './applications.ts'
import { Discovery } from './discovery.ts'
import { Lines } from './lines.ts'
import { MemberChecks } from './member-checks.ts'
import { differences, readChanges } from './server-edits.ts'
import type { PeerChange } from '../balancer/group.ts'
import type { Peer, PeerOptions } from '../balancer/peer.ts'
import type { Questions } from './resolve/resolver.ts'
import type { Found } from './resolve/watch.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'
import type { UpstreamGroup, UpstreamGroupDetails } from '../../types/live.ts'
import type { ServerState } from '../../types/upstream.ts'
import type { BalanceSettings } from './balance-options.ts'
import type { GroupEmitter } from './group-events.ts'
import { requireCheck, type HealthCheck } from './health-options.ts'
import type { GroupOptionSettings, GroupSettings, ServerSettings } from './group-options.ts'
import type { Line, Member } from './line.ts'
import type { Witness } from './witness.ts'

export interface MembersOptions {
  /** Whom events are about. */
  readonly group: UpstreamGroup
  readonly settings: GroupSettings
  readonly emitter: GroupEmitter
  readonly timers?: Timers
  /** What is asked for names. Default: DNS servers, by the settings. */
  readonly questions?: (() => Questions) | undefined
  /** Hears of what this process finds out, for others to know. */
  readonly witness?: Witness | undefined
  /** Makes what connects to a server. */
  endpoint (server: ServerSettings, address: ServerAddress): Endpoint
  /** A server at one of its addresses. */
  peer (server: ServerSettings, address: ServerAddress, target: Endpoint, key: string): PeerOptions<Endpoint>
}

type EndpointPeer = Peer<Endpoint>

/**
 * The servers of a group: those of its configuration, those that the DNS knows of, and what was edited. It brings them to the balancer,
 * has them checked, and tells what happens to them.
 */
export class Members {
  readonly balancer: Group<Endpoint>
  readonly #options: MembersOptions
  readonly #lines: Lines
  #balance: BalanceSettings
  #health: readonly HealthCheck[]
  readonly #discovery: Discovery<Line>
  readonly #checks: MemberChecks
  readonly #applications: Applications
  readonly #ejections: Ejections<Endpoint>
  readonly #outliers: OutlierDetector<Endpoint> | undefined
  /** The state of each peer that was told last. */
  readonly #told = new Map<EndpointPeer, ServerState>()
  /** Out for their failures, until one of their answers has shown that they are back. */
  readonly #failed = new Set<EndpointPeer>()
  /** Every name that is looked up once has been. */
  #resolved = false
  #running = false
  /** It is for this process to ask the DNS and to check servers. */
  #leads: boolean
  /** There were first answers of the DNS, or none after a while: nobody needs to wait for them any more. */
  #asked = false
  /** There were servers to choose from. */
  #begun = false
  #starting: Promise<void> | undefined

  constructor (options: MembersOptions) {
    const { settings, timers = systemTimers } = this.#options = options
    const { balance, sticky, queue, tries, failOnStatus, forceRecovery, health, outlier } = settings
    this.#health = health
    this.#balance = balance
    this.#leads = options.witness === undefined
    this.#lines = new Lines(options.group.name)
    this.balancer = new Group<Endpoint>({
      name: options.group.name,
      peers: [],
      method: balance.method(),
      sticky: sticky?.(),
      queue,
      tries,
      failOnStatus,
      forceRecovery,
      onStateChange: (peer, state) => this.#failures(peer, state),
      onChange: (peer, change) => this.#changed(peer, change),
      onOutcome: outlier === undefined && options.witness === undefined
        ? undefined
        : (peer, outcome) => {
            this.#outliers?.record(peer, outcome)
            options.witness?.released(peer)
          },
    })
    this.#ejections = new Ejections(timers)
    this.#outliers = outlier === undefined ? undefined : new OutlierDetector(outlier, () => this.balancer.servers, timers, this.#ejections)
    this.#discovery = new Discovery({
      settings: settings.resolver,
      questions: options.questions,
      timers,
      onChange: (line, found) => {
        this.#discovered(line, found)
        options.witness?.found(line.server.given, found)
      },
      onFailure: (line, reason) => this.#resolving(line, 'failed', reason),
      onRecovery: line => this.#resolving(line, 'recovered', undefined),
    })
    this.#checks = new MemberChecks({
      group: options.group.name,
      checks: health,
      timers,
      endpoint: (peer, address) => this.#endpointAt(peer, address),
      onHealth: options.witness?.health,
    })
    this.#applications = new Applications({
      group: options.group,
      emitter: options.emitter,
      timers,
      onServers: (line, members) => this.#served(line, members),
      servers: line => this.#peersOf(line),
    })
    for (const server of settings.servers) {
      const line = this.#lines.make(server)
      this.#lines.add(line)
      if (server.watch !== undefined) void this.#discovery.add(line, server.watch)
    }
    this.#resolved = this.#lines.resolved
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
    return new Set(this.#lines.list.map(({ server }) => server.given))
  }

  /** The balancing method. */
  get balance (): BalanceSettings {
    return this.#balance
  }

  /**
   * Looks up the names that have not been yet, starts the applications that do not run, and all else. Nothing runs where that fails.
   * @throws FST_SCGI_RESOLVE, FST_SCGI_SPAWN, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
   */
  async open (lookup?: Lookup): Promise<void> {
    const opened = await Promise.allSettled(this.#lines.list.map(async line => { line.members ??= await this.#open(line, lookup) }))
    for (const result of opened) {
      if (result.status === 'fulfilled') continue
      this.#endApplications()
      await this.stopped()
      throw result.reason
    }
    this.#resolved = true
    this.#arrange()
    await this.start()
  }

  /** Begins to ask the DNS and to check servers. Fulfilled when there are first answers of the DNS, or none after a while. */
  start (): Promise<void> {
    this.#running = true
    this.#ejections.start()
    if (!this.#leads) {
      this.#asked = true
      return Promise.resolve()
    }
    this.#checks.update(this.balancer.servers)
    const starting: Promise<void> = this.#starting ??= this.#discovery.start().then(() => {
      // Not where it was stopped meanwhile.
      if (this.#starting === starting) this.#asked = true
    })
    return starting
  }

  /** It is for this process to ask the DNS and to check servers, or for another one, which says what it finds. */
  lead (leads: boolean): void {
    if (leads === this.#leads) return
    this.#leads = leads
    this.#starting = undefined
    if (this.#running && leads) void this.start()
    if (leads) return
    this.#discovery.stop()
    this.#checks.stop()
  }

  /** The servers of an address, as the process has found that leads. */
  find (address: string, found: readonly Found[]): void {
    for (const line of this.#lines.list) if (line.server.given === address && line.server.watch !== undefined) this.#discovered(line, found)
  }

  judge (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void {
    this.#checks.judge(peer, healthy, reason)
  }

  /** @param time milliseconds for which it is ejected from now on; 0 brings it back */
  eject (peer: EndpointPeer, time: number, reason: string | undefined): void {
    if (time > 0) this.#ejections.eject(peer, time, reason)
    else this.#ejections.end(peer)
  }

  /** Ends what goes on beside the requests, and closes idle connections. Requests are served as ever; `start` begins again. */
  stop (): void {
    this.#running = false
    this.#starting = undefined
    this.#discovery.stop()
    this.#checks.stop()
    this.#checks.forget()
    this.#ejections.stop()
    this.#endApplications()
    this.closeIdle()
  }

  details (): Omit<UpstreamGroupDetails, 'processes'> {
    const { queue, sticky } = this.balancer
    return {
      queue: queue === undefined || (queue.size === 0 && queue.length === 0) ? undefined : { waiting: queue.length, size: queue.size },
      sessions: sticky?.sessions,
      names: this.#lines.list.filter(({ server }) => needsLookup(server.address)).map(line => ({
        address: line.server.given,
        servers: (line.members ?? []).map(({ address }) => address.name),
        ...this.#discovery.stateOf(line),
      })),
      applications: this.#applications.details(),
    }
  }

  /** Fulfilled when the applications that were to end have ended. */
  stopped (): Promise<void> {
    return this.#applications.stopped()
  }

  #endApplications (): void {
    for (const line of this.#applications.stop()) {
      line.members = undefined
      this.#resolved = false
    }
  }

  async #open (line: Line, lookup?: Lookup): Promise<Member[]> {
    if (line.server.spawn !== undefined) return await this.#applications.open(line)
    return (await resolveAddress(line.server.address, lookup)).map(address => ({ address, found: undefined }))
  }

  closeIdle (): void {
    for (const peer of this.balancer.servers) peer.target.closeIdle()
  }

  /**
   * Adds a server, or those of its name.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_RESOLVE, FST_SCGI_SPAWN
   */
  async add (server: ServerSettings, option: string): Promise<EndpointPeer[]> {
    const line = this.#lines.make(server)
    const refusal = new FST_SCGI_OPT_INVALID(option, show(server.given), `a server that ${this.balancer.name} has not yet`)
    if (this.#lines.find(server.given) !== undefined) throw refusal
    line.members ??= await this.#open(line)
    // Meanwhile it may have been added by somebody else.
    const names = new Set(this.balancer.servers.map(({ name }) => name))
    if (this.#lines.find(server.given) !== undefined || line.members.some(({ address }) => names.has(address.name))) {
      this.#applications.close(line)
      throw refusal
    }
    this.#lines.add(line)
    this.#arrange()
    if (server.watch !== undefined) await this.#discovery.add(line, server.watch)
    return this.#peersOf(line)
  }

  /**
   * Takes servers off.
   * @throws FST_SCGI_SERVER_UNKNOWN, FST_SCGI_SERVER_DISCOVERED
   */
  remove (name: string): EndpointPeer[] {
    const named = this.#lines.select(name)
    const peers = this.#peers(named.servers)
    for (const line of this.#lines.remove(name, named)) {
      this.#discovery.remove(line)
      this.#applications.close(line)
    }
    this.#arrange()
    return peers
  }

  /**
   * Edits servers. What cannot be changes nothing.
   * @param elsewhere it was made, and checked, in another process: what it ends in must not depend on what else was edited here
   * @throws FST_SCGI_SERVER_UNKNOWN, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
   */
  edit (name: string, changes: unknown, elsewhere = false): EndpointPeer[] {
    const read = readChanges(changes)
    const named = this.#lines.select(name)
    const peers = this.#peers(named.servers)
    const before = new Map(peers.map(peer => [peer, this.#lines.settingsOf(peer.key)]))
    this.#lines.edit(named, read, this.#balance, elsewhere)
    // All at once: who is told of it may edit in turn, and the last edit is the one that holds.
    this.#arrange()
    for (const [peer, settings] of before) if (settings !== undefined && !peer.removed) this.#edited(peer, settings, 'weight' in read)
    return peers
  }

  /** The checks of its servers. */
  get health (): readonly HealthCheck[] {
    return this.#health
  }

  /**
   * Whether the servers can do with other options of the group.
   * @throws FST_SCGI_OPT_UNSUPPORTED
   */
  check ({ balance, health }: GroupOptionSettings): void {
    if (balance !== undefined) this.#lines.checkBalance(balance)
    if (health === undefined) return
    for (const { server } of this.#lines.list) requireCheck(health, server.address, 'health', server.given)
  }

  /**
   * Sets options of the group itself, which `check` has found to be possible.
   * @param onlyFailover of `sticky` nothing else is another: the sessions go on
   */
  setOptions (settings: GroupOptionSettings, onlyFailover: boolean): void {
    const { balancer } = this
    const { balance, sticky, tries = 0, forceRecovery = false, health = [] } = settings
    if ('sticky' in settings) {
      const made = sticky?.<Endpoint>()
      if (onlyFailover && balancer.sticky !== undefined && made !== undefined) balancer.sticky.failover = made.failover
      else balancer.sticky = made
    }
    if ('queue' in settings) balancer.setQueue(settings.queue)
    if ('tries' in settings) balancer.setTries(tries)
    if ('failOnStatus' in settings) balancer.failOnStatus = settings.failOnStatus
    if ('forceRecovery' in settings) balancer.forceRecovery = forceRecovery
    if ('health' in settings) {
      this.#health = health
      this.#checks.configure(health, balancer.servers)
      if (this.#running && this.#leads) this.#checks.update(balancer.servers)
    }
    if (balance !== undefined) this.#setBalance(balance)
  }

  #setBalance (balance: BalanceSettings): void {
    const { group, emitter } = this.#options
    const previous = this.#balance.name
    this.#balance = balance
    this.balancer.setMethod(balance.method())
    emitter.emit('balance', () => ({ group, balance: balance.name, previous }))
  }

  #peers (keys: ReadonlyMap<string, unknown>): EndpointPeer[] {
    return this.balancer.servers.filter(({ key }) => keys.has(key))
  }

  #peersOf (line: Line): EndpointPeer[] {
    return this.balancer.servers.filter(peer => this.#lines.lineOf(peer.key) === line)
  }

  #discovered (line: Line, found: readonly Found[]): void {
    const { address } = line.server
    line.members = found.map(server => ({
      address: { ...literalAddress({ ...address, hostname: server.host, port: server.port }), hostname: address.hostname },
      found: server,
    }))
    if (this.#lines.list.includes(line)) this.#arrange()
  }

  #served (line: Line, members: readonly Member[]): void {
    // Not while it is being opened.
    if (line.members === undefined || !this.#lines.list.includes(line)) return
    const lives = new Map(line.members.map(member => [line.keyOf(member.address), member.life]))
    line.members = members
    this.#arrange()
    const anew = new Set(members.filter(member => member.stopped === undefined).flatMap(member => {
      const key = line.keyOf(member.address)
      return lives.has(key) && lives.get(key) !== member.life ? [key] : []
    }))
    // Who runs it knows better than the failures of the process that is gone.
    for (const peer of this.#peersOf(line)) if (anew.has(peer.key)) peer.takeBack()
  }

  #resolving (line: Line, state: 'failed' | 'recovered', reason: string | undefined): void {
    const { group, emitter } = this.#options
    emitter.emit('resolve', () => ({ group, address: line.server.given, state, reason }))
  }

  /** Brings the balancer what there is. */
  #arrange (): void {
    const starting = this.#discovery.size > 0 ? !this.#asked : !this.#begun
    this.balancer.update(this.#lines.enter((line, member, key) => this.#entered(line, member, key)), starting)
    this.#begun = this.#resolved
    for (const peer of this.balancer.servers) this.#tell(peer)
    if (this.#running && this.#leads) this.#checks.update(this.balancer.servers)
  }

  #entered (line: Line, member: Member, key: string): PeerOptions<Endpoint> {
    const { endpoint, peer } = this.#options
    const { address } = member
    const settings = line.settingsOf(member)
    let target = line.endpoints.get(key)
    if (target === undefined) line.endpoints.set(key, target = endpoint(settings, address))
    else target.configure?.(settings)
    return { ...peer(settings, address, target, key), checking: this.#checks.awaits(address), stopped: member.stopped }
  }

  /** What connects to the host of a server at another port, and keeps no connection. */
  #endpointAt (peer: EndpointPeer, address: ServerAddress): Endpoint {
    const line = this.#lines.lineOf(peer.key)
    return line === undefined ? peer.target : this.#options.endpoint({ ...line.server, keepalive: 0, preconnect: 0 }, address)
  }

  #failures (peer: EndpointPeer, state: 'down' | 'up'): void {
    if (state === 'down') this.#failed.add(peer)
    else this.#failed.delete(peer)
    this.#tell(peer)
    this.#options.witness?.failures(peer, state)
  }

  #changed (peer: EndpointPeer, change: PeerChange): void {
    const { group, emitter } = this.#options
    if (change === 'added') {
      this.#told.set(peer, stateOf(peer, false))
      emitter.emit('added', () => ({ group, server: peer }))
    } else if (change === 'removed') {
      this.#told.delete(peer)
      this.#failed.delete(peer)
      this.#ejections.remove(peer)
      this.#outliers?.remove(peer)
      this.#checks.left(peer)
      for (const line of this.#lines.list) if (line.endpoints.has(peer.key)) this.#applications.left(line, peer)
      this.#lines.forget(peer.key)
      peer.target.closeIdle()
      emitter.emit('removed', () => ({ group, server: peer }))
    } else {
      this.#tell(peer)
    }
    this.#options.witness?.changed(peer, change)
  }

  #edited (peer: EndpointPeer, before: ServerSettings, weighed: boolean): void {
    const { group, emitter } = this.#options
    if (weighed) emitter.emit('weight', () => ({ group, server: peer, weight: peer.weight }))
    const after = this.#lines.settingsOf(peer.key)
    const changes = after === undefined ? {} : differences(before, after)
    if (Object.keys(changes).length > 0) emitter.emit('edited', () => ({ group, server: peer, changes }))
  }

  #tell (peer: EndpointPeer): void {
    const { group, emitter } = this.#options
    const state = stateOf(peer, this.#failed.has(peer))
    const previous = this.#told.get(peer) ?? 'up'
    if (state === previous) return
    this.#told.set(peer, state)
    emitter.emit('state', () => {
      const reason = state === 'failed' ? peer.stopped ?? peer.lastFailure : state === 'unhealthy' || state === 'ejected' ? peer.reason : undefined
      return { group, server: peer, state, previous, reason }
    })
  }
}

/** The state, less what comes and goes with the requests, or with the time alone. */
function stateOf (peer: EndpointPeer, failed: boolean): ServerState {
  const { state } = peer
  if (state === 'failed' && peer.stopped !== undefined) return state
  if (state === 'full' || state === 'failed' || state === 'up') return failed ? 'failed' : 'up'
  return state
}
