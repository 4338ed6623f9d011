import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { tempDir } from '../helpers/temp.ts'

/** What SCGI servers of this directory listen on. */
export type Transport = 'unix' | 'tcp'
export const TRANSPORTS: readonly Transport[] = ['unix', 'tcp']

/** Somewhere to connect to. */
export interface Gate {
  connect (): Promise<Client>
}

export interface Listener extends Gate {
  /** Waits until the server has no connection left, as it counts them itself. */
  deserted (): Promise<void>
}

/** Starts a server on a unix socket or on a port of the kernel's choice; ends it, and all of its connections, with the scope. */
export async function listen (
  server: net.Server & { closeAllConnections (): void }, transport: Transport = 'unix'
): Promise<Listener & AsyncDisposable> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      server.emit('test:closed')
    })
  })
  const dir = await tempDir()
  const path = dir.socket()
  server.listen(transport === 'unix' ? { path } : { port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const address = server.address()
  const target = typeof address === 'object' && address !== null ? { port: address.port, host: '127.0.0.1' } : { path }
  return {
    async connect () {
      const socket = net.connect(target)
      await once(socket, 'connect')
      return new Client(socket)
    },
    async deserted () {
      while (open.size > 0) await once(server, 'test:closed')
      const count = await new Promise((resolve, reject) => {
        server.getConnections((error, count) => { error === null ? resolve(count) : reject(error) })
      })
      assert.equal(count, 0)
    },
    async [Symbol.asyncDispose] () {
      if (server.listening) {
        server.close()
        server.closeAllConnections()
        await once(server, 'close')
      }
      await dir.remove()
    },
  }
}

export interface Reply {
  /** First line of the head. */
  statusLine: string
  /** The other lines, in order. */
  lines: string[]
  body: Buffer
}

/** Value of a header of a reply, `undefined` without it. */
export function header (reply: Reply, name: string): string | undefined {
  const line = reply.lines.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  return line?.slice(name.length + 1).trim()
}

/** One connection of a gateway. */
export class Client implements AsyncDisposable {
  readonly socket: Socket
  /** The server has closed, or reset, the connection. */
  readonly closed: Promise<void>
  received: Buffer = Buffer.alloc(0)
  wasReset = false

  constructor (socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => { this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk]) })
    socket.on('error', () => { this.wasReset = true })
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  write (data: string | Buffer): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }

  async pipe (source: Readable): Promise<void> {
    await pipeline(source, this.socket, { end: false })
  }

  /** Waits until what has been received satisfies `check`; rejects when the connection ends before. */
  async until (check: (received: Buffer) => boolean): Promise<void> {
    while (!check(this.received)) {
      if (this.socket.destroyed) throw new Error(`the connection ended after ${JSON.stringify(this.received.toString('latin1'))}`)
      await Promise.race([once(this.socket, 'data').catch(() => {}), this.closed])
    }
  }

  /** The reply that ends with its Content-Length; leaves what follows. */
  async next (): Promise<Reply> {
    await this.until((received) => received.includes('\r\n\r\n'))
    const head = parseReply(this.received)
    const length = Number(header(head, 'content-length'))
    const start = this.received.length - head.body.length
    await this.until((received) => received.length >= start + length)
    const body = this.received.subarray(start, start + length)
    this.received = this.received.subarray(start + length)
    return { ...head, body }
  }

  /** The reply that ends with the connection. */
  async last (): Promise<Reply> {
    await this.closed
    return parseReply(this.received)
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.socket.destroy()
    await this.closed
  }
}

export function parseReply (bytes: Buffer): Reply {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) throw new Error(`no complete head in ${JSON.stringify(bytes.toString('latin1', 0, 200))}`)
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  return { statusLine, lines, body: bytes.subarray(end + 4) }
}

/** A request in bytes: CONTENT_LENGTH and SCGI are put in front unless `params` has them. */
export function encode (params: Record<string, string> = {}, body: string | Buffer = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const all = { CONTENT_LENGTH: String(bytes.length), SCGI: '1', REQUEST_METHOD: 'GET', REQUEST_URI: '/', ...params }
  const block = Object.entries(all).map(([name, value]) => `${name}\0${value}\0`).join('')
  return Buffer.concat([Buffer.from(`${block.length}:${block},`, 'latin1'), bytes])
}

/** One request on a connection of its own. */
export async function request (gate: Gate, params: Record<string, string> = {}, body: string | Buffer = ''): Promise<Reply> {
  await using client = await gate.connect()
  client.write(encode(params, body))
  return await client.last()
}
