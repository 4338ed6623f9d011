// Apache's rules for servers that failed: retry, forceRecovery.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exhaust, testGroup, weighted } from './model.ts'

test('retry: out for as long as it says, whatever failTimeout is, then all is forgotten', () => {
  const { group, attempt, clock, peer, changes } = testGroup([{ name: 'A', retry: 500, failTimeout: 60_000 }, { name: 'B' }])
  assert.equal(attempt('failed'), 'A')
  assert.deepEqual([peer('A').failed, changes], [true, ['A down']])
  clock.advance(500)
  assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBB')
  clock.advance(1)
  assert.equal(peer('A').failed, false)
  // Not one probe alone: it takes part again.
  const running = Array.from({ length: 6 }, () => group.begin())
  const picked = running.map(selection => selection.next())
  assert(picked.filter(name => name === peer('A')).length >= 2)
  assert.equal(peer('A').fails, 0)
  assert.deepEqual(changes, ['A down'])
  running.forEach((selection, index) => selection.release(picked[index] ?? peer('A'), 'ok'))
  assert.deepEqual(changes, ['A down', 'A up'])
})

test('retry: when it fails again it is out again, without a word', () => {
  const { attempt, clock, peer, changes } = testGroup([{ name: 'A', retry: 500 }, { name: 'B' }])
  attempt('failed')
  for (let round = 0; round < 3; round++) {
    clock.advance(501)
    while (attempt(peer('A').fails > 0 ? 'ok' : 'failed') !== 'A');
    while (!peer('A').failed) attempt('failed')
    assert.equal(peer('A').state, 'failed')
  }
  assert.equal(changes.filter(change => change.startsWith('A')).length % 2, 1)
})

test('retry 0: never out', () => {
  const { attempt, changes } = testGroup([{ name: 'A', retry: 0 }, { name: 'B', retry: 0 }])
  assert.equal(new Set(Array.from({ length: 10 }, () => attempt('failed'))).size, 2)
  assert.deepEqual(changes, [])
})

test('forceRecovery: when all are out for their failures they are all back, with the next request', () => {
  const { group, attempt, changes } = testGroup([...weighted(1, 1), { name: 'X', backup: true }, { name: 'Z', down: true }], { forceRecovery: true })
  assert.deepEqual(exhaust(group.begin(), 'failed'), ['A', 'B', 'X'])
  assert.deepEqual(changes, ['A down', 'B down', 'X down'])
  assert.match(attempt('ok') ?? '', /[AB]/)
  assert.deepEqual(changes.slice(3), ['A up', 'B up', 'X up'])
  assert(group.servers.every(peer => !peer.failed && peer.fails === 0))
})

test('forceRecovery: not while anybody else may come back, nor for who is out for another reason', () => {
  for (const block of ['healthy', 'full'] as const) {
    const { group, attempt, peer } = testGroup([{ name: 'A' }, { name: 'B', maxConns: 1 }], { forceRecovery: true })
    assert.equal(attempt('failed'), 'A')
    if (block === 'healthy') peer('B').healthy = false
    else group.begin().next()
    assert.equal(attempt('ok'), undefined)
    assert.equal(peer('A').failed, true)
  }
})

test('without it nothing is forgiven', () => {
  const { group, attempt } = testGroup(weighted(1, 1))
  exhaust(group.begin(), 'failed')
  assert.equal(attempt('ok'), undefined)
})
