import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import type { CacheZone } from '../cache/zone.ts'
import type { CacheRegistry } from '../../types/fastify.ts'
import type { FastifyBaseLogger } from 'fastify'

/** How many applications use a cache; the last one closes it. */
const users = new WeakMap<CacheZone, number>()

/** The caches of one application by name. */
export class Caches implements CacheRegistry {
  readonly #zones = new Map<string, CacheZone>()
  readonly #log: FastifyBaseLogger

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
    zone.onWarning = (message, error) => this.#log.warn({ err: error }, message)
  }

  get (name: string): CacheZone | undefined {
    return this.#zones.get(name)
  }

  [Symbol.iterator] (): IterableIterator<CacheZone> {
    return this.#zones.values()
  }

  async close (): Promise<void> {
    const unused = [...this.#zones.values()].filter(zone => {
      const left = (users.get(zone) ?? 1) - 1
      users.set(zone, left)
      return left === 0
    })
    this.#zones.clear()
    await Promise.all(unused.map(zone => zone.close()))
  }
}
