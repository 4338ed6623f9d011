import type { Readable } from 'node:stream'

/** Where a request's body goes. */
export interface BodySink {
  /** Takes a piece; false if no more shall come before `RequestSource.resume()`. */
  take (piece: Buffer, last: boolean): boolean
  /** The stream has failed, or ended too early. */
  failed (error: Error): void
}

/** Reads the body of a request from a stream, no faster than its sink takes it: exactly `length` bytes of it. */
export class RequestSource {
  readonly #sink: BodySink
  #stream: Readable | undefined
  #left: number
  #stopped = false

  constructor (length: number, sink: BodySink) {
    this.#left = length
    this.#sink = sink
  }

  start (body: Buffer | Readable): void {
    if (Buffer.isBuffer(body)) {
      this.#data(body)
      this.#closed()
      return
    }
    this.#stream = body
    // Of what is over already no event tells.
    if (body.destroyed || body.readableEnded) {
      process.nextTick(this.#closed)
      return
    }
    body.on('end', this.#closed)
    body.on('error', this.#closed)
    body.on('close', this.#closed)
    body.on('data', this.#data)
    body.resume()
  }

  resume (): void {
    if (!this.#stopped) this.#stream?.resume()
  }

  /** Takes the hands off the stream; what remains in it is its owner's. */
  stop (): void {
    if (this.#stopped) return
    this.#stopped = true
    const stream = this.#stream
    if (stream === undefined) return
    stream.off('data', this.#data)
    stream.off('end', this.#closed)
    stream.off('close', this.#closed)
    // The error listener stays: a late error of the stream is no reason to die.
    stream.pause()
  }

  readonly #data = (chunk: Buffer): void => {
    const piece = chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk
    this.#left -= piece.length
    const last = this.#left === 0
    if (last) this.stop()
    if (!this.#sink.take(piece, last) && !last) this.#stream?.pause()
  }

  readonly #closed = (error?: Error | null): void => {
    if (this.#stopped) return
    this.stop()
    this.#sink.failed(error ?? new Error(`the request body ended ${this.#left} bytes short of its Content-Length`))
  }
}
