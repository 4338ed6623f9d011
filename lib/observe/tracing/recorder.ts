import { SpanKind, SpanStatusCode, trace, TraceFlags, type Span, type Tracer } from '@opentelemetry/api'
import * as topics from '../../runtime/diagnostics.ts'
import { attemptSpans } from '../attempt-spans.ts'
import { attributesOf, spanName } from './attributes.ts'
import { inject, parentOf } from './propagation.ts'
import type { AttemptMessage } from '../../../types/diagnostics.ts'

/** Makes spans of what is told on the channels, from `start` to `stop`. */
export class SpanRecorder {
  readonly #tracer: Tracer
  readonly #propagate: boolean
  readonly #spans = new WeakMap<AttemptMessage, Span>()
  #stop: (() => void)[] = []

  constructor (tracer: Tracer, propagate: boolean) {
    this.#tracer = tracer
    this.#propagate = propagate
  }

  start (): void {
    this.#stop = [
      topics.ATTEMPT_START.subscribe(message => this.#attemptBegan(message)),
      topics.ATTEMPT_CONNECT.subscribe(message => { this.#spans.get(message)?.addEvent('connect') }),
      topics.ATTEMPT_HEAD.subscribe(message => {
        if (message.head !== undefined) this.#spans.get(message)?.setAttribute('http.response.status_code', message.head.statusCode)
      }),
      topics.ATTEMPT_END.subscribe(message => this.#attemptEnded(message)),
      topics.CACHE_LOOKUP.subscribe(({ cache, status }) => {
        trace.getActiveSpan()?.addEvent('cache.lookup', { 'fastify_scgi.cache': cache.name, 'fastify_scgi.cache_status': status })
      }),
      topics.QUEUE_WAIT.subscribe(({ group, length }) => {
        trace.getActiveSpan()?.addEvent('queue.wait', { 'fastify_scgi.group': group.name, 'fastify_scgi.queue_length': length })
      }),
      topics.QUEUE_LEAVE.subscribe(({ group, outcome, waited = 0 }) => {
        trace.getActiveSpan()?.addEvent('queue.leave', {
          'fastify_scgi.group': group.name, 'fastify_scgi.outcome': outcome ?? '', 'fastify_scgi.waited': waited / 1000,
        })
      }),
      topics.GROUP_REFUSED.subscribe(({ group, error }) => {
        trace.getActiveSpan()?.addEvent('group.refused', { 'fastify_scgi.group': group.name, 'error.type': typeOf(error) })
      }),
    ]
  }

  stop (): void {
    for (const end of this.#stop.splice(0)) end()
  }

  #attemptBegan (message: AttemptMessage): void {
    const parent = parentOf(message.request)
    const span = this.#tracer.startSpan(spanName(message.method), { kind: SpanKind.CLIENT, attributes: attributesOf(message) }, parent)
    const spanContext = span.spanContext()
    this.#spans.set(message, span)
    if ((spanContext.traceFlags & TraceFlags.SAMPLED) !== 0) attemptSpans.set(message, spanContext)
    if (this.#propagate) inject(parent, spanContext, message)
  }

  #attemptEnded (message: AttemptMessage): void {
    const span = this.#spans.get(message)
    if (span === undefined) return
    this.#spans.delete(message)
    const { attempt, outcome = 'abort', error, head } = message
    span.setAttribute('fastify_scgi.outcome', outcome)
    span.setAttribute('fastify_scgi.bytes_sent', attempt.bytesSent)
    span.setAttribute('fastify_scgi.bytes_received', attempt.bytesReceived)
    if (error !== undefined) {
      span.setAttribute('error.type', typeOf(error))
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
    } else if (head !== undefined && head.statusCode >= 400) {
      // By the conventions: to a client a 404 is an error, too.
      span.setAttribute('error.type', String(head.statusCode))
      span.setStatus({ code: SpanStatusCode.ERROR })
    }
    span.end()
  }
}

function typeOf (error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
