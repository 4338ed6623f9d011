// A process that shares a channel, and does what its parent tells it; see channel-processes.ts.
import { clusterChannel } from '../../lib/channel/index.ts'

const channel = clusterChannel()
const calls: Record<string, (...given: never[]) => unknown> = {
  publish: (event: Parameters<typeof channel.publish>[0]) => channel.publish(event),
  snapshot: () => channel.snapshot(),
  presence: () => channel.presence(),
  leave: () => leave(),
}
const leave = channel.subscribe(
  event => process.send?.({ told: 'event', event }),
  presence => process.send?.({ told: 'presence', presence }))

process.on('message', async ({ id, call, given }: { id?: number, call: string, given: never[] }) => {
  if (id === undefined) return
  try {
    process.send?.({ id, value: await calls[call]?.(...given) })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
})
process.send?.({ told: 'ready' })
