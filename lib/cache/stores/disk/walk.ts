import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { levelDirectories } from '../../../files/temp-file.ts'
import { baseName, isEntryName, tempOwner } from './names.ts'

/** A file whose name and place are ours; whether it is, its bytes tell. */
export interface Found {
  readonly name: string
  readonly path: string
  /** The process whose temporary file it is; undefined for an entry. */
  readonly owner: number | undefined
}

// A directory may have a hundred thousand names: not all of them at once.
const NAMES_AT_ONCE = 64

/** The names in a directory; none where it cannot be read. */
export async function * namesIn (directory: string): AsyncGenerator<{ name: string, isDirectory: boolean }> {
  try {
    const entries = await opendir(directory, { bufferSize: NAMES_AT_ONCE })
    for await (const entry of entries) yield { name: entry.name, isDirectory: entry.isDirectory() }
  } catch {
    // It was removed meanwhile, or somebody has locked us out.
  }
}

/** All files of a store, and the temporary ones beside them and in `temps`. */
export async function * walk (root: string, levels: readonly number[], temps: Iterable<string>): AsyncGenerator<Found> {
  for (const temp of temps) yield * files(temp, found => found.owner !== undefined)
  yield * below(root, levels, [])
}

async function * below (directory: string, levels: readonly number[], above: readonly string[]): AsyncGenerator<Found> {
  const width = levels[above.length]
  if (width === undefined) {
    yield * files(directory, ({ name }) => levelDirectories(baseName(name), levels).join() === above.join())
    return
  }
  const pattern = new RegExp(`^[0-9a-f]{${width}}$`)
  for await (const { name, isDirectory } of namesIn(directory)) {
    if (isDirectory && pattern.test(name)) yield * below(join(directory, name), levels, [...above, name])
  }
}

async function * files (directory: string, isRight: (found: Found) => boolean): AsyncGenerator<Found> {
  for await (const { name, isDirectory } of namesIn(directory)) {
    if (isDirectory) continue
    const owner = tempOwner(name)
    const found = { name, path: join(directory, name), owner }
    if ((owner !== undefined || isEntryName(name)) && isRight(found)) yield found
  }
}
