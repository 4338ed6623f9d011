import { close, read, writev } from 'node:fs'
import { openTempFile, type TempPlace } from '../files/temp-file.ts'
import { SPOOL_WRITE } from '../runtime/diagnostics.ts'

/** What the temporary files of one mount occupy together. */
export interface TempTotal {
  used: number
  /** Bytes that they may have. */
  readonly limit: number
}

/** A file of more bytes than this is closed when all of them were read, so that the disk has its room back. */
const KEPT_SIZE = 2 ** 20

/**
 * Bytes in one temporary file without a name, first in, first out. What was read makes room at its beginning: the file goes round.
 * One write and one read may be on their way at the same time.
 */
export class ReplyFile {
  /** Bytes in it that were not read yet. */
  length = 0
  /** A write, or the opening before it, is on its way. */
  writing = false
  reading = false
  readonly #place: TempPlace
  readonly #limit: number
  readonly #total: TempTotal
  #fd = -1
  #readAt = 0
  #writeAt = 0
  /** Where the bytes before the wrap end, or -1: then all of them lie between `#readAt` and `#writeAt`. */
  #wrapAt = -1
  /** Bytes that the file occupies. */
  #extent = 0
  #closed = false

  /** @param limit most bytes that it may occupy */
  constructor (place: TempPlace, limit: number, total: TempTotal) {
    this.#place = place
    this.#limit = limit
    this.#total = total
  }

  /** The bytes that the next write may have; at most `most`. Not to be asked during a write. */
  room (most: number): number {
    if (this.#wrapAt !== -1) return Math.min(most, this.#readAt - this.#writeAt)
    const end = Math.min(this.#limit, this.#extent + Math.max(0, this.#total.limit - this.#total.used))
    if (this.#writeAt < end) return Math.min(most, end - this.#writeAt)
    if (this.#readAt === 0) return 0
    this.#wrapAt = this.#writeAt
    this.#writeAt = 0
    return Math.min(most, this.#readAt)
  }

  /**
   * Appends the pieces, which together have at most `room()` bytes. What is in the file leaves the list: after an error the rest is
   * still in it.
   */
  write (pieces: Buffer[], done: (error: NodeJS.ErrnoException | null) => void): void {
    this.writing = true
    const finish = (error: NodeJS.ErrnoException | null): void => {
      this.writing = false
      if (this.#closed) this.#release()
      done(error)
    }
    if (this.#fd !== -1) {
      this.#write(pieces, finish)
      return
    }
    openTempFile(this.#place, (error, fd) => {
      this.#fd = fd
      if (error === null && !this.#closed) this.#write(pieces, finish)
      else finish(error)
    })
  }

  /** Reads the next bytes, at most `most`. Not to be called while it is empty, or during another read. */
  read (most: number, done: (error: NodeJS.ErrnoException | null, bytes: Buffer) => void): void {
    this.reading = true
    const end = this.#wrapAt === -1 ? this.#writeAt : this.#wrapAt
    const buffer = Buffer.allocUnsafeSlow(Math.min(most, end - this.#readAt, this.length))
    read(this.#fd, buffer, 0, buffer.length, this.#readAt, (error, bytesRead) => {
      this.reading = false
      if (this.#closed) this.#release()
      else if (error === null && bytesRead > 0) this.#consumed(bytesRead)
      const failure = error ?? (bytesRead === 0 ? new Error('the file is shorter than what was written to it') : null)
      done(failure, bytesRead < buffer.length ? buffer.subarray(0, bytesRead) : buffer)
    })
  }

  /** Drops what is in it and closes the file, as soon as nothing is on its way. */
  close (): void {
    this.length = 0
    this.#closed = true
    this.#release()
  }

  #write (pieces: Buffer[], done: (error: NodeJS.ErrnoException | null) => void): void {
    const wanted = pieces.reduce((sum, { length }) => sum + length, 0)
    const growth = this.#writeAt + wanted - this.#extent
    if (growth > 0) {
      this.#extent += growth
      this.#total.used += growth
    }
    writev(this.#fd, pieces, this.#writeAt, (error, written) => {
      if (error !== null) {
        done(error)
        return
      }
      this.#writeAt += written
      if (SPOOL_WRITE.hasSubscribers) SPOOL_WRITE.publish({ kind: 'reply', bytes: written })
      if (!this.#closed) this.length += written
      skip(pieces, written)
      // A disk that fills up, or a signal, writes less than it was given.
      if (written < wanted && !this.#closed) this.#write(pieces, done)
      else done(null)
    })
  }

  #consumed (bytes: number): void {
    this.length -= bytes
    this.#readAt += bytes
    if (this.#readAt === this.#wrapAt) {
      this.#readAt = 0
      this.#wrapAt = -1
    }
    if (this.length > 0 || this.writing) return
    this.#readAt = this.#writeAt = 0
    this.#wrapAt = -1
    if (this.#extent > KEPT_SIZE) this.#release()
  }

  #release (): void {
    if (this.writing || this.reading) return
    this.#total.used -= this.#extent
    this.#extent = 0
    if (this.#fd === -1) return
    const fd = this.#fd
    this.#fd = -1
    close(fd, () => {})
  }
}

/** Takes the first bytes off a list. */
function skip (pieces: Buffer[], bytes: number): void {
  let left = bytes
  let whole = 0
  for (const { length } of pieces) {
    if (length > left) break
    left -= length
    whole++
  }
  pieces.splice(0, whole)
  const first = pieces[0]
  if (first !== undefined && left > 0) pieces[0] = first.subarray(left)
}
