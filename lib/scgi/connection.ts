import { connect, type Socket } from 'node:net'
import type { ServerAddress } from '../../types/exchange.ts'

/** What a connection tells the exchange that uses it. */
export interface ConnectionOwner {
  onConnected (): void
  /** `buffer` is shared by all connections: what is to be kept must be copied before this returns. */
  onBytes (buffer: Buffer, length: number): void
  onWritten (): void
  onEof (): void
  onTimeout (): void
  onSocketError (error: NodeJS.ErrnoException): void
}

/** How a socket is opened. */
export interface ConnectionOptions {
  /** Largest single read. */
  readonly bufferSize: number
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly socketKeepalive?: number | undefined
}

// A socket's read and the callback that consumes it are one synchronous step, so all sockets can read into one buffer.
const readBuffers = new Map<number, Buffer>()

function readBuffer (size: number): Buffer {
  let buffer = readBuffers.get(size)
  if (buffer === undefined) readBuffers.set(size, buffer = Buffer.allocUnsafeSlow(size))
  return buffer
}

/**
 * One socket to one server. It has an owner, the exchange that uses it, or is idle in a pool; what happens on it goes to the owner.
 */
export class Connection {
  readonly address: ServerAddress
  readonly socket: Socket
  connected = false
  owner: ConnectionOwner | null
  /** Told when an idle connection is no longer usable. */
  onIdleEnd: ((connection: Connection) => void) | undefined = undefined
  /** When it last became idle, in milliseconds of `performance.now()`. */
  idleSince = 0

  constructor (address: ServerAddress, options: ConnectionOptions, owner: ConnectionOwner | null, connectTimeout: number) {
    this.address = address
    this.owner = owner
    const buffer = readBuffer(options.bufferSize)
    const onread = { buffer, callback: (length: number) => this.#read(buffer, length) }
    const connected = (): void => this.#connect(options.socketKeepalive)
    const { host, port, socketPath } = address
    const { localAddress, localPort } = options
    const socket = this.socket = host === undefined
      ? connect({ path: socketPath ?? '', onread }, connected)
      : connect({
        host,
        port,
        autoSelectFamily: false,
        onread,
        ...(localAddress === undefined ? undefined : { localAddress }),
        ...(localPort === undefined ? undefined : { localPort }),
      }, connected)
    socket.on('error', error => this.#fail(error))
    socket.on('end', () => this.#end())
    socket.on('timeout', () => this.#timeout())
    if (connectTimeout > 0) socket.setTimeout(connectTimeout)
  }

  #connect (socketKeepalive: number | undefined): void {
    this.connected = true
    if (socketKeepalive !== undefined) this.socket.setKeepAlive(true, socketKeepalive)
    this.owner?.onConnected()
  }

  #read (buffer: Buffer, length: number): boolean {
    if (this.owner === null) this.#idleEnd()
    else this.owner.onBytes(buffer, length)
    return !this.socket.isPaused()
  }

  #end (): void {
    if (this.owner === null) this.#idleEnd()
    else this.owner.onEof()
  }

  #timeout (): void {
    if (this.owner === null) this.#idleEnd()
    else this.owner.onTimeout()
  }

  #fail (error: NodeJS.ErrnoException): void {
    if (this.owner === null) this.#idleEnd()
    else this.owner.onSocketError(error)
  }

  /** An idle connection that says anything, fails or has waited too long is of no more use. */
  #idleEnd (): void {
    const tell = this.onIdleEnd
    this.onIdleEnd = undefined
    this.socket.destroy()
    tell?.(this)
  }

  /** Called when what was written last has left for the kernel. */
  readonly written = (error?: Error | null): void => {
    if (!error) this.owner?.onWritten()
  }

  destroy (): void {
    this.owner = null
    this.onIdleEnd = undefined
    this.socket.destroy()
  }
}
