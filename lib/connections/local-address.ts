import { isIP } from 'node:net'
import { isRecord, orSwitch } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { BIND } from '../options/table/connections.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { plain } from '../http/plain-address.ts'
import { transparentObstacle } from './transparent.ts'
import { show } from '../options/units.ts'
import type { LocalAddress } from '../../types/exchange.ts'

export type { LocalAddress } from '../../types/exchange.ts'

const FORMS = "an IP address, 'address:port', '[v6]:port', { address, transparent }"

/** Reads `addr`, `addr:port` or `[v6]:port`; `undefined` for anything else. */
function readLocalAddress (text: string): LocalAddress | undefined {
  if (isIP(text) !== 0) return { localAddress: plain(text), localPort: undefined, transparent: false }
  const match = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text)
  const address = match?.[1] ?? match?.[2]
  if (match === null || address === undefined || isIP(address) !== (match[1] === undefined ? 4 : 6)) return undefined
  const port = match[3] === undefined ? undefined : Number(match[3])
  if (port !== undefined && (port < 1 || port > 65535)) return undefined
  return { localAddress: plain(address), localPort: port, transparent: false }
}

/** There is no local address, and the system chooses. */
export function isUnbound (value: unknown): value is undefined | false | '' {
  return value === undefined || value === false || value === ''
}

/**
 * Reads what `bind` says, or a function of it gave.
 * @param others what else may stand there
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN
 */
function parseLocalAddress (value: unknown, others: string): LocalAddress {
  if (!isRecord(value)) {
    const local = typeof value === 'string' ? readLocalAddress(value) : undefined
    if (local === undefined) throw new FST_SCGI_OPT_INVALID('bind', show(value), orSwitch(value, `${FORMS}${others}`))
    return local
  }
  const { address, transparent } = readRows(BIND, value, 'bind', 'it')
  const local = typeof address === 'string' ? readLocalAddress(address) : undefined
  if (local === undefined) throw new FST_SCGI_OPT_INVALID('bind.address', show(address), "an IP address, 'address:port' or '[v6]:port'")
  return { ...local, transparent }
}

/**
 * What a function `bind` gave for one request. As with nginx's variables: what is no address is said, and the request goes out as without
 * `bind`.
 */
export function chosenAddress (given: unknown, warn: (message: string) => void): LocalAddress | undefined {
  if (isUnbound(given)) return undefined
  try {
    return parseLocalAddress(given, ' or false')
  } catch {
    warn(`the function 'bind' gave ${show(given)}, which is no local address: ignored`)
    return undefined
  }
}

/**
 * The same for an address that is said once and for all.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN; FST_SCGI_OPT_UNSUPPORTED if this process can open no transparent sockets
 */
export function parseFixedAddress (value: unknown, others: string): LocalAddress {
  const local = parseLocalAddress(value, others)
  const obstacle = local.transparent ? transparentObstacle(local.localAddress) : undefined
  if (obstacle !== undefined) {
    const error = new FST_SCGI_OPT_UNSUPPORTED('bind.transparent', obstacle.message)
    error.cause = obstacle
    throw error
  }
  return local
}

/** What tells the connections of one local address from those of another. */
export function localKey (localAddress: string, localPort: number | undefined, transparent: boolean | undefined): string {
  return `${localAddress} ${localPort ?? ''}${transparent === true ? ' transparent' : ''}`
}
