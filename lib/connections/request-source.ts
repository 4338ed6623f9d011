import type { Connection } from './scgi/connection.ts'
import type { Readable } from 'node:stream'

/**
 * Feeds a streamed request body to a connection, no faster than the server takes it: exactly `length` bytes of it.
 */
export class RequestSource {
  readonly #stream: Readable
  readonly #connection: Connection
  readonly #failed: (error: Error) => void
  #left: number
  #stopped = false

  constructor (stream: Readable, length: number, connection: Connection, failed: (error: Error) => void) {
    this.#stream = stream
    this.#connection = connection
    this.#failed = failed
    this.#left = length
  }

  /** Bytes wait for the server; false while they are waited for. */
  get pending (): boolean {
    return this.#connection.socket.writableLength > 0
  }

  start (): void {
    if (this.#stream.destroyed && !this.#stream.readableEnded) {
      process.nextTick(this.#closed)
      return
    }
    this.#stream.on('data', this.#data)
    this.#stream.on('end', this.#closed)
    this.#stream.on('error', this.#closed)
    this.#stream.on('close', this.#closed)
    this.#connection.socket.on('drain', this.#drain)
  }

  /** Takes the hands off the stream; what remains in it is its owner's. */
  stop (): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stream.off('data', this.#data)
    this.#stream.off('end', this.#closed)
    this.#stream.off('close', this.#closed)
    // The error listener stays: a late error of the stream is no reason to die.
    this.#stream.pause()
    this.#connection.socket.off('drain', this.#drain)
  }

  readonly #data = (chunk: Buffer): void => {
    const piece = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk
    this.#left -= piece.length
    if (this.#left === 0) {
      this.stop()
      this.#connection.finish(piece)
    } else if (!this.#connection.socket.write(piece)) {
      this.#stream.pause()
    }
  }

  readonly #drain = (): void => {
    if (!this.#stopped) this.#stream.resume()
  }

  readonly #closed = (error?: Error | null): void => {
    if (this.#stopped) return
    this.stop()
    this.#failed(error ?? new Error(`the request body ended ${this.#left} bytes short of its Content-Length`))
  }
}
