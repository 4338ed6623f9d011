import type { Peer } from './peer.ts'

/** What a method may know about the request it serves. Round robin asks nothing, and is given nothing. */
export interface PickRequest {
  /** Address of the client, for methods that keep clients together. */
  readonly clientAddress?: string | undefined
  /** The key of the request, for methods that hash one. */
  readonly key?: string | undefined
}

/** The request pass on whose behalf a picker chooses; indices are those of the peers that the picker was made for. */
export interface PickContext {
  /** As given to `Group.begin()`. */
  readonly request: PickRequest | undefined
  /** What the picker remembers from one pick of a pass to the next; `undefined` at the first pick from its peers. */
  memo: unknown
  /** Whether the peer was picked before in this pass. */
  tried (index: number): boolean
  /** Whether the peer may be picked: not tried, not down, not failed, not at maxConns. */
  usable (index: number): boolean
}

/** Chooses among the peers it was made for, and keeps what the method needs to do so. */
export interface Picker {
  /** Index of the chosen peer, which must be usable; -1 where none is. */
  pick (context: PickContext): number
}

/**
 * A balancing method: makes a picker for a fixed list of peers. A group calls it for its primary peers and for its
 * backup peers, which are balanced apart.
 */
export type Method<T> = (peers: readonly Peer<T>[]) => Picker
