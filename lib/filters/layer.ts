import { hearRest } from '../inbound/linger.ts'
import { hideInside, noteError } from '../http/client-error.ts'
import { beginStream } from '../inbound/http2.ts'
import { filterReply } from './hook.ts'
import { isClosed } from '../routing/internal.ts'
import { asOwn, guardHead } from '../http/route-hooks.ts'
import { Locations, restoreUrl } from '../redirect/locations.ts'
import { redirectStateOf } from '../http/redirect-state.ts'
import { takePlan } from '../reply/plan.ts'
import { restoreTarget, Router } from '../routing/router.ts'
import type { DoneFuncWithErrOrRes, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

const LAYER = Symbol('fastify-scgi.filters')

/**
 * The application itself. A route that says it is internal must be closed wherever it stands, also beside or above the instance that
 * registers us. An encapsulated instance has its parent as its prototype.
 */
function rootOf (fastify: FastifyInstance): FastifyInstance {
  let root = fastify
  for (let parent: unknown = fastify; isInstance(parent); parent = Object.getPrototypeOf(parent)) root = parent
  return root
}

function isInstance (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'addHook' in value && 'route' in value
}

/** The hooks of the way back, once for an instance and all below it; whatever the order of registration, its routes have them. */
export function filterLayer (fastify: FastifyInstance): Locations {
  if (fastify.hasDecorator(LAYER)) return fastify.getDecorator<Locations>(LAYER)
  Router.of(fastify)
  const locations = new Locations(fastify)
  fastify.decorate(LAYER, locations)
  const root = rootOf(fastify)
  root.addHook('onRequest', (request, reply, done) => {
    beginStream(request.raw)
    if (request.method === 'HEAD') guardHead(request)
    const redirected = redirectStateOf(request.raw)
    if (isClosed(request, redirected)) {
      reply.callNotFound()
      return
    }
    if (redirected !== undefined) restoreUrl(request, redirected)
    restoreTarget(request.raw)
    // The status of an error page is that of the error, for the hooks of its route too; an error of its own replaces it.
    if (redirected?.status !== undefined) reply.raw.statusCode = redirected.status
    done()
  })
  // What was planned for a reply is not for the error that came in its place: another hook failed.
  fastify.addHook('onError', (request, reply, error, done) => {
    noteError(reply, error)
    const redirected = redirectStateOf(request.raw)
    // The status of an error page is not that of the error which comes in its place.
    if (redirected !== undefined) redirected.answered = false
    takePlan(reply)
    done()
  })
  // A redirect leads to routes that are beside the instance as well, and to Fastify's own 404.
  if (root !== fastify) {
    root.addHook('onSend', asOwn((request: FastifyRequest, reply: FastifyReply, payload: unknown, done: DoneFuncWithErrOrRes) => {
      done(null, hideInside(request, reply, payload))
    }))
  }
  const { server } = fastify
  fastify.addHook('onSend', asOwn((request: FastifyRequest, reply: FastifyReply, payload: unknown, done: DoneFuncWithErrOrRes) => {
    hearRest(request.raw, reply.raw, server)
    filterReply(request, reply, payload, done, locations)
  }))
  return locations
}
