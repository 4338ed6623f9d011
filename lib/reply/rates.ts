import { obeyedWish, STEERING } from '../http/accel-headers.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { ReplyRules } from './settings.ts'
import type { FastifyRequest } from 'fastify'

/** Bytes a second to the client as the application wants it (X-Accel-Limit-Rate); 0 is without limit, `undefined` if it does not say. */
function wantedRate (head: ResponseHead, settings: ReplyRules): number | undefined {
  return obeyedWish(STEERING.limitRate, head.headers[STEERING.limitRate.name], settings.obeyed)
}

/**
 * The same of a reply: its own word, that of the application which redirected to it, or the option `clientLimitRate`.
 * @param passed what the application said which redirected to it
 */
export function replyRate (
  head: ResponseHead, settings: ReplyRules, request: FastifyRequest, passed: number | undefined
): number | undefined {
  return wantedRate(head, settings) ?? passed ?? settings.clientLimitRate?.(request)
}
