import { isUnseen } from '../http/raw-reply.ts'
import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'

/**
 * Writes a body to the reply of HTTP/1 itself, without a pipe in between. A piece leaves for the kernel while it is written, where
 * that has room: then nobody has its memory any more.
 */
export class ClientWriter {
  readonly #raw: ServerResponse
  readonly #socket: Socket
  readonly #written: () => void

  /**
   * A writer for what a stream is piped to; `undefined` if that is not the reply itself, or has no connection as yet.
   * @param written called when what was written before has left, and more may be wanted
   */
  static to (destination: unknown, written: () => void): ClientWriter | undefined {
    if (!(destination instanceof ServerResponse)) return undefined
    const { socket } = destination
    return socket instanceof Socket && !destination.destroyed ? new ClientWriter(destination, socket, written) : undefined
  }

  private constructor (raw: ServerResponse, socket: Socket, written: () => void) {
    this.#raw = raw
    this.#socket = socket
    this.#written = written
  }

  /** Bytes that were written and have not left. */
  get pending (): number {
    return this.#socket.writableLength
  }

  /** True if all of the piece has left, and its memory is free. */
  write (piece: Buffer): boolean {
    const raw = this.#raw
    const socket = this.#socket
    if (raw.destroyed) return false
    // Nobody but Node.js sees it, and can keep it.
    const unseen = isUnseen(raw, socket)
    // Without the cork Node.js sets one, and has the piece wait for the next tick.
    socket.cork()
    raw.write(piece, this.#written)
    socket.uncork()
    return unseen && socket.writableLength === 0
  }

  end (): void {
    this.#raw.end()
  }
}
