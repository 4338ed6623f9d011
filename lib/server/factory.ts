import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseServerOptions } from './options.ts'
import { ScgiServer } from './server.ts'
import { describe, type Warn } from './warnings.ts'
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
 * Fastify's `keepAliveTimeout`, `requestTimeout`, `connectionTimeout` and `maxRequestsPerSocket` apply unless `options` sets
 * them. Requests that are refused before they reach Fastify are logged by its logger, as a warning.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
export function scgiServerFactory (
  options: ScgiServerOptions = {}
): (handler: (request: IncomingMessage, response: ServerResponse) => void, fastifyOptions: Record<string, unknown>) => ScgiServer {
  // A mistake shows here, in the user's own call.
  parseServerOptions(options)
  return (handler, fastifyOptions) => {
    const server = new ScgiServer(options, handler, warnInto(fastifyOptions['logger']))
    for (const [theirs, ours] of LIMITS) {
      const limit = fastifyOptions[theirs]
      if (options[ours] === undefined && typeof limit === 'number' && limit >= 0) server[ours] = limit
    }
    return server
  }
}

/** Fastify's own handler of 'clientError' logs nothing that anybody sees. */
function warnInto (logger: unknown): Warn | undefined {
  if (typeof logger !== 'object' || logger === null || !('warn' in logger)) return undefined
  const { warn } = logger
  return typeof warn === 'function' ? (error, socket) => { warn.call(logger, { err: error }, describe(error, socket)) } : undefined
}
