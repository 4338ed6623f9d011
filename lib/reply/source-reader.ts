import type { Readable } from 'node:stream'

/** Who reads a stream through a SourceReader. Of the last two methods one is called, once, and nothing after it. */
export interface SourceListener {
  onData (chunk: Buffer): void
  onEnd (): void
  /** The stream failed, or, with `undefined`, was closed before its end. */
  onError (error: Error | undefined): void
}

/** The stream that another one is fed from, piece by piece. It has begun when it is first resumed. */
export class SourceReader {
  readonly #source: Readable
  readonly #reader: SourceListener
  #over = false

  constructor (source: Readable, reader: SourceListener) {
    this.#source = source
    this.#reader = reader
    source.pause()
    source.on('error', this.#onError).on('end', this.#onEnd).on('close', this.#onClose).on('data', this.#onData)
    // What happened before we listened would never be heard of.
    if (source.destroyed || source.readableEnded) process.nextTick(source.readableEnded ? this.#onEnd : this.#onClose)
  }

  pause (): void {
    this.#source.pause()
  }

  resume (): void {
    if (!this.#over) this.#source.resume()
  }

  /** Destroys the source. Nothing is called any more, not for the errors of that either. */
  close (): void {
    this.#over = true
    this.#source.off('data', this.#onData)
    this.#source.destroy()
  }

  readonly #onData = (chunk: Buffer | Uint8Array | string): void => {
    if (this.#over) return
    if (Buffer.isBuffer(chunk)) this.#reader.onData(chunk)
    else if (typeof chunk === 'string') this.#reader.onData(Buffer.from(chunk))
    else this.#reader.onData(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
  }

  readonly #onEnd = (): void => {
    if (this.#over) return
    this.#over = true
    this.#reader.onEnd()
  }

  readonly #onError = (error: Error): void => {
    if (this.#over) return
    this.#over = true
    this.#reader.onError(error)
  }

  readonly #onClose = (): void => {
    if (this.#over) return
    this.#over = true
    this.#reader.onError(this.#source.errored ?? undefined)
  }
}
