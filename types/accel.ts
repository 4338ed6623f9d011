import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'

/** Options of `fastify-scgi/accel`: X-Accel-* and X-Sendfile for any route of the instance. */
export interface AccelOptions {
  /**
   * Says whether to obey the headers of a reply; called for each reply that has one of them. Otherwise they are sent to the client like any other
   * header. Return false for replies whose headers others can influence.
   */
  trust: (request: FastifyRequest, reply: FastifyReply) => boolean
  /**
   * Allowed targets of X-Accel-Redirect: paths, which include everything that begins with them, and names of `locations`. Any other target
   * is answered with 404. Default: X-Accel-Redirect is ignored.
   */
  redirectTo?: string[]
  /** Named locations, for `X-Accel-Redirect: @name`. */
  locations?: Record<string, RouteHandlerMethod>
  /** Directory or directories whose files X-Sendfile may name; a relative name is relative to the first. Default: X-Sendfile is ignored. */
  root?: string | string[]
  /** Header that names a file. Default `'X-Sendfile'`. */
  sendfileHeader?: string
}
