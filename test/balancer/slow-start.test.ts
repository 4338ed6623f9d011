// slowStart: the weight grows after a return.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { roundRobin } from '../../lib/balancer/round-robin.ts'
import { testGroup } from './model.ts'
import type { TestGroup } from './model.ts'

/** Requests of 1 ms each, one after the other; how many went to A. */
function shareOfA ({ attempt, clock }: TestGroup, count: number): number {
  let served = 0
  for (let n = 0; n < count; n++) {
    clock.advance(1)
    if (attempt('ok') === 'A') served++
  }
  return served
}

test('the share grows evenly from nothing to all of it', () => {
  const group = testGroup([{ name: 'A', slowStart: 1000 }, { name: 'B' }])
  assert.equal(shareOfA(group, 100), 50)
  group.peer('A').down = true
  group.peer('A').down = false
  const shares = Array.from({ length: 12 }, () => shareOfA(group, 100))
  // With w growing from 0 to 1 the share is w / (1 + w).
  shares.forEach((share, index) => {
    const middle = Math.min(1, (index + 0.5) / 10)
    assert(Math.abs(share - 100 * middle / (1 + middle)) <= 2, `${share} of 100 in step ${index}`)
  })
  assert.equal(group.peer('A').timed, false)
})

test('every kind of return begins it: failures, health, ejection, an edit, being added', () => {
  const returns: Record<string, (group: TestGroup) => void> = {
    drain: ({ peer }) => { peer('A').drain = true; peer('A').drain = false },
    health: ({ peer }) => { peer('A').healthy = false; peer('A').healthy = true },
    'ejection that is lifted': ({ peer, clock }) => { peer('A').ejectedUntil = clock.time + 10; peer('A').ejectedUntil = -Infinity },
    'ejection that is over': ({ peer, clock, attempt }) => {
      peer('A').ejectedUntil = clock.time + 10
      clock.advance(10)
      attempt('ok')
    },
    added: ({ group, peer }) => {
      group.remove(peer('A'))
      group.add({ name: 'A', target: '', slowStart: 1000 })
    },
    failures: ({ peer, attempt, clock }) => {
      while (attempt('failed') !== 'A');
      clock.advance(10_001)
      while (peer('A').fails > 0) attempt('ok')
    },
  }
  for (const [name, back] of Object.entries(returns)) {
    const group = testGroup([{ name: 'A', slowStart: 1000 }, { name: 'B', maxFails: 0 }])
    assert.equal(shareOfA(group, 100), 50, name)
    back(group)
    assert(shareOfA(group, 100) <= 7, name)
    shareOfA(group, 1000)
    assert.equal(shareOfA(group, 100), 50, name)
  }
})

test('alone it serves all the same, and nobody has it who did not ask for it', () => {
  for (const method of [roundRobin<string>, leastConn<string>]) {
    const { attempt, peer } = testGroup([{ name: 'A', slowStart: 1000 }, { name: 'B', down: true }], { method })
    peer('A').down = true
    peer('A').down = false
    assert.equal(attempt('ok'), 'A')
    const without = testGroup([{ name: 'A' }, { name: 'B' }], { method })
    without.peer('A').down = true
    without.peer('A').down = false
    assert.equal(shareOfA(without, 100), 50)
  }
})

test('least_conn: load is measured by the weight there is', () => {
  const { group, peer, clock } = testGroup([{ name: 'A', slowStart: 1000, weight: 4 }, { name: 'B', weight: 4 }], { method: leastConn })
  peer('A').down = true
  peer('A').down = false
  clock.advance(250)
  const order = Array.from({ length: 10 }, () => group.begin().next()?.name)
  assert.equal(order.filter(name => name === 'A').length, 2)
})
