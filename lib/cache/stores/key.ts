import { setOwn } from '../../runtime/own-property.ts'
import type { CacheStoreKey, CacheStoreValue, PurgeMatch } from '../../../types/cache-store.ts'
import { compileGlob } from '../glob.ts'

/** Zone and key as one text. A zone's name has no NUL, so that two pairs never look alike. */
export function keyText ({ origin, path }: CacheStoreKey): string {
  return `${origin}\0${path}`
}

/** The bytes of a key. Every text has its own: also one that is no Unicode. */
export function keyBytes (text: string): Buffer {
  // A surrogate without its other half would become the same character as every other; 0xff begins no UTF-8.
  return text.isWellFormed() ? Buffer.from(text) : Buffer.concat([Buffer.of(0xff), Buffer.from(text, 'utf16le')])
}

/** The way back, from the bytes to zone and key. */
export function readKey (bytes: Buffer): { origin: string, path: string } {
  const text = bytes[0] === 0xff ? bytes.toString('utf16le', 1) : bytes.toString()
  const end = text.indexOf('\0')
  return { origin: text.slice(0, end), path: text.slice(end + 1) }
}

/** What a purge asks of an entry. */
export interface PurgeCandidate {
  readonly origin: string
  readonly path: string
  readonly tags: readonly string[]
}

/** Makes a test of whether an entry is meant by a purge. */
export function purgeTest (origin: string, match: PurgeMatch): (entry: PurgeCandidate) => boolean {
  if ('key' in match) return entry => entry.origin === origin && entry.path === match.key
  if ('tag' in match) return entry => entry.origin === origin && entry.tags.includes(match.tag)
  const glob = compileGlob(match.glob)
  return entry => entry.origin === origin && glob(entry.path)
}

/** The length of a body that its entry's head promises, or 0. */
export function promisedLength (value: CacheStoreValue): number {
  const text = value.headers['content-length']
  return typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : 0
}

/**
 * The value as a store keeps it: a copy, with times that JSON and every database can hold.
 * @param headers Default: a copy. One that is written at once needs none.
 */
export function copyValue (value: CacheStoreValue, headers = copyHeaders(value.headers)): CacheStoreValue {
  const { statusCode, statusMessage, vary, etag, cacheControlDirectives } = value
  const copy: CacheStoreValue = {
    statusCode,
    statusMessage,
    headers,
    cachedAt: time(value.cachedAt),
    staleAt: time(value.staleAt),
    deleteAt: time(value.deleteAt),
  }
  if (vary !== undefined && Object.keys(vary).length > 0) copy.vary = { ...vary }
  if (etag !== undefined) copy.etag = etag
  if (cacheControlDirectives !== undefined) copy.cacheControlDirectives = { ...cacheControlDirectives }
  return copy
}

function copyHeaders (headers: CacheStoreValue['headers']): CacheStoreValue['headers'] {
  return Object.fromEntries(Object.entries(headers).map(([name, line]) => [name, Array.isArray(line) ? [...line] : line]))
}

function time (value: number): number {
  if (Number.isNaN(value)) throw new TypeError('a time of a cache entry is not a number')
  return Math.trunc(Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER))
}

/** The key by which an entry is found: with the request headers that get its variant. */
export function entryKey (origin: string, method: string, path: string, vary: CacheStoreValue['vary']): CacheStoreKey {
  if (vary === undefined) return { origin, method, path }
  const headers: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(vary)) if (value !== null) setOwn(headers, name, value)
  return { origin, method, path, headers }
}

/** Whether what was read from a disk or a database can be an entry's head. */
export function isValue (value: unknown): value is CacheStoreValue {
  return isRecord(value) && isRecord(value['headers']) && typeof value['statusCode'] === 'number' && typeof value['statusMessage'] === 'string' &&
    ['cachedAt', 'staleAt', 'deleteAt'].every(name => typeof value[name] === 'number') &&
    (value['vary'] === undefined || isRecord(value['vary']))
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** The same entry, stale from `now` on: it is fresh up to `staleAt`, that millisecond included. */
export function softened (value: CacheStoreValue, now: number): CacheStoreValue {
  return { ...value, staleAt: Math.min(value.staleAt, now - 1) }
}
