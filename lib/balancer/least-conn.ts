import type { PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { takePart } from './round-robin.ts'

/**
 * The peer with the fewest running attempts for its weight; among equals, smooth weighted round robin. (nginx: least_conn)
 */
export function leastConn<T> (peers: readonly Peer<T>[]): Picker {
  return {
    pick: context => pickLeast(peers, context, load),
  }
}

function load<T> (peer: Peer<T>, time: number): number {
  return peer.active / peer.rank(time)
}

/**
 * Index of the usable peer whose score is least, -1 if none is usable. Only where several have it they take part in a round
 * of round robin.
 */
export function pickLeast<T> (peers: readonly Peer<T>[], context: PickContext, score: (peer: Peer<T>, time: number) => number): number {
  const { time } = context
  let least = Infinity
  let first = -1
  let many = false
  for (let index = 0; index < peers.length; index++) {
    const peer = peers[index]
    if (peer === undefined || !context.usable(index)) continue
    const its = score(peer, time)
    if (its < least || first < 0) {
      least = its
      first = index
      many = false
    } else if (its === least) {
      many = true
    }
  }
  if (!many) return first
  let best: Peer<T> | undefined
  let bestIndex = -1
  let total = 0
  for (let index = first; index < peers.length; index++) {
    const peer = peers[index]
    if (peer === undefined || !context.usable(index) || score(peer, time) !== least) continue
    total += takePart(peer, time)
    if (best === undefined || peer.currentWeight > best.currentWeight) {
      best = peer
      bestIndex = index
    }
  }
  if (best !== undefined) best.currentWeight -= total
  return bestIndex
}
