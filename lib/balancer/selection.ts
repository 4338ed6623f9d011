import assert from 'node:assert/strict'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { PickContext, PickRequest } from './method.ts'
import type { Peer } from './peer.ts'
import type { AttemptMetrics } from './peer-options.ts'
import type { Stickiness } from './sticky/stickiness.ts'
import { positionOf } from './tiers.ts'
import type { PeerSet, Tiers } from './tiers.ts'

/** Up to so many peers the tried ones are the bits of one small integer. */
const MASK_BITS = 31

/** More than there are servers, and, unlike Infinity, no object of its own in each selection. */
export const UNLIMITED = 2 ** 30

/** Before anything that has happened, and likewise no object of its own. */
export const LONG_AGO = -(2 ** 30)

/** What the attempts of a request need of their group. */
export interface SelectionOwner<T> {
  readonly tiers: Tiers<T>
  /** The tier that is asked first. */
  readonly first: PeerSet<T>
  readonly tries: number
  /** Most attempts of a request. */
  readonly limit: number
  readonly servers: readonly Peer<T>[]
  readonly sticky: Stickiness<T> | undefined
  readonly forceRecovery: boolean
  /** The time, for a pick; `LONG_AGO` while nothing depends on it. */
  tick (): number
  /** Forgives all failures if each peer has failed; false otherwise. */
  recover (): boolean
  account (
    peer: Peer<T>, outcome: AttemptOutcome, pass: object, metrics: AttemptMetrics | undefined, error: Error | undefined, complete: boolean
  ): void
}

/**
 * The attempts of one request on a group, one after the other: `next()` gives the server of an attempt, `release()` tells how it
 * ended. The request sees the group as it stood when it began, less what was taken off it since. A request that enters the
 * group again (an internal redirect) begins a new one.
 */
export class Selection<T> implements PickContext {
  /**
   * Attempts that are left: at first the number of servers that are not `down` or draining, those that failed and backups
   * included. The caller lowers it to `nextUpstream.tries`, and stops at 0.
   */
  tries: number
  readonly request: PickRequest | undefined
  memo: unknown = undefined
  time = LONG_AGO

  readonly #group: SelectionOwner<T>
  #tiers: Tiers<T>
  #set: PeerSet<T>
  #tier = 0
  /** Indices from here on are those of spares that nobody needs. */
  #end = 0
  #current: Peer<T> | undefined = undefined
  /** Position of the latest pick. It enters the tried set with the next pick: most requests have only one. */
  #latest = -1
  /** Something was tried. */
  #again = false
  #triedMask = 0
  #triedWords: Uint32Array | undefined = undefined
  /** When the running attempt began, where a method wants to know. */
  #begun: number | undefined = undefined
  /** The servers that the request is bound to, in order of preference; `undefined` until that is known. */
  #bound: readonly Peer<T>[] | undefined = undefined
  /** Most attempts. */
  #limit: number

  constructor (group: SelectionOwner<T>, request: PickRequest | undefined) {
    this.#group = group
    this.#tiers = group.tiers
    this.#set = group.first
    this.#limit = group.limit
    this.tries = Math.min(group.tries, group.limit)
    this.request = request
  }

  /** The group has one server and no backup: it is never tried again, and its failures do not count. */
  get single (): boolean {
    return this.#tiers.single
  }

  /** The request is bound to servers. */
  get bound (): boolean {
    return this.#bound !== undefined && this.#bound.length > 0
  }

  /** The request is bound to servers, and no others may serve it. */
  get held (): boolean {
    return this.#group.sticky?.failover === false && this.bound
  }

  /** It is known that the request is bound to no server. */
  get unbound (): boolean {
    return this.#bound?.length === 0 && this.#tiers === this.#group.tiers
  }

  /**
   * Whether a server that drains has room for the request, which is bound to it.
   * @throws what functions of the user's throw
   */
  findReserved (): boolean {
    const { sticky } = this.#group
    if (sticky === undefined) return false
    this.renew()
    this.time = this.#group.tick()
    return this.#boundBy(sticky).some(peer => peer.drain && peer.reachable(this.time) && this.#isLeft(peer))
  }

  /** No more attempts than that, whatever the number of servers. */
  limit (tries: number): void {
    if (tries < this.#limit) this.#limit = tries
    if (tries < this.tries) this.tries = tries
  }

  /** No attempt was made yet. */
  get fresh (): boolean {
    return this.#latest < 0 && !this.#again
  }

  /**
   * The server of the next attempt, which then counts as active and as tried, or `undefined` if no live upstream is
   * left. Each server must be given back by `release()` before the next is asked for.
   * @throws what functions of the user's throw (the key of a hash, a method of their own)
   */
  next (): Peer<T> | undefined {
    if (this.#current !== undefined) assert.fail('next() while an attempt is running')
    const group = this.#group
    if (this.#latest >= 0) this.#markTried(this.#latest)
    this.time = group.tick()
    let peer = this.#choose()
    if (peer === undefined) {
      if (!group.forceRecovery || !this.fresh || !group.recover()) return undefined
      this.renew()
      this.time = group.tick()
      peer = this.#choose()
      if (peer === undefined) return undefined
    }
    if (group.sticky !== undefined) this.#countTries(peer)
    this.#current = peer
    peer.active += 1
    if (peer.fails > 0) peer.picked(this.time, this)
    if (this.#tiers.inflight !== undefined) {
      this.#begun = this.time
      peer.begunSum += this.#begun
      peer.begunCount += 1
    }
    return peer
  }

  /** The head of the reply is there: for a method that goes by the time until then, the attempt is no longer in flight. */
  answered (): void {
    if (this.#tiers.inflight === 'header') this.#endInflight()
  }

  /**
   * Gives back the server that `next()` gave, once, when the exchange with it is over in full (so that `maxConns`
   * counts all of it).
   * @param metrics what was measured; `undefined` if there was no exchange
   * @param error what ended the attempt
   * @param complete the reply was received to its end
   */
  release (peer: Peer<T>, outcome: AttemptOutcome, metrics?: AttemptMetrics, error?: Error, complete = error === undefined): void {
    if (peer !== this.#current) assert.fail('release() of a server that is not the one of the running attempt')
    if (this.#tiers.inflight !== undefined) this.#endInflight()
    this.#current = undefined
    peer.active -= 1
    if (this.#tiers.single) this.tries = 0
    else if (this.tries > 0) this.tries -= 1
    this.#group.account(peer, outcome, this, metrics, error, complete)
  }

  /** For a request that waits: looks at the group anew, as it stands now. What was tried stays tried. */
  renew (): void {
    const { tiers } = this.#group
    const before = this.#tiers
    if (tiers !== before && !this.fresh) {
      const tried = new Set<Peer<T>>()
      if (this.#latest >= 0) this.#markTried(this.#latest)
      for (const set of before.sets) set.peers.forEach((peer, index) => { if (this.#isTried(set.base + index)) tried.add(peer) })
      this.#triedMask = 0
      this.#triedWords = undefined
      this.#latest = -1
      this.#tiers = tiers
      for (const set of tiers.sets) set.peers.forEach((peer, index) => { if (tried.has(peer)) this.#markTried(set.base + index) })
    }
    if (tiers !== before) this.#bound = undefined
    this.#tiers = tiers
    this.#set = this.#group.first
    this.#tier = 0
    this.memo = undefined
  }

  /** Whether a server that was not tried could serve, were it not at maxConns. */
  get full (): boolean {
    // One that drains, too, where the request is bound to it.
    if (this.#bound?.some(peer => peer.crowded(this.time) && this.#isLeft(peer)) === true) return true
    if (this.held) return false
    return this.#tiers.sets.some(set => set.peers.some((peer, index) => peer.full(this.time) && !this.#isTried(set.base + index)))
  }

  tried (index: number): boolean {
    return this.#isTried(this.#set.base + index)
  }

  usable (index: number): boolean {
    const set = this.#set
    const peer = set.peers[index]
    return peer !== undefined && index < this.#end && !(this.#again && this.#isTried(set.base + index)) && peer.available(this.time)
  }

  #choose (): Peer<T> | undefined {
    const { sticky } = this.#group
    if (sticky === undefined) return this.#pick()
    return this.#pickBound(sticky) ?? (this.held ? undefined : this.#pick())
  }

  /** One of the servers that the request is bound to. */
  #pickBound (sticky: Stickiness<T>): Peer<T> | undefined {
    const bound = this.#boundBy(sticky)
    // A backup keeps its sessions only as long as it has to serve.
    if (sticky.failover && bound[0]?.backup === true && !isBackup(this.#set)) return undefined
    for (const peer of bound) {
      if (!peer.reachable(this.time) || !this.#isLeft(peer)) continue
      const position = this.#latest = positionOf(this.#tiers, peer)
      const set = this.#set
      const index = position - set.base
      if (set.picker.taken !== undefined && set.peers[index] === peer) {
        this.#end = set.spares > 0 ? this.#needed(set) : set.peers.length
        if (this.usable(index)) set.picker.taken(index, this)
      }
      return peer
    }
    return undefined
  }

  #boundBy (sticky: Stickiness<T>): readonly Peer<T>[] {
    this.#bound ??= this.request === undefined ? [] : sticky.bound(this.request, this.#group.servers)
    return this.#bound
  }

  /** It is one of the group's, and was not tried. */
  #isLeft (peer: Peer<T>): boolean {
    const position = positionOf(this.#tiers, peer)
    return position >= 0 && !this.#isTried(position)
  }

  /** Of those that a request is bound to, `tries` does not count the draining ones; and after one that it is held to there is none. */
  #countTries (peer: Peer<T>): void {
    if (this.held) this.tries = 1
    else if (peer.drain && this.tries < this.#limit) this.tries += 1
  }

  #pick (): Peer<T> | undefined {
    for (;;) {
      const set = this.#set
      this.#end = set.peers.length
      if (set.spares > 0) this.#end = this.#needed(set)
      const index = set.picker.pick(this)
      const peer = set.peers[index]
      if (peer !== undefined) {
        this.#latest = set.base + index
        return peer
      }
      const following = this.#tiers.sets[this.#tier + 1]
      if (following === undefined) {
        this.#latest = -1
        return undefined
      }
      // For the rest of the request, also if a peer of this set should return meanwhile.
      this.#tier += 1
      this.#set = following
      this.memo = undefined
      const { sticky } = this.#group
      if (sticky !== undefined && isBackup(following)) {
        const bound = this.#pickBound(sticky)
        if (bound !== undefined) return bound
      }
    }
  }

  /** The end of those that may be picked: as many usable spares as there are peers that are not. */
  #needed (set: PeerSet<T>): number {
    const members = set.peers.length - set.spares
    let needed = 0
    for (let index = 0; index < members; index++) if (!this.usable(index)) needed += 1
    let index = members
    for (; index < set.peers.length && needed > 0; index++) if (this.usable(index)) needed -= 1
    return index
  }

  #endInflight (): void {
    const peer = this.#current
    if (peer === undefined || this.#begun === undefined) return
    peer.begunCount -= 1
    // Rounding must not add up.
    peer.begunSum = peer.begunCount === 0 ? 0 : peer.begunSum - this.#begun
    this.#begun = undefined
  }

  #isTried (position: number): boolean {
    const words = this.#triedWords
    // The mask of a large group is 0 until there are words, whatever the position.
    if (words === undefined) return (this.#triedMask >>> position & 1) === 1
    return ((words[position >>> 5] ?? 0) >>> (position & 31) & 1) === 1
  }

  #markTried (position: number): void {
    this.#again = true
    const { size } = this.#tiers
    if (size <= MASK_BITS) {
      this.#triedMask |= 1 << position
      return
    }
    const words = this.#triedWords ??= new Uint32Array((size + 31) >>> 5)
    words[position >>> 5] = (words[position >>> 5] ?? 0) | 1 << (position & 31)
  }
}

function isBackup<T> ({ peers: [first] }: PeerSet<T>): boolean {
  return first?.backup === true
}
