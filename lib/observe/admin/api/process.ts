import cluster from 'node:cluster'

export interface ProcessModel {
  readonly pid: number
  readonly worker: number | null
  /** Seconds. */
  readonly uptime: number
  /** Bytes that are resident. */
  readonly memory: number
  readonly node: string
}

/** This process. */
export function processModel (): ProcessModel {
  return {
    pid: process.pid,
    worker: cluster.worker?.id ?? null,
    uptime: Math.round(process.uptime()),
    memory: process.memoryUsage.rss(),
    node: process.version,
  }
}
