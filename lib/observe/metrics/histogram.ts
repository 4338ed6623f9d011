import { Histogram } from 'prom-client'
import type { TraceRef } from '../attempt-spans.ts'

/** An observation that is shown beside its bucket (OpenMetrics). */
interface Exemplar {
  readonly labelSet: { readonly trace_id: string, readonly span_id: string }
  readonly value: number
  /** Seconds since 1970. */
  readonly timestamp: number
}

/** The observations of one series. It is fed with each request: prom-client would make a text of the labels every time. */
export class Buckets {
  readonly labels: Readonly<Record<string, string>>
  /** By bucket, that of the rest last. */
  readonly counts: number[]
  readonly exemplars: (Exemplar | undefined)[]
  sum = 0
  count = 0
  readonly #bounds: readonly number[]

  constructor (bounds: readonly number[], labels: Readonly<Record<string, string>>) {
    this.#bounds = bounds
    this.labels = labels
    this.counts = new Array<number>(bounds.length + 1).fill(0)
    this.exemplars = new Array<Exemplar | undefined>(bounds.length + 1).fill(undefined)
  }

  /** @param milliseconds `undefined` is no observation */
  observe (milliseconds: number | undefined, trace: TraceRef | undefined): void {
    if (milliseconds === undefined) return
    const seconds = milliseconds / 1000
    const bounds = this.#bounds
    let index = 0
    while (index < bounds.length && seconds > (bounds[index] ?? Infinity)) index++
    this.counts[index] = (this.counts[index] ?? 0) + 1
    this.sum += seconds
    this.count++
    if (trace === undefined) return
    const labelSet = { trace_id: trace.traceId, span_id: trace.spanId }
    this.exemplars[index] = { labelSet, value: seconds, timestamp: Date.now() / 1000 }
  }
}

export interface HistogramSettings {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
  readonly buckets: readonly number[]
  /** The series there are. */
  series (): Iterable<Buckets>
}

interface Sample {
  readonly metricName: string
  readonly labels: Record<string, string | number>
  readonly value: number
  readonly exemplar?: Exemplar | undefined
  /** Labels that prom-client adds where it gives JSON. */
  readonly sharedLabels: Readonly<Record<string, string>>
}

/** A histogram of prom-client's whose series are kept elsewhere, with exemplars in whatever registry. */
export class BucketHistogram extends Histogram {
  readonly #settings: HistogramSettings

  constructor (settings: HistogramSettings) {
    const { name, help, labelNames, buckets } = settings
    super({ name, help, labelNames, buckets: [...buckets], registers: [] })
    this.#settings = settings
  }

  /** What prom-client itself asks, for text and for JSON; its types do not tell of it. */
  async getForPromString (): Promise<object> {
    const { name, help } = this.#settings
    return { name, help, type: 'histogram', aggregator: 'sum', values: [...this.#samples()] }
  }

  * #samples (): Iterable<Sample> {
    const { name, buckets, series } = this.#settings
    for (const { labels, counts, exemplars, sum, count } of series()) {
      let least = 0
      for (const [index, bound] of [...buckets, '+Inf'].entries()) {
        least += counts[index] ?? 0
        yield { metricName: `${name}_bucket`, labels: { le: bound }, sharedLabels: labels, value: least, exemplar: exemplars[index] }
      }
      yield { metricName: `${name}_sum`, labels: {}, sharedLabels: labels, value: sum }
      yield { metricName: `${name}_count`, labels: {}, sharedLabels: labels, value: count }
    }
  }
}
