import { GroupRegistry } from '../balancer/registry.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_UPSTREAM_NOT_ALLOWED } from '../errors.ts'
import { ServerGroup } from '../upstream/server-group.ts'
import { show } from '../units.ts'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../transport/endpoint.ts'
import type { Upstreams } from '../../types/options.ts'
import type { UpstreamServer } from '../../types/upstream.ts'

/** Finds the group for a request. */
export type Selector = (request: FastifyRequest) => Group<Endpoint> | Promise<Group<Endpoint>>

interface Added {
  readonly select: Selector
  /** Finds the group of a name, once all are registered; throws where there is none. */
  readonly ready: (() => void) | undefined
  /** A group made for this addition alone. */
  readonly own?: ServerGroup
}

/** So many addresses that functions gave are remembered, with the state of their servers. */
const MAX_DYNAMIC = 1000

/** The groups of one application: those that have a name, and those that only their registration knows. */
export class Registry {
  readonly groups = new GroupRegistry<ServerGroup>()
  readonly #log: FastifyBaseLogger
  /** Every group in use, with the way to stop watching it. */
  readonly #watched = new Map<ServerGroup, () => void>()
  /** Groups of one server, for functions that give an address. */
  readonly #byAddress = new Map<string, ServerGroup>()
  readonly #dynamic = new Map<string, ServerGroup>()
  /** What `addOnce` has opened, by its text. */
  readonly #once = new Map<string, Promise<Added>>()

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /**
   * Reads the option `upstreams`; names are resolved before this is fulfilled. A name of a group that is registered later is
   * looked up when the application is ready, by `ready`.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_RESOLVE
   */
  async add (upstreams: Upstreams, allowAny: boolean, configured = true): Promise<Added> {
    if (typeof upstreams === 'function') {
      return { select: request => this.#selectBy(upstreams, allowAny, request), ready: undefined }
    }
    if (typeof upstreams === 'string') {
      const name = /^balancer:\/\/([^/]+)\/?$/i.exec(upstreams)?.[1]
      const known = this.groups.get(name ?? upstreams)
      if (known !== undefined) return fixed(await known.open())
      if (name !== undefined) return this.#later(name)
    }
    const group = this.#groupOf(upstreams)
    const balancer = await group.open()
    this.#enter(group, configured)
    return group === upstreams || group.named ? fixed(balancer) : { ...fixed(balancer), own: group }
  }

  /**
   * As `add`, for options that may be made anew for each request: upstreams that read the same are the same group. It is no
   * configured one, for a request may have had a hand in it.
   */
  addOnce (upstreams: Upstreams, allowAny: boolean): Promise<Added> {
    if (typeof upstreams === 'function' || upstreams instanceof ServerGroup) return this.add(upstreams, allowAny)
    const key = JSON.stringify(upstreams)
    const known = this.#once.get(key)
    if (known !== undefined) return known
    const added = this.add(upstreams, allowAny, false)
    this.#once.set(key, added)
    added.catch(() => this.#once.delete(key))
    const [oldest] = this.#once
    if (this.#once.size > MAX_DYNAMIC && oldest !== undefined) {
      this.#once.delete(oldest[0])
      oldest[1].then(({ own }) => own === undefined ? undefined : this.#leave(own), () => {})
    }
    return added
  }

  /** Stops watching, and closes idle connections. */
  close (): void {
    for (const group of this.#watched.keys()) this.#leave(group)
    for (const group of [...this.#dynamic.values(), ...this.#byAddress.values()]) group.closeIdle()
    this.#once.clear()
  }

  #leave (group: ServerGroup): void {
    this.#watched.get(group)?.()
    this.#watched.delete(group)
    group.closeIdle()
  }

  #groupOf (upstreams: Exclude<Upstreams, Function>): ServerGroup {
    if (upstreams instanceof ServerGroup) return upstreams
    if (typeof upstreams === 'string') return new ServerGroup({ servers: [upstreams] })
    if (Array.isArray(upstreams) && upstreams.length === 0) throw new FST_SCGI_OPT_INVALID('upstreams', '[]', 'at least one server')
    if (Array.isArray(upstreams)) return new ServerGroup({ servers: upstreams })
    if (typeof upstreams === 'object' && upstreams !== null && Array.isArray(upstreams.servers)) {
      return new ServerGroup({ ...upstreams, servers: [...upstreams.servers] })
    }
    throw new FST_SCGI_OPT_INVALID('upstreams', show(upstreams), 'an address, a list of servers, a group or a function')
  }

  #enter (group: ServerGroup, configured: boolean): void {
    if (this.#watched.has(group)) return
    if (group.named) this.groups.add(group)
    this.#watched.set(group, group.watch((_, server, state) => this.#tell(group, server, state)))
    if (!configured) return
    for (const [address, single] of group.singles()) if (!this.#byAddress.has(address)) this.#byAddress.set(address, single)
  }

  #later (name: string): { select: Selector, ready: () => void } {
    let group: Group<Endpoint> | undefined
    const find = (): Group<Endpoint> => {
      group ??= this.groups.get(name)?.balancer
      if (group === undefined) {
        throw new FST_SCGI_OPT_INVALID('upstreams', `'balancer://${name}'`, 'the name of a group that is registered in this application')
      }
      return group
    }
    return { select: find, ready: find }
  }

  #tell (group: ServerGroup, server: UpstreamServer, state: 'down' | 'up'): void {
    const details = { upstream: { group: group.name, server: server.name, fails: server.fails } }
    if (state === 'down') this.#log.warn(details, `upstream server ${server.name} is taken out of ${group.name} after ${server.fails} failed attempts`)
    else this.#log.warn(details, `upstream server ${server.name} is back in ${group.name}`)
  }

  #selectBy (choose: Extract<Upstreams, Function>, allowAny: boolean, request: FastifyRequest): Group<Endpoint> | Promise<Group<Endpoint>> {
    const chosen = choose(request)
    return chosen instanceof Promise ? chosen.then(value => this.#find(value, allowAny)) : this.#find(chosen, allowAny)
  }

  #find (chosen: unknown, allowAny: boolean): Group<Endpoint> | Promise<Group<Endpoint>> {
    const group = chosen instanceof ServerGroup ? chosen : this.#byText(chosen, allowAny)
    return group.balancer ?? group.open()
  }

  #byText (chosen: unknown, allowAny: boolean): ServerGroup {
    if (typeof chosen !== 'string' || chosen === '') {
      throw new FST_SCGI_UPSTREAM_NOT_ALLOWED(show(chosen), "it is neither an address nor a group's name")
    }
    const known = this.groups.get(/^balancer:\/\/([^/]+)\/?$/i.exec(chosen)?.[1] ?? chosen) ?? this.#byAddress.get(chosen)
    if (known !== undefined) return known
    if (!allowAny) {
      throw new FST_SCGI_UPSTREAM_NOT_ALLOWED(show(chosen), 'no registered group has this name and no group has this server (allowAnyUpstream permits any address)')
    }
    let group = this.#dynamic.get(chosen)
    if (group === undefined) {
      group = new ServerGroup({ servers: [chosen] })
      const oldest = this.#dynamic.size >= MAX_DYNAMIC ? this.#dynamic.keys().next().value : undefined
      if (oldest !== undefined) {
        this.#dynamic.get(oldest)?.closeIdle()
        this.#dynamic.delete(oldest)
      }
      this.#dynamic.set(chosen, group)
    }
    return group
  }
}

function fixed (group: Group<Endpoint>): { select: Selector, ready: undefined } {
  return { select: () => group, ready: undefined }
}
