import type { Method, Picker } from './method.ts'
import type { Peer } from './peer.ts'

/** Peers that are balanced together. */
export interface PeerSet<T> {
  readonly peers: readonly Peer<T>[]
  readonly picker: Picker
  /** So many at the end of `peers` are spares, each of which takes the place of one of the others that is out. */
  readonly spares: number
  /** The position of the first one among all peers of the group. */
  readonly base: number
}

/** Where each peer is among all of its group, made for those groups where it is asked for. */
const positions = new WeakMap<object, ReadonlyMap<object, number>>()

/** The position of a peer, -1 if it is not among them. */
export function positionOf<T> (tiers: Tiers<T>, peer: Peer<T>): number {
  let known = positions.get(tiers)
  if (known === undefined) {
    known = new Map(tiers.sets.flatMap(({ peers, base }) => peers.map((each, index) => [each, base + index])))
    positions.set(tiers, known)
  }
  return known.get(peer) ?? -1
}

/** The peers of a group as they stood when a request began; it never changes. */
export interface Tiers<T> {
  /** In the order in which they are asked; at least one, which may be empty. */
  readonly sets: readonly PeerSet<T>[]
  /** Number of peers. */
  readonly size: number
  /** One peer: there is nobody to turn to. */
  readonly single: boolean
  /** A picker needs the time at every pick. */
  readonly timed: boolean
  /** A picker asks for the running attempts' age. */
  readonly inflight: 'header' | 'lastByte' | undefined
}

/**
 * Arranges peers: those that are no backups, then the backups; among each the sets from the lowest `lbset` on; in each of
 * these the peers with their spares, then the standbys.
 */
export function arrange<T> (servers: readonly Peer<T>[], method: Method<T>): Tiers<T> {
  const sets: PeerSet<T>[] = []
  let base = 0
  const put = (peers: readonly Peer<T>[], spares: number): void => {
    if (peers.length === 0) return
    sets.push({ peers, picker: method(peers), spares, base })
    base += peers.length
  }
  for (const backup of [false, true]) {
    const those = servers.filter(peer => peer.backup === backup)
    for (const lbset of [...new Set(those.map(peer => peer.lbset))].sort((a, b) => a - b)) {
      const members = those.filter(peer => peer.lbset === lbset)
      const spares = members.filter(peer => peer.spare)
      put([...members.filter(peer => !peer.spare && !peer.standby), ...spares], spares.length)
      put(members.filter(peer => peer.standby && !peer.spare), 0)
    }
  }
  if (sets.length === 0) sets.push({ peers: [], picker: method([]), spares: 0, base: 0 })
  return {
    sets,
    size: servers.length,
    single: servers.length === 1,
    timed: sets.some(set => set.picker.timed === true),
    inflight: sets.find(set => set.picker.inflight !== undefined)?.picker.inflight,
  }
}
