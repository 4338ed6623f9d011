import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { flag, integer, isRecord } from '../options/checks.ts'
import { show } from '../options/units.ts'
import { checkKeys } from '../options/keys.ts'
import { readTls, type TlsSettings } from './read-tls.ts'
import type { ListenOptions } from '../../types/config.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 8080
/** Node.js' 511 is too short for a thousand clients that come at once: those who find it full try again after a second. The system may allow less. */
const DEFAULT_BACKLOG = 4096
/** sun_path, without the NUL at its end. */
const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103
const EXPECTED = "8080, '127.0.0.1:8080', '[::1]:8080', 'unix:/path', 'fd:3', 'systemd', or an object"

/** A unix socket to listen on. */
export interface UnixPlace {
  readonly path: string
  readonly mode: number | undefined
  readonly gid: number | undefined
  readonly backlog: number
}

/** A socket to listen on, said so that it can be sent to another process and compared. */
export type Place =
  /** `nth` tells free ports of one host apart, which are all 0. */
  | { readonly host: string, readonly port: number, readonly backlog: number, readonly nth?: number }
  | UnixPlace
  | { readonly fd: number }
  | { readonly systemd: string | true }

/** What is served there. */
export interface Listener {
  readonly place: Place
  readonly tls: TlsSettings | undefined
  readonly http2: boolean
}

const NAMES: Record<keyof ListenOptions, true> = {
  host: true, port: true, path: true, mode: true, group: true, fd: true, systemd: true, backlog: true, tls: true, http2: true,
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
export function readListeners (value: unknown): Listener[] {
  if (value === undefined) return [readListener('listen', DEFAULT_PORT)]
  if (!Array.isArray(value)) return [readListener('listen', value)]
  if (value.length === 0) throw new FST_SCGI_OPT_INVALID('listen', '[]', 'at least one place')
  const free = new Map<string, number>()
  const listeners = value.map((one: unknown, index) => numbered(readListener(`listen[${index}]`, one), free))
  const places = new Map<string, number>()
  listeners.forEach(({ place }, index) => {
    const key = keyOf(place)
    const before = places.get(key)
    if (before !== undefined) throw new FST_SCGI_OPT_INVALID(`listen[${index}]`, showPlace(place), `another place than listen[${before}]`)
    places.set(key, index)
  })
  return listeners
}

/** Each free port is a place of its own. */
function numbered (listener: Listener, free: Map<string, number>): Listener {
  const { place } = listener
  if (!('port' in place) || place.port !== 0) return listener
  const nth = free.get(place.host) ?? 0
  free.set(place.host, nth + 1)
  return nth === 0 ? listener : { ...listener, place: { ...place, nth } }
}

function readListener (option: string, value: unknown): Listener {
  if (typeof value === 'number') return { place: tcp(option, undefined, value, undefined), tls: undefined, http2: false }
  if (typeof value === 'string') return { place: readText(option, value), tls: undefined, http2: false }
  if (!isRecord(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), EXPECTED)
  checkKeys(option, value, Object.keys(NAMES), `'${option}'`)
  return { place: readPlace(option, value), tls: readTls(`${option}.tls`, value.tls), http2: flag(`${option}.http2`, value.http2, false) }
}

/**
 * Reads `8080`, `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`, `fd:3`, `systemd` or `systemd:NAME`. A port alone is one of the loopback
 * interface: a gateway is opened to the network by saying so.
 * @throws FST_SCGI_OPT_INVALID
 */
export function readText (option: string, text: string): Place {
  if (text.startsWith('unix:')) return unix(option, text.slice('unix:'.length), {})
  if (/^fd:\d+$/.test(text)) return { fd: Number(text.slice('fd:'.length)) }
  if (text === 'systemd') return { systemd: true }
  if (/^systemd:[^:]+$/.test(text)) return { systemd: text.slice('systemd:'.length) }
  const match = /^(?:(?:\[([0-9a-f:.]+(?:%[\w.-]+)?)\]|([^:[\]/\s]+)):)?(\d{1,5})$/i.exec(text)
  if (match === null || Number(match[3]) > 65535) throw new FST_SCGI_OPT_INVALID(option, show(text), EXPECTED)
  return tcp(option, match[1] ?? match[2], Number(match[3]), undefined)
}

function readPlace (option: string, value: Record<string, unknown>): Place {
  const [first = 'port', second] = ['port', 'path', 'fd', 'systemd'].filter(name => value[name] !== undefined && value[name] !== false)
  if (second !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${second}`, `it stands in the place of '${first}'`)
  if (first !== 'port' && value.host !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.host`, "it stands beside 'port'")
  for (const name of ['mode', 'group']) {
    if (first !== 'path' && value[name] !== undefined) throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.${name}`, "it is that of a unix socket, and stands beside 'path'")
  }
  if ((first === 'fd' || first === 'systemd') && value.backlog !== undefined) {
    throw new FST_SCGI_OPT_UNSUPPORTED(`${option}.backlog`, 'who opened the socket has said it')
  }
  if (first === 'fd') return { fd: integer(`${option}.fd`, value.fd, 0, 0) }
  if (first === 'systemd') {
    const { systemd } = value
    if (systemd !== true && (typeof systemd !== 'string' || systemd === '')) {
      throw new FST_SCGI_OPT_INVALID(`${option}.systemd`, show(systemd), "true, or the name of a socket (systemd's FileDescriptorName=)")
    }
    return { systemd }
  }
  if (first === 'path') {
    const { path } = value
    if (typeof path !== 'string') throw new FST_SCGI_OPT_INVALID(`${option}.path`, show(path), 'the path of a unix socket')
    return unix(`${option}.path`, path, { option, ...value })
  }
  const { host } = value
  if (host !== undefined && (typeof host !== 'string' || !/^[^\s/[\]]+$/.test(host))) {
    throw new FST_SCGI_OPT_INVALID(`${option}.host`, show(host), "a name or an address of this machine, such as '0.0.0.0' or '::'")
  }
  return tcp(`${option}.port`, host, value.port ?? DEFAULT_PORT, value.backlog, option)
}

function tcp (option: string, host: string | undefined, port: unknown, backlog: unknown, place = option): Place {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535) {
    throw new FST_SCGI_OPT_INVALID(option, show(port), 'a port, 0 to 65535')
  }
  return { host: host ?? DEFAULT_HOST, port, backlog: integer(`${place}.backlog`, backlog, 1, DEFAULT_BACKLOG) }
}

function unix (
  option: string, path: string,
  { option: place = option, mode, group, backlog }: { option?: string, mode?: unknown, group?: unknown, backlog?: unknown }
): Place {
  if (path === '') throw new FST_SCGI_OPT_INVALID(option, 'empty', 'the path of a unix socket, as in unix:/run/gateway.sock')
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new FST_SCGI_OPT_INVALID(option, show(path), `a path of at most ${MAX_SOCKET_PATH} bytes, which is what the system can take`)
  }
  return {
    path,
    mode: readMode(`${place}.mode`, mode),
    gid: readGroup(`${place}.group`, group),
    backlog: integer(`${place}.backlog`, backlog, 1, DEFAULT_BACKLOG),
  }
}

/** @throws FST_SCGI_OPT_INVALID */
export function readMode (option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const mode = typeof value === 'string' && /^(?:0o?)?[0-7]{3}$/.test(value) ? parseInt(value.replace(/^0o?/, ''), 8) : value
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw new FST_SCGI_OPT_INVALID(option, show(value), "a mode such as 0o660 or '660'")
  }
  return mode
}

function readGroup (option: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  if (typeof value === 'string' && /^\d+$/.test(value)) return Number(value)
  if (typeof value !== 'string' || value === '') throw new FST_SCGI_OPT_INVALID(option, show(value), 'the name or the number of a group')
  const gid = groupId(value)
  if (gid === undefined) throw new FST_SCGI_OPT_INVALID(option, show(value), 'a group of this system (/etc/group has none of that name)')
  return gid
}

function groupId (name: string): number | undefined {
  let text = ''
  try {
    text = readFileSync('/etc/group', 'utf8')
  } catch {
    // A system without that file knows its groups by their numbers only.
  }
  for (const line of text.split('\n')) {
    const [group, , gid] = line.split(':')
    if (group === name && gid !== undefined) return Number(gid)
  }
  return undefined
}

/** The same for sockets that are the same. */
export function keyOf (place: Place): string {
  if ('port' in place) return `tcp ${place.host} ${place.port}${place.nth === undefined ? '' : ` ${place.nth}`}`
  if ('path' in place) return `unix ${place.path}`
  return 'fd' in place ? `fd ${place.fd}` : `systemd ${place.systemd}`
}

/** Whether the system may not have both at once: one port of several addresses, or one path that is written otherwise. `key` is that of another place. */
export function collides (key: string, place: Place): boolean {
  if ('path' in place) return key.startsWith('unix ') && resolve(key.slice('unix '.length)) === resolve(place.path)
  return 'port' in place && place.port !== 0 && key.startsWith('tcp ') && key.split(' ')[2] === String(place.port)
}

/** A place as it is written, for messages. */
export function showPlace (place: Place): string {
  if ('port' in place) return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`
  if ('path' in place) return `unix:${place.path}`
  if ('fd' in place) return `fd:${place.fd}`
  return place.systemd === true ? 'systemd' : `systemd:${place.systemd}`
}
