// slowStart: who was there from the start has nobody to catch up with.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { DnsServer } from '../helpers/dns-server.ts'
import type { GroupOptions } from '../../types/index.ts'

/** How many of ten requests each server gets. */
async function shares (group: ServerGroup): Promise<Record<string, number>> {
  const balancer = await group.open()
  const found: Record<string, number> = {}
  for (let n = 0; n < 10; n++) {
    const selection = balancer.begin()
    const peer = selection.next()
    assert.ok(peer)
    found[peer.name] = (found[peer.name] ?? 0) + 1
    selection.release(peer, 'ok')
  }
  return found
}

for (const balance of ['round_robin', 'least_conn', 'bybusyness'] as const satisfies GroupOptions['balance'][]) {
  test(`${balance}: at the start of the process all have their share, who comes later grows into it`, async () => {
    const group = new ServerGroup({ servers: [{ address: '127.0.0.1:1', slowStart: '1h' }, '127.0.0.1:2'], balance })
    try {
      assert.deepEqual(await shares(group), { '127.0.0.1:1': 5, '127.0.0.1:2': 5 })
      await group.add({ address: '127.0.0.1:3', slowStart: '1h' })
      const later = await shares(group)
      if (balance === 'bybusyness') return
      assert.equal(later['127.0.0.1:3'] ?? 0, 0)
      group.disable('127.0.0.1:1')
      group.enable('127.0.0.1:1')
      assert.equal((await shares(group))['127.0.0.1:1'] ?? 0, 0)
    } finally {
      group.stop()
    }
  })
}

test('the first answers of the DNS are the start, later ones are not', async () => {
  await using dns = await DnsServer.start()
  dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }])
  const group = new ServerGroup({
    servers: [{ address: 'app.test:1', resolve: true, slowStart: '1h' }, '127.0.0.9:1'], resolver: { servers: [dns.address], family: 4 },
  })
  try {
    assert.deepEqual(await shares(group), { '127.0.0.1:1': 5, '127.0.0.9:1': 5 })
    const added = new Promise(resolve => group.on('added', resolve))
    dns.set('A', 'app.test', [{ data: '127.0.0.1', ttl: 1 }, { data: '127.0.0.2', ttl: 1 }])
    await added
    assert.deepEqual(await shares(group), { '127.0.0.1:1': 5, '127.0.0.9:1': 5 })
  } finally {
    group.stop()
  }
})
