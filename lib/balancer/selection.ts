import assert from 'node:assert/strict'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Group, PeerSet } from './group.ts'
import type { PickContext, PickRequest } from './method.ts'
import type { Peer } from './peer.ts'

/** Up to so many peers the tried ones are the bits of one small integer. */
const MASK_BITS = 31

/**
 * The attempts of one request on a group, one after the other: `next()` gives the server of an attempt, `release()` tells how it
 * ended. A request that enters the group again (an internal redirect) begins a new one.
 */
export class Selection<T> implements PickContext {
  /**
   * Attempts that are left: at first the number of servers that are not `down`, those that failed and backups included.
   * The caller lowers it to `nextUpstream.tries`, and stops at 0.
   */
  tries: number
  readonly request: PickRequest | undefined
  memo: unknown = undefined

  readonly #group: Group<T>
  #set: PeerSet<T>
  #current: Peer<T> | undefined = undefined
  /** Index of the latest pick. It enters the tried set with the next pick: most requests have only one. */
  #latest = -1
  #triedMask = 0
  #triedWords: Uint32Array | undefined = undefined

  constructor (group: Group<T>, request: PickRequest | undefined) {
    this.#group = group
    this.#set = group.primary
    this.tries = group.tries
    this.request = request
  }

  /** The group has one server and no backup: it is never tried again, and its failures do not count. */
  get single (): boolean {
    return this.#group.single
  }

  /**
   * The server of the next attempt, which then counts as active and as tried, or `undefined` where no live upstream is
   * left. Each server must be given back by `release()` before the next is asked for.
   */
  next (): Peer<T> | undefined {
    if (this.#current !== undefined) assert.fail('next() while an attempt is running')
    const group = this.#group
    if (this.#latest >= 0) this.#markTried(this.#latest)
    group.tick()
    let index = this.#set.picker.pick(this)
    if (index < 0 && group.backup !== undefined && this.#set !== group.backup) {
      // For the rest of the request, also if a primary peer should return meanwhile.
      this.#set = group.backup
      this.#triedMask = 0
      this.#triedWords = undefined
      this.memo = undefined
      index = this.#set.picker.pick(this)
    }
    this.#latest = index
    const peer = this.#set.peers[index]
    if (peer === undefined) return undefined
    this.#current = peer
    peer.active += 1
    if (peer.fails > 0) peer.picked(group.time, this)
    return peer
  }

  /**
   * Gives back the server that `next()` gave, once, when the exchange with it is over in full (so that `maxConns`
   * counts all of it).
   */
  release (peer: Peer<T>, outcome: AttemptOutcome): void {
    if (peer !== this.#current) assert.fail('release() of a server that is not the one of the running attempt')
    this.#current = undefined
    peer.active -= 1
    if (this.#group.single) {
      this.tries = 0
      return
    }
    if (this.tries > 0) this.tries -= 1
    this.#group.account(peer, outcome, this)
  }

  tried (index: number): boolean {
    const words = this.#triedWords
    // The mask of a large group is 0 until there are words, whatever the index.
    if (words === undefined) return (this.#triedMask >>> index & 1) === 1
    return ((words[index >>> 5] ?? 0) >>> (index & 31) & 1) === 1
  }

  usable (index: number): boolean {
    const peer = this.#set.peers[index]
    return peer !== undefined && !this.tried(index) && peer.available(this.#group.time)
  }

  #markTried (index: number): void {
    const size = this.#set.peers.length
    if (size <= MASK_BITS) {
      this.#triedMask |= 1 << index
      return
    }
    const words = this.#triedWords ??= new Uint32Array((size + 31) >>> 5)
    words[index >>> 5] = (words[index >>> 5] ?? 0) | 1 << (index & 31)
  }
}
