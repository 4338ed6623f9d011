import { isIP, type Socket } from 'node:net'
import { FST_SCGI_ADMIN_FORBIDDEN, FST_SCGI_ADMIN_HOST } from '../../errors.ts'
import type { FastifyRequest } from 'fastify'

/**
 * Headers by which a proxy says that a request came from somewhere else. One that says nothing of the kind cannot be told from a client of
 * this machine, which is why `authorize` belongs before every gateway that others can reach.
 */
const PROXY = new RegExp([
  // X-Forwarded-*, Forwarded, X-Envoy-*-Forwarded, Max-Forwards; Proxy-*, X-ProxyUser-IP, WL-Proxy-Client-IP; CDN-Loop, CF-Ray, X-CDN-*
  'forward', 'proxy', '(?:^|-)(?:cdn|cf)-',
  // X-Real-IP, CF-Connecting-IP, Fastly-Client-IP, X-Sucuri-ClientIP, X-Remote-Addr, X-Client-Address
  '(?:-|client|real|user|remote)(?:ip|addr|address)$', '^(?:x-)?(?:client|remote|originating|original|rewrite|coming|real|source)-',
  '(?:^|-)via$', '^surrogate-', '^front-end-https$', '^(?:x-)?(?:ssl|tls)-', '^x-(?:url-)?(?:host|scheme|proto|protocol|port|ssl|https|varnish|request-start|queue-start)$',
  '^(?:x-)?(?:envoy|amzn|amz-cf|azure|cloud|appengine|arr|haproxy|nginx|traefik|vercel|nf|fly|akamai|fastly|incap|sucuri|squid|kong|edge)-',
].join('|'))

/** How a request may come in. */
export interface Gate {
  /** Host names beside addresses and localhost, in lower case. */
  readonly hosts: ReadonlySet<string>
  /** Somebody else says who may. */
  readonly authorized: boolean
  /** Sockets of the gateway's own listener. */
  readonly own: WeakSet<Socket>
}

/**
 * Why a request is not even looked at; `undefined` if it may go on. Whether it may edit is another question (`refuseEdit`).
 */
export function refuse (gate: Gate, request: FastifyRequest): Error | undefined {
  const host = hostOf(request)
  if (host === undefined || !isKnownHost(gate, host)) return new FST_SCGI_ADMIN_HOST(host ?? 'no Host')
  const site = single(request, 'sec-fetch-site')
  // A link from elsewhere may lead to the page; nothing else is for other sites to load.
  const followsLink = single(request, 'sec-fetch-mode') === 'navigate' && single(request, 'sec-fetch-dest') === 'document'
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !followsLink) {
    return new FST_SCGI_ADMIN_FORBIDDEN('the request comes from another site')
  }
  // Older browsers say no more than this, and the application may allow other origins all it has (CORS).
  const origin = single(request, 'origin')
  // The scheme is the client's: TLS may end before this process.
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return new FST_SCGI_ADMIN_FORBIDDEN('the request comes from another origin')
  }
  if (gate.own.has(request.raw.socket) || gate.authorized) return undefined
  const { remoteAddress, destroyed } = request.raw.socket
  // A socket without an address is a unix socket, unless its client has left: then nobody knows who it was.
  if (remoteAddress === undefined ? destroyed : !isLoopback(remoteAddress)) {
    return new FST_SCGI_ADMIN_FORBIDDEN("only clients of this machine may, as there is no option 'authorize'")
  }
  const proxy = Object.keys(request.raw.headers).find(name => PROXY.test(name.replaceAll('_', '-')))
  if (proxy !== undefined) return new FST_SCGI_ADMIN_FORBIDDEN(`a proxy has passed the request on (${proxy}), and there is no option 'authorize'`)
  // That is what nginx sends by default, and nobody else does nowadays.
  if (request.raw.httpVersion === '1.0') return new FST_SCGI_ADMIN_FORBIDDEN("HTTP/1.0 is what proxies speak, and there is no option 'authorize'")
  return undefined
}

/** Why a request may edit nothing, its token aside. */
export function refuseEdit (request: FastifyRequest): Error | undefined {
  const site = single(request, 'sec-fetch-site')
  return site === undefined || site === 'same-origin' ? undefined : new FST_SCGI_ADMIN_FORBIDDEN('edits come from the page itself, not from elsewhere')
}

/** Host and port that the client has asked for, in lower case; `undefined` if it has not, or in several ways. */
function hostOf (request: FastifyRequest): string | undefined {
  const { headers, rawHeaders, url = '' } = request.raw
  // In absolute form the Host header would be the second opinion.
  if (!url.startsWith('/')) return undefined
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) if (rawHeaders[index]?.toLowerCase() === 'host') hosts += 1
  if (hosts > 1) return undefined
  const authority = headers[':authority']
  const host = typeof authority === 'string' ? authority : headers.host
  return host?.toLowerCase()
}

function isKnownHost ({ hosts }: Gate, host: string): boolean {
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]/@\\?#]*))(:\d{1,5})?$/.exec(host) ?? []
  if (bracketed !== undefined) return isIP(bracketed) === 6
  if (plain === '') return false
  return plain === 'localhost' || isIP(plain) === 4 || hosts.has(plain) || hosts.has(plain + port)
}

function isLoopback (address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./i.test(address)
}

function single (request: FastifyRequest, name: string): string | undefined {
  const value = request.raw.headers[name]
  return Array.isArray(value) ? value.join() : value
}
