import { isConditional } from '../http/conditions.ts'
import { replyRate, wantedRate } from './rates.ts'
import type { FilterPlan } from '../reply/plan.ts'
import type { Mount } from './mount.ts'
import type { ResponseSettings } from './response-options.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyRequest } from 'fastify'

export type Lasting = Pick<FilterPlan, 'charset' | 'rate' | 'rateAfter'>

/** How a reply is sent, as far as the filters go by it. */
interface Sending {
  /** The client's conditions were not sent on: they are answered here. */
  readonly ownConditions: boolean
  /** The reply is read ahead of the client. */
  readonly buffering: boolean
}

/** What a reply says that an internal redirect answers: it holds for the reply of the target. */
export function lastingPlan (head: ResponseHead, response: ResponseSettings): Lasting {
  const charset = response.accel.charset ? head.headers['x-accel-charset'] : undefined
  const rate = wantedRate(head, response)
  return {
    ...(typeof charset === 'string' && { charset }),
    ...(rate !== undefined && { rate, rateAfter: response.clientLimitRateAfter }),
  }
}

/** What the filters have to do with a reply; `undefined` where it is nothing, as with most. */
export function planReply (
  head: ResponseHead, given: FilterPlan | undefined, mount: Mount, request: FastifyRequest, { ownConditions, buffering }: Sending
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
  const charset = response.accel.charset ? head.headers['x-accel-charset'] : undefined
  if (typeof charset === 'string') {
    plan ??= {}
    plan.charset = charset
  }
  const rate = replyRate(head, response, request)
  if (rate !== undefined) {
    plan ??= {}
    plan.rate = buffering ? rate : 0
    plan.rateAfter = response.clientLimitRateAfter
  }
  return plan
}
