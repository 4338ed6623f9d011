import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { atOnce } from '../functions.ts'
import { readLocalAddress, type LocalAddress } from '../scgi/local-address.ts'
import { orSwitch } from '../checks.ts'
import { show } from '../units.ts'
import type { ExchangeOptions } from '../../types/options.ts'
import type { FastifyRequest } from 'fastify'

/** Gives the local address for a request; `undefined` leaves the choice to the system. */
export type Bind = (request: FastifyRequest) => LocalAddress | undefined

/**
 * Reads the option `bind`.
 * @throws FST_SCGI_OPT_INVALID
 */
export function parseBind (value: ExchangeOptions['bind']): Bind {
  if (value === undefined || value === false || value === '') return () => undefined
  if (typeof value === 'function') {
    const ask = atOnce('bind', value)
    return request => {
      const text = ask(request)
      if (text === undefined || text === false || text === '') return undefined
      const local = typeof text === 'string' ? readLocalAddress(text) : undefined
      // As with nginx's variables: what is no address is said, and the request goes out as without `bind`.
      if (local === undefined) request.log.warn(`the function 'bind' gave ${show(text)}, which is no local address: ignored`)
      return local
    }
  }
  const local = typeof value === 'string' ? readLocalAddress(value) : undefined
  if (local === undefined) throw new FST_SCGI_OPT_INVALID('bind', show(value), orSwitch(value, "an IP address, 'address:port', '[v6]:port', a function or false"))
  return () => local
}
