import type { Peer } from './peer.ts'

/**
 * What a method may know about the request it serves. Round robin asks nothing: whoever implements this computes each
 * property when it is read (a getter), and pays nothing otherwise.
 */
export interface PickRequest {
  /** Address of the client, for methods that keep clients together: an IP literal, or '' for a client without one. */
  readonly clientAddress?: string | undefined
  /** The request as the user's own functions know it (`balance: { hash: request => ... }`). */
  readonly source?: unknown
  /** Its Cookie header, for sessions. */
  readonly cookie?: string | undefined
  /** The client sees it as one over TLS. */
  readonly secure?: boolean | undefined
  /** Its target, path and query as they came, for sessions. */
  readonly target?: string | undefined
}

/** The request pass on whose behalf a picker chooses; indices are those of the peers that the picker was made for. */
export interface PickContext {
  /** As given to `Group.begin()`. */
  readonly request: PickRequest | undefined
  /** What the picker remembers from one pick of a pass to the next; `undefined` at the first pick from its peers. */
  memo: unknown
  /**
   * The time of the pick by the clock of the group. It is read only where something depends on it: meaningless unless a
   * peer says so (`Peer.timed`) or the picker does (`Picker.timed`).
   */
  readonly time: number
  /** Whether the peer was picked before in this pass. */
  tried (index: number): boolean
  /** Whether the peer may be picked: not tried, not down, not failed, not at maxConns, not otherwise out. */
  usable (index: number): boolean
}

/** Chooses among the peers it was made for. What a method must remember of a peer is kept in the peer: pickers come and go. */
export interface Picker {
  /** It needs the time at every pick. */
  readonly timed?: boolean
  /** It needs to know since when the attempts of each peer are running: the whole attempt, or until its head is there. */
  readonly inflight?: 'header' | 'lastByte' | undefined
  /** Index of the chosen peer, which must be usable; -1 if none is. */
  pick (context: PickContext): number
  /** A usable peer was chosen without the picker, as the request belongs to it: for methods that keep accounts of turns. */
  taken? (index: number, context: PickContext): void
  /** A peer came (back): for methods by whose accounts it would be owed all that the others did meanwhile. */
  reset? (): void
}

/**
 * A balancing method: makes a picker for a fixed list of peers with their present weights. A group calls it for each of
 * its tiers (primary peers, standbys, backups ...), which are balanced apart, and anew when one is edited.
 */
export type Method<T> = (peers: readonly Peer<T>[]) => Picker
