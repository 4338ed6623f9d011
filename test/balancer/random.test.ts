// random, random two.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { random, randomTwo } from '../../lib/balancer/random.ts'
import { exhaust, testGroup, weighted } from './model.ts'

/** Gives these numbers, one after the other, again and again. */
function numbers (...list: number[]): () => number {
  let next = 0
  return () => list[next++ % list.length] ?? 0
}

test('one by chance, weights considered', () => {
  const { attempt } = testGroup(weighted(1, 2, 1), { method: random(numbers(0, 0.24, 0.25, 0.5, 0.74, 0.75, 0.99)) })
  assert.equal(Array.from({ length: 7 }, () => attempt('ok')).join(''), 'AABBBCC')
})

test('one that cannot serve is passed over; after 20 of them it is round robin', () => {
  const { group, peer, attempt } = testGroup(weighted(1, 1, 1), { method: random(numbers(0)) })
  assert.deepEqual(exhaust(group.begin(), 'next'), ['A', 'B', 'C'])
  peer('A').down = true
  assert.match([1, 2, 3, 4].map(() => attempt('ok')).join(''), /^(BC){2}|(CB){2}$/)
})

test('two: the one with less load for its weight; of equals the second', () => {
  // A and B, always.
  const { group, peer } = testGroup(weighted(1, 2, 1), { method: randomTwo(numbers(0, 0.3)) })
  const order = Array.from({ length: 6 }, () => group.begin().next()?.name).join('')
  // 0:0 B, 0:1 A, 1:1 (2 against 1) B, 1:2 equal B, 1:3 A, 2:3 B
  assert.equal(order, 'BABBAB')
  assert.equal(peer('C').active, 0)
})

test('two: the same one twice does not count, and one alone is left to round robin', () => {
  const { attempt } = testGroup(weighted(1, 1, 1), { method: randomTwo(numbers(0, 0.1, 0.2, 0.9)) })
  assert.equal(attempt('ok'), 'C')
  const alone = testGroup([{ name: 'A' }, { name: 'B', down: true }], { method: randomTwo() })
  assert.equal(alone.attempt('ok'), 'A')
})

test('the default source reaches everybody', () => {
  for (const method of [random<string>(), randomTwo<string>()]) {
    const { attempt } = testGroup(weighted(1, 1, 1, 1), { method })
    assert.equal(new Set(Array.from({ length: 500 }, () => attempt('ok'))).size, 4)
  }
})

test('two with leastTime: the one that is expected to answer sooner, load and weight considered; of equals the second', () => {
  for (const time of ['header', 'lastByte'] as const) {
    // A and B, always.
    const { group, peer } = testGroup(weighted(1, 1, 1), { method: randomTwo(numbers(0, 0.4), { time }) })
    const a = peer('A')
    const b = peer('B')
    const pick = (): string | undefined => {
      const selection = group.begin()
      const chosen = selection.next()
      if (chosen !== undefined) selection.release(chosen, 'abort')
      return chosen?.name
    }
    a.headerTime = a.responseTime = 100
    b.headerTime = b.responseTime = 300
    assert.equal(pick(), 'A', 'the faster one')
    if (time === 'header') b.headerTime = 50
    else b.responseTime = 50
    assert.equal(pick(), 'B', 'the time that was asked for')
    a.headerTime = a.responseTime = b.headerTime = b.responseTime = 100
    assert.equal(pick(), 'B', 'of equals the second')
    b.active = 1
    assert.equal(pick(), 'A', 'the less loaded one')
    b.setWeight(4)
    assert.equal(pick(), 'B', 'the weight')
  }
})
