import assert from 'node:assert/strict'
import test from 'node:test'
import { Group } from '../../lib/balancer/group.ts'
import { exhaust, testGroup, weighted } from './model.ts'

test('a failure takes the server out for failTimeout, by default 10 s', () => {
  const { attempt, clock, peer, changes } = testGroup(weighted(1, 1))
  assert.equal(attempt('failed'), 'A')
  assert.equal(peer('A').failed, true)
  assert.deepEqual(changes, ['A down'])
  assert.equal([1, 2, 3, 4].map(() => attempt('ok')).join(''), 'BBBB')
  clock.advance(10_000)
  // Not yet: the time must have passed, not only come.
  assert.equal(peer('A').failed, true)
  assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBB')
  clock.advance(1)
  assert.equal(peer('A').failed, false)
  assert.equal(peer('A').fails, 1)
  assert.deepEqual(changes, ['A down'])
  // It comes back with little weight: B has its turns first.
  assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBA')
  assert.equal(peer('A').fails, 0)
  assert.deepEqual(changes, ['A down', 'A up'])
})

test('fractions of a millisecond count', () => {
  const { attempt, clock, peer } = testGroup([{ name: 'A', failTimeout: 5 }, { name: 'B' }])
  clock.time = 100.25
  assert.equal(attempt('failed'), 'A')
  clock.time = 105.25
  assert.equal(peer('A').failed, true)
  clock.time = 105.5
  assert.equal(peer('A').failed, false)
})

test('one probe per failTimeout until one succeeds', () => {
  const { group, attempt, clock, peer, changes } = testGroup(weighted(1, 1))
  attempt('failed')
  for (let round = 0; round < 3; round++) {
    clock.advance(10_001)
    const running = Array.from({ length: 20 }, () => group.begin())
    const peers = running.map(selection => selection.next())
    assert.equal(peers.filter(picked => picked === peer('A')).length, 1)
    clock.advance(5000)
    assert.equal([1, 2, 3, 4].map(() => attempt('ok')).join(''), 'BBBB')
    running.forEach((selection, index) => {
      const picked = peers[index]
      assert(picked)
      selection.release(picked, picked === peer('A') ? 'failed' : 'ok')
    })
    assert.equal(peer('A').fails, round + 2)
    // From the end of the probe that failed.
    clock.advance(10_000)
    assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBB')
  }
  clock.advance(1)
  assert.match([1, 2, 3, 4].map(() => attempt('ok')).join(''), /A/)
  assert.deepEqual(changes, ['A down', 'A up'])
  assert.deepEqual(group.servers.map(server => server.active), [0, 0])
})

test('a probe that takes longer than failTimeout does not keep the next one back', () => {
  const { group, attempt, clock, peer } = testGroup(weighted(1, 1))
  attempt('failed')
  clock.advance(10_001)
  assert.equal([1, 2].map(() => attempt('ok')).join(''), 'BB')
  const slow = group.begin()
  assert.equal(slow.next(), peer('A'))
  clock.advance(10_000)
  assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBB')
  clock.advance(1)
  assert.match([1, 2].map(() => attempt('ok')).join(''), /A/)
  assert.equal(peer('A').fails, 0)
  slow.release(peer('A'), 'failed')
  assert.equal(peer('A').fails, 1)
})

test('failures add up while successes come in between, within failTimeout', () => {
  const { group, clock, peer, changes } = testGroup([{ name: 'A', maxFails: 3 }, { name: 'B' }])
  const onA = (outcome: 'ok' | 'failed'): void => {
    for (;;) {
      const selection = group.begin()
      const picked = selection.next()
      assert(picked)
      selection.release(picked, picked === peer('A') ? outcome : 'ok')
      if (picked === peer('A')) return
    }
  }
  onA('failed')
  clock.advance(4000)
  onA('ok')
  onA('failed')
  clock.advance(4000)
  onA('ok')
  assert.equal(peer('A').fails, 2)
  assert.equal(peer('A').failed, false)
  // A success that was chosen after failTimeout clears them, be the server out or not.
  clock.advance(10_001)
  onA('ok')
  assert.equal(peer('A').fails, 0)
  assert.deepEqual(changes, [])
  onA('failed')
  onA('failed')
  assert.deepEqual(changes, [])
  onA('failed')
  assert.equal(peer('A').failed, true)
  assert.deepEqual(changes, ['A down'])
})

test("'next' is an answer: it brings a server back", () => {
  const { attempt, clock, peer, changes } = testGroup(weighted(1, 1))
  attempt('failed')
  clock.advance(10_001)
  assert.equal([1, 2, 3].map(() => attempt('next')).join(''), 'BBA')
  assert.equal(peer('A').fails, 0)
  assert.deepEqual(changes, ['A down', 'A up'])
})

test('an attempt from before the failure does not bring the server back', () => {
  const { group, attempt, peer, changes } = testGroup(weighted(3, 1))
  const early = group.begin()
  assert.equal(early.next(), peer('A'))
  assert.equal(attempt('failed'), 'A')
  early.release(peer('A'), 'ok')
  assert.equal(peer('A').failed, true)
  assert.deepEqual(changes, ['A down'])
})

test('many failures at once are one change of state', () => {
  const { group, changes, peer } = testGroup([{ name: 'A', maxFails: 2, weight: 100 }, { name: 'B' }])
  const running = Array.from({ length: 10 }, () => group.begin())
  for (const selection of running) assert.equal(selection.next(), peer('A'))
  for (const selection of running) selection.release(peer('A'), 'failed')
  assert.equal(peer('A').fails, 10)
  assert.deepEqual(changes, ['A down'])
})

test('the effective weight falls with each failure and grows by one a round', () => {
  const { attempt, peer } = testGroup([{ name: 'A', weight: 4, maxFails: 3 }, { name: 'B', weight: 2 }])
  const state = (): number[] => [peer('A').effectiveWeight, peer('A').currentWeight, peer('B').effectiveWeight, peer('B').currentWeight]
  assert.equal(attempt('failed'), 'A')
  assert.deepEqual(state(), [3, -2, 2, 2])
  assert.equal(attempt('ok'), 'B')
  assert.deepEqual(state(), [4, 1, 2, -1])
  assert.equal(attempt('failed'), 'A')
  assert.deepEqual(state(), [3, -1, 2, 1])
  assert.equal(attempt('ok'), 'B')
  assert.deepEqual(state(), [4, 2, 2, -2])
})

test('the effective weight does not fall below 0, and a server that is out does not regain it', () => {
  const { group, attempt, peer } = testGroup([{ name: 'A', weight: 4, maxFails: 1 }, { name: 'B' }])
  const early = group.begin()
  assert.equal(early.next(), peer('A'))
  assert.equal(attempt('failed'), 'A')
  early.release(peer('A'), 'failed')
  assert.equal(peer('A').effectiveWeight, 0)
  attempt('ok')
  attempt('ok')
  assert.equal(peer('A').effectiveWeight, 0)
})

test('maxFails 0: failures never take the server out nor cost it weight', () => {
  const { attempt, peer, changes } = testGroup([{ name: 'A', maxFails: 0, weight: 2 }, { name: 'B', maxFails: 0 }])
  assert.equal(Array.from({ length: 9 }, () => attempt('failed')).join(''), 'ABA'.repeat(3))
  assert.equal(peer('A').failed, false)
  assert.equal(peer('A').fails, 6)
  assert.deepEqual(changes, [])
})

test('failTimeout 0: out for the moment only', () => {
  const { attempt, clock, peer } = testGroup([{ name: 'A', failTimeout: 0 }, { name: 'B' }])
  attempt('failed')
  assert.equal(peer('A').failed, true)
  clock.advance(0.001)
  assert.equal(peer('A').failed, false)
})

test('when all failed there is nothing to choose until a failTimeout is over', () => {
  const { group, attempt, clock, changes } = testGroup([{ name: 'A', failTimeout: 2000 }, { name: 'B', failTimeout: 1000 }])
  assert.deepEqual(exhaust(group.begin(), 'failed'), ['A', 'B'])
  assert.equal(attempt('ok'), undefined)
  clock.advance(1000)
  assert.equal(attempt('ok'), undefined)
  clock.advance(1)
  assert.equal(attempt('failed'), 'B')
  assert.equal(attempt('ok'), undefined)
  clock.advance(1000)
  assert.equal(attempt('ok'), 'A')
  assert.equal(attempt('ok'), 'A')
  assert.deepEqual(changes, ['A down', 'B down', 'A up'])
})

test('after a mass failure every server gets its share again', () => {
  const weights = [5, 3, 1, 1, 10, 2, 1]
  const { group, clock, changes } = testGroup(weighted(...weights))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  for (let round = 0; round < 5; round++) {
    exhaust(group.begin(), 'failed')
    assert.equal(group.begin().next(), undefined)
    clock.advance(10_001)
  }
  assert.equal(changes.length, weights.length)
  const counts = weights.map(() => 0)
  const cycles = 100
  for (let turn = 0; turn < total * cycles; turn++) {
    const selection = group.begin()
    const peer = selection.next()
    assert(peer)
    const index = group.servers.indexOf(peer)
    counts[index] = (counts[index] ?? 0) + 1
    selection.release(peer, 'ok')
    // Within two cycles nobody is left out.
    if (turn === 2 * total) assert(counts.every(count => count > 0), String(counts))
  }
  counts.forEach((count, index) => {
    const due = cycles * (weights[index] ?? 0)
    assert(Math.abs(count - due) <= total, `${index}: ${count} of ${due}`)
  })
  assert.equal(changes.length, 2 * weights.length)
  assert(group.servers.every(peer => !peer.failed && peer.effectiveWeight === peer.weight))
})

test('a change of state is told when the accounts are settled', () => {
  const seen: unknown[] = []
  const group = new Group({
    name: 'backend',
    peers: [{ name: 'A', target: 1 }, { name: 'B', target: 2 }],
    now: () => 5,
    onStateChange: (peer, state) => { seen.push([peer.target, state, peer.active, peer.fails, peer.failed, group.begin().next()?.name]) },
  })
  const selection = group.begin()
  const peer = selection.next()
  assert(peer)
  selection.release(peer, 'failed')
  assert.deepEqual(seen, [[1, 'down', 0, 1, true, 'B']])
})

test('the time of day does not matter to the default clock', t => {
  const group = new Group({ name: 'backend', peers: [{ name: 'A', target: 1 }, { name: 'B', target: 2 }] })
  const selection = group.begin()
  const peer = selection.next()
  assert(peer)
  selection.release(peer, 'failed')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 86_400_000 })
  assert.equal(peer.failed, true)
  t.mock.timers.setTime(0)
  assert.equal(peer.failed, true)
  assert.equal(group.begin().next()?.name, 'B')
  assert.equal(group.begin().next()?.name, 'B')
})
