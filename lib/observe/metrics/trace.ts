import type { TraceRef } from '../attempt-spans.ts'

/** Gives the trace that runs where it is asked, if it is recorded. */
export type CurrentTrace = () => TraceRef | undefined

/** Asks OpenTelemetry, where it is installed. */
export async function currentTrace (): Promise<CurrentTrace> {
  try {
    const { trace, TraceFlags } = await import('@opentelemetry/api')
    return () => {
      const context = trace.getActiveSpan()?.spanContext()
      return context !== undefined && (context.traceFlags & TraceFlags.SAMPLED) !== 0 ? context : undefined
    }
  } catch {
    return () => undefined
  }
}
