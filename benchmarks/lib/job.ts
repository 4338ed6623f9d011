import { makeReply, postOf, type Kind, type Reply } from '../origin/replies.ts'

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
  /** It is asked for over HTTP/2 without TLS. */
  readonly http2?: boolean
}

/** The job of one kind of reply. */
export function jobOf (kind: Kind): Job {
  return { name: kind, path: `/${kind}`, reply: makeReply(kind), post: postOf(kind), browser: kind === '1k-browser' }
}
