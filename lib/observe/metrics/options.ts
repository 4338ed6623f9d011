import { register } from 'prom-client'
import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { isRecord } from '../../options/checks.ts'
import { checkKeys } from '../../options/keys.ts'
import { show } from '../../options/units.ts'
import type { onRequestHookHandler } from 'fastify'
import type { MetricsOptions, MetricsRegistry } from '../../../types/metrics.ts'

/** The options, checked and ready for use. */
export interface MetricsSettings {
  readonly registry: MetricsRegistry
  /** Path of the route; `undefined` if there is none. */
  readonly endpoint: string | undefined
  readonly authorize: onRequestHookHandler[]
  readonly buckets: readonly number[]
}

const NAMES: readonly string[] = ['registry', 'endpoint', 'authorize', 'logLevel', 'buckets'] satisfies (keyof MetricsOptions)[]
/** Upper bounds in seconds: from a server on the same machine to the default of the time limits. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
export function readMetricsOptions (options: MetricsOptions): MetricsSettings {
  checkKeys('', options, NAMES, 'metrics')
  const { registry = register, endpoint = '/metrics', authorize = [], buckets = BUCKETS } = options
  if (!isRecord(registry) || typeof registry.getMetricsAsJSON !== 'function') {
    throw new FST_SCGI_OPT_INVALID('registry', show(registry), 'a Registry of prom-client')
  }
  if (endpoint !== false && (typeof endpoint !== 'string' || !endpoint.startsWith('/'))) {
    throw new FST_SCGI_OPT_INVALID('endpoint', show(endpoint), "a path that begins with '/', or false")
  }
  const hooks = Array.isArray(authorize) ? authorize : [authorize]
  if (hooks.some(hook => typeof hook !== 'function')) {
    throw new FST_SCGI_OPT_INVALID('authorize', show(authorize), 'an onRequest hook of Fastify, or a list of them')
  }
  if (endpoint === false && hooks.length > 0) throw new FST_SCGI_OPT_INVALID('authorize', 'given', "none with 'endpoint: false', which has no route to guard")
  const ascends = Array.isArray(buckets) && buckets.length > 0 &&
    buckets.every((bound, index) => typeof bound === 'number' && Number.isFinite(bound) && bound > (buckets[index - 1] ?? 0))
  if (!ascends) throw new FST_SCGI_OPT_INVALID('buckets', show(buckets), 'a list of seconds above 0, in ascending order')
  return { registry, endpoint: endpoint === false ? undefined : endpoint, authorize: hooks, buckets: [...buckets] }
}
