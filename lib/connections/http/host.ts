import type { ServerAddress } from '../../../types/exchange.ts'

/** The ports that an URL of the scheme need not name. */
export const DEFAULT_PORTS = { http: 80, https: 443 } as const

/** Host of a request that brings none: the name in the address, with the port unless it is the scheme's own. (`$proxy_host`) */
export function hostOf ({ host, hostname, port, protocol }: ServerAddress): string {
  const name = hostname ?? host ?? 'localhost'
  const bare = name.includes(':') ? `[${name}]` : name
  return port === 0 || port === DEFAULT_PORTS[protocol === 'https' ? 'https' : 'http'] ? bare : `${bare}:${port}`
}
