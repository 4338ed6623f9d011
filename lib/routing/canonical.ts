import { FST_SCGI_PATH_TOO_LONG } from '../errors.ts'
import { canonicalUrl, isPlain, pathError, type PathRules } from './canonical-path.ts'
import { pathOf, queryPart } from '../http/path.ts'
import { keepOriginalUrl, redirectStateOf } from '../http/redirect-state.ts'
import { route, type Router } from './router.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RoutePlace } from './place.ts'

/** The route that the router has matched, and the rules by which its path is read. */
export interface MatchedRoute {
  readonly router: Router
  /** `undefined` for what stands for any path: a not-found handler, a named location. */
  readonly place: RoutePlace | undefined
  /** Path segments before PATH_INFO. */
  readonly segments: number
  readonly rules: PathRules
}

const ESCAPE = /%[0-9a-f]{2}/gi
/** What the router leaves escaped when it compares a path with the fixed parts of a route. */
const RESERVED = /[#$%&+,/:;=?@]/
/** What the paths are made of that an application has; its canonical form has no escapes of them. */
const NAMES = /[\w.-]/

/**
 * Whether a request may stay where the router has sent it. The router compares one spelling of a path, the application gets another; so that
 * no spelling goes past a route, and what guards it, a target that the router reads otherwise than the canonical one is routed again by that.
 * @returns nothing to be done, the target to route by, or the error to answer with
 */
export function judge (request: FastifyRequest, matched: MatchedRoute): string | Error | undefined {
  const target = request.raw.url ?? ''
  const { router, segments, rules } = matched
  let canonical = target
  if (!isPlain(target) && target !== '*') {
    const url = canonicalUrl(target, segments, rules)
    if (typeof url !== 'string') return pathError(url)
    const path = router.useSemicolonDelimiter ? url.replaceAll(';', '%3B') : url
    canonical = path + queryPart(target)
    if (target.charCodeAt(0) !== 47 || asRouted(path) !== asRouted(pathOf(target) ?? '')) return canonical
  }
  return canonical.length > router.maxParamLength ? tooLong(request, canonical, matched) : undefined
}

/** Routes a request again. Its hooks run for the new target; REQUEST_URI stays the client's. */
export function routeAgain (request: FastifyRequest, reply: FastifyReply, target: string): void {
  const { raw } = request
  const redirected = redirectStateOf(raw)
  keepOriginalUrl(request)
  if (redirected?.location !== undefined) {
    // The path was the client's own, and opens nothing.
    redirected.location = undefined
    redirected.opensInternal = false
  }
  reply.hijack()
  route(request.server, raw, reply.raw, target)
}

/**
 * A segment that is too long for a parameter goes past a route that has one there, to the wildcard of another: answered as the router answers it
 * where there is no other.
 */
function tooLong (request: FastifyRequest, target: string, { router, place }: MatchedRoute): Error | undefined {
  const limit = router.maxParamLength
  const query = queryPart(target)
  const path = target.slice(0, target.length - query.length)
  const segments = path.split('/')
  if (place === undefined || !segments.some(segment => lengthOf(segment) > limit)) return undefined
  const shorter = segments.map(segment => lengthOf(segment) > limit ? shorten(segment, limit) : segment)
  for (const [index, segment] of segments.entries()) {
    if (segment === shorter[index]) continue
    // This one, and with it those that follow: what stands before may be written so in the route.
    const one = [...segments.slice(0, index), shorter[index], ...segments.slice(index + 1)]
    const rest = [...segments.slice(0, index), ...shorter.slice(index)]
    for (const shortened of [one, rest]) {
      if (router.leadsTo(place, request.raw, shortened.join('/')) === false) return new FST_SCGI_PATH_TOO_LONG(limit)
    }
  }
  return undefined
}

function lengthOf (segment: string): number {
  return segment.includes('%') ? segment.replace(ESCAPE, '.').length : segment.length
}

/** A segment that a route with parameters would take: where one may end, at a dash or a dot, it still does. */
function shorten (segment: string, limit: number): string {
  const pieces = segment.replace(ESCAPE, 'x').split(/(?=[-.])/)
  const size = Math.max(1, Math.floor(limit / pieces.length))
  return pieces.map(piece => piece.slice(0, size)).join('').slice(0, limit)
}

/**
 * A path as the router compares it with the fixed parts of its routes, and as hooks do that compare `request.url`: nobody has a reason to
 * escape what names are made of, but to go past them.
 */
function asRouted (path: string): string {
  return path.replace(ESCAPE, escape => {
    const code = parseInt(escape.slice(1), 16)
    const char = String.fromCharCode(code)
    return code > 0x7f || RESERVED.test(char) || NAMES.test(char) ? escape.toUpperCase() : char
  })
}
