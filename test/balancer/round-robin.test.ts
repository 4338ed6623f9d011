import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { exhaust, testGroup, weighted } from './model.ts'

function turns (weights: number[], count: number): string {
  const { attempt } = testGroup(weighted(...weights))
  return Array.from({ length: count }, () => attempt('ok')).join('')
}

test('the turns of a peer are spread over the cycle', () => {
  assert.equal(turns([5, 1, 1], 14), 'AABACAA'.repeat(2))
  assert.equal(turns([3, 2], 15), 'ABABA'.repeat(3))
  assert.equal(turns([1, 1, 1], 6), 'ABCABC')
  assert.equal(turns([1, 2], 6), 'BABBAB')
  assert.equal(turns([1], 3), 'AAA')
})

test('requests that run at the same time take turns as well', () => {
  const { group } = testGroup(weighted(5, 1, 1))
  const selections = Array.from({ length: 7 }, () => group.begin())
  const peers = selections.map(selection => selection.next())
  assert.equal(peers.map(peer => peer?.name).join(''), 'AABACAA')
  assert.deepEqual(group.servers.map(peer => peer.active), [5, 1, 1])
  selections.forEach((selection, index) => {
    const peer = peers[index]
    assert(peer)
    selection.release(peer, 'ok')
  })
  assert.deepEqual(group.servers.map(peer => peer.active), [0, 0, 0])
})

test('over a full cycle every peer has exactly as many turns as its weight says', () => {
  const someWeights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 40 })
  fc.assert(fc.property(someWeights, fc.integer({ min: 1, max: 3 }), (weights, cycles) => {
    const { group } = testGroup(weights.map((weight, index) => ({ name: String(index), weight })))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    for (let cycle = 0; cycle < cycles; cycle++) {
      const counts = weights.map(() => 0)
      for (let turn = 0; turn < total; turn++) {
        const selection = group.begin()
        const peer = selection.next()
        assert(peer)
        const index = group.servers.indexOf(peer)
        counts[index] = (counts[index] ?? 0) + 1
        selection.release(peer, 'ok')
      }
      assert.deepEqual(counts, weights)
      assert(group.servers.every(peer => peer.currentWeight === 0))
    }
  }), { numRuns: 60 })
})

test('further attempts of a request go to the others by weight, and weights that were passed over stay', () => {
  const { group } = testGroup(weighted(5, 1, 1))
  const selection = group.begin()
  const current = (): number[] => group.servers.map(peer => peer.currentWeight)
  const first = selection.next()
  assert.equal(first?.name, 'A')
  assert.deepEqual(current(), [-2, 1, 1])
  selection.release(first, 'next')
  const second = selection.next()
  assert.equal(second?.name, 'B')
  assert.deepEqual(current(), [-2, 0, 2])
  selection.release(second, 'next')
  const third = selection.next()
  assert.equal(third?.name, 'C')
  assert.deepEqual(current(), [-2, 0, 2])
  selection.release(third, 'next')
  assert.equal(selection.next(), undefined)
  assert.deepEqual(current(), [-2, 0, 2])
})

for (const size of [2, 30, 31, 32, 33, 64, 65, 1000]) {
  test(`a request tries each of ${size} servers once`, () => {
    const { group } = testGroup(Array.from({ length: size }, (_, index) => ({ name: String(index) })))
    const selection = group.begin()
    assert.equal(selection.tries, size)
    const names = exhaust(selection, 'next')
    assert.equal(names.length, size)
    assert.equal(new Set(names).size, size)
    assert.equal(selection.tries, 0)
    assert.equal(selection.next(), undefined)
    // Another request knows nothing of that.
    assert.equal(exhaust(group.begin(), 'next').length, size)
  })
}

test('the target is handed out as it was given', () => {
  const { group } = testGroup(weighted(1, 1))
  assert.equal(group.begin().next()?.target, 'to A')
})

test('next() and release() alternate', () => {
  const { group } = testGroup(weighted(1, 1))
  const selection = group.begin()
  const [a, b] = group.servers
  assert(a && b)
  assert.throws(() => selection.release(a, 'ok'), /release\(\)/)
  assert.equal(selection.next(), a)
  assert.throws(() => selection.next(), /next\(\)/)
  assert.throws(() => selection.release(b, 'ok'), /release\(\)/)
  selection.release(a, 'ok')
  assert.throws(() => selection.release(a, 'ok'), /release\(\)/)
  assert.deepEqual([a.active, b.active, selection.tries], [0, 0, 1])
})

test('a group may be empty, or have backups alone', () => {
  const { group, attempt } = testGroup([])
  assert.deepEqual([attempt('ok'), group.begin().tries, group.single], [undefined, 0, false])
  assert.equal(testGroup([{ name: 'A', backup: true }]).attempt('ok'), 'A')
})

test('a group needs sound numbers', () => {
  for (const weight of [0, -1, 1.5, NaN]) assert.throws(() => testGroup([{ name: 'A', weight }]), /weight/)
  assert.throws(() => testGroup([{ name: 'A', maxConns: -1 }]), /maxConns/)
  assert.throws(() => testGroup([{ name: 'A', maxFails: 0.5 }]), /maxFails/)
  assert.throws(() => testGroup([{ name: 'A', failTimeout: NaN }]), /failTimeout/)
})
