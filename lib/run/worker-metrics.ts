import cluster, { type Worker } from 'node:cluster'
import { isRecord } from '../options/checks.ts'
import { toError } from '../runtime/caught.ts'
import type { Teller } from './logs.ts'

/**
 * Sums the metrics of the workers for whoever scrapes one of them, from the first worker on that has some: only then prom-client is there
 * for sure, and worth loading.
 */
export function sumMetrics (log: () => Teller | undefined): void {
  const asked = (_worker: Worker, message: unknown): void => {
    if (!isRecord(message) || message.type !== 'fastify-scgi:metrics') return
    cluster.off('message', asked)
    import('../observe/metrics/index.ts').then(({ sumWorkers }) => { sumWorkers() }).catch((error: unknown) => {
      log()?.warn(`each worker tells its own metrics alone: ${toError(error).message}`)
    })
  }
  cluster.on('message', asked)
}
