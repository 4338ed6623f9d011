import { CacheZone } from './zone.ts'
import { DiskStore } from './stores/disk.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED } from '../errors.ts'
import { atOnce } from '../options/functions.ts'
import { MemoryStore } from './stores/memory.ts'
import { readRows } from '../options/read.ts'
import { CREATE_CACHE } from '../options/table/cache.ts'
import { show } from '../options/units.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import type { Cache, CreateCacheOptions } from '../../types/cache.ts'
import type { CacheStore } from '../../types/cache-store.ts'

const COMMON = ['name', 'store', 'inactive', 'storeTimeout']
const MEMORY = ['maxSize', 'maxEntries', 'maxEntrySize']

const YEAR = 31_536_000_000

/** The time of day: entries outlive the process. */
const clock: Timers = { now: Date.now, after: systemTimers.after }

/**
 * Creates a cache, for the option `cache.zone` of one or several mounts. Entries are kept in memory, on disk below `path`, or in the
 * given store.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function createCache (options: CreateCacheOptions): Cache {
  if (typeof options !== 'object' || options === null) throw new FST_SCGI_OPT_INVALID('options', show(options), "an object with the option 'name'")
  const { name, inactive: inactiveTime, storeTimeout } = readRows(CREATE_CACHE, options, 'createCache', 'it')
  const kind = options.store ?? (options.path === undefined ? 'memory' : 'disk')
  const store = makeStore(kind, options)
  return new CacheZone({
    name,
    store,
    ...(store instanceof MemoryStore && { skills: { putter: store, finder: store, keepsObjects: true } }),
    ...(store instanceof DiskStore && { skills: { putter: store, tempWriter: store, absenceTeller: store } }),
    storeTimeout,
    // Our stores drop what nobody asks for themselves. What somebody asks for may be served stale for as long as the application fails.
    keepStale: typeof kind === 'string' ? YEAR : inactiveTime,
    inactive: inactiveTime,
    clock,
  })
}

function makeStore (kind: CreateCacheOptions['store'], options: CreateCacheOptions): CacheStore {
  if (typeof kind === 'object' && kind !== null) {
    for (const method of ['get', 'createWriteStream', 'delete'] as const) {
      if (typeof kind[method] !== 'function') throw new FST_SCGI_OPT_INVALID('createCache.store', show(kind), `a store with the method '${method}'`)
    }
    // The others may answer later.
    atOnce('createCache.store.createWriteStream', kind.createWriteStream)
    if (kind.stats !== undefined) atOnce('createCache.store.stats', kind.stats)
    refuse(options, COMMON, 'the store that is given has its own limits')
    return kind
  }
  const { store: _store, storeTimeout: _time, name: _name, path, levels, useTempPath, minFree, manager, loader, ...limits } = options
  if (kind === 'memory') {
    refuse(options, [...COMMON, ...MEMORY], "it is an option of the disk store, and this cache is in memory: give 'path'")
    return new MemoryStore(limits)
  }
  if (kind !== 'disk') throw new FST_SCGI_OPT_INVALID('createCache.store', show(kind), "'memory', 'disk' or a store")
  if (path === undefined) throw new FST_SCGI_OPT_INVALID('createCache.path', 'missing', 'the directory of the disk store')
  return new DiskStore({
    path,
    ...limits,
    ...(levels === undefined ? {} : { levels }),
    ...(useTempPath === undefined ? {} : { useTempPath }),
    ...(minFree === undefined ? {} : { minFree }),
    ...(manager === undefined ? {} : { manager }),
    ...(loader === undefined ? {} : { loader }),
  })
}

/** Refuses what would be ignored. */
function refuse (options: CreateCacheOptions, allowed: readonly string[], reason: string): void {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !allowed.includes(name)) throw new FST_SCGI_OPT_UNSUPPORTED(`createCache.${name}`, reason)
  }
}
