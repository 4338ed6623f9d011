import { readFileSync, unlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
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
      throw new StartError(`pidFile: it cannot be written: ${toError(error).message}`)
    }
    return new PidFile(path)
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
