import { atOnce } from '../options/functions.ts'
import { chosenAddress, isUnbound, parseFixedAddress, type LocalAddress } from '../connections/local-address.ts'
import type { ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** Gives the local address for a request; `undefined` leaves the choice to the system. */
export type Bind = (request: FastifyRequest) => LocalAddress | undefined

/**
 * Reads the option `bind`.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function parseBind (value: ExchangeOptions['bind']): Bind {
  if (isUnbound(value)) return () => undefined
  if (typeof value === 'function') {
    const ask = atOnce('bind', value)
    return request => chosenAddress(ask(request), message => request.log.warn(message))
  }
  const local = parseFixedAddress(value, ', a function or false')
  return () => local
}
