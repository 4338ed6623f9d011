import { defaultKey, methodKey } from '../cache/key.ts'
import { requestUri } from '../http/path.ts'
import { CacheTransaction, type CacheHost } from '../cache/transaction.ts'
import type { CachePolicy } from '../cache/options.ts'
import type { Caches } from './cache-registry.ts'
import type { OutgoingRequest } from './outgoing.ts'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

/**
 * Opens the cache for a request; `undefined` if the cache has nothing to do with it.
 * @param hasBody the application gets a body
 * @throws FST_SCGI_OPT_INVALID, and what the user's functions throw
 */
export function openCache (
  policy: CachePolicy<FastifyRequest>, outgoing: OutgoingRequest, hasBody: boolean, group: Group<Endpoint>, host: CacheHost, caches: Caches
): CacheTransaction | undefined {
  const { method, source: request, view } = outgoing
  if (!policy.covers(method)) return undefined
  // What a body says is not in the key, and one client's must not decide what the others get. The key of a POST is the user's own.
  if (method !== 'POST' && hasBody) return undefined
  const zone = policy.zoneOf(request)
  if (zone === undefined) return undefined
  if (zone !== policy.zone) caches.add(zone)
  return new CacheTransaction(zone, policy.rules, {
    method,
    key: policy.keyOf(request) ?? ownKey(outgoing),
    headers: view.headers,
    seen: () => outgoing.seen(group),
    mayBeAuthorized: outgoing.mayBeAuthorized,
    bypass: policy.bypass(request),
  }, host)
}

/**
 * The default key. After an internal redirect the same URL stands for something else; in a named location it is what the client asked
 * another for; and where PATH_INFO is not what the URL says, as with `rewriteUrl` or `rewritePrefix`, it goes before it.
 */
function ownKey ({ view, redirected, isRewritten }: OutgoingRequest): string {
  const { scheme, host, target, uri, pathInfo } = view
  const key = defaultKey(scheme, host, requestUri(target ?? uri))
  const location = redirected?.location
  const whole = isRewritten ? withPath(pathInfo, key) : key
  return location === undefined ? whole : `${location} ${whole}`
}

/** A blank ends it: it has none itself. */
function withPath (pathInfo: string, key: string): string {
  return `${pathInfo.replace(/[% ]/g, char => char === '%' ? '%25' : '%20')} ${key}`
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'QUERY', 'PROPFIND', 'REPORT', 'SEARCH'])

/** Whether a request may change something (RFC 9110 section 9.2.1, and the registry of methods). An unknown method may. */
export function isUnsafe (method: string): boolean {
  return !SAFE.has(method)
}

/**
 * Takes away what the cache has of the target of an unsafe request, and of Location and Content-Location where they are of the same origin.
 * @param headers of the reply
 * @param cached the request itself was one for the cache (POST with a key of its own): its own reply stays
 * @throws FST_SCGI_OPT_INVALID, and what the user's functions throw
 */
export function invalidate (policy: CachePolicy<FastifyRequest>, outgoing: OutgoingRequest, headers: ResponseHead['headers'], cached: boolean): void {
  if (cached) return
  const { source: request, view } = outgoing
  const zone = policy.zoneOf(request)
  if (zone === undefined) return
  const keys = new Set([policy.keyOf(request) ?? ownKey(outgoing), defaultKey(view.scheme, view.host, requestUri(view.uri))])
  const base = `${view.scheme}://${view.host}`
  for (const name of ['location', 'content-location']) {
    const value = headers[name]
    if (typeof value !== 'string' || !URL.canParse(value, base + requestUri(view.uri))) continue
    const url = new URL(value, base + requestUri(view.uri))
    if (url.origin !== new URL(base).origin) continue
    const uri = url.pathname + url.search
    const key = defaultKey(view.scheme, view.host, uri)
    keys.add(key)
    const pathInfo = outgoing.pathInfoOf(uri)
    if (pathInfo !== undefined) keys.add(withPath(pathInfo, key))
  }
  zone.invalidate([...keys].flatMap(key => [key, methodKey('POST', key)]))
}
