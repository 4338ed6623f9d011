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
 * (nginx: random two least_conn)
 */
export function randomTwo<T> (source: Random = Math.random): Method<T> {
  return peers => peers.length < 2 ? roundRobin(peers) : new OfTwo(peers, source)
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
  readonly #peers: readonly Peer<T>[]
  readonly #weights: WeightTable
  readonly #others: Picker
  readonly #source: Random

  constructor (peers: readonly Peer<T>[], source: Random) {
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
        const one = this.#peers[first]
        const other = this.#peers[index]
        return one !== undefined && other !== undefined && one.active * other.weight < other.active * one.weight ? first : index
      }
    }
    return this.#others.pick(context)
  }
}
