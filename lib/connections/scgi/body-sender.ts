import { giveBackRoom } from '../../bytes/rooms.ts'
import { RequestSource, type BodySink } from '../request-source.ts'
import { SpoolReader } from '../../files/spool-reader.ts'
import type { Readable } from 'node:stream'
import type { Connection } from './connection.ts'

/** Sends a streamed request body on a connection. */
export class BodySender implements BodySink {
  readonly #connection: Connection
  readonly #source: RequestSource
  /** The pieces are ours alone. Those of any other stream, the body of another reply say, may be in use elsewhere. */
  #ownsPieces = false
  readonly failed: (error: Error) => void

  constructor (connection: Connection, length: number, failed: (error: Error) => void) {
    this.#connection = connection
    this.#source = new RequestSource(length, this)
    this.failed = failed
  }

  /** Bytes wait for the server; false while they are waited for. */
  get pending (): boolean {
    return this.#connection.socket.writableLength > 0
  }

  start (body: Readable): void {
    this.#ownsPieces = body instanceof SpoolReader
    this.#connection.socket.on('drain', this.#drained)
    this.#source.start(body)
  }

  stop (): void {
    this.#source.stop()
    this.#connection.socket.off('drain', this.#drained)
  }

  take (piece: Buffer, last: boolean): boolean {
    const connection = this.#connection
    const { socket } = connection
    let takesMore = true
    if (last) {
      socket.off('drain', this.#drained)
      connection.finish(piece)
    } else {
      takesMore = socket.write(piece)
    }
    // All of it has left for the kernel.
    if (this.#ownsPieces && socket.writableLength === 0) giveBackRoom(piece)
    return takesMore
  }

  readonly #drained = (): void => this.#source.resume()
}
