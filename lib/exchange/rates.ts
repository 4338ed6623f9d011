import { parseLimitRate } from '../http/accel-values.ts'
import { passageOf } from '../http/passage.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { ResponseSettings } from './response-options.ts'
import type { FastifyRequest } from 'fastify'

/** Bytes a second to the client as the application wants it (X-Accel-Limit-Rate); 0 is without limit, `undefined` where it does not say. */
export function wantedRate (head: ResponseHead, settings: ResponseSettings): number | undefined {
  const wish = settings.accel.limitRate ? head.headers['x-accel-limit-rate'] : undefined
  return typeof wish === 'string' ? parseLimitRate(wish) : undefined
}

/** The same of a reply: its own word, that of the application which redirected to it, or the option `clientLimitRate`. */
export function replyRate (head: ResponseHead, settings: ResponseSettings, request: FastifyRequest): number | undefined {
  return wantedRate(head, settings) ?? passageOf(request.raw)?.rate ?? settings.clientLimitRate?.(request)
}
