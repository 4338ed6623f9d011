import { randomInt } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { pathBytes, pathText } from '../bytes/binary-path.ts'
import { FST_SCGI_STORE } from '../errors.ts'
import { codeOf } from '../runtime/caught.ts'
import { STORE_PREFIX } from '../files/leftovers.ts'
import { PROCESS_MARK } from '../runtime/process-mark.ts'
import { openDirectory, type Directory } from './store-directory.ts'

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
const COPY_CHUNK = 262_144
/** Bytes of one write: of a larger one nobody would know for long whether the disk takes anything. */
const WRITE_SIZE = 1_048_576
/** Random names that may be taken already. */
const MAX_TAKEN = 10

/** Where and how replies are stored. */
export interface MirrorPlace {
  /** Absolute path, binary string. */
  readonly root: string
  /** Directory of unfinished files, binary string; `undefined` for the root, where renaming is always within one file system. */
  readonly tempPath: string | undefined
  readonly fileMode: number
  /** Of those that are made, whatever the umask. */
  readonly directoryMode: number
}

type Done = (error?: Error) => void

/**
 * One reply on its way into a file. Nobody sees the file before it is complete: it is written under another name and renamed. The first
 * failure ends it: the temporary file goes, and every call from then on reports that same error, FST_SCGI_STORE.
 */
export class MirrorFile {
  readonly #place: MirrorPlace
  readonly #names: readonly string[]
  readonly #mtime: number | undefined
  #queue: Buffer[] = []
  #waiting: Done[] = []
  #length = 0
  #written = 0
  #handle: FileHandle | undefined
  #temp: string | Buffer | undefined
  #running = false
  #committing = false
  /** Committed, aborted or failed: nothing more happens to the file. */
  #over = false
  #aborted = false
  #error: Error | undefined

  /**
   * @param names the directories and the name below the root, binary strings, none of them empty, `.` or `..`
   * @param mtime modification time that the file gets, in seconds since the epoch
   */
  constructor (place: MirrorPlace, names: readonly string[], mtime: number | undefined) {
    this.#place = place
    this.#names = names
    this.#mtime = mtime
  }

  /** Path below the root, for people. */
  get path (): string {
    return pathText(this.#names.join('/'))
  }

  /** Bytes taken. */
  get length (): number {
    return this.#length
  }

  /** Bytes taken and not yet written, all of them in memory. */
  get queued (): number {
    return this.#length - this.#written
  }

  /**
   * Takes a chunk, which from now on nobody may change. Calls back when it is written, or could not be. The next may come before that;
   * `queued` tells how much waits. After `abort()` nothing is called back.
   */
  write (chunk: Buffer, done: Done): void {
    if (this.#refused(done)) return
    this.#length += chunk.length
    this.#queue.push(chunk)
    this.#waiting.push(done)
    this.#run()
  }

  /**
   * Puts the file in its place, which may be that of an older one, once all that was taken is written.
   *
   * @param expectedLength Content-Length, or -1 if the application gave none: a file of another length is not stored
   */
  commit (expectedLength: number, done: Done): void {
    if (this.#refused(done)) return
    if (expectedLength >= 0 && expectedLength !== this.#length) {
      this.#waiting.push(done)
      this.#fail(`the reply is incomplete: ${this.#length} of ${expectedLength} bytes`)
      return
    }
    this.#committing = true
    this.#waiting.push(done)
    this.#run()
  }

  /** Gives the reply up and removes the temporary file. Has no effect on what is stored already. */
  abort (): void {
    if (this.#over) return
    this.#over = this.#aborted = true
    this.#queue = []
    this.#waiting = []
    if (!this.#running) this.#discard()
  }

  #refused (done: Done): boolean {
    if (!this.#over && !this.#committing) return false
    if (!this.#aborted) process.nextTick(done, this.#error ?? new FST_SCGI_STORE(this.path, 'the reply has ended'))
    return true
  }

  #run (): void {
    if (this.#running) return
    this.#running = true
    this.#work().catch((error: unknown) => {
      this.#fail(codeOf(error) || String(error), error)
    }).finally(() => {
      this.#running = false
      if (this.#over) this.#discard()
      // It came while the last promise was being settled.
      else if (this.#queue.length > 0 || this.#committing) this.#run()
    })
  }

  async #work (): Promise<void> {
    if (this.#handle === undefined) await this.#open()
    while (this.#queue.length > 0) {
      const chunks = this.#queue
      const waiting = this.#waiting.splice(0, chunks.length)
      this.#queue = []
      try {
        await this.#write(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks))
      } catch (error) {
        if (!this.#aborted) this.#waiting.unshift(...waiting)
        throw error
      }
      if (this.#aborted) return
      for (const done of waiting) done(this.#error)
    }
    // A chunk's callback may have ended it.
    if (!this.#over && this.#committing) await this.#finish()
  }

  async #open (): Promise<void> {
    const { root, tempPath, directoryMode } = this.#place
    if (tempPath === undefined) await (await openDirectory(root, [], directoryMode)).close()
    const unfinished = (name: string): Buffer | string => pathBytes(join(tempPath ?? root, `${STORE_PREFIX}${PROCESS_MARK}-${name}`))
    const [handle, temp] = await create(unfinished).catch(async (error: unknown) => {
      if (tempPath === undefined || codeOf(error) !== 'ENOENT') throw error
      // No reply has been buffered in it yet.
      await mkdir(pathBytes(tempPath), 0o700).catch((failure: unknown) => {
        if (codeOf(failure) !== 'EEXIST') throw failure
      })
      return await create(unfinished)
    })
    this.#handle = handle
    this.#temp = temp
  }

  async #write (bytes: Buffer): Promise<void> {
    const handle = this.#handle
    if (handle === undefined) return
    // A disk that fills up, or a signal, writes less than it was given.
    for (let offset = 0; offset < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, offset, Math.min(WRITE_SIZE, bytes.length - offset))
      offset += bytesWritten
      this.#written += bytesWritten
    }
  }

  async #finish (): Promise<void> {
    const handle = this.#handle
    const temp = this.#temp
    const name = this.#names.at(-1)
    if (handle === undefined || temp === undefined || name === undefined) return
    await this.#dress(handle)
    this.#handle = undefined
    await handle.close()
    const directory = await openDirectory(this.#place.root, this.#names.slice(0, -1), this.#place.directoryMode)
    try {
      if (this.#over) return
      try {
        await rename(temp, directory.entry(name))
        this.#temp = undefined
      } catch (error) {
        if (codeOf(error) !== 'EXDEV') throw error
        await this.#copy(temp, directory, name)
      }
    } finally {
      await directory.close()
    }
    if (this.#over) return
    this.#over = true
    this.#settle()
  }

  /** Rights and time: of the open file, as the umask is not to count. */
  async #dress (handle: FileHandle): Promise<void> {
    await handle.chmod(this.#place.fileMode)
    if (this.#mtime === undefined) return
    await handle.utimes(Date.now() / 1000, this.#mtime).catch(() => {
      // A date that this file system does not know: the file keeps today's.
    })
  }

  /** On another file system: into the target's directory first, then renamed there. */
  async #copy (temp: string | Buffer, directory: Directory, name: string): Promise<void> {
    const [copy, copyPath] = await create(digits => directory.entry(`${name}.${digits}`))
    try {
      try {
        const source = await open(temp, 'r')
        try {
          const buffer = Buffer.allocUnsafe(COPY_CHUNK)
          for (let read = await source.read(buffer); read.bytesRead > 0 && !this.#over; read = await source.read(buffer)) {
            await copy.writeFile(buffer.subarray(0, read.bytesRead))
          }
        } finally {
          await source.close()
        }
        await this.#dress(copy)
      } finally {
        await copy.close()
      }
      if (this.#over) await unlink(copyPath)
      else await rename(copyPath, directory.entry(name))
    } catch (error) {
      await unlink(copyPath).catch(() => {})
      throw error
    }
  }

  #fail (reason: string, cause?: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#queue = []
    this.#error = new FST_SCGI_STORE(this.path, reason)
    if (cause !== undefined) this.#error.cause = cause
    if (!this.#running) this.#discard()
    this.#settle(this.#error)
  }

  #settle (error?: Error): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const done of waiting) process.nextTick(done, error)
  }

  /** What is left of an unfinished reply. Called when no work is under way. */
  #discard (): void {
    const handle = this.#handle
    const temp = this.#temp
    this.#handle = undefined
    this.#temp = undefined
    // Nothing can be done about a failure, and the reply has its own error.
    handle?.close().catch(() => {})
    if (temp !== undefined) unlink(temp).catch(() => {})
  }
}

/** Makes a new file, mode 0600, whose name ends in ten random digits. */
async function create (path: (digits: string) => string | Buffer): Promise<[handle: FileHandle, path: string | Buffer]> {
  for (let taken = 0; ; taken++) {
    const name = path(randomInt(10 ** 10).toString().padStart(10, '0'))
    try {
      return [await open(name, CREATE, 0o600), name]
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || taken === MAX_TAKEN) throw error
    }
  }
}
