import { Writable } from 'node:stream'
import { readTags } from '../tags.ts'
import type { Listed } from '../../runtime/active-list.ts'
import type { CacheStoreKey, CacheStoreValue } from '../../../types/cache-store.ts'

/** Collects a body; the entry is made at the end. */
export class MemoryWriter extends Writable implements Listed {
  place = -1
  readonly key: CacheStoreKey
  readonly value: CacheStoreValue
  readonly tags: readonly string[]
  readonly #limit: number
  readonly #commit: (pieces: readonly Buffer[], size: number) => void
  #chunks: Buffer[] = []
  #size = 0

  constructor (key: CacheStoreKey, value: CacheStoreValue, limit: number, commit: (pieces: readonly Buffer[], size: number) => void) {
    super()
    this.key = key
    this.value = value
    this.tags = readTags(value.headers)
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
    this.#commit(this.#chunks, this.#size)
    done()
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#chunks = []
    done(error)
  }
}
