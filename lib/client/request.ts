import { Readable } from 'node:stream'
import { isFunction } from '../options/checks.ts'
import { currentContext } from '../runtime/context.ts'
import { FST_SCGI_BAD_REQUEST } from '../errors.ts'
import { Exchange } from '../connections/scgi/exchange.ts'
import { encodePairs } from '../scgi/netstring.ts'
import { printable } from '../scgi/printable.ts'
import { ReplyStream, type ReplySource } from '../reply/reply-stream.ts'
import { BodyCollector, BytesBody, StreamBody, givesBytes, release, unreadable } from '../request/body.ts'
import { toError } from '../runtime/caught.ts'
import type { ConnectionPool } from '../connections/scgi/pool.ts'
import type { Listed } from '../runtime/active-list.ts'
import type { ScgiClientRequest, ScgiClientResponse, ScgiParamBytes } from '../../types/client.ts'
import type {
  ExchangeHandler, ExchangeRequest, ExchangeTimeouts, RequestBody, ResponseHead, ServerAddress, UpstreamError,
} from '../../types/exchange.ts'

/** An address of the client's server, with its idle connections. */
export interface ClientServer {
  readonly address: ServerAddress
  readonly pool: ConnectionPool | undefined
}

/** What is the same for all requests of a client. */
export interface ClientSettings {
  readonly timeouts: ExchangeTimeouts
  readonly bufferSize: number
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
  readonly transparent: boolean | undefined
  readonly socketKeepalive: number | undefined
  /** Requests offer to keep the connection. */
  readonly keepalive: boolean
  /** Path of the address, put before PATH_INFO; one character is one byte. */
  readonly pathPrefix: string
}

/** What a request needs of its client. */
export interface RequestOwner {
  readonly settings: ClientSettings
  /** The addresses of the server in the order in which they are to be tried. */
  servers (): readonly ClientServer[] | Promise<readonly ClientServer[]>
  /** This server took a connection. */
  connected (server: ClientServer): void
  /** No address took a connection. */
  unreachable (): void
  /** The request is over, for better or worse. */
  over (request: ClientRequest): void
}

type Pair = readonly [name: string, value: string]

const OWN = ['CONTENT_LENGTH', 'SCGI', 'SCGI_KEEPALIVE']
/** The methods that are not sent twice over a connection that went stale. */
const NON_IDEMPOTENT = ['POST', 'LOCK', 'PATCH']
const SPOOL = { memory: 16_384, tempPath: undefined }

/**
 * The body of a reply. A failure reaches its reader after the last piece, and not before there is a reader: until then nobody may
 * have had a chance to listen for errors.
 */
class ResponseBody extends ReplyStream {
  override fail (error: Error): void {
    if (this.readableLength === 0 && this.listenerCount('error') > 0) super.fail(error)
    else this.failOnceRead(error)
  }
}

/** One request of an `ScgiClient`, from its parameters to the end of the reply's body. */
export class ClientRequest implements ExchangeHandler, ReplySource, Listed {
  place = -1
  readonly #owner: RequestOwner
  readonly #context = currentContext()
  readonly #resolve: (response: ScgiClientResponse) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | undefined
  /** The signal that is listened to. */
  #heeded: AbortSignal | undefined
  readonly #source: Readable | undefined
  #pairs: Pair[] = []
  #method = ''
  #collector: BodyCollector | undefined
  #request: ExchangeRequest | undefined
  #servers: readonly ClientServer[] = []
  #next = 0
  #exchange: Exchange | undefined
  #response: ResponseBody | undefined
  #over = false

  constructor (
    owner: RequestOwner, options: ScgiClientRequest, resolve: (response: ScgiClientResponse) => void, reject: (error: unknown) => void
  ) {
    this.#owner = owner
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = options.signal ?? undefined
    this.#source = options.body instanceof Readable ? options.body : undefined
  }

  /** Begins, or fails at once. */
  start ({ params = {}, method, body = null, length }: ScgiClientRequest): void {
    try {
      if (this.#heed(this.#signal)) return
      const read = readParams(params, method, body === null ? 'GET' : 'POST', this.#owner.settings.pathPrefix)
      this.#pairs = read.pairs
      this.#method = read.method
      this.#takeBody(body, length)
    } catch (error) {
      this.abort(error)
    }
  }

  /** Ends the request with this error. */
  abort (error: unknown): void {
    if (!this.#over) this.#context.runInAsyncScope(this.#abort, this, error)
  }

  #abort (error: unknown): void {
    this.#exchange?.abort()
    this.#end(error)
    const response = this.#response
    if (response === undefined) this.#reject(error)
    else response.on('error', ignore).destroy(toError(error))
  }

  onConnect (): void {
    const server = this.#servers[this.#next]
    if (server !== undefined) this.#owner.connected(server)
  }

  onHead (head: ResponseHead): void {
    const { statusCode, statusMessage, headers, rawHeaders } = head
    const body = this.#response = new ResponseBody(this, this.#owner.settings.bufferSize)
    this.#resolve({ statusCode, statusMessage, headers, rawHeaders, body })
  }

  onData (chunk: Buffer): void {
    this.#response?.feed(chunk)
  }

  onEnd (): void {
    this.#end()
    this.#response?.finish()
  }

  onError (error: UpstreamError): void {
    if (this.#response === undefined) {
      if (this.#tryAgain(error)) return
      this.#end(error)
      this.#reject(error)
    } else {
      this.#end(error)
      this.#response.fail(error)
    }
  }

  resume (): void {
    this.#exchange?.resume()
  }

  pause (): void {
    this.#exchange?.pause()
  }

  abandon (): void {
    if (this.#over) return
    this.#exchange?.abort()
    this.#end()
  }

  readonly #aborted = (): void => this.abort(this.#signal?.reason)

  /** Listens to the signal. True if it has ended the request already. */
  #heed (signal: AbortSignal | undefined): boolean {
    if (signal === undefined) return false
    if (signal.aborted === true) {
      this.abort(signal.reason)
      return true
    }
    if (!isFunction(signal.addEventListener) || !isFunction(signal.removeEventListener)) throw new TypeError('the signal is no AbortSignal')
    signal.addEventListener('abort', this.#aborted, { once: true })
    this.#heeded = signal
    return false
  }

  #takeBody (body: unknown, length: number | undefined): void {
    if (length !== undefined && (!Number.isSafeInteger(length) || length < 0)) {
      throw new FST_SCGI_BAD_REQUEST('length is not a number of bytes')
    }
    if (this.#source !== undefined) {
      this.#takeStream(this.#source, length)
      return
    }
    let bytes: Buffer | undefined
    if (typeof body === 'string') bytes = Buffer.from(body)
    else if (body instanceof Uint8Array) bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    else if (body !== null) throw new TypeError('the body is neither a string nor a Uint8Array nor a Readable')
    this.#send(bytes === undefined ? null : new BytesBody(bytes), length)
  }

  #takeStream (source: Readable, length: number | undefined): void {
    const reason = unreadable(source)
    if (reason !== undefined) throw reason
    if (length !== undefined && givesBytes(source)) {
      this.#send(new StreamBody(source, length, error => this.abort(error)), length)
      return
    }
    this.#collector = new BodyCollector(source, SPOOL, {
      collected: (error, body) => {
        if (error === null) this.#context.runInAsyncScope(this.#send, this, body, length)
        else this.abort(error)
      },
    })
  }

  #send (body: RequestBody | null, length: number | undefined): void {
    const actual = body === null ? 0 : body.length
    if (length !== undefined && length !== actual) {
      this.abort(new FST_SCGI_BAD_REQUEST(`the body has ${actual} bytes, not the ${length} of 'length'`))
      return
    }
    const { timeouts, bufferSize, localAddress, localPort, transparent, socketKeepalive, keepalive } = this.#owner.settings
    const pairs: Pair[] = [['CONTENT_LENGTH', String(actual)], ['SCGI', '1'], ...this.#pairs]
    if (keepalive) pairs.push(['SCGI_KEEPALIVE', '1'])
    this.#request = {
      head: encodePairs(pairs),
      body,
      method: this.#method,
      timeouts,
      bufferSize,
      localAddress,
      localPort,
      transparent,
      socketKeepalive,
      context: this.#context,
    }
    const servers = this.#owner.servers()
    if (servers instanceof Promise) servers.then(found => this.#connect(found), (error: unknown) => this.abort(error))
    else this.#connect(servers)
  }

  #connect (servers: readonly ClientServer[]): void {
    if (this.#over) return
    this.#servers = servers
    this.#attempt(false)
  }

  #attempt (fresh: boolean): boolean {
    const server = this.#servers[this.#next]
    if (server === undefined || this.#request === undefined) return false
    this.#exchange = new Exchange(server.address, this.#request, this, server.pool)
    this.#exchange.start(fresh)
    return true
  }

  #tryAgain (error: UpstreamError): boolean {
    const exchange = this.#exchange
    if (exchange?.reused === true && exchange.bytesReceived === 0 && error.kind === 'error') {
      // The connection had gone stale before the server saw the request, or so we hope: not where it must not come twice.
      if (NON_IDEMPOTENT.includes(this.#method) || this.#request?.body?.replayable === false) return false
      return this.#attempt(true)
    }
    if (error.phase !== 'connect' || error.kind === 'local') return false
    this.#next += 1
    if (this.#attempt(false)) return true
    this.#owner.unreachable()
    return false
  }

  #end (error?: unknown): void {
    this.#over = true
    this.#heeded?.removeEventListener('abort', this.#aborted)
    this.#collector?.close()
    if (this.#source !== undefined) {
      const { head, body } = this.#request ?? {}
      const sent = head !== undefined && (this.#exchange?.bytesSent ?? 0) === head.length + (body?.length ?? 0)
      release(this.#source, sent, error === undefined ? undefined : toError(error))
    }
    this.#owner.over(this)
  }
}

function readParams (
  params: NonNullable<ScgiClientRequest['params']>, method: string | undefined, otherwise: string, pathPrefix: string
): { pairs: Pair[], method: string } {
  if (typeof params !== 'object' || params === null) throw new TypeError('params is neither an object nor a list of pairs')
  const found = new Map<string, string>()
  for (const [name, value] of isIterable(params) ? params : Object.entries(params)) {
    const key = binary(name, 'the name of a parameter')
    if (key === '') throw new FST_SCGI_BAD_REQUEST('a parameter without a name')
    if (OWN.includes(key)) throw new FST_SCGI_BAD_REQUEST(`the parameter ${key} is put in by the client itself`)
    if (found.has(key)) throw new FST_SCGI_BAD_REQUEST(`the parameter ${printable(key)} is there twice`)
    found.set(key, binary(value, `the parameter ${printable(key)}`))
  }
  const given = found.get('REQUEST_METHOD')
  if (method !== undefined && given !== undefined && given !== method) {
    throw new FST_SCGI_BAD_REQUEST(`the method is ${printable(method)}, but REQUEST_METHOD is ${printable(given)}`)
  }
  const verb = given ?? binary(method ?? otherwise, 'the method')
  found.set('REQUEST_METHOD', verb)
  if (pathPrefix !== '') found.set('PATH_INFO', pathPrefix + (found.get('PATH_INFO') ?? ''))
  return { pairs: [...found], method: verb }
}

function isIterable (params: object): params is Iterable<readonly [string, ScgiParamBytes]> {
  return Symbol.iterator in params
}

/** Text as UTF-8, or bytes as they are; one character is one byte. */
function binary (value: unknown, what: string): string {
  let text: string
  if (typeof value === 'string') text = Buffer.from(value, 'utf8').toString('latin1')
  else if (value instanceof Uint8Array) text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
  else throw new TypeError(`${what} is neither a string nor a Uint8Array`)
  if (text.includes('\0')) throw new FST_SCGI_BAD_REQUEST(`${what} holds a NUL`)
  return text
}

function ignore (): void {}
