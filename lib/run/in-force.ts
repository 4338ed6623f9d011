import { isRecord } from '../options/checks.ts'
import { BALANCE, GROUP, SERVER } from '../options/table/group.ts'
import { REGISTER } from '../options/table/plugin.ts'
import type { Row, Rows } from '../options/row.ts'
import type { GatewayMount } from '../../types/config.ts'

/** The options of a mount, of its group and of its servers, with the defaults of those that are not given. */
export function mountInForce (mount: GatewayMount): object {
  const options = typeof mount === 'object' && 'upstreams' in mount ? mount : { upstreams: mount }
  return { ...inForce(REGISTER, options), upstreams: groupInForce(options.upstreams) }
}

function groupInForce (upstreams: unknown): unknown {
  const group = typeof upstreams === 'string' && !upstreams.startsWith('balancer:') ? { servers: [upstreams] } : Array.isArray(upstreams) ? { servers: upstreams } : upstreams
  // A group that is made shows itself; one that has a name elsewhere is shown there.
  if (!isRecord(group) || 'edit' in group || !Array.isArray(group.servers)) return group
  const servers = group.servers.map((server: unknown) => inForce(SERVER, isRecord(server) ? server : { address: server }))
  const options = inForce(GROUP, group)
  return { ...options, balance: balanceInForce(options['balance']), servers }
}

/** The method says which options stand beside it. */
function balanceInForce (balance: unknown): unknown {
  if (!isRecord(balance)) return balance
  const [, rows = {}] = Object.entries(BALANCE).find(([method]) => Object.hasOwn(balance, method)) ?? []
  return inForce(rows, balance)
}

/** What is given, and the defaults of the rest, at every depth; what has no single value is left out. */
function inForce (rows: Rows, given: object): Record<string, unknown> {
  const options: Record<string, unknown> = { ...given }
  for (const [name, row] of Object.entries(rows)) {
    const value = valueInForce(row, options[name])
    if (value !== undefined) options[name] = value
  }
  return options
}

function valueInForce ({ default: otherwise, otherwise: words, rows, short }: Row, given: unknown): unknown {
  const value = given === undefined ? otherwise : given
  if (rows === undefined) return value
  // It is said to be nothing but its own options: they hold without it, too.
  if (isRecord(value) || (value === undefined && words === '')) return inForce(rows, isRecord(value) ? value : {})
  if (value === undefined || value === false || typeof value === 'function') return value
  if (short !== undefined) return inForce(rows, Object.fromEntries(short.map(name => [name, value])))
  if (value === true) return inForce(rows, {})
  return Array.isArray(value) ? value.map((one: unknown) => isRecord(one) ? inForce(rows, one) : one) : value
}
