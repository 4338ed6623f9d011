import { parseLimitRate } from '../filters/accel-values.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { ResponseSettings } from './response-options.ts'
import type { FastifyRequest } from 'fastify'

/** Bytes a second to the client: X-Accel-Limit-Rate of the reply, else `clientLimitRate`; 0 is without limit, `undefined` where nobody says. */
export function replyRate (head: ResponseHead, settings: ResponseSettings, request: FastifyRequest): number | undefined {
  const wish = settings.accel.limitRate ? head.headers['x-accel-limit-rate'] : undefined
  const rate = typeof wish === 'string' ? parseLimitRate(wish) : undefined
  return rate ?? settings.clientLimitRate?.(request)
}
