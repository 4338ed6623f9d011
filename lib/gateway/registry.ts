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

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  /**
   * Reads the option `upstreams`; names are resolved before this is fulfilled. A name of a group that is registered later is
   * looked up when the application is ready, by `ready`.
   * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_RESOLVE
   */
  async add (upstreams: Upstreams, allowAny: boolean): Promise<{ select: Selector, ready: (() => void) | undefined }> {
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
    this.#enter(group)
    return fixed(balancer)
  }

  /** Stops watching, and closes idle connections. */
  close (): void {
    for (const [group, stop] of this.#watched) {
      stop()
      group.closeIdle()
    }
    for (const group of this.#dynamic.values()) group.closeIdle()
    this.#watched.clear()
  }

  #groupOf (upstreams: Exclude<Upstreams, Function>): ServerGroup {
    if (upstreams instanceof ServerGroup) return upstreams
    if (typeof upstreams === 'string') return new ServerGroup({ servers: [upstreams] })
    if (Array.isArray(upstreams)) return new ServerGroup({ servers: upstreams })
    if (typeof upstreams === 'object' && upstreams !== null && Array.isArray(upstreams.servers)) {
      return new ServerGroup({ ...upstreams, servers: [...upstreams.servers] })
    }
    throw new FST_SCGI_OPT_INVALID('upstreams', show(upstreams), 'an address, a list of servers, a group or a function')
  }

  #enter (group: ServerGroup): void {
    if (this.#watched.has(group)) return
    if (group.named) this.groups.add(group)
    this.#watched.set(group, group.watch((_, server, state) => this.#tell(group, server, state)))
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
