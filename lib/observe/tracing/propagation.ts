import { context, isSpanContextValid, propagation, trace, type Context, type SpanContext } from '@opentelemetry/api'
import type { AttemptMessage } from '../../../types/diagnostics.ts'

/** W3C Trace Context, section 3.2. */
const TRACEPARENT = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/

const SETTER = { set: (attempt: AttemptMessage, name: string, value: string) => attempt.setHeader(name, value) }

const GETTER = {
  keys: (headers: object) => Object.keys(headers),
  get (headers: object, name: string): string | string[] | undefined {
    const value: unknown = Reflect.get(headers, name)
    return typeof value === 'string' ? value : Array.isArray(value) ? value.map(String) : undefined
  },
}

/** Somebody has registered a propagator; else W3C Trace Context is spoken here. */
function isRegistered (): boolean {
  return propagation.fields().length > 0
}

/** The context that an attempt belongs to: the one that runs, or that of the request in the words of @fastify/otel, or its client's. */
export function parentOf (request: unknown): Context {
  const active = context.active()
  if (trace.getSpan(active) !== undefined) return active
  if (typeof request !== 'object' || request === null) return active
  if ('opentelemetry' in request && typeof request.opentelemetry === 'function') {
    const own: unknown = request.opentelemetry()
    if (isHolder(own)) return own.context
  }
  const headers = 'headers' in request && typeof request.headers === 'object' ? request.headers : null
  return headers === null ? active : extract(active, headers)
}

function isHolder (value: unknown): value is { context: Context } {
  return typeof value === 'object' && value !== null && 'context' in value && isContext(value.context)
}

function isContext (value: unknown): value is Context {
  return typeof value === 'object' && value !== null && 'getValue' in value && typeof value.getValue === 'function'
}

function extract (active: Context, headers: object): Context {
  if (isRegistered()) return propagation.extract(active, headers, GETTER)
  const sent = GETTER.get(headers, 'traceparent')
  const [, traceId, spanId, flags] = TRACEPARENT.exec(typeof sent === 'string' ? sent : '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return active
  const remote: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(remote) ? trace.setSpanContext(active, remote) : active
}

/** Tells the server of an attempt the span of it. */
export function inject (parent: Context, span: SpanContext, attempt: AttemptMessage): void {
  if (!isSpanContextValid(span)) return
  if (isRegistered()) {
    propagation.inject(trace.setSpanContext(parent, span), attempt, SETTER)
    return
  }
  const { traceId, spanId, traceFlags, traceState } = span
  attempt.setHeader('traceparent', `00-${traceId}-${spanId}-${(traceFlags & 1).toString(16).padStart(2, '0')}`)
  const state = traceState?.serialize()
  if (state !== undefined && state !== '') attempt.setHeader('tracestate', state)
}
