import type { AttemptMessage } from '../../types/diagnostics.ts'

/** A trace that something belongs to. */
export interface TraceRef {
  readonly traceId: string
  readonly spanId: string
}

/** The recorded spans of attempts: `tracing` enters them, and metrics show them beside what they count. */
export const attemptSpans = new WeakMap<AttemptMessage, TraceRef>()
