import { Readable } from 'node:stream'

/** Who fills a reply stream. */
export interface ReplySource {
  /** The client takes more. */
  resume (): void
  /** The client takes no more for now. */
  pause (): void
  /** The stream was closed before its end. */
  abandon (): void
}

/**
 * The part of a reply body that goes to the client as a stream. It is fed by an exchange and holds it back while the
 * client is slower.
 */
export class ReplyStream extends Readable {
  readonly #source: ReplySource
  #ended = false
  #failure: Error | undefined

  constructor (source: ReplySource, highWaterMark: number) {
    super({ highWaterMark })
    this.#source = source
  }

  /** A piece of the body. False: it is kept. */
  feed (chunk: Buffer): false {
    if (!this.push(chunk)) this.#source.pause()
    return false
  }

  /** The body is complete. */
  finish (): void {
    this.#ended = true
    this.push(null)
  }

  /** The body breaks off: what has come is still given to the reader, then the stream fails. */
  fail (error: Error): void {
    this.failOnceRead(error)
    if (this.readableLength === 0) this.destroy(error)
  }

  /** As `fail`, but the stream fails when it is read, also if there is nothing left to read. */
  protected failOnceRead (error: Error): void {
    this.#ended = true
    this.#failure = error
  }

  override read (size?: number): unknown {
    const chunk: unknown = super.read(size)
    const error = this.#failure
    // read(0) is the stream's own, and reads nothing.
    if (error !== undefined && size !== 0 && this.readableLength === 0) process.nextTick(() => this.destroy(error))
    return chunk
  }

  override _read (): void {
    if (!this.#ended) this.#source.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#ended) {
      this.#ended = true
      this.#source.abandon()
    }
    callback(error)
  }
}
