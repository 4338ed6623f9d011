// When servers are checked, with a mock clock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckSchedule } from '../../lib/group/check-schedule.ts'
import { FakeTimers } from '../helpers/timers.ts'

interface Run {
  timers: FakeTimers
  schedule: CheckSchedule<number>
  checks: { at: number, member: number }[]
}

function run (options: { interval?: number, jitter?: number } = {}): Run {
  const timers = new FakeTimers()
  const checks: Run['checks'] = []
  // A generator of its own, so that a failure can be seen again.
  let seed = 1
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  const schedule = new CheckSchedule<number>({
    interval: 10_000, jitter: 0, timers, random, check: member => checks.push({ at: timers.time, member }), ...options,
  })
  return { timers, schedule, checks }
}

/** The most checks in any 100 ms. */
function crowd (checks: Run['checks']): number {
  const times = checks.map(({ at }) => at).sort((a, b) => a - b)
  return Math.max(...times.map((time, index) => times.findLastIndex(other => other <= time + 100) - index + 1))
}

for (const jitter of [0, 500, 10_000, 20_000]) {
  test(`100 servers, 10 s, jitter ${jitter} ms: no 100 ms hold more than 5 checks`, () => {
    const { timers, schedule, checks } = run({ jitter })
    for (let member = 0; member < 100; member++) schedule.add(member)
    timers.advance(300_000)
    assert.ok(crowd(checks) <= 5, `${crowd(checks)}`)
    const counts = Array.from({ length: 100 }, (_, member) => checks.filter(check => check.member === member).length)
    if (jitter === 0) assert.deepEqual([Math.min(...counts), Math.max(...counts)], [30, 30])
    assert.ok(Math.min(...counts) >= (jitter > 10_000 ? 10 : 20), `${counts.join(' ')}`)
  })
}

test('the same while servers come and go', () => {
  const { timers, schedule, checks } = run()
  for (let member = 0; member < 100; member++) schedule.add(member)
  for (let round = 0; round < 40; round++) {
    timers.advance(3337)
    for (let member = round * 10; member < round * 10 + 10; member++) {
      schedule.remove(member)
      schedule.add(member + 100)
    }
  }
  assert.ok(crowd(checks) <= 5, `${crowd(checks)}`)
  assert.ok(checks.length > 1000)
})

test('those that are in a hurry are checked at once, one after the other, and then in their turns', () => {
  const { timers, schedule, checks } = run()
  for (let member = 0; member < 100; member++) schedule.add(member, true)
  timers.advance(1)
  assert.deepEqual(checks.map(({ member }) => member), [0])
  timers.advance(10_000 / 3)
  assert.deepEqual(checks.map(({ member }) => member).filter((member, index, all) => all.indexOf(member) === index).length, 100)
  timers.advance(100_000)
  assert.ok(crowd(checks) <= 6, `${crowd(checks)}`)
  const counts = Array.from({ length: 100 }, (_, member) => checks.filter(check => check.member === member).length)
  assert.ok(Math.min(...counts) >= 11 && Math.max(...counts) <= 12, `${counts.join(' ')}`)
  const { length } = checks
  schedule.hurry(5)
  schedule.hurry(100)
  timers.advance(100)
  assert.ok(checks.slice(length).some(({ member }) => member === 5))
  schedule.stop()
  assert.equal(timers.pending, 0)
})

test('the same after the process stood still', () => {
  const { timers, schedule, checks } = run()
  for (let member = 0; member < 100; member++) schedule.add(member)
  timers.advance(20_000)
  timers.time += 60_000
  checks.length = 0
  timers.advance(30_000)
  assert.ok(crowd(checks) <= 5, `${crowd(checks)}`)
  assert.ok(checks.length >= 300, `${checks.length}`)
})

test('a hundred groups of one server are spread as one group of a hundred', () => {
  const timers = new FakeTimers()
  const checks: Run['checks'] = []
  for (let member = 0; member < 100; member++) {
    new CheckSchedule<number>({ interval: 10_000, jitter: 0, timers, check: () => checks.push({ at: timers.time, member }) }).add(member)
  }
  timers.advance(100_000)
  assert.ok(crowd(checks) <= 5, `${crowd(checks)}`)
  assert.equal(checks.length, 1000)
})

test('a timer that fires early makes no second check', () => {
  const timers = new FakeTimers()
  let count = 0
  const early = { now: timers.now, after: (ms: number, callback: () => void) => timers.after(ms - 0.9, callback) }
  new CheckSchedule<number>({ interval: 1000, jitter: 0, timers: early, check: () => { count++ } }).add(1)
  timers.advance(10_000)
  assert.ok(count >= 9 && count <= 11, `${count}`)
})

test('stop, and remove', () => {
  const { timers, schedule, checks } = run({ interval: 1000 })
  for (let member = 0; member < 3; member++) schedule.add(member)
  schedule.add(0)
  timers.advance(1000)
  assert.equal(checks.length, 3)
  schedule.remove(1)
  timers.advance(1000)
  assert.deepEqual(checks.slice(3).map(({ member }) => member).toSorted(), [0, 2])
  schedule.stop()
  timers.advance(10_000)
  assert.deepEqual([checks.length, timers.pending], [5, 0])
})
