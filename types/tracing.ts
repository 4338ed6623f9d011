import type { TracerProvider } from '@opentelemetry/api'

/** Options of `app.register(tracing, options)`. Errors: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN. */
export interface TracingOptions {
  /** The tracer provider. Default: the one that is registered with `@opentelemetry/api`, now or later. */
  tracerProvider?: TracerProvider
  /**
   * Send the context of the span to the server: `traceparent` and whatever else the registered propagator writes, instead of the
   * client's. Default true.
   */
  propagate?: boolean
}
