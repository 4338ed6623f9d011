import { http, https } from './http/protocol.ts'
import { scgi } from './scgi/protocol.ts'
import type { Protocol } from './protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'

/** Every protocol that a server can be spoken to in, by the scheme of its addresses. The first is that of an address without one. */
export const PROTOCOLS: Map<string, Protocol> = new Map([scgi, http, https].map(protocol => [protocol.name, protocol]))

/** What a server speaks. */
export function protocolOf ({ protocol }: Pick<ServerAddress, 'protocol'>): Protocol {
  return (protocol === undefined ? undefined : PROTOCOLS.get(protocol)) ?? scgi
}
