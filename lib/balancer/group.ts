import assert from 'node:assert/strict'
import { performance } from 'node:perf_hooks'
import type { AttemptOutcome, UpstreamGroup } from '../../types/upstream.ts'
import type { Method, Picker, PickRequest } from './method.ts'
import { Peer } from './peer.ts'
import type { Clock, PeerOptions } from './peer.ts'
import { roundRobin } from './round-robin.ts'
import { Selection } from './selection.ts'

export interface GroupOptions<T> {
  /** What logs show where no server is left. */
  name: string
  /** At least one that is not a backup. */
  peers: readonly PeerOptions<T>[]
  /** Default: smooth weighted round robin. */
  method?: Method<T> | undefined
  /** Clock in milliseconds; must never go back. Default: the time since the process began. */
  now?: Clock | undefined
  /**
   * Called once when the failures of a peer take it out, and once when an answer brings it back. It is called while the
   * attempt is released, after all accounts are settled, and must not throw.
   */
  onStateChange?: ((peer: Peer<T>, state: 'down' | 'up') => void) | undefined
}

/** Peers that are balanced together. */
export interface PeerSet<T> {
  readonly peers: readonly Peer<T>[]
  readonly picker: Picker
}

/** A group of servers, and which of them serves next. Shared by all requests to it. (nginx: upstream) */
export class Group<T> implements UpstreamGroup {
  readonly name: string
  /** All peers in the order of the configuration. */
  readonly servers: readonly Peer<T>[]
  /** One server and no backup: its failures do not count, and it is never tried twice for a request. */
  readonly single: boolean

  // The rest is for Selection.

  readonly primary: PeerSet<T>
  readonly backup: PeerSet<T> | undefined
  /** Peers that are not down. */
  readonly tries: number
  /** The time of the pick that is being made; meaningless while no peer has failures. */
  time = -Infinity

  readonly #now: Clock
  readonly #onStateChange: ((peer: Peer<T>, state: 'down' | 'up') => void) | undefined
  /** Number of peers with failures. */
  #failing = 0

  constructor (options: GroupOptions<T>) {
    const { method = roundRobin, now = monotonic } = options
    this.name = options.name
    this.#now = now
    this.#onStateChange = options.onStateChange
    this.servers = options.peers.map(peer => new Peer(peer, now))
    const primary = this.servers.filter(peer => !peer.backup)
    const backup = this.servers.filter(peer => peer.backup)
    assert(primary.length > 0, 'a group has a server that is not a backup')
    this.single = this.servers.length === 1
    this.tries = this.servers.filter(peer => !peer.down).length
    this.primary = { peers: primary, picker: method(primary) }
    this.backup = backup.length === 0 ? undefined : { peers: backup, picker: method(backup) }
  }

  /** Begins the attempts of one request. `request` is for methods that look at it. */
  begin (request?: PickRequest): Selection<T> {
    return new Selection(this, request)
  }

  /** Reads the clock for a pick. It costs as much as a pick, so it is left alone while no peer's state depends on it. */
  tick (): void {
    if (this.#failing > 0) this.time = this.#now()
  }

  /** Enters the outcome of an attempt in the accounts of its peer. */
  account (peer: Peer<T>, outcome: AttemptOutcome, pass: object): void {
    if (outcome === 'abort') {
      peer.attemptAborted(pass)
      return
    }
    const failing = peer.fails > 0
    const change = outcome === 'failed' ? peer.attemptFailed() : peer.attemptAnswered()
    if (failing !== (peer.fails > 0)) this.#failing += failing ? -1 : 1
    if (change !== undefined) this.#onStateChange?.(peer, change)
  }
}

/**
 * Does not jump when the time of day is set, and counts fractions of a millisecond. Of the monotonic clocks of Node it is the
 * one that gives a plain number without allocating (hrtime gives an array or a bigint).
 */
function monotonic (): number {
  return performance.now()
}
