import { Readable } from 'node:stream'

/**
 * A streamed request body as undici may have it: exactly `length` bytes of a source, read no faster than the server takes them. undici
 * destroys what it was given; the source is its owner's, and may be the connection of the client. It is opened when undici begins to
 * read, which is when the request is written: until then the body may still go to another server.
 */
export class HttpRequestBody extends Readable {
  readonly #open: () => Buffer | Readable
  readonly #failed: (error: Error) => void
  #source: Readable | undefined
  #left: number
  #detached = false

  /** @param failed called when the source ends early or fails; nothing is emitted then */
  constructor (open: () => Buffer | Readable, length: number, failed: (error: Error) => void) {
    super()
    this.#open = open
    this.#failed = failed
    this.#left = length
  }

  override _read (): void {
    if (this.#detached) return
    if (this.#source !== undefined) {
      this.#source.resume()
      return
    }
    const source = this.#open()
    if (Buffer.isBuffer(source)) {
      this.#data(source)
      this.#closed()
      return
    }
    this.#source = source
    if (source.destroyed && !source.readableEnded) {
      process.nextTick(this.#closed)
      return
    }
    source.on('end', this.#closed)
    source.on('error', this.#closed)
    source.on('close', this.#closed)
    source.on('data', this.#data)
    source.resume()
  }

  override _destroy (_error: Error | null, callback: (error?: Error | null) => void): void {
    this.#detach()
    callback(null)
  }

  #detach (): void {
    if (this.#detached) return
    this.#detached = true
    const source = this.#source
    if (source === undefined) return
    source.off('data', this.#data)
    source.off('end', this.#closed)
    source.off('close', this.#closed)
    // The error listener stays: a late error of the stream is no reason to die.
    source.pause()
  }

  readonly #data = (chunk: Buffer): void => {
    const piece = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk
    this.#left -= piece.length
    if (this.#left === 0) {
      this.#detach()
      this.push(piece)
      this.push(null)
    } else if (!this.push(piece)) {
      this.#source?.pause()
    }
  }

  readonly #closed = (error?: Error | null): void => {
    if (this.#detached) return
    this.#detach()
    this.#failed(error ?? new Error(`the request body ended ${this.#left} bytes short of its Content-Length`))
  }
}
