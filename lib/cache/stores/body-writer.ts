import { Writable } from 'node:stream'
import type { Listed } from '../../runtime/active-list.ts'
import type { CacheStoreKey } from '../../../types/cache-store.ts'

/** Makes an entry of a whole body, and calls `done` when that is over. */
type Commit = (pieces: readonly Buffer[], size: number, done: () => void) => void

/** Collects a body in memory, up to a limit. */
export class BodyWriter extends Writable implements Listed {
  place = -1
  readonly key: CacheStoreKey
  readonly tags: readonly string[]
  readonly #limit: number
  readonly #commit: Commit
  #chunks: Buffer[] = []
  #size = 0

  constructor (key: CacheStoreKey, tags: readonly string[], limit: number, commit: Commit) {
    super()
    this.key = key
    this.tags = tags
    this.#limit = limit
    this.#commit = commit
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#size += chunk.length
    if (this.#size > this.#limit) this.destroy()
    else this.#chunks.push(chunk)
    done()
  }

  override _final (done: () => void): void {
    this.#commit(this.#chunks, this.#size, done)
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#chunks = []
    done(error)
  }
}
