import type { ServerAddress } from '../../types/exchange.ts'

/** More than these are not kept; those that were heard of least lately go first. */
const MOST = 10_000
const known = new Set<string>()

/** Keeps what a check of a server has found, for groups of that name to come and for this one. */
export function rememberHealth (group: string, address: ServerAddress, healthy: boolean): void {
  const key = serverKey(group, address)
  known.delete(key)
  if (!healthy) return
  known.add(key)
  if (known.size <= MOST) return
  const [oldest] = known
  if (oldest !== undefined) known.delete(oldest)
}

/** The latest check of this server, in a group of this name in this process, found it healthy. */
export function wasHealthy (group: string, address: ServerAddress): boolean {
  return known.has(serverKey(group, address))
}

function serverKey (group: string, { protocol = 'scgi', name, hostname = '' }: ServerAddress): string {
  return [group, protocol, name, hostname].join(' ')
}
