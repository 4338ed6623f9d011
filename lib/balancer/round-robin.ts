import type { PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'

/**
 * Smooth weighted round robin, nginx's default: in each cycle every peer has as many turns as its weight says, and the
 * turns of one peer are spread over the cycle (weights 5, 1, 1: A A B A C A A). A peer that failed comes back with little
 * weight, which grows by one in each round that it takes part in.
 */
export function roundRobin<T> (peers: readonly Peer<T>[]): Picker {
  return new RoundRobin(peers)
}

class RoundRobin<T> implements Picker {
  readonly #peers: readonly Peer<T>[]

  constructor (peers: readonly Peer<T>[]) {
    this.#peers = peers
  }

  pick (context: PickContext): number {
    const peers = this.#peers
    let best: Peer<T> | undefined
    let bestIndex = -1
    let total = 0
    for (let index = 0; index < peers.length; index++) {
      const peer = peers[index]
      // A peer that is passed over keeps its weights as they are.
      if (peer === undefined || !context.usable(index)) continue
      const weight = peer.effectiveWeight
      peer.currentWeight += weight
      total += weight
      if (weight < peer.weight) peer.effectiveWeight = weight + 1
      // Strictly greater: of equals the earlier one has its turn.
      if (best === undefined || peer.currentWeight > best.currentWeight) {
        best = peer
        bestIndex = index
      }
    }
    if (best !== undefined) best.currentWeight -= total
    return bestIndex
  }
}
