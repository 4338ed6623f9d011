import { realpath } from 'node:fs'
import { resolve, sep } from 'node:path'
import { pathBytes } from '../bytes/binary-path.ts'
import { utf8 } from '../bytes/text.ts'
import { loadMediaTypes } from './media-types.ts'

/** A directory below which files may be sent. It need not be there when the object is made. */
export class Root {
  /** The directory as configured, made absolute: a binary string. */
  readonly path: string
  #real: string | undefined

  /** @param directory path of the directory; a relative one starts at the working directory */
  constructor (directory: string) {
    this.path = utf8(resolve(directory))
    // The first file is not to wait for it.
    loadMediaTypes()
  }

  /** The path lies below the directory by its letters, without a look at the file system. */
  names (path: string): boolean {
    return isBelow(path, this.path) || (this.#real !== undefined && isBelow(path, this.#real))
  }

  /** Tells whether a path without symbolic links lies below the directory. */
  holds (real: string, done: (below: boolean) => void): void {
    if (this.#real !== undefined && isBelow(real, this.#real)) {
      done(true)
      return
    }
    // Not asked before, or the directory has been moved or is a link that leads elsewhere now.
    realPath(this.path, (_error, root) => {
      this.#real = root
      done(root !== undefined && isBelow(real, root))
    })
  }
}

/** The directory itself counts too: it is no regular file, and is told apart from what is forbidden. */
function isBelow (path: string, directory: string): boolean {
  if (!path.startsWith(directory)) return false
  return path.length === directory.length || path[directory.length] === sep || directory.endsWith(sep)
}

/** As `fs.realpath`, with binary strings. */
export function realPath (path: string, done: (error: NodeJS.ErrnoException | null, real: string | undefined) => void): void {
  realpath.native(pathBytes(path), { encoding: 'latin1' }, (error, real) => done(error, error === null ? real : undefined))
}
