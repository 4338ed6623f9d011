import { context, isSpanContextValid, propagation, trace, type Context, type SpanContext } from '@opentelemetry/api'
import type { AttemptMessage } from '../../../types/diagnostics.ts'

/** W3C Trace Context, sections 3.2.2 and 4.3: version 00 ends there, later ones may go on, and ff is none. */
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:$|(?<!^00.*)-)/

/** An attempt that is told its span, and what it was told. */
class Carrier {
  readonly names = new Set<string>()
  readonly #attempt: AttemptMessage

  constructor (attempt: AttemptMessage) {
    this.#attempt = attempt
  }

  set (name: string, value: string | undefined): void {
    this.names.add(name.toLowerCase())
    this.#attempt.setHeader(name, value)
  }
}

const SETTER = { set: (carrier: Carrier, name: string, value: string) => carrier.set(name, value) }

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
  const headers = headersOf(request)
  return headers === undefined ? active : extract(active, headers)
}

/** What the client sent. */
function headersOf (request: unknown): object | undefined {
  if (typeof request !== 'object' || request === null || !('headers' in request)) return undefined
  return typeof request.headers === 'object' ? request.headers ?? undefined : undefined
}

function isHolder (value: unknown): value is { context: Context } {
  return typeof value === 'object' && value !== null && 'context' in value && isContext(value.context)
}

function isContext (value: unknown): value is Context {
  return typeof value === 'object' && value !== null && 'getValue' in value && typeof value.getValue === 'function'
}

function extract (active: Context, headers: object): Context {
  if (isRegistered()) return propagation.extract(active, headers, GETTER)
  const [, traceId, spanId, flags] = parse(headers)
  if (traceId === undefined || spanId === undefined || flags === undefined) return active
  const remote: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true }
  return isSpanContextValid(remote) ? trace.setSpanContext(active, remote) : active
}

function parse (headers: object): readonly string[] {
  const sent = GETTER.get(headers, 'traceparent')
  return TRACEPARENT.exec(typeof sent === 'string' ? sent.trim() : '') ?? []
}

/** Tells the server of an attempt the span of it. */
export function inject (parent: Context, span: SpanContext, attempt: AttemptMessage): void {
  if (!isSpanContextValid(span)) return
  const carrier = new Carrier(attempt)
  if (isRegistered()) {
    propagation.inject(trace.setSpanContext(parent, span), carrier, SETTER)
  } else {
    const { traceId, spanId, traceFlags, traceState } = span
    carrier.set('traceparent', `00-${traceId}-${spanId}-${(traceFlags & 1).toString(16).padStart(2, '0')}`)
    const state = traceState?.serialize()
    if (state !== undefined && state !== '') carrier.set('tracestate', state)
  }
  // What the client sent goes with its own trace: beside another, or one that was none, it would be false.
  if (carrier.names.has('traceparent') && !carrier.names.has('tracestate')) {
    const headers = headersOf(attempt.request)
    if (headers !== undefined && parse(headers)[1] !== span.traceId) carrier.set('tracestate', undefined)
  }
}
