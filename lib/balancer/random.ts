import { markSeen, timeScore, type LeastTimeOptions } from './least-time.ts'
import type { Method, PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { roundRobin } from './round-robin.ts'
import { MAX_REJECTIONS, WeightTable } from './weights.ts'

/** A source of random numbers from 0 to less than 1. */
export type Random = () => number

/**
 * A peer by chance, weights considered. After too many that cannot serve, smooth weighted round robin decides. (nginx: random)
 */
export function random<T> (source: Random = Math.random): Method<T> {
  return peers => peers.length < 2 ? roundRobin(peers) : new OfOne(peers, source)
}

/**
 * Two peers by chance, weights considered, and of these the one with fewer running attempts for its weight: nearly as even as
 * `leastConn`, but several gateways that do not know of each other do not all run to the same server.
 * With `times` the one that is expected to answer sooner, by the rules of `leastTime`.
 * (nginx: random two least_conn, random two least_time=header|last_byte)
 */
export function randomTwo<T> (source: Random = Math.random, times?: LeastTimeOptions): Method<T> {
  return peers => peers.length < 2 ? roundRobin(peers) : new OfTwo(peers, source, times)
}

class OfOne<T> implements Picker {
  readonly #weights: WeightTable
  readonly #others: Picker
  readonly #source: Random

  constructor (peers: readonly Peer<T>[], source: Random) {
    this.#weights = new WeightTable(peers)
    this.#others = roundRobin(peers)
    this.#source = source
  }

  pick (context: PickContext): number {
    for (let rejections = 0; rejections <= MAX_REJECTIONS; rejections++) {
      const index = this.#weights.at(this.#source() * this.#weights.total)
      if (context.usable(index)) return index
    }
    return this.#others.pick(context)
  }
}

class OfTwo<T> implements Picker {
  readonly timed: boolean
  readonly inflight: 'header' | 'lastByte' | undefined
  readonly #score: ((peer: Peer<T>, now: number) => number) | undefined
  readonly #peers: readonly Peer<T>[]
  readonly #weights: WeightTable
  readonly #others: Picker
  readonly #source: Random

  constructor (peers: readonly Peer<T>[], source: Random, times: LeastTimeOptions | undefined) {
    this.timed = times !== undefined
    this.inflight = times?.inflight === true ? times.time : undefined
    this.#score = times === undefined ? undefined : timeScore(times)
    this.#peers = peers
    this.#weights = new WeightTable(peers)
    this.#others = roundRobin(peers)
    this.#source = source
  }

  pick (context: PickContext): number {
    let first = -1
    for (let rejections = 0; rejections <= MAX_REJECTIONS;) {
      const index = this.#weights.at(this.#source() * this.#weights.total)
      if (index === first || !context.usable(index)) {
        rejections += 1
      } else if (first < 0) {
        first = index
      } else {
        return this.#better(first, index, context.time)
      }
    }
    return this.#others.pick(context)
  }

  /** Of two that are alike the second. */
  #better (first: number, second: number, now: number): number {
    const one = this.#peers[first]
    const other = this.#peers[second]
    if (one === undefined || other === undefined) return second
    if (this.#score === undefined) return one.active * other.weight < other.active * one.weight ? first : second
    const [index, peer] = this.#score(one, now) < this.#score(other, now) ? [first, one] : [second, other]
    markSeen(peer, now)
    return index
  }
}
