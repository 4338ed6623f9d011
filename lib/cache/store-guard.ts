import { patiently } from '../runtime/patience.ts'
import { isThenable, valueOf } from '../options/functions.ts'
import { canBeSent } from './sendable.ts'
import { plainKey, type StoreKey } from './key.ts'
import type { Put } from './short-sink.ts'
import type { Timers } from '../runtime/timers.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { Writable } from 'node:stream'
import type { CacheStore, CacheStoreKey, CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'

/** A store that mostly needs no time to take an entry. */
interface Putter {
  /** It takes a body of up to so many bytes. */
  readonly putLimit: number
  /** @param tempPath the mount's directory of temporary files, for a store that writes files */
  put (key: CacheStoreKey, value: CacheStoreValue, body: readonly Buffer[], length: number, tempPath?: string): Put
}

/** A store that often knows without waiting that there is no entry. */
interface AbsenceTeller {
  /** True if there is no entry for this request; false if `get` is to be asked. */
  isAbsent (key: CacheStoreKey): boolean
}

/** An entry as a store in memory keeps it: the same object for all who find it. */
export interface SharedEntry {
  /** Its headers are frozen. */
  readonly value: CacheStoreValue
  /** Nobody may write into it. */
  readonly body: Buffer | undefined
  /** Of the body. */
  readonly size: number
  /** What those who send it have made of it. */
  made: object | undefined
}

/** A store that has entries in memory. */
interface Finder {
  /** What `get` finds, where it is the same for all requests; `undefined` where `get` is to be asked. */
  find (origin: string, path: string): SharedEntry | undefined
}

/** What our own stores can do that others cannot. */
export interface StoreSkills {
  readonly putter: Putter
  readonly finder?: Finder
  /** The entries are the objects that were stored: they need no check. */
  readonly keepsObjects?: boolean
  readonly tempWriter?: TempWriter
  readonly absenceTeller?: AbsenceTeller
}

/** A store that writes in a directory that it is given. */
interface TempWriter {
  createWriteStream (key: CacheStoreKey, value: CacheStoreValue, tempPath: string): Writable | undefined
}

/** Receives what a store found. */
export interface Lookup {
  /** What it is told in, where the store answers later. */
  readonly context?: AsyncResource
  /** @param failed the store failed or was too slow: nothing is known about the key */
  onLookup (result: CacheStoreResult | undefined, failed: boolean): void
}

/** Calls that the store has not answered in time; with so many of them it gets no more. */
const MAX_STUCK = 8
/** While that lasts, it is tried so often. */
const RETRY = 1000
/** A failure so long after the last one is told again, in milliseconds. */
const QUIET = 10_000

/**
 * Stands between the cache and its store: one that throws, is slow or never answers costs a request no more than the timeout, the
 * log one line, and no memory without end.
 */
export class StoreGuard {
  readonly store: CacheStore
  /** Milliseconds. */
  readonly timeout: number
  /** Failures so far. */
  failures = 0
  closed = false
  readonly #clock: Timers
  readonly #warn: (message: string, error: unknown) => void
  /** Our own stores get keys whose headers are made only when they are read; a copy of such a key would lack them. */
  readonly #skills: StoreSkills | undefined
  readonly #keepsObjects: boolean
  #stuck = 0
  #retryAt = 0
  #failedAt = -Infinity

  /** @param skills of a store of ours, which only read what they are given */
  constructor (store: CacheStore, timeout: number, clock: Timers, warn: (message: string, error: unknown) => void, skills?: StoreSkills) {
    this.store = store
    this.timeout = timeout
    this.#clock = clock
    this.#warn = warn
    this.#skills = skills
    this.#keepsObjects = skills?.keepsObjects === true
  }

  /** Looks a key up, and calls back; at once where the store answers at once. */
  get (key: StoreKey, lookup: Lookup): void {
    if (!this.usable()) {
      lookup.onLookup(undefined, true)
      return
    }
    let result
    try {
      if (this.#skills?.absenceTeller?.isAbsent(key) !== true) result = this.store.get(this.keyFor(key))
    } catch (error) {
      this.failed('the lookup failed', error)
      lookup.onLookup(undefined, true)
      return
    }
    if (!isPromise(result)) {
      lookup.onLookup(checked(result, this.#keepsObjects), false)
      return
    }
    this.settle(result, 'a lookup', discard, (found, failed) => {
      if (lookup.context === undefined) lookup.onLookup(checked(found, this.#keepsObjects), failed)
      else lookup.context.runInAsyncScope(lookup.onLookup, lookup, checked(found, this.#keepsObjects), failed)
    })
  }

  /** What a lookup finds, where the store has that in memory and it is the same for all requests; `undefined` where `get` is to be asked. */
  find (origin: string, path: string): SharedEntry | undefined {
    const finder = this.#skills?.finder
    return finder === undefined || this.closed ? undefined : finder.find(origin, path)
  }

  /** A store in memory: `find` may find something. */
  get finds (): boolean {
    return this.#skills?.finder !== undefined
  }

  /**
   * Opens an entry for writing; `undefined` if the store refuses it, or fails.
   * @param tempPath the mount's directory of temporary files
   */
  open (key: StoreKey, value: CacheStoreValue, tempPath?: string): Writable | undefined {
    if (!this.usable()) return undefined
    try {
      const tempWriter = this.#skills?.tempWriter
      if (tempPath !== undefined && tempWriter !== undefined) return tempWriter.createWriteStream(key, value, tempPath)
      return valueOf('createCache.store.createWriteStream', this.store.createWriteStream(this.keyFor(key), value))
    } catch (error) {
      this.failed('an entry could not be opened for writing', error)
      return undefined
    }
  }

  /** Puts an entry with its whole body into a store that takes it at once (see `putLimit`). */
  put (key: StoreKey, value: CacheStoreValue, body: readonly Buffer[], length: number, tempPath?: string): Put {
    if (!this.usable()) return false
    try {
      return this.#skills?.putter.put(key, value, body, length, tempPath) ?? false
    } catch (error) {
      this.failed('an entry could not be stored', error)
      return false
    }
  }

  /** The store takes bodies of up to so many bytes at once; -1 if it takes none. */
  get putLimit (): number {
    return this.#skills?.putter.putLimit ?? -1
  }

  keyFor (key: StoreKey): CacheStoreKey {
    return this.#skills === undefined ? plainKey(key) : key
  }

  /** The store does not answer: it is asked now and then at most. */
  get isStuck (): boolean {
    return this.closed || this.#stuck >= MAX_STUCK
  }

  /** Whether the store is to be asked at all. */
  usable (): boolean {
    if (this.closed) return false
    if (this.#stuck < MAX_STUCK) return true
    const now = this.#clock.now()
    if (now < this.#retryAt) return false
    this.#retryAt = now + RETRY
    return true
  }

  /**
   * Waits for a store's answer, as long as the timeout.
   * @param late gets an answer that nobody waits for any more
   */
  settle<T> (promise: Promise<T>, what: string, late: (value: T) => void, callback: (value: T | undefined, failed: boolean) => void): void {
    let over = false
    const cancel = patiently(this.#clock, this.timeout, () => {
      over = true
      if (this.#stuck++ === 0) this.#retryAt = this.#clock.now() + RETRY
      this.failed(`${what} took more than ${this.timeout} ms`, undefined)
      callback(undefined, true)
    })
    promise.then(value => {
      if (over) {
        this.#stuck--
        late(value)
        return
      }
      cancel()
      callback(value, false)
    }, error => {
      if (over) {
        this.#stuck--
        return
      }
      cancel()
      this.failed(`${what} failed`, error)
      callback(undefined, true)
    })
  }

  /** The store failed: the first time of an outage is told. */
  failed (message: string, error: unknown): void {
    this.failures++
    const now = this.#clock.now()
    const quiet = now - this.#failedAt
    this.#failedAt = now
    if (quiet >= QUIET && !this.closed) this.#warn(message, error)
  }
}

/** Whether a store answers later. */
export function isPromise<T> (value: T | Promise<T>): value is Promise<T> {
  return isThenable(value)
}

/**
 * An entry that can be used: a store may be somebody else's, or damaged. What cannot be sent is not there.
 * @param trusted the store keeps what it was given
 */
function checked (result: CacheStoreResult | undefined, trusted: boolean): CacheStoreResult | undefined {
  if (result === undefined || result === null) return undefined
  const { statusCode, headers, staleAt, deleteAt, cachedAt } = result
  const fits = Number.isInteger(statusCode) && statusCode >= 200 && statusCode <= 599 && typeof headers === 'object' && headers !== null &&
    typeof staleAt === 'number' && typeof deleteAt === 'number' && typeof cachedAt === 'number'
  if (fits && (trusted || canBeSent(result))) return result
  discard(result)
  return undefined
}

/** Lets go of a body that nobody reads. */
export function discard (result: CacheStoreResult | undefined): void {
  const body = result?.body
  if (body !== undefined && typeof body === 'object' && 'destroy' in body) body.destroy()
}
