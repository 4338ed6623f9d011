// least_time: averages, steps, load, age.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leastTime } from '../../lib/balancer/least-time.ts'
import type { LeastTimeOptions } from '../../lib/balancer/least-time.ts'
import { testGroup, weighted } from './model.ts'
import type { TestGroup } from './model.ts'
import type { Peer } from '../../lib/balancer/peer.ts'

function start (options: LeastTimeOptions, ...weights: number[]): TestGroup {
  return testGroup(weighted(...weights), { method: leastTime(options) })
}

/** Enters an attempt on a server, whoever's turn it is. */
function took (peer: Peer<string>, headerTime: number, responseTime = headerTime): void {
  peer.measured({ headerTime, responseTime, bytesSent: 0, bytesReceived: 0 }, true, true)
}

function turns ({ attempt }: TestGroup, count: number): string {
  return Array.from({ length: count }, () => attempt('ok')).join('')
}

test('the first sample is the average, each later one counts a twentieth', () => {
  const { peer } = start({ time: 'header' }, 1, 1)
  assert.deepEqual([peer('A').headerTime, peer('A').responseTime], [undefined, undefined])
  took(peer('A'), 100, 200)
  assert.deepEqual([peer('A').headerTime, peer('A').responseTime], [100, 200])
  took(peer('A'), 200, 1200)
  assert.deepEqual([peer('A').headerTime, peer('A').responseTime], [105, 250])
})

test('only attempts that gave the answer count, for the last byte only those that were whole', () => {
  const { group, peer } = start({ time: 'header' }, 1, 1)
  const metrics = { headerTime: 50, responseTime: 60, bytesSent: 3, bytesReceived: 4 }
  for (const outcome of ['failed', 'next', 'abort'] as const) {
    const selection = group.begin()
    const picked = selection.next()
    assert(picked)
    selection.release(picked, outcome, metrics)
  }
  assert.deepEqual(group.servers.map(server => [server.headerTime, server.responseTime]), [[undefined, undefined], [undefined, undefined]])
  const selection = group.begin()
  const picked = selection.next()
  assert(picked)
  selection.release(picked, 'ok', metrics, new Error('cut'))
  assert.deepEqual([picked.headerTime, picked.responseTime], [50, undefined])
  assert.equal(peer('A').bytesSent + peer('B').bytesSent, 12)
})

test('the shorter time wins; which time is the method\'s matter', () => {
  for (const [time, name] of [['header', 'A'], ['lastByte', 'B']] as const) {
    const group = start({ time }, 1, 1)
    took(group.peer('A'), 20, 500)
    took(group.peer('B'), 100, 200)
    assert.equal(turns(group, 5), name.repeat(5))
  }
})

test('times within 20 ms are alike, and above 5 s, too: they take turns', () => {
  for (const [one, two, order] of [[1, 20, 'ABAB'], [20, 21, 'AAAA'], [5100, 90_000, 'ABAB'], [4980, 5001, 'AAAA'], [4981, 90_000, 'ABAB']] as const) {
    const group = start({ time: 'header' }, 1, 1)
    took(group.peer('A'), one)
    took(group.peer('B'), two)
    assert.equal(turns(group, 4), order, `${one} and ${two}`)
  }
})

test('running attempts multiply the time, weight divides it', () => {
  const group = start({ time: 'header' }, 1, 1)
  took(group.peer('A'), 20)
  took(group.peer('B'), 60)
  const order = Array.from({ length: 4 }, () => group.group.begin().next()?.name).join('')
  // 20 against 60, 40 against 60, then 60 against 60: a round among equals; it is B's turn only after A's.
  assert.equal(order.slice(0, 2), 'AA')
  assert.deepEqual([...order].sort().join(''), 'AAAB')
  const heavy = start({ time: 'header' }, 1, 4)
  took(heavy.peer('A'), 20)
  took(heavy.peer('B'), 60)
  assert.equal(turns(heavy, 3), 'BBB')
})

test('a time that is not renewed halves for every failTimeout and a second', () => {
  const group = start({ time: 'header' }, 1, 1)
  took(group.peer('A'), 40)
  took(group.peer('B'), 640)
  assert.equal(turns(group, 1), 'A')
  group.peer('B').seen = group.clock.time
  group.clock.advance(11_000 * 3)
  group.peer('A').seen = group.clock.time
  // 640 is 80 by now.
  assert.equal(turns(group, 1), 'A')
  group.peer('A').seen = group.clock.time + 11_000
  group.clock.advance(11_000)
  // 40 both.
  assert.match(turns(group, 2), /B/)
})

test('a server that was never measured is asked first', () => {
  const group = start({ time: 'lastByte' }, 1, 1)
  took(group.peer('A'), 1)
  assert.equal(turns(group, 3), 'BBB')
})

test('inflight: attempts that run for long make the time longer, until the head is there or to the end', () => {
  for (const time of ['header', 'lastByte'] as const) {
    const group = start({ time, inflight: true }, 1, 1)
    took(group.peer('A'), 20, 20)
    took(group.peer('B'), 100, 100)
    const held = group.group.begin()
    assert.equal(held.next(), group.peer('A'))
    group.clock.advance(30)
    // (1 + 1) * 40 against 100.
    assert.equal(turns(group, 1), 'A')
    group.clock.advance(30)
    // (1 + 1) * 60 against 100.
    assert.equal(turns(group, 1), 'B')
    held.answered()
    assert.equal(turns(group, 1), time === 'header' ? 'A' : 'B')
    held.release(group.peer('A'), 'ok')
    assert.equal(turns(group, 1), 'A')
    assert.deepEqual([group.peer('A').begunCount, group.peer('A').begunSum], [0, 0])
  }
})
