import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/**
 * The error handler of the gateway's routes. Its errors say to the operator which server failed and why, and that is not for the
 * client: Fastify's own handler, which shows the message, is replaced for them. A handler that the user has set is asked as ever.
 */
export function gatewayErrorHandler (
  error: Error & { code?: string, statusCode?: number }, request: FastifyRequest, reply: FastifyReply
): void {
  const { code = '', statusCode = 500 } = error
  // Thrown, an error goes on to the next handler.
  if (!code.startsWith('FST_SCGI_') || statusCode < 500 || request.server.errorHandler.name !== 'defaultErrorHandler') throw error
  reply.code(statusCode)
  request.log.error({ req: request, res: reply, err: error }, error.message)
  const phrase = STATUS_CODES[statusCode] ?? ''
  reply.send({ statusCode, code, error: phrase, message: phrase })
}
