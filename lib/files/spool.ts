import { close, write, writeSync } from 'node:fs'
import { AtOnce } from './at-once.ts'
import { SpoolReader } from './spool-reader.ts'
import { openTempFile, openTempFileNow, tempFileError, type TempPlace } from './temp-file.ts'
import { SPOOL_WRITE } from '../runtime/diagnostics.ts'
import type { Readable } from 'node:stream'

/** Files are written at once, as nginx does, unless the disk is slow. */
const disk = new AtOnce()

export interface SpoolOptions {
  /** Bytes held in memory before the file begins. */
  readonly memory: number
  /** Directory of the file; `undefined` for our own. */
  readonly tempPath: string | undefined
}

/**
 * Bytes collected in memory and, past a limit, in one temporary file that has no name any more: nothing is left behind
 * when the process dies. It can be read any number of times, one after the other, until `close()`.
 */
export class Spool {
  readonly #options: SpoolOptions
  #chunks: Buffer[] = []
  #length = 0
  #fd = -1
  #fileLength = 0
  /** A write to the file (or its opening) is on its way; the descriptor may not be closed under it. */
  #busy = false
  #closed = false
  #afterWrite: (() => void) | undefined
  readonly #readers = new Set<Readable>()

  constructor (options: SpoolOptions) {
    this.#options = options
  }

  /** Bytes so far. */
  get length (): number {
    return this.#length
  }

  /**
   * Takes a chunk. Calls back when it is safe and the next may come: before this returns where it fits in memory, and most times where it
   * does not. Not to be called again before that.
   */
  write (chunk: Buffer, done: (error?: Error) => void): void {
    this.#length += chunk.length
    this.#chunks.push(chunk)
    if (this.#length - this.#fileLength <= this.#options.memory) done()
    else this.#flush(done)
  }

  /**
   * Ends the writing; what is in memory stays there if all of it is, and goes to the file otherwise. A write may still be on its way:
   * a stream that is paused can end all the same.
   */
  end (done: (error?: Error) => void): void {
    if (this.#busy) this.#afterWrite = () => this.end(done)
    else if (this.#fd === -1 || this.#chunks.length === 0) done()
    else this.#flush(done)
  }

  /** The bytes: one Buffer where they are in memory, else a stream from the file. */
  read (): Buffer | Readable {
    if (this.#fd === -1) {
      const only = this.#chunks.length === 1 ? this.#chunks[0] : undefined
      const whole = only ?? Buffer.concat(this.#chunks, this.#length)
      this.#chunks = [whole]
      return whole
    }
    // One sending at a time: what an attempt before this one has left of its own is of no more use.
    for (const former of this.#readers) former.destroy()
    const reader = new SpoolReader(this.#fd, this.#length, disk)
    this.#readers.add(reader)
    reader.once('close', () => {
      this.#readers.delete(reader)
      this.#release()
    })
    return reader
  }

  /** Frees memory and file. Readers still open are destroyed. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    this.#chunks = []
    for (const reader of this.#readers) reader.destroy()
    this.#release()
  }

  #release (): void {
    if (!this.#closed || this.#busy || this.#fd === -1 || this.#readers.size > 0) return
    const fd = this.#fd
    this.#fd = -1
    close(fd, () => {})
  }

  #flush (done: (error?: Error) => void): void {
    this.#busy = true
    const place: TempPlace = { path: this.#options.tempPath, make: false, levels: [] }
    const finish = (error?: NodeJS.ErrnoException | null): void => {
      this.#busy = false
      this.#release()
      if (!error) {
        done()
        const next = this.#afterWrite
        this.#afterWrite = undefined
        next?.()
        return
      }
      done(tempFileError(error, place))
    }
    const bytes = this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : Buffer.concat(this.#chunks)
    this.#chunks = []
    if (this.#fd === -1 && disk.allowed) this.#fd = disk.run(() => openTempFileNow(place))
    if (this.#fd !== -1) {
      this.#write(bytes, 0, finish)
      return
    }
    openTempFile(place, (error, fd) => {
      if (error !== null) {
        finish(error)
        return
      }
      this.#fd = fd
      this.#write(bytes, 0, finish)
    })
  }

  #write (bytes: Buffer, offset: number, finish: (error?: NodeJS.ErrnoException | null) => void): void {
    const start = offset + this.#writeNow(bytes, offset)
    if (start === bytes.length) finish()
    else this.#writeLater(bytes, start, finish)
  }

  /** Writes as much as the disk takes at once. What fails is tried again by the pool, which tells why. */
  #writeNow (bytes: Buffer, offset: number): number {
    if (!disk.allowed) return 0
    try {
      const written = disk.run(() => writeSync(this.#fd, bytes, offset, bytes.length - offset, this.#fileLength))
      this.#wrote(written)
      return written
    } catch {
      return 0
    }
  }

  #writeLater (bytes: Buffer, offset: number, finish: (error?: NodeJS.ErrnoException | null) => void): void {
    write(this.#fd, bytes, offset, bytes.length - offset, this.#fileLength, (error, written) => {
      if (error !== null) {
        finish(error)
        return
      }
      this.#wrote(written)
      // A disk that fills up, or a signal, writes less than it was given.
      if (offset + written < bytes.length) this.#writeLater(bytes, offset + written, finish)
      else finish()
    })
  }

  #wrote (bytes: number): void {
    this.#fileLength += bytes
    if (SPOOL_WRITE.hasSubscribers) SPOOL_WRITE.publish({ kind: 'request', bytes })
  }
}
