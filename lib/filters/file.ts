import { close, constants, existsSync, fstatSync, open, readlinkSync, stat, type Stats } from 'node:fs'
import { isAbsolute, normalize, sep } from 'node:path'
import { codeOf } from '../runtime/caught.ts'
import type { Readable } from 'node:stream'
import { binaryPath, pathBytes, pathText } from '../bytes/binary-path.ts'
import { FST_SCGI_FILE, FST_SCGI_FILE_FORBIDDEN, FST_SCGI_FILE_NOT_FOUND } from '../errors.ts'
import { leadsUpwards } from '../http/path.ts'
import { mediaTypeOf } from '../files/media-types.ts'
import { realPath, type Root } from '../files/root.ts'
import { FileReader } from './file-reader.ts'

/** O_NONBLOCK: opening a FIFO must not wait for its writer. It means nothing to a regular file. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0)
const DESCRIPTORS = '/proc/self/fd/'
const HAS_DESCRIPTORS = existsSync(DESCRIPTORS)
const UNSAFE_URL_PATH = sep === '/' ? /\0/ : /[\0\\:]/

/** What a file could not be opened for; the status is in it, what happened in its `cause`. */
export type FileError = InstanceType<typeof FST_SCGI_FILE | typeof FST_SCGI_FILE_FORBIDDEN | typeof FST_SCGI_FILE_NOT_FOUND>

/** Called once, never before the call that it was given to has returned. */
export type FileCallback = (...result: [error: FileError, file: undefined] | [error: undefined, file: OpenFile]) => void

/**
 * A regular file, open for reading: what there is to say about it in a reply, and its bytes. It belongs to the caller, who has to
 * `close()` it, once or more often.
 */
export class OpenFile {
  readonly fd: number
  /** Bytes it had when it was opened; no more are ever read. */
  readonly size: number
  /** Modification time, in milliseconds since the epoch. */
  readonly mtime: number
  /** Media type by the extension of the name that was asked for, without a charset; `application/octet-stream` where the extension says nothing. */
  readonly type: string
  readonly #readers = new Set<Readable>()
  #closed = false

  constructor (fd: number, stats: Stats, name: string) {
    this.fd = fd
    this.size = stats.size
    this.mtime = stats.mtimeMs
    this.type = mediaTypeOf(name)
  }

  /** Entity tag of nginx: modification time in seconds and size, in hexadecimal digits. It is a strong one. */
  get etag (): string {
    return `"${Math.floor(this.mtime / 1000).toString(16)}-${this.size.toString(16)}"`
  }

  /** Modification time as an HTTP date. */
  get lastModified (): string {
    return new Date(this.mtime).toUTCString()
  }

  /**
   * The bytes from `start` up to, and not with, `end`; all of them without arguments. Any number of streams may be read, also at once.
   * A stream never closes the file. It fails with FST_SCGI_FILE when the file has become shorter meanwhile or cannot be read.
   */
  open (start = 0, end = this.size): Readable {
    const reader = new FileReader(this.fd, start, Math.min(end, this.size))
    if (this.#closed) {
      // The number may belong to another file by now.
      reader.destroy(new FST_SCGI_FILE('it is closed'))
      return reader
    }
    this.#readers.add(reader)
    reader.once('close', () => {
      this.#readers.delete(reader)
      this.#release()
    })
    return reader
  }

  /** Destroys the streams that are still being read and gives the descriptor back when the last of them has let go of it. */
  close (): void {
    if (this.#closed) return
    this.#closed = true
    for (const reader of this.#readers) reader.destroy()
    this.#release()
  }

  #release (): void {
    if (this.#closed && this.#readers.size === 0) close(this.fd, () => {})
  }
}

/**
 * Opens the file that an application named in X-Sendfile. A relative value is taken from the first root, an absolute one must lie below
 * one of them; neither is percent-decoded. What counts is where the opened file is: symbolic links may stand in the way, out of the
 * roots none leads. Errors: FST_SCGI_FILE_NOT_FOUND (404: nothing there, no regular file), FST_SCGI_FILE_FORBIDDEN (403: outside, no
 * permission), FST_SCGI_FILE (500: this machine failed). (ProxySCGISendfile)
 *
 * @param roots at least one
 * @param value the header's value: one char a byte; with other chars in it, it is taken as UTF-8
 */
export function openFile (roots: readonly Root[], value: string, done: FileCallback): void {
  const name = binaryPath(value)
  if (name.includes('\0')) {
    process.nextTick(done, notFound(name, 'a NUL in the path'), undefined)
    return
  }
  if (isAbsolute(name)) openAt(roots, name, name, done)
  // A slash is put between, not more: what `..` means after a symbolic link only the file system knows.
  else if (roots[0] !== undefined) openAt(roots.slice(0, 1), `${roots[0].path}${sep}${name}`, name, done)
  else process.nextTick(done, forbidden(name, 'there is no root'), undefined)
}

/**
 * Opens the file of an internal location. The path is that of the URL below the location, already percent-decoded, once: `%2F` in it is
 * part of a name. With a NUL or a `..` there is no such file. Else as `openFile`. (alias, internal)
 *
 * @param path one char a byte; with other chars in it, it is taken as UTF-8. Slashes at its beginning mean nothing.
 */
export function openUrlPath (root: Root, path: string, done: FileCallback): void {
  const name = binaryPath(path)
  if (UNSAFE_URL_PATH.test(name) || leadsUpwards(name, sep)) process.nextTick(done, notFound(name, 'an unsafe path'), undefined)
  else openAt([root], `${root.path}${sep}${name}`, name, done)
}

function openAt (roots: readonly Root[], path: string, name: string, done: FileCallback): void {
  if (!leadsUpwards(path, sep) && roots.some(root => root.names(path))) {
    openThere(roots, path, name, done)
    return
  }
  // Outside by its letters, it may be inside after all, or the other way round; a device or a FIFO is not to be opened to find out.
  realPath(path, (error, real) => {
    if (real !== undefined) {
      within(roots, 0, real, below => {
        if (below) openThere(roots, real, name, done)
        else done(forbidden(path, 'outside the root'), undefined)
      })
    } else if (roots.some(root => root.names(normalize(path)))) {
      done(failure(path, error), undefined)
    } else {
      // Whether there is such a file elsewhere is nobody's business.
      done(forbidden(path, 'outside the root'), undefined)
    }
  })
}

function openThere (roots: readonly Root[], path: string, name: string, done: FileCallback): void {
  open(pathBytes(path), FLAGS, (error, fd) => {
    if (error !== null) {
      done(failure(path, error), undefined)
      return
    }
    const refuse = (reason: FileError): void => close(fd, () => done(reason, undefined))
    let stats: Stats
    try {
      // Both calls are answered from the kernel's memory, and a trip to the thread pool costs several times as much.
      stats = fstatSync(fd)
    } catch (error) {
      refuse(failure(path, error))
      return
    }
    if (!stats.isFile()) {
      refuse(notFound(path, stats.isDirectory() ? 'a directory' : 'no regular file'))
      return
    }
    locate(fd, path, (error, real) => {
      if (real === undefined) {
        refuse(failure(path, error))
        return
      }
      within(roots, 0, real, below => {
        if (below) done(undefined, new OpenFile(fd, stats, name))
        else refuse(forbidden(path, 'outside the root'))
      })
    })
  })
}

function within (roots: readonly Root[], index: number, real: string, done: (below: boolean) => void): void {
  const root = roots[index]
  if (root === undefined) done(false)
  else root.holds(real, below => below ? done(true) : within(roots, index + 1, real, done))
}

type LocateCallback = (error: unknown, real: string | undefined) => void

/** Where the file is that is open: nobody can exchange it any more between this answer and its use. */
const locate = HAS_DESCRIPTORS ? locateByDescriptor : locateByPath

function locateByDescriptor (fd: number, _path: string, done: LocateCallback): void {
  let real: string
  try {
    real = readlinkSync(DESCRIPTORS + fd, 'latin1')
  } catch (error) {
    done(error, undefined)
    return
  }
  done(null, real)
}

/** For systems without /proc: the path that is free of links must lead to the very file that is open. */
export function locateByPath (fd: number, path: string, done: LocateCallback): void {
  realPath(path, (error, real) => {
    if (real === undefined) {
      done(error, undefined)
      return
    }
    stat(pathBytes(real), { bigint: true }, (error, there) => {
      if (error !== null) {
        done(error, undefined)
        return
      }
      const here = fstatSync(fd, { bigint: true })
      if (here.dev === there.dev && here.ino === there.ino) done(null, real)
      else done(Object.assign(new Error('the file was exchanged while it was opened'), { code: 'ENOENT' }), undefined)
    })
  })
}

// The message of a 4xx is shown to the client: what was asked for is in the cause, which only the log shows.

function notFound (path: string, reason: string, cause?: unknown): FileError {
  return because(new FST_SCGI_FILE_NOT_FOUND(), path, reason, cause)
}

function forbidden (path: string, reason: string, cause?: unknown): FileError {
  return because(new FST_SCGI_FILE_FORBIDDEN(), path, reason, cause)
}

function because (error: FileError, path: string, reason: string, cause: unknown): FileError {
  const text = pathText(path)
  error.cause = new Error(`${JSON.stringify(text.length > 512 ? `${text.slice(0, 512)}...` : text)}: ${reason}`, cause === undefined ? {} : { cause })
  return error
}

const MISSING = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ENXIO', 'ENODEV', 'EISDIR'])
const DENIED = new Set(['EACCES', 'EPERM', 'ELOOP', 'EMLINK'])

function failure (path: string, error: unknown): FileError {
  const code = codeOf(error)
  if (MISSING.has(code)) return notFound(path, code)
  if (DENIED.has(code)) return forbidden(path, code)
  return because(new FST_SCGI_FILE(code === '' ? 'see the cause' : code), path, 'it cannot be opened', error)
}
