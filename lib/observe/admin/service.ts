import cluster from 'node:cluster'
import { FST_SCGI_ADMIN_NOT_FOUND } from '../../errors.ts'
import { RequestAccounts } from './accounts/requests.ts'
import { ServerAccounts } from './accounts/servers.ts'
import { cacheModel, etagOf, groupModel, idOf, requestModel, time, type GroupModel, type SeenEdit } from './api/model.ts'
import { processModel } from './api/process.ts'
import { baseOf } from './base.ts'
import { Keep, type KeptEdit } from './keep.ts'
import { joinTopic, type Answers, type Topic, type WorkerName } from '../../workers/siblings.ts'
import { answerQuestion } from './workers/answer.ts'
import { join } from './workers/join.ts'
import { isTold, type Overall, type Question, type Told } from './workers/told.ts'
import type { FastifyInstance } from 'fastify'
import type { AdminSettings } from './options.ts'
import type { Cache, CacheStats } from '../../../types/cache.ts'
import type { UpstreamGroup } from '../../../types/live.ts'
import type { UpstreamServer } from '../../../types/upstream.ts'

/** Edits that are remembered. */
const MOST_EDITS = 50
/** Of each path there may be several, in applications of their own. Workers that run the same code count them alike. */
const topics = new Map<string, number>()
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
  readonly #base: string
  #topic: Topic | undefined

  constructor (instance: FastifyInstance, settings: AdminSettings, now: () => number = Date.now) {
    this.#instance = instance
    this.#base = baseOf(instance)
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
    const count = topics.get(this.#base) ?? 0
    topics.set(this.#base, count + 1)
    this.#topic = joinTopic(`admin ${count} ${this.#base}`, question => answerQuestion(this, question))
  }

  /** Number of this worker; 0 in a process that is none. */
  get worker (): number {
    return cluster.worker?.id ?? 0
  }

  /** There may be other workers, which are to be asked. */
  get shared (): boolean {
    return this.#topic?.shared === true
  }

  /** Asks the other workers. `undefined` where there are none. */
  ask (question: Question): Promise<Answers> | undefined {
    return this.#topic?.shared === true ? this.#topic.ask(question, question.what === 'reset' || question.what === 'purge') : undefined
  }

  /** What this process knows. @param history points of the graphs; 0 for none */
  told (history: number): Told {
    const now = this.now()
    const groups = this.models(history)
    return {
      process: processModel(),
      groups,
      counts: Object.fromEntries(this.groups.map(group => [group.name, Object.fromEntries(
        group.servers.map(server => [server.name, this.accounts.of(server).history.counts(now, history)]))])),
      caches: this.caches.map(cache => cacheModel(cache, this.baseOf(cache))),
      common: this.caches.filter(({ shared }) => shared).map(({ name }) => name),
      failed: this.requests.failed.map(requestModel),
      slow: this.requests.slow.map(requestModel),
      edits: this.edits,
    }
  }

  /**
   * What all workers know. Those that do not answer in time are named.
   * @param history points of the graphs; 0 for none
   */
  async overall (history = 0): Promise<Overall> {
    const others = await this.ask({ what: 'state', history })
    const own = this.told(history)
    if (others === undefined) return { ...own, workers: undefined, missing: undefined }
    return join(own, others.answers.flatMap(({ answer }) => isTold(answer) ? [answer] : []), others.missing)
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

  /** What a cache had counted when its counters were set to zero. */
  baseOf (cache: Cache): CacheStats | undefined {
    return this.#cacheBases.get(cache)
  }

  /** Of this process. */
  resetHere ({ cache, group, server, requests }: Omit<Extract<Question, { what: 'reset' }>, 'what'>): void {
    const zone = this.caches.find(({ name }) => name === cache)
    if (zone !== undefined) this.#cacheBases.set(zone, zone.stats())
    for (const each of this.groups.find(({ name }) => name === group)?.servers ?? []) {
      if (server === undefined || each.name === server) this.accounts.reset(each)
    }
    if (requests === true) this.requests.reset()
  }

  async resetCache (cache: Cache, by: string): Promise<void> {
    await this.#reset({ cache: cache.name }, by, `sets the counters of the cache ${cache.name} to zero`)
  }

  async resetServers (group: UpstreamGroup, server: UpstreamServer | undefined, by: string): Promise<void> {
    const reset = server === undefined ? { group: group.name } : { group: group.name, server: server.name }
    await this.#reset(reset, by, `sets the counters of ${server?.name ?? 'all servers'} in ${group.name} to zero`)
  }

  /** Gives the workers that have not done so yet. */
  resetRequests (by: string): Promise<readonly WorkerName[] | undefined> {
    return this.#reset({ requests: true }, by, 'clears the lists of failed and slow requests')
  }

  async #reset (reset: Omit<Extract<Question, { what: 'reset' }>, 'what'>, by: string, what: string): Promise<readonly WorkerName[] | undefined> {
    const others = this.ask({ what: 'reset', ...reset })
    this.resetHere(reset)
    this.tell(by, what)
    return (await others)?.missing
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
    this.#topic?.leave()
    this.accounts.close()
    this.requests.close()
  }
}
