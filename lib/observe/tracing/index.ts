import { trace, type TracerProvider } from '@opentelemetry/api'
import fp from 'fastify-plugin'
import { FST_SCGI_OPT_INVALID } from '../../errors.ts'
import { flag } from '../../options/checks.ts'
import { checkKeys } from '../../options/keys.ts'
import { show } from '../../options/units.ts'
import { SpanRecorder } from './recorder.ts'
import type { FastifyPluginAsync } from 'fastify'
import type { TracingOptions } from '../../../types/tracing.ts'

export type { TracingOptions } from '../../../types/tracing.ts'

const NAMES: readonly string[] = ['tracerProvider', 'propagate'] satisfies (keyof TracingOptions)[]

/** What applications of this process share: each provider gets one span of an attempt. */
interface Shared {
  readonly recorder: SpanRecorder
  readonly propagate: boolean
  users: number
}

/** The key of the provider that is registered with the API. */
const GLOBAL = {}
const shared = new Map<object, Shared>()

/** @throws FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN */
function readOptions (options: TracingOptions): { provider: TracerProvider | undefined, propagate: boolean } {
  checkKeys('', options, NAMES, 'tracing')
  const { tracerProvider: provider, propagate } = options
  if (provider !== undefined && (typeof provider !== 'object' || provider === null || typeof provider.getTracer !== 'function')) {
    throw new FST_SCGI_OPT_INVALID('tracerProvider', show(provider), 'a TracerProvider of OpenTelemetry')
  }
  return { provider, propagate: flag('propagate', propagate, true) }
}

/**
 * Spans of the gateways of this process for OpenTelemetry. Errors at register: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN.
 */
const tracing: FastifyPluginAsync<TracingOptions> = fp(async (fastify, options: TracingOptions) => {
  const { provider, propagate } = readOptions(options)
  const key = provider ?? GLOBAL
  let use = shared.get(key)
  if (use !== undefined && use.propagate !== propagate) {
    const other = `${use.propagate}, as in the other application of this process with this tracerProvider`
    throw new FST_SCGI_OPT_INVALID('propagate', String(propagate), other)
  }
  if (use === undefined) {
    // The API hands on to a provider that is registered later.
    const tracer = provider === undefined ? trace.getTracer('fastify-scgi') : provider.getTracer('fastify-scgi')
    use = { recorder: new SpanRecorder(tracer, propagate), propagate, users: 0 }
    use.recorder.start()
    shared.set(key, use)
  }
  use.users++
  const left = use
  fastify.addHook('onClose', async () => {
    left.users--
    if (left.users > 0) return
    left.recorder.stop()
    shared.delete(key)
  })
}, { fastify: '5.x', name: 'fastify-scgi-tracing' })

export { tracing, tracing as default }
