import { closeSync, constants, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { dirname, sep } from 'node:path'
import { crc32 } from './crc32.ts'
import { codeOf } from '../../../runtime/caught.ts'
import type { Put } from '../../short-sink.ts'
import type { CacheStoreKey, CacheStoreValue } from '../../../../types/cache-store.ts'
import type { EntryFiles } from './entry-files.ts'
import { isMissing, SMALL } from './files.ts'
import { encodeHead, encodeStart, layout } from './format.ts'
import { baseName, tempName } from './names.ts'

/** An entry with its whole body. */
export interface ShortEntry {
  readonly key: CacheStoreKey
  /** Nobody else changes it. */
  readonly value: CacheStoreValue
  readonly body: readonly Buffer[]
  readonly length: number
  /** Bytes of the whole file at most. */
  readonly maxSize: number
  readonly tempPath: string | undefined
}

/** Files are put together here: they are written before the next one is. */
let scratch: Buffer | undefined
/** A file has room in it, unless its key and head are very long. */
const SCRATCH = SMALL + 16_384
/** As `'wx'`, which would be read each time. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/**
 * Stores a short entry without waiting for anything: all the calls together cost less than one trip to the thread pool. What is not
 * plain, or fails, is left to a writer and its commit, which find out what to do, or what is wrong.
 */
export function putNow (entryFiles: EntryFiles, { key, value, body, length, maxSize, tempPath }: ShortEntry): Put {
  const { atOnce, index, lock } = entryFiles
  const { place: { main: name, second, bytes, path }, wereFree } = entryFiles.placeFor(key)
  if (!atOnce.allowed || value.vary !== undefined || lock.isBusy(baseName(name))) return 'later'
  const known = index.peek(name)
  // Under the second name only a neighbour makes another process store the key while the application is asked: then the first one is taken.
  const isPlain = known === undefined
    ? !index.has(second) && (wereFree || entryFiles.isFree(second))
    : known.vary === '' && known.origin === key.origin && known.size <= SMALL
  if (!isPlain) return 'later'
  const head = encodeHead({ method: key.method, value })
  const size = layout(bytes, head).bodyOffset + length
  if (size > maxSize) return false
  const file = size <= SCRATCH ? (scratch ??= Buffer.allocUnsafeSlow(SCRATCH)) : Buffer.allocUnsafe(size)
  let end = size - length
  for (const piece of body) end += piece.copy(file, end)
  const { id } = encodeStart(bytes, head, length, crc32(file.subarray(size - length, size)), file)
  const directory = entryFiles.tempFor(name, tempPath)
  if (entryFiles.elsewhere.has(directory)) return 'later'
  const failure = atOnce.run(() => known === undefined && !isMissing(path)
    ? TAKEN
    : write(directory + sep + tempName(name), path, file, size))
  if (failure !== undefined) {
    if (codeOf(failure) === 'EXDEV') entryFiles.elsewhere.add(directory)
    return 'later'
  }
  index.add(name, size, entryFiles.now(), { id, verified: true, vary: '', origin: key.origin })
  return true
}

/** Another process has stored the key meanwhile, or another program has a file of this name. */
const TAKEN = 'taken'

/** Writes a file under a name of its own, and gives it the right one. If that fails, it gives the error, and nothing is left of it. */
function write (temp: string, path: string, bytes: Buffer, size: number): unknown {
  let fd: number
  try {
    fd = withDirectory(temp, () => openSync(temp, NEW_FILE, 0o600))
  } catch (error) {
    return error
  }
  try {
    try {
      for (let at = 0; at < size;) at += writeSync(fd, bytes, at, size - at, at)
    } finally {
      closeSync(fd)
    }
    withDirectory(path, () => renameSync(temp, path))
    return undefined
  } catch (error) {
    removeNow(temp)
    return error
  }
}

/** Makes a file's directory where it is missing, which it is once. */
function withDirectory<Result> (path: string, call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return call()
  }
}

function removeNow (path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It is gone.
  }
}
