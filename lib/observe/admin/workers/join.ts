import { jointPoints, jointQuantile, RATE_SECONDS, type HistoryCounts } from '../accounts/history.ts'
import { hitShareOf, round, STATUSES, type CacheModel, type GroupModel, type ServerModel } from '../api/model.ts'
import type { WorkerName } from '../../../workers/siblings.ts'
import type { Overall, Told } from './told.ts'

/** Requests and edits of each list. */
const MOST = 50

/** A server as one worker sees it. */
interface ServerPart {
  readonly worker: number
  readonly server: ServerModel
  readonly counts: HistoryCounts
}

/** What several workers know, as if they were one. What cannot be added up, as settings, is that of `own`. */
export function join (own: Told, others: readonly Told[], missing: readonly WorkerName[]): Overall {
  const all = [own, ...others]
  return {
    process: own.process,
    groups: named(all.map(({ groups }) => groups)).map(name => joinGroup(name, all)),
    caches: named(all.map(({ caches }) => caches)).map(name => joinCache(
      all.flatMap(({ caches }) => caches.filter(cache => cache.name === name)), all.some(({ common }) => common.includes(name)))),
    failed: latest(all.map(told => ofWorker(told, told.failed))),
    slow: latest(all.map(told => ofWorker(told, told.slow))),
    edits: latest(all.map(({ edits }) => edits)),
    workers: all.map(({ process }) => process).sort((one, other) => workerOf(one) - workerOf(other)),
    missing,
  }
}

function workerOf ({ worker }: { readonly worker: number | null }): number {
  return worker ?? 0
}

/** All names, those of the first list first. */
function named (lists: readonly (readonly { readonly name: string }[])[]): string[] {
  return [...new Set(lists.flatMap(list => list.map(({ name }) => name)))]
}

function ofWorker<Item extends object> ({ process }: Told, items: readonly Item[]): (Item & { worker: number })[] {
  return items.map(item => ({ ...item, worker: workerOf(process) }))
}

function latest<Item extends { readonly at: string }> (lists: readonly (readonly Item[])[]): Item[] {
  return lists.flat().sort((one, other) => one.at < other.at ? 1 : one.at > other.at ? -1 : 0).slice(0, MOST)
}

function joinGroup (name: string, all: readonly Told[]): GroupModel {
  const parts = all.flatMap(({ process, groups, counts }) =>
    groups.filter(group => group.name === name).map(group => ({ worker: workerOf(process), group, counts: counts[name] ?? {} })))
  const groups = parts.map(({ group }) => group)
  const [first] = groups
  if (first === undefined) throw new Error(`no worker has the group ${name}`)
  const recent = sum(parts.flatMap(({ counts }) => Object.values(counts)), counts => counts.recent)
  const servers = named(groups.map(group => group.servers)).map(server => joinServer(parts.flatMap(({ worker, group, counts }) =>
    group.servers.filter(each => each.name === server).map(each => ({ worker, server: each, counts: counts[server] ?? NOTHING }))), recent))
  const queues = groups.flatMap(({ queue }) => queue ?? [])
  const sessions = groups.flatMap(group => group.sessions ?? [])
  return {
    ...first,
    active: sum(servers, server => server.active),
    rate: round(sum(servers, server => server.rate), 1),
    queue: queues.length === 0 ? null : { waiting: sum(queues, ({ waiting }) => waiting), size: sum(queues, ({ size }) => size) },
    // Those that are shared are known to all.
    sessions: sessions.length === 0 ? null : Math.max(...sessions),
    servers,
  }
}

const NOTHING: HistoryCounts = { lately: 0, recent: 0, step: 0, hour: [], steps: [] }

function joinServer (parts: readonly ServerPart[], recent: number): ServerModel {
  const servers = parts.map(({ server }) => server)
  const [first] = servers
  if (first === undefined) throw new Error('no worker has this server')
  const hours = parts.map(({ counts }) => counts.hour)
  const differs = parts.slice(1).flatMap(({ worker, server: { state, reason, settings, etag } }) =>
    state === first.state && etag === first.etag ? [] : [{ worker, state, reason, settings: etag === first.etag ? null : settings }])
  const histories = parts.flatMap(({ server: { history }, counts }) => history === undefined ? [] : [{ points: history, counts }])
  return {
    ...first,
    since: servers.reduce((since, server) => server.state === first.state && server.since < since ? server.since : since, first.since),
    share: recent === 0 ? 0 : round(sum(parts, ({ counts }) => counts.recent) / recent, 4),
    active: sum(servers, server => server.active),
    rate: round(sum(parts, ({ counts }) => counts.lately) / RATE_SECONDS, 1),
    served: sum(servers, server => server.served),
    failures: sum(servers, server => server.failures),
    // One that is out is so everywhere, with as many.
    fails: Math.max(...servers.map(({ fails }) => fails)),
    bytesSent: sum(servers, server => server.bytesSent),
    bytesReceived: sum(servers, server => server.bytesReceived),
    p50: jointQuantile(hours, 0.5),
    p99: jointQuantile(hours, 0.99),
    lastFailure: last(servers.map(({ lastFailure }) => lastFailure)),
    check: last(servers.map(({ check }) => check)),
    ...(first.history === undefined ? undefined : { history: { step: first.history.step, ...jointPoints(histories) } }),
    ...(differs.length === 0 ? undefined : { differs }),
  }
}

function last<Event extends { readonly at: string }> (events: readonly (Event | null)[]): Event | null {
  return events.reduce<Event | null>((found, event) => event !== null && (found === null || event.at > found.at) ? event : found, null)
}

function joinCache (caches: readonly CacheModel[], shared: boolean): CacheModel {
  const [first] = caches
  if (first === undefined) throw new Error('no worker has this cache')
  const requests = { ...first.requests }
  for (const status of STATUSES) requests[status] = sum(caches, cache => cache.requests[status])
  const amount = (values: readonly (number | null)[]): number | null => {
    const known = values.flatMap(value => value ?? [])
    // Each worker counts the same files, and one may not have seen the latest yet.
    return known.length === 0 ? null : shared ? Math.max(...known) : sum(known, value => value)
  }
  return {
    ...first,
    entries: amount(caches.map(({ entries }) => entries)),
    bytes: amount(caches.map(({ bytes }) => bytes)),
    requests,
    hitShare: hitShareOf(requests),
    updating: sum(caches, ({ updating }) => updating),
    waiting: sum(caches, ({ waiting }) => waiting),
    storeFailures: sum(caches, ({ storeFailures }) => storeFailures),
  }
}

function sum<Item> (items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
