import { accessSync, constants, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'

/** The file that tells others which process to signal. */
export class PidFile {
  readonly path: string
  /** What another process had there. */
  readonly #before: string | undefined

  private constructor (path: string, before: string | undefined) {
    this.path = path
    this.#before = before
  }

  /** @throws StartError */
  static async write (path: string | undefined): Promise<PidFile | undefined> {
    if (path === undefined) return undefined
    const before = await readFile(path, 'utf8').catch(() => undefined)
    try {
      await writeFile(path, `${process.pid}\n`, { mode: 0o644 })
    } catch (error) {
      throw cannotWrite(error)
    }
    return new PidFile(path, before)
  }

  /**
   * Whether it could be written, without doing so.
   * @throws StartError
   */
  static check (path: string | undefined): void {
    if (path === undefined) return
    try {
      const found = statSync(path, { throwIfNoEntry: false })
      if (found?.isDirectory() === true) throw new Error(`${path} is a directory`)
      accessSync(found === undefined ? dirname(path) : path, constants.W_OK)
    } catch (error) {
      throw cannotWrite(error)
    }
  }

  /** This process does not serve after all: the one that has the places to listen is still found by the file. */
  undo (): void {
    const before = this.#before
    this.#ifOwn(() => {
      if (before !== undefined && isAlive(before)) writeFileSync(this.path, before)
      else unlinkSync(this.path)
    })
  }

  remove (): void {
    this.#ifOwn(() => unlinkSync(this.path))
  }

  /** Not where another process has put its own there. */
  #ifOwn (change: () => void): void {
    try {
      if (readFileSync(this.path, 'utf8').trim() === String(process.pid)) change()
    } catch {
      // Somebody else has removed it.
    }
  }
}

/** Whether it is the number of another process that runs. */
function isAlive (text: string): boolean {
  const pid = Number(text)
  if (!Number.isInteger(pid) || pid < 1 || pid === process.pid) return false
  try {
    return process.kill(pid, 0)
  } catch (error) {
    // It is that of another user.
    return codeOf(error) === 'EPERM'
  }
}

function cannotWrite (error: unknown): StartError {
  return new StartError(`pidFile: it cannot be written: ${toError(error).message}`)
}
