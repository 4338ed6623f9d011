import { createHash } from 'node:crypto'
import { isRecord } from '../../../options/checks.ts'
import { RATE_SECONDS, SHARE_SECONDS, STEP } from '../accounts/history.ts'
import type { HistoryPoints } from '../accounts/history.ts'
import type { ServerAccounts } from '../accounts/servers.ts'
import type { SeenRequest } from '../accounts/requests.ts'
import type { Cache, CacheEntry, CacheStats, CacheStatus } from '../../../../types/cache.ts'
import type { ApplicationProcess, GroupChanges, UpstreamGroup } from '../../../../types/live.ts'
import type { UpstreamServer } from '../../../../types/upstream.ts'

// What the API answers with. The document (schemas.ts) describes these shapes, and a test compares both.

/** What can be edited of a server. Times in milliseconds. */
export interface ServerSettingsModel {
  readonly weight: number
  readonly maxConns: number
  readonly maxFails: number
  readonly failTimeout: number
  readonly slowStart: number
  readonly retry: number | null
  readonly backup: boolean
  readonly lbset: number
  readonly spare: boolean
  readonly standby: boolean
  readonly route: string | null
  readonly redirect: string | null
  readonly drain: boolean
  readonly down: boolean
  readonly keepalive: number
  readonly preconnect: number
}

export interface ServerModel {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly reason: string | null
  readonly since: string
  readonly share: number
  readonly active: number
  readonly rate: number
  readonly served: number
  readonly failures: number
  readonly fails: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly p50: number | null
  readonly p99: number | null
  readonly lastFailure: { readonly at: string, readonly message: string } | null
  readonly check: { readonly at: string, readonly passed: boolean, readonly reason: string | null } | null
  readonly settings: ServerSettingsModel
  readonly etag: string
  readonly history?: HistoryModel
  /** Workers where it stands otherwise. */
  readonly differs?: readonly {
    readonly worker: number,
    readonly state: string,
    readonly reason: string | null,
    /** `null` where they are the same. */
    readonly settings: ServerSettingsModel | null
  }[]
}

export interface HistoryModel extends HistoryPoints {
  /** Seconds of one point. */
  readonly step: number
}

export type GroupOptionsModel = Readonly<Record<keyof GroupChanges, unknown>>

export interface GroupModel {
  readonly id: string
  readonly name: string
  readonly balance: string
  /** In the words of the options; `null` for those that are not set. */
  readonly options: GroupOptionsModel
  readonly active: number
  readonly rate: number
  readonly queue: { readonly waiting: number, readonly size: number } | null
  readonly sessions: number | null
  readonly processes: { readonly count: number, readonly connected: boolean } | null
  readonly names: readonly {
    readonly address: string, readonly servers: readonly string[], readonly asksAgain: string | null, readonly failure: string | null
  }[]
  readonly applications: readonly {
    readonly name: string, readonly servers: readonly string[], readonly processes: readonly ApplicationProcessModel[]
  }[]
  readonly servers: readonly ServerModel[]
  readonly etag: string
}

/** A process of an application that the gateway has started. */
interface ApplicationProcessModel {
  readonly pid: number | null
  readonly state: ApplicationProcess['state']
  readonly since: string
  readonly restarts: number
  readonly reason: string | null
  readonly lastLine: string | null
}

export interface CacheModel {
  readonly id: string
  readonly name: string
  readonly entries: number | null
  readonly bytes: number | null
  readonly requests: Readonly<Record<CacheStatus, number>>
  /** Requests that were answered from the cache, of those that asked it. */
  readonly hitShare: number | null
  readonly updating: number
  readonly waiting: number
  readonly storeFailures: number
}

export interface EntryModel {
  readonly key: string
  readonly status: number
  readonly bytes: number | null
  /** Seconds. */
  readonly age: number
  readonly freshFor: number
  readonly tags: readonly string[]
  readonly vary: readonly string[]
  /** The worker that has it, where each has its own. */
  readonly worker?: number
}

/** An edit, for other operators to see. */
export interface SeenEdit {
  readonly at: string
  readonly by: string
  readonly what: string
}

export interface RequestModel {
  readonly at: string
  readonly id: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly time: number
  readonly client: string
  readonly cache: string | null
  /** The worker that had it, where there are several. */
  readonly worker?: number
  readonly attempts: readonly {
    readonly address: string,
    readonly status: number | null,
    readonly connectTime: number | null,
    readonly headerTime: number | null
    readonly responseTime: number | null,
    readonly bytesSent: number,
    readonly bytesReceived: number,
    readonly error: string | null
  }[]
}

/** The longest parameter of a path that Fastify takes, unless told otherwise. */
const LONGEST_ID = 100

/** @param history points of the graphs; 0 for none */
export function groupModel (group: UpstreamGroup, accounts: ServerAccounts, now: number, history: number): GroupModel {
  const details = group.details()
  const recent = new Map(group.servers.map(server => [server, accounts.of(server).history.recent(now, SHARE_SECONDS)]))
  const all = [...recent.values()].reduce((sum, count) => sum + count, 0)
  const servers = group.servers.map(server => serverModel(server, { accounts, now, history, recent: recent.get(server) ?? 0, all }))
  return {
    id: idOf(group.name),
    name: group.name,
    balance: group.balance,
    options: optionsOf(group),
    active: sum(servers, 'active'),
    rate: round(sum(servers, 'rate'), 1),
    queue: details.queue ?? null,
    sessions: details.sessions ?? null,
    processes: details.processes ?? null,
    names: details.names.map(({ address, servers: found, nextAt, failure }) => ({
      address, servers: found, asksAgain: nextAt === undefined ? null : time(nextAt), failure: failure ?? null,
    })),
    applications: details.applications.map(({ name, servers: offered, processes }) => ({
      name, servers: offered, processes: processes.map(processModel),
    })),
    servers,
    etag: etagOf(group),
  }
}

function processModel ({ pid, state, since, restarts, reason, lastLine }: ApplicationProcess): ApplicationProcessModel {
  return { pid: pid ?? null, state, since: time(since), restarts, reason: reason ?? null, lastLine: lastLine ?? null }
}

interface Context {
  readonly accounts: ServerAccounts
  readonly now: number
  /** Points of the history; 0 for none. */
  readonly history: number
  readonly recent: number
  /** Recent attempts of the whole group. */
  readonly all: number
}

function serverModel (server: UpstreamServer, { accounts, now, history, recent, all }: Context): ServerModel {
  const { history: measured, since, failure, check, base } = accounts.of(server)
  return {
    id: idOf(server.name),
    name: server.name,
    state: server.state,
    reason: reasonOf(server, failure?.message),
    since: time(since),
    share: all === 0 ? 0 : round(recent / all, 4),
    active: server.active,
    rate: round(measured.recent(now, RATE_SECONDS) / RATE_SECONDS, 1),
    served: server.served - base.served,
    failures: server.failures - base.failures,
    fails: server.fails,
    bytesSent: server.bytesSent - base.bytesSent,
    bytesReceived: server.bytesReceived - base.bytesReceived,
    p50: measured.quantile(now, 0.5),
    p99: measured.quantile(now, 0.99),
    lastFailure: failure === undefined ? null : { at: time(failure.at), message: failure.message },
    check: check === undefined ? null : { at: time(check.at), passed: check.reason === undefined, reason: check.reason ?? null },
    settings: settingsOf(server),
    etag: etagOf(server),
    ...(history === 0 ? undefined : { history: { step: STEP / 1000, ...measured.points(now, history) } }),
  }
}

/** Why it does not serve, in words. */
function reasonOf (server: UpstreamServer, failure: string | undefined): string | null {
  // An application that does not run says more than the attempt that found it so, or failed long before.
  if (server.state === 'failed') return server.reason ?? failure ?? server.lastError?.message ?? null
  return server.state === 'unhealthy' || server.state === 'ejected' ? server.reason ?? null : null
}

export function settingsOf (server: UpstreamServer): ServerSettingsModel {
  return {
    weight: server.weight,
    maxConns: server.maxConns,
    maxFails: server.maxFails,
    failTimeout: server.failTimeout,
    slowStart: server.slowStart,
    retry: server.retry ?? null,
    backup: server.backup,
    lbset: server.lbset,
    spare: server.spare,
    standby: server.standby,
    route: server.route ?? null,
    redirect: server.redirect ?? null,
    drain: server.drain,
    down: server.down,
    keepalive: server.keepalive,
    preconnect: server.preconnect,
  }
}

/**
 * The ETag of what can be edited: it changes with the settings, and not with every request that is counted. That of a group is also one of
 * its servers'.
 */
export function etagOf (edited: UpstreamServer | UpstreamGroup): string {
  const text = JSON.stringify('servers' in edited
    ? [edited.name, edited.options, edited.servers.map(server => etagOf(server))]
    : [edited.name, settingsOf(edited)], (_key, value: unknown) => asText(value))
  const known = etags.get(edited)
  if (known?.text === text) return known.etag
  const etag = `"${digest(text)}"`
  etags.set(edited, { text, etag })
  return etag
}

/** What JSON has no word for. Workers that run the same code have the same text. */
function asText (value: unknown): unknown {
  return typeof value === 'function' || value instanceof RegExp ? String(value) : value
}

/** What nobody is to read who may edit. */
const SECRETS: ReadonlySet<string> = new Set(['secret'])

/** The options of a group itself, to be read. */
export function optionsOf ({ options }: UpstreamGroup): GroupOptionsModel {
  const { balance, sticky, queue, tries, failOnStatus, forceRecovery, health } = options
  return {
    balance: readable(balance),
    sticky: readable(sticky),
    queue: readable(queue),
    tries,
    failOnStatus: readable(failOnStatus),
    forceRecovery,
    health: readable(health),
  }
}

function readable (value: unknown): unknown {
  if (Array.isArray(value)) return value.map(readable)
  if (value instanceof RegExp) return String(value)
  if (typeof value === 'function') return 'a function'
  if (!isRecord(value)) return value ?? null
  return Object.fromEntries(Object.entries(value).filter(([name]) => !SECRETS.has(name)).map(([name, part]) => [name, readable(part)]))
}

/** They are asked for every second, and seldom others than before. */
const etags = new WeakMap<object, { readonly text: string, readonly etag: string }>()

/** What stands for a name in paths: the name itself, where it is short enough. */
export function idOf (name: string): string {
  return name.length <= LONGEST_ID ? name : `~${digest(name)}`
}

/** @param base what was counted when the counters were set to zero */
export function cacheModel (cache: Cache, base: CacheStats | undefined): CacheModel {
  const { entries, bytes, requests, updating, waiting, storeFailures } = cache.stats()
  const counted = { ...requests }
  if (base !== undefined) for (const status of STATUSES) counted[status] -= base.requests[status]
  return {
    id: idOf(cache.name),
    name: cache.name,
    entries: entries ?? null,
    bytes: bytes ?? null,
    requests: counted,
    hitShare: hitShareOf(counted),
    updating,
    waiting,
    storeFailures: storeFailures - (base?.storeFailures ?? 0),
  }
}

/** Of those that asked the cache. */
export function hitShareOf (counted: Readonly<Record<CacheStatus, number>>): number | null {
  const asked = STATUSES.reduce((total, status) => status === 'BYPASS' ? total : total + counted[status], 0)
  const answered = counted.HIT + counted.STALE + counted.UPDATING + counted.REVALIDATED
  return asked === 0 ? null : round(answered / asked, 4)
}

export const STATUSES: readonly CacheStatus[] = ['HIT', 'MISS', 'EXPIRED', 'STALE', 'UPDATING', 'REVALIDATED', 'BYPASS']

export function entryModel ({ key, statusCode, size, cachedAt, staleAt, tags, vary }: CacheEntry, now: number): EntryModel {
  return {
    key,
    status: statusCode,
    bytes: size ?? null,
    age: Math.max(0, Math.round((now - cachedAt) / 1000)),
    freshFor: Math.max(0, Math.round((staleAt - now) / 1000)),
    tags,
    vary,
  }
}

export function requestModel ({ at, attempts, cache, ...seen }: SeenRequest): RequestModel {
  return {
    at: time(at),
    ...seen,
    cache: cache ?? null,
    attempts: attempts.map(({ address, status, connectTime, headerTime, responseTime, bytesSent, bytesReceived, error }) => ({
      address,
      status: status ?? null,
      connectTime: rounded(connectTime),
      headerTime: rounded(headerTime),
      responseTime: rounded(responseTime),
      bytesSent,
      bytesReceived,
      error: error ?? null,
    })),
  }
}

export function time (milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

function rounded (value: number | undefined): number | null {
  return value === undefined ? null : round(value, 1)
}

export function round (value: number, digits: number): number {
  return Number(value.toFixed(digits))
}

function sum (servers: readonly ServerModel[], key: 'active' | 'rate'): number {
  return servers.reduce((total, server) => total + server[key], 0)
}
