import type { Readable } from 'node:stream'
import type { RequestBody } from '../../types/exchange.ts'
import type { Root } from '../files/root.ts'
import type { CarriedHeaders } from '../http/redirect-state.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** A file that answers instead of the payload. */
export interface FileRequest {
  readonly roots: readonly Root[]
  /** As the application named it. */
  readonly value: string
  /** The value is a path below the first root, percent-decoded, not a name of the file system. */
  readonly urlPath?: boolean
}

/** A body that can be read anywhere, such as a file or an entry of a cache. */
export interface SeekableBody {
  /** In bytes; -1 if it is unknown. */
  readonly size: number
  /** It can be read only once, from its beginning to its end: `open` gives all of it, or one range. Default false. */
  readonly sequential?: boolean
  /** The bytes from `start` up to, and not with, `end`; all of them without arguments. */
  open (start?: number, end?: number): Readable | Buffer | Promise<Readable | Buffer>
  /** Nothing more is read. */
  close (): void
}

/** What answers instead of an error. */
export interface FallbackPage {
  /** Path and query, `@name`, or a URL for the client, which may be a relative one. */
  readonly to: string
  readonly kind: 'internal' | 'external'
  /** Status for the client; `undefined` leaves it to the page. */
  readonly status: number | undefined
  /** The page has no error page itself, whichever mount it leads to. */
  readonly last: boolean
}

/** What answers instead of errors. */
export interface FallbackPages {
  /** A page is set for the status, though perhaps none for every request. */
  has (status: number): boolean
  /** @throws FST_SCGI_ERROR_PAGE, FST_SCGI_REDIRECT_TARGET if a function gives what is no page */
  find (status: number, request: FastifyRequest): FallbackPage | undefined
}

/** An internal redirect: the client is answered by another route. */
export interface Redirect {
  /** Path and query for the router, or the name of a location, `@` included. */
  readonly target: string
  /** Internal locations may answer. */
  readonly opensInternal: boolean
  /** Headers for the reply of the target. */
  readonly headers: CarriedHeaders
  /** They are the whole head of the reply that redirects. */
  readonly isWhole?: boolean
  /** Status of the reply, whatever the target's is; undefined leaves it to the target. */
  readonly status?: number | undefined
  /** The target is an error page: it is asked for no range and under no condition. */
  readonly errorPage?: boolean
  /** It has no error page itself. */
  readonly lastPage?: boolean
}

/** What the filters have to do with one reply. */
export interface FilterPlan {
  /** The reply is another route's. */
  redirect?: Redirect
  /** The client's body, for the route that it is redirected to. */
  body?: RequestBody | null
  file?: FileRequest
  /** What answers where the redirect or the file fails, by status. */
  pages?: FallbackPages
  /** The payload, where it can be read anywhere. */
  seekable?: SeekableBody
  /** Charset for the reply's media type. */
  charset?: string
  /** Answer the request's conditions (If-None-Match and the like) here, in nginx's order or in that of RFC 9110. */
  conditions?: boolean | 'rfc9110'
  /** Answer the request's Range here. */
  ranges?: boolean
  /** Bytes a second to the client. */
  rate?: number
  /** Bytes before that. */
  rateAfter?: number
}

const plans = new WeakMap<FastifyReply, FilterPlan>()

/** Lays down what the filters do with a reply when it is sent. */
export function setPlan (reply: FastifyReply, plan: FilterPlan): void {
  plans.set(reply, plan)
}

/** Takes the plan of a reply: it is carried out once. */
export function takePlan (reply: FastifyReply): FilterPlan | undefined {
  const plan = plans.get(reply)
  if (plan !== undefined) plans.delete(reply)
  return plan
}
