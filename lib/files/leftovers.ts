import { lstat, readdir, rmdir, unlink } from 'node:fs/promises'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOver, MARK, PROCESS_MARK } from '../runtime/process-mark.ts'

// A process that is killed removes nothing. What it has made says whose it was, and the next one that starts clears it away.

/** Begin of the names of files in a directory that is not ours alone. */
export const FILE_PREFIX = `fastify-scgi-${PROCESS_MARK}-`
/** The same of unfinished files of a mirror. No reply is stored under a name that begins so. */
export const STORE_PREFIX = '.scgi-store-'

const FILE = new RegExp(`^(?:fastify-scgi-|\\.scgi-store-)(${MARK})-\\d{10}$`)
const DIRECTORY = new RegExp(`^fastify-scgi-(?:demo-|app-)?(${MARK})-\\w{6}$`)
/** Directories of levels, as they are made for files of ours. */
const LEVEL = /^\d{1,9}$/

/** Places that have been looked at: once in the life of a process. */
const cleared = new Set<string>()

/** Makes a directory of this process, mode 0700, under the system's for temporary files. */
export function makeOwnDirectory (kind: '' | 'demo-' | 'app-'): string {
  return mkdtempSync(join(tmpdir(), `fastify-scgi-${kind}${PROCESS_MARK}-`))
}

/** Removes the directories of processes that are over from the system's directory of temporary files. Never rejects. */
export async function clearDirectories (): Promise<void> {
  const parent = tmpdir()
  if (!isNew(parent)) return
  for (const name of await names(parent)) {
    const mark = DIRECTORY.exec(name)?.[1]
    if (mark === undefined || !isOver(mark)) continue
    const path = join(parent, name)
    const stat = await lstat(path).catch(() => undefined)
    // Anybody may make a directory of that name there, or a link to something.
    if (stat?.isDirectory() !== true || !isMine(stat.uid) || (stat.mode & 0o077) !== 0) continue
    // Files, and the socket of a demo; whatever else is in it stays, and so does the directory.
    for (const file of await names(path)) await unlink(join(path, file)).catch(() => {})
    await rmdir(path).catch(() => {})
  }
}

/**
 * Removes the temporary files of processes that are over from a directory that others may use as well, and from those of its levels.
 * Never rejects.
 */
export async function clearFiles (path: string, levels: readonly number[] = []): Promise<void> {
  if (isNew(`${path} ${levels.join()}`)) await clear(path, levels.length)
}

async function clear (path: string, depth: number): Promise<void> {
  for (const name of await names(path)) {
    if (depth > 0) {
      if (LEVEL.test(name)) await clear(join(path, name), depth - 1)
      continue
    }
    const mark = FILE.exec(name)?.[1]
    if (mark === undefined || !isOver(mark)) continue
    const file = join(path, name)
    const stat = await lstat(file).catch(() => undefined)
    if (stat?.isFile() === true && isMine(stat.uid)) await unlink(file).catch(() => {})
  }
}

function isNew (place: string): boolean {
  if (cleared.has(place)) return false
  cleared.add(place)
  return true
}

async function names (path: string): Promise<string[]> {
  return await readdir(path).catch(() => [])
}

/** Where users have no numbers nobody else writes into our directory. */
function isMine (uid: number): boolean {
  return process.geteuid === undefined || process.geteuid() === uid
}
