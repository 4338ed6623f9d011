import { nameOf as commandOf } from '../spawn/options.ts'
import type { GroupChannel } from '../../types/channel.ts'
import type { GatewayMount } from '../../types/config.ts'
import type { Upstreams } from '../../types/options.ts'
import type { SpawnOptions } from '../../types/spawn.ts'
import type { GroupOptions } from '../../types/upstream.ts'

type Server = string | { readonly name: string } | { readonly address?: string | undefined, readonly spawn?: SpawnOptions }

function nameOf (server: Server): string {
  if (typeof server === 'string') return server
  if ('name' in server) return server.name
  return server.address ?? [server.spawn?.command ?? '', ...server.spawn?.args ?? []].join(' ')
}

/** Where the application is mounted. */
export function prefixOf (mount: GatewayMount): string {
  return typeof mount === 'object' && 'prefix' in mount && mount.prefix !== undefined ? mount.prefix : '/'
}

/** Whom its requests go to, for messages. */
export function serversOf (mount: GatewayMount): string {
  const upstreams = upstreamsOf(mount)
  if (typeof upstreams === 'string') return upstreams
  if (typeof upstreams === 'function') return 'what a function chooses'
  const servers = Array.isArray(upstreams) ? upstreams : upstreams.servers
  const names = servers.map(server => nameOf(server))
  const name = Array.isArray(upstreams) ? undefined : upstreams.name
  return name === undefined ? names.join(', ') : `${name}: ${names.join(', ')}`
}

/**
 * The mounts with the groups that they make shared between the workers. Groups that were made elsewhere are shared where they were made so;
 * those without a name are told apart by their addresses, and stay apart where two have the same.
 */
export function shareGroups (mounts: readonly GatewayMount[], shared: GroupChannel): GatewayMount[] {
  const count = new Map<string, number>()
  for (const mount of mounts) {
    const key = groupKey(upstreamsOf(mount))
    if (key !== undefined) count.set(key, (count.get(key) ?? 0) + 1)
  }
  return mounts.map(mount => {
    const upstreams = upstreamsOf(mount)
    const group = groupOf(upstreams)
    if (group === undefined || group.shared !== undefined || (count.get(groupKey(upstreams) ?? '') ?? 0) > 1) return mount
    const more = { upstreams: { ...group, shared } }
    return typeof mount === 'object' && 'upstreams' in mount ? { ...mount, ...more } : more
  })
}

function upstreamsOf (mount: GatewayMount): Upstreams {
  return typeof mount === 'object' && 'upstreams' in mount ? mount.upstreams : mount
}

/** What can be shared: a group that the mount makes. One address alone, which may be another's group by its name, is none. */
function groupOf (upstreams: Upstreams): GroupOptions | undefined {
  if (Array.isArray(upstreams)) return { servers: upstreams }
  // A group that is made has methods.
  if (typeof upstreams !== 'object' || 'edit' in upstreams) return undefined
  return upstreams
}

function groupKey (upstreams: Upstreams): string | undefined {
  const group = groupOf(upstreams)
  if (group === undefined) return undefined
  return group.name ?? group.servers.map(server => keyOf(server)).join(',')
}

/** As the group has it in its name: of an application not the whole path of its command. */
function keyOf (server: Server): string {
  if (typeof server === 'string' || 'name' in server || server.spawn === undefined) return nameOf(server)
  return `spawn:${commandOf({ command: server.spawn.command, args: server.spawn.args ?? [] })}`
}
