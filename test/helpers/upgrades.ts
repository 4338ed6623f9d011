import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import tls from 'node:tls'
import { testCertificate } from './tls-cert.ts'

/** A connection to an application, and what has come on it after the request. */
export interface Peer {
  readonly socket: Socket
  readonly params: Map<string, string>
  received: string
  until (pattern: RegExp): Promise<void>
}

/** An application that speaks SCGI and answers by hand. */
export async function startPeer (accept: (peer: Peer) => void): Promise<{ address: string, peers: Peer[] } & AsyncDisposable> {
  const peers: Peer[] = []
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    let bytes = ''
    let peer: Peer | undefined
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      if (peer !== undefined) {
        peer.received += chunk.toString('latin1')
        return
      }
      bytes += chunk.toString('latin1')
      const colon = bytes.indexOf(':')
      const length = Number(bytes.slice(0, colon))
      if (colon < 0 || bytes.length < colon + length + 2) return
      const words = bytes.slice(colon + 1, colon + length).split('\0')
      const params = new Map<string, string>()
      for (let i = 0; i + 1 < words.length; i += 2) params.set(words[i] ?? '', words[i + 1] ?? '')
      peer = {
        socket,
        params,
        received: bytes.slice(colon + length + 2),
        async until (pattern) {
          while (!pattern.test(this.received)) await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })
        },
      }
      peers.push(peer)
      accept(peer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `127.0.0.1:${portOf(server)}`,
    peers,
    async [Symbol.asyncDispose] () {
      for (const { socket } of peers) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Where a server listens. */
export function portOf (server: net.Server): number {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

/** The 101 of an application that speaks SCGI. */
export const SWITCH = 'Status: 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\nX-App: 1\r\n\r\n'

/** A request that asks for the protocol `echo`. */
export function ask (target = '/', more = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n${more}\r\n`
}

/** A connection of a client, as bytes. */
export async function connect (
  gateway: { port: number, host?: string }, secure = false
): Promise<{ socket: Socket, received: () => string, until (pattern: RegExp): Promise<void> } & Disposable> {
  const target = { port: gateway.port, host: gateway.host ?? '127.0.0.1', allowHalfOpen: true }
  const socket = secure ? tls.connect({ ...target, ca: testCertificate.cert, servername: 'localhost' }) : net.connect(target)
  let received = ''
  socket.on('data', (chunk: Buffer) => { received += chunk.toString('latin1') })
  socket.on('error', () => {})
  await once(socket, secure ? 'secureConnect' : 'connect')
  return {
    socket,
    received: () => received,
    async until (pattern) {
      while (!pattern.test(received)) await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })
    },
    [Symbol.dispose]: () => { socket.destroy() },
  }
}
