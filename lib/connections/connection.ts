import { isPutOff, type Waiting } from './long-timeouts.ts'
import type { Attentive } from './last-words.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Socket, TcpSocketConnectOpts } from 'node:net'

/** What a connection of any protocol tells the exchange that uses it. */
export interface ServerConnectionOwner {
  /** All of it is told in this context, whoever has opened the connection. */
  readonly context: AsyncResource
  /** The connection stands, TLS included. */
  onConnected (): void
  /** The server takes no more. It may have answered before: what it said comes after this, and then the end. */
  onRefused (error: NodeJS.ErrnoException): void
  /** The server has ended the connection. */
  onEof (): void
  onTimeout (): void
}

/** How a connection is opened. */
export interface ConnectionOptions {
  /** Largest head of a reply, and largest single read. */
  readonly bufferSize: number
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** See `transparentSocket`. */
  readonly transparent?: boolean | undefined
  readonly socketKeepalive?: number | undefined
}

/** One socket to one server. It has an owner, the exchange that uses it, or is idle in a pool. */
export abstract class ServerConnection<O extends ServerConnectionOwner> implements Attentive, Waiting {
  place = -1
  owner: O | null = null
  /** Told when an idle connection is no longer usable. */
  onIdleEnd: (() => void) | undefined = undefined
  /** When it last became idle, in milliseconds of `performance.now()`. */
  idleSince = 0
  /** What it is connected by knows resets, and they can be told from ends. */
  protected knowsResets = false
  #timeout = 0
  /** The socket has a timer for it. */
  #isTimed = false
  #socketKeepalive: number | undefined = undefined

  abstract readonly socket: Socket
  /** A request can be sent on it now. */
  abstract readonly ready: boolean
  /** No request can be sent on it any more. */
  abstract readonly lost: boolean
  abstract pause (): void
  abstract resume (): void
  /** It is idle from now on, for at most so many milliseconds. */
  abstract rest (age: number): void
  /** It is to be used again. */
  abstract wake (): void
  abstract destroy (): void

  /**
   * The time without anything happening after which the owner's `onTimeout` is called; 0 is never. It runs from now, or a little later
   * where it is long, or, if it is the same as before, from what happened last: call it when something has.
   */
  setTimeout (milliseconds: number): void {
    if (milliseconds === this.#timeout) return
    this.#timeout = milliseconds
    if (this.#isTimed) this.#setTimer()
    else if (milliseconds > 0 && !isPutOff(this, milliseconds)) this.#setTimer()
  }

  /** For a timeout that was put off. It may be over, or another one, by now. */
  beginTimeout (): void {
    if (this.#timeout > 0 && !this.#isTimed && !this.socket.destroyed) this.#setTimer()
  }

  #setTimer (): void {
    this.#isTimed = this.#timeout > 0
    this.socket.setTimeout(this.#timeout)
  }

  onRefused (error: NodeJS.ErrnoException): void {
    this.owner?.onRefused(error)
  }

  /** SO_KEEPALIVE with this initial delay in milliseconds; `undefined` is off. */
  setSocketKeepalive (delay: number | undefined): void {
    if (delay === this.#socketKeepalive) return
    this.#socketKeepalive = delay
    this.socket.setKeepAlive(delay !== undefined, delay)
  }

  /**
   * To be asked once, at the end of a connection: it was a reset. One that comes together with the last bytes looks like an orderly end;
   * only the address of the other side is gone then.
   */
  get wasReset (): boolean {
    return this.knowsResets && this.socket.remoteAddress === undefined
  }

  /** The socket is connected anew: the timer of the connection before is gone with it. */
  protected forgetTimeout (): void {
    this.#timeout = 0
    this.#isTimed = false
  }

  /**
   * Timers come before sockets in the event loop: when it has stood still for long, what arrived in time is read only now. The
   * server is to blame if it still has nothing to show after that.
   */
  protected timedOut (owner: O): void {
    const { socket } = this
    const { connecting, bytesRead, bytesWritten, writableLength } = socket
    setImmediate(() => {
      if (this.owner === owner && socket.connecting === connecting && socket.bytesRead === bytesRead &&
          socket.bytesWritten === bytesWritten && socket.writableLength === writableLength) {
        owner.context.runInAsyncScope(owner.onTimeout, owner)
      }
    })
  }
}

/** Where a socket connects to, and from. */
export function targetOf (
  host: string, port: number, localAddress: string | undefined, localPort: number | undefined
): TcpSocketConnectOpts {
  const target = { host, port, autoSelectFamily: false }
  if (localAddress === undefined) return target
  return localPort === undefined ? { ...target, localAddress } : { ...target, localAddress, localPort }
}
