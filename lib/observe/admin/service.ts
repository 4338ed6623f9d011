import { FST_SCGI_ADMIN_NOT_FOUND } from '../../errors.ts'
import { RequestAccounts } from './accounts/requests.ts'
import { ServerAccounts } from './accounts/servers.ts'
import { etagOf, groupModel, idOf, time, type GroupModel } from './api/model.ts'
import { Keep, type KeptEdit } from './keep.ts'
import type { FastifyInstance } from 'fastify'
import type { AdminSettings } from './options.ts'
import type { Cache, CacheStats } from '../../../types/cache.ts'
import type { UpstreamGroup } from '../../../types/live.ts'
import type { UpstreamServer } from '../../../types/upstream.ts'

/** An edit, for other operators to see. */
export interface SeenEdit {
  readonly at: string
  readonly by: string
  readonly what: string
}

/** Edits that are remembered. */
const MOST_EDITS = 50
/** So often it is looked for groups that have come since; milliseconds. */
const SYNC_INTERVAL = 5000

/** What page and API show and edit: the groups and caches of an application, and what is measured of them here. */
export class AdminService {
  readonly accounts: ServerAccounts
  readonly requests: RequestAccounts
  /** Latest first. */
  readonly edits: SeenEdit[] = []
  readonly now: () => number
  readonly #instance: FastifyInstance
  readonly #keep: Keep | undefined
  readonly #cacheBases = new WeakMap<Cache, CacheStats>()
  readonly #timer: NodeJS.Timeout

  constructor (instance: FastifyInstance, settings: AdminSettings, now: () => number = Date.now) {
    this.#instance = instance
    this.now = now
    this.#keep = settings.state === undefined ? undefined : new Keep(settings.state)
    this.accounts = new ServerAccounts(() => this.groups, now)
    this.requests = new RequestAccounts({ instance, slow: settings.slow, now, failureOf: attempt => this.accounts.failureOf(attempt) })
    this.#timer = setInterval(() => this.accounts.sync(), SYNC_INTERVAL).unref()
  }

  /** The groups are known: what was edited in former times is edited again. */
  async start (): Promise<void> {
    await this.#keep?.restore(this.#instance.scgi.groups, (message, error) => this.#instance.log.warn({ err: error }, message))
    this.accounts.sync()
  }

  get groups (): UpstreamGroup[] {
    // A group that a request alone was made for has the name of its server, which another group may have, too: the first is shown.
    const byName = new Map<string, UpstreamGroup>()
    for (const group of this.#instance.scgi.groups) if (!byName.has(group.name)) byName.set(group.name, group)
    return [...byName.values()]
  }

  get caches (): Cache[] {
    return [...this.#instance.scgi.caches]
  }

  /** @throws FST_SCGI_ADMIN_NOT_FOUND */
  group (id: string): UpstreamGroup {
    const found = this.groups.find(({ name }) => name === id || idOf(name) === id)
    if (found === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`group '${id}'`)
    return found
  }

  /** @throws FST_SCGI_ADMIN_NOT_FOUND */
  server (group: UpstreamGroup, id: string): UpstreamServer {
    const found = group.servers.find(({ name }) => name === id || idOf(name) === id)
    if (found === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`server '${id}' in the group ${group.name}`)
    return found
  }

  /** @throws FST_SCGI_ADMIN_NOT_FOUND */
  cache (id: string): Cache {
    const found = this.caches.find(({ name }) => name === id || idOf(name) === id)
    if (found === undefined) throw new FST_SCGI_ADMIN_NOT_FOUND(`cache '${id}'`)
    return found
  }

  /** @param history points of the graphs; 0 for none */
  models (history = 0): GroupModel[] {
    this.accounts.sync()
    const now = this.now()
    return this.groups.map(group => groupModel(group, this.accounts, now, history))
  }

  model (group: UpstreamGroup, history = 0): GroupModel {
    this.accounts.sync()
    return groupModel(group, this.accounts, this.now(), history)
  }

  /** What a cache had counted when its counters were set to zero. */
  baseOf (cache: Cache): CacheStats | undefined {
    return this.#cacheBases.get(cache)
  }

  resetCache (cache: Cache, by: string): void {
    this.#cacheBases.set(cache, cache.stats())
    this.tell(by, `sets the counters of the cache ${cache.name} to zero`)
  }

  resetServers (group: UpstreamGroup, servers: readonly UpstreamServer[], by: string): void {
    for (const server of servers) this.accounts.reset(server)
    this.tell(by, `sets the counters of ${servers.length === 1 ? servers[0]?.name ?? '' : 'all servers'} in ${group.name} to zero`)
  }

  /**
   * An edit was made: it is told, and kept.
   * @param edit `undefined` for one that ends with the process
   * @throws FST_SCGI_ADMIN_STATE if it cannot be kept
   */
  async edited (group: UpstreamGroup, edit: KeptEdit | undefined, by: string, what: string): Promise<void> {
    this.tell(by, what, { group: group.name, etag: etagOf(group) })
    if (edit !== undefined) await this.#keep?.add(group.name, edit)
  }

  tell (by: string, what: string, details: object = {}): void {
    this.edits.unshift({ at: time(this.now()), by, what })
    if (this.edits.length > MOST_EDITS) this.edits.pop()
    this.#instance.log.info({ operator: by, ...details }, `${by} ${what}`)
  }

  close (): void {
    clearInterval(this.#timer)
    this.accounts.close()
    this.requests.close()
  }
}
