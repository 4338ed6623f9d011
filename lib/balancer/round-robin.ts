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
    const { time } = context
    let best: Peer<T> | undefined
    let bestIndex = -1
    let total = 0
    for (let index = 0; index < peers.length; index++) {
      const peer = peers[index]
      // A peer that is passed over keeps its weights as they are.
      if (peer === undefined || !context.usable(index)) continue
      total += takePart(peer, time)
      // Strictly greater: of equals the earlier one has its turn.
      if (best === undefined || peer.currentWeight > best.currentWeight) {
        best = peer
        bestIndex = index
      }
    }
    if (best !== undefined) best.currentWeight -= total
    return bestIndex
  }

  /** It was that peer's turn; but turns that it had beyond its share are not held against it for ever. */
  taken (index: number, context: PickContext): void {
    const peers = this.#peers
    const chosen = peers[index]
    if (chosen === undefined) return
    let weights = 0
    for (const peer of peers) weights += peer.weight
    if (chosen.currentWeight <= chosen.weight - weights) return
    let total = 0
    for (let each = 0; each < peers.length; each++) {
      const peer = peers[each]
      if (peer !== undefined && context.usable(each)) total += takePart(peer, context.time)
    }
    chosen.currentWeight -= total
  }
}

/**
 * A round that the peer takes part in, won or not. Returns its weight in it; the winner pays the weights of all. Other
 * methods decide by such rounds among peers that are equal to them.
 */
export function takePart<T> (peer: Peer<T>, time: number): number {
  const { effectiveWeight } = peer
  const weight = peer.ramping ? peer.share(time) : effectiveWeight
  peer.currentWeight += weight
  if (effectiveWeight < peer.weight) peer.effectiveWeight = effectiveWeight + 1
  return weight
}
