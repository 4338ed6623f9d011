import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from '../options/units.ts'
import { redirectStateOf, type RedirectState } from '../http/redirect-state.ts'
import type { FastifyInstance, FastifyRequest, RouteHandlerMethod } from 'fastify'

/** Where the router finds the named locations; a client that asks for it gets a 404. */
const PATH = '/.fastify-scgi/location'

/** The named locations of an application, which only an internal redirect leads to. (nginx: location @name) */
export class Locations {
  readonly #fastify: FastifyInstance
  readonly #handlers = new Map<string, RouteHandlerMethod>()

  constructor (fastify: FastifyInstance) {
    this.#fastify = fastify
  }

  /** @throws FST_SCGI_OPT_INVALID */
  add (name: string, handler: RouteHandlerMethod): void {
    if (typeof name !== 'string' || !/^@[^\s\0]+$/.test(name)) throw new FST_SCGI_OPT_INVALID('location', show(name), "a name that begins with '@'")
    if (typeof handler !== 'function') throw new FST_SCGI_OPT_INVALID(`location '${name}'`, show(handler), 'a handler (request, reply)')
    if (this.#handlers.has(name)) throw new FST_SCGI_OPT_INVALID('location', `'${name}'`, 'a name that no other location has')
    if (this.#handlers.size === 0) this.#mount()
    this.#handlers.set(name, handler)
  }

  has (name: string): boolean {
    return this.#handlers.has(name)
  }

  /** The URL that leads to the locations; the query is the client's. */
  urlFor (url: string): string {
    const query = url.indexOf('?')
    return this.#fastify.prefix + PATH + (query === -1 ? '' : url.slice(query))
  }

  #mount (): void {
    const handlers = this.#handlers
    this.#fastify.route({
      method: this.#fastify.supportedMethods.filter(method => method !== 'TRACE'),
      url: PATH,
      config: { scgi: { internal: true } },
      handler (request, reply) {
        const handler = handlers.get(redirectStateOf(request.raw)?.location ?? '')
        if (handler === undefined) {
          reply.callNotFound()
          return reply
        }
        return handler.call(this, request, reply)
      },
    })
  }
}

/** On a named location the request's URL is what it was before: only the router saw another. */
export function restoreUrl (request: FastifyRequest, redirected: RedirectState): void {
  if (redirected.location !== undefined && redirected.url !== undefined) request.raw.url = redirected.url
}
