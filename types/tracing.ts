import type { TracerProvider } from '@opentelemetry/api'

/** Options of `app.register(tracing, options)`. Errors: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN. */
export interface TracingOptions {
  /** Who makes the spans. Default: the provider that is registered with `@opentelemetry/api`, now or later. */
  tracerProvider?: TracerProvider
  /**
   * Servers are told the span of their attempt: `traceparent` and whatever else the registered propagator writes, in the place of the
   * client's. Default true.
   */
  propagate?: boolean
}
