import type { PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { takePart } from './round-robin.ts'

/**
 * The peer with the fewest running attempts, whatever its weight; among equals the one that is owed most by the rounds of
 * smooth weighted round robin, in which all take part. (Apache: bybusyness)
 */
export function byBusyness<T> (peers: readonly Peer<T>[]): Picker {
  return new ByBusyness(peers)
}

class ByBusyness<T> implements Picker {
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
      if (peer === undefined || !context.usable(index)) continue
      total += takePart(peer, context.time)
      if (best === undefined || peer.active < best.active || (peer.active === best.active && peer.currentWeight > best.currentWeight)) {
        best = peer
        bestIndex = index
      }
    }
    if (best !== undefined) best.currentWeight -= total
    return bestIndex
  }

  reset (): void {
    for (const peer of this.#peers) peer.currentWeight = 0
  }
}
