import { GroupRegistry } from '../balancer/registry.ts'
import { FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED, FST_SCGI_UPSTREAM_NOT_ALLOWED } from '../errors.ts'
import { AnyServers } from './any-servers.ts'
import { readResolver } from './health-options.ts'
import { ServerGroup } from './server-group.ts'
import { tellOutput, tellProcess } from '../spawn/tell.ts'
import { maybeLater } from '../options/functions.ts'
import { show } from '../options/units.ts'
import type { FastifyBaseLogger, FastifyRequest } from 'fastify'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { PurgeMatch } from '../../types/cache-store.ts'
import type { ResolverOptions } from '../../types/health.ts'
import type { Upstreams } from '../../types/options.ts'
import type {
  ApplicationOutputEvent, ApplicationProcessEvent, BalanceEvent, GroupOptionsEvent,
  ResolveEvent, ServerEditEvent, ServerListEvent, ServerStateEvent,
  ServerWeightEvent,
  UpstreamGroups,
} from '../../types/live.ts'

/** Finds the group for a request. */
export type Selector = (request: FastifyRequest) => Group<Endpoint> | Promise<Group<Endpoint>>

interface Added {
  readonly select: Selector
  /** Finds the group of a name, once all are registered; throws where there is none. */
  readonly ready: (() => void) | undefined
  /** A group made for this addition alone. */
  readonly own?: ServerGroup
}

/** So many groups that functions gave, or that were made for one request, are remembered. */
const MAX_DYNAMIC = 1000
/** A group by its name. */
const BALANCER = /^balancer:\/\/([^/]+)\/?$/i

/** The groups of one application: those that have a name, and those that only their registration knows. */
export class Registry {
  /** What the application sees of them. */
  readonly groups: UpstreamGroups = {
    get: name => this.#named.get(name) ?? [...this.#watched.keys()].find(group => group.name.toLowerCase() === name.toLowerCase()),
    [Symbol.iterator]: () => this.#watched.keys(),
  }

  /** Purges caches where another process has. */
  onPurge: (cache: string, match: PurgeMatch, soft: boolean) => void = () => {}
  readonly #purge = (cache: string, match: PurgeMatch, soft: boolean): void => this.onPurge(cache, match, soft)
  readonly #named = new GroupRegistry<ServerGroup>()
  readonly #log: FastifyBaseLogger
  /** Every group in use, with the way to stop watching it. */
  readonly #watched = new Map<ServerGroup, () => void>()
  /** Those whose servers functions may name. */
  readonly #configured = new Set<ServerGroup>()
  /** Groups of one server, for functions that give an address, with the group that has it. */
  readonly #byAddress = new Map<string, { owner: ServerGroup, single: ServerGroup }>()
  readonly #any = new AnyServers(event => this.#tellResolve(event))
  /** Groups that functions gave and no registration has. */
  readonly #chosen = new Set<ServerGroup>()
  /** Numbers of what has no text of its own. */
  readonly #numbers = new WeakMap<object, number>()
  #lastNumber = 0
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
  async add (upstreams: Upstreams, allowAny: boolean, resolver?: ResolverOptions, configured = true): Promise<Added> {
    if (resolver !== undefined) checkResolver(upstreams, allowAny, resolver)
    if (typeof upstreams === 'function') {
      return { select: request => this.#selectBy(upstreams, allowAny, resolver, request), ready: undefined }
    }
    if (typeof upstreams === 'string') {
      const name = BALANCER.exec(upstreams)?.[1]
      const known = this.#named.get(name ?? upstreams)
      if (known !== undefined) return fixed(await known.open())
      if (name !== undefined) return this.#later(name)
    }
    const group = groupOf(upstreams)
    // What happens to its names while it opens belongs into the log, too.
    const stop = this.#watch(group)
    let balancer
    try {
      balancer = await group.open()
    } catch (error) {
      stop()
      throw error
    }
    try {
      this.#enter(group, configured, stop)
    } catch (error) {
      group.abandon()
      await group.stopped()
      throw error
    }
    return group === upstreams || group.named ? fixed(balancer) : { ...fixed(balancer), own: group }
  }

  /**
   * As `add`, for options that may be made again for each request: upstreams that read the same are the same group. It is no
   * configured one, for a request may have had a hand in it.
   */
  addOnce (upstreams: Upstreams, allowAny: boolean, resolver?: ResolverOptions): Promise<Added> {
    if (typeof upstreams === 'function' || upstreams instanceof ServerGroup) return this.add(upstreams, allowAny, resolver)
    const key = JSON.stringify(upstreams, (_name, value: unknown) => this.#readable(value))
    const known = this.#once.get(key)
    if (known !== undefined) return known
    const added = this.add(upstreams, allowAny, resolver, false)
    this.#once.set(key, added)
    added.catch(() => this.#once.delete(key))
    const [oldest] = this.#once
    if (this.#once.size > MAX_DYNAMIC && oldest !== undefined) {
      this.#once.delete(oldest[0])
      oldest[1].then(({ own }) => own === undefined ? undefined : this.#leave(own), () => {})
    }
    return added
  }

  /** Two functions, or expressions, are the same only if they are one. */
  #readable (value: unknown): unknown {
    if (typeof value !== 'function' && !(value instanceof RegExp)) return value
    let number = this.#numbers.get(value)
    if (number === undefined) this.#numbers.set(value, number = ++this.#lastNumber)
    return `\0${number}`
  }

  /** Tells the processes that share a group of a purge: over each channel once. */
  purged (cache: string, match: PurgeMatch, soft: boolean): void {
    const told = new Set<unknown>()
    for (const { sharing } of this.#watched.keys()) {
      if (sharing === undefined || told.has(sharing.channel)) continue
      told.add(sharing.channel)
      sharing.group.purged(cache, match, soft)
    }
  }

  /** Stops watching, checking and asking the DNS, closes idle connections, and ends applications. Fulfilled when they have ended. */
  async close (): Promise<void> {
    const ended: Promise<void>[] = []
    for (const [group, unwatch] of this.#watched) {
      group.sharing?.group.purgeListeners.delete(this.#purge)
      group.release()
      ended.push(group.stopped().finally(unwatch))
    }
    this.#watched.clear()
    this.#configured.clear()
    for (const group of this.#chosen) group.release()
    this.#chosen.clear()
    this.#any.close()
    for (const { single } of this.#byAddress.values()) single.stop()
    this.#once.clear()
    await Promise.all(ended)
  }

  #leave (group: ServerGroup): void {
    this.#watched.get(group)?.()
    this.#watched.delete(group)
    this.#configured.delete(group)
    group.sharing?.group.purgeListeners.delete(this.#purge)
    group.release()
  }

  #enter (group: ServerGroup, configured: boolean, stop: () => void): void {
    if (this.#watched.has(group)) {
      stop()
      return
    }
    try {
      if (group.named) this.#named.add(group)
    } catch (error) {
      stop()
      throw error
    }
    this.#watched.set(group, stop)
    group.sharing?.group.purgeListeners.add(this.#purge)
    group.hold()
    if (configured) this.#configured.add(group)
  }

  /** Writes in the log what happens to the servers, until it is told to stop. One that is watched already is not watched twice. */
  #watch (group: ServerGroup): () => void {
    if (this.#watched.has(group)) return () => {}
    const state = (event: ServerStateEvent): void => this.#tellState(event)
    const added = (event: ServerListEvent): void => this.#log.info(detailsOf(event), `upstream server ${event.server.name} is added to ${group.name}`)
    const removed = (event: ServerListEvent): void => this.#log.info(detailsOf(event), `upstream server ${event.server.name} is removed from ${group.name}`)
    const weight = (event: ServerWeightEvent): void =>
      this.#log.info(detailsOf(event), `upstream server ${event.server.name} has weight ${event.weight} in ${group.name}`)
    const edited = (event: ServerEditEvent): void => this.#tellEdit(event)
    const balance = (event: BalanceEvent): void =>
      this.#log.info({ upstream: { group: group.name } }, `the servers of ${group.name} take turns by ${event.balance}, no longer by ${event.previous}`)
    const options = ({ group: { name }, changed }: GroupOptionsEvent): void =>
      this.#log.info({ upstream: { group: name }, changed }, `the group ${name} has another ${changed.join(', ')}`)
    const resolve = (event: ResolveEvent): void => this.#tellResolve(event)
    const process = (event: ApplicationProcessEvent): void => tellProcess(this.#log, event.application, event)
    const output = (event: ApplicationOutputEvent): void => tellOutput(this.#log, event.application, event)
    group.on('state', state).on('added', added).on('removed', removed).on('weight', weight).on('edited', edited).on('balance', balance)
      .on('options', options).on('resolve', resolve).on('process', process).on('output', output)
    return () => {
      group.off('state', state).off('added', added).off('removed', removed).off('weight', weight).off('edited', edited).off('balance', balance)
        .off('options', options).off('resolve', resolve).off('process', process).off('output', output)
    }
  }

  #later (name: string): { select: Selector, ready: () => void } {
    let group: Group<Endpoint> | undefined
    const find = (): Group<Endpoint> => {
      group ??= this.#named.get(name)?.balancer
      if (group === undefined) {
        throw new FST_SCGI_OPT_INVALID('upstreams', `'balancer://${name}'`, 'the name of a group that is registered in this application')
      }
      return group
    }
    return { select: find, ready: find }
  }

  #tellState (event: ServerStateEvent): void {
    const { group, server, state, previous, reason } = event
    const details = detailsOf(event)
    const who = `upstream server ${server.name}`
    const why = reason === undefined ? '' : `: ${reason}`
    // An application that was started here: that it has ended is told when it does.
    if (state === 'failed' && server.reason !== undefined) this.#log.warn(details, `${who} is out of ${group.name}${why}`)
    else if (state === 'failed') this.#log.warn(details, `${who} is taken out of ${group.name} after ${server.fails} failed attempts${why}`)
    else if (state === 'unhealthy' && previous === 'checking') this.#log.warn(details, `${who} fails its first health check in ${group.name}${why}`)
    else if (state === 'unhealthy') this.#log.warn(details, `${who} is taken out of ${group.name} by its health check${why}`)
    else if (state === 'ejected') this.#log.warn(details, `${who} is ejected from ${group.name}${why}`)
    else if (state === 'up' && previous === 'checking') this.#log.info(details, `${who} passes its first health check and serves in ${group.name}`)
    else if (state === 'up' && previous !== 'down' && previous !== 'draining') this.#log.warn(details, `${who} is back in ${group.name}`)
    // By somebody's hand, who knows.
    else this.#log.info(details, `${who} is ${state} in ${group.name}`)
  }

  #tellEdit (event: ServerEditEvent): void {
    const { group, server, changes } = event
    // Of these there are events of their own.
    const told = Object.entries(changes).filter(([option]) => option !== 'weight' && option !== 'down' && option !== 'drain')
    if (told.length === 0) return
    const what = told.map(([option, value]) => value === undefined ? `no ${option}` : `${option} ${show(value)}`).join(', ')
    this.#log.info({ ...detailsOf(event), changes }, `upstream server ${server.name} has ${what} in ${group.name}`)
  }

  #tellResolve ({ group, address, state, reason }: ResolveEvent): void {
    const details = { upstream: { group: group.name, address } }
    if (state === 'recovered') this.#log.warn(details, `the name ${address} of ${group.name} resolves again`)
    else this.#log.warn(details, `the name ${address} of ${group.name} does not resolve, its servers stay as they are: ${reason ?? ''}`)
  }

  #selectBy (
    choose: Extract<Upstreams, Function>, allowAny: boolean, resolver: ResolverOptions | undefined, request: FastifyRequest
  ): Group<Endpoint> | Promise<Group<Endpoint>> {
    return maybeLater<unknown, Group<Endpoint>>(choose(request), value => this.#find(value, allowAny, resolver))
  }

  #find (chosen: unknown, allowAny: boolean, resolver: ResolverOptions | undefined): Group<Endpoint> | Promise<Group<Endpoint>> {
    if (!(chosen instanceof ServerGroup)) return this.#byText(chosen, allowAny, resolver)
    const group = this.#use(chosen)
    return group.balancer ?? group.open()
  }

  /** A group of the user's is in use until the application is closed. */
  #use (group: ServerGroup): ServerGroup {
    if (this.#watched.has(group) || this.#chosen.has(group)) return group
    group.hold()
    this.#chosen.add(group)
    const [oldest] = this.#chosen
    if (this.#chosen.size > MAX_DYNAMIC && oldest !== undefined) {
      this.#chosen.delete(oldest)
      oldest.release()
    }
    return group
  }

  /** The group of one server that has this address in a configured group. */
  #single (address: string): ServerGroup | undefined {
    const known = this.#byAddress.get(address)
    if (known !== undefined) {
      if (this.#configured.has(known.owner) && known.owner.lists(address)) return known.single
      // It was removed.
      known.single.stop()
      this.#byAddress.delete(address)
    }
    for (const owner of this.#configured) {
      const single = owner.single(address)
      if (single === undefined) continue
      this.#byAddress.set(address, { owner, single })
      return single
    }
    return undefined
  }

  #byText (chosen: unknown, allowAny: boolean, resolver: ResolverOptions | undefined): Group<Endpoint> | Promise<Group<Endpoint>> {
    if (typeof chosen !== 'string' || chosen === '') {
      throw new FST_SCGI_UPSTREAM_NOT_ALLOWED(show(chosen), "it is neither an address nor a group's name")
    }
    const known = this.#named.get(BALANCER.exec(chosen)?.[1] ?? chosen) ?? this.#single(chosen)
    if (known !== undefined) return known.balancer ?? known.open()
    if (!allowAny) {
      throw new FST_SCGI_UPSTREAM_NOT_ALLOWED(show(chosen), 'no registered group has this name and no group has this server (allowAnyUpstream permits any address)')
    }
    return this.#any.find(chosen, resolver)
  }
}

/**
 * Checks the option `upstreams` as far as it goes without the DNS and without what else is registered.
 * @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED
 */
export function checkUpstreams (upstreams: Upstreams, allowAny: boolean, resolver?: ResolverOptions): void {
  if (resolver !== undefined) checkResolver(upstreams, allowAny, resolver)
  if (typeof upstreams === 'function' || (typeof upstreams === 'string' && BALANCER.test(upstreams))) return
  groupOf(upstreams)
}

function groupOf (upstreams: Exclude<Upstreams, Function>): ServerGroup {
  if (upstreams instanceof ServerGroup) return upstreams
  if (typeof upstreams === 'string') return new ServerGroup({ servers: [upstreams] })
  if (Array.isArray(upstreams) && upstreams.length === 0) throw new FST_SCGI_OPT_INVALID('upstreams', '[]', 'at least one server')
  if (Array.isArray(upstreams)) return new ServerGroup({ servers: upstreams })
  if (typeof upstreams === 'object' && upstreams !== null && Array.isArray(upstreams.servers) && !('toJSON' in upstreams)) {
    return new ServerGroup({ ...upstreams, servers: [...upstreams.servers] })
  }
  throw new FST_SCGI_OPT_INVALID('upstreams', show(upstreams), 'an address, a list of servers, a group or a function')
}

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN, FST_SCGI_OPT_UNSUPPORTED */
function checkResolver (upstreams: Upstreams, allowAny: boolean, resolver: ResolverOptions): void {
  if (typeof upstreams !== 'function') {
    throw new FST_SCGI_OPT_UNSUPPORTED('resolver', "it stands beside a function 'upstreams'; a group has its own: upstreams: { servers, resolver }")
  }
  readResolver('resolver', resolver)
  if (!allowAny) throw new FST_SCGI_OPT_UNSUPPORTED('resolver', "it is asked for the names that 'allowAnyUpstream: true' lets the function give")
}

function detailsOf ({ group, server }: Pick<ServerListEvent, 'group' | 'server'>): object {
  return { upstream: { group: group.name, server: server.name, state: server.state, fails: server.fails } }
}

function fixed (group: Group<Endpoint>): { select: Selector, ready: undefined } {
  return { select: () => group, ready: undefined }
}
