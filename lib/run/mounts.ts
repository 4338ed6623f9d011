import type { GatewayMount } from '../../types/config.ts'
import type { Upstreams } from '../../types/options.ts'

/** Where the application is mounted. */
export function prefixOf (mount: GatewayMount): string {
  return typeof mount === 'object' && 'prefix' in mount && mount.prefix !== undefined ? mount.prefix : '/'
}

/** Whom its requests go to, for messages. */
export function serversOf (mount: GatewayMount): string {
  const upstreams: Upstreams = typeof mount === 'object' && 'upstreams' in mount ? mount.upstreams : mount
  if (typeof upstreams === 'string') return upstreams
  if (typeof upstreams === 'function') return 'what a function chooses'
  const servers = Array.isArray(upstreams) ? upstreams : upstreams.servers
  const names = servers.map(server => typeof server === 'string' ? server : 'address' in server ? server.address : server.name)
  const name = Array.isArray(upstreams) ? undefined : upstreams.name
  return name === undefined ? names.join(', ') : `${name}: ${names.join(', ')}`
}
