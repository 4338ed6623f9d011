import { read } from 'node:fs'
import { crc32 } from './crc32.ts'
import { FST_SCGI_CACHE_STORE } from '../../../errors.ts'
import { PartedBody } from '../../parted-body.ts'
import { toError } from '../../../runtime/caught.ts'
import { readAt } from './files.ts'
import type { Readable } from 'node:stream'
import type { SharedFile } from './shared-file.ts'

const CHUNK = 65_536
/** A body, or a part of one, up to this is handed out as one Buffer. */
export const ONE_BUFFER = 65_536

const SHORTER = 'the file has become shorter'

/** Closes what was neither read nor destroyed by those who got it. */
const forgotten = new FinalizationRegistry<SharedFile>(file => file.release())

/** A body, or a part of one, in an open file. */
interface BodyPart {
  /** The reader's own share of it. */
  readonly file: SharedFile
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

/** A part of an open file, which this reads and releases; whether the file still has a name does not matter. */
export class DiskBody extends PartedBody {
  readonly #options: DiskBodyOptions
  #open = true
  #position: number
  #crc = 0
  #reading = false
  #used = false
  #afterRead: (() => void) | undefined

  constructor (options: DiskBodyOptions) {
    super({ highWaterMark: CHUNK })
    this.#options = options
    this.#position = options.start
    forgotten.register(this, options.file, this)
  }

  /** Each part has its share of the file. */
  override openPart (first: number, last: number): Readable | Promise<Buffer> | undefined {
    const { file, start, end } = this.#options
    if (!this.#open || this.destroyed || first < 0 || first > last || start + last >= end) return undefined
    const part = { file: file.share(), start: start + first, end: start + last + 1 }
    return last - first < ONE_BUFFER ? readPart(part) : new DiskBody(part)
  }

  /** Nothing was read of it, and it was not destroyed. */
  get isFresh (): boolean {
    return !this.#used && this.#open && !this.destroyed
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
    read(this.#options.file.fd, chunk, 0, length, this.#position, (error, bytes) => {
      this.#reading = false
      if (this.#afterRead !== undefined) this.#afterRead()
      else if (error !== null) this.#fail(error.message, error)
      else if (bytes === 0) this.#fail(SHORTER)
      else this.#give(chunk.subarray(0, bytes))
    })
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    const end = (): void => {
      this.#release()
      done(error)
    }
    // A descriptor that is being read may not be closed: its number could be another file's by then.
    if (this.#reading) this.#afterRead = end
    else end()
  }

  #release (): void {
    if (!this.#open) return
    this.#open = false
    forgotten.unregister(this)
    this.#options.file.release()
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
    this.destroy(failure(this.#options.file, reason, cause))
  }
}

async function readPart ({ file, start, end }: BodyPart): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(end - start)
  let have: number
  try {
    have = await readAt(file.fd, bytes, start)
  } catch (error) {
    const cause = toError(error)
    throw failure(file, cause.message, cause)
  } finally {
    file.release()
  }
  if (have < bytes.length) throw failure(file, SHORTER)
  return bytes
}

function failure ({ path }: SharedFile, reason: string, cause?: Error): Error {
  const error = new FST_SCGI_CACHE_STORE(`${path}: ${reason}`)
  if (cause !== undefined) error.cause = cause
  return error
}
