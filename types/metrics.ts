import type { LogLevel, onRequestHookHandler } from 'fastify'
import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client'

/** A registry of prom-client, whichever format it has by itself. */
export type MetricsRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** Options of `app.register(metrics, options)`. Errors: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN. */
export interface MetricsOptions {
  /** Where the metrics are entered, and what the endpoint shows, your own metrics included. Default: prom-client's `register`. */
  registry?: MetricsRegistry
  /** Path of the route that answers scrapes; false adds none. Default `'/metrics'`. */
  endpoint?: string | false
  /** Hooks of that route (onRequest) that let a scrape in, or answer it. Default: everybody is let in. */
  authorize?: onRequestHookHandler | onRequestHookHandler[]
  /** Level of the log for that route. Default: the application's. */
  logLevel?: LogLevel
  /** Upper bounds of the buckets of times, in seconds, ascending. Default 0.001 to 60. */
  buckets?: number[]
}
