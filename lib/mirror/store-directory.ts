import { constants, existsSync } from 'node:fs'
import { mkdir, open, realpath, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathBytes } from '../bytes/binary-path.ts'
import { codeOf } from '../runtime/caught.ts'

const FOLLOW = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0)
const STAY = FOLLOW | (constants.O_NOFOLLOW ?? 0)
const DESCRIPTORS = '/proc/self/fd/'
const HAS_DESCRIPTORS = existsSync(DESCRIPTORS)

/** A directory that is held open: what is done in it is done in this one, whatever is put in its place meanwhile. */
export class Directory {
  readonly #handle: FileHandle
  readonly #path: string

  constructor (handle: FileHandle, path: string) {
    this.#handle = handle
    this.#path = path
  }

  /** Path of something in it; binary string in, what the file system takes out. */
  entry (name: string): string | Buffer {
    // The link of /proc leads to the directory itself, and nothing above it is looked up again.
    return pathBytes(HAS_DESCRIPTORS ? `${DESCRIPTORS}${this.#handle.fd}/${name}` : join(this.#path, name))
  }

  /** Opens a directory in it, which is made where it is missing. A symbolic link is refused (ENOTDIR or ELOOP). */
  async child (name: string, mode: number): Promise<Directory> {
    const entry = this.entry(name)
    const path = join(this.#path, name)
    try {
      return new Directory(await open(entry, STAY), path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    await make(entry, mode)
    return new Directory(await open(entry, STAY), path)
  }

  close (): Promise<void> {
    return this.#handle.close()
  }
}

/**
 * Opens the directory `names` below `root`, step by step, and makes what is missing. The root itself may be a symbolic link, nothing
 * below it. Rejects with the error of the file system.
 *
 * @param root absolute path, binary string
 * @param mode of the directories that are made, whatever the umask of the process
 */
export async function openDirectory (root: string, names: readonly string[], mode: number): Promise<Directory> {
  let directory = await openRoot(root, mode)
  for (const name of names) {
    const parent = directory
    try {
      directory = await parent.child(name, mode)
    } finally {
      await parent.close()
    }
  }
  if (HAS_DESCRIPTORS) return directory
  // Here each step went by its path: at the end it must still be the same one.
  const real = await realpath(pathBytes(root), 'latin1')
  const there = await realpath(pathBytes(join(root, ...names)), 'latin1')
  if (there === join(real, ...names)) return directory
  await directory.close()
  throw Object.assign(new Error('a symbolic link on the way'), { code: 'ELOOP' })
}

async function openRoot (root: string, mode: number): Promise<Directory> {
  const path = pathBytes(root)
  try {
    return new Directory(await open(path, FOLLOW), root)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  await makeWithParents(root, mode)
  return new Directory(await open(path, FOLLOW), root)
}

/** Not mkdir's own `recursive`: where a file system says ENOENT to any name (/proc does) it never comes to an end. */
async function makeWithParents (path: string, mode: number): Promise<void> {
  try {
    await make(pathBytes(path), mode)
  } catch (error) {
    const parent = dirname(path)
    if (codeOf(error) !== 'ENOENT' || parent === path) throw error
    await makeWithParents(parent, mode)
    await make(pathBytes(path), mode)
  }
}

async function make (path: string | Buffer, mode: number): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (error) {
    // Another reply needed it too.
    if (codeOf(error) !== 'EEXIST') throw error
    return
  }
  const handle = await open(path, STAY)
  try {
    // What the umask has taken; what the directory has of the one above it (its group) stays.
    const { mode: given } = await handle.stat()
    if ((given & mode) !== mode) await handle.chmod((given & 0o7777) | mode)
  } finally {
    await handle.close()
  }
}
