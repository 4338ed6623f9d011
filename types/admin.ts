import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Time } from './units.ts'

/** Options of `fastify-scgi/admin`: the operator's page and its API. Register it with a `prefix`, such as `'/gateway'`. */
export interface AdminOptions {
  /** Path of the page; the API is below it. Default `''`: the prefix of the registering instance. */
  prefix?: string
  /**
   * An `onRequest` hook that decides who may see and edit: it answers or fails the requests of everybody else, or returns a promise of
   * false. It is called for all requests except those over `socket`. Default: only clients on the loopback interface or a unix socket
   * whose requests have no header of a proxy (X-Forwarded-*, Forwarded, X-Real-IP, Via and the like).
   */
  authorize?: (this: FastifyInstance, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => unknown
  /**
   * Host names that the page and the API answer to, beside IP addresses and `localhost`: `'gateway.example'`, or with a port. Any other Host
   * is refused, so that a web page cannot point its own name at this gateway (DNS rebinding). Default: none.
   */
  hosts?: string[]
  /** Who makes an edit, for the log. Default: the client's address, or over `socket` the user of the command. */
  operator?: (request: FastifyRequest) => string | undefined
  /**
   * Key that signs the tokens, at least 16 characters. Processes that serve the same clients need the same key. Default: random, for this
   * process.
   */
  secret?: string
  /**
   * A file that keeps the edits made here. It is replaced atomically, and read at startup. Its directory must exist.
   * Default: edits end with the process. (nginx: state)
   */
  state?: string
  /**
   * Path of a unix socket that serves only the page and the API, to the user of the process (mode 0600) and without `authorize`: for
   * `fastify-scgi ctl --socket`. Default: none.
   */
  socket?: string
  /** Requests that take at least this long are listed as slow. Default 1s. */
  slow?: Time
}
