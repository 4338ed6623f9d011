import { accessSync, constants, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { FST_SCGI_OPT_INVALID } from '../../../errors.ts'
import { orSwitch, switched } from '../../../options/checks.ts'
import { CREATE_CACHE } from '../../../options/table/cache.ts'
import { parseLifetime, parseSize, parseTime, show } from '../../../options/units.ts'
import type { RoundOptions } from './rounds.ts'

export interface DiskStoreOptions {
  /** The directory of the entries; made with mode 0700 where it is missing. Several processes may share it. (nginx: scgi_cache_path) */
  path: string
  /** Directories below it, as so many characters from the end of an entry's name: `'1:2'` or `[1, 2]`. Default none. (nginx: levels) */
  levels?: string | number | readonly number[]
  /**
   * Where an entry is written before it gets its name: `true` for the directory that the writer gives, else `temp` in `path`; `false` for
   * the entry's own directory; or a directory. From another file system it is copied. Default true. (nginx: use_temp_path)
   */
  useTempPath?: boolean | string
  /** An entry nobody asked for so long is removed, fresh or not. Default `'10m'`. (nginx: inactive) */
  inactive?: number | string
  /** Bytes of all files, in blocks of the disk; the one used longest ago goes first. Default: no limit. (nginx: max_size) */
  maxSize?: number | string
  /** Default: no limit. */
  maxEntries?: number
  /** Bytes of one body; a larger one is not stored. Default: `maxSize`. */
  maxEntrySize?: number | string
  /** Entries are removed while the file system has fewer bytes free. Default 0. (nginx: min_free) */
  minFree?: number | string
  /** How many entries are removed in a row, and the pause after that. Default 100 or 200 ms, then 50 ms. (nginx: manager_files and others) */
  manager?: RoundOptions
  /**
   * The same for finding the entries of a previous run, which begins after `delay` (default `'60s'`). Entries are found before that when
   * they are asked for; this is for the limits. (nginx: loader_files and others)
   */
  loader?: RoundOptions & { delay?: number | string }
  /** Milliseconds since the epoch; tests have their own. */
  now?: () => number
}

export interface DiskSettings {
  readonly root: string
  readonly levels: readonly number[]
  /** Directory of the temporary files; undefined for that of the entry. */
  readonly temp: string | undefined
  /** Where a writer gives a directory, that is the one. */
  readonly writersTemp: boolean
  readonly inactive: number
  readonly maxSize: number
  readonly maxEntries: number
  readonly maxEntrySize: number
  readonly minFree: number
  readonly delay: number
}

/** @throws FST_SCGI_OPT_INVALID */
export function readDiskOptions (options: DiskStoreOptions): DiskSettings {
  const { path, levels = [], useTempPath = true, inactive = '10m', minFree = 0, loader } = options
  const root = makeDirectory('path', path)
  if (switched(useTempPath) !== undefined) throw new FST_SCGI_OPT_INVALID('useTempPath', show(useTempPath), orSwitch(useTempPath, 'true, false or a directory'))
  const maxSize = options.maxSize === undefined ? Infinity : parseSize('maxSize', options.maxSize)
  return {
    root,
    levels: readLevels(levels),
    temp: useTempPath === false ? undefined : makeDirectory('useTempPath', useTempPath === true ? join(root, 'temp') : useTempPath),
    writersTemp: useTempPath === true,
    inactive: parseLifetime('inactive', inactive),
    maxSize,
    maxEntries: CREATE_CACHE.maxEntries.read('maxEntries', options.maxEntries) ?? Infinity,
    maxEntrySize: options.maxEntrySize === undefined ? maxSize : parseSize('maxEntrySize', options.maxEntrySize),
    minFree: parseSize('minFree', minFree),
    delay: parseTime('loader.delay', loader?.delay ?? '60s'),
  }
}

function readLevels (levels: unknown): readonly number[] {
  // In a configuration file `levels=1` is a text, and `levels=` is none.
  const given = typeof levels === 'number' ? [levels] : levels
  const widths: unknown[] = given === ''
    ? []
    : typeof given === 'string'
      ? given.split(':').map(digit => /^[12]$/.test(digit) ? Number(digit) : NaN)
      : Array.isArray(given) ? given : [NaN]
  const read = widths.filter(width => width === 1 || width === 2)
  if (read.length !== widths.length || read.length > 3) {
    throw new FST_SCGI_OPT_INVALID('levels', show(levels), "up to three numbers, each 1 or 2: '1:2' or [1, 2]")
  }
  return read
}

/** A directory that can be written: what is wrong with it has to be said now, not with every entry. */
function makeDirectory (option: string, path: unknown): string {
  if (typeof path !== 'string' || path === '') throw new FST_SCGI_OPT_INVALID(option, show(path), 'the path of a directory')
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    const error = new FST_SCGI_OPT_INVALID(option, show(path), `a directory that can be written (${cause instanceof Error ? cause.message : String(cause)})`)
    error.cause = cause
    throw error
  }
  return resolve(path)
}
