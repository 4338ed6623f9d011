import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import type { AttemptOutcome, UpstreamServers } from '../../types/upstream.ts'
import type { Method, PickRequest } from './method.ts'
import { Peer } from './peer.ts'
import { peerKey } from './peer-options.ts'
import type { AttemptMetrics, Clock, PeerEdit, PeerOptions, PeerOwner, StateChange } from './peer-options.ts'
import { WaitQueue } from './queue.ts'
import type { QueueOptions } from './queue.ts'
import { roundRobin } from './round-robin.ts'
import { LONG_AGO, Selection, UNLIMITED } from './selection.ts'
import type { Stickiness } from './sticky/stickiness.ts'
import { arrange } from './tiers.ts'
import type { PeerSet, Tiers } from './tiers.ts'

/** What became of a peer: an edit, or that it came or went. */
export type PeerChange = PeerEdit | 'added' | 'removed'

export interface GroupOptions<T> {
  /** What logs show where no server is left. */
  name: string
  /** May be empty, to be filled later. */
  peers: readonly PeerOptions<T>[]
  /** Default: smooth weighted round robin. */
  method?: Method<T> | undefined
  /** The sessions. Default: none. (nginx: sticky) */
  sticky?: Stickiness<T> | undefined
  /** Requests that find every live server at maxConns wait. Default: they do not. (nginx: queue) */
  queue?: QueueOptions | undefined
  /** When every server has failed, all are forgiven at once. Default false. (Apache: forcerecovery) */
  forceRecovery?: boolean | undefined
  /** Statuses that count as a failure of the server whose reply has them. Default: none. (Apache: failonstatus) */
  failOnStatus?: ReadonlySet<number> | undefined
  /** Most attempts of a request; 0 is without limit. Default 0. (Apache: maxattempts) */
  tries?: number | undefined
  /** Clock in milliseconds; must never go back. Default: the time since the process began. */
  now?: Clock | undefined
  /**
   * Called once when the failures of a peer take it out, and once when an answer brings it back. It is called while the
   * attempt is released, after all accounts are settled, and must not throw.
   */
  onStateChange?: ((peer: Peer<T>, state: 'down' | 'up') => void) | undefined
  /** Called after a peer was edited, added or removed. Must not throw. */
  onChange?: ((peer: Peer<T>, change: PeerChange) => void) | undefined
  /** Called at the end of every attempt, when it is entered in the accounts. Must not throw. */
  onOutcome?: ((peer: Peer<T>, outcome: AttemptOutcome, metrics: AttemptMetrics | undefined) => void) | undefined
}

/** A group of servers, and which of them serves next. Shared by all requests to it. (nginx: upstream) */
export class Group<T> implements UpstreamServers, PeerOwner<Peer<T>> {
  readonly name: string
  /** Where requests wait; `undefined` if they do not. */
  queue: WaitQueue | undefined
  /** Which requests are bound to which server; `undefined` if none are. */
  sticky: Stickiness<T> | undefined
  failOnStatus: ReadonlySet<number> | undefined
  forceRecovery: boolean
  /** Most attempts of a request. */
  limit: number
  /** Has the names of its servers resolved, where that is still to be done: whoever needs a server waits for it. */
  open: (() => Promise<unknown>) | undefined = undefined

  // The rest is for Selection.

  tiers: Tiers<T>
  first: PeerSet<T>
  /** Peers that are not down and not draining. */
  tries = 0

  readonly #now: Clock
  #method: Method<T>
  readonly #onStateChange: GroupOptions<T>['onStateChange']
  readonly #onChange: GroupOptions<T>['onChange']
  readonly #onOutcome: GroupOptions<T>['onOutcome']
  #servers: readonly Peer<T>[]
  /** Number of peers whose state depends on the time. */
  #timed = 0
  /** What is to be told of edits that are part of a larger one, which arranges the peers, and tells of them, at its end. */
  #untold: (() => void)[] | undefined

  constructor (options: GroupOptions<T>) {
    this.name = options.name
    this.#now = options.now ?? monotonic
    this.#method = options.method ?? roundRobin
    this.#onStateChange = options.onStateChange
    this.#onChange = options.onChange
    this.#onOutcome = options.onOutcome
    this.forceRecovery = options.forceRecovery ?? false
    this.failOnStatus = options.failOnStatus
    this.limit = limitOf(options.tries)
    this.sticky = options.sticky
    this.#servers = options.peers.map(peer => new Peer(peer, this))
    this.tiers = arrange(this.#servers, this.#method)
    this.first = firstOf(this.tiers)
    this.#count()
    this.setQueue(options.queue)
  }

  /** All peers in the order of the configuration, as they are at present. */
  get servers (): readonly Peer<T>[] {
    return this.#servers
  }

  /** One server and no backup: its failures do not count, and it is never tried twice for a request. */
  get single (): boolean {
    return this.tiers.single
  }

  /** The time by the clock of the group, in milliseconds. */
  now (): number {
    return this.#now()
  }

  /** The first peer of that key. */
  find (key: string): Peer<T> | undefined {
    return this.#servers.find(peer => peer.key === key)
  }

  /**
   * Replaces the list. Peers whose key is in the new one stay, with their target and their state, and take over the settings
   * that differ from those they were given last. The others are never picked again; exchanges that run with them go on.
   * Nobody is told before all is done.
   * @param start those that come were there from the start: none of them has to catch up with the others
   */
  update (options: readonly PeerOptions<T>[], start = false): { added: Peer<T>[], removed: Peer<T>[] } {
    const before = new Map<string, Peer<T>[]>()
    for (const peer of this.#servers) {
      const alike = before.get(peer.key)
      if (alike === undefined) before.set(peer.key, [peer])
      else alike.push(peer)
    }
    const added: Peer<T>[] = []
    const servers: Peer<T>[] = []
    const untold: (() => void)[] = this.#untold = []
    try {
      for (const settings of options) {
        let peer = before.get(peerKey(settings))?.shift()
        if (peer === undefined) added.push(peer = new Peer(settings, this))
        else peer.configure(settings)
        servers.push(peer)
      }
    } finally {
      this.#untold = undefined
    }
    const removed = [...before.values()].flat()
    this.#servers = servers
    for (const peer of removed) {
      peer.remove()
      this.#retime(peer)
    }
    if (!start) for (const peer of added) this.#welcome(peer)
    this.#arrange()
    // Whoever is told may take others off.
    for (const tell of untold) tell()
    for (const peer of removed) this.#onChange?.(peer, 'removed')
    for (const peer of added) if (!peer.removed) this.#onChange?.(peer, 'added')
    this.queue?.wake()
    return { added, removed }
  }

  /** Another method has the peers take turns from now on. */
  setMethod (method: Method<T>): void {
    this.#method = method
    // What one was owed by the rules before is no debt by the new ones.
    for (const peer of this.#servers) peer.currentWeight = 0
    this.#arrange()
    this.queue?.wake()
  }

  /** `undefined`: nobody waits from now on. Those who do may stay. */
  setQueue (options: QueueOptions | undefined): void {
    if (this.queue !== undefined) this.queue.configure(options ?? { size: 0, timeout: this.queue.timeout })
    else if (options !== undefined) this.queue = new WaitQueue(options, this.#now, () => this.#nextReturn(), () => this.#reserves())
  }

  /** @param tries most attempts of a request; 0 is without limit */
  setTries (tries: number): void {
    this.limit = limitOf(tries)
  }

  /** Adds a peer at the end of the list. */
  add (options: PeerOptions<T>): Peer<T> {
    const peer = new Peer(options, this)
    this.#servers = [...this.#servers, peer]
    this.#welcome(peer)
    this.#arrange()
    this.#onChange?.(peer, 'added')
    this.queue?.wake()
    return peer
  }

  /** Takes a peer off the list; exchanges that run with it go on. False if it is not in the list. */
  remove (peer: Peer<T>): boolean {
    if (!this.#servers.includes(peer)) return false
    this.#servers = this.#servers.filter(other => other !== peer)
    peer.remove()
    this.#retime(peer)
    this.#arrange()
    this.#onChange?.(peer, 'removed')
    this.queue?.wake()
    return true
  }

  /** Begins the attempts of one request. `request` is for methods that look at it. */
  begin (request?: PickRequest): Selection<T> {
    return new Selection(this, request)
  }

  /**
   * The time, for a pick; `LONG_AGO` while nothing depends on it. Reading the clock costs as much as a pick, so it is left alone then.
   */
  tick (): number {
    return this.#timed > 0 || this.tiers.timed ? this.#now() : LONG_AGO
  }

  /**
   * Forgives all failures if each peer has failed; false otherwise. As in Apache that is asked of all alike: one that is down or drains,
   * and has not failed, prevents it, and one that is out for other reasons, too, does not.
   */
  recover (): boolean {
    const peers = this.#servers
    if (peers.length === 0 || !peers.every(peer => peer.failed)) return false
    for (const peer of peers) {
      const change = peer.forgive()
      this.#retime(peer)
      this.#tell(peer, change)
    }
    return true
  }

  /** Enters the outcome of an attempt, which is over, in the accounts of its peer. */
  account (
    peer: Peer<T>, outcome: AttemptOutcome, pass: object, metrics: AttemptMetrics | undefined, error: Error | undefined, complete: boolean
  ): void {
    if (outcome === 'ok' || outcome === 'next') peer.served += 1
    else if (outcome === 'failed') {
      peer.failures += 1
      peer.lastFailure = error?.message ?? (metrics?.status === undefined ? undefined : `it answered with status ${metrics.status}`)
    }
    if (error !== undefined && outcome !== 'abort') peer.lastError = error
    if (metrics !== undefined) peer.measured(metrics, outcome === 'ok', complete)
    // What a server does that is gone, or is the only one, moves nobody in or out.
    if (!peer.removed && !this.tiers.single) {
      let change: StateChange
      if (outcome === 'abort') peer.attemptAborted(pass)
      else change = outcome === 'failed' ? peer.attemptFailed() : peer.attemptAnswered()
      if (peer.counted !== peer.timed) this.#retime(peer)
      if (change !== undefined) this.#tell(peer, change)
    }
    this.#onOutcome?.(peer, outcome, metrics)
    if (this.queue !== undefined && this.queue.length > 0) this.queue.wake()
  }

  /** Called by a peer whose failures take it out, or no longer do, by other limits than before. */
  limited (peer: Peer<T>, change: StateChange): void {
    this.#retime(peer)
    if (this.#untold !== undefined) {
      this.#untold.push(() => { if (!peer.removed && !this.tiers.single) this.#tell(peer, change) })
      return
    }
    this.#tell(peer, change)
    this.queue?.wake()
  }

  /** Called by a peer that was edited. */
  edited (peer: Peer<T>, what: PeerEdit, returned: boolean): void {
    if (peer.removed) return
    if (returned) peer.ramp()
    this.#retime(peer)
    if (this.#untold !== undefined) {
      this.#untold.push(() => { if (!peer.removed) this.#onChange?.(peer, what) })
      return
    }
    if (what === 'weight' || what === 'tier') this.#arrange()
    else this.#count()
    if (returned) this.#reset()
    this.#onChange?.(peer, what)
    this.queue?.wake()
  }

  /** A peer has come back so many milliseconds ago, which is known only now. */
  cameBack (peer: Peer<T>, ago: number): void {
    peer.ramp(ago)
    this.#retime(peer)
  }

  #welcome (peer: Peer<T>): void {
    peer.ramp()
    this.#retime(peer)
  }

  #arrange (): void {
    this.tiers = arrange(this.#servers, this.#method)
    this.first = firstOf(this.tiers)
    this.#count()
    this.#reset()
    const only = this.#servers[0]
    // From now on nothing would clear the failures of the only one left.
    if (this.tiers.single && only !== undefined) {
      const change = only.forgive()
      this.#retime(only)
      this.#tell(only, change)
    }
  }

  #count (): void {
    let tries = 0
    for (const peer of this.#servers) if (!peer.down && !peer.drain) tries += 1
    this.tries = tries
  }

  #reset (): void {
    for (const { picker } of this.tiers.sets) picker.reset?.()
  }

  #retime (peer: Peer<T>): void {
    const timed = peer.timed && !peer.removed
    if (timed === peer.counted) return
    peer.counted = timed
    this.#timed += timed ? 1 : -1
  }

  #tell (peer: Peer<T>, change: StateChange): void {
    if (change === undefined) return
    if (change === 'up') this.#reset()
    this.#onStateChange?.(peer, change)
  }

  #reserves (): boolean {
    if (this.sticky === undefined) return false
    const now = this.tick()
    return this.#servers.some(peer => peer.drain && peer.reachable(now))
  }

  #nextReturn (): number {
    return this.#servers.reduce((least, peer) => Math.min(least, peer.returnsAt), Infinity)
  }
}

function limitOf (tries: number | undefined): number {
  return tries === undefined || tries === 0 ? UNLIMITED : Math.min(tries, UNLIMITED)
}

function firstOf<T> (tiers: Tiers<T>): PeerSet<T> {
  const [first] = tiers.sets
  assert(first !== undefined)
  return first
}

/**
 * Does not jump when the time of day is set, and counts fractions of a millisecond. Of the monotonic clocks of Node it is the
 * one that gives a plain number without allocating (hrtime gives an array or a bigint).
 */
function monotonic (): number {
  return performance.now()
}
