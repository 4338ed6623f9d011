import cluster from 'node:cluster'
import { Relay } from './relay.ts'
import { WorkerChannel } from './worker.ts'
import type { GroupChannel } from '../../types/channel.ts'

let relay: Relay | undefined
let worker: WorkerChannel | undefined

/**
 * The channel between the workers of node:cluster. In a worker it is for the option `shared` of `createUpstreams`; in the primary the
 * same call passes on what the workers say, so that it is to be called there before, or soon after, they are forked.
 */
export function clusterChannel (): GroupChannel {
  if (cluster.isWorker) {
    worker ??= new WorkerChannel(`${cluster.worker?.id ?? 0}-${process.pid}`)
    return worker
  }
  relay ??= new Relay()
  return relay.channel
}
