import type { Timers } from '../runtime/timers.ts'
import type { Ejections } from './ejections.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'
import type { Peer } from './peer.ts'

/** When a server is out of line with the others, and what then happens to it; times in milliseconds, shares from 0 to 1. */
export interface OutlierSettings {
  /** Attempts count for so long. */
  readonly window: number
  /** Fewer attempts in the window prove nothing. */
  readonly minRequests: number
  /** Share of failed attempts that ejects. */
  readonly failureShare: number
  /** Most servers out at once, as a share of those that are not down. */
  readonly maxEjected: number
  /** How long the first ejection lasts; each following one lasts twice as long. */
  readonly baseTime: number
  /** The longest ejection. After this time without one, the next lasts `baseTime` again. */
  readonly maxTime: number
}

/** The parts of the window, of which the oldest is dropped as a whole. */
const BUCKETS = 10

/** Attempts of one peer in the window, and its ejections. */
class Attempts {
  readonly #requests = new Uint32Array(BUCKETS)
  readonly #failures = new Uint32Array(BUCKETS)
  requests = 0
  failures = 0
  /** Number of the latest bucket, counted from the beginning of time. */
  #latest = -Infinity
  /** Ejections so far. */
  times = 0
  /** End of the latest one. */
  until = -Infinity

  add (bucket: number, failed: boolean): void {
    // However long ago the last one was, there are no more than all to clear.
    const passed = Math.min(BUCKETS, bucket - this.#latest)
    for (let n = 0; n < passed; n++) this.#clear((bucket - n) % BUCKETS)
    if (passed > 0) this.#latest = bucket
    const at = bucket % BUCKETS
    this.#requests[at] = (this.#requests[at] ?? 0) + 1
    this.requests += 1
    if (!failed) return
    this.#failures[at] = (this.#failures[at] ?? 0) + 1
    this.failures += 1
  }

  reset (): void {
    for (let at = 0; at < BUCKETS; at++) this.#clear(at)
    this.#latest = -Infinity
  }

  #clear (at: number): void {
    this.requests -= this.#requests[at] ?? 0
    this.failures -= this.#failures[at] ?? 0
    this.#requests[at] = 0
    this.#failures[at] = 0
  }
}

/**
 * Ejects servers that fail far more often than they should, for a while that grows with each time. It goes by what requests meet:
 * it finds servers that answer health checks and yet do not serve.
 */
export class OutlierDetector<T> {
  readonly #settings: OutlierSettings
  readonly #timers: Timers
  /** The peers of the group at present. */
  readonly #peers: () => readonly Peer<T>[]
  readonly #ejections: Ejections<T>
  readonly #records = new Map<Peer<T>, Attempts>()

  /** @param timers the clock of the group, for its peers know until when they are out */
  constructor (settings: OutlierSettings, peers: () => readonly Peer<T>[], timers: Timers, ejections: Ejections<T>) {
    this.#settings = settings
    this.#peers = peers
    this.#timers = timers
    this.#ejections = ejections
  }

  /** Enters the outcome of an attempt; this costs the same however large the group and the window are. */
  record (peer: Peer<T>, outcome: AttemptOutcome): void {
    if (outcome === 'abort' || peer.removed) return
    const now = this.#timers.now()
    let record = this.#records.get(peer)
    if (record === undefined) this.#records.set(peer, record = new Attempts())
    // Attempts that were running when it was ejected have had their say.
    if (now < record.until) return
    const { window, minRequests, failureShare } = this.#settings
    const failed = outcome === 'failed'
    record.add(Math.floor(now / (window / BUCKETS)), failed)
    if (failed && record.requests >= minRequests && record.failures >= record.requests * failureShare) this.#eject(peer, record, now)
  }

  /** Forgets a peer that has left the group. */
  remove (peer: Peer<T>): void {
    this.#records.delete(peer)
  }

  #eject (peer: Peer<T>, record: Attempts, now: number): void {
    const { window, maxEjected, baseTime, maxTime } = this.#settings
    const peers = this.#peers().filter(other => !other.down)
    const out = peers.filter(other => now < other.ejectedUntil).length
    // One must be left to turn to, whatever else keeps the others out.
    if (out + 1 > Math.floor(peers.length * maxEjected + 1e-9) || !peers.some(other => other !== peer && other.available(now))) return
    record.times = now - record.until > maxTime ? 1 : record.times + 1
    const time = Math.min(maxTime, baseTime * 2 ** (record.times - 1))
    record.until = now + time
    const reason = `${record.failures} of ${record.requests} attempts in ${window / 1000} s failed: ejected for ${time / 1000} s${peer.lastFailure === undefined ? '' : `, the last: ${peer.lastFailure}`}`
    record.reset()
    this.#ejections.eject(peer, time, reason)
  }
}
