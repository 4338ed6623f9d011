import { stat, statfs } from 'node:fs/promises'
import type { DiskSettings } from './options.ts'
import type { Rounds } from './rounds.ts'
import type { EntryFiles } from './entry-files.ts'

/** Looks at the limits at least so often, in milliseconds. */
const POLL = 10_000
/** Free room is asked for again after so many files. */
const FREE_CHECK = 10

/** Removes what nobody has asked for, and what there is no room for, the one used longest ago first. */
export class DiskManager {
  readonly #limits: DiskSettings
  readonly #entryFiles: EntryFiles
  readonly #rounds: Rounds
  #lowSpace = false
  #sinceCheck = 0
  #idle = false
  /** One pass at a time. */
  #running: Promise<void> | undefined

  constructor (limits: DiskSettings, entryFiles: EntryFiles, rounds: Rounds) {
    this.#limits = limits
    this.#entryFiles = entryFiles
    this.#rounds = rounds
  }

  /** Works until `rounds.stop()`. */
  async work (): Promise<void> {
    const rounds = this.#rounds
    while (!rounds.stopped) {
      await this.pass()
      this.#idle = true
      await rounds.wait(Math.min(POLL, Math.max(this.#limits.inactive, 100)))
      this.#idle = false
    }
  }

  /** There is one file more. */
  poke (): void {
    if (this.#idle && this.#isOver) this.#rounds.wake()
  }

  /** Goes on until every limit is kept. */
  pass (): Promise<void> {
    this.#running ??= this.#pass().finally(() => { this.#running = undefined })
    return this.#running
  }

  async #pass (): Promise<void> {
    const rounds = this.#rounds
    rounds.begin()
    this.#sinceCheck = 0
    while (!rounds.stopped) {
      const victim = await this.#victim()
      if (victim === undefined) return
      await this.#entryFiles.remove(victim)
      await rounds.step()
    }
  }

  async #victim (): Promise<string | undefined> {
    const { index } = this.#entryFiles
    const now = this.#entryFiles.now()
    for (;;) {
      const oldest = index.oldest()
      if (oldest === undefined) return undefined
      const { name, slot } = oldest
      if (this.#isOver || await this.#isDiskFull()) return name
      if (slot.usedAt + this.#limits.inactive > now) return undefined
      const usedElsewhere = await this.#usedElsewhere(name)
      if (usedElsewhere + this.#limits.inactive <= now) return name
      index.postpone(name, usedElsewhere)
    }
  }

  get #isOver (): boolean {
    const { index } = this.#entryFiles
    return index.bytes > this.#limits.maxSize || index.entries > this.#limits.maxEntries
  }

  /** When another process has used the file, or 0. */
  async #usedElsewhere (name: string): Promise<number> {
    try {
      return Math.min((await stat(this.#entryFiles.pathOf(name))).mtimeMs, this.#entryFiles.now())
    } catch {
      return 0
    }
  }

  async #isDiskFull (): Promise<boolean> {
    if (this.#limits.minFree === 0) return false
    if (this.#sinceCheck++ % FREE_CHECK === 0) {
      try {
        const { bavail, bsize } = await statfs(this.#limits.root)
        this.#lowSpace = bavail * bsize < this.#limits.minFree
      } catch {
        this.#lowSpace = false
      }
    }
    return this.#lowSpace
  }
}
