import { stat, unlink } from 'node:fs/promises'
import { codeOf } from '../../../runtime/caught.ts'
import { probeEntry } from './entry.ts'
import type { Rounds } from './rounds.ts'
import type { EntryFiles } from './entry-files.ts'
import type { Found } from './walk.ts'

/** A temporary file that nobody has written to for so long has no writer any more: its process is gone, or this much of it. */
const DEAD_AGE = 60_000
const STALE_AGE = 3_600_000
/** Files that are opened at the same time. */
const PARALLEL = 4

/** Goes through all files once: tells of the entries that are not known, and removes what writers have left behind when they died. */
export async function load (entryFiles: EntryFiles, rounds: Rounds): Promise<void> {
  let together: Array<Promise<void>> = []
  rounds.begin()
  for await (const file of entryFiles.walk()) {
    if (rounds.stopped) break
    if (file.owner !== undefined) together.push(removeDead(file.path, file.owner, entryFiles.now()))
    else if (!entryFiles.index.has(file.name)) together.push(look(file, entryFiles, rounds))
    if (together.length >= PARALLEL) {
      await Promise.all(together)
      together = []
    }
    await rounds.step()
  }
  await Promise.all(together)
}

async function look ({ name, path }: Found, { index, now }: EntryFiles, rounds: Rounds): Promise<void> {
  const size = await probeEntry(path)
  if (size !== undefined && !index.has(name) && !rounds.stopped) index.add(name, size, now())
}

async function removeDead (path: string, owner: number, now: number): Promise<void> {
  try {
    const age = now - (await stat(path)).mtimeMs
    // A process that we do not see may live in another container. It loses one entry, and writes that again.
    if (age > STALE_AGE || (age > DEAD_AGE && !isAlive(owner))) await unlink(path)
  } catch {
    // It has become an entry, or was removed.
  }
}

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}
