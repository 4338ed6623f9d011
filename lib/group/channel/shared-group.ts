import { FST_SCGI_OPT_UNSUPPORTED } from '../../errors.ts'
import { isLater } from './log.ts'
import { Membership } from './membership.ts'
import { SharedLimits } from './limits.ts'
import { isPlainValue, readGroupEdit, type GroupEdit } from '../group-edits.ts'
import { KEYS, packServer, readFound, readHealth, readKey, readPurge, readUntil } from './values.ts'
import type { Group } from '../../balancer/group.ts'
import type { Peer } from '../../balancer/peer.ts'
import type { Endpoint } from '../../connections/protocol.ts'
import type { ChannelEvent, GroupChannel } from '../../../types/channel.ts'
import type { PurgeMatch } from '../../../types/cache-store.ts'
import type { ServerOptions, UpstreamServer } from '../../../types/upstream.ts'
import type { Found } from '../resolve/watch.ts'
import type { Witness } from '../witness.ts'

type EndpointPeer = Peer<Endpoint>

/** What is done in this process by the word of another. */
interface SharedTarget {
  readonly balancer: Group<Endpoint>
  lead (leads: boolean): void
  judge (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void
  /** @param time milliseconds for which it is ejected from now on; 0 brings it back */
  eject (peer: EndpointPeer, time: number, reason: string | undefined): void
  find (address: string, found: readonly Found[]): void
  edit (server: string, changes: Record<string, unknown>): void
  add (server: unknown): Promise<readonly UpstreamServer[]>
  remove (server: string): void
  /** @param edit `undefined` for the option as it was configured */
  setOption (option: string, edit: GroupEdit | undefined): void
}

export interface SharedGroupOptions {
  readonly group: string
  readonly channel: GroupChannel
  readonly target: SharedTarget
}

const EDIT = 'edit '
const SESSION = 'session '
/** A return that was so many milliseconds ago is one of a while ago, of which this process was told late. */
const LATE = 500

/** So long those hear of a purge, in milliseconds, who could not be reached. */
const PURGE_KEPT = 3_600_000

/** A group that processes share: tells them what this one finds out and edits, and does here what they tell. */
export class SharedGroup implements Witness {
  readonly #options: SharedGroupOptions
  readonly #membership: Membership
  readonly #limits: SharedLimits
  /** Who purges caches where another process has. */
  readonly purgeListeners = new Set<(cache: string, match: PurgeMatch, soft: boolean) => void>()
  /** What was found out elsewhere is being entered: it is not to be told again. */
  #applying = false
  /** A limit was edited by the word of another process: when all of that is entered, it is shared out anew. */
  #limited = false
  /** Of each address that was added or removed the event that holds here. */
  readonly #servers = new Map<string, ChannelEvent>()
  readonly #busy = new Set<string>()

  constructor (options: SharedGroupOptions) {
    const { group, channel, target } = this.#options = options
    this.#membership = new Membership({ group, channel, onEvent: event => this.#apply(event), onChange: () => this.#changed() })
    this.#limits = new SharedLimits(this.#membership, () => target.balancer.servers)
    this.watchSessions()
  }

  /** The sessions are others than before: they are told to others, and begin with those that others have told. */
  watchSessions (): void {
    const sessions = this.#options.target.balancer.sticky?.shared
    if (sessions === undefined || sessions.onNoted !== undefined) return
    sessions.onNoted = (session, server, milliseconds) => { this.#membership.say(KEYS.session(session), server, milliseconds) }
    for (const event of this.#membership.events(SESSION)) this.#apply(event)
  }

  /** What others know was learnt, or nobody answers. */
  get settled (): boolean {
    return this.#membership.settled
  }

  join (): Promise<void> {
    return this.#membership.join()
  }

  leave (): void {
    this.#membership.leave()
  }

  // What this process has edited.

  edited (server: string, changes: object): void {
    for (const [option, value] of Object.entries(changes)) {
      if (value !== undefined) this.#membership.say(KEYS.edit(option, server), value)
    }
  }

  added (server: ServerOptions): void {
    this.#servers.set(server.address, this.#membership.say(KEYS.server(server.address), packServer(server)))
  }

  removed (server: string): void {
    this.#servers.set(server, this.#membership.say(KEYS.server(server), null))
  }

  purged (cache: string, match: PurgeMatch, soft: boolean): void {
    this.#membership.say(KEYS.purge(cache, match), { cache, match, soft }, PURGE_KEPT)
  }

  optionsSet (edits: ReadonlyMap<string, GroupEdit | undefined>): void {
    for (const [option, edit] of edits) this.#membership.say(KEYS.option(option), edit ?? null)
  }

  /**
   * Whether the others can be told of options.
   * @throws FST_SCGI_OPT_UNSUPPORTED
   */
  checkOptions (edits: ReadonlyMap<string, GroupEdit | undefined>): void {
    for (const [option, edit] of edits) {
      if (isPlainValue(edit)) continue
      throw new FST_SCGI_OPT_UNSUPPORTED(option, 'the group is shared, and a function, an expression or a Buffer cannot be sent to the other processes: set what can be written as JSON')
    }
  }

  // What this process has found out.

  health (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void {
    this.#tell(KEYS.health(peer.name), { healthy, reason })
  }

  found (address: string, found: readonly Found[]): void {
    this.#tell(KEYS.found(address), found)
  }

  failures (peer: EndpointPeer, state: 'down' | 'up'): void {
    this.#tell(KEYS.out(peer.name), state === 'up' ? null : { until: Date.now() + peer.outTime, reason: peer.lastFailure })
  }

  changed (peer: EndpointPeer, change: string): void {
    if (change === 'ejected') {
      const left = peer.ejectedUntil - this.#options.target.balancer.now()
      const key = KEYS.ejected(peer.name)
      if (left > 0) this.#tell(key, { until: Date.now() + left, reason: peer.reason })
      // Whoever has ejected it tells of the end: by then it may have been ejected again, which was not heard of here yet.
      else if (this.#membership.get(key)?.process === this.#membership.process) this.#tell(key, null)
    } else if (change === 'added') this.#catchUp(peer)
    else if (change === 'limits') {
      if (this.#applying) this.#limited = true
      else this.#limits.update()
    }
  }

  released (peer: EndpointPeer): void {
    this.#limits.released(peer)
  }

  #tell (key: string, value: unknown): void {
    if (!this.#applying) this.#membership.say(key, value)
  }

  /** What others have found out of a server that was not here before. */
  #catchUp (peer: EndpointPeer): void {
    for (const key of [KEYS.health(peer.name), KEYS.out(peer.name), KEYS.ejected(peer.name)]) {
      const event = this.#membership.get(key)
      if (event !== undefined && event.value !== null) this.#apply(event)
    }
    // What was edited of it alone could not be entered before.
    this.#editAnew(peer.name)
    this.#limits.update()
  }

  #editAnew (server: string): void {
    for (const event of this.#membership.events(EDIT)) if (readKey(readKey(event.key)[1])[1] === server) this.#apply(event)
  }

  #changed (): void {
    this.#options.target.lead(this.#membership.leads)
    this.#limits.update()
  }

  #apply (event: ChannelEvent): void {
    const [kind, rest] = readKey(event.key)
    const before = this.#applying
    this.#applying = true
    try {
      if (kind === 'edit') this.#applyEdit(event, rest)
      else if (kind === 'server') void this.#applyServer(rest)
      else if (kind === 'option') this.#options.target.setOption(rest, readGroupEdit(event.value))
      else if (kind === 'purge') this.#applyPurge(event)
      else if (kind === 'session') this.#applySession(event, rest)
      else if (kind === 'found') this.#options.target.find(rest, readFound(event.value) ?? [])
      else if (kind === 'shares' || kind === 'held') this.#limits.heard(event, rest)
      else for (const peer of this.#options.target.balancer.servers) if (peer.name === rest) this.#applyFinding(kind, peer, event)
    } catch (error) {
      warn(this.#options.group, event, error)
    } finally {
      this.#applying = before
    }
    if (before || !this.#limited) return
    this.#limited = false
    this.#limits.update()
  }

  #applyFinding (kind: string, peer: EndpointPeer, { value, clock }: ChannelEvent): void {
    const { target } = this.#options
    const since = peer.rampBegan
    let back: number | undefined
    if (kind === 'health') {
      const read = readHealth(value)
      if (read === undefined) return
      if (read.healthy && !peer.healthy) back = clock
      target.judge(peer, read.healthy, read.reason)
    } else {
      const read = readUntil(value)
      const left = read === undefined ? 0 : read.until - Date.now()
      if (read === undefined) back = clock
      if (kind === 'out') {
        if (left > 0) {
          peer.lastFailure = read?.reason
          peer.takeOut(Math.min(left, peer.outTime))
        } else if (read === undefined) peer.takeBack()
      } else if (kind === 'ejected') {
        target.eject(peer, Math.max(0, left), read?.reason)
        if (read !== undefined && left <= 0) back = read.until
      }
    }
    if (back !== undefined) this.#backdate(peer, back, since)
  }

  /**
   * Its weight has grown meanwhile.
   * @param at the time of day at which it came back
   * @param since when its weight began to grow before this process was told, by the clock of the group: it was back already, or is new here
   */
  #backdate (peer: EndpointPeer, at: number, since: number): void {
    const ago = Date.now() - at
    const { balancer } = this.#options.target
    if (ago > LATE) balancer.cameBack(peer, Math.min(ago, balancer.now() - since))
  }

  /** Later edits of the same option hold against this one, also where it is of all servers of a name, and they of one. */
  #applyEdit (event: ChannelEvent, rest: string): void {
    const [option, server] = readKey(rest)
    const later = this.#membership.events(KEYS.edit(option, '')).filter(other => isLater(other, event))
    for (const each of [event, ...later]) {
      const name = each === event ? server : readKey(readKey(each.key)[1])[1]
      this.#edit(each, option, name)
    }
  }

  #edit (event: ChannelEvent, option: string, server: string): void {
    const since = this.#membership.get(KEYS.server(server))
    // It was of a server of that address before this one.
    if (since !== undefined && since.clock > event.clock) return
    const { target } = this.#options
    const before = new Map(target.balancer.servers.map(peer => [peer, peer.rampBegan]))
    try {
      target.edit(server, { [option]: event.value })
      for (const [peer, since] of before) if (peer.rampBegan > since) this.#backdate(peer, event.clock, since)
    } catch (error) {
      // It comes with the servers of its name, or has left.
      if (!isUnknown(error)) warn(this.#options.group, event, error)
    }
  }

  #applyPurge ({ value }: ChannelEvent): void {
    const purge = readPurge(value)
    if (purge !== undefined) for (const listener of this.purgeListeners) listener(purge.cache, purge.match, purge.soft)
  }

  #applySession ({ value, until }: ChannelEvent, session: string): void {
    if (typeof value !== 'string' || until === undefined) return
    this.#options.target.balancer.sticky?.shared?.note(session, value, until - Date.now())
  }

  /** Adding takes time: what is said of the address meanwhile is looked at when it is done. */
  async #applyServer (address: string): Promise<void> {
    if (this.#busy.has(address)) return
    this.#busy.add(address)
    const { target, group } = this.#options
    for (;;) {
      const event = this.#membership.get(KEYS.server(address))
      if (event === undefined || this.#servers.get(address) === event) break
      this.#servers.set(address, event)
      try {
        this.#quietly(() => target.remove(address))
      } catch (error) {
        if (!isUnknown(error)) warn(group, event, error)
      }
      try {
        if (event.value !== null) this.#grown(await target.add(event.value), event)
      } catch (error) {
        warn(group, event, error)
      }
    }
    this.#busy.delete(address)
    this.#editAnew(address)
  }

  /** Others have had these for a while, as they are now. */
  #grown (added: readonly UpstreamServer[], { clock }: ChannelEvent): void {
    for (const peer of this.#options.target.balancer.servers) {
      if (!added.includes(peer)) continue
      const found = [KEYS.health(peer.name), KEYS.out(peer.name), KEYS.ejected(peer.name)].map(key => this.#membership.get(key)?.clock ?? 0)
      this.#backdate(peer, Math.max(clock, ...found), -Infinity)
    }
  }

  #quietly (work: () => void): void {
    const before = this.#applying
    this.#applying = true
    try {
      work()
    } finally {
      this.#applying = before
    }
  }
}

function isUnknown (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'FST_SCGI_SERVER_UNKNOWN'
}

/** The processes are not configured alike: what holds in the others cannot hold here. */
function warn (group: string, { key, process: by }: ChannelEvent, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  process.emitWarning(`The group ${group} cannot do what process ${by} says of '${key}': ${reason}`, { code: 'FST_SCGI_CHANNEL' })
}
