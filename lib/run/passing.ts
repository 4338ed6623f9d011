import type { Handle } from './handles.ts'

/** A connection that is on its way to a worker. */
export interface Passing {
  /** The place where it came. */
  readonly key: string
  readonly connection: Handle
  /** Another worker has had it. */
  readonly again?: boolean
  /** What the other worker has read on it, and not begun to answer. */
  readonly request?: Buffer
}

/** The place where connections come, as the workers know it. */
export interface TakersPlace {
  readonly number: number
  /** HTTP/1 without TLS. */
  readonly plain: boolean
}
