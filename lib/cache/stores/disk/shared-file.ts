import { shut } from './files.ts'

/** An open file with several readers: it is closed when the last of them is done with it. */
export class SharedFile {
  readonly path: string
  readonly fd: number
  #readers = 1

  constructor (path: string, fd: number) {
    this.path = path
    this.fd = fd
  }

  /** The same file for one more reader, who is to release it. */
  share (): this {
    this.#readers++
    return this
  }

  /** A reader is done, and reads nothing any more. Each may say so once. */
  release (): void {
    if (--this.#readers === 0) shut(this.fd)
  }
}
