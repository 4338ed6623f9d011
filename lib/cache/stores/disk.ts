import type { Readable, Writable } from 'node:stream'
import { crc32 } from './disk/crc32.ts'
import type { CacheStore, CacheStoreKey, CacheStoreListed, CacheStoreResult, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
import { ActiveList } from '../../runtime/active-list.ts'
import type { Put } from '../short-sink.ts'
import { readTags } from '../tags.ts'
import { wasReplaced } from '../replaced.ts'
import { DiskBody, ONE_BUFFER } from './disk/body.ts'
import { commit } from './disk/commit.ts'
import type { OpenEntry } from './disk/entry.ts'
import { readAt, shut, SMALL } from './disk/files.ts'
import type { Slot } from './disk/index.ts'
import { load } from './disk/loader.ts'
import { DiskManager } from './disk/manager.ts'
import { entryName, firstNames, lockName } from './disk/names.ts'
import { readDiskOptions } from './disk/options.ts'
import type { DiskSettings, DiskStoreOptions } from './disk/options.ts'
import { putNow } from './disk/put-now.ts'
import { Rounds } from './disk/rounds.ts'
import { SharedFile } from './disk/shared-file.ts'
import { EntryFiles } from './disk/entry-files.ts'
import { DiskWriter } from './disk/writer.ts'
import { copyValue, entryKey, keyBytes, keyText, promisedLength, purgeTest, readKey, softened } from './key.ts'

export type { DiskStoreOptions } from './disk/options.ts'

/** The files of other processes are looked for again after this time at the earliest, in milliseconds. */
const LOAD_AGAIN = 600_000
/** And after this at the latest, however long entries may be idle. */
const DAY = 86_400_000

/** A store that keeps each entry in a file, also after the process has ended. */
export class DiskStore implements CacheStore {
  readonly shared = true
  /** Resolves when all existing entries have been loaded, or the store was closed. */
  readonly loaded: Promise<void>
  readonly #settings: DiskSettings
  readonly #entryFiles: EntryFiles
  readonly #writers = new ActiveList<DiskWriter>()
  readonly #manager: DiskManager
  readonly #rounds: { readonly manager: Rounds, readonly loader: Rounds }
  #closed = false

  /** @throws FST_SCGI_OPT_INVALID */
  constructor (options: DiskStoreOptions) {
    const { manager, loader = {}, now = Date.now } = options
    const settings = readDiskOptions(options)
    this.#settings = settings
    this.#entryFiles = new EntryFiles(settings, now)
    this.#rounds = { manager: new Rounds('manager', manager), loader: new Rounds('loader', loader) }
    this.#manager = new DiskManager(settings, this.#entryFiles, this.#rounds.manager)
    void this.#manager.work()
    this.loaded = this.#rounds.loader.wait(settings.delay).then(() => this.#load())
    void this.#loadAgain()
  }

  async get (key: CacheStoreKey): Promise<CacheStoreResult | undefined> {
    const found = await this.#find(key)
    if (found === undefined) return undefined
    const body = await this.#body(found)
    if (body === undefined) return undefined
    const { head, preamble } = found.entry
    return { ...head.value, body, size: preamble.bodyLength, id: preamble.id }
  }

  /** @param tempPath the writer's directory of temporary files, for `useTempPath: true` */
  createWriteStream (key: CacheStoreKey, value: CacheStoreValue, tempPath?: string): Writable | undefined {
    const { maxSize, maxEntrySize } = this.#settings
    if (this.#closed || promisedLength(value) > maxEntrySize) return undefined
    const bytes = keyBytes(keyText(key))
    const name = entryName(key)
    const writer = new DiskWriter({
      key,
      value: copyValue(value),
      bytes,
      name,
      tempDirectory: this.#entryFiles.tempFor(name, tempPath),
      maxSize,
      maxEntrySize,
      atOnce: this.#entryFiles.atOnce,
      commit: () => this.#entryFiles.lock.run(lockName(key.path), async () => {
        const done = await commit(this.#entryFiles, writer)
        this.#manager.poke()
        return done
      }),
    })
    this.#writers.add(writer)
    writer.once('close', () => this.#writers.delete(writer))
    return writer
  }

  get putLimit (): number {
    return Math.min(SMALL, this.#settings.maxEntrySize)
  }

  /**
   * Takes an entry with its whole body. What `createWriteStream` is for bodies that come in time.
   * @param tempPath as of `createWriteStream`
   * @returns false if the entry is refused; `'later'` if it is to be given to `createWriteStream`, as something has to be waited for
   */
  put (key: CacheStoreKey, value: CacheStoreValue, body: readonly Buffer[], length: number, tempPath?: string): Put {
    const { maxSize, maxEntrySize } = this.#settings
    if (this.#closed || length > maxEntrySize) return false
    const put = putNow(this.#entryFiles, { key, value: copyValue(value, value.headers), body, length, maxSize, tempPath })
    if (put === true) this.#manager.poke()
    return put
  }

  /** True if there is no entry for a request, which the system knows from its memory; false if `get` is to be asked. */
  isAbsent (key: CacheStoreKey): boolean {
    return this.#closed || this.#entryFiles.isAbsent(key)
  }

  async delete (key: CacheStoreKey): Promise<void> {
    await this.purge(key.origin, { key: key.path }, false)
  }

  updateMeta (key: CacheStoreKey, value: CacheStoreValue, of?: CacheStoreResult): Promise<boolean> {
    return this.#entryFiles.lock.run(lockName(key.path), async () => {
      const found = await this.#entryFiles.find(key, 'r+')
      if (found === undefined) return false
      try {
        const { head, preamble: { id } } = found.entry
        if (wasReplaced({ ...head.value, id }, value, of)) return false
        return await this.#entryFiles.rewrite(found.entry, copyValue(value))
      } finally {
        shut(found.entry.fd)
      }
    })
  }

  async openRange (key: CacheStoreKey, start: number, end: number, of?: CacheStoreResult): Promise<Readable | Buffer | undefined> {
    if (Buffer.isBuffer(of?.body)) return start >= 0 && start <= end && end < of.body.length ? of.body.subarray(start, end + 1) : undefined
    if (of?.body instanceof DiskBody && of.body.isFresh) return takePart(of.body, start, end)
    const found = await this.#find(key)
    if (found === undefined) return undefined
    const { path, fd, size, preamble: { bodyOffset, id } } = found.entry
    if (of === undefined || of.id === id) {
      return takePart(new DiskBody({ file: new SharedFile(path, fd), start: bodyOffset, end: size }), start, end)
    }
    shut(fd)
    return undefined
  }

  /** Reads all files, including those of other processes. A purge of a single key only looks for its own files. */
  async purge (origin: string, match: PurgeMatch, soft: boolean): Promise<number> {
    const test = purgeTest(origin, match)
    // What was fetched before a purge is what the purge is against.
    for (const writer of this.#writers.all()) {
      const { options: { key }, tags } = writer
      if (test({ origin: key.origin, path: key.path, tags })) writer.destroy()
    }
    const entryFiles = this.#entryFiles
    await entryFiles.lock.idle()
    const names = 'key' in match ? await entryFiles.namesOf(firstNames({ origin, method: 'GET', path: match.key })) : entryFiles.names()
    let count = 0
    await entryFiles.each(names, 'r', async (name, { key, head: { value } }) => {
      const read = readKey(key)
      if (!test({ ...read, tags: readTags(value.headers) })) return
      if (!soft || !await this.#soften(name, read.path)) await entryFiles.remove(name)
      count++
    })
    return count
  }

  async * list (origin: string): AsyncGenerator<CacheStoreListed> {
    const names: string[] = []
    for await (const name of this.#entryFiles.names()) names.push(name)
    // The order of a directory is none that stays from page to page.
    for (const name of names.sort()) {
      let found: CacheStoreListed | undefined
      await this.#entryFiles.each([name], 'r', async (_name, { key, head: { method, value }, preamble }) => {
        const { origin: zone, path } = readKey(key)
        if (zone !== origin || value.deleteAt <= this.#entryFiles.now()) return
        found = { key: entryKey(origin, method, path, value.vary), value, size: preamble.bodyLength }
      })
      if (found !== undefined) yield found
    }
  }

  async * keys (origin: string): AsyncGenerator<CacheStoreKey> {
    for await (const { key } of this.list(origin)) yield key
  }

  stats (): { entries: number, bytes: number } {
    return { entries: this.#entryFiles.index.entries, bytes: this.#entryFiles.index.bytes }
  }

  /** Removes entries beyond the limits now; the pauses between rounds stay the same. */
  manage (): Promise<void> {
    return this.#manager.pass()
  }

  /** Aborts entries that are being written; entries that are being read stay readable. The entries stay on disk. */
  async close (): Promise<void> {
    this.#closed = true
    this.#rounds.manager.stop()
    this.#rounds.loader.stop()
    const closing = this.#writers.all().map(writer => new Promise<void>(resolve => {
      writer.once('close', resolve)
      // One that is being placed comes to its end.
      if (!writer.writableEnded) writer.destroy()
    }))
    await Promise.all(closing)
    await this.#entryFiles.lock.idle()
    this.#entryFiles.index.clear()
  }

  /** The entry that a request gets, if it is still of use. */
  async #find (key: CacheStoreKey): Promise<{ name: string, entry: OpenEntry } | undefined> {
    if (this.#closed) return undefined
    const found = await this.#entryFiles.find(key)
    if (found === undefined) return undefined
    if (found.entry.head.value.deleteAt > this.#entryFiles.now()) {
      this.#entryFiles.use(found.name, found.entry)
      return found
    }
    shut(found.entry.fd)
    return undefined
  }

  /** The body of an open entry; undefined if it is damaged. The bytes of one that another process has written are checked, once. */
  async #body ({ name, entry }: { name: string, entry: OpenEntry }): Promise<Buffer | DiskBody | undefined> {
    const { path, fd, first, size, preamble: { bodyOffset, bodyLength, bodyCrc, id } } = entry
    /** What is known of it; nothing where another one has its name by now. */
    const known = (): Slot | undefined => {
      const slot = this.#entryFiles.index.peek(name)
      return slot?.id === id ? slot : undefined
    }
    const isVerified = known()?.verified === true
    const judge = (right: boolean): void => {
      const slot = known()
      if (slot === undefined) return
      if (right) slot.verified = true
      else void this.#entryFiles.remove(name)
    }
    if (bodyLength > ONE_BUFFER) {
      const check = { crc: bodyCrc, onResult: judge }
      return new DiskBody({ file: new SharedFile(path, fd), start: bodyOffset, end: size, first, ...(!isVerified && { check }) })
    }
    const body = first.length === bodyLength ? first : await readWhole(entry)
    shut(fd)
    if (body === undefined || isVerified) return body
    const right = crc32(body) === bodyCrc
    judge(right)
    return right ? body : undefined
  }

  /** Makes an entry stale; false if it cannot be. */
  #soften (name: string, path: string): Promise<boolean> {
    return this.#entryFiles.lock.run(lockName(path), async () => {
      let done = false
      await this.#entryFiles.each([name], 'r+', async (_name, entry) => {
        done = await this.#entryFiles.rewrite(entry, softened(entry.head.value, this.#entryFiles.now()))
      })
      return done
    })
  }

  async #load (): Promise<void> {
    await load(this.#entryFiles, this.#rounds.loader)
    this.#manager.poke()
  }

  async #loadAgain (): Promise<void> {
    const { loader } = this.#rounds
    await this.loaded
    while (!loader.stopped) {
      await loader.wait(Math.min(Math.max(this.#settings.inactive, LOAD_AGAIN), DAY))
      await this.#load()
    }
  }
}

async function readWhole ({ fd, first, preamble: { bodyOffset, bodyLength } }: OpenEntry): Promise<Buffer | undefined> {
  const body = Buffer.allocUnsafe(bodyLength)
  first.copy(body)
  try {
    return await readAt(fd, body.subarray(first.length), bodyOffset + first.length) === bodyLength - first.length ? body : undefined
  } catch {
    return undefined
  }
}

/** The one part that is wanted of a body. */
async function takePart (body: DiskBody, start: number, end: number): Promise<Readable | Buffer | undefined> {
  const part = body.openPart(start, end)
  body.destroy()
  try {
    return await part
  } catch {
    return undefined
  }
}
