import { defaultKey } from '../cache/key.ts'
import { passageOf } from '../filters/passage.ts'
import { announcesBody } from './request-body.ts'
import { requestUri } from '../upstream/path.ts'
import type { CacheHost, CachePass } from '../cache/pass.ts'
import type { LookupHeaders } from '../cache/key.ts'
import type { CachePolicy } from '../cache/options.ts'
import type { Caches } from './cache-registry.ts'
import type { FastifyView } from './view.ts'
import type { FastifyRequest } from 'fastify'

/**
 * Opens the cache for a request; `undefined` where the cache has nothing to do with it.
 * @throws FST_SCGI_OPT_INVALID, and what the user's functions throw
 */
export function openCache (
  policy: CachePolicy<FastifyRequest>, request: FastifyRequest, view: FastifyView, host: CacheHost, caches: Caches
): CachePass | undefined {
  if (!policy.covers(view.method)) return undefined
  // What a body says is not in the key, and one client's must not decide what the others get.
  if (view.method !== 'POST' && announcesBody(request)) return undefined
  const zone = policy.zoneOf(request)
  if (zone === undefined) return undefined
  if (zone !== policy.zone) caches.add(zone)
  return zone.open(policy.rules, {
    method: view.method,
    key: policy.keyOf(request) ?? ownKey(view, request),
    headers: headersOf(view, request),
    bypass: policy.bypass(request),
  }, host)
}

/** After an internal redirect the same URL stands for something else; in a named location it is what the client asked another for. */
function ownKey ({ scheme, host, target, uri }: FastifyView, { raw }: FastifyRequest): string {
  const key = defaultKey(scheme, host, requestUri(target ?? uri))
  const location = passageOf(raw)?.location
  return location === undefined ? key : `${location} ${key}`
}

/** What the application sees, so that Vary and Authorization mean the same here and there: a hook may have put them there. */
function headersOf ({ headers }: FastifyView, request: FastifyRequest): LookupHeaders {
  if (headers === request.headers) return headers
  const named: Record<string, string | string[] | undefined> = {}
  for (const name in headers) named[name.toLowerCase()] = headers[name]
  return named
}
