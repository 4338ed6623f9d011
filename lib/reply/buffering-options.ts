import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { NAME_LENGTH, type TempPlace } from '../files/temp-file.ts'
import { isRecord, orSwitch } from '../options/checks.ts'
import { readRows } from '../options/read.ts'
import { BUFFERING, TEMP_PATH } from '../options/table/reply.ts'
import { parseSize, show } from '../options/units.ts'
import type { TempTotal } from './reply-file.ts'
import type { BufferingOptions } from '../../types/buffering.ts'

/** The option `buffering`, checked and ready for use. Sizes are in bytes. */
export interface ReplyBuffering {
  readonly enabled: boolean
  /** Largest head, and largest single read. */
  readonly bufferSize: number
  /** Most bytes read ahead in memory: `bufferSize` and all `buffers`. */
  readonly memory: number
  readonly busyBuffersSize: number
  /** 0 for no file. */
  readonly maxTempFileSize: number
  readonly tempFileWriteSize: number
  readonly tempPath: TempPlace
  /** Shared by all replies of the mount. */
  readonly tempTotal: TempTotal
}

const MIN_SIZE = 1024
const DEFAULT_BUSY = 16_384
const MAX_LEVELS = 3

/**
 * Checks the option `buffering`. Each call makes a total of its own: it is called once for a mount.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileBuffering (given: boolean | BufferingOptions = true): ReplyBuffering {
  const options = typeof given === 'boolean' ? { enabled: given } : given
  if (!isRecord(options)) throw new FST_SCGI_OPT_INVALID('buffering', show(options), orSwitch(options, 'true, false or an object'))
  const { enabled, bufferSize, buffers, tempPath, ...sizes } = readRows(BUFFERING, options, 'buffering', 'it')
  if (!Array.isArray(buffers) || buffers.length !== 2) throw invalid('buffers', buffers, "number and size of the buffers, such as [8, '8k']")
  const [count, each] = buffers
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 2) throw invalid('buffers', buffers, 'at least 2 buffers')
  const one = size('buffers', each, MIN_SIZE, 'buffers of at least 1k')
  if (!Number.isSafeInteger(bufferSize + count * one)) throw invalid('buffers', buffers, 'fewer or smaller buffers')
  const enough = `at least the size of one of the buffers (${one} bytes)`
  const most = Math.max(DEFAULT_BUSY, 2 * one)
  const { busyBuffersSize = most, maxTempFileSize = Math.max(2 ** 30, one), tempFileWriteSize = most, tempTotalSize } = sizes
  return {
    enabled,
    bufferSize,
    memory: bufferSize + count * one,
    busyBuffersSize: size('busyBuffersSize', busyBuffersSize, one, enough),
    maxTempFileSize: sizeOrNone('maxTempFileSize', maxTempFileSize, one, enough),
    tempFileWriteSize: size('tempFileWriteSize', tempFileWriteSize, one, enough),
    tempPath: readTempPath(tempPath),
    tempTotal: { used: 0, limit: tempTotalSize === undefined ? Infinity : sizeOrNone('tempTotalSize', tempTotalSize, one, enough) },
  }
}

function invalid (option: string, value: unknown, expected: string): Error {
  return new FST_SCGI_OPT_INVALID(`buffering.${option}`, show(value), expected)
}

function size (option: string, value: unknown, least: number, expected: string): number {
  const bytes = parseSize(`buffering.${option}`, value)
  if (bytes < least) throw invalid(option, value, expected)
  return bytes
}

function sizeOrNone (option: string, value: unknown, least: number, expected: string): number {
  return parseSize(`buffering.${option}`, value) === 0 ? 0 : size(option, value, least, `0, or ${expected}`)
}

function readTempPath (given: unknown): TempPlace {
  if (given === undefined) return { path: undefined, make: false, levels: [] }
  const options = typeof given === 'string' ? { path: given } : given
  if (!isRecord(options)) throw invalid('tempPath', given, 'a directory, or { path, levels }')
  const { path, levels = [] } = readRows(TEMP_PATH, options, 'buffering.tempPath', 'it')
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalid('tempPath', given, 'a directory, or { path, levels }')
  if (!Array.isArray(levels) || levels.length > MAX_LEVELS || levels.some(width => !Number.isInteger(width) || width < 1) ||
      levels.reduce((sum, width) => sum + width, 0) >= NAME_LENGTH) {
    throw invalid('tempPath.levels', levels, `up to ${MAX_LEVELS} numbers of digits, fewer than ${NAME_LENGTH} together, such as [1, 2]`)
  }
  return { path, make: true, levels: [...levels] }
}
