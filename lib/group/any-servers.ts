import { outside } from '../runtime/context.ts'
import { FST_SCGI_RESOLVE } from '../errors.ts'
import { SystemResolver } from './resolve/system.ts'
import { needsLookup, parseAddress } from '../connections/address.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { ServerGroup } from './server-group.ts'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ResolverOptions } from '../../types/health.ts'
import type { ResolveEvent } from '../../types/live.ts'

/** So many addresses are remembered, with the state of their servers. */
const MOST = 1000
/** What no request has named for so many milliseconds, or twice as many, is forgotten. */
const IDLE = 60_000

interface Entry {
  readonly group: ServerGroup
  /** Since the last look at who is idle. */
  used: boolean
  /** Why the name has no answer. */
  reason: string | undefined
}

/**
 * The servers that functions name and no group has. A first request waits for the answer to its name; from then on the name is asked
 * for again in the background, as long as requests come.
 */
export class AnyServers {
  readonly #entries = new Map<string, Entry>()
  readonly #tell: (event: ResolveEvent) => void
  readonly #timers: Timers
  #cancel: (() => void) | undefined

  /** @param tell hears of names that are known and have no answer any more, or have one again */
  constructor (tell: (event: ResolveEvent) => void, timers: Timers = systemTimers) {
    this.#tell = tell
    this.#timers = timers
  }

  get size (): number {
    return this.#entries.size
  }

  /**
   * @param resolver whom to ask for names; `undefined` for the system
   * @returns A group whose name is resolved when the first request needs a server; that may fail with FST_SCGI_RESOLVE.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
   */
  find (address: string, resolver: ResolverOptions | undefined): Group<Endpoint> {
    const key = resolver === undefined ? address : `${address} ${JSON.stringify(resolver)}`
    const entry = this.#entries.get(key) ?? this.#add(key, address, resolver)
    entry.used = true
    const { balancer, unopened } = entry.group
    // What the cache answers does not wait for a name.
    if (balancer === undefined) unopened.open ??= () => this.#open(key, entry)
    return unopened
  }

  close (): void {
    this.#cancel?.()
    for (const { group } of this.#entries.values()) group.stop()
    this.#entries.clear()
  }

  #add (key: string, address: string, resolver: ResolverOptions | undefined): Entry {
    const resolve = needsLookup(parseAddress('upstreams', address, true))
    const group = new ServerGroup(
      { servers: [{ address, resolve }], ...(resolver === undefined ? undefined : { resolver }) }, 'upstreams',
      resolver === undefined ? () => new SystemResolver() : undefined)
    const entry: Entry = { group, used: true, reason: undefined }
    group.on('resolve', event => {
      entry.reason = event.reason
      if (group.servers.length > 0) this.#tell(event)
    })
    if (this.#entries.size >= MOST) this.#makeRoom()
    this.#entries.set(key, entry)
    this.#cancel ??= outside(() => this.#timers.after(IDLE, () => this.#sweep()))
    return entry
  }

  async #open (key: string, entry: Entry): Promise<void> {
    try {
      const balancer = await outside(() => entry.group.open())
      // It may have been forgotten while it was not needed.
      if (this.#entries.get(key) !== entry) entry.group.stop()
      if (balancer.servers.length > 0) {
        balancer.open = undefined
        return
      }
      throw new FST_SCGI_RESOLVE(entry.group.name, entry.reason ?? 'no answer yet')
    } catch (error) {
      this.#forget(key, entry)
      throw error
    }
  }

  #forget (key: string, entry: Entry): void {
    entry.group.stop()
    if (this.#entries.get(key) === entry) this.#entries.delete(key)
  }

  #makeRoom (): void {
    const all = [...this.#entries]
    const [key, entry] = all.find(([, { used }]) => !used) ?? all[0] ?? []
    if (key !== undefined && entry !== undefined) this.#forget(key, entry)
  }

  #sweep (): void {
    for (const [key, entry] of this.#entries) {
      const running = entry.group.servers.some(({ active }) => active > 0)
      if (!entry.used && !running) this.#forget(key, entry)
      entry.used = false
    }
    this.#cancel = this.#entries.size === 0 ? undefined : this.#timers.after(IDLE, () => this.#sweep())
  }
}
