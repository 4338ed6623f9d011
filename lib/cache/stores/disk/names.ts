import { hash } from 'node:crypto'
import { sep } from 'node:path'
import type { CacheStoreKey } from '../../../../types/cache-store.ts'
import { keyBytes, keyText } from '../key.ts'
import { variantText } from '../vary.ts'

/** Digits of an MD5. */
const BASE_LENGTH = 32
const ENTRY = /^[0-9a-f]{32}(?:-[0-9a-f]{32})?$/
const TEMP = /^[0-9a-f]{32}\.(\d{1,10})\.\d{10}$/

/** The name of a key's first entry: the MD5 of the key, by which other programs find it. (nginx: scgi_cache_path) */
export function entryName ({ path, method }: CacheStoreKey): string {
  // A text is hashed as the bytes that it has in UTF-8, without a Buffer for them.
  return nameOf(path.isWellFormed() ? path : keyBytes(path), method)
}

/** The one that it has where an entry of another zone has that: the MD5 of the zone's name, a NUL, and the key. */
export function secondName (zoneAndKey: Buffer, method: string): string {
  return nameOf(zoneAndKey, method)
}

/** The names that the first entry of a key can have. */
export interface FirstNames {
  /** Zone and key, as they are in the file. */
  readonly bytes: Buffer
  readonly main: string
  readonly second: string
}

/** @param main the key's `entryName`, where it is known */
export function firstNames (key: CacheStoreKey, main = entryName(key)): FirstNames {
  const bytes = keyBytes(keyText(key))
  return { bytes, main, second: secondName(bytes, key.method) }
}

/** All entries of a key are changed one after the other, whatever their zone and name. */
export function lockName (path: string): string {
  return hash('md5', keyBytes(path))
}

function nameOf (bytes: Buffer | string, method: string): string {
  const name = hash('md5', bytes)
  return method === 'GET' ? name : `${name}-${hash('md5', method)}`
}

/** The name of a further variant of a key. */
export function variantName (
  name: string, method: string, names: readonly string[], headers: Record<string, string | string[] | null> | undefined
): string {
  return `${baseName(name)}-${hash('md5', variantText(method, names, headers))}`
}

/** What the names of all entries of a key begin with. */
export function baseName (name: string): string {
  return name.slice(0, BASE_LENGTH)
}

/** The directory of an entry below the store's, whose path is absolute. */
export function entryDirectory (root: string, levels: readonly number[], name: string): string {
  let path = root
  let end = BASE_LENGTH
  for (const width of levels) {
    end -= width
    path += sep + name.slice(end, end + width)
  }
  return path
}

export function isEntryName (name: string): boolean {
  return ENTRY.test(name)
}

/** The process that has made a temporary file of ours; undefined if it is none. */
export function tempOwner (name: string): number | undefined {
  const pid = TEMP.exec(name)?.[1]
  return pid === undefined ? undefined : Number(pid)
}

// Ten digits that are a small integer: others are turned into text more slowly.
const FIRST = 1_000_000_000
const NUMBERS = 1_000_000_000
// Two processes with the same number, in containers that share the directory, seldom count in step.
let counter = FIRST + Math.floor(Math.random() * NUMBERS)

/** A name for a temporary file, which says whose it is. */
export function tempName (name: string): string {
  counter = counter + 1 < FIRST + NUMBERS ? counter + 1 : FIRST
  return `${baseName(name)}.${process.pid}.${counter}`
}
