import cluster from 'node:cluster'
import { AggregatorRegistry } from 'prom-client'
import type { Worker } from 'node:cluster'
import type { MetricsRegistry } from '../../../types/metrics.ts'

/** What workers and the primary say to one another. */
const TYPE = 'fastify-scgi:metrics'
/** The primary waits 5 s for its workers. */
const PATIENCE = 6000

interface Message {
  readonly type: typeof TYPE
  /** Of the question; 0 asks whether the primary answers at all. */
  readonly id: number
  readonly text?: string
  readonly error?: string
}

function isMessage (message: unknown): message is Message {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === TYPE &&
    'id' in message && typeof message.id === 'number'
}

/**
 * For the primary of node:cluster: gives the metrics of all workers in one text, counters and most gauges summed, and answers workers that
 * are scraped in the place of all. To be called before the workers begin, once.
 */
export function sumWorkers (): () => Promise<string> {
  const aggregator = new AggregatorRegistry()
  const sum = (): Promise<string> => aggregator.clusterMetrics()
  const answer = (worker: Worker, message: Message): void => {
    if (worker.isConnected()) worker.send(message)
  }
  cluster.on('message', (worker, message: unknown) => {
    if (!isMessage(message)) return
    const { id } = message
    if (id === 0) answer(worker, { type: TYPE, id })
    else {
      sum().then(
        text => answer(worker, { type: TYPE, id, text }),
        (error: unknown) => answer(worker, { type: TYPE, id, error: String(error) }))
    }
  })
  return sum
}

/** A worker's way to the metrics of all. */
export class Siblings {
  /** The primary has said that it sums. */
  answered = false
  readonly #waiting = new Map<number, { resolve (text: string): void, reject (error: Error): void }>()
  #last = 0

  /** Shows this worker's registry to the primary. */
  constructor (registry: MetricsRegistry) {
    AggregatorRegistry.setRegistries(registry)
    process.on('message', this.#listen)
    process.send?.({ type: TYPE, id: 0 })
  }

  /** The metrics of all workers. Rejected where the primary cannot tell. */
  ask (): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      const timer = setTimeout(() => settle(() => reject(new Error('the primary has not summed the metrics in time'))), PATIENCE)
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        done()
      }
      this.#waiting.set(id, { resolve: text => settle(() => resolve(text)), reject: error => settle(() => reject(error)) })
      process.send?.({ type: TYPE, id })
    })
  }

  close (): void {
    process.off('message', this.#listen)
    for (const { reject } of [...this.#waiting.values()]) reject(new Error('the application is closed'))
  }

  readonly #listen = (message: unknown): void => {
    if (!isMessage(message)) return
    const { id, text, error } = message
    if (id === 0) this.answered = true
    else if (text !== undefined) this.#waiting.get(id)?.resolve(text)
    else this.#waiting.get(id)?.reject(new Error(error))
  }
}
