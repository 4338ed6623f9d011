import { constants, renameSync, utimes } from 'node:fs'
import { copyFile, mkdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import type { CacheStoreKey, CacheStoreValue } from '../../../../types/cache-store.ts'
import { keyBytes, keyText } from '../key.ts'
import { varyMatches, varyNames } from '../vary.ts'
import { AtOnce } from '../../../files/at-once.ts'
import { openEntry, probeEntry } from './entry.ts'
import type { OpenEntry, OpenOptions } from './entry.ts'
import { codeOf } from '../../../runtime/caught.ts'
import { isMissing, rename, shut, SMALL, writeAt } from './files.ts'
import { encodeHead, encodeSlot } from './format.ts'
import { DiskIndex } from './index.ts'
import { Lock } from './lock.ts'
import { baseName, entryDirectory, entryName, firstNames, isEntryName, secondName, tempName, variantName } from './names.ts'
import type { FirstNames } from './names.ts'
import type { DiskSettings } from './options.ts'
import { namesIn, walk } from './walk.ts'
import type { Found } from './walk.ts'

/** Files that are looked at together when all have to be. */
const PARALLEL = 8
/** Bytes that are read of a file of which only the head is wanted. */
const HEAD_BLOCK = 4096

/** With the path of the first one. */
export interface FirstPlace extends FirstNames {
  readonly path: string
}

type Visit = (name: string, entry: OpenEntry) => Promise<void>

/** The directory of a store: finding, placing and removing files, and what is known of them. */
export class EntryFiles {
  readonly index = new DiskIndex()
  /** Commits and changes of one key, one after the other. */
  readonly lock = new Lock()
  readonly atOnce = new AtOnce()
  /** Directories for temporary files that are on another file system than the entries. */
  readonly elsewhere = new Set<string>()
  readonly now: () => number
  readonly #settings: DiskSettings
  /** The names of keys that have no entry: who asks for one stores it by the same key. */
  readonly #absent = new WeakMap<CacheStoreKey, FirstPlace>()
  /** Where temporary files may be, beside those next to their entries. */
  readonly #temps = new Set<string>()

  constructor (settings: DiskSettings, now: () => number) {
    this.#settings = settings
    if (settings.temp !== undefined) this.#temps.add(settings.temp)
    this.now = now
  }

  pathOf (name: string): string {
    return this.directoryOf(name) + sep + name
  }

  directoryOf (name: string): string {
    return entryDirectory(this.#settings.root, this.#settings.levels, name)
  }

  /** The directory that an entry is written in. */
  tempFor (name: string, writers: string | undefined): string {
    const { temp, writersTemp } = this.#settings
    if (!writersTemp || writers === undefined) return temp ?? this.directoryOf(name)
    const directory = resolve(writers)
    this.#temps.add(directory)
    return directory
  }

  /** There is no such file. False also where the disk is too slow to be asked at once. */
  isMissing (path: string): boolean {
    return this.atOnce.allowed && this.atOnce.run(() => isMissing(path))
  }

  /** There is no entry for a request. False also where that takes longer to say. */
  isAbsent (key: CacheStoreKey): boolean {
    const main = entryName(key)
    if (this.index.has(main) || !this.atOnce.allowed) return false
    const place = this.#placeOf(key, main)
    const { path, second } = place
    if (!this.atOnce.run(() => isMissing(path) && isMissing(this.pathOf(second)))) return false
    this.index.drop(second)
    this.#absent.set(key, place)
    return true
  }

  /** Where a key gets its entry, and whether both were found to be free when the request began. */
  placeFor (key: CacheStoreKey): { place: FirstPlace, wereFree: boolean } {
    const found = this.#absent.get(key)
    if (found === undefined) return { place: this.#placeOf(key), wereFree: false }
    this.#absent.delete(key)
    return { place: found, wereFree: true }
  }

  #placeOf (key: CacheStoreKey, main = entryName(key)): FirstPlace {
    const { bytes, second } = firstNames(key, main)
    return { bytes, main, second, path: this.pathOf(main) }
  }

  /** No file has this name. False also where the disk is too slow to be asked at once. */
  isFree (name: string): boolean {
    if (!this.isMissing(this.pathOf(name))) return false
    this.index.drop(name)
    return true
  }

  /** Opens the entry that a request gets. The caller closes it. */
  async find (key: CacheStoreKey, flags: 'r' | 'r+' = 'r'): Promise<{ name: string, entry: OpenEntry } | undefined> {
    const bytes = keyBytes(keyText(key))
    let main = entryName(key)
    let first = await this.#open(main, { key: bytes, flags })
    if (first === undefined) {
      main = secondName(bytes, key.method)
      first = await this.#open(main, { key: bytes, flags })
    }
    if (first === undefined) return undefined
    if (isFor(first, key)) return { name: main, entry: first }
    shut(first.fd)
    // Without the first one the others cannot be found: it is in use as long as they are.
    this.use(main, first)
    const names = varyNames(first.head.value.vary)
    if (names.length === 0) return undefined
    const name = variantName(main, key.method, names, key.headers)
    const entry = await this.#open(name, { key: bytes, flags })
    if (entry === undefined || isFor(entry, key)) return entry === undefined ? undefined : { name, entry }
    shut(entry.fd)
    return undefined
  }

  async #open (name: string, options: OpenOptions): Promise<OpenEntry | undefined> {
    const known = this.index.peek(name)
    const path = this.pathOf(name)
    // One that is known is there, most likely, and to ask at once is to wait where the disk is busy.
    if (known === undefined && this.isMissing(path)) return undefined
    const entry = await openEntry(path, options)
    if (typeof entry !== 'string') return entry
    // It may have been stored while the disk was asked.
    if (entry === 'gone' && this.index.peek(name) === known) this.index.drop(name)
    return undefined
  }

  /** Somebody has asked for an entry. Now and then other processes are told, by the file's time. */
  use (name: string, { size, preamble: { id } }: OpenEntry): void {
    const now = this.now()
    const slot = this.index.use(name, size, id, now)
    if (now - slot.stampedAt <= this.#settings.inactive / 4) return
    slot.stampedAt = now
    utimes(this.pathOf(name), now / 1000, now / 1000, () => {})
  }

  /** Writes another head over an open entry's older one; false if there is no room for it. */
  async rewrite ({ fd, head, preamble, sequence, otherSlot }: OpenEntry, value: CacheStoreValue): Promise<boolean> {
    const { vary } = head.value
    const next = { ...value }
    delete next.vary
    const bytes = encodeHead({ method: head.method, value: vary === undefined ? next : { ...next, vary } })
    const slot = encodeSlot(bytes, sequence + 1, preamble.slotSize)
    if (slot === undefined) return false
    await writeAt(fd, [slot], otherSlot)
    return true
  }

  /** Gives a temporary file its name; what has had the name is replaced. */
  async place (temp: string, name: string): Promise<void> {
    const path = this.pathOf(name)
    if (this.#renameNow(temp, path, name)) return
    for (let made = false; ; made = true) {
      try {
        await rename(temp, path)
        return
      } catch (error) {
        if (codeOf(error) === 'EXDEV') return this.#copy(temp, path)
        if (codeOf(error) !== 'ENOENT' || made) throw error
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      }
    }
  }

  /** At once, where no large file is given up by it. False if it fails. */
  #renameNow (temp: string, path: string, name: string): boolean {
    if (!this.atOnce.allowed || (this.index.peek(name)?.size ?? 0) > SMALL) return false
    try {
      this.atOnce.run(() => renameSync(temp, path))
      return true
    } catch {
      return false
    }
  }

  /** The same from another file system. */
  async #copy (temp: string, path: string): Promise<void> {
    const beside = join(dirname(path), tempName(basename(path)))
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    try {
      await copyFile(temp, beside, constants.COPYFILE_EXCL)
      await rename(beside, path)
    } catch (error) {
      await unlink(beside).catch(() => {})
      throw error
    }
    await unlink(temp).catch(() => {})
  }

  /** Removes an entry that is known to be one of ours. Who reads it goes on reading. */
  async remove (name: string): Promise<void> {
    this.index.drop(name)
    // It may be gone already.
    await unlink(this.pathOf(name)).catch(() => {})
  }

  /** Removes what has an entry's name, if it is one of ours; false if it is not. */
  async removeOurs (name: string): Promise<boolean> {
    if (!this.index.has(name)) {
      const path = this.pathOf(name)
      if (this.isMissing(path) || await probeEntry(path) === undefined) return false
    }
    await this.remove(name)
    return true
  }

  /** The names of all entries of a key whose first ones have these names, whoever has written them. */
  async namesOf ({ main, second = main }: { readonly main: string, readonly second?: string }): Promise<string[]> {
    const firsts = [main, second]
    const bases = firsts.map(baseName)
    const names: string[] = []
    for (const directory of new Set(firsts.map(name => this.directoryOf(name)))) {
      for await (const { name } of namesIn(directory)) if (isEntryName(name) && bases.includes(baseName(name))) names.push(name)
    }
    return names
  }

  /** All files that may be ours. */
  walk (): AsyncGenerator<Found> {
    return walk(this.#settings.root, this.#settings.levels, this.#temps)
  }

  /** Opens every entry, or those of these names, shows it, and closes it. */
  async each (names: Iterable<string> | AsyncIterable<string>, flags: 'r' | 'r+', visit: Visit): Promise<void> {
    const running = new Set<Promise<void>>()
    for await (const name of names) {
      const work = this.#visit(name, flags, visit).finally(() => running.delete(work))
      running.add(work)
      if (running.size >= PARALLEL) await Promise.race(running)
    }
    await Promise.all(running)
  }

  async #visit (name: string, flags: 'r' | 'r+', visit: Visit): Promise<void> {
    const entry = await openEntry(this.pathOf(name), { block: HEAD_BLOCK, flags })
    if (typeof entry === 'string') return
    try {
      await visit(name, entry)
    } finally {
      shut(entry.fd)
    }
  }

  /** The names of all entries on the disk. */
  async * names (): AsyncGenerator<string> {
    for await (const { name, owner } of this.walk()) if (owner === undefined) yield name
  }
}

// A key may make its headers only when somebody asks for them.
function isFor ({ head: { method, value: { vary } } }: OpenEntry, key: CacheStoreKey): boolean {
  return method === key.method && (vary === undefined || varyMatches(vary, key.headers))
}
