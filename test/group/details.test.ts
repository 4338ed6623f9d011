// What a group tells of itself beside its servers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'

test('a plain group has nothing beside its servers', () => {
  const { queue, sessions, processes, names } = createUpstreams(['127.0.0.1:4000']).details()
  assert.deepEqual({ queue, sessions, processes, names }, { queue: undefined, sessions: undefined, processes: undefined, names: [] })
})

test('queue, sessions and processes, where there are any', () => {
  const group = createUpstreams({
    servers: [{ address: '127.0.0.1:4000', maxConns: 1 }],
    queue: { size: 7 },
    sticky: { learn: { create: 'sid', lookup: 'sid' } },
    shared: {
      publish: () => {},
      subscribe: () => () => {},
      snapshot: async () => [],
      presence: () => ({ process: 'a', members: ['a', 'b', 'c'], connected: false }),
    },
  })
  const { queue, sessions, processes } = group.details()
  assert.deepEqual([queue, sessions, processes], [{ waiting: 0, size: 7 }, 0, { count: 3, connected: false }])
})

test('names, what they have become, when the DNS is asked again, and why it has no answer', async () => {
  let fails = false
  const servers = [{ address: 'app.example:4000', resolve: true }]
  const group = new ServerGroup({ servers }, 'upstreams', () => ({
    async addresses (family: 4 | 6) {
      if (fails) throw Object.assign(new Error('no'), { code: 'ESERVFAIL' })
      return { hosts: family === 4 ? ['127.0.0.1', '127.0.0.2'] : [], ttl: 60_000 }
    },
    services: async () => [],
  }))
  const before = Date.now()
  await group.open()
  const [name] = group.details().names
  assert.deepEqual([name?.address, name?.servers, name?.failure], ['app.example:4000', ['127.0.0.1:4000', '127.0.0.2:4000'], undefined])
  assert.ok(name?.nextAt !== undefined && name.nextAt >= before + 60_000 && name.nextAt <= Date.now() + 60_000)
  group.stop()
  fails = true
  await group.open()
  assert.match(group.details().names[0]?.failure ?? '', /app\.example: ESERVFAIL/)
  group.stop()
})
