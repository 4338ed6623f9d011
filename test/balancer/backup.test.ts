import assert from 'node:assert/strict'
import test from 'node:test'
import { exhaust, testGroup, weighted } from './model.ts'
import type { PeerSpec } from './model.ts'

const backup = (...names: string[]): PeerSpec[] => names.map(name => ({ name, backup: true }))

test('backups serve only when no primary can', () => {
  const { attempt, clock } = testGroup([...backup('X', 'Y'), ...weighted(1, 1)])
  assert.equal(Array.from({ length: 4 }, () => attempt('ok')).join(''), 'ABAB')
  assert.equal(attempt('failed'), 'A')
  assert.equal(attempt('failed'), 'B')
  assert.equal(Array.from({ length: 4 }, () => attempt('ok')).join(''), 'XYXY')
  clock.advance(10_001)
  assert.equal(Array.from({ length: 6 }, () => attempt('ok')).join(''), 'BBABAB')
})

test('a request that tried all primaries goes on to the backups, by their weights', () => {
  const { group } = testGroup([...weighted(1, 1), { name: 'X', backup: true, weight: 1 }, { name: 'Y', backup: true, weight: 2 }])
  const selection = group.begin()
  assert.equal(selection.tries, 4)
  assert.deepEqual(exhaust(selection, 'next'), ['A', 'B', 'Y', 'X'])
  assert.equal(selection.tries, 0)
})

test('a request that switched stays with the backups', () => {
  const { group, clock, peer } = testGroup([{ name: 'A', failTimeout: 10 }, ...backup('X', 'Y')])
  const selection = group.begin()
  const first = selection.next()
  assert.equal(first, peer('A'))
  selection.release(first, 'failed')
  const second = selection.next()
  assert.equal(second, peer('X'))
  clock.advance(11)
  selection.release(second, 'failed')
  const third = selection.next()
  assert.equal(third, peer('Y'))
  selection.release(third, 'failed')
  assert.equal(selection.next(), undefined)
  assert.equal(selection.next(), undefined)
  // Whereas a new request finds A.
  assert.equal(group.begin().next(), peer('A'))
})

test('backups fail and return by themselves', () => {
  const { attempt, clock, peer, changes } = testGroup([{ name: 'A', down: true }, { name: 'X', backup: true, failTimeout: 100 }, ...backup('Y')])
  assert.equal(attempt('failed'), 'X')
  assert.equal(attempt('failed'), 'Y')
  assert.equal(attempt('ok'), undefined)
  assert.deepEqual(changes, ['X down', 'Y down'])
  clock.advance(101)
  assert.equal(attempt('ok'), 'X')
  assert.equal(peer('Y').failed, true)
})

test('the tried sets of primaries and backups are apart, in groups of any size', () => {
  for (const [primaries, backups] of [[1, 40], [40, 1], [40, 40], [31, 32], [2, 2]] as const) {
    const specs = Array.from({ length: primaries + backups }, (_, index) => ({ name: String(index), backup: index >= primaries }))
    const { group } = testGroup(specs)
    assert.deepEqual(exhaust(group.begin(), 'next'), specs.map(spec => spec.name))
  }
})

test('one primary with a backup is not a single server', () => {
  const { group, attempt, peer } = testGroup([{ name: 'A' }, ...backup('X')])
  assert.equal(group.single, false)
  assert.equal(group.begin().single, false)
  assert.equal(attempt('failed'), 'A')
  assert.equal(peer('A').failed, true)
  assert.equal(attempt('ok'), 'X')
})

test('tries: servers that are not down, whether they failed or not', () => {
  const { group, attempt } = testGroup([...weighted(1, 1), { name: 'C', down: true }, ...backup('X'), { name: 'Y', backup: true, down: true }])
  assert.equal(group.begin().tries, 3)
  attempt('failed')
  assert.equal(group.begin().tries, 3)
  const selection = group.begin()
  selection.tries = 2
  for (const left of [1, 0, 0]) {
    const peer = selection.next()
    if (peer === undefined) continue
    selection.release(peer, 'next')
    assert.equal(selection.tries, left)
  }
})

test('a group whose servers are all down has no tries', () => {
  const { group } = testGroup([{ name: 'A', down: true }, { name: 'B', down: true }])
  const selection = group.begin()
  assert.equal(selection.tries, 0)
  assert.equal(selection.next(), undefined)
})

test('servers are listed in the order of the configuration', () => {
  const { group } = testGroup([...backup('X'), ...weighted(1, 1)])
  assert.deepEqual(group.servers.map(server => [server.name, server.backup]), [['X', true], ['A', false], ['B', false]])
})
