import { Readable } from 'node:stream'
import { RequestSource } from '../request-source.ts'

/**
 * A streamed request body as undici may have it. undici destroys what it was given; the source is its owner's, and may be the connection
 * of the client. It is opened when undici begins to read, which is when the request is written: until then the body may still go to
 * another server.
 */
export class HttpRequestBody extends Readable {
  readonly #open: () => Buffer | Readable
  readonly #source: RequestSource
  #begun = false

  /** @param failed called when the source ends early or fails; nothing is emitted then */
  constructor (open: () => Buffer | Readable, length: number, failed: (error: Error) => void) {
    super()
    this.#open = open
    this.#source = new RequestSource(length, {
      take: (piece, last) => {
        const more = this.push(piece)
        if (last) this.push(null)
        return more
      },
      failed,
    })
  }

  override _read (): void {
    if (this.#begun) {
      this.#source.resume()
      return
    }
    this.#begun = true
    this.#source.start(this.#open())
  }

  override _destroy (_error: Error | null, callback: (error?: Error | null) => void): void {
    this.#source.stop()
    callback(null)
  }
}
