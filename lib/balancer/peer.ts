import assert from 'node:assert/strict'
import type { UpstreamServer } from '../../types/upstream.ts'

/** A clock in milliseconds that never goes back. */
export type Clock = () => number

export interface PeerOptions<T> {
  /** What logs and `upstreamAddr` show. */
  name: string
  /** Whatever the transport needs to connect; the balancer only hands it out. */
  target: T
  /** Integer, 1 or more. Default 1. (nginx: weight) */
  weight?: number | undefined
  /** Most attempts at a time; 0 is without limit. Default 0. (nginx: max_conns) */
  maxConns?: number | undefined
  /** Failures that take the peer out; 0 never does. Default 1. (nginx: max_fails) */
  maxFails?: number | undefined
  /** Milliseconds. Default 10000. (nginx: fail_timeout) */
  failTimeout?: number | undefined
  /** Default false. (nginx: backup) */
  backup?: boolean | undefined
  /** Default false. (nginx: down) */
  down?: boolean | undefined
}

/** What the attempts on a peer did to its standing: it went out, it came back, or neither. */
export type StateChange = 'down' | 'up' | undefined

/** One server of a group: its settings, its share of the turns, and its failures. */
export class Peer<T> implements UpstreamServer {
  readonly name: string
  readonly target: T
  readonly weight: number
  readonly maxConns: number
  readonly maxFails: number
  /** In milliseconds. */
  readonly failTimeout: number
  readonly backup: boolean
  readonly down: boolean

  active = 0
  fails = 0

  /** Round robin: the weight that counts at present; less than `weight` for a while after failures. */
  effectiveWeight: number
  /** Round robin: what the peer is owed, in turns times the weights of all. */
  currentWeight = 0

  /** When an attempt failed last. */
  #accessed = -Infinity
  /** When an attempt failed last, or the peer was given another chance after that. */
  #checked = -Infinity
  /** The pass that was given the latest such chance, until something is known of how it ended. */
  #prober: object | undefined
  readonly #now: Clock

  constructor (options: PeerOptions<T>, now: Clock) {
    const { weight = 1, maxConns = 0, maxFails = 1, failTimeout = 10_000 } = options
    assert(Number.isSafeInteger(weight) && weight >= 1, 'weight is an integer of 1 or more')
    assert(Number.isSafeInteger(maxConns) && maxConns >= 0, 'maxConns is an integer of 0 or more')
    assert(Number.isSafeInteger(maxFails) && maxFails >= 0, 'maxFails is an integer of 0 or more')
    assert(failTimeout >= 0, 'failTimeout is 0 or more')
    this.name = options.name
    this.target = options.target
    this.weight = weight
    this.maxConns = maxConns
    this.maxFails = maxFails
    this.failTimeout = failTimeout
    this.backup = options.backup ?? false
    this.down = options.down ?? false
    this.effectiveWeight = weight
    this.#now = now
  }

  /**
   * Kept out by its failures at this moment. False again once `failTimeout` has passed, although only the next attempt
   * will show whether the server is back: a caller that waited for a success to see false might never send one.
   */
  get failed (): boolean {
    return this.#isOut() && this.#isBlocked(this.#now())
  }

  /** Whether the peer may serve at `now`, which only matters to a peer with failures. */
  available (now: number): boolean {
    return !this.down &&
      (this.maxConns === 0 || this.active < this.maxConns) &&
      !(this.fails > 0 && this.#isOut() && this.#isBlocked(now))
  }

  #isOut (): boolean {
    return this.maxFails > 0 && this.fails >= this.maxFails
  }

  #isBlocked (now: number): boolean {
    return now - this.#checked <= this.failTimeout
  }

  /**
   * A peer with failures was picked. If they are older than `failTimeout` this is the probe: for another `failTimeout` it
   * stays the only attempt on a peer that is out, and a success from now on clears the failures.
   */
  picked (now: number, pass: object): void {
    if (this.#isBlocked(now)) return
    this.#checked = now
    this.#prober = pass
  }

  /** An attempt failed. */
  attemptFailed (): StateChange {
    const now = this.#now()
    this.fails += 1
    this.#accessed = now
    this.#checked = now
    this.#prober = undefined
    if (this.maxFails === 0) return undefined
    this.effectiveWeight = Math.max(0, this.effectiveWeight - Math.floor(this.weight / this.maxFails))
    return this.fails === this.maxFails ? 'down' : undefined
  }

  /**
   * The server answered. That clears its failures only if they are old enough for a probe to have been sent: the
   * successes among recent failures do not count, or a server that fails every other time would never go out.
   */
  attemptAnswered (): StateChange {
    if (this.fails === 0 || this.#accessed >= this.#checked) return undefined
    const change = this.#isOut() ? 'up' : undefined
    this.fails = 0
    this.#prober = undefined
    return change
  }

  /**
   * An attempt was given up for reasons that are not the server's. If it was the probe, nothing was learnt, and the next
   * one need not wait for all of `failTimeout`. It waits as long again as this one took: a client that goes away at once
   * delays the return of the server by nearly nothing, while clients that lose patience with a server that hangs, and
   * come again, are not all sent to that server one after the other.
   */
  attemptAborted (pass: object): void {
    if (this.#prober !== pass) return
    this.#prober = undefined
    const now = this.#now()
    const taken = now - this.#checked
    this.#checked = Math.min(this.#checked, now + taken - this.failTimeout)
  }
}
