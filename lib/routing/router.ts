import { redirectStateOf } from '../http/redirect-state.ts'
import { escaped, hasStandIns, routable } from '../bytes/path-bytes.ts'
import { RoutePlace, type RouteParams } from './place.ts'
import type { FastifyInstance, FastifyRequest } from 'fastify'

type Raw = FastifyRequest['raw']

/** A constraint by which no route is told from another. It goes into code that the router makes, so it must be an identifier. */
const STRATEGY = 'fastifyScgiPath'
/** Fastify's. */
const MAX_PARAM_LENGTH = 100

/** What the router has found. An error of its own has no query. */
interface Found {
  readonly params: RouteParams
  readonly searchParams?: unknown
}

const routers = new WeakMap<object, Router>()

/** Targets as they were before they were written for the router, and what was made of them. */
const written = new WeakMap<Raw, { readonly before: string | undefined, readonly target: string }>()

/** What a request is to be routed by, whatever `rewriteUrl` would make of it: it has been asked. Set while Fastify's `routing()` begins. */
let pinned: { readonly raw: Raw, readonly target: string } | undefined

/**
 * What we know of an application's router, and the one place before it where every request passes: constraints are derived from a request
 * before its URL is read. There a path that is no UTF-8, which the router would refuse, is written so that it takes it, if it
 * leads to a route of ours.
 */
export class Router {
  readonly ignoreDuplicateSlashes: boolean
  readonly ignoreTrailingSlash: boolean
  readonly useSemicolonDelimiter: boolean
  readonly maxParamLength: number
  readonly #caseSensitive: boolean
  readonly #fastify: FastifyInstance
  readonly #places = new Map<string, RoutePlace>()
  readonly #ours = new Set<RoutePlace>()

  constructor (fastify: FastifyInstance) {
    const { initialConfig } = fastify
    const options = { ...initialConfig, ...initialConfig.routerOptions }
    this.#fastify = fastify
    this.ignoreDuplicateSlashes = options.ignoreDuplicateSlashes === true
    this.ignoreTrailingSlash = options.ignoreTrailingSlash === true
    this.useSemicolonDelimiter = options.useSemicolonDelimiter === true
    this.maxParamLength = options.maxParamLength ?? MAX_PARAM_LENGTH
    this.#caseSensitive = options.caseSensitive !== false
    if (fastify.hasConstraintStrategy(STRATEGY)) return
    fastify.addConstraintStrategy({
      name: STRATEGY,
      // Without it the router would not ask as long as no route has the constraint.
      mustMatchWhenDerived: true,
      storage: () => ({ get: () => null, set: () => {} }),
      deriveConstraint: (raw: Raw) => this.#enter(raw),
    })
  }

  /** The router of the application that an instance belongs to. */
  static of (fastify: FastifyInstance): Router {
    let router = routers.get(fastify.server)
    if (router === undefined) {
      router = new Router(fastify)
      routers.set(fastify.server, router)
    }
    return router
  }

  /** The place of a pattern, which is that of a route. */
  place (pattern: string): RoutePlace {
    let place = this.#places.get(pattern)
    if (place === undefined) {
      place = new RoutePlace(pattern, this.#caseSensitive)
      this.#places.set(pattern, place)
    }
    return place
  }

  /** The same of a route of ours, to which paths of any bytes may come. */
  own (pattern: string): RoutePlace {
    const place = this.place(pattern)
    this.#ours.add(place)
    return place
  }

  /**
   * Whether a target leads to the route of this place, or, without one, to no route; `undefined` if it leads to none that is known without
   * the user's own constraints.
   */
  leadsTo (place: RoutePlace | undefined, raw: Raw, target: string): boolean | undefined {
    const params = this.#find(raw, target)
    if (place === undefined) return params === undefined
    return params === undefined ? undefined : place.is(params, this.#compared(target))
  }

  /** Why the router would answer an internal redirect by itself, and show its target; `undefined` if it routes it. */
  refuses ({ method, headers }: Pick<Raw, 'method' | 'headers'>, target: string): string | undefined {
    if (target.length <= this.maxParamLength && !target.includes('%')) return undefined
    const found = this.#ask({ method, headers }, routable(target) ?? target)
    return found === null || found.searchParams !== undefined
      ? undefined
      : `the router does not take it: an escape that is none, or a segment longer than ${this.maxParamLength} characters (Fastify's maxParamLength)`
  }

  #enter (raw: Raw): undefined {
    if (pinned !== undefined && pinned.raw === raw) {
      raw.url = pinned.target
      pinned = undefined
    }
    const { url } = raw
    const target = url === undefined ? undefined : routable(url)
    if (target === undefined) return
    // Where the application has led it, its path is not for the client to see, and an error of the router would show it.
    if (redirectStateOf(raw) === undefined && !this.#isOurs(raw, target)) return
    written.set(raw, { before: url, target })
    // The first to ask for it would take down what only the router is meant to see.
    if (!('originalUrl' in raw) || raw.originalUrl === undefined) Object.assign(raw, { originalUrl: url })
    raw.url = target
  }

  #isOurs (raw: Raw, target: string): boolean {
    const params = this.#find(raw, target)
    if (params === undefined) return false
    const path = this.#compared(target)
    for (const place of this.#ours) if (place.is(params, path)) return true
    return false
  }

  #find (raw: Raw, url: string): RouteParams | undefined {
    const found = this.#ask(raw, url)
    return found === null || found.searchParams === undefined ? undefined : found.params
  }

  #ask ({ method, headers }: Pick<Raw, 'method' | 'headers'>, url: string): Found | null {
    const known = this.#fastify.supportedMethods.find(supported => supported === method)
    if (known === undefined) return null
    const host = headers.host ?? headers[':authority']
    const version = headers['accept-version']
    const constraints = { ...(typeof host === 'string' ? { host } : undefined), ...(typeof version === 'string' ? { version } : undefined) }
    return this.#fastify.findRoute({ method: known, url, constraints })
  }

  /** The path of a target, in origin-form, as the router compares it. */
  #compared (target: string): string {
    const end = target.search(this.useSemicolonDelimiter ? /[?#;]/ : /[?#]/)
    let path = decodeURIComponent(end === -1 ? target : target.slice(0, end))
    if (this.ignoreDuplicateSlashes) path = path.replace(/\/\/+/g, '/')
    return this.ignoreTrailingSlash && path.length > 1 ? path.replace(/\/$/, '') : path
  }
}

/** Takes back what was written for the router alone, once it has found the route. */
export function restoreTarget (raw: Raw): void {
  if (raw.url === undefined || !hasStandIns(raw.url)) return
  const known = written.get(raw)
  raw.url = known?.target === raw.url ? known.before : escaped(raw.url)
}

/** Hands a request to the application's router. */
export function route (fastify: FastifyInstance, raw: Raw, response: Parameters<FastifyInstance['routing']>[1], target: string): void {
  raw.url = target
  pinned = { raw, target }
  try {
    fastify.routing(raw, response)
  } finally {
    pinned = undefined
  }
}
