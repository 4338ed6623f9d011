import cluster from 'node:cluster'
import { Relay } from './relay.ts'
import { WorkerChannel } from './worker.ts'
import { relayQuestions } from '../workers/relay.ts'
import type { GroupChannel } from '../../types/channel.ts'

let relay: Relay | undefined
let worker: WorkerChannel | undefined

/**
 * A channel between the workers of node:cluster, for the option `shared` of `createUpstreams`. The primary forwards the messages of the
 * workers, so call it there, too, before or soon after they are forked.
 */
export function clusterChannel (): GroupChannel {
  if (cluster.isWorker) {
    worker ??= new WorkerChannel(`${cluster.worker?.id ?? 0}-${process.pid}`)
    return worker
  }
  relay ??= new Relay()
  // What an operator is told by one worker is of all of them.
  relayQuestions()
  return relay.channel
}
