import type { Attributes } from '@opentelemetry/api'
import type { AttemptMessage } from '../../../types/diagnostics.ts'

/** What the conventions know; any other method is one client's invention. */
const METHODS: ReadonlySet<string> = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'])

/** Name of a span: of low cardinality, so that a path has no place in it. */
export function spanName (method: string): string {
  return METHODS.has(method) ? method : 'HTTP'
}

/** What is known of an attempt at its start, by the stable conventions for HTTP clients. */
export function attributesOf ({ request, method, address, group, server, resendCount, reason }: AttemptMessage): Attributes {
  const { protocol = 'scgi', host, hostname, port, socketPath } = address
  const attributes: Attributes = {
    'http.request.method': METHODS.has(method) ? method : '_OTHER',
    'server.address': hostname ?? host ?? socketPath ?? '',
    'network.protocol.name': protocol === 'https' ? 'http' : protocol,
    'network.transport': socketPath === undefined ? 'tcp' : 'unix',
    'fastify_scgi.group': group.name,
    'fastify_scgi.server': server.name,
  }
  if (!METHODS.has(method)) attributes['http.request.method_original'] = method
  if (socketPath === undefined) {
    attributes['server.port'] = port
    attributes['network.peer.address'] = host
    attributes['network.peer.port'] = port
  } else {
    attributes['network.peer.address'] = socketPath
  }
  const target = targetOf(request)
  if (target !== undefined) attributes['url.full'] = urlOf(address, target)
  if (resendCount > 0) attributes['http.request.resend_count'] = resendCount
  if (reason !== undefined) attributes['fastify_scgi.retry_reason'] = reason
  return attributes
}

/** Path and query that were asked for. */
function targetOf (request: unknown): string | undefined {
  if (typeof request !== 'object' || request === null) return undefined
  if ('originalUrl' in request && typeof request.originalUrl === 'string') return request.originalUrl
  return 'path' in request && typeof request.path === 'string' ? request.path : undefined
}

function urlOf ({ protocol = 'scgi', host, hostname, port, socketPath }: AttemptMessage['address'], target: string): string {
  const name = hostname ?? host ?? 'localhost'
  const authority = socketPath === undefined ? `${name.includes(':') ? `[${name}]` : name}:${port}` : name
  return `${protocol}://${authority}${target.startsWith('/') ? target : `/${target}`}`
}
