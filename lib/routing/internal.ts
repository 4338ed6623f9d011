import { contextOf } from '../http/route-context.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { FastifyRequest } from 'fastify'

/**
 * The route answers internal redirects only, and this request is none.
 * @param redirected how the request came here, if by an internal redirect
 */
export function isClosed (request: FastifyRequest, redirected: RedirectState | undefined): boolean {
  return isInternal(request) && redirected?.opensInternal !== true
}

/** Asked of every request of the whole application. */
function isInternal (request: FastifyRequest): boolean {
  const context = contextOf(request)
  const config: unknown = context !== undefined && 'config' in context ? context.config : request.routeOptions.config
  if (typeof config !== 'object' || config === null || !('scgi' in config)) return false
  const { scgi } = config
  return typeof scgi === 'object' && scgi !== null && 'internal' in scgi && scgi.internal === true
}
