import { FST_SCGI_BAD_REQUEST, FST_SCGI_BODY_TOO_LARGE } from '../errors.ts'
import { Spool, type SpoolOptions } from '../files/spool.ts'
import type { Readable } from 'node:stream'
import type { RequestBody } from '../../types/exchange.ts'

/** A body whose bytes are at hand. */
export class BytesBody implements RequestBody {
  readonly replayable = true
  readonly length: number
  readonly #bytes: Buffer

  constructor (bytes: Buffer) {
    this.#bytes = bytes
    this.length = bytes.length
  }

  open (): Buffer {
    return this.#bytes
  }
}

/** A body that is sent while it is read, for which its length must be known. */
export class StreamBody implements RequestBody {
  readonly replayable = false
  readonly length: number
  readonly #source: Readable

  /** @param failed called when the stream fails, begun or not */
  constructor (source: Readable, length: number, failed: (error: Error) => void) {
    this.#source = source
    this.length = length
    source.on('error', failed)
  }

  open (): Readable {
    return this.#source
  }
}

/** Whether a stream gives bytes, and not strings or objects: only those can be sent as they come. */
export function givesBytes (source: Readable): boolean {
  return !source.readableObjectMode && source.readableEncoding === null
}

/** Why a stream cannot be a body any more; `undefined` if it can. */
export function unreadable (source: Readable): Error | undefined {
  if (source.errored !== null) return source.errored
  if (source.readableEnded || source.destroyed) return new FST_SCGI_BAD_REQUEST('the stream given as body has been read or closed already')
  return undefined
}

/**
 * Lets go of a stream whose request is over. What was not sent of it is destroyed, or its file or socket would stay open; the request
 * of an HTTP server is left to that server, whose answer would be lost with it.
 * @param sent all of it that was wanted has been taken
 */
export function release (source: Readable, sent: boolean, error?: Error): void {
  if (source.destroyed || source.readableEnded || 'httpVersionMajor' in source) return
  source.on('error', ignore)
  if (sent) {
    // Its end has not been read yet, and whoever writes into it may wait for that.
    source.once('data', () => source.destroy())
    source.resume()
  } else {
    source.destroy(error)
  }
}

/** Who waits for a body to be collected. */
export interface BodyReceiver {
  /** Called once: with a body that can be sent any number of times until `close()`, or `null` where the bytes were not to be kept. */
  collected (error: Error | null, body: RequestBody | null): void
  /** A piece has come. */
  piece? (): void
  /** The stream itself has failed or was closed before its end. Default: `collected` is given the error. */
  lost? (error: Error): void
}

/** Reads a stream to its end, into memory or a file. */
export class BodyCollector {
  readonly #source: Readable
  readonly #spool: Spool | undefined
  readonly #limit: number
  readonly #receiver: BodyReceiver
  #length = 0
  #settled = false
  #closed = false
  /** The spool is writing; a stream may end though it has been paused. */
  #writing = false
  #ended = false

  /**
   * @param options where the bytes are kept; `undefined`: they are only read
   * @param limit most bytes; FST_SCGI_BODY_TOO_LARGE for more
   */
  constructor (source: Readable, options: SpoolOptions | undefined, receiver: BodyReceiver, limit = Infinity) {
    this.#source = source
    this.#spool = options === undefined ? undefined : new Spool(options)
    this.#receiver = receiver
    this.#limit = limit
    source.on('data', this.#data)
    source.on('end', this.#end)
    source.on('error', this.#lost)
    source.on('close', this.#gone)
    // To listen does not set going what somebody has paused.
    if (source.readableFlowing === false) source.resume()
  }

  /** Stops reading, and frees memory and file. The receiver is not called any more. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#settle()
    this.#spool?.close()
  }

  #settle (): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#source.off('data', this.#data)
    this.#source.off('end', this.#end)
    this.#source.off('close', this.#gone)
    // The error listener stays: a late error of the stream is no reason to die.
    return true
  }

  readonly #data = (chunk: unknown): void => {
    const bytes = toBytes(chunk, this.#source.readableEncoding)
    if (bytes === undefined) {
      this.#fail(new FST_SCGI_BAD_REQUEST(`the body gave ${chunk === null ? 'null' : `a ${typeof chunk}`} in place of bytes or text`))
      return
    }
    this.#receiver.piece?.()
    this.#length += bytes.length
    if (this.#length > this.#limit) this.#fail(new FST_SCGI_BODY_TOO_LARGE(this.#limit))
    else if (this.#spool !== undefined) this.#write(this.#spool, bytes)
  }

  #write (spool: Spool, bytes: Buffer): void {
    let sync = true
    this.#writing = true
    spool.write(bytes, error => {
      this.#writing = false
      if (this.#closed) return
      if (error !== undefined) this.#fail(error)
      else if (this.#ended) this.#finish()
      else if (!sync) this.#source.resume()
    })
    sync = false
    if (this.#writing) this.#source.pause()
  }

  readonly #end = (): void => {
    this.#ended = true
    this.#source.off('close', this.#gone)
    if (!this.#writing) this.#finish()
  }

  #finish (): void {
    if (!this.#settle()) return
    const spool = this.#spool
    if (spool === undefined) {
      this.#receiver.collected(null, null)
      return
    }
    spool.end(error => {
      if (this.#closed) return
      if (error !== undefined) this.#receiver.collected(error, null)
      else this.#receiver.collected(null, { length: spool.length, replayable: true, open: () => spool.read() })
    })
  }

  readonly #gone = (): void => this.#lost(new FST_SCGI_BAD_REQUEST('the stream given as body was closed before its end'))

  readonly #lost = (error: Error): void => {
    if (this.#receiver.lost === undefined) this.#fail(error)
    else if (this.#settle()) this.#receiver.lost(error)
  }

  #fail (error: Error): void {
    if (this.#settle()) this.#receiver.collected(error, null)
  }
}

/** A piece of a body as bytes; `undefined` for what is neither bytes nor text. */
function toBytes (chunk: unknown, encoding: BufferEncoding | null): Buffer | undefined {
  if (Buffer.isBuffer(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding ?? 'utf8')
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  return undefined
}

function ignore (): void {}
