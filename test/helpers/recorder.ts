import { chmodSync } from 'node:fs'
import net from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Exchange, PeerClosed, RecordedRequest } from './exchange.ts'
import { parseScgiHead } from './scgi-request.ts'

export { Exchange, PeerClosed, RecordedRequest } from './exchange.ts'

/** What the server does with a request: exact bytes (sent once the body is there, then close) or a function. */
export type Answer = string | Buffer | Script
export type Script = (exchange: Exchange) => void | Promise<void>

/** What happens to a new connection: serve it, close or reset it with nothing read, or leave it open and read nothing. */
export type OnAccept = (connection: number) => 'serve' | 'close' | 'reset' | 'stall'

/** Where to listen: a TCP port chosen by the kernel on 127.0.0.1, on an address of yours, or a unix socket. */
export type ListenAt = 'tcp' | { host: string, port?: number } | { path: string }

export interface RecorderOptions {
  /** Default: one TCP port. */
  listen?: ListenAt | ListenAt[]
  /** Default: `Status: 200 OK`, text/plain, `ok`. */
  answer?: Answer
  accept?: OnAccept
  /** Keep the bodies. False only counts their bytes, for bodies of many megabytes. Default true. */
  keepBodies?: boolean
}

const DEFAULT_ANSWER = 'Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

/** An SCGI server that writes down every byte of its requests and answers as it is told. */
export class Recorder implements AsyncDisposable {
  /** Everything received since the start or `clear()`; a request is here from its last header byte on. */
  requests: RecordedRequest[] = []
  /** Connections accepted since the start or `clear()`. */
  accepted = 0
  /** Violations of the protocol by the gateway, and failures of the scripts. `close()` throws them. */
  readonly errors: Error[] = []
  /** What the next requests get. */
  answer: Answer
  accept: OnAccept
  /** Where it listens, as a gateway's address: `127.0.0.1:4000`, `unix:/tmp/x`. */
  readonly addresses: string[] = []
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #waiting: (() => void)[] = []
  readonly #keepBodies: boolean

  constructor (options: RecorderOptions = {}) {
    this.answer = options.answer ?? DEFAULT_ANSWER
    this.accept = options.accept ?? (() => 'serve')
    this.#keepBodies = options.keepBodies ?? true
  }

  /** The first address. */
  get address (): string {
    const [first] = this.addresses
    if (first === undefined) throw new Error('the recorder does not listen')
    return first
  }

  /** Connections open now. */
  get open (): number {
    return this.#sockets.size
  }

  async listen (at: ListenAt): Promise<string> {
    const server = net.createServer()
    this.#servers.push(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      if (at === 'tcp') server.listen(0, '127.0.0.1', resolve)
      else if ('path' in at) server.listen(at.path, resolve)
      else server.listen(at.port ?? 0, at.host, resolve)
    })
    const bound = server.address()
    const address = typeof bound === 'object' && bound !== null ? tcpName(bound) : `unix:${bound}`
    // Real gateways run as another user than the tests.
    if (typeof at === 'object' && 'path' in at) chmodSync(at.path, 0o777)
    server.on('connection', (socket) => this.#serve(socket, address))
    this.addresses.push(address)
    return address
  }

  /** Forgets what was recorded. */
  clear (): void {
    this.requests = []
    this.accepted = 0
  }

  /** Waits until `count` requests are recorded in all, bodies included. */
  async received (count: number): Promise<RecordedRequest[]> {
    while (this.requests.filter((request) => request.complete).length < count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    return this.requests
  }

  /** Waits until every connection has closed. */
  async idle (): Promise<void> {
    while (this.#sockets.size > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** Frees everything; throws when something went wrong in the meantime. */
  async close (): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))))
    const errors = this.errors.splice(0)
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, errors.map((error) => error.message).join('; '))
  }

  [Symbol.asyncDispose] (): Promise<void> {
    return this.close()
  }

  #changed (): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #serve (socket: Socket, address: string): void {
    const connection = this.accepted++
    this.#sockets.add(socket)
    socket.on('error', () => {}) // a reset by the gateway: 'close' follows
    const closed = new Promise<void>((resolve) => socket.once('close', () => {
      this.#sockets.delete(socket)
      resolve()
      this.#changed()
    }))
    switch (this.accept(connection)) {
      case 'close': socket.destroy(); return
      case 'reset': socket.resetAndDestroy(); return
      case 'stall': socket.pause(); return
      case 'serve': this.#read(socket, connection, address, closed)
    }
  }

  #read (socket: Socket, connection: number, address: string, closed: Promise<void>): void {
    let pending: Buffer = Buffer.alloc(0)
    let current: { request: RecordedRequest, done: () => void } | undefined
    const feed = (): void => {
      while (pending.length > 0) {
        if (current === undefined) {
          const head = parseScgiHead(pending)
          if (head === undefined) return
          const bytes = Buffer.from(pending.subarray(0, head.size))
          const request = new RecordedRequest(connection, address, head.params, bytes, head.contentLength, this.#keepBodies)
          pending = pending.subarray(head.size)
          current = { request, done: this.#start(request, socket, closed) }
        }
        const wanted = current.request.contentLength - current.request.bodyLength
        if (wanted > 0) {
          const piece = pending.subarray(0, wanted)
          current.request.addBody(piece)
          pending = pending.subarray(piece.length)
        }
        if (!current.request.complete) return
        current.done()
        current = undefined
      }
    }
    socket.on('data', (chunk: Buffer) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      try {
        feed()
      } catch (error) {
        this.#failed(error)
        socket.destroy()
      }
    })
    socket.on('end', () => {
      if (current !== undefined) current.request.peerEnded = true
    })
  }

  /** Runs the answer; returns what to call once the body is complete. */
  #start (request: RecordedRequest, socket: Socket, closed: Promise<void>): () => void {
    const index = this.requests.length
    this.requests.push(request)
    let done = (): void => {}
    const bodyDone = new Promise<void>((resolve, reject) => {
      done = () => { resolve(); this.#changed() }
      closed.then(() => reject(new PeerClosed('the gateway closed before its request was complete')))
    })
    bodyDone.catch(() => {}) // scripts that do not ask for the body
    const exchange = new Exchange(request, index, socket, bodyDone, closed)
    this.#changed()
    this.#answer(exchange).catch((error: unknown) => {
      if (!(error instanceof PeerClosed)) this.#failed(error)
      socket.destroy()
    })
    return done
  }

  async #answer (exchange: Exchange): Promise<void> {
    const answer = this.answer
    if (typeof answer === 'function') return answer(exchange)
    await exchange.body()
    await exchange.end(answer)
  }

  #failed (error: unknown): void {
    this.errors.push(error instanceof Error ? error : new Error(String(error)))
  }
}

/** Starts a recorder; `await using recorder = await startRecorder()` frees it at the end of the block. */
export async function startRecorder (options: RecorderOptions = {}): Promise<Recorder> {
  const recorder = new Recorder(options)
  const { listen = 'tcp' } = options
  for (const at of Array.isArray(listen) ? listen : [listen]) await recorder.listen(at)
  return recorder
}

let refused = 0

/**
 * A TCP address on which nobody listens, another each time: connecting to it is refused. Nobody is given one of the first ports by the kernel; the port of a server that was
 * closed would soon be another's, of a test that runs beside this one.
 */
export async function refusedAddress (): Promise<string> {
  const host = 1 + Math.floor(refused / 6)
  const port = 1 + refused % 6
  refused += 1
  return `127.0.0.${host}:${port}`
}

function tcpName ({ address, port, family }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}
