import type { Time } from './units.ts'

/**
 * One thing that the processes of a channel know alike: the value of a key, since when, and by whose word. Of two events of one key the
 * one with the higher clock holds, of equal clocks the one of the greater process (compared as text), so that it does not matter in which
 * order, or how often, they arrive.
 */
export interface ChannelEvent {
  /** Name of the group, as all processes call it. */
  readonly group: string
  /** What it is about. */
  readonly key: string
  /** Anything that JSON can hold; `null` for what is no more. */
  readonly value: unknown
  /** Milliseconds since 1970 or later: it is always after every event that the process had heard of. */
  readonly clock: number
  /** Who says so. */
  readonly process: string
  /** Milliseconds since 1970, after which nobody needs it any more. Default: never. */
  readonly until?: number
}

/** Who is there. */
export interface ChannelPresence {
  /** This process. */
  readonly process: string
  /** All that live, this one included; who has been there for longest comes first. As it was known last, while not connected. */
  readonly members: readonly string[]
  /** The others hear this process. While they do not each one goes on by itself. */
  readonly connected: boolean
}

/**
 * What groups of several processes share: the option `shared` of `createUpstreams`. Made by `clusterChannel()`, `redisChannel()`, or by
 * yourself. No method throws or waits: what cannot be sent is dropped, and made up for when the channel is back.
 */
export interface GroupChannel {
  /** Tells the others, and keeps the event for those who come later. */
  publish (event: ChannelEvent): void
  /**
   * Joins. `listener` hears of the events of others (of its own again does no harm), `onPresence` of who comes and goes, and of the
   * connection; after each outage of that what was missed is to be had from `snapshot`. Returns what leaves again.
   */
  subscribe (listener: (event: ChannelEvent) => void, onPresence?: (presence: ChannelPresence) => void): () => void
  /** The latest event of each key. Rejected where nobody answers. */
  snapshot (): Promise<readonly ChannelEvent[]>
  /** Who is there, as far as is known now. */
  presence (): ChannelPresence
}

/** Options of `redisChannel`. */
export interface RedisChannelOptions {
  /** A client of `iovalkey`. It stays yours: another connection like it is opened beside it, and closed when nobody uses the channel. */
  client: object
  /** What the keys begin with: gateways with the same one share their groups. Default `'fastify-scgi'`. */
  prefix?: string
  /** Longest wait for an answer; then each process goes on by itself until Redis answers again. Default 250ms. */
  timeout?: Time
}
