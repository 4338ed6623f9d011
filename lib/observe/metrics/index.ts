import cluster from 'node:cluster'
import fp from 'fastify-plugin'
import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { toError } from '../../runtime/caught.ts'
import { Collector } from './collector.ts'
import { readMetricsOptions, type MetricsSettings } from './options.ts'
import { formatFor, render } from './render.ts'
import { defineSeries } from './series.ts'
import { currentTrace } from './trace.ts'
import { Siblings, sumWorkers } from './workers.ts'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { MetricsOptions, MetricsRegistry } from '../../../types/metrics.ts'

export type { MetricsOptions, MetricsRegistry } from '../../../types/metrics.ts'
export { sumWorkers }

/** What applications of this process that use one registry share. */
interface Shared {
  readonly collector: Collector
  readonly names: readonly string[]
  readonly siblings: Siblings | undefined
  users: number
}

const shared = new WeakMap<MetricsRegistry, Shared>()

async function share ({ registry, buckets }: MetricsSettings): Promise<Shared> {
  const trace = await currentTrace()
  const known = shared.get(registry)
  if (known !== undefined) {
    known.users++
    return known
  }
  const collector = new Collector(buckets, trace)
  const before = new Set<unknown>(registry.getMetricsAsArray())
  const own = (): string[] => registry.getMetricsAsArray().filter(metric => !before.has(metric)).map(({ name }) => name)
  try {
    defineSeries(collector, registry, buckets)
  } catch (error) {
    for (const name of own()) registry.removeSingleMetric(name)
    throw new FST_SCGI_OPT_INVALID('registry', 'a registry that cannot be used', `one without metrics of these names: ${toError(error).message}`)
  }
  collector.start()
  const made = { collector, names: own(), siblings: cluster.isWorker ? new Siblings(registry) : undefined, users: 1 }
  shared.set(registry, made)
  return made
}

async function leave (registry: MetricsRegistry, left: Shared): Promise<void> {
  left.users--
  if (left.users > 0) return
  left.collector.stop()
  // What it tells last is read at once, and the registry is free for the next.
  const told = left.siblings?.close()
  for (const name of left.names) registry.removeSingleMetric(name)
  shared.delete(registry)
  await told
}

/**
 * Metrics of the gateways of this process for Prometheus. Errors at register: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN.
 */
const metrics: FastifyPluginAsync<MetricsOptions> = fp(async (fastify: FastifyInstance, options: MetricsOptions) => {
  const settings = readMetricsOptions(options)
  const { registry, endpoint, authorize } = settings
  const use = await share(settings)
  const { collector, siblings } = use
  const added = [fastify]
  collector.add(fastify)
  fastify.addHook('onRegister', instance => {
    added.push(instance)
    collector.add(instance)
  })
  fastify.addHook('onClose', async () => {
    for (const instance of added) collector.delete(instance)
    await leave(registry, use)
  })
  if (endpoint === undefined) return
  const level = options.logLevel === undefined ? undefined : { logLevel: options.logLevel }
  fastify.get(endpoint, { onRequest: authorize, ...level }, async (request, reply) => {
    const format = formatFor(request.headers.accept)
    const text = siblings?.answered === true ? await siblings.ask(format.open) : await render(registry, format)
    return reply.type(format.contentType).send(text)
  })
}, { fastify: '5.x', name: 'fastify-scgi-metrics' })

export { metrics, metrics as default }
