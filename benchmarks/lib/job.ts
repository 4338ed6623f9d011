import type { Reply } from '../origin/replies.ts'

/** What is asked of the contestants. */
export interface Job {
  readonly name: string
  readonly path: string
  /** What they must answer. */
  readonly reply: Reply
  /** No URL is asked for twice: each request has another query. */
  readonly distinct?: boolean
}
