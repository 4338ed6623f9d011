import { BoundedMap } from './bounded-map.ts'
import { Commits } from './commits.ts'
import { FST_SCGI_CACHE_LIST, FST_SCGI_CACHE_PURGE } from '../errors.ts'
import { valueOf } from '../options/functions.ts'
import { deleteEntry } from './update.ts'
import { LockTable } from './lock.ts'
import { StoreKey } from './key.ts'
import { compileGlob } from './glob.ts'
import { listEntries } from './listing.ts'
import { purgeBySearch } from './purge.ts'
import { RememberedErrors, type RememberedError } from './remembered-errors.ts'
import { ActiveList, type Listed } from '../runtime/active-list.ts'
import { show } from '../options/units.ts'
import { StoreGuard, type StoreSkills } from './store-guard.ts'
import { UseCounter } from './use-counter.ts'
import { variantKey } from './vary.ts'
import type { Timers } from '../runtime/timers.ts'
import type { CacheStore, PurgeMatch } from '../../types/cache-store.ts'
import type { Cache, CacheEntries, CacheStats, CacheStatus, HeaderValues } from '../../types/cache.ts'

export interface ZoneSettings {
  readonly name: string
  readonly store: CacheStore
  /** Of the store, if it is one of ours. */
  readonly skills?: StoreSkills
  /** Milliseconds. */
  readonly storeTimeout: number
  /** Milliseconds that an expired entry is kept at least. */
  readonly keepStale: number
  /** Milliseconds after which what is known of a key that nobody asks for is forgotten. */
  readonly inactive: number
  readonly clock: Timers
}

/** A request whose reply may yet be stored. */
export interface Active extends Listed {
  /**
   * Entries are being purged: its reply may be one of them.
   * @param tag what is purged is every entry with it
   */
  onPurge (test: (key: string) => boolean, tag: string | undefined): void
  /** The cache is being closed. */
  onClose (): void
}

/** How long the names in an entry's Vary are remembered, for requests that find no entry. */
const VARY_TIME = 3_600_000

/** Most entries of a page. */
const MOST_LISTED = 10_000

/** One cache: a store, and what requests need to know of one another. */
export class CacheZone implements Cache {
  readonly name: string
  /** As stores know the zone. */
  readonly origin: string
  readonly guard: StoreGuard
  readonly locks: LockTable
  readonly commits: Commits
  readonly uses: UseCounter
  readonly clock: Timers
  readonly keepStale: number
  /** Requests whose reply may yet be stored. */
  readonly active = new ActiveList<Active>()
  /** Who tells other processes of purges. */
  readonly purgeListeners = new Set<(match: PurgeMatch, soft: boolean) => void>()
  /** Background updates that run. */
  updating = 0
  /** Is told once of each outage of the store. */
  onWarning: (message: string, error: unknown) => void
  readonly #errors = new RememberedErrors()
  readonly #varyNames = new BoundedMap<readonly string[]>(10_000, 4 * 1024 * 1024)
  readonly #requests: Record<CacheStatus, number> = { MISS: 0, BYPASS: 0, EXPIRED: 0, STALE: 0, UPDATING: 0, REVALIDATED: 0, HIT: 0 }

  constructor (settings: ZoneSettings) {
    const { name, store, clock } = settings
    this.name = name
    this.origin = `scgi:${name}`
    this.clock = clock
    this.keepStale = settings.keepStale
    this.onWarning = (message, error) => {
      process.emitWarning(`${message}${error instanceof Error ? `: ${error.message}` : ''}`, { code: 'FST_SCGI_CACHE_STORE' })
    }
    this.guard = new StoreGuard(store, settings.storeTimeout, clock, (message, error) => {
      this.onWarning(`cache '${name}': ${message}; requests go on without it`, error)
    }, settings.skills)
    this.locks = new LockTable(clock)
    this.commits = new Commits(clock)
    this.uses = new UseCounter(settings.inactive)
  }

  count (status: CacheStatus): void {
    this.#requests[status]++
  }

  /** What is remembered instead of a reply, of the variant that a request gets. */
  errorOf (key: string, headers: () => HeaderValues, now: number): RememberedError | undefined {
    return this.#errors.get(key, headers, now)
  }

  /** @param names of the headers that the error says it depends on; those that the key's replies depend on are added */
  rememberError (key: string, names: readonly string[], headers: () => HeaderValues, statusCode: number, now: number, until: number): void {
    const known = this.#varyNames.size === 0 ? undefined : this.#varyNames.get(key, now)
    this.#errors.set(key, known === undefined ? names : [...known, ...names], headers, statusCode, now, until)
  }

  /**
   * The variant that a request gets is in the store now. If there are several, requests for them are told apart from now on.
   * @param vary names of the headers that select it
   */
  stored (key: string, headers: () => HeaderValues, vary: readonly string[] | undefined): void {
    if (this.#errors.size > 0) this.#errors.delete(key, headers, this.clock.now())
    if (vary !== undefined && vary.length > 0) this.#varyNames.set(key, vary, this.clock.now() + VARY_TIME)
  }

  /** Not every request for this key gets the same reply, as far as is known. */
  varies (key: string, now: number): boolean {
    return this.#varyNames.size > 0 && this.#varyNames.get(key, now) !== undefined
  }

  /** What requests lock that need the same reply. */
  lockKey (key: string, headers: () => HeaderValues, now: number): string {
    const names = this.#varyNames.size === 0 ? undefined : this.#varyNames.get(key, now)
    return names === undefined ? key : variantKey(key, names, headers())
  }

  get shared (): boolean {
    return this.guard.store.shared === true
  }

  async purge (match: string | PurgeMatch, { soft = false, here = false }: { soft?: boolean, here?: boolean } = {}): Promise<number> {
    const wanted = checkMatch(this.name, match)
    if (!here) for (const tell of this.purgeListeners) tell(wanted, soft)
    return this.purgeHere(wanted, soft)
  }

  /** Purges in this process alone: the others do so themselves. */
  async purgeHere (wanted: PurgeMatch, soft: boolean): Promise<number> {
    const test = 'key' in wanted ? (key: string) => key === wanted.key : 'glob' in wanted ? compileGlob(wanted.glob) : () => false
    this.#errors.deleteKeys(test)
    // What was fetched before the purge must not come after it.
    for (const transaction of this.active.all()) transaction.onPurge(test, 'tag' in wanted ? wanted.tag : undefined)
    const { store } = this.guard
    try {
      return store.purge === undefined
        ? await purgeBySearch(store, this.name, this.origin, wanted, soft, this.clock.now())
        : await store.purge(this.origin, wanted, soft)
    } catch (error) {
      if (error instanceof FST_SCGI_CACHE_PURGE) throw error
      throw Object.assign(new FST_SCGI_CACHE_PURGE(this.name, error instanceof Error ? error.message : String(error)), { cause: error })
    }
  }

  /** An unsafe request has changed what these keys stand for: their entries go, and what was fetched before is not stored. (RFC 9111 section 4.4) */
  invalidate (keys: readonly string[]): void {
    const test = (key: string): boolean => keys.includes(key)
    this.#errors.deleteKeys(test)
    for (const transaction of this.active.all()) transaction.onPurge(test, undefined)
    for (const key of keys) {
      // Who asks next waits for that.
      this.commits.begin(key)
      deleteEntry(this.guard, new StoreKey(this.origin, key, nothing), () => this.commits.end(key))
    }
  }

  async entries ({ glob, offset = 0, limit = 100 }: { glob?: string, offset?: number, limit?: number } = {}): Promise<CacheEntries> {
    if (glob !== undefined && typeof glob !== 'string') throw new FST_SCGI_CACHE_LIST(this.name, `glob ${show(glob)} is no text`)
    if (!Number.isSafeInteger(offset) || offset < 0) throw new FST_SCGI_CACHE_LIST(this.name, `offset ${show(offset)} is no integer of 0 or more`)
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MOST_LISTED) {
      throw new FST_SCGI_CACHE_LIST(this.name, `limit ${show(limit)} is no integer of 1 to ${MOST_LISTED}`)
    }
    return listEntries(this.guard.store, this.name, this.origin, { glob, offset, limit }, this.clock.now())
  }

  stats (): CacheStats {
    let counted
    try {
      counted = valueOf('createCache.store.stats', this.guard.store.stats?.())
    } catch (error) {
      this.guard.failed('the store could not say what it holds', error)
    }
    return {
      entries: counted?.entries,
      bytes: counted?.bytes,
      requests: { ...this.#requests },
      updating: this.updating,
      waiting: this.locks.waiting,
      storeFailures: this.guard.failures,
    }
  }

  async close (): Promise<void> {
    if (this.guard.closed) return
    this.guard.closed = true
    for (const transaction of this.active.all()) transaction.onClose()
    await this.commits.idle()
    await this.guard.store.close?.()
  }
}

/** A purge that says nothing, or two things, would be taken for one that is done. */
function checkMatch (name: string, match: unknown): PurgeMatch {
  if (typeof match === 'string') return { key: match }
  const wanted = typeof match === 'object' && match !== null ? Object.entries(match).filter(([, value]) => value !== undefined) : []
  const [kind, text]: unknown[] = wanted.length === 1 ? wanted[0] ?? [] : []
  if (typeof text === 'string') {
    if (kind === 'key') return { key: text }
    if (kind === 'glob') return { glob: text }
    if (kind === 'tag') return { tag: text }
  }
  throw new FST_SCGI_CACHE_PURGE(name, `${show(match)} is neither a key nor one of { key }, { glob }, { tag } with a text`)
}

/** No header selects what is taken away with all its variants. */
function nothing (): Record<string, never> {
  return {}
}
