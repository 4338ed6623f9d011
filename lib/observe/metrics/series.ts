import { Counter, Gauge } from 'prom-client'
import { BucketHistogram, type Buckets } from './histogram.ts'
import { PREFIX } from './prefix.ts'
import type { Collector } from './collector.ts'
import type { GroupStats, ServerStats, Tally } from './stats.ts'
import type { MetricsRegistry } from '../../../types/metrics.ts'
import type { CacheStats } from '../../../types/cache.ts'
import type { UpstreamServer } from '../../../types/upstream.ts'

type Labels = Record<string, string>
/** Gives each series of a metric. */
type Series = (each: (labels: Labels, value: number) => void) => void

/** Enters the metrics into a registry. What they show is read when somebody asks. */
export function defineSeries (collector: Collector, registry: MetricsRegistry, bounds: readonly number[]): void {
  const registers = [registry]
  const counter = (name: string, help: string, labelNames: string[], series: Series): void => {
    const metric: Counter = new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      collect () {
        metric.reset()
        series((labels, value) => metric.inc(labels, value))
      },
    })
  }
  const gauge = (name: string, help: string, labelNames: string[], series: Series, aggregator: 'sum' | 'average' = 'sum'): void => {
    const metric: Gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers,
      aggregator,
      collect () {
        metric.reset()
        series((labels, value) => metric.set(labels, value))
      },
    })
  }
  const histogram = (name: string, help: string, labelNames: string[], series: () => Iterable<Buckets>): void => {
    registry.registerMetric(new BucketHistogram({ name: PREFIX + name, help, labelNames, buckets: bounds, series }))
  }
  const { stats } = collector
  const groups = function * (of: (group: GroupStats) => Buckets): Iterable<Buckets> {
    for (const group of stats.groups.values()) {
      const buckets = of(group)
      if (buckets.count > 0) yield buckets
    }
  }
  const byServer = (each: (labels: Labels, server: ServerStats) => void): void => {
    for (const { group, servers } of stats.groups.values()) {
      for (const server of servers.values()) each({ group, server: server.server }, server)
    }
  }
  /** A tally of each server, and one of what no server had a part in. */
  const tallied = (label: string, ofServer: (server: ServerStats) => Tally, ofGroup?: (group: GroupStats) => Tally): Series => each => {
    if (ofGroup !== undefined) {
      for (const group of stats.groups.values()) {
        for (const { word, value } of ofGroup(group)) each({ group: group.group, server: '', [label]: word }, value)
      }
    }
    byServer((labels, server) => {
      for (const { word, value } of ofServer(server)) each({ ...labels, [label]: word }, value)
    })
  }
  /** One series of each name: a group may have a server twice, and applications may have groups of one name. */
  const live = (value: (server: UpstreamServer) => number, isMean = false): Series => each => {
    for (const { labels, servers } of serversByName(collector)) {
      const sum = servers.reduce((total, server) => total + value(server), 0)
      each(labels, isMean ? sum / servers.length : sum)
    }
  }
  const cached = cacheStats(collector)
  const caches = (value: (stats: CacheStats) => number | undefined): Series => each => {
    for (const [cache, found] of cached()) {
      const number = value(found)
      if (number !== undefined) each({ cache }, number)
    }
  }

  counter('requests_total', 'Requests by the status that the client got, and by the server that was asked last (empty: none).',
    ['group', 'server', 'code'], tallied('code', server => server.requests, group => group.requests))
  histogram('request_duration_seconds', 'Time from the handler of the route until the client had the last byte.', ['group'], () => groups(group => group.request))
  counter('attempts_total', 'Exchanges with servers, by how they ended (ok, next, failed, abort).', ['group', 'server', 'outcome'],
    tallied('outcome', server => server.attempts))
  counter('retries_total', 'Attempts that were made after another one, by what made them necessary.', ['group', 'reason'], each => {
    for (const { group, retries } of stats.groups.values()) for (const { word: reason, value } of retries) each({ group, reason }, value)
  })
  counter('failures_total', 'Failed attempts by kind, and requests that no server could be had for (server is empty).',
    ['group', 'server', 'kind'], tallied('kind', server => server.failures, group => group.failures))
  counter('sent_bytes_total', 'Bytes of requests written to servers.', ['group', 'server'],
    each => byServer((labels, server) => each(labels, server.bytesSent)))
  counter('received_bytes_total', 'Bytes of replies received from servers, heads included.', ['group', 'server'],
    each => byServer((labels, server) => each(labels, server.bytesReceived)))
  histogram('connect_duration_seconds', 'Time until the connection to the server stood.', ['group'], () => groups(group => group.connect))
  histogram('header_duration_seconds', 'Time from the start of an attempt until the head of the reply was there.', ['group', 'server'], function * () {
    for (const { servers } of stats.groups.values()) for (const { header } of servers.values()) if (header.count > 0) yield header
  })
  histogram('response_duration_seconds', 'Time from the start of an attempt until the last byte of the reply, or its failure.', ['group'],
    () => groups(group => group.response))
  gauge('active_requests', 'Exchanges that run now.', ['group', 'server'], live(server => server.active))
  gauge('queued_requests', 'Requests that wait for a server now.', ['group'], each => {
    for (const { group, queued } of stats.groups.values()) each({ group }, queued)
  })
  histogram('queue_duration_seconds', 'Time that requests have waited in the queue.', ['group'], () => groups(group => group.wait))
  gauge('server_up', 'The server takes requests: 1, or why it does not is in fastify_scgi_server_state. Of several workers the share.',
    ['group', 'server'], live(({ state }) => state === 'up' || state === 'full' ? 1 : 0, true), 'average')
  gauge('server_state', 'The state that the server is in: 1. Of several workers the share.', ['group', 'server', 'state'], each => {
    for (const { labels, servers } of serversByName(collector)) {
      for (const state of new Set(servers.map(server => server.state))) {
        each({ ...labels, state }, servers.filter(server => server.state === state).length / servers.length)
      }
    }
  }, 'average')
  gauge('server_weight', 'Weight of the server.', ['group', 'server'], live(({ weight }) => weight, true), 'average')
  counter('cache_requests_total', 'Requests by what the cache did for them.', ['cache', 'status'], each => {
    for (const [cache, { requests }] of cached()) for (const [status, value] of Object.entries(requests)) each({ cache, status }, value)
  })
  gauge('cache_entries', 'Entries in the cache. Of several workers the sum.', ['cache'], caches(({ entries }) => entries))
  gauge('cache_bytes', 'Bytes of the entries in the cache. Of several workers the sum.', ['cache'], caches(({ bytes }) => bytes))
  gauge('cache_waiting_requests', 'Requests that wait for the reply to another one now.', ['cache'], caches(({ waiting }) => waiting))
  gauge('cache_updating_entries', 'Entries that are renewed in the background now.', ['cache'], caches(({ updating }) => updating))
  counter('cache_store_failures_total', 'Times that the store of the cache failed or was too slow.', ['cache'], caches(({ storeFailures }) => storeFailures))
  counter('spool_bytes_total', 'Bytes of bodies written to temporary files.', ['kind'], each => {
    for (const { word: kind, value } of stats.spooled) each({ kind }, value)
  })
  counter('dns_answers_total', 'Questions to the DNS for servers with resolve, by result (answered, failed).', ['name', 'result'], each => {
    for (const [name, results] of stats.answers) for (const { word: result, value } of results) each({ name, result }, value)
  })
  counter('health_checks_total', 'Health checks by result (passed, failed).', ['group', 'server', 'result'], tallied('result', server => server.checks))
}

interface Namesakes {
  readonly labels: Labels
  readonly servers: UpstreamServer[]
}

/** The servers that groups have now, by the names of both. */
function serversByName ({ gateways }: Collector): Iterable<Namesakes> {
  const found = new Map<string, Namesakes>()
  for (const { groups } of gateways) {
    for (const { name: group, servers } of groups) {
      for (const server of servers) {
        const key = JSON.stringify([group, server.name])
        const known = found.get(key)
        if (known === undefined) found.set(key, { labels: { group, server: server.name }, servers: [server] })
        else known.servers.push(server)
      }
    }
  }
  return found.values()
}

/** Asks each cache once for a scrape: stores may have to count. Applications may share a cache. */
function cacheStats (collector: Collector): () => ReadonlyMap<string, CacheStats> {
  let held: Map<string, CacheStats> | undefined
  return () => {
    if (held !== undefined) return held
    const found = held = new Map<string, CacheStats>()
    for (const { caches } of collector.gateways) {
      for (const cache of caches) if (!found.has(cache.name)) found.set(cache.name, cache.stats())
    }
    setImmediate(() => { held = undefined })
    return found
  }
}
