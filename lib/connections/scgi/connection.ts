import { attend, AttentiveSocket } from '../last-words.ts'
import { Spares } from '../spares.ts'
import { ServerConnection, targetOf, type ConnectionOptions, type ServerConnectionOwner } from '../connection.ts'
import { transparentSocket, type NewSocketOptions, type TransparentOptions } from '../transparent.ts'
import type { Socket } from 'node:net'
import type { ServerAddress } from '../../../types/exchange.ts'

/** What a connection tells the exchange that uses it. */
export interface ConnectionOwner extends ServerConnectionOwner {
  /** `buffer` is shared by all connections, unless `readInto` gave it: what is to be kept must be copied before this returns. */
  onBytes (buffer: Buffer, length: number): void
  onWritten (): void
  onSocketError (error: NodeJS.ErrnoException): void
}

/** The connections of one buffer size share what they read into, and those that are closed are opened again. */
interface Family {
  // A read and the callback that consumes it are one synchronous step, so all sockets can read into one buffer.
  readonly buffer: Buffer
  readonly spare: Spares<Connection>
}

const families = new Map<number, Family>()

function familyOf (bufferSize: number): Family {
  let family = families.get(bufferSize)
  if (family === undefined) families.set(bufferSize, family = { buffer: Buffer.allocUnsafeSlow(bufferSize), spare: new Spares() })
  return family
}

const NOTHING = Buffer.alloc(0)

/**
 * SCGI takes a connection for each request, and of its price half is the making of the socket's JavaScript object. So an object
 * whose connection has closed without an error is kept and connected anew, as `socket.connect()` allows after 'close'.
 */
export class Connection extends ServerConnection<ConnectionOwner> {
  readonly socket: Socket
  connected = false
  /** It was bound before the socket was made. */
  readonly #bound: boolean
  /** It was left in a state that the next connection must not inherit. */
  #spoilt: boolean
  readonly #family: Family
  /** What is read into next. Node.js asks for it after each read. */
  #buffer: Buffer
  #isReading = false

  /** Begins to connect. */
  static open (address: ServerAddress, options: ConnectionOptions, owner: ConnectionOwner | null, connectTimeout: number): Connection {
    const family = familyOf(options.bufferSize)
    // A transparent socket is one from its birth on.
    const { transparent, localAddress, localPort } = options
    const { host } = address
    const connection = transparent === true && localAddress !== undefined && host !== undefined
      ? new Connection(family, { localAddress, localPort, host })
      : family.spare.take() ?? new Connection(family)
    connection.owner = owner
    try {
      connection.#open(address, options, connectTimeout)
    } catch (error) {
      connection.#spoilt = true
      connection.destroy()
      throw error
    }
    return connection
  }

  /** @param transparent from where and to where, for a socket that is bound to an address of others */
  private constructor (family: Family, transparent?: TransparentOptions) {
    super()
    this.#spoilt = this.#bound = transparent !== undefined
    this.#family = family
    this.#buffer = family.buffer
    const socket: Socket = this.socket = newSocket(() => this.#buffer, length => {
      const { owner } = this
      this.#isReading = true
      if (owner === null) this.#idleEnd()
      else owner.context.runInAsyncScope(owner.onBytes, owner, this.#buffer, length)
      this.#isReading = false
      return !socket.isPaused()
    }, error => {
      this.#spoilt = true
      this.owner?.onRefused(error)
    }, transparent)
    socket.on('connect', () => {
      this.connected = true
      const { owner } = this
      owner?.context.runInAsyncScope(owner.onConnected, owner)
    })
    socket.on('end', () => {
      const { owner } = this
      if (owner === null) this.#idleEnd()
      else owner.context.runInAsyncScope(owner.onEof, owner)
    })
    socket.on('timeout', () => {
      if (this.owner === null) this.#idleEnd()
      else this.timedOut(this.owner)
    })
    socket.on('error', error => {
      this.#spoilt = true
      const { owner } = this
      if (owner === null) this.#idleEnd()
      else owner.context.runInAsyncScope(owner.onSocketError, owner, error)
    })
    socket.on('close', hadError => {
      if (!hadError && !this.#spoilt) family.spare.keep(this)
    })
  }

  #open (address: ServerAddress, options: ConnectionOptions, connectTimeout: number): void {
    const { socket } = this
    const { host, port, socketPath } = address
    const { localAddress, localPort, socketKeepalive } = options
    this.connected = false
    // Without a handle it is remembered, and done when the connection is established.
    this.setSocketKeepalive(socketKeepalive)
    this.forgetTimeout()
    // A unix socket knows none.
    this.knowsResets = host !== undefined
    if (host === undefined) socket.connect({ path: socketPath ?? '' })
    else socket.connect(targetOf(host, port, this.#bound ? undefined : localAddress, localPort))
    this.setTimeout(connectTimeout)
  }

  /** An idle connection that says anything, fails or has waited too long is of no more use. */
  #idleEnd (): void {
    const tell = this.onIdleEnd
    this.onIdleEnd = undefined
    this.socket.destroy()
    tell?.()
  }

  get ready (): boolean {
    return this.connected
  }

  get lost (): boolean {
    return this.socket.destroyed
  }

  pause (): void {
    this.socket.pause()
  }

  resume (): void {
    this.socket.resume()
  }

  rest (age: number): void {
    this.owner = null
    this.#readIntoShared()
    this.setTimeout(age)
    // An idle connection must not keep the process alive.
    this.socket.unref()
  }

  wake (): void {
    this.socket.ref()
  }

  /** Writes the last piece of a request; the owner's `onWritten` is called when all has left for the kernel. */
  finish (piece: Buffer): void {
    const { socket } = this
    socket.write(piece)
    if (socket.writableLength === 0) this.owner?.onWritten()
    else socket.write(NOTHING, this.#written)
  }

  /** As `finish`, for two pieces that shall leave as one. */
  finishBoth (first: Buffer, second: Buffer): void {
    const { socket } = this
    socket.cork()
    socket.write(first)
    socket.write(second, this.#written)
    socket.uncork()
  }

  #readIntoShared (): void {
    const { buffer } = this.#family
    if (this.#buffer === buffer) return
    this.#buffer = buffer
    // The socket learns it after this read, or not any more: what lies spare must not hold the memory.
    if (!this.#isReading) this.#spoilt = true
  }

  readonly #written = (error?: Error | null): void => {
    if (!error) this.owner?.onWritten()
  }

  /** What is read next goes there, from within `onBytes`: the owner's alone, until the connection is given up. */
  readInto (buffer: Buffer): void {
    this.#buffer = buffer
  }

  destroy (): void {
    this.owner = null
    this.onIdleEnd = undefined
    this.#readIntoShared()
    if (this.socket.isPaused() || this.socket.writableLength > 0) this.#spoilt = true
    this.socket.destroy()
  }
}

function newSocket (
  buffer: () => Buffer, callback: (length: number) => boolean, refused: (error: NodeJS.ErrnoException) => void,
  transparent: TransparentOptions | undefined
): Socket {
  const options: NewSocketOptions = { onread: { buffer, callback } }
  if (transparent === undefined) return new AttentiveSocket(options, refused)
  const socket = transparentSocket(transparent, options)
  attend(socket, refused)
  return socket
}
