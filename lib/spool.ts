import { close, createReadStream, mkdtempSync, open, read, rmdirSync, unlink, write } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { FST_SCGI_TEMP_FILE } from './errors.ts'

let ownDirectory: string | undefined
let counter = 0

/** Our own directory under the system's temporary one, mode 0700, made when it is first needed. */
function defaultDirectory (): string {
  if (ownDirectory === undefined) {
    ownDirectory = mkdtempSync(join(tmpdir(), 'fastify-scgi-'))
    process.off('exit', removeDirectory)
    process.once('exit', removeDirectory)
  }
  return ownDirectory
}

function removeDirectory (): void {
  if (ownDirectory === undefined) return
  try {
    rmdirSync(ownDirectory)
  } catch {
    // Somebody else's file is in it, or a cleaner of temporary files was first.
  }
}

/** `autoClose: false` is not enough: a reader that is destroyed closes its descriptor all the same, and here it is not the reader's. */
const READ_ONLY = { open, read, close: (_fd: number, done: (error: NodeJS.ErrnoException | null) => void) => process.nextTick(done, null) }

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

  /** True where a file is used. */
  get spilled (): boolean {
    return this.#fd !== -1
  }

  /**
   * Takes a chunk. Calls back when it is safe and the next may come; at once where it fits in memory. Not to be called
   * again before that.
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
    const reader = createReadStream('', { fd: this.#fd, fs: READ_ONLY, start: 0, end: this.#length - 1, highWaterMark: 65536 })
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
      const failure = new FST_SCGI_TEMP_FILE(`${error.code ?? error.message} in ${this.#options.tempPath ?? ownDirectory ?? tmpdir()}`)
      failure.cause = error
      done(failure)
    }
    const bytes = this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : Buffer.concat(this.#chunks)
    this.#chunks = []
    if (this.#fd !== -1) {
      this.#write(bytes, 0, finish)
      return
    }
    let path: string
    try {
      path = join(this.#options.tempPath ?? defaultDirectory(), `${process.pid}-${(++counter).toString().padStart(10, '0')}`)
    } catch (error) {
      process.nextTick(finish, error)
      return
    }
    open(path, 'wx+', 0o600, (error, fd) => {
      if (error !== null) {
        // A cleaner of temporary files may have taken our directory: the next body gets a new one.
        if (error.code === 'ENOENT' && this.#options.tempPath === undefined) ownDirectory = undefined
        finish(error)
        return
      }
      this.#fd = fd
      unlink(path, unlinkError => {
        if (unlinkError === null) this.#write(bytes, 0, finish)
        else finish(unlinkError)
      })
    })
  }

  #write (bytes: Buffer, offset: number, finish: (error?: NodeJS.ErrnoException | null) => void): void {
    write(this.#fd, bytes, offset, bytes.length - offset, this.#fileLength, (error, written) => {
      if (error !== null) {
        finish(error)
        return
      }
      this.#fileLength += written
      // A disk that fills up, or a signal, writes less than it was given.
      if (offset + written < bytes.length) this.#write(bytes, offset + written, finish)
      else finish()
    })
  }
}
