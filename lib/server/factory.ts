import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseServerOptions } from './options.ts'
import { ScgiServer } from './server.ts'
import type { ScgiServerOptions } from '../../types/server.ts'

// Those limits of a Fastify instance that it sets on the servers it makes itself, by the name they have here.
const LIMITS = [
  ['keepAliveTimeout', 'keepAliveTimeout'],
  ['requestTimeout', 'requestTimeout'],
  ['connectionTimeout', 'timeout'],
  ['maxRequestsPerSocket', 'maxRequestsPerSocket'],
] as const

/**
 * For Fastify's option `serverFactory`: `Fastify({ serverFactory: scgiServerFactory() })` serves the application over SCGI.
 * Fastify's `keepAliveTimeout`, `requestTimeout`, `connectionTimeout` and `maxRequestsPerSocket` hold where `options` has
 * nothing else.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function scgiServerFactory (
  options: ScgiServerOptions = {}
): (handler: (request: IncomingMessage, response: ServerResponse) => void, fastifyOptions: Record<string, unknown>) => ScgiServer {
  // A mistake shows here, in the user's own call.
  parseServerOptions(options)
  return (handler, fastifyOptions) => {
    const server = new ScgiServer(options, handler)
    for (const [theirs, ours] of LIMITS) {
      const limit = fastifyOptions[theirs]
      if (options[ours] === undefined && typeof limit === 'number' && limit >= 0) server[ours] = limit
    }
    return server
  }
}
