import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'

/** Says that the gateway closed the connection before what was waited for. A script that fails with it has done nothing wrong. */
export class PeerClosed extends Error {}

/** One request as it came over the wire. */
export class RecordedRequest {
  /** Number of the connection it came on, from 0. */
  readonly connection: number
  /** Address it came in at, as in `Recorder.addresses`. */
  readonly address: string
  /** Names and values as latin1 text, in order, duplicates included. */
  readonly params: [name: string, value: string][]
  /** The netstring, comma included. */
  readonly head: Buffer
  readonly contentLength: number
  /** Bytes of the body so far. */
  bodyLength = 0
  /** The gateway closed its write side while the connection was in use. */
  peerEnded = false
  readonly #chunks: Buffer[] | undefined

  constructor (connection: number, address: string, params: [string, string][], head: Buffer, contentLength: number, keepBody: boolean) {
    this.connection = connection
    this.address = address
    this.params = params
    this.head = head
    this.contentLength = contentLength
    this.#chunks = keepBody ? [] : undefined
  }

  /** The body so far. */
  get body (): Buffer {
    return Buffer.concat(this.#chunks ?? [])
  }

  /** Netstring and body, exactly as received. */
  get raw (): Buffer {
    return Buffer.concat([this.head, ...this.#chunks ?? []])
  }

  get complete (): boolean {
    return this.bodyLength === this.contentLength
  }

  /** Value of the first parameter of that name. */
  param (name: string): string | undefined {
    return this.params.find(([n]) => n === name)?.[1]
  }

  /** Every value of that name. */
  all (name: string): string[] {
    return this.params.filter(([n]) => n === name).map(([, value]) => value)
  }

  addBody (chunk: Buffer): void {
    this.bodyLength += chunk.length
    this.#chunks?.push(chunk)
  }
}

/** The script's hand on one request. */
export class Exchange {
  readonly request: RecordedRequest
  /** Number of the request among those recorded, from 0. */
  readonly index: number
  readonly socket: Socket
  /** The connection has closed, by whomever. */
  readonly closed: Promise<void>
  readonly #bodyDone: Promise<void>

  constructor (request: RecordedRequest, index: number, socket: Socket, bodyDone: Promise<void>, closed: Promise<void>) {
    this.request = request
    this.index = index
    this.socket = socket
    this.closed = closed
    this.#bodyDone = bodyDone
  }

  /** The whole body. Rejects with `PeerClosed` when the gateway goes away before. */
  async body (): Promise<Buffer> {
    await this.#bodyDone
    return this.request.body
  }

  /** Writes; done when the system has taken the bytes. Rejects with `PeerClosed` when the gateway has closed. */
  write (data: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, (error) => {
        if (error) reject(new PeerClosed(error.message))
        else resolve()
      })
    })
  }

  /** Writes pieces apart from each other, as far as a socket lets one: the loop turns several times after each. */
  async writeEach (pieces: Iterable<string | Buffer>): Promise<void> {
    for (const piece of pieces) {
      await this.write(piece)
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    }
  }

  /**
   * Waits until the gateway has read all that was written, so that what comes next (a reset) cannot overtake it. TCP over IPv4 on
   * Linux only, where the kernel tells; elsewhere it returns at once.
   */
  async taken (): Promise<void> {
    for (let i = 0; i < 1000 && unread(this.socket) > 0; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  /** Writes what is given and closes, as an application does at the end of its reply. */
  async end (data?: string | Buffer): Promise<void> {
    if (data !== undefined) await this.write(data)
    this.socket.destroySoon()
  }

  /** Closes with a TCP reset. A unix socket has none. */
  reset (): void {
    this.socket.resetAndDestroy()
  }

  /** Stops reading the request. */
  pause (): void {
    this.socket.pause()
  }

  resume (): void {
    this.socket.resume()
  }
}

/** Bytes that wait in the receive queue of the other end of a loopback connection. */
function unread ({ remotePort, localPort }: Socket): number {
  const hex = (port: number | undefined): string => (port ?? 0).toString(16).toUpperCase().padStart(4, '0')
  let table: string
  try {
    table = readFileSync('/proc/net/tcp', 'latin1')
  } catch {
    return 0
  }
  const entry = new RegExp(`: \\w+:${hex(remotePort)} \\w+:${hex(localPort)} \\w+ \\w+:(\\w+) `).exec(table)
  return parseInt(entry?.[1] ?? '0', 16)
}
