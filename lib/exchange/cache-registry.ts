import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import type { PurgeMatch } from '../../types/cache-store.ts'
import type { CacheZone } from '../cache/zone.ts'
import type { CacheRegistry } from '../../types/fastify.ts'
import type { FastifyBaseLogger } from 'fastify'

/** How many applications use a cache; the last one closes it. */
const users = new WeakMap<CacheZone, number>()

/** The caches of one application by name. */
export class Caches implements CacheRegistry {
  readonly #zones = new Map<string, CacheZone>()
  readonly #log: FastifyBaseLogger
  /** Hears of purges, for other processes to be told. */
  onPurge: ((cache: string, match: PurgeMatch, soft: boolean) => void) | undefined
  /** What this listens with, by cache. */
  readonly #listeners = new Map<CacheZone, (match: PurgeMatch, soft: boolean) => void>()

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /** @throws FST_SCGI_OPT_INVALID for another cache of the same name, and for one that is closed */
  add (zone: CacheZone): void {
    const known = this.#zones.get(zone.name)
    if (known === zone) return
    if (known !== undefined) {
      throw new FST_SCGI_OPT_INVALID('cache.zone', `another cache named '${zone.name}'`, 'one cache of a name, which several mounts may share')
    }
    if (zone.guard.closed) {
      throw new FST_SCGI_OPT_INVALID('cache.zone', `the cache '${zone.name}', which is closed`, 'one that no application has closed: it ends with the last that uses it')
    }
    this.#zones.set(zone.name, zone)
    users.set(zone, (users.get(zone) ?? 0) + 1)
    const listener = (match: PurgeMatch, soft: boolean): void => this.onPurge?.(zone.name, match, soft)
    this.#listeners.set(zone, listener)
    zone.purgeListeners.add(listener)
    zone.onWarning = (message, error) => this.#log.warn({ err: error }, message)
  }

  /** Another process has purged a cache of that name. What fails here is told in the log. */
  purgeHere (name: string, match: PurgeMatch, soft: boolean): void {
    this.#zones.get(name)?.purgeHere(match, soft).catch((error: unknown) => {
      this.#log.warn({ err: error }, `cache '${name}': a purge of another process could not be done here`)
    })
  }

  get (name: string): CacheZone | undefined {
    return this.#zones.get(name)
  }

  [Symbol.iterator] (): IterableIterator<CacheZone> {
    return this.#zones.values()
  }

  async close (): Promise<void> {
    for (const [zone, listener] of this.#listeners) zone.purgeListeners.delete(listener)
    this.#listeners.clear()
    const unused = [...this.#zones.values()].filter(zone => {
      const left = (users.get(zone) ?? 1) - 1
      users.set(zone, left)
      return left === 0
    })
    this.#zones.clear()
    await Promise.all(unused.map(zone => zone.close()))
  }
}
