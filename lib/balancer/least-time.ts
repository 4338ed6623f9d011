import { pickLeast } from './least-conn.ts'
import type { Method, PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'

export interface LeastTimeOptions {
  /** Which time counts: until the head of the reply, or until its last byte. */
  time: 'header' | 'lastByte'
  /** Attempts that are running count with their age. Default false. */
  inflight?: boolean | undefined
}

/** Times above it are all alike, in milliseconds. */
const LONGEST = 5000
/** Times within a step of so many milliseconds are alike, or the least difference would decide over the load. */
const STEP = 20

/**
 * The peer with the least average time, times its running attempts and the new one, for its weight; among equals, smooth
 * weighted round robin. A time that was not renewed loses half of itself for every `failTimeout` and a second: a server that
 * was slow once is asked again. (nginx: least_time)
 */
export function leastTime<T> (options: LeastTimeOptions): Method<T> {
  return peers => new LeastTime(peers, options)
}

class LeastTime<T> implements Picker {
  readonly timed = true
  readonly inflight: 'header' | 'lastByte' | undefined
  readonly #peers: readonly Peer<T>[]
  readonly #score: (peer: Peer<T>, time: number) => number

  constructor (peers: readonly Peer<T>[], { time, inflight = false }: LeastTimeOptions) {
    this.#peers = peers
    this.inflight = inflight ? time : undefined
    this.#score = timeScore({ time, inflight })
  }

  pick (context: PickContext): number {
    const index = pickLeast(this.#peers, context, this.#score)
    const peer = this.#peers[index]
    if (peer !== undefined) markSeen(peer, context.time)
    return index
  }
}

/** What a peer is compared by: the less, the better. */
export function timeScore ({ time, inflight = false }: LeastTimeOptions): (peer: Peer<unknown>, now: number) => number {
  return (peer, now) => {
    const known = time === 'header' ? peer.headerTime : peer.responseTime
    return expected(known ?? 0, peer, now, inflight) * (1 + peer.active) / peer.rank(now)
  }
}

/** A peer was chosen: after a pause what is known of it counts anew. */
export function markSeen (peer: Peer<unknown>, now: number): void {
  if (now - peer.checked > peer.failTimeout) peer.seen = now
}

/** The time that an attempt is expected to take, in the steps in which times are compared. */
function expected<T> (average: number, peer: Peer<T>, now: number, inflight: boolean): number {
  let time = average
  const since = now - peer.checked
  if (since > peer.failTimeout && since !== Infinity) time *= 0.5 ** Math.floor(since / (peer.failTimeout + 1000))
  if (inflight && peer.begunCount > 0) time = Math.max(time, now - peer.begunSum / peer.begunCount)
  return time > LONGEST ? LONGEST : Math.ceil(time / STEP) * STEP
}
