// Purges of caches hold in every process that shares a group.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { MemoryBus } from '../helpers/memory-channel.ts'
import { startPassing, turnsUntil } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'
import type { Cache } from '../../types/index.ts'

test('a purge by one process is one in all of them, now and after an outage', async () => {
  await using server = await startRecorder({ answer: 'Cache-Tag: news\r\n\r\nx' })
  const bus = new MemoryBus()
  const caches: Cache[] = ['p1', 'p2'].map(() => createCache({ name: 'pages' }))
  const mount = (n: number): Parameters<typeof startPassing>[0] => ({
    upstreams: { name: 'g', servers: [server.address], shared: bus.channel(`p${n + 1}`) },
    cache: { zone: caches[n] ?? createCache({ name: 'none' }), valid: '1h', key: request => request.url },
  })
  await using one = await startPassing(mount(0))
  await using two = await startPassing(mount(1))
  const entries = (): (number | undefined)[] => caches.map(cache => cache.stats().entries)
  const fill = async (): Promise<void> => {
    for (const gateway of [one, two]) for (const path of ['/a', '/b']) await gateway.send('GET', path)
    await turnsUntil(() => entries().every(count => count === 2), `both are full: ${entries().join()}`, 10)
  }
  await fill()
  await caches[0]?.purge('/a')
  await turnsUntil(() => entries().every(count => count === 1), 'one key', 10)
  await fill()
  await caches[1]?.purge({ glob: '/*' })
  await turnsUntil(() => entries().every(count => count === 0), 'a pattern', 10)
  await fill()
  bus.cut('p2')
  await caches[0]?.purge({ tag: 'news' })
  assert.deepEqual(entries(), [0, 2])
  bus.join('p2')
  await turnsUntil(() => entries().every(count => count === 0), 'a tag', 10)
})
