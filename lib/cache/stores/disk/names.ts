import { hash } from 'node:crypto'
import { join } from 'node:path'
import { levelDirectories } from '../../../temp-file.ts'
import { variantText } from '../vary.ts'

const ENTRY = /^[0-9a-f]{32}(?:-[0-9a-f]{32})?$/
const TEMP = /^[0-9a-f]{32}\.(\d{1,10})\.\d{10}$/

/** The name of a key's first entry: 32 hexadecimal digits. */
export function entryName (key: Buffer, method: string): string {
  const name = hash('md5', key)
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

/** The directory of an entry below the store's. */
export function entryDirectory (root: string, levels: readonly number[], name: string): string {
  return join(root, ...levelDirectories(baseName(name), levels))
}

export function isEntryName (name: string): boolean {
  return ENTRY.test(name)
}

/** The process that has made a temporary file of ours; undefined where it is none. */
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
