import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import { canonicalUrl, type PathRules } from './canonical-path.ts'
import { pathOf, queryPart } from '../http/path.ts'
import { judge, routeAgain, type MatchedRoute } from './canonical.ts'
import { Router } from './router.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { MountPoint } from './place.ts'

/** The route of a mount. */
export function matchedRoute (fastify: FastifyInstance, pattern: string, paths: PathRules): MatchedRoute {
  const router = Router.of(fastify)
  const place = router.own(pattern)
  return { router, place, segments: place.segments, rules: rulesOf(router, paths) }
}

/** The route of a request that a handler of the user passes on. A named location and a not-found handler stand for any path. */
export function matchedRouteOf (request: FastifyRequest, paths: PathRules): MatchedRoute {
  const router = Router.of(request.server)
  const { url } = request.routeOptions
  const place = url === undefined || redirectStateOf(request.raw)?.location !== undefined ? undefined : router.place(url)
  return { router, place, segments: place?.segments ?? 0, rules: rulesOf(router, paths) }
}

/** The router takes `//` for `/`: then the application does not see repeated slashes either. */
function rulesOf ({ ignoreDuplicateSlashes }: Router, paths: PathRules): PathRules {
  return ignoreDuplicateSlashes ? { ...paths, mergeSlashes: true } : paths
}

export function pointOf ({ segments, rules }: MatchedRoute, rewritePrefix: string): MountPoint {
  return { segments, rules, rewritePrefix: Buffer.from(rewritePrefix.replace(/\/+$/, '')).toString('latin1') }
}

/** The hook of a route of ours: it goes on only where the request may stay. */
export function stayOrLeave (matched: MatchedRoute) {
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    const verdict = judge(request, matched)
    if (typeof verdict === 'string') routeAgain(request, reply, verdict)
    else done(verdict)
  }
}

/**
 * The same in a handler of the user's, for `reply.scgi()`. What has been read of a body cannot be read again by another route: then the
 * request may stay only where it would come back to.
 * @returns whether it may stay; if not, the reply is on its way
 */
export function mayStay (request: FastifyRequest, reply: FastifyReply, matched: MatchedRoute, body: unknown): boolean {
  const verdict = judge(request, matched)
  if (verdict === undefined) return true
  const { raw } = request
  const bodyless = body === undefined && !raw.readableDidRead && !isParsed(request.body)
  if (typeof verdict !== 'string') reply.send(verdict)
  else if (bodyless || redirectStateOf(raw) !== undefined) routeAgain(request, reply, verdict)
  else if (matched.router.leadsTo(matched.place, raw, verdict) === true) return true
  else reply.send(new FST_SCGI_BAD_REQUEST('the path leads elsewhere than it is spelt, and the body has been read'))
  return false
}

function isParsed (body: unknown): boolean {
  return body !== undefined && body !== null && !(typeof body === 'object' && 'pipe' in body)
}

/**
 * Answers the bare form of a prefix that ends in a slash: what is below is asked for by its own name, or relative links would lead elsewhere. The
 * target stays on this host, whatever the path looks like.
 */
export function toDirectory (request: FastifyRequest, reply: FastifyReply, { rules }: MatchedRoute): void {
  const { raw, originalUrl } = request
  // What the client asked for, also where rewriteUrl made something else of it; an internal redirect has a target of its own.
  const asked = redirectStateOf(raw) === undefined ? originalUrl : raw.url ?? '/'
  const url = canonicalUrl(asked, 0, rules)
  const path = typeof url === 'string' && !url.endsWith('/') ? url : pathOf(raw.url ?? '/') ?? '/'
  // A path that begins with two slashes would be the name of a host.
  reply.redirect(`${path.startsWith('//') ? '/.' : ''}${path}/${queryPart(asked)}`, 301)
}
