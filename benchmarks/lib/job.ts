import type { Reply } from '../origin/replies.ts'

/** What is asked of the contestants. */
export interface Job {
  readonly name: string
  readonly path: string
  /** What they must answer. */
  readonly reply: Reply
  /** Length of the body of a POST; undefined for a GET. */
  readonly post?: number | undefined
  /** It is asked for with the headers of a browser. */
  readonly browser?: boolean
  /** No URL is asked for twice: each request has another query. */
  readonly distinct?: boolean
}
