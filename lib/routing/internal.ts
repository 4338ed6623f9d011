import { passageOf } from '../http/passage.ts'
import type { FastifyRequest } from 'fastify'

/** The route answers internal redirects only, and this request is none. */
export function isClosed (request: FastifyRequest): boolean {
  return request.routeOptions.config?.scgi?.internal === true && passageOf(request.raw)?.opensInternal !== true
}
