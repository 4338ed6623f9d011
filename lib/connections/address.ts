import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { causedBy, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_RESOLVE } from '../errors.ts'
import { show } from '../options/units.ts'
import type { ServerAddress } from '../../types/exchange.ts'

/** Where an address names no port. SCGI has none of its own; 4000 is what its servers use. */
const DEFAULT_PORTS = { scgi: 4000, http: 80, https: 443 } as const

/** sun_path holds 108 bytes on Linux and 104 on the BSDs and macOS, the closing NUL included; the system cuts a longer one silently. */
const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103

/** A number at its end makes an address of a host: the system reads 4000 as 0.0.15.160, and 0x7f.1 as 127.0.0.1. (URL Standard, 3.5) */
const NUMERIC = /(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i

const EXPECTED = "an address: 'host:4000', '[::1]:4000', 'unix:/path', 'scgi://host[:port][/path]' or 'unix:/path|scgi://name/path'"
const EXPECTED_HTTP = "an address: 'http://host[:port][/path]' or 'https://host[:port][/path]'"

/** An address as it was written, its name not yet resolved. */
export interface ParsedAddress {
  readonly protocol: 'scgi' | 'http' | 'https'
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
 * @param http servers may speak HTTP. Default false
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED for another scheme
 */
export function parseAddress (option: string, text: unknown, http = false): ParsedAddress {
  if (typeof text !== 'string' || text === '' || /[\0-\x20\x7f]/.test(text)) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), EXPECTED)
  }
  if (/^unix:/i.test(text)) return parseUnix(option, text)
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase()
  const protocol = protocolOf(option, text, scheme, http)
  const expected = protocol === 'scgi' ? EXPECTED : EXPECTED_HTTP
  const rest = scheme === undefined ? text : text.slice(scheme.length + '://'.length)
  const slash = rest.indexOf('/')
  const authority = slash === -1 ? rest : rest.slice(0, slash)
  if (scheme === undefined && slash !== -1) throw new FST_SCGI_OPT_INVALID(option, show(text), expected)
  const match = /^(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]@/?#]+))(?::(\d{1,5}))?$/i.exec(authority)
  const hostname = match?.[1] ?? match?.[2]
  const port = match?.[3] === undefined ? DEFAULT_PORTS[protocol] : Number(match[3])
  if (match === null || hostname === undefined || port < 1 || port > 65535 || (match[1] !== undefined && isIP(hostname) !== 6)) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), expected)
  }
  if (NUMERIC.test(hostname) && isIP(hostname) === 0) {
    const port = /^\d{1,5}$/.test(hostname) && match[3] === undefined ? hostname : match[3]
    throw new FST_SCGI_OPT_INVALID(option, show(text),
      `${expected}; '${hostname}' is no name and no whole IPv4 address${port === undefined ? '' : `: is '127.0.0.1:${port}' meant?`}`)
  }
  const path = slash === -1 ? '' : rest.slice(slash)
  return { protocol, hostname, port, socketPath: undefined, pathPrefix: protocol === 'scgi' ? pathPrefix(option, text, path) : httpPrefix(option, text, path) }
}

function protocolOf (option: string, text: string, scheme: string | undefined, http: boolean): ParsedAddress['protocol'] {
  if (scheme === undefined || scheme === 'scgi') return 'scgi'
  if (http && (scheme === 'http' || scheme === 'https')) return scheme
  throw new FST_SCGI_OPT_UNSUPPORTED(option, http
    ? `${show(text)} is no server that can be spoken to: the schemes are scgi://, http:// and https://`
    : `${show(text)} is not an SCGI server: the scheme is scgi://`)
}

function parseUnix (option: string, text: string): ParsedAddress {
  const bar = text.indexOf('|')
  const socketPath = text.slice('unix:'.length, bar === -1 ? undefined : bar)
  if (socketPath === '') throw new FST_SCGI_OPT_INVALID(option, show(text), EXPECTED)
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH) {
    throw new FST_SCGI_OPT_INVALID(option, show(text), `a socket path of at most ${MAX_SOCKET_PATH} bytes`)
  }
  let prefix = ''
  if (bar !== -1) {
    // Apache's form: only the path of what follows the bar has a meaning.
    const match = /^scgi:(?:\/\/[^/?#]*)?(\/.*)?$/i.exec(text.slice(bar + 1))
    if (match === null) throw new FST_SCGI_OPT_INVALID(option, show(text), EXPECTED)
    prefix = match[1] === undefined ? '' : pathPrefix(option, text, match[1])
  }
  return { protocol: 'scgi', hostname: undefined, port: 0, socketPath, pathPrefix: prefix }
}

function pathPrefix (option: string, text: string, path: string): string {
  if (/[?#]/.test(path)) throw new FST_SCGI_OPT_INVALID(option, show(text), 'an address without query and fragment')
  try {
    // PATH_INFO is decoded bytes, held one byte a character until they are written.
    return Buffer.from(decodeURIComponent(path).replace(/\/+$/, '')).toString('latin1')
  } catch {
    throw new FST_SCGI_OPT_INVALID(option, show(text), 'an address whose path is percent-encoded UTF-8')
  }
}

/** The path of an HTTP address as it goes over the wire; whether its escapes are UTF-8 is the server's affair. */
function httpPrefix (option: string, text: string, path: string): string {
  if (/[?#]/.test(path)) throw new FST_SCGI_OPT_INVALID(option, show(text), 'an address without query and fragment')
  if (/%(?![\da-f]{2})|\/\.{1,2}(?:\/|$)/i.test(path)) throw new FST_SCGI_OPT_INVALID(option, show(text), "an address whose path has whole percent escapes and no '.' or '..' segment")
  return Buffer.from(path).toString('latin1').replace(/[^\x21-\x7e]/g, char => '%' + char.charCodeAt(0).toString(16).toUpperCase()).replace(/\/+$/, '')
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

/** True where the address names a host that has to be looked up. */
export function needsLookup ({ hostname }: ParsedAddress): boolean {
  return hostname !== undefined && isIP(hostname) === 0
}
