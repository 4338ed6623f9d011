import { Readable } from 'node:stream'
import { ByteQueue } from './byte-queue.ts'
import { ClientWriter } from './client-writer.ts'
import { SpoolDelay } from './spool-delay.ts'
import { ReplyFile } from './reply-file.ts'
import { tempFileError } from '../files/temp-file.ts'
import { systemTimers } from '../runtime/timers.ts'
import type { ReplyBuffering } from './buffering-options.ts'
import type { ReplySource } from './reply-stream.ts'

/**
 * The part of a reply body that goes to the client as a stream, read ahead of a client that is slower: up to `busyBuffersSize`
 * handed over, then in memory, then in a temporary file; past the limits the source is held back until the client has taken some.
 * While the client keeps up this is a `ReplyStream`: a piece goes through as it is. Piped to the reply itself, as it is where no hook
 * has put another stream in its place, it writes there by itself.
 *
 * In order the bytes lie: what is handed over, then the file, then memory. Nothing passes from memory to the reader while the file
 * has any.
 */
export class BufferedReply extends Readable {
  readonly #source: ReplySource
  readonly #settings: ReplyBuffering
  readonly #onFileError: (error: Error) => void
  readonly #queue = new ByteQueue()
  #file: ReplyFile | undefined
  /** Bytes on their way to the file, which are in memory until they are there. */
  #leaving = 0
  #paused = false
  /** The source gives nothing more and is not called any more. */
  #ended = false
  /** The end was given to the reader. */
  #over = false
  #failure: Error | undefined
  /** The reader is being given something at this moment. */
  #inRead = false
  /** A turn of the event loop is waited for before the file is begun. */
  #waiting = false
  /** Writes to the client, where that is what this stream is piped to: nothing is handed over to the stream's own reader then. */
  #writer: ClientWriter | undefined
  readonly #delay = new SpoolDelay(systemTimers.now)

  /**
   * @param onFileError called once, when the temporary file fails, with FST_SCGI_TEMP_FILE: the reply breaks off, and nothing more is
   *   taken from the source, which is to be ended by the one who is called
   */
  constructor (source: ReplySource, settings: ReplyBuffering, onFileError: (error: Error) => void) {
    super({ highWaterMark: settings.busyBuffersSize })
    this.#source = source
    this.#settings = settings
    this.#onFileError = onFileError
  }

  /** Bytes read ahead that are in memory. */
  get inMemory (): number {
    return this.#queue.length + this.#leaving
  }

  /** Bytes read ahead that are in the temporary file. */
  get inFile (): number {
    return this.#file?.length ?? 0
  }

  /**
   * A piece of the body. Of a single read of the source all pieces are taken, also when the source was told to pause meanwhile. True if
   * the piece has left, and its memory is free.
   */
  feed (chunk: Buffer): boolean {
    if (this.#ended || chunk.length === 0) return true
    if (this.#queue.length === 0 && !this.#fileComesFirst && this.#passes(chunk.length)) return this.#handOver(chunk)
    this.#queue.push(chunk)
    this.#offer()
    return false
  }

  /** The body is complete. */
  finish (): void {
    if (this.#ended) return
    this.#ended = true
    this.#offer()
  }

  /** The body breaks off: what has come is still given to the reader, then the stream fails. */
  fail (error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#failure = error
    this.#offer()
  }

  override pipe<T extends NodeJS.WritableStream> (destination: T, options?: { end?: boolean }): T {
    const watched = this.listenerCount('data') > 0 || this.listenerCount('readable') > 0 || this.readableEncoding !== null
    const writer = watched || this.destroyed || this.readableEnded ? undefined : ClientWriter.to(destination, this.#written)
    if (writer === undefined) return super.pipe(destination, options)
    if (options?.end !== false) this.once('end', () => writer.end())
    destination.emit('pipe', this)
    this.#writer = writer
    // Reading tells whoever listens.
    const first: unknown = this.readableLength > 0 ? super.read() : undefined
    if (Buffer.isBuffer(first)) writer.write(first)
    // There is nothing in the stream to flow but its end.
    this.resume()
    this.on('resume', this.#written)
    this.#offer()
    return destination
  }

  override read (size?: number): unknown {
    const chunk: unknown = super.read(size)
    if (this.#writer !== undefined) return chunk
    if (!this.#isDrained) {
      this.#inRead = true
      this.#offer()
      this.#inRead = false
    }
    const error = this.#failure
    // read(0) is the stream's own, and reads nothing.
    if (error !== undefined && size !== 0 && this.readableLength === 0 && this.#isDrained) process.nextTick(() => this.destroy(error))
    return chunk
  }

  /** It is called before what is being read has made room, and not again until something is pushed: `read` hands over instead. */
  override _read (): void {}

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    this.#queue.clear()
    this.#file?.close()
    if (!this.#ended) {
      this.#ended = true
      this.#source.abandon()
    }
    callback(error)
  }

  get #fileComesFirst (): boolean {
    const file = this.#file
    return file !== undefined && (file.length > 0 || file.writing)
  }

  /** All that has come is handed over. */
  get #isDrained (): boolean {
    return this.#queue.length === 0 && !this.#fileComesFirst
  }

  /** Bytes that are handed over and were not taken. */
  get #handedOver (): number {
    return this.#writer === undefined ? this.readableLength : this.#writer.pending
  }

  /** A further read of the source may have more bytes than there is room for. */
  get #isFull (): boolean {
    return this.inMemory > this.#settings.memory - this.#settings.bufferSize
  }

  /** Bytes that may be handed over; a reader that asks for more than the limit at once has it raised. */
  get #roomAhead (): number {
    return this.readableHighWaterMark - this.#handedOver
  }

  /** Whether a piece may be handed over as it is: it fits, or it does not stay. */
  #passes (length: number): boolean {
    if (this.#writer !== undefined) return !this.isPaused() && (length <= this.#roomAhead || this.#handedOver === 0)
    return length <= this.#roomAhead || (this.readableLength === 0 && this.readableFlowing === true)
  }

  /** True if the piece has left, and its memory is free. */
  #handOver (piece: Buffer): boolean {
    const writer = this.#writer
    if (writer === undefined) {
      this.push(piece)
      return false
    }
    const isFree = writer.write(piece)
    if (this.listenerCount('data') === 0) return isFree
    this.emit('data', piece)
    return false
  }

  /** The client has taken what was written last, or somebody has ended a pause. */
  readonly #written = (): void => {
    if (!this.destroyed && !this.#over && (this.#paused || this.#ended || !this.#isDrained)) this.#offer()
  }

  /** Hands over what fits, and sees to what follows from the rest. */
  #offer (): void {
    // The reader may do anything while it is given a piece: all is looked at again each time.
    while (!this.#fileComesFirst) {
      const piece = this.#next()
      if (piece === undefined) break
      this.#handOver(piece)
    }
    if (this.destroyed) return
    if (this.inFile > 0) this.#readBack()
    if (this.#ended) {
      if (!this.#isDrained) return
      // The end is told at once, and this reader has yet to get what it has read.
      if (this.#inRead) process.nextTick(() => this.#end())
      else this.#end()
    } else if (this.#isFull) {
      if (!this.#paused) {
        this.#paused = true
        this.#source.pause()
        if (this.#writer !== undefined) this.#delay.begin()
      }
      this.#spillSoon()
    } else if (this.#paused) {
      this.#paused = false
      this.#delay.end()
      this.#source.resume()
    }
  }

  /** The next bytes from memory, where they may be handed over. */
  #next (): Buffer | undefined {
    if (this.#writer !== undefined) return this.#passes(this.#queue.nextLength) ? this.#queue.take(Infinity) : undefined
    const room = this.#roomAhead
    return room > 0 ? this.#queue.take(room) : undefined
  }

  #end (): void {
    this.#file?.close()
    if (this.destroyed || this.#over) return
    if (this.#failure === undefined) {
      this.#over = true
      this.push(null)
    } else if (this.#handedOver === 0) {
      this.destroy(this.#failure)
    }
  }

  /**
   * A client that takes its bytes in this turn of the event loop keeps up, and needs no file; and a reply that ends with the piece
   * that was one too many needs none either. Of a client that we write to ourselves it is known better how far it is behind.
   */
  #spillSoon (): void {
    if (this.#settings.maxTempFileSize === 0 || this.#waiting) return
    if (this.#fileComesFirst) {
      this.#spill()
      return
    }
    const wait = this.#spoolDelay
    this.#waiting = true
    if (wait <= 0) setImmediate(BufferedReply.#turn, this)
    else setTimeout(BufferedReply.#turn, wait, this).unref()
  }

  get #spoolDelay (): number {
    // Without a limit to the file the reply is wanted by others too, whom no client shall hold up.
    return this.#writer === undefined || this.#settings.maxTempFileSize === Infinity ? 0 : this.#delay.left
  }

  static #turn (reply: BufferedReply): void {
    reply.#waiting = false
    if (reply.#ended || !reply.#isFull) return
    if (reply.#spoolDelay > 0) reply.#spillSoon()
    else reply.#spill()
  }

  /** Writes the oldest bytes in memory to the file, where it has room. */
  #spill (): void {
    const { tempPath, maxTempFileSize, tempFileWriteSize, tempTotal } = this.#settings
    const file = this.#file ??= new ReplyFile(tempPath, maxTempFileSize, tempTotal)
    if (file.writing) return
    const room = file.room(tempFileWriteSize)
    if (room === 0) return
    const pieces = this.#queue.takeAll(room)
    for (const { length } of pieces) this.#leaving += length
    file.write(pieces, error => {
      this.#leaving = 0
      if (this.destroyed) return
      if (error !== null) {
        this.#queue.unshift(pieces)
        // A reply that is complete meanwhile needs no more room than it has.
        if (!this.#ended) {
          this.#fileFailed(error)
          return
        }
      }
      this.#offer()
    })
  }

  #readBack (): void {
    const file = this.#file
    // A client that has all that was written may get as much as a single read of the application would give it.
    const room = this.#writer?.pending === 0 ? Math.max(this.#roomAhead, this.#settings.bufferSize) : this.#roomAhead
    if (this.#writer !== undefined && this.isPaused()) return
    if (file === undefined || file.reading || room <= 0) return
    file.read(room, (error, bytes) => {
      if (this.destroyed) return
      if (error !== null) {
        // What follows is of no use without it.
        file.close()
        this.#queue.clear()
        this.#fileFailed(error)
        return
      }
      this.#handOver(bytes)
      this.#offer()
    })
  }

  #fileFailed (cause: Error): void {
    const error = tempFileError(cause, this.#settings.tempPath)
    this.#ended = true
    this.#failure ??= error
    this.#onFileError(error)
    this.#offer()
  }
}
