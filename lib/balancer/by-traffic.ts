import { pickLeast } from './least-conn.ts'
import type { PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'

/**
 * The peer that has moved the fewest bytes, both ways, for its weight; among equals, smooth weighted round robin. When a peer
 * comes (back) all begin at 0: it would be given every request until it had caught up. (Apache: bytraffic)
 */
export function byTraffic<T> (peers: readonly Peer<T>[]): Picker {
  return new ByTraffic(peers)
}

class ByTraffic<T> implements Picker {
  readonly #peers: readonly Peer<T>[]

  constructor (peers: readonly Peer<T>[]) {
    this.#peers = peers
  }

  pick (context: PickContext): number {
    return pickLeast(this.#peers, context, traffic)
  }

  reset (): void {
    for (const peer of this.#peers) peer.traffic = 0
  }
}

function traffic<T> (peer: Peer<T>, time: number): number {
  return peer.traffic / peer.rank(time)
}
