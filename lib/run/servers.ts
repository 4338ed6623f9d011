import http, { type RequestListener } from 'node:http'
import https from 'node:https'
import http2, { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { Server } from 'node:net'
import type { FastifyServerOptions } from 'fastify'
import type { ServerOptions } from 'node:http'
import { trustPartialChains } from './partial-trust.ts'
import type { Listener } from './read-listen.ts'

/** What Fastify was told of its servers. */
export type ServerSettings = Pick<FastifyServerOptions, 'keepAliveTimeout' | 'requestTimeout' | 'connectionTimeout' | 'maxRequestsPerSocket'> & {
  http?: ServerOptions | null
}

/** Milliseconds without a stream after which a session of HTTP/2 ends; what Fastify has for keepAliveTimeout. */
const SESSION_TIMEOUT = 72_000

const HTTP1_OPTIONS = ['maxHeaderSize', 'insecureHTTPParser', 'joinDuplicateHeaders', 'requireHostHeader', 'headersTimeout'] as const

/** The server of plain HTTP/1, which is Fastify's own. */
export function plainServer (handler: RequestListener, settings: ServerSettings): http.Server {
  return limited(http.createServer(settings.http ?? {}, handler), settings)
}

/** The server of a place that wants more than that. */
export function serverOf ({ tls, http2: wanted }: Listener, handler: RequestListener, settings: ServerSettings): Server {
  const { http: options = {} } = settings
  if (!wanted && tls === undefined) return plainServer(handler, settings)
  if (!wanted) return limited(trustPartialChains(https.createServer({ ...options, ...tls }, handler), tls), settings)
  const maxHeaderSize = options?.maxHeaderSize
  const limits = maxHeaderSize === undefined ? undefined : { settings: { maxHeaderListSize: maxHeaderSize } }
  const server = tls === undefined
    ? http2.createServer({ ...limits })
    : trustPartialChains(http2.createSecureServer({ ...options, ...tls, ...limits, allowHTTP1: true }), tls)
  // Its clients of HTTP/1 are served by what Node.js finds at the server, where not all versions put these options.
  for (const name of HTTP1_OPTIONS) if (options?.[name] !== undefined) Object.assign(server, { [name]: options[name] })
  limitHttp1(server, settings)
  // The same handler: Fastify looks at the request to tell the versions apart.
  server.on('request', (request: unknown, response: unknown) => Reflect.apply(handler, server, [request, response]))
  if (settings.connectionTimeout !== undefined) server.setTimeout(settings.connectionTimeout)
  server.on('session', session => limitSession(session, settings))
  return server
}

function limited<S extends http.Server> (server: S, settings: ServerSettings): S {
  if (settings.connectionTimeout !== undefined) server.setTimeout(settings.connectionTimeout)
  limitHttp1(server, settings)
  return server
}

/**
 * A session has one timer: it runs for the smaller of the two. keepAliveTimeout lets the streams end first, connectionTimeout does not.
 */
function limitSession (session: ServerHttp2Session, { keepAliveTimeout = SESSION_TIMEOUT, connectionTimeout = 0 }: ServerSettings): void {
  // Node.js ends it by the timeout of the server, whichever timer has run.
  session.removeAllListeners('timeout')
  const streams = new Set<ServerHttp2Stream>()
  if (connectionTimeout > 0) {
    session.on('stream', stream => {
      streams.add(stream)
      stream.once('close', () => streams.delete(stream))
    })
  }
  const end = (): void => {
    // Half a reply must not look like a whole one, as it does with a stream that is only destroyed.
    for (const stream of streams) stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    // They are told so before the session is over.
    setImmediate(() => session.destroy())
  }
  if (connectionTimeout > 0 && (keepAliveTimeout === 0 || connectionTimeout <= keepAliveTimeout)) {
    session.setTimeout(connectionTimeout, end)
    return
  }
  session.setTimeout(keepAliveTimeout, () => {
    session.close()
    // For the streams that are left.
    if (connectionTimeout > 0) session.setTimeout(connectionTimeout, end)
  })
}

/** A server of HTTP/2 that takes HTTP/1, too, has these limits where one of HTTP/1 has them. */
function limitHttp1 (server: Server, { keepAliveTimeout, requestTimeout, maxRequestsPerSocket }: ServerSettings): void {
  if (keepAliveTimeout !== undefined) Object.assign(server, { keepAliveTimeout })
  if (requestTimeout !== undefined) Object.assign(server, { requestTimeout })
  if (typeof maxRequestsPerSocket === 'number' && maxRequestsPerSocket > 0) Object.assign(server, { maxRequestsPerSocket })
}
