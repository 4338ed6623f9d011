import { close, closeSync, mkdir, open, openSync, rmdirSync, unlink, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FST_SCGI_TEMP_FILE } from '../errors.ts'
import { FILE_PREFIX, clearDirectories, makeOwnDirectory } from './leftovers.ts'

/** Where temporary files are made. */
export interface TempPlace {
  /** The directory; `undefined` for our own. */
  readonly path: string | undefined
  /** Make the directory, mode 0700, where it is missing; the one above it must be there. */
  readonly make: boolean
  /** Directories below it, made when they are needed: so many digits each of the file's number, from its end. (nginx: scgi_temp_path) */
  readonly levels: readonly number[]
}

/** Digits at the end of a file's name. */
export const NAME_LENGTH = 10

/** So many names may be taken before it is given up: another process counts in the same directory. */
const MAX_TAKEN = 100

type Opened = (error: NodeJS.ErrnoException | null, fd: number) => void

let ownDirectory: string | undefined
let counter = 0

/** Our own directory under the system's temporary one, mode 0700, made when it is first needed. */
function defaultDirectory (): string {
  if (ownDirectory === undefined) {
    ownDirectory = makeOwnDirectory('')
    void clearDirectories()
    process.off('exit', removeDirectory)
    process.once('exit', removeDirectory)
  }
  return ownDirectory
}

function removeDirectory (): void {
  if (ownDirectory === undefined) return
  try {
    rmdirSync(ownDirectory)
  } catch {
    // Somebody else's file is in it, or a cleaner of temporary files was first.
  }
}

/**
 * Opens a new file for reading and writing, mode 0600, and takes its name away: nothing is left behind when the process dies, unless it is
 * killed between the two; the next process clears that away.
 * Calls back later, with the error of the file system as it is.
 */
export function openTempFile (place: TempPlace, done: Opened): void {
  new Opening(place, done).begin()
}

/** As `openTempFile`, with one try, at once: -1 where that is not enough. */
export function openTempFileNow (place: TempPlace): number {
  return new Opening(place, () => {}).now()
}

class Opening {
  readonly #place: TempPlace
  readonly #done: Opened
  #root = ''
  #name = ''
  #taken = 0
  /** What was missing has been made, once. */
  #made = false

  constructor (place: TempPlace, done: Opened) {
    this.#place = place
    this.#done = done
  }

  begin (): void {
    try {
      this.#root = this.#place.path ?? defaultDirectory()
    } catch (error) {
      process.nextTick(this.#done, error, -1)
      return
    }
    this.#count()
    this.#open()
  }

  now (): number {
    let fd = -1
    try {
      this.#root = this.#place.path ?? defaultDirectory()
      this.#count()
      const path = this.#filePath
      fd = openSync(path, 'wx+', 0o600)
      unlinkSync(path)
      return fd
    } catch {
      if (fd !== -1) closeSync(fd)
      return -1
    }
  }

  #count (): void {
    counter = (counter + 1) % 10 ** NAME_LENGTH
    this.#name = FILE_PREFIX + counter.toString().padStart(NAME_LENGTH, '0')
  }

  get #filePath (): string {
    return join(this.#root, ...levelDirectories(this.#name, this.#place.levels), this.#name)
  }

  #open (): void {
    const path = this.#filePath
    open(path, 'wx+', 0o600, (error, fd) => {
      if (error !== null) {
        this.#failed(error)
        return
      }
      unlink(path, unlinkError => {
        if (unlinkError === null) this.#done(null, fd)
        else close(fd, () => this.#done(unlinkError, -1))
      })
    })
  }

  #failed (error: NodeJS.ErrnoException): void {
    const { path, make, levels } = this.#place
    if (error.code === 'EEXIST' && this.#taken++ < MAX_TAKEN) {
      // Two processes that count in step would meet again at the next number.
      counter += Math.floor(Math.random() * 100_000)
      this.#made = false
      this.begin()
    } else if (error.code !== 'ENOENT' || this.#made) {
      this.#done(error, -1)
    } else if (path === undefined && ownDirectory === this.#root) {
      // A cleaner of temporary files has taken our directory.
      ownDirectory = undefined
      this.#made = true
      this.begin()
    } else if (make || levels.length > 0) {
      this.#made = true
      makeDirectories(this.#root, levelDirectories(this.#name, levels), make, makeError => {
        if (makeError === null) this.#open()
        else this.#done(makeError, -1)
      })
    } else {
      this.#done(error, -1)
    }
  }
}

/** The directories of a file: for levels 1 and 2, `0000000011` lies in `1/01`. */
export function levelDirectories (name: string, levels: readonly number[]): string[] {
  let end = name.length
  return levels.map(width => {
    end -= width
    return name.slice(end, end + width)
  })
}

function makeDirectories (
  root: string, levels: readonly string[], withRoot: boolean, done: (error: NodeJS.ErrnoException | null) => void
): void {
  const paths = withRoot ? [root] : []
  let path = root
  for (const level of levels) paths.push(path = join(path, level))
  const next = (index: number): void => {
    const directory = paths[index]
    if (directory === undefined) {
      done(null)
      return
    }
    mkdir(directory, 0o700, error => {
      if (error === null || error.code === 'EEXIST') next(index + 1)
      else done(error)
    })
  }
  next(0)
}

/** What is told to people of an error of the file system. */
export function tempFileError (error: NodeJS.ErrnoException, place: TempPlace): Error {
  const failure = new FST_SCGI_TEMP_FILE(`${error.code ?? error.message} in ${place.path ?? ownDirectory ?? tmpdir()}`)
  failure.cause = error
  return failure
}
