import { pipeline, Readable } from 'node:stream'
import { wasReplaced } from './replaced.ts'
import { discard, isPromise, type StoreGuard } from './store-guard.ts'
import type { StoreKey } from './key.ts'
import type { CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

/** Time for a store to take an entry anew. */
const REWRITE_TIMEOUT = 5000

/**
 * Gives an entry another head, with or without the store's help, and calls back. Where it fails the entry stays as it was.
 * @param of the entry as it was found: one that has replaced it keeps its own head
 */
export function updateEntry (guard: StoreGuard, key: StoreKey, value: CacheStoreValue, of: CacheStoreValue, done: () => void): void {
  const { store } = guard
  if (!guard.usable()) {
    done()
    return
  }
  if (store.updateMeta === undefined) {
    rewriteEntry(guard, key, value, of, done)
    return
  }
  try {
    const result = store.updateMeta(guard.keyFor(key), value, of)
    // It may have had no room for a longer head.
    const updated = (kept: boolean | undefined): void => {
      if (kept === false) rewriteEntry(guard, key, value, of, done)
      else done()
    }
    if (isPromise(result)) guard.settle(result, 'an update', () => {}, updated)
    else updated(result)
  } catch (error) {
    guard.failed('an entry could not be updated', error)
    done()
  }
}

/** Removes a key with all its variants, and calls back. */
export function deleteEntry (guard: StoreGuard, key: StoreKey, done: () => void = () => {}): void {
  if (!guard.usable()) {
    done()
    return
  }
  try {
    const result = guard.store.delete(guard.keyFor(key))
    if (isPromise(result)) guard.settle(result, 'a deletion', () => {}, done)
    else done()
  } catch (error) {
    guard.failed('an entry could not be deleted', error)
    done()
  }
}

/** A store that can only take whole entries gets this one once more. */
function rewriteEntry (guard: StoreGuard, key: StoreKey, value: CacheStoreValue, of: CacheStoreValue, done: () => void): void {
  guard.get(key, {
    onLookup (result) {
      // It may have been replaced meanwhile, or the store may not have it any more.
      if (result === undefined || wasReplaced(result, value, of)) {
        discard(result)
        done()
        return
      }
      const stream = guard.open(key, value)
      if (stream === undefined) {
        discard(result)
        done()
        return
      }
      const signal = AbortSignal.timeout(REWRITE_TIMEOUT)
      const onSignal = (): void => { stream.destroy(new Error(`the store had not taken it after ${REWRITE_TIMEOUT} ms`)) }
      signal.addEventListener('abort', onSignal)
      pipeline(readableOf(result.body), stream, error => {
        signal.removeEventListener('abort', onSignal)
        if (error !== null && error !== undefined) guard.failed('an entry could not be written again', error)
        done()
      })
    },
  })
}

function readableOf (body: CacheStoreResult['body']): Readable {
  if (body instanceof Readable) return body
  if (body === undefined) return Readable.from([])
  return Readable.from(typeof body === 'string' || Buffer.isBuffer(body) ? [body] : body)
}
