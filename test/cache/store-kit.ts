import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

export const ZONE = 'scgi:zone'

export function keyOf (path: string, headers?: Record<string, string>): CacheStoreKey {
  return { origin: ZONE, method: 'GET', path, ...(headers !== undefined && { headers }) }
}

export function valueOf (changes: Partial<CacheStoreValue> = {}): CacheStoreValue {
  const now = Date.now()
  return { statusCode: 200, statusMessage: 'OK', headers: {}, cachedAt: now, staleAt: now + 600_000, deleteAt: now + 1_200_000, ...changes }
}

export async function write (store: CacheStore, path: string, content: Buffer | string, changes?: Partial<CacheStoreValue>): Promise<void> {
  const stream = store.createWriteStream(keyOf(path), valueOf(changes))
  assert.ok(stream !== undefined)
  stream.end(content)
  await finished(stream)
}

/** The body of an entry, or undefined. */
export async function read (store: CacheStore, path: string): Promise<Buffer | undefined> {
  const found = await store.get(keyOf(path))
  return found === undefined ? undefined : bodyOf(found.body)
}

export async function bodyOf (body: CacheStoreResult['body']): Promise<Buffer> {
  if (Buffer.isBuffer(body)) return body
  assert.ok(body instanceof Readable)
  return buffer(body)
}

/** Waits for what a store does in its own time, which keeps no process alive. */
export async function alive<T> (work: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}

/** Bytes that look different for every seed. */
export function pattern (size: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(size)
  let state = seed * 2654435761 + 1
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[i] = state >>> 24
  }
  return bytes
}
