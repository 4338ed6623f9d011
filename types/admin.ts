import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Time } from './units.ts'

/** Options of `fastify-scgi/admin`: the operator's page, and the API beneath it. Register it with a `prefix`, `'/gateway'` say. */
export interface AdminOptions {
  /** Path below which page and API are. Default `''`: that of the instance which registers. */
  prefix?: string
  /**
   * Who may see and edit: an `onRequest` hook, which answers or fails the requests of all others. It is asked for everything but what comes
   * over `socket`. Default: requests over the loopback interface or a unix socket may in which no header says that a proxy has passed
   * them on (X-Forwarded-*, Forwarded, X-Real-IP, Via and their like), and nobody else.
   */
  authorize?: (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown
  /**
   * Host names by which page and API may be called, beside IP addresses and `localhost`: `'gateway.example'`, or with a port. Any other Host
   * is refused, so that no web page can make its own name stand for this gateway (DNS rebinding). Default: none.
   */
  hosts?: string[]
  /** Who an edit is by, for the log. Default: the client's address, or over `socket` the user of the command. */
  operator?: (request: FastifyRequest) => string | undefined
  /**
   * What the tokens of pages are signed with, 16 characters or more. Processes that serve the same clients need the same. Default: a secret
   * of the process.
   */
  secret?: string
  /**
   * A file that keeps the edits made here: it is written in one piece, and read when the application starts. Its directory must exist.
   * Default: edits last as long as the process. (nginx: state)
   */
  state?: string
  /**
   * Path of a unix socket that serves page and API, and nothing else, to the user of the process (mode 0600) without asking `authorize`: for
   * `fastify-scgi ctl --socket`. Default: none.
   */
  socket?: string
  /** Requests that take so long are listed among the slow ones. Default 1s. */
  slow?: Time
}
