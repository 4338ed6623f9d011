import assert from 'node:assert/strict'
import test from 'node:test'
import { testGroup, weighted } from './model.ts'

test('a server at maxConns is passed over until an attempt on it is over', () => {
  const { group, attempt, peer } = testGroup([{ name: 'A', maxConns: 2, weight: 10 }, { name: 'B' }])
  const first = group.begin()
  const second = group.begin()
  assert.equal(first.next(), peer('A'))
  assert.equal(second.next(), peer('A'))
  assert.equal(peer('A').active, 2)
  assert.equal(Array.from({ length: 3 }, () => attempt('ok')).join(''), 'BBB')
  first.release(peer('A'), 'abort')
  assert.equal(attempt('ok'), 'A')
})

test('when all are at maxConns there is nobody, at once', () => {
  const { group, attempt, peer } = testGroup([{ name: 'A', maxConns: 1 }, { name: 'B', maxConns: 1 }])
  const running = [group.begin(), group.begin()]
  running.forEach(selection => selection.next())
  assert.equal(attempt('ok'), undefined)
  running[1]?.release(peer('B'), 'ok')
  assert.equal(attempt('ok'), 'B')
})

test('a full primary sends to the backup', () => {
  const { group, attempt, peer } = testGroup([{ name: 'A', maxConns: 1 }, { name: 'X', backup: true, maxConns: 1 }])
  const running = [group.begin(), group.begin()]
  assert.deepEqual(running.map(selection => selection.next()?.name), ['A', 'X'])
  assert.equal(attempt('ok'), undefined)
  running[0]?.release(peer('A'), 'ok')
  assert.equal(attempt('ok'), 'A')
})

test('a server that is down is never chosen', () => {
  const { attempt } = testGroup([{ name: 'A', down: true, weight: 100 }, ...weighted(1, 1, 1).slice(1)])
  assert.equal(Array.from({ length: 4 }, () => attempt('ok')).join(''), 'BCBC')
})

test('two servers with the same address have limits of their own', () => {
  const { group } = testGroup([{ name: 'A', maxConns: 1 }, { name: 'A', maxConns: 1 }])
  const picked = [1, 2, 3].map(() => group.begin().next())
  assert.deepEqual(picked.map(peer => peer && group.servers.indexOf(peer)), [0, 1, undefined])
})

test('the only server: its failures do not count', () => {
  const { group, attempt, peer, changes } = testGroup([{ name: 'A' }])
  assert.equal(group.single, true)
  assert.equal(Array.from({ length: 3 }, () => attempt('failed')).join(''), 'AAA')
  assert.deepEqual([peer('A').fails, peer('A').failed, peer('A').active, peer('A').effectiveWeight], [0, false, 0, 1])
  assert.deepEqual(changes, [])
})

test('the only server: there is no second try, however the first ends', () => {
  for (const outcome of ['ok', 'failed', 'next', 'abort'] as const) {
    const { group, peer } = testGroup([{ name: 'A' }])
    const selection = group.begin()
    assert.equal(selection.single, true)
    assert.equal(selection.tries, 1)
    assert.equal(selection.next(), peer('A'))
    // Even if the caller thinks otherwise.
    selection.tries = 5
    selection.release(peer('A'), outcome)
    assert.equal(selection.tries, 0)
    assert.equal(selection.next(), undefined)
  }
})

test('the only server: down and maxConns are honoured', () => {
  const down = testGroup([{ name: 'A', down: true }])
  assert.equal(down.group.single, true)
  assert.equal(down.group.begin().tries, 0)
  assert.equal(down.attempt('ok'), undefined)
  const { group, attempt, peer } = testGroup([{ name: 'A', maxConns: 1 }])
  const running = group.begin()
  assert.equal(running.next(), peer('A'))
  assert.equal(attempt('ok'), undefined)
  running.release(peer('A'), 'ok')
  assert.equal(attempt('ok'), 'A')
})
