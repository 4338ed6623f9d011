import { hash } from 'node:crypto'
import { sep } from 'node:path'
import { levelDirectories } from '../../../files/temp-file.ts'
import type { CacheStoreKey } from '../../../../types/cache-store.ts'
import { keyBytes, keyText } from '../key.ts'
import { variantText } from '../vary.ts'

const ENTRY = /^[0-9a-f]{32}(?:-[0-9a-f]{32})?$/
const TEMP = /^[0-9a-f]{32}\.(\d{1,10})\.\d{10}$/

/** The name of a key's first entry: the MD5 of the key, by which other programs find it. (nginx: scgi_cache_path) */
export function entryName ({ path, method }: CacheStoreKey): string {
  return nameOf(keyBytes(path), method)
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

function nameOf (bytes: Buffer, method: string): string {
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
  return name.slice(0, 32)
}

/** The directory of an entry below the store's, whose path is absolute. */
export function entryDirectory (root: string, levels: readonly number[], name: string): string {
  let path = root
  for (const directory of levelDirectories(baseName(name), levels)) path = path + sep + directory
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

// Two processes with the same number, in containers that share the directory, seldom count in step.
let counter = Math.floor(Math.random() * 1e10)

/** A name for a temporary file, which says whose it is. */
export function tempName (name: string): string {
  counter = (counter + 1) % 1e10
  return `${baseName(name)}.${process.pid}.${counter.toString().padStart(10, '0')}`
}
