import type { Peer } from './peer.ts'

/** After so many peers that may not serve, a method that goes by a hash or by chance leaves it to round robin. */
export const MAX_REJECTIONS = 20

/** Peers laid end to end, each as long as its weight. All have their place, those that are out too: it moves nobody else. */
export class WeightTable {
  readonly total: number
  /** Where the place of each peer ends. */
  readonly #ends: Float64Array

  constructor (peers: readonly Peer<unknown>[]) {
    let end = 0
    this.#ends = Float64Array.from(peers, peer => (end += peer.weight))
    this.total = end
  }

  /** Index of the peer at a place of 0 to less than `total`. */
  at (place: number): number {
    let low = 0
    let high = this.#ends.length - 1
    while (low < high) {
      const middle = low + high >>> 1
      if (place < (this.#ends[middle] ?? 0)) high = middle
      else low = middle + 1
    }
    return low
  }
}
