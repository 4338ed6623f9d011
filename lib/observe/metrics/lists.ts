import { AggregatorRegistry } from 'prom-client'
import { isRecord } from '../../options/checks.ts'
import { PREFIX } from './prefix.ts'
import type { MetricsRegistry } from '../../../types/metrics.ts'

/** A worker has a sample of it for the present state of each of its servers alone. */
const STATES = `${PREFIX}server_state`

/** A metric as a worker tells it. */
export interface Metric extends Record<string, unknown> {
  readonly name: string
  readonly values: readonly unknown[]
}

export function metricsOf (metrics: unknown): Metric[] {
  return Array.isArray(metrics) ? metrics.filter(isMetric) : []
}

function isMetric (metric: unknown): metric is Metric {
  return isRecord(metric) && typeof metric['name'] === 'string' && Array.isArray(metric['values'])
}

/** Group and server of a sample; `undefined` if it is not one of a server. */
export function serverOf (value: unknown): string | undefined {
  if (!isRecord(value) || !isRecord(value['labels'])) return undefined
  const { group, server } = value['labels']
  return server === undefined || server === '' ? undefined : JSON.stringify([group, server])
}

/** One for all, of what each tells. */
export function aggregate (lists: readonly object[]): MetricsRegistry {
  return AggregatorRegistry.aggregate(withStates(lists))
}

/** An average is taken by the number of samples: who has a server that others have in a further state says 0 of that. */
function withStates (lists: readonly object[]): object[] {
  const found = statesOf(lists.flatMap(metricsOf).filter(({ name }) => name === STATES).flatMap(({ values }) => values))
  return lists.map(list => metricsOf(list).map(metric => {
    return metric.name === STATES ? { ...metric, values: completed(metric.values, found) } : metric
  }))
}

function completed (values: readonly unknown[], found: States): unknown[] {
  const all = [...values]
  for (const [server, states] of statesOf(values)) {
    for (const [state, labels] of found.get(server) ?? []) if (!states.has(state)) all.push({ value: 0, labels })
  }
  return all
}

/** By server and state the labels of a sample. */
type States = ReadonlyMap<string, ReadonlyMap<unknown, object>>

function statesOf (values: readonly unknown[]): States {
  const found = new Map<string, Map<unknown, object>>()
  for (const value of values) {
    const server = serverOf(value)
    if (server === undefined || !isRecord(value) || !isRecord(value['labels'])) continue
    const { labels } = value
    const states = found.get(server) ?? new Map<unknown, object>()
    found.set(server, states.set(labels['state'], labels))
  }
  return found
}
