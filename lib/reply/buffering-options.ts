import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { NAME_LENGTH, type TempPlace } from '../files/temp-file.ts'
import { flag, orSwitch } from '../options/checks.ts'
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

const KEYS: readonly string[] = [
  'enabled', 'bufferSize', 'buffers', 'busyBuffersSize', 'maxTempFileSize', 'tempFileWriteSize', 'tempPath', 'tempTotalSize',
] satisfies (keyof BufferingOptions)[]
const MIN_SIZE = 1024
const DEFAULT_BUSY = 16_384
const MAX_LEVELS = 3

/**
 * Checks the option `buffering`. Each call makes a total of its own: it is called once for a mount.
 * @throws FST_SCGI_OPT_INVALID
 */
export function compileBuffering (given: boolean | BufferingOptions = true): ReplyBuffering {
  const options = typeof given === 'boolean' ? { enabled: given } : given
  checkKeys('buffering', options, KEYS, orSwitch(options, 'true, false or an object'))
  const { bufferSize: first = '64k', buffers = [8, '8k'] } = options
  const bufferSize = size('bufferSize', first, MIN_SIZE, 'at least 1k')
  if (!Array.isArray(buffers) || buffers.length !== 2) throw invalid('buffers', buffers, "number and size of the buffers, such as [8, '8k']")
  const [count, each] = buffers
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 2) throw invalid('buffers', buffers, 'at least 2 buffers')
  const one = size('buffers', each, MIN_SIZE, 'buffers of at least 1k')
  if (!Number.isSafeInteger(bufferSize + count * one)) throw invalid('buffers', buffers, 'fewer or smaller buffers')
  const enough = `at least the size of one of the buffers (${one} bytes)`
  const most = Math.max(DEFAULT_BUSY, 2 * one)
  const { busyBuffersSize = most, maxTempFileSize = Math.max(2 ** 30, one), tempFileWriteSize = most, tempTotalSize } = options
  return {
    enabled: flag('buffering.enabled', options.enabled, true),
    bufferSize,
    memory: bufferSize + count * one,
    busyBuffersSize: size('busyBuffersSize', busyBuffersSize, one, enough),
    maxTempFileSize: sizeOrNone('maxTempFileSize', maxTempFileSize, one, enough),
    tempFileWriteSize: size('tempFileWriteSize', tempFileWriteSize, one, enough),
    tempPath: readTempPath(options.tempPath),
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

function checkKeys (option: string, value: unknown, keys: readonly string[], expected: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FST_SCGI_OPT_INVALID(option, show(value), expected)
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) throw new FST_SCGI_OPT_INVALID(`${option}.${key}`, show(Reflect.get(value, key)), `one of ${keys.join(', ')}`)
  }
}

function readTempPath (given: BufferingOptions['tempPath']): TempPlace {
  if (given === undefined) return { path: undefined, make: false, levels: [] }
  const options = typeof given === 'string' ? { path: given } : given
  checkKeys('buffering.tempPath', options, ['path', 'levels'], 'a directory, or { path, levels }')
  const { path, levels = [] } = options
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw invalid('tempPath', given, 'a directory, or { path, levels }')
  if (!Array.isArray(levels) || levels.length > MAX_LEVELS || levels.some(width => !Number.isInteger(width) || width < 1) ||
      levels.reduce((sum, width) => sum + width, 0) >= NAME_LENGTH) {
    throw invalid('tempPath.levels', levels, `up to ${MAX_LEVELS} numbers of digits, fewer than ${NAME_LENGTH} together, such as [1, 2]`)
  }
  return { path, make: true, levels: [...levels] }
}
