// What is remembered of a server's last hour: counts, quantiles, and what an hour forgets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History, jointPoints, jointQuantile, STEP, STEPS } from '../../lib/observe/admin/accounts/history.ts'

const START = 1_800_000_000_000

test('quantiles are within a fifth of the truth, over six orders of magnitude', () => {
  for (const scale of [0.5, 3, 40, 900, 20_000]) {
    const history = new History(START)
    for (let index = 1; index <= 1000; index++) history.record(START, scale * (1 + index / 1000), false)
    for (const [share, truth] of [[0.5, scale * 1.5], [0.99, scale * 1.99]] as const) {
      const found = history.quantile(START, share) ?? NaN
      assert.ok(Math.abs(found - truth) / truth < 0.2, `${share} of ${scale}: ${found}, not ${truth}`)
    }
  }
})

test('an hour later nothing is left, and half an hour later what came since', () => {
  const history = new History(START)
  for (let index = 0; index < 10; index++) history.record(START, 1, false)
  const half = START + STEP * STEPS / 2
  for (let index = 0; index < 10; index++) history.record(half, 1000, index < 3)
  const points = history.points(half)
  assert.equal(points.requests.length, STEPS)
  assert.equal(points.requests.reduce((sum, count) => sum + count, 0), 20)
  assert.deepEqual([points.requests.at(-1), points.failures.at(-1)], [10, 3])
  assert.ok((history.quantile(half, 0.5) ?? NaN) <= 1)
  const hour = START + STEP * STEPS
  assert.ok((history.quantile(hour, 0.5) ?? NaN) > 800, 'the first ones are forgotten')
  assert.equal(history.points(hour).requests.reduce((sum, count) => sum + count, 0), 10)
  assert.equal(history.quantile(hour + 2 * STEP * STEPS, 0.5), null)
  assert.equal(history.points(hour + 2 * STEP * STEPS).p99.every(value => value === null), true)
})

test('recent attempts are those of whole seconds, and a clock that is set back loses none', () => {
  const history = new History(START)
  for (let second = 0; second < 100; second++) history.record(START + second * 1000, undefined, false)
  const now = START + 100_000
  assert.equal(history.recent(now, 10), 10)
  assert.equal(history.recent(now, 60), 60)
  history.record(now - 3_600_000, 5, false)
  assert.equal(history.recent(now + 1000, 1), 1)
  assert.equal(history.recent(now + 120_000, 60), 0)
  history.reset()
  assert.equal(history.quantile(now, 0.5), null)
  assert.equal(history.points(now).requests.reduce((sum, count) => sum + count, 0), 0)
})

test('the hours of several processes add up to that of one which had all of it, though one is a step behind', () => {
  const [one, other, both] = [new History(START), new History(START), new History(START)]
  for (let index = 0; index < 300; index++) {
    const now = START + Math.floor(index / 30) * STEP
    const measured = [index % 7 === 0 ? undefined : 1 + index * index / 50, index % 7 === 0] as const
    for (const history of [index % 3 === 0 ? one : other, both]) history.record(now, ...measured)
  }
  const now = START + 10 * STEP
  const late = now - STEP
  for (const count of [1, 5, STEPS]) {
    // Asked first, just before a new step begins.
    const parts = [
      { points: other.points(late, count), counts: other.counts(late, count) },
      { points: one.points(now, count), counts: one.counts(now, count) },
    ]
    const joint = jointPoints(parts)
    for (const name of ['requests', 'failures', 'p50', 'p99'] as const) assert.deepEqual(joint[name], both.points(now, count)[name], `${name} of ${count}`)
    assert.equal(jointQuantile(parts.map(({ counts }) => counts.hour), 0.99), both.quantile(now, 0.99))
  }
})
