import { clearHead } from '../http/raw-reply.ts'
import { causedBy, FST_SCGI_LOCATION_UNKNOWN, FST_SCGI_REDIRECT_CYCLE } from '../errors.ts'
import { show } from '../options/units.ts'
import { Router } from '../routing/router.ts'
import { targetRefused } from '../http/accel-values.ts'
import { beginRedirectState, redirectStateOf } from '../http/redirect-state.ts'
import type { FilterPlan, Redirect } from '../reply/plan.ts'
import type { Locations } from './locations.ts'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** nginx's budget for one request. */
const MAX_HOPS = 10

/**
 * Leads the request to another route. The reply so far is taken back; its payload is the caller's to destroy.
 * @throws FST_SCGI_REDIRECT_CYCLE, FST_SCGI_LOCATION_UNKNOWN, FST_SCGI_REDIRECT_TARGET; the reply is then as it was
 */
export function follow (redirect: Redirect, plan: FilterPlan, request: FastifyRequest, reply: FastifyReply, locations: Locations): void {
  const { raw } = request
  const { target } = redirect
  if ((redirectStateOf(raw)?.hops ?? 0) >= MAX_HOPS) {
    throw causedBy(new FST_SCGI_REDIRECT_CYCLE(MAX_HOPS), new Error(`the next would lead to ${show(target)}`))
  }
  const location = target.startsWith('@') ? target : undefined
  if (location !== undefined && !locations.has(location)) throw causedBy(new FST_SCGI_LOCATION_UNKNOWN(), new Error(`it names ${show(target)}`))
  const method = location !== undefined || raw.method === 'HEAD' ? raw.method : 'GET'
  const reason = location === undefined ? Router.of(request.server).refuses({ method, headers: raw.headers }, target) : undefined
  if (reason !== undefined) throw targetRefused(target, reason)
  const redirected = beginRedirectState(request, reply)
  redirected.hops += 1
  redirected.opensInternal = redirect.opensInternal
  redirected.location = location
  redirected.lastPage ||= redirect.lastPage === true
  // What an error page leads to is the page all the same.
  if (redirect.errorPage === true) redirected.status = redirect.status
  redirected.answered = false
  redirected.carry(redirect.headers, redirect.isWhole === true)
  redirected.body = plan.body ?? redirected.body
  redirected.charset = plan.charset ?? redirected.charset
  redirected.rate = plan.rate ?? redirected.rate
  redirected.rateAfter = plan.rateAfter ?? redirected.rateAfter
  if (request.scgi !== null && request.scgi !== undefined) redirected.former.push(request.scgi)
  redirected.strip(request, redirect.errorPage === true)
  clearHead(reply)
  reply.hijack()
  request.log.debug({ url: raw.url, target, hop: redirected.hops }, `internal redirect to ${target}`)
  if (location === undefined) {
    raw.url = target
    raw.method = method
  } else {
    redirected.url = raw.url
    raw.url = locations.urlFor(raw.url ?? '/')
  }
  request.server.routing(raw, reply.raw)
}
