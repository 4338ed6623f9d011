import { atOnce } from '../options/functions.ts'
import { isUnbound, parseFixedAddress, parseLocalAddress, type LocalAddress } from '../connections/local-address.ts'
import { show } from '../options/units.ts'
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
    return request => {
      const given = ask(request)
      if (isUnbound(given)) return undefined
      try {
        return parseLocalAddress(given, ' or false')
      } catch {
        // As with nginx's variables: what is no address is said, and the request goes out as without `bind`.
        request.log.warn(`the function 'bind' gave ${show(given)}, which is no local address: ignored`)
        return undefined
      }
    }
  }
  const local = parseFixedAddress(value, ', a function or false')
  return () => local
}
