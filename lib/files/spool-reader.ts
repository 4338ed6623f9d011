import { read, readSync } from 'node:fs'
import { Readable } from 'node:stream'
import { takeRoom } from '../bytes/rooms.ts'
import type { AtOnce } from './at-once.ts'

/** Bytes of one read. */
const PIECE = 65_536

/**
 * Reads a file of ours from its start, up to `length`. It was written moments ago and lies in the system's memory, so that it is read at
 * once, unless the disk is slow. The descriptor stays open; nothing reads from it any more after 'close'. Whoever gets a piece may give its
 * memory back as a room.
 */
export class SpoolReader extends Readable {
  readonly #fd: number
  readonly #length: number
  readonly #disk: AtOnce
  #at = 0
  /** A read is on its way, and what is called when it is over, if the stream was closed meanwhile. */
  #reading = false
  #whenRead: (() => void) | undefined

  constructor (fd: number, length: number, disk: AtOnce) {
    super({ highWaterMark: PIECE })
    this.#fd = fd
    this.#length = length
    this.#disk = disk
  }

  override _read (): void {
    const length = Math.min(PIECE, this.#length - this.#at)
    if (length === 0) {
      this.push(null)
      return
    }
    const room = takeRoom(length)
    if (this.#disk.allowed) {
      let got
      try {
        got = this.#disk.run(() => readSync(this.#fd, room, 0, length, this.#at))
      } catch (error) {
        this.destroy(error instanceof Error ? error : new Error(String(error)))
        return
      }
      this.#give(room, got)
      return
    }
    this.#reading = true
    read(this.#fd, room, 0, length, this.#at, (error, got) => {
      this.#reading = false
      if (this.#whenRead !== undefined) this.#whenRead()
      else if (error === null) this.#give(room, got)
      else this.destroy(error)
    })
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#reading) this.#whenRead = () => callback(error)
    else callback(error)
  }

  /** A file that somebody has made shorter ends early: whoever sends it knows its length. */
  #give (room: Buffer, got: number): void {
    this.#at += got
    this.push(got === 0 ? null : room.subarray(0, got))
  }
}
