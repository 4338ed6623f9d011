import type { Readable } from 'node:stream'
import type { SeekableBody } from './plan.ts'
import type { CachedEntry } from '../cache/entry.ts'

/** The body of a cache's entry as the filters read it: all of it, or the parts that are wanted and no more. */
export class EntryBody implements SeekableBody {
  readonly size: number
  readonly #entry: CachedEntry

  constructor (entry: CachedEntry) {
    this.size = entry.size
    this.#entry = entry
  }

  get sequential (): boolean {
    return this.#entry.sequential
  }

  open (start?: number, end?: number): Readable | Buffer | Promise<Readable | Buffer> {
    if (start === undefined || end === undefined) return this.#entry.whole() ?? this.#entry.stream()
    return this.#entry.openRange(start, end - 1)
  }

  close (): void {
    // Also where parts were taken: the file that they come from stays open until then.
    this.#entry.discard()
  }
}
