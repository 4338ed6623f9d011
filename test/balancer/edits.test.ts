// A group that is edited while it is in use.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consistentHash } from '../../lib/balancer/consistent-hash.ts'
import type { PeerOptions } from '../../lib/balancer/peer.ts'
import { exhaust, testGroup, weighted } from './model.ts'
import type { PeerSpec } from './model.ts'

const options = (...specs: PeerSpec[]): PeerOptions<string>[] => specs.map(spec => ({ target: `to ${spec.name}`, ...spec }))
const names = (peers: readonly { name: string }[]): string => peers.map(({ name }) => name).join('')

test('update: who stays keeps state and target, who goes is not picked again, who comes is', () => {
  const { group, peer, attempt, clock } = testGroup(weighted(1, 1, 1))
  assert.equal(attempt('failed'), 'A')
  const [a, b, c] = group.servers
  const held = group.begin()
  assert.equal(held.next(), b)
  const { added, removed } = group.update(options({ name: 'D' }, { name: 'A' }, { name: 'C' }))
  assert.deepEqual([names(added), names(removed), names(group.servers)], ['D', 'B', 'DAC'])
  assert.equal(peer('A'), a)
  assert.equal(peer('C'), c)
  assert.equal(peer('A').failed, true)
  assert.deepEqual([...new Set(Array.from({ length: 9 }, () => attempt('ok')))].sort(), ['C', 'D'])
  clock.advance(10_001)
  assert.deepEqual([...new Set(Array.from({ length: 9 }, () => attempt('ok')))].sort(), ['A', 'C', 'D'])
  // What runs goes on, and what it ends with moves nobody.
  assert.deepEqual([b?.active, b?.state], [1, 'removed'])
  assert(b)
  held.release(b, 'failed')
  assert.deepEqual([b.active, b.fails, b.failures], [0, 0, 1])
})

test('several servers of one name keep their order; a key of their own tells them apart', () => {
  const { group } = testGroup([{ name: 'A' }, { name: 'A', weight: 2 }, { name: 'A', weight: 3 }])
  const before = group.servers
  group.update(options({ name: 'A' }, { name: 'A', weight: 2 }))
  assert.deepEqual([group.servers[0], group.servers[1]], [before[0], before[1]])
  const keyed = testGroup([{ name: 'A', key: '1' }, { name: 'A', key: '2' }])
  const [, second] = keyed.group.servers
  keyed.group.update(options({ name: 'A', key: '2' }))
  assert.deepEqual(keyed.group.servers, [second])
  assert.equal(keyed.group.find('2'), second)
  assert.equal(keyed.group.find('1'), undefined)
})

test('settings that changed are taken over, edits of what did not change stay', () => {
  const changes: string[] = []
  const { group, peer } = testGroup([{ name: 'A', weight: 2, maxConns: 5 }, { name: 'B' }], {
    onChange: (changed, what) => changes.push(`${changed.name} ${what}`),
  })
  peer('A').setWeight(7)
  peer('B').down = true
  group.update(options({ name: 'A', weight: 2, maxConns: 1, failTimeout: 5, maxFails: 3, slowStart: 9, retry: 4, route: 'r', redirect: 's' }, { name: 'B' }))
  const { weight, maxConns, failTimeout, maxFails, slowStart, retry, route, redirect } = peer('A')
  assert.deepEqual([weight, maxConns, failTimeout, maxFails, slowStart, retry, route, redirect], [7, 1, 5, 3, 9, 4, 'r', 's'])
  assert.equal(peer('B').down, true)
  group.update(options({ name: 'A', weight: 3, backup: true }, { name: 'B', down: false, drain: true }))
  assert.deepEqual([peer('A').weight, peer('A').backup, peer('B').down, peer('B').drain], [3, true, false, true])
  assert.deepEqual(changes, ['A weight', 'B down', 'A limits', 'A weight', 'A limits', 'A tier', 'B down', 'B drain'])
  assert.throws(() => group.update(options({ name: 'A', weight: 0 })), /weight/)
})

test('add and remove', () => {
  const changes: string[] = []
  const { group, peer, attempt } = testGroup(weighted(1), { onChange: (changed, what) => changes.push(`${changed.name} ${what}`) })
  assert.equal(group.single, true)
  const b = group.add({ name: 'B', target: 'to B' })
  assert.equal(group.single, false)
  assert.equal(Array.from({ length: 4 }, () => attempt('ok')).join(''), 'ABAB')
  assert.equal(group.remove(peer('A')), true)
  assert.equal(group.remove(b), true)
  assert.equal(group.remove(b), false)
  assert.equal(attempt('ok'), undefined)
  assert.deepEqual(changes, ['B added', 'A removed', 'B removed'])
})

test('setWeight: the turns follow at once', () => {
  const { attempt, peer } = testGroup(weighted(1, 1, 1))
  peer('A').setWeight(5)
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABACAA')
  for (const weight of [0, -1, 1.5, NaN]) assert.throws(() => peer('A').setWeight(weight), /weight/)
})

test('setWeight: the points of a consistent hash follow', () => {
  const { group, peer } = testGroup(weighted(1, 1), { method: consistentHash(request => String(request.source)) })
  const share = (): number => Array.from({ length: 1000 }, (_, n) => {
    const selection = group.begin({ source: `key ${n}` })
    const picked = selection.next()
    assert(picked)
    selection.release(picked, 'ok')
    return picked.name
  }).filter(name => name === 'A').length
  const before = share()
  peer('A').setWeight(9)
  assert(Math.abs(before - 500) < 100 && Math.abs(share() - 900) < 60)
})

test('tries follow: down and draining servers are none', () => {
  const { group, peer } = testGroup(weighted(1, 1, 1))
  assert.equal(group.begin().tries, 3)
  peer('A').down = true
  peer('B').drain = true
  assert.equal(group.begin().tries, 1)
  peer('A').down = false
  assert.equal(group.begin().tries, 2)
  group.add({ name: 'D', target: '' })
  assert.equal(group.begin().tries, 3)
})

test('a request sees the group as it began, less who was removed', () => {
  const { group, peer } = testGroup(weighted(1, 1, 1))
  const selection = group.begin()
  assert.equal(selection.next(), peer('A'))
  selection.release(peer('A'), 'next')
  group.remove(peer('B'))
  group.add({ name: 'D', target: '' })
  assert.deepEqual(exhaust(selection, 'next'), ['C'])
})

test('the only one left: its failures count no longer, and it comes back at once', () => {
  const { group, attempt, peer, changes } = testGroup(weighted(1, 1))
  assert.equal(attempt('failed'), 'A')
  group.remove(peer('B'))
  assert.deepEqual([group.single, peer('A').failed], [true, false])
  assert.deepEqual(changes, ['A down', 'A up'])
  assert.equal([1, 2, 3].map(() => attempt('failed')).join(''), 'AAA')
  group.add({ name: 'B', target: '' })
  assert.deepEqual(Array.from({ length: 2 }, () => attempt('failed')).sort(), ['A', 'B'])
  assert.equal(attempt('ok'), undefined)
})

test('an attempt that began before its server was the only one does not count against it', () => {
  const { group, peer } = testGroup(weighted(1, 1))
  const selection = group.begin()
  assert.equal(selection.next(), peer('A'))
  group.remove(peer('B'))
  selection.release(peer('A'), 'failed')
  assert.deepEqual([peer('A').fails, selection.tries], [0, 1])
})

test('states, and what each takes', () => {
  const { group, peer, attempt, clock } = testGroup([{ name: 'A', maxConns: 1 }, { name: 'B' }])
  const a = peer('A')
  const only = (): string => [...new Set(Array.from({ length: 4 }, () => attempt('ok')))].sort().join('')
  assert.deepEqual([a.state, only()], ['up', 'AB'])
  a.down = true
  assert.deepEqual([a.state, only(), a.reachable(clock.time)], ['down', 'B', false])
  a.down = false
  a.drain = true
  assert.deepEqual([a.state, only(), a.reachable(clock.time)], ['draining', 'B', true])
  a.drain = false
  a.healthy = false
  a.reason = 'connect refused'
  assert.deepEqual([a.state, only(), a.reachable(clock.time), a.reason], ['unhealthy', 'B', false, 'connect refused'])
  a.healthy = true
  a.ejectedUntil = clock.time + 100
  assert.deepEqual([a.state, only(), a.reachable(clock.time)], ['ejected', 'B', false])
  clock.advance(99)
  assert.equal(only(), 'B')
  clock.advance(1)
  assert.deepEqual([a.state, only(), a.ejectedUntil], ['up', 'AB', -Infinity])
  a.ejectedUntil = clock.time + 100
  a.ejectedUntil = -Infinity
  assert.equal(only(), 'AB')
  while (attempt('failed') !== 'A');
  assert.deepEqual([a.state, a.reachable(clock.time)], ['failed', false])
  clock.advance(10_001)
  while (a.fails > 0) attempt('ok')
  const running = [group.begin(), group.begin(), group.begin()]
  running.forEach(selection => selection.next())
  assert.deepEqual([a.state, a.full(clock.time), a.reachable(clock.time)], ['full', true, false])
})

test('counters, the last error, and who is told', () => {
  const told: unknown[] = []
  const { group } = testGroup(weighted(1), { onOutcome: (peer, outcome, metrics) => told.push([peer.name, outcome, metrics?.bytesSent]) })
  const error = new Error('refused')
  const metrics = { headerTime: undefined, responseTime: 1, bytesSent: 10, bytesReceived: 20 }
  for (const [outcome, cause] of [['ok', undefined], ['next', undefined], ['failed', error], ['abort', new Error('gone')]] as const) {
    const selection = group.begin()
    const peer = selection.next()
    assert(peer)
    selection.release(peer, outcome, metrics, cause)
  }
  const [a] = group.servers
  assert.deepEqual([a?.served, a?.failures, a?.bytesSent, a?.bytesReceived, a?.lastError], [2, 1, 40, 80, error])
  assert.deepEqual(told, [['A', 'ok', 10], ['A', 'next', 10], ['A', 'failed', 10], ['A', 'abort', 10]])
})
