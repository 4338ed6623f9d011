import { isConditional } from '../http/conditions.ts'
import { steer } from '../http/accel-headers.ts'
import { replyRate } from './rates.ts'
import type { RedirectState } from '../http/redirect-state.ts'
import type { FilterPlan } from './plan.ts'
import type { ReplyRules, ReplySettings } from './settings.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

export type Lasting = Pick<FilterPlan, 'charset' | 'rate' | 'rateAfter'>

/** How a reply is sent, as far as the filters go by it. */
interface Sending {
  /** The client's conditions were not sent on: they are answered here. */
  readonly ownConditions: boolean
  /** The reply is read ahead of the client. */
  readonly buffering: boolean
  /** How the request came to the route, if by an internal redirect. */
  readonly redirected: RedirectState | undefined
}

/** A plan for nothing as yet. */
function none (): FilterPlan {
  return {}
}

/** What a reply says that an internal redirect answers: it holds for the reply of the target. */
export function lastingPlan (head: ResponseHead, response: ReplyRules): Lasting {
  const lasting = steer<Lasting>(head.headers, response.obeyed, undefined, none) ?? none()
  if (lasting.rate !== undefined) lasting.rateAfter = response.clientLimitRateAfter
  return lasting
}

/** What the filters have to do with a reply; `undefined` if it is nothing, as with most. */
export function planReply (
  head: ResponseHead, given: FilterPlan | undefined, mount: ReplySettings, request: FastifyRequest,
  { ownConditions, buffering, redirected }: Sending
): FilterPlan | undefined {
  const { response, cache } = mount
  let plan = given
  if (head.statusCode === 200 && (response.forceRanges || ownConditions)) {
    // What the cache has whole, or will have, it can give in parts (RFC 9110 section 14.3).
    const byRfc = ownConditions && cache?.rules.rfc !== undefined
    // Most requests have no conditions, and a plan for nothing costs.
    const offered = response.forceRanges || head.headers['accept-ranges'] !== undefined
    if (offered || (byRfc && request.headers.range !== undefined) || isConditional(request)) {
      plan ??= {}
      if (ownConditions) plan.conditions = byRfc ? 'rfc9110' : true
      if (offered || byRfc) plan.ranges = true
    }
  }
  plan = steer<FilterPlan>(head.headers, response.obeyed, plan, none)
  const rate = replyRate(head, response, request, redirected?.rate)
  if (rate !== undefined) {
    plan ??= {}
    plan.rate = buffering ? rate : 0
    plan.rateAfter = response.clientLimitRateAfter
  }
  return plan
}
