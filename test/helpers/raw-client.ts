import net from 'node:net'
import tls from 'node:tls'
import type { Socket } from 'node:net'
import { ResponseParser } from './http-response.ts'
import type { RawResponse } from './http-response.ts'
import { testCertificate } from './tls-cert.ts'

/** Where to connect. `tls` speaks TLS and trusts the test certificate. */
export type Target = { port: number, host?: string, tls?: boolean } | { path: string }

export interface RawClientOptions {
  /** Longest wait for one response, in milliseconds. Default 10000. */
  timeout?: number
  /** Keep the bodies of the responses; false only counts them. Default true. */
  keepBodies?: boolean
}

/** The connection ended where a response was expected. */
export class NoResponse extends Error {
  /** What came before the end. */
  readonly received: Buffer
  constructor (message: string, received: Buffer) {
    super(message)
    this.received = received
  }
}

interface Waiter {
  resolve: (response: RawResponse) => void
  reject: (error: Error) => void
}

/** One connection to an HTTP server, on which exact bytes are sent. */
export class RawClient implements AsyncDisposable {
  readonly socket: Socket
  /** The connection has closed. */
  readonly closed: Promise<void>
  /** Bytes received that belong to no response: what follows the last one. */
  get rest (): Buffer { return this.#parser.rest }
  /** Status line and headers of the response whose body is under way. */
  get head (): ResponseParser['head'] { return this.#parser.head }
  /** Bytes of the body under way. */
  get bodyLength (): number { return this.#parser.bodyLength }

  readonly #parser: ResponseParser
  readonly #methods: string[] = []
  readonly #done: RawResponse[] = []
  readonly #waiters: Waiter[] = []
  readonly #progress: (() => void)[] = []
  readonly #timeout: number
  #failure: Error | undefined
  #ended = false

  constructor (socket: Socket, overTcp: boolean, options: RawClientOptions = {}) {
    this.socket = socket
    this.#timeout = options.timeout ?? 10000
    this.#parser = new ResponseParser((response) => {
      this.#methods.shift()
      const waiter = this.#waiters.shift()
      if (waiter === undefined) this.#done.push(response)
      else waiter.resolve(response)
    }, () => this.#methods[0] ?? 'GET', options.keepBodies ?? true)
    let reset = false
    socket.on('data', (chunk: Buffer) => {
      try {
        this.#parser.feed(chunk)
      } catch (error) {
        this.#fail(error instanceof Error ? error : new Error(String(error)))
        socket.destroy()
      }
      this.#moved()
    })
    // libuv tells of a reset that comes together with the last bytes as of an ordinary end; but a socket that was reset has no
    // peer any more. (Only asked for here: node keeps what it was told once.)
    socket.on('end', () => { if (overTcp && socket.remoteAddress === undefined) reset = true })
    socket.on('error', (error: NodeJS.ErrnoException) => { reset = error.code !== 'EPIPE' })
    this.closed = new Promise((resolve) => socket.once('close', () => {
      this.#ended = true
      this.#parser.end(reset)
      this.#fail(new NoResponse(`the connection was ${reset ? 'reset' : 'closed'} without a response`, this.#parser.rest))
      this.#moved()
      resolve()
    }))
  }

  static async connect (target: Target, options?: RawClientOptions): Promise<RawClient> {
    const socket = 'path' in target
      ? net.connect(target.path)
      : target.tls
        ? tls.connect({ port: target.port, host: target.host ?? '127.0.0.1', servername: 'localhost', ca: testCertificate.cert })
        : net.connect(target.port, target.host ?? '127.0.0.1')
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.once('tls' in target && target.tls ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject)
        resolve()
      })
    })
    return new RawClient(socket, 'port' in target && !target.tls, options)
  }

  /** Sends bytes (text as latin1); done when the system has taken them, also when the server has closed meanwhile. */
  write (data: string | Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, () => resolve())
    })
  }

  /** Says that a request of this method is sent: the reply to HEAD has no body. Pipelined requests are expected in order. */
  expect (method: string): void {
    this.#methods.push(method)
  }

  /** The next complete response. Rejects with `NoResponse` when the connection ends without one, or when it takes too long. */
  response (): Promise<RawResponse> {
    const ready = this.#done.shift()
    if (ready !== undefined) return Promise.resolve(ready)
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.socket.destroy()
        reject(new NoResponse(`no complete response within ${this.#timeout} ms`, this.#parser.rest))
      }, this.#timeout)
      this.#waiters.push({
        resolve (response) { clearTimeout(timer); resolve(response) },
        reject (error) { clearTimeout(timer); reject(error) },
      })
    })
  }

  /** Waits until `check` holds; it is asked after every piece that comes. Rejects when the connection ends before. */
  async until (check: (client: RawClient) => boolean): Promise<void> {
    while (!check(this)) {
      if (this.#ended) throw new NoResponse('the connection ended', this.#parser.rest)
      await new Promise<void>((resolve) => this.#progress.push(resolve))
    }
  }

  /** Sends a request whose method is read from its first bytes, and waits for the response. */
  async request (data: string | Buffer): Promise<RawResponse> {
    this.expect(methodOf(data))
    await this.write(data)
    return this.response()
  }

  destroy (): void {
    this.socket.destroy()
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    this.socket.destroy()
    await this.closed
  }

  #moved (): void {
    for (const resolve of this.#progress.splice(0)) resolve()
  }

  #fail (error: Error): void {
    this.#failure ??= error
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#failure)
  }
}

/** A response of a connection of its own, and what the server sent after it. */
export interface LastResponse extends RawResponse {
  rest: Buffer
}

/**
 * Sends one request on a new connection and waits for the response. With `untilClose` also for the server to close (send
 * `Connection: close`), so that bytes after the response are seen.
 */
export async function rawRequest (
  target: Target, data: string | Buffer, options: RawClientOptions & { untilClose?: boolean } = {}
): Promise<LastResponse> {
  await using client = await RawClient.connect(target, options)
  const response = await client.request(data)
  if (options.untilClose) await client.closed
  return { ...response, rest: client.rest }
}

/** The method of a request in bytes. */
export function methodOf (data: string | Buffer): string {
  return /^[^ ]*/.exec(data.slice(0, 32).toString())?.[0] ?? 'GET'
}
