import type { LogLevel, onRequestHookHandler } from 'fastify'
import type { OpenMetricsContentType, PrometheusContentType, Registry } from 'prom-client'

/** A registry of prom-client, of either format. */
export type MetricsRegistry = Registry<PrometheusContentType> | Registry<OpenMetricsContentType>

/** Options of `app.register(metrics, options)`. Errors: FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNKNOWN. */
export interface MetricsOptions {
  /** Registry of the metrics. The endpoint shows all of it, including your own metrics. Default: prom-client's `register`. */
  registry?: MetricsRegistry
  /** Path of the route for scrapes; false for none. Default `'/metrics'`. */
  endpoint?: string | false
  /** `onRequest` hooks of that route, which allow or answer a scrape. Default: everybody is allowed. */
  authorize?: onRequestHookHandler | onRequestHookHandler[]
  /** Log level of that route. Default: the application's. */
  logLevel?: LogLevel
  /** Upper bounds of the histogram buckets, in seconds, ascending. Default 0.001 to 60. */
  buckets?: number[]
}
