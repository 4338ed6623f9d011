import { codeOf } from '../../../runtime/caught.ts'
import { fstat, open, readAt, readOnce, shut } from './files.ts'
import { isOurs, readKey, readHead, readPreamble } from './format.ts'
import type { Head, Preamble } from './format.ts'

/** An entry's file, open. */
export interface OpenEntry {
  readonly path: string
  readonly fd: number
  readonly preamble: Preamble
  readonly key: Buffer
  readonly head: Head
  /** Number of the slot that holds, and where the other one is. */
  readonly sequence: number
  readonly otherSlot: number
  /** The first bytes of the body, which were read together with the head. */
  readonly first: Buffer
  /** Bytes of the file. */
  readonly size: number
}

/** Why there is no entry: no file, a file of somebody else, or one of ours that is of another key, or damaged, or of another version. */
export type NoEntry = 'gone' | 'foreign' | 'other' | 'bad'

export interface OpenOptions {
  /** The key that it has to have. */
  readonly key?: Buffer
  /** Bytes of the first read. Default 16384: most heads, and all of a small entry. */
  readonly block?: number
  readonly flags?: 'r' | 'r+'
}

/**
 * Opens a file and reads its head. What it gives is whole: the length of the file is right, and so are the checksums of key and head. The
 * caller closes it.
 */
export async function openEntry (path: string, { key, block = 16_384, flags = 'r' }: OpenOptions = {}): Promise<OpenEntry | NoEntry> {
  let fd: number
  try {
    fd = await open(path, flags)
  } catch (error) {
    const code = codeOf(error)
    // A directory or a link that leads nowhere is not ours; without a descriptor to spare there is a file, but nobody can read it.
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'gone' : code === 'EMFILE' || code === 'ENFILE' ? 'bad' : 'foreign'
  }
  let entry: OpenEntry | NoEntry = 'bad'
  try {
    entry = await readEntry(path, fd, key, block)
  } catch {
    // A disk that fails gives nothing.
  }
  if (typeof entry === 'string') shut(fd)
  return entry
}

async function readEntry (path: string, fd: number, key: Buffer | undefined, block: number): Promise<OpenEntry | NoEntry> {
  let start = Buffer.allocUnsafe(block)
  start = start.subarray(0, await readOnce(fd, start, 0))
  if (!isOurs(start)) return 'foreign'
  const preamble = readPreamble(start)
  if (preamble === undefined) return 'bad'
  const size = preamble.bodyOffset + preamble.bodyLength
  if (start.length === block ? (await fstat(fd)).size !== size : start.length !== size) return 'bad'
  if (preamble.bodyOffset > start.length) {
    const more = Buffer.allocUnsafe(preamble.bodyOffset - start.length)
    if (await readAt(fd, more, start.length) !== more.length) return 'bad'
    start = Buffer.concat([start, more])
  }
  const ownKey = readKey(start, preamble)
  if (ownKey === undefined) return 'bad'
  if (key !== undefined && !ownKey.equals(key)) return 'other'
  let head = readHead(start, preamble)
  if (head === undefined) {
    // Two heads were written while we looked.
    const again = Buffer.allocUnsafe(preamble.bodyOffset)
    if (await readAt(fd, again, 0) === again.length) head = readHead(again, preamble)
  }
  if (head === undefined) return 'bad'
  return { path, fd, preamble, key: ownKey, size, first: start.subarray(preamble.bodyOffset, Math.min(start.length, size)), ...head }
}

/** The length of a file that may be one of ours, from its first bytes alone: what the loader has to know. */
export async function probeEntry (path: string): Promise<number | undefined> {
  let fd: number
  try {
    fd = await open(path, 'r')
  } catch {
    return undefined
  }
  try {
    const start = Buffer.allocUnsafe(64)
    // One that is torn, or of another version, is ours as well: it takes room, and is removed like the others.
    return isOurs(start.subarray(0, await readOnce(fd, start, 0))) ? (await fstat(fd)).size : undefined
  } catch {
    return undefined
  } finally {
    shut(fd)
  }
}
