import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { causedBy, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_RESOLVE } from '../errors.ts'
import { show } from '../options/units.ts'
import { PROTOCOLS } from './protocols.ts'
import { scgi } from './scgi/protocol.ts'
import type { Protocol } from './protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'

/** sun_path holds 108 bytes on Linux and 104 on the BSDs and macOS, the closing NUL included; the system cuts a longer one silently. */
const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103

/** A number at its end makes an address of a host: the system reads 4000 as 0.0.15.160, and 0x7f.1 as 127.0.0.1. (URL Standard, 3.5) */
const NUMERIC = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i

/** An address as it was written, its name not yet resolved. */
export interface ParsedAddress {
  /** Name of its protocol. */
  readonly protocol: string
  /** Host name or IP literal; `undefined` for a unix socket. */
  readonly hostname: string | undefined
  readonly port: number
  readonly socketPath: string | undefined
  readonly pathPrefix: string
}

/** Looks up every address of a name, as `dns.promises.lookup(name, { all: true })` does. */
export type Lookup = (hostname: string) => Promise<{ address: string, family: number }[]>

const systemLookup: Lookup = hostname => lookup(hostname, { all: true })

/**
 * Reads an address of a server.
 * @param option the option it comes from, for the error
 * @param any it may speak any protocol. Default false: SCGI alone
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED for another scheme
 */
export function parseAddress (option: string, text: unknown, any = false): ParsedAddress {
  if (typeof text !== 'string' || text === '' || /[\0-\x20\x7f]/.test(text)) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), scgi.form)
  }
  if (/^unix:/i.test(text)) return parseUnix(option, text)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]
  const protocol = byScheme(option, text, scheme?.toLowerCase(), any)
  const rest = scheme === undefined ? text : text.slice(scheme.length + '://'.length)
  const slash = rest.indexOf('/')
  const authority = slash === -1 ? rest : rest.slice(0, slash)
  if (scheme === undefined && slash !== -1) throw new FST_SCGI_OPT_INVALID(option, show(text), protocol.form)
  const match = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]@/?#]+))(?::(\d{1,5}))?$/i.exec(authority)
  const hostname = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? protocol.defaultPort : Number(match[3])
  if (match === null || hostname === undefined || port < 1 || port > 65535 || (match[1] !== undefined && isIP(hostname) !== 6)) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), protocol.form)
  }
  if (NUMERIC.test(hostname) && isIP(hostname) === 0) {
    const port = /^\d{1,5}$/.test(hostname) && match[3] === undefined ? hostname : match[3]
    throw new FST_SCGI_OPT_INVALID(option, show(text),
      `${protocol.form}; '${hostname}' is no name and no whole IPv4 address${port === undefined ? '' : `: is '127.0.0.1:${port}' meant?`}`)
  }
  return { protocol: protocol.name, hostname, port, socketPath: undefined, pathPrefix: pathPrefix(protocol, option, text, slash === -1 ? '' : rest.slice(slash)) }
}

function byScheme (option: string, text: string, scheme: string | undefined, any: boolean): Protocol {
  const protocol = scheme === undefined ? scgi : PROTOCOLS.get(scheme)
  if (protocol !== undefined && (any || protocol === scgi)) return protocol
  const schemes = [...PROTOCOLS.keys()].map(name => `${name}://`)
  const last = schemes.pop() ?? ''
  throw new FST_SCGI_OPT_UNSUPPORTED(option, any
    ? `${show(text)} is no server that can be spoken to: the schemes are ${schemes.join(', ')} and ${last}`
    : `${show(text)} is not an SCGI server: the scheme is scgi://`)
}

function parseUnix (option: string, text: string): ParsedAddress {
  const bar = text.indexOf('|')
  const socketPath = text.slice('unix:'.length, bar === -1 ? undefined : bar)
  if (socketPath === '') throw new FST_SCGI_OPT_INVALID(option, show(text), scgi.form)
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), `a socket path of at most ${MAX_SOCKET_PATH} bytes`)
  }
  const address = { hostname: undefined, port: 0, socketPath }
  if (bar === -1) return { protocol: scgi.name, ...address, pathPrefix: '' }
  // Apache's form: of what follows the bar only scheme and path have a meaning.
  const match = /^([a-z][a-z0-9+.-]*):(?:\/\/[^/?#]*)?(\/.*)?$/i.exec(text.slice(bar + 1))
  const protocol = PROTOCOLS.get(match?.[1]?.toLowerCase() ?? '')
  if (protocol?.unix !== true) throw new FST_SCGI_OPT_INVALID(option, show(text), scgi.form)
  return { protocol: protocol.name, ...address, pathPrefix: pathPrefix(protocol, option, text, match?.[2] ?? '') }
}

function pathPrefix (protocol: Protocol, option: string, text: string, path: string): string {
  if (/[?#]/.test(path)) throw new FST_SCGI_OPT_INVALID(option, show(text), 'an address without query and fragment')
  return protocol.parse(option, text, path)
}

/** The text of an address in nginx's format. */
function nameOf (host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Every server that an address stands for: one, or one for each address of its name.
 * @throws FST_SCGI_RESOLVE
 */
export async function resolveAddress (parsed: ParsedAddress, find: Lookup = systemLookup): Promise<ServerAddress[]> {
  const { protocol, hostname, port, socketPath, pathPrefix } = parsed
  if (hostname === undefined || isIP(hostname) !== 0) return [literalAddress(parsed)]
  let found
  try {
    found = await find(hostname)
  } catch (cause) {
    throw causedBy(new FST_SCGI_RESOLVE(hostname, cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)), cause)
  }
  if (found.length === 0) throw new FST_SCGI_RESOLVE(hostname, 'no address')
  const hosts = new Set(found.map(entry => entry.address))
  return [...hosts].map(host => ({ protocol, hostname, name: nameOf(host, port), host, port, socketPath, pathPrefix }))
}

/** The server of an address that needs no resolving: an IP literal or a unix socket. */
export function literalAddress ({ protocol, hostname, port, socketPath, pathPrefix }: ParsedAddress): ServerAddress {
  const name = hostname === undefined ? `unix:${socketPath ?? ''}` : nameOf(hostname, port)
  return { protocol, hostname: undefined, name, host: hostname, port, socketPath, pathPrefix }
}

/** The same host at another port. */
export function atPort (address: ServerAddress, port: number): ServerAddress {
  const { host } = address
  return host === undefined ? address : { ...address, name: nameOf(host, port), port }
}

/** True if the address names a host that has to be looked up. */
export function needsLookup ({ hostname }: ParsedAddress): boolean {
  return hostname !== undefined && isIP(hostname) === 0
}
