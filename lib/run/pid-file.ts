import { accessSync, constants, readFileSync, statSync, unlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'

/** The file that tells others which process to signal. */
export class PidFile {
  readonly path: string

  private constructor (path: string) {
    this.path = path
  }

  /** @throws StartError */
  static async write (path: string | undefined): Promise<PidFile | undefined> {
    if (path === undefined) return undefined
    try {
      await writeFile(path, `${process.pid}\n`, { mode: 0o644 })
    } catch (error) {
      throw cannotWrite(error)
    }
    return new PidFile(path)
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

  async remove (): Promise<void> {
    this.removeSync()
  }

  /** Not where another process has put its own there. */
  removeSync (): void {
    try {
      if (readFileSync(this.path, 'utf8').trim() === String(process.pid)) unlinkSync(this.path)
    } catch {
      // Somebody else has removed it.
    }
  }
}

function cannotWrite (error: unknown): StartError {
  return new StartError(`pidFile: it cannot be written: ${toError(error).message}`)
}
