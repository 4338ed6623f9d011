import { isFunction } from '../../options/checks.ts'
import { mayBeWhole } from './request-head.ts'
import type { Socket } from 'node:net'

// Node.js tells nobody that it has read something until a whole head is parsed; what dies with the process until then is lost. Its parser
// calls back at the first byte of a message if it is asked to, and has the bytes that it was given. It is the same in 20, 22 and 24.

/** The parser of a connection of plain HTTP/1. */
export class MessageReader {
  readonly #socket: Socket
  readonly #parser: object
  readonly #current: () => unknown

  private constructor (socket: Socket, parser: object, current: () => unknown) {
    this.#socket = socket
    this.#parser = parser
    this.#current = current
  }

  /** That of a connection that was just accepted; `undefined` where Node.js does not show it. */
  static of (socket: Socket): MessageReader | undefined {
    const parser: unknown = Reflect.get(socket, 'parser')
    if (typeof parser !== 'object' || parser === null || !('getCurrentBuffer' in parser)) return undefined
    const { getCurrentBuffer: current } = parser
    const index: unknown = Reflect.get(parser.constructor, 'kOnMessageBegin')
    return isFunction(current) && typeof index === 'number' ? new MessageReader(socket, parser, () => current.call(parser)) : undefined
  }

  /** Calls back at the first byte of each message. */
  hear (begins: () => void): void {
    Reflect.set(this.#parser, Number(Reflect.get(this.#parser.constructor, 'kOnMessageBegin')), begins)
  }

  /** The bytes that are being parsed; `undefined` if they cannot be one request that may be repeated. */
  read (): Uint8Array | undefined {
    const bytes = this.#current()
    return bytes instanceof Uint8Array && mayBeWhole(bytes) ? bytes : undefined
  }

  /** It is still the one that reads the connection. */
  get reads (): boolean {
    return Reflect.get(this.#socket, 'parser') === this.#parser
  }
}
