import { isIP } from 'node:net'
import { plain } from './plain-address.ts'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'

/** The client of a request, as far as proxies are trusted. */
export interface Client {
  /** An IP address; empty if it is unknown, as on a unix socket. */
  readonly address: string
  /** Its port; empty if it is unknown. */
  readonly port: number | ''
  /** X-Forwarded-For of the trusted chain: the client first, the nearest proxy last. */
  readonly chain: string
}

/** With a port, as some proxies write into X-Forwarded-For: `192.0.2.1:5678`, `[2001:db8::1]:5678`. */
const IPV4_WITH_PORT = /^(\d{1,3}(?:\.\d{1,3}){3}):(\d{1,5})$/
const BRACKETED = /^\[([0-9a-f:.]+)\](?::(\d{1,5}))?$/i

const PORT = Symbol('client port')

/**
 * It does not change while a connection stands, and Node.js looks for the handle of the socket twice at each question. Where a gateway in
 * front tells of the client, each request of its connection has another one.
 */
function portOf (socket: Socket & { [PORT]?: number }): number | '' {
  if (Object.hasOwn(socket, 'remotePort')) return socket.remotePort ?? ''
  const known = socket[PORT]
  if (known !== undefined) return known
  const port = socket.remotePort
  if (port !== undefined) socket[PORT] = port
  return port ?? ''
}

/** Reads the client of a request. What stands for an address in X-Forwarded-For and is none is passed over. */
export function clientOf (request: FastifyRequest): Client {
  const { ips } = request
  const { socket } = request.raw
  if (ips === undefined) {
    const address = plain(request.ip)
    return { address, port: portOf(socket), chain: address }
  }
  // Nobody but the system has told of the peer; the others stand in a header.
  const [peer, ...told] = ips
  const known: Pick<Client, 'address' | 'port'>[] = []
  const own = { address: plain(peer), port: socket.remotePort ?? '' as const }
  if (own.address !== '') known.push(own)
  for (const text of told) {
    const address = readAddress(text)
    if (address !== undefined) known.push(address)
  }
  return { ...known.at(-1) ?? own, chain: known.map(({ address }) => address).reverse().join(', ') }
}

/** The address alone: most who ask for no server need no more. */
export function clientAddress (request: FastifyRequest): string {
  return request.ips === undefined ? plain(request.ip) : clientOf(request).address
}

function readAddress (text: string): Pick<Client, 'address' | 'port'> | undefined {
  const [, address = text, port] = IPV4_WITH_PORT.exec(text) ?? BRACKETED.exec(text) ?? []
  // A zone means something to one machine only, and here it would be anybody's text.
  if (isIP(address) === 0 || address.includes('%') || Number(port ?? 0) > 65_535) return undefined
  return { address: plain(address), port: port === undefined ? '' : Number(port) }
}
