import { read } from 'node:fs'
import { Readable } from 'node:stream'
import { crc32 } from './crc32.ts'
import { FST_SCGI_CACHE_STORE } from '../../../errors.ts'
import { shut } from './files.ts'

const CHUNK = 65_536

/** Closes what was neither read nor destroyed by those who got it. */
const forgotten = new FinalizationRegistry<number>(shut)

/** A body, or a part of one, in an open file. */
export interface BodyPart {
  readonly path: string
  readonly fd: number
  /** Offset of the first byte, and of the one after the last. */
  readonly start: number
  readonly end: number
}

export interface DiskBodyOptions extends BodyPart {
  /** Bytes at `start` that were read already. */
  readonly first?: Buffer
  /** What the bytes are to add up to, and what to do about it. */
  readonly check?: { readonly crc: number, readonly onResult: (right: boolean) => void }
}

/** A part of a file, which this reads and closes; whether the file still has a name does not matter. */
export class DiskBody extends Readable {
  readonly #options: DiskBodyOptions
  #fd: number
  #position: number
  #crc = 0
  #reading = false
  #used = false
  #afterRead: (() => void) | undefined

  constructor (options: DiskBodyOptions) {
    super({ highWaterMark: CHUNK })
    this.#options = options
    this.#fd = options.fd
    this.#position = options.start
    forgotten.register(this, options.fd, this)
  }

  /** Gives the open file away, if nothing was read of it yet; this stream is of no use any more. */
  detach (): BodyPart | undefined {
    if (this.#used || this.#fd === -1) return undefined
    this.#release()
    this.destroy()
    return this.#options
  }

  override _read (): void {
    const { end, first } = this.#options
    if (!this.#used && first !== undefined && first.length > 0) {
      this.#used = true
      this.#give(first)
      return
    }
    this.#used = true
    const length = Math.min(CHUNK, end - this.#position)
    const chunk = Buffer.allocUnsafeSlow(length)
    this.#reading = true
    read(this.#fd, chunk, 0, length, this.#position, (error, bytes) => {
      this.#reading = false
      if (this.#afterRead !== undefined) this.#afterRead()
      else if (error !== null) this.#fail(error.message, error)
      else if (bytes === 0) this.#fail('the file has become shorter')
      else this.#give(chunk.subarray(0, bytes))
    })
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    const end = (): void => {
      if (this.#fd !== -1) {
        const fd = this.#fd
        this.#release()
        shut(fd)
      }
      done(error)
    }
    // A descriptor that is being read may not be closed: its number could be another file's by then.
    if (this.#reading) this.#afterRead = end
    else end()
  }

  #release (): void {
    forgotten.unregister(this)
    this.#fd = -1
  }

  #give (chunk: Buffer): void {
    this.#position += chunk.length
    if (this.#options.check !== undefined) this.#crc = crc32(chunk, this.#crc)
    this.push(chunk)
    // Whoever counts bytes has all of them now, and may never ask for the end.
    if (this.#position === this.#options.end && !this.destroyed) this.#finish()
  }

  #finish (): void {
    const { check } = this.#options
    const right = check === undefined || check.crc === this.#crc
    check?.onResult(right)
    if (right) this.push(null)
    else this.#fail('its bytes have changed')
  }

  #fail (reason: string, cause?: Error): void {
    const error = new FST_SCGI_CACHE_STORE(`${this.#options.path}: ${reason}`)
    if (cause !== undefined) error.cause = cause
    this.destroy(error)
  }
}
