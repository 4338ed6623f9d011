// A process with a group that it shares, which does what its parent tells it; see channel-processes.ts.
import { subscribe } from 'node:diagnostics_channel'
import { Redis } from 'iovalkey'
import { clusterChannel, redisChannel } from '../../lib/channel/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import type { ServerChanges, ServerOptions } from '../../types/index.ts'

const { REDIS, GROUP = '{}' } = process.env
const client = REDIS === undefined ? undefined : new Redis(REDIS)
client?.on('error', () => {})
const channel = client === undefined ? clusterChannel() : redisChannel({ client, timeout: '1s' })
const tell = (told: string, what: object = {}): void => { process.send?.({ told, ...what }) }

const lookup = (request: unknown): unknown => typeof request === 'object' && request !== null && 'session' in request ? request.session : undefined
const group = new ServerGroup({ name: 'g', sticky: { learn: { create: lookup, lookup } }, ...JSON.parse(GROUP), shared: channel })
group.on('edited', ({ server, changes }) => tell('edited', { server: server.name, changes }))
group.on('state', ({ server, state, reason }) => tell('state', { server: server.name, state, reason }))
subscribe('fastify-scgi:health:check', () => tell('check'))
process.on('warning', warning => tell('warning', { message: warning.message }))

const head = { statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: 0, chunked: false, nph: false }
const calls: Record<string, (...given: never[]) => unknown> = {
  async open () {
    await group.open()
    group.hold()
  },
  edit (server: string, changes: ServerChanges) { group.edit(server, changes) },
  add: async (server: ServerOptions) => { await group.add(server) },
  servers: () => group.servers.map(({ name, state, weight, maxConns }) => ({ name, state, weight, maxConns })),
  presence: () => channel.presence(),
  limits: () => group.balancer?.servers.map(({ limit }) => limit),
  learn (sessions: string[], server: string) {
    const peer = group.balancer?.servers.find(({ name }) => name === server)
    if (group.balancer === undefined || peer === undefined) throw new Error('no such server')
    for (const session of sessions) group.balancer.sticky?.answered({ source: { session } }, group.balancer.servers, peer, head)
  },
  /** How many of these sessions are bound to a server. */
  known: (sessions: string[], server: string) => sessions.filter(session => {
    const { balancer } = group
    return balancer?.sticky?.bound({ source: { session } }, balancer.servers)[0]?.name === server
  }).length,
  fail (server: string) {
    for (;;) {
      const selection = group.balancer?.begin()
      const peer = selection?.next()
      if (selection === undefined || peer === undefined) throw new Error('no server left')
      selection.release(peer, peer.name === server ? 'failed' : 'ok')
      if (peer.name === server) return
    }
  },
}

process.on('message', async ({ id, call, given }: { id?: number, call: string, given: never[] }) => {
  if (id === undefined) return
  try {
    process.send?.({ id, value: await calls[call]?.(...given) })
  } catch (error) {
    process.send?.({ id, error: String(error) })
  }
})
process.send?.({ told: 'ready' })
