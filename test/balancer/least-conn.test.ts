// least_conn: the least load for the weight, and round robin among equals.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { testGroup, weighted } from './model.ts'

test('running attempts against weights, cross-multiplied', () => {
  const { group } = testGroup(weighted(3, 2, 1), { method: leastConn })
  // All at 0: a round of round robin; then whoever has least for its weight.
  const order = Array.from({ length: 12 }, () => group.begin().next()?.name).join('')
  assert.deepEqual([...'ABC'].map(name => [...order].filter(other => other === name).length), [6, 4, 2])
  assert.equal(order.slice(0, 6), 'ABCABA')
})

test('only those that are equal take part in a round', () => {
  const { group, peer } = testGroup(weighted(5, 1, 1), { method: leastConn })
  const held = group.begin()
  assert.equal(held.next(), peer('A'))
  const state = (): number[] => ['A', 'B', 'C'].map(name => peer(name).currentWeight)
  assert.deepEqual(state(), [-2, 1, 1])
  const next = group.begin()
  assert.equal(next.next(), peer('B'))
  assert.deepEqual(state(), [-2, 0, 2])
  // C alone is at 0: no round.
  assert.equal(group.begin().next(), peer('C'))
  assert.deepEqual(state(), [-2, 0, 2])
})

test('idle servers have their turns as in round robin', () => {
  const { attempt } = testGroup(weighted(5, 1, 1), { method: leastConn })
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABACAA')
})

test('whoever is picked has no more load for its weight than any that is free', () => {
  const servers = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 })
  fc.assert(fc.property(servers, fc.array(fc.nat(), { maxLength: 100 }), (weights, ends) => {
    const { group } = testGroup(weights.map((weight, n) => ({ name: `${n}`, weight, maxConns: n % 3 === 0 ? 2 : 0 })), { method: leastConn })
    const running: (() => void)[] = []
    for (const end of ends) {
      if (end % 3 === 0) running.splice(end % Math.max(1, running.length), 1).forEach(release => release())
      const loads = new Map(group.servers.map(peer => [peer, peer.state === 'full' ? Infinity : peer.active / peer.weight]))
      const selection = group.begin()
      const peer = selection.next()
      if (peer === undefined) continue
      assert.equal(loads.get(peer), Math.min(...loads.values()))
      running.push(() => selection.release(peer, 'ok'))
    }
  }))
})
