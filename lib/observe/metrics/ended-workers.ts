import { aggregate, metricsOf, serverOf, type Metric } from './lists.ts'
import { PREFIX } from './prefix.ts'

/** Tells which servers there are; each worker has it of all of its own. */
const OF_SERVERS = `${PREFIX}server_weight`

/**
 * What workers counted that have ended. Without it the sum would fall whenever one ends, and whoever looks at rates would take what the
 * others have counted for new.
 */
export class EndedWorkers {
  #counted: Promise<readonly Metric[]> = Promise.resolve([])

  /** @param metrics what a worker told last */
  add (metrics: unknown): void {
    const added = metricsOf(metrics).filter(({ name, type }) => name.startsWith(PREFIX) && (type === 'counter' || type === 'histogram'))
    if (added.length === 0) return
    this.#counted = this.#counted.then(async counted => {
      try {
        return metricsOf(await aggregate([[...counted], added]).getMetricsAsJSON())
      } catch {
        return counted
      }
    })
  }

  /**
   * As a worker would tell it.
   * @param lists what the workers that run tell: servers that none of them has are gone, and so is what was counted of them
   */
  async list (lists: readonly object[]): Promise<readonly Metric[]> {
    if (lists.length === 0) return await this.#counted
    const ofServers = lists.flatMap(metricsOf).filter(({ name }) => name === OF_SERVERS)
    const servers = new Set(ofServers.flatMap(({ values }) => values.map(serverOf)))
    this.#counted = this.#counted.then(counted => counted.map(metric => ({
      ...metric, values: metric.values.filter(value => serverOf(value) === undefined || servers.has(serverOf(value))),
    })))
    return await this.#counted
  }
}
