import { closeSync, openSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { crc32 } from './crc32.ts'
import type { Listed } from '../../../runtime/active-list.ts'
import type { CacheStoreKey, CacheStoreValue } from '../../../../types/cache-store.ts'
import { FST_SCGI_CACHE_STORE } from '../../../errors.ts'
import { readTags } from '../../tags.ts'
import { codeOf } from '../../../runtime/caught.ts'
import type { AtOnce } from '../../../files/at-once.ts'
import { close, open, shut, SMALL, writeAt, writeNow } from './files.ts'
import { encodeHead, encodeStart, layout } from './format.ts'
import { tempName } from './names.ts'

/** Names of temporary files that may be taken before it is given up. */
const MAX_TAKEN = 100

export interface DiskWriterOptions {
  readonly key: CacheStoreKey
  readonly value: CacheStoreValue
  /** The key's bytes, and the name of its first entry. */
  readonly bytes: Buffer
  readonly name: string
  readonly tempDirectory: string
  /** Bytes of the whole file, and of the body. */
  readonly maxSize: number
  readonly maxEntrySize: number
  readonly atOnce: AtOnce
  /** Gives the file its name; false if it is not wanted any more. */
  readonly commit: (writer: DiskWriter) => Promise<boolean>
}

/** Takes a body into a temporary file, which becomes the entry at the end. */
export class DiskWriter extends Writable implements Listed {
  place = -1
  readonly options: DiskWriterOptions
  readonly tags: readonly string[]
  readonly #head: Buffer
  readonly #bodyOffset: number
  #chunks: Buffer[] = []
  #length = 0
  #written = 0
  #crc = 0
  #id = ''
  #fd = -1
  #path: string | undefined
  /** What is under way with the file: it may not be closed before. */
  #work: Promise<void> = Promise.resolve()

  constructor (options: DiskWriterOptions) {
    super({ highWaterMark: SMALL })
    this.options = options
    this.tags = readTags(options.value.headers)
    this.#head = encodeHead({ method: options.key.method, value: options.value })
    this.#bodyOffset = layout(options.bytes, this.#head).bodyOffset
  }

  /** The number of this writing, once it is complete. */
  get id (): string {
    return this.#id
  }

  /** Bytes of the file. */
  get size (): number {
    return this.#bodyOffset + this.#length
  }

  /** Writes what is left and the head, and gives the file's path. Part of the commit. */
  async complete (): Promise<string> {
    const { bytes: start, id } = encodeStart(this.options.bytes, this.#head, this.#length, this.#crc)
    this.#id = id
    const { atOnce } = this.options
    const small = this.#path === undefined && atOnce.allowed ? atOnce.run(() => this.#writeSmall(start)) : undefined
    if (small !== undefined) return small
    const path = this.#path ?? await this.#open()
    if (this.#written === 0) {
      await writeAt(this.#fd, [start, ...this.#chunks], 0)
    } else {
      await this.#flush()
      await writeAt(this.#fd, [start], 0)
    }
    this.#chunks = []
    const fd = this.#fd
    this.#fd = -1
    await close(fd)
    return path
  }

  /** The temporary file has become an entry: there is nothing to remove. */
  placed (): void {
    this.#path = undefined
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#length += chunk.length
    if (this.size > this.options.maxSize || this.#length > this.options.maxEntrySize) {
      this.destroy()
      done()
      return
    }
    this.#crc = crc32(chunk, this.#crc)
    this.#chunks.push(chunk)
    if (this.#length - this.#written <= SMALL) done()
    else this.#run(() => this.#flush(), done)
  }

  override _final (done: (error?: Error) => void): void {
    this.#run(async () => {
      // A store that does not want it destroys the stream, so that nobody is told it was there.
      if (!await this.options.commit(this)) this.destroy()
    }, done)
  }

  override _destroy (error: Error | null, done: (error: Error | null) => void): void {
    this.#chunks = []
    this.#work.finally(async () => {
      if (this.#fd !== -1) shut(this.#fd)
      this.#fd = -1
      if (this.#path !== undefined) await unlink(this.#path).catch(() => {})
    }).then(() => done(error), () => done(error))
  }

  #run (work: () => Promise<void>, done: (error?: Error) => void): void {
    this.#work = work().then(() => done(), cause => done(this.#failure(cause)))
  }

  #failure (cause: unknown): Error {
    const error = new FST_SCGI_CACHE_STORE(`${this.#path ?? this.options.tempDirectory}: ${cause instanceof Error ? cause.message : String(cause)}`)
    error.cause = cause
    return error
  }

  async #flush (): Promise<void> {
    if (this.#path === undefined) await this.#open()
    const chunks = this.#chunks
    this.#chunks = []
    let bytes = 0
    for (const chunk of chunks) bytes += chunk.length
    await writeAt(this.#fd, chunks, this.#bodyOffset + this.#written)
    this.#written += bytes
  }

  /** Writes the whole file at once; `undefined` if it cannot be opened, and it takes the long way to learn why. */
  #writeSmall (start: Buffer): string | undefined {
    const path = this.#nextPath()
    let fd: number
    try {
      fd = openSync(path, 'wx', 0o600)
    } catch {
      return undefined
    }
    this.#path = path
    try {
      writeNow(fd, [start, ...this.#chunks])
    } finally {
      closeSync(fd)
    }
    this.#chunks = []
    return path
  }

  #nextPath (): string {
    return join(this.options.tempDirectory, tempName(this.options.name))
  }

  async #open (): Promise<string> {
    for (let taken = 0; ; taken++) {
      const path = this.#nextPath()
      try {
        this.#fd = await open(path, 'wx', 0o600)
        this.#path = path
        return path
      } catch (error) {
        const code = codeOf(error)
        if (taken >= MAX_TAKEN || (code !== 'ENOENT' && code !== 'EEXIST')) throw error
        if (code === 'ENOENT') await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      }
    }
  }
}
