import type { PeerChange } from '../balancer/group.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { Found } from './resolve/watch.ts'

type EndpointPeer = Peer<Endpoint>

/** What one process finds out about servers, and others need not. */
export interface Witness {
  health (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void
  /** The servers of an address, as it is written. */
  found (address: string, found: readonly Found[]): void
  /** Its failures have taken it out, or an answer has brought it back. */
  failures (peer: EndpointPeer, state: 'down' | 'up'): void
  /** It was ejected, edited, added or removed. */
  changed (peer: EndpointPeer, change: PeerChange): void
  /** An attempt has ended. */
  released (peer: EndpointPeer): void
}
