// bytraffic and bybusyness.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byBusyness } from '../../lib/balancer/by-busyness.ts'
import { byTraffic } from '../../lib/balancer/by-traffic.ts'
import { testGroup, weighted } from './model.ts'
import type { TestGroup } from './model.ts'

function transfer ({ group }: TestGroup, bytesSent: number, bytesReceived: number): string | undefined {
  const selection = group.begin()
  const peer = selection.next()
  if (peer !== undefined) selection.release(peer, 'ok', { headerTime: 1, responseTime: 1, bytesSent, bytesReceived })
  return peer?.name
}

test('bytraffic: the fewest bytes, both ways, for the weight', () => {
  const group = testGroup(weighted(1, 2, 1), { method: byTraffic })
  // All at 0: a round of round robin.
  assert.equal(transfer(group, 100, 300), 'B')
  assert.equal(transfer(group, 150, 100), 'A')
  assert.equal(transfer(group, 0, 300), 'C')
  // 250, 200, 300
  assert.equal(transfer(group, 1, 0), 'B')
  assert.equal(transfer(group, 200, 0), 'B')
  // 250, 300.5, 300
  assert.equal(transfer(group, 0, 100), 'A')
  assert.equal(transfer(group, 0, 1), 'C')
})

test('bytraffic: bytes are shared by weight, whatever the sizes', () => {
  const group = testGroup(weighted(3, 1), { method: byTraffic })
  for (let n = 0; n < 4000; n++) transfer(group, n % 7, n * 7919 % 1000)
  const [a, b] = group.group.servers.map(peer => peer.bytesSent + peer.bytesReceived)
  assert(a !== undefined && b !== undefined && Math.abs(a / b - 3) < 0.01, `${a} and ${b}`)
})

test('bytraffic: who comes, or comes back, is not flooded', () => {
  const group = testGroup(weighted(1, 1), { method: byTraffic })
  for (let n = 0; n < 100; n++) transfer(group, 0, 1000)
  group.group.add({ name: 'C', target: '' })
  const counts: Record<string, number> = {}
  const count = (): void => {
    const name = transfer(group, 0, 1000) ?? ''
    counts[name] = (counts[name] ?? 0) + 1
  }
  for (let n = 0; n < 30; n++) count()
  assert.deepEqual(counts, { A: 10, B: 10, C: 10 })
  group.peer('A').down = true
  for (let n = 0; n < 100; n++) transfer(group, 0, 1000)
  group.peer('A').down = false
  for (let n = 0; n < 30; n++) count()
  assert.deepEqual(counts, { A: 20, B: 20, C: 20 })
  // The counters that are shown go on.
  assert.equal(group.group.servers.reduce((sum, peer) => sum + peer.bytesReceived, 0), 260_000)
})

test('bybusyness: the fewest running attempts, whatever the weight', () => {
  const { group } = testGroup(weighted(5, 1), { method: byBusyness })
  const order = Array.from({ length: 6 }, () => group.begin().next()?.name).join('')
  assert.deepEqual([...'AB'].map(name => [...order].filter(other => other === name).length), [3, 3])
})

test('bybusyness: among equals the turns are those of round robin', () => {
  const { attempt } = testGroup(weighted(5, 1, 1), { method: byBusyness })
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABACAA')
})

test('bybusyness: every candidate takes part in each round', () => {
  const { group, peer } = testGroup(weighted(1, 1, 1), { method: byBusyness })
  const held = group.begin()
  assert.equal(held.next(), peer('A'))
  assert.equal(group.begin().next(), peer('B'))
  assert.deepEqual(['A', 'B', 'C'].map(name => peer(name).currentWeight), [-1, -1, 2])
})
