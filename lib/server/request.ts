import { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { currentContext } from '../runtime/context.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Params, RequestHead } from './params.ts'
import type { ScgiParams, ScgiServerRequest } from '../../types/server.ts'

/**
 * A request: an `http.IncomingMessage` on the gateway's connection. Node.js reads nothing itself here; the connection
 * pushes the body, and `_read` resumes the socket as with HTTP.
 */
export class ScgiIncomingMessage extends IncomingMessage implements ScgiServerRequest {
  readonly #params: Params
  #scgi: ScgiParams | undefined
  #headers: IncomingHttpHeaders | undefined
  #distinct: NodeJS.Dict<string[]> | undefined
  #context: AsyncResource
  #read = false

  /** @param context of this request alone: the connection's other requests must not be seen in it, nor see it */
  constructor (socket: Socket, head: RequestHead, params: Params, context: AsyncResource) {
    super(socket)
    this.#context = context
    this.method = head.method
    this.url = head.url
    this.httpVersion = head.httpVersion
    this.httpVersionMajor = head.httpVersionMajor
    this.httpVersionMinor = head.httpVersionMinor
    this.rawHeaders = head.rawHeaders
    this.#params = params
  }

  /** A piece of the body, or its end, goes to whoever reads it in the context in which that one has begun to read. */
  pushInContext (piece: Buffer | null): boolean {
    return this.#context.runInAsyncScope(this.push, this, piece)
  }

  override _read (size: number): void {
    if (!this.#read) {
      this.#read = true
      this.#context = currentContext()
    }
    super._read(size)
  }

  get scgi (): ScgiParams {
    if (this.#scgi === undefined) {
      const record: Record<string, string> = Object.create(null)
      for (const [name, value] of this.#params) record[name] = value
      this.#scgi = record
    }
    return this.#scgi
  }

  // The accessors below are those of Node.js, for headers that it has not parsed itself.
  static {
    Object.defineProperties(this.prototype, {
      headers: {
        configurable: true,
        get (this: ScgiIncomingMessage) { return (this.#headers ??= joined(this.rawHeaders)) },
        set (this: ScgiIncomingMessage, headers: IncomingHttpHeaders) { this.#headers = headers },
      },
      headersDistinct: {
        configurable: true,
        get (this: ScgiIncomingMessage) { return (this.#distinct ??= distinct(this.rawHeaders)) },
        set (this: ScgiIncomingMessage, headers: NodeJS.Dict<string[]>) { this.#distinct = headers },
      },
    })
  }
}

// Each name comes once, as the parameters do: nothing is to be joined.
function joined (rawHeaders: readonly string[]): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    const value = rawHeaders[i + 1] ?? ''
    if (name === 'set-cookie') headers[name] = [value]
    else if (!Object.hasOwn(headers, name)) headers[name] = value
  }
  return headers
}

function distinct (rawHeaders: readonly string[]): NodeJS.Dict<string[]> {
  const headers: NodeJS.Dict<string[]> = Object.create(null)
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1] ?? ''
    ;(headers[(rawHeaders[i] ?? '').toLowerCase()] ??= []).push(value)
  }
  return headers
}

const CLIENT_PROPERTIES = ['remoteAddress', 'remotePort', 'remoteFamily', 'encrypted'] as const

const descriptor: { value: unknown, writable: boolean, enumerable: boolean, configurable: boolean } =
  { value: undefined, writable: true, enumerable: true, configurable: true }

function define (socket: Socket, name: typeof CLIENT_PROPERTIES[number], value: unknown): void {
  descriptor.value = value
  Object.defineProperty(socket, name, descriptor)
}

/**
 * Makes the gateway's socket tell of the client behind it, as REMOTE_ADDR, REMOTE_PORT and HTTPS describe it. What they do
 * not tell, or not credibly, stays what the system knows.
 */
export function describeClient (socket: Socket, params: Params): void {
  const address = params.get('REMOTE_ADDR')
  const family = address === undefined ? 0 : isIP(address)
  if (family !== 0) {
    define(socket, 'remoteAddress', address)
    const port = params.get('REMOTE_PORT')
    const number = port === undefined || port === '' ? NaN : Number(port)
    define(socket, 'remotePort', Number.isInteger(number) && number >= 0 && number <= 65535 ? number : undefined)
    define(socket, 'remoteFamily', family === 6 ? 'IPv6' : 'IPv4')
  }
  const https = params.get('HTTPS')
  if (https !== undefined && (https === '1' || https.toLowerCase() === 'on')) define(socket, 'encrypted', true)
}

/** Takes back what `describeClient` did: the next request of the connection may come from somebody else. */
export function forgetClient (socket: Socket): void {
  for (const name of CLIENT_PROPERTIES) Reflect.deleteProperty(socket, name)
}

/** Whether it asks to go on with another protocol. */
export function asksForUpgrade ({ headers }: ScgiIncomingMessage): boolean {
  return headers.upgrade !== undefined && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? '')
}
