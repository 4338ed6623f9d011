import { FST_SCGI_CLIENT_SEND_TIMEOUT } from '../errors.ts'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Pass } from '../attempts/pass.ts'
import type { Upgrade } from '../inbound/upgrades.ts'

/**
 * What client and server say to each other after a 101, in whatever protocol. The server's end ends it; the client's end is passed on, and
 * the server may still speak. Neither side is read faster than the other takes.
 */
export class Tunnel {
  readonly #upgrade: Upgrade
  readonly #raw: ServerResponse
  readonly #pass: Pass
  readonly #sendTimeout: number
  readonly #late: (error: Error) => void
  #socket: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #ended = false

  /** @param late called when the client has taken nothing for `sendTimeout` milliseconds; 0 is without limit */
  constructor (upgrade: Upgrade, raw: ServerResponse, pass: Pass, sendTimeout: number, late: (error: Error) => void) {
    this.#upgrade = upgrade
    this.#raw = raw
    this.#pass = pass
    this.#sendTimeout = sendTimeout
    this.#late = late
  }

  /** The head of the 101 has been sent. */
  open (): void {
    const { socket, early } = this.#upgrade.take()
    this.#socket = socket
    socket.setTimeout(0)
    socket.setNoDelay(true)
    // An error is followed by the end of the response, of which the exchange hears.
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => this.#fromClient(chunk))
    socket.on('end', () => { if (!this.#ended) this.#pass.endWrite() })
    socket.on('drain', () => this.#clientDrained())
    socket.on('close', () => clearTimeout(this.#timer))
    for (const piece of early) this.#fromClient(piece)
    if (socket.readableEnded) this.#pass.endWrite()
    else if (!this.#ended && !this.#waits) socket.resume()
  }

  /** The server takes no more for now. */
  #waits = false

  #fromClient (chunk: Buffer): void {
    if (this.#ended || this.#pass.write(chunk)) return
    this.#waits = true
    this.#socket?.pause()
  }

  serverDrained (): void {
    this.#waits = false
    this.#socket?.resume()
  }

  fromServer (chunk: Buffer): void {
    const socket = this.#socket
    if (socket === undefined || socket.write(chunk)) return
    this.#pass.pause()
    if (this.#sendTimeout > 0 && this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#late(new FST_SCGI_CLIENT_SEND_TIMEOUT(this.#sendTimeout)), this.#sendTimeout)
    }
  }

  #clientDrained (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (!this.#ended) this.#pass.resume()
  }

  /** The server has ended the connection: the client gets what is under way, and then the end. */
  serverEnded (): void {
    this.#ended = true
    const raw = this.#raw
    const socket = this.#socket
    // The end of the response, so that who waits for that (a log, onResponse hooks) hears of it.
    raw.once('finish', () => socket?.destroySoon())
    raw.end()
    socket?.resume()
  }

  /** It is over for the client. Who waits for the end of the response hears of it, for that is how most tunnels end. */
  end (): void {
    this.#ended = true
    this.#raw.end()
  }

  /** Ends it at once. */
  cut (): void {
    this.end()
    this.#socket?.destroy()
  }
}
