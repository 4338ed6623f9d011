import type { Time } from './units.ts'

/**
 * A value that the processes of a channel share. Of two events with the same key, the one with the higher clock wins; if the clocks are equal,
 * the one with the greater `process` (compared as text). So events may arrive in any order, and more than once.
 */
export interface ChannelEvent {
  /** Name of the group, the same in all processes. */
  readonly group: string
  /** Key of the value within the group. */
  readonly key: string
  /** Any JSON value; `null` for a removed one. */
  readonly value: unknown
  /** Milliseconds since 1970, or later: always after every event that the process has received. */
  readonly clock: number
  /** The process that published it. */
  readonly process: string
  /** When it expires, in milliseconds since 1970. Default: never. */
  readonly until?: number
}

/** The processes of a channel. */
export interface ChannelPresence {
  /** This process. */
  readonly process: string
  /** All live processes including this one, the oldest first. While not connected: the last known ones. */
  readonly members: readonly string[]
  /** Whether the others receive this process's events. If not, each process continues on its own. */
  readonly connected: boolean
}

/**
 * Channel over which processes share their groups: the option `shared` of `createUpstreams`. Made by `clusterChannel()`, `redisChannel()`, or by
 * yourself. No method throws or waits: events that cannot be sent are dropped, and made up for once the channel is connected again.
 */
export interface GroupChannel {
  /** Sends an event to the others, and keeps it for processes that join later. */
  publish (event: ChannelEvent): void
  /**
   * Joins the channel. `listener` gets the events of the others (its own may come back to it), `onPresence` every change of the processes
   * and of the connection. After an outage, `snapshot` has the events that were missed. Returns a function that leaves the channel.
   */
  subscribe (listener: (event: ChannelEvent) => void, onPresence?: (presence: ChannelPresence) => void): () => void
  /** The latest event of each key. Rejects if there is no answer. */
  snapshot (): Promise<readonly ChannelEvent[]>
  /** The processes that are known at this time. */
  presence (): ChannelPresence
}

/** Options of `redisChannel`. */
export interface RedisChannelOptions {
  /** A client of `iovalkey`. You close it yourself; a second connection like it is opened, and closed when the channel is no longer used. */
  client: object
  /** Prefix of the keys; gateways with the same prefix share their groups. Default `'fastify-scgi'`. */
  prefix?: string
  /** Maximum time to wait for an answer; after that each process continues on its own until Redis answers again. Default 250ms. */
  timeout?: Time
}
