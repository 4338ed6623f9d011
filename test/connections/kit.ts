import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { literalAddress, parseAddress } from '../../lib/connections/address.ts'
import { HttpEndpoint, type HttpEndpointOptions } from '../../lib/connections/http/protocol.ts'
import { ObservedExchange } from '../helpers/observed.ts'
import type { ExchangeControl, ExchangeRequest, HttpRequestHead } from '../../types/index.ts'

/** An endpoint for an address, with the ways to use it. */
export function endpointAt (address: string, options: Partial<HttpEndpointOptions> = {}): HttpEndpoint {
  return new HttpEndpoint(literalAddress(parseAddress('address', address, true)), { keepalive: 0, ...options })
}

/** A request as the gateway would make it. */
export function httpRequest (options: Partial<Omit<ExchangeRequest, 'http'>> & { http?: Partial<HttpRequestHead> } = {}): ExchangeRequest {
  const { http, ...rest } = options
  return {
    head: Buffer.alloc(0),
    http: { path: '/', host: 'test.example', headers: [], ...http },
    body: null,
    method: 'GET',
    timeouts: { connect: 5000, send: 5000, read: 5000 },
    bufferSize: 65536,
    ...rest,
  }
}

export type OnEvent = (event: string, observed: Observed) => void

/** An exchange under observation: what it tells is written down; `on` may act on it. */
export class Observed extends ObservedExchange {
  readonly control: ExchangeControl
  readonly #on: OnEvent

  constructor (endpoint: HttpEndpoint, request: ExchangeRequest, on: OnEvent = () => {}) {
    super()
    this.#on = on
    this.control = endpoint.exchange(request, this)
  }

  get body (): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  /** Code and phase of the error. */
  get failure (): string {
    const { error } = this
    return error === undefined ? 'none' : `${error.code} ${error.kind} ${error.phase}`
  }

  protected override told (event: string): void {
    this.#on(event, this)
  }
}

/** Starts an exchange and waits for its end. */
export async function exchanged (endpoint: HttpEndpoint, request: ExchangeRequest, on?: OnEvent): Promise<Observed> {
  const observed = new Observed(endpoint, request, on)
  observed.control.start()
  await observed.over
  return observed
}

/** A TCP server that says what it is told, and writes down what it gets. */
export interface Liar extends AsyncDisposable {
  /** `http://127.0.0.1:port` */
  readonly url: string
  readonly port: number
  /** What came, one entry for each connection. */
  readonly received: string[]
  /** Connections open now. */
  readonly sockets: Set<Socket>
  /** Waits until every connection has closed. */
  idle (): Promise<void>
}

/** `script` is called for each piece that comes; `all` is what came on the connection so far. */
export async function startLiar (script: (socket: Socket, all: string, connection: number) => void): Promise<Liar> {
  const received: string[] = []
  const sockets = new Set<Socket>()
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    const connection = received.push('') - 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      server.emit('gone')
    })
    socket.on('end', () => socket.end())
    socket.on('data', chunk => {
      received[connection] += chunk.toString('latin1')
      script(socket, received[connection] ?? '', connection)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    received,
    sockets,
    async idle () {
      while (sockets.size > 0) await once(server, 'gone')
    },
    async [Symbol.asyncDispose] () {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Answers each request without a body with these bytes. */
export function answering (bytes: string | Buffer, close = false): (socket: Socket, all: string) => void {
  return (socket, all) => {
    if (!all.endsWith('\r\n\r\n')) return
    if (close) socket.end(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    else socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }
}
