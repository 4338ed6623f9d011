import { AttentiveSocket } from '../last-words.ts'
import { Spares } from '../spares.ts'
import { ServerConnection, targetOf, type ConnectionOptions, type ServerConnectionOwner } from '../connection.ts'
import { transparentSocket, type NewSocketOptions, type TransparentOptions } from '../transparent.ts'
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

type ScgiSocket = AttentiveSocket<Connection>

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
  readonly socket: ScgiSocket
  connected = false
  /** It was bound before the socket was made. */
  readonly #bound: boolean
  /** It was left in a state that the next connection must not inherit. */
  #spoilt: boolean
  readonly #family: Family
  /** What is read into next. Node.js asks for it after each read. */
  #buffer: Buffer
  #isReading = false
  #whenWritten: ((error?: Error | null) => void) | undefined = undefined

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
    const make = (options: NewSocketOptions): ScgiSocket => new AttentiveSocket({
      ...options,
      onread: { buffer: () => this.#buffer, callback: length => this.#read(length) },
    }, this)
    const socket = this.socket = transparent === undefined ? make({}) : transparentSocket(transparent, make)
    // Functions of all connections: an exchange holds one, and each function of its own would be held with it.
    socket.on('connect', onConnect)
    socket.on('end', onEnd)
    socket.on('timeout', onTimeout)
    socket.on('error', onError)
    socket.on('close', onClose)
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

  /** Bytes have come. True if more may. */
  #read (length: number): boolean {
    const { owner } = this
    this.#isReading = true
    if (owner === null) this.#idleEnd()
    else owner.context.runInAsyncScope(owner.onBytes, owner, this.#buffer, length)
    this.#isReading = false
    return !this.socket.isPaused()
  }

  // --- what the socket says ---

  onConnect (): void {
    this.connected = true
    const { owner } = this
    owner?.context.runInAsyncScope(owner.onConnected, owner)
  }

  onEnd (): void {
    const { owner } = this
    if (owner === null) this.#idleEnd()
    else owner.context.runInAsyncScope(owner.onEof, owner)
  }

  onTimeout (): void {
    if (this.owner === null) this.#idleEnd()
    else this.timedOut(this.owner)
  }

  onError (error: Error): void {
    this.#spoilt = true
    const { owner } = this
    if (owner === null) this.#idleEnd()
    else owner.context.runInAsyncScope(owner.onSocketError, owner, error)
  }

  override onRefused (error: NodeJS.ErrnoException): void {
    this.#spoilt = true
    super.onRefused(error)
  }

  onClose (hadError: boolean): void {
    if (!hadError && !this.#spoilt) this.#family.spare.keep(this)
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

  /** Most requests leave at once, and need none. */
  get #written (): (error?: Error | null) => void {
    this.#whenWritten ??= error => { if (!error) this.owner?.onWritten() }
    return this.#whenWritten
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

function onConnect (this: ScgiSocket): void {
  this.owner.onConnect()
}

function onEnd (this: ScgiSocket): void {
  this.owner.onEnd()
}

function onTimeout (this: ScgiSocket): void {
  this.owner.onTimeout()
}

function onError (this: ScgiSocket, error: Error): void {
  this.owner.onError(error)
}

function onClose (this: ScgiSocket, hadError: boolean): void {
  this.owner.onClose(hadError)
}
