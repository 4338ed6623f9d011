import { FST_SCGI_READ_TIMEOUT, FST_SCGI_SEND_TIMEOUT } from '../errors.ts'
import type { Socket } from 'node:net'
import type { ExchangeTimeouts } from '../../types/exchange.ts'

/** A connection to a server, as far as a tunnel needs it. */
interface Line {
  readonly socket: Socket
  /** See `Connection`. */
  setTimeout (milliseconds: number): void
}

/** A connection after a 101: bytes go both ways, and nobody looks at them, whatever the server spoke before. */
export class SwitchedConnection {
  readonly #line: Line
  readonly #timeouts: ExchangeTimeouts
  readonly #drained: () => void
  #paused = false

  /** @param drained called when the server has taken what was written */
  constructor (line: Line, timeouts: ExchangeTimeouts, drained: () => void) {
    this.#line = line
    this.#timeouts = timeouts
    this.#drained = drained
    line.socket.setNoDelay(true)
    line.socket.on('drain', this.#onDrain)
    this.limitSilence()
  }

  /** The server is not read for now. */
  pause (): void {
    this.#paused = true
    this.limitSilence()
  }

  resume (): void {
    this.#paused = false
    this.limitSilence()
  }

  /** False if the server takes no more for now. */
  write (chunk: Buffer): boolean {
    const { socket } = this.#line
    if (socket.writableEnded) return true
    const taken = socket.write(chunk)
    if (!taken) this.limitSilence()
    return taken
  }

  /** Nothing more will be written; the server may still speak. */
  end (): void {
    this.#line.socket.end()
  }

  /** Lets go of the connection. */
  release (): void {
    this.#line.socket.off('drain', this.#onDrain).setNoDelay(false)
  }

  /** What it means that nothing has happened for the time that was set; `undefined` if that is nobody's fault. */
  silence (name: string): InstanceType<typeof FST_SCGI_SEND_TIMEOUT> | undefined {
    const { send, read } = this.#timeouts
    if (this.#pending && send > 0 && (this.#paused || read === 0 || send <= read)) return new FST_SCGI_SEND_TIMEOUT(name, send)
    return this.#paused ? undefined : new FST_SCGI_READ_TIMEOUT(name, 'nothing through the tunnel of its 101', read)
  }

  readonly #onDrain = (): void => {
    this.limitSilence()
    this.#drained()
  }

  /** The server's silence counts while it may speak, and that it takes nothing while there is something to take. */
  limitSilence (): void {
    const { send, read } = this.#timeouts
    const limits = [this.#paused ? 0 : read, this.#pending ? send : 0].filter(limit => limit > 0)
    this.#line.setTimeout(limits.length === 0 ? 0 : Math.min(...limits))
  }

  get #pending (): boolean {
    return this.#line.socket.writableLength > 0
  }
}
