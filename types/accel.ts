import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'

/** Options of `fastify-scgi/accel`: the headers by which a reply steers the way it is sent, for any route of the instance. */
export interface AccelOptions {
  /**
   * Whose replies may steer: asked for each reply that has one of the headers. The headers of others go to the client like any other.
   * Say no to whatever a stranger may have had a hand in.
   */
  trust: (request: FastifyRequest, reply: FastifyReply) => boolean
  /**
   * Where X-Accel-Redirect may lead: paths, which stand for everything that begins with them, and names of `locations`. A target that is
   * not among them is answered with 404. Default: X-Accel-Redirect is not obeyed.
   */
  redirectTo?: string[]
  /** Named locations, for `X-Accel-Redirect: @name`. */
  locations?: Record<string, RouteHandlerMethod>
  /** Directories below which X-Sendfile may name files; a relative name is taken from the first. Default: X-Sendfile is not obeyed. */
  root?: string | string[]
  /** The header that names a file. Default `'X-Sendfile'`. */
  sendfileHeader?: string
}
