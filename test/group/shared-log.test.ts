// What processes know alike, whatever the order in which they hear of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChannelLog, isEvent } from '../../lib/group/channel/log.ts'
import type { ChannelEvent } from '../../types/channel.ts'

// A process never gives two events one clock: what they say is a function of key, clock and process.
const events = fc.array(fc.record({
  key: fc.constantFrom('a', 'b', 'c'),
  clock: fc.integer({ min: 1, max: 6 }),
  process: fc.constantFrom('p', 'q', 'r'),
}), { maxLength: 30 }).map(list => list.map(({ key, clock, process }): ChannelEvent => ({ group: 'g', key, clock, process, value: `${key} ${clock} ${process}` })))

test('merged in any order, and any number of times, the same events make the same log', () => {
  fc.assert(fc.property(
    events.chain(list => fc.tuple(fc.constant(list), fc.shuffledSubarray([...list, ...list], { minLength: list.length * 2 }))),
    ([list, shuffled]) => {
      const one = new ChannelLog(() => 0)
      const other = new ChannelLog(() => 0)
      for (const event of list) one.merge(event)
      for (const event of shuffled) other.merge(event)
      assert.deepEqual(other.events(), one.events())
      // A snapshot is as good as all that led to it.
      const late = new ChannelLog(() => 0)
      for (const event of one.events()) late.merge(event)
      assert.deepEqual(late.events(), one.events())
      // What is said next is later than all of it.
      const next: ChannelEvent = { group: 'g', key: 'a', clock: other.tick(), process: 'a', value: null }
      assert.equal(one.merge(next), true)
      assert.equal(other.merge(next), true)
    }))
})

test('the clock goes with the time of day, never back, and past what others say', () => {
  let now = 1000
  const log = new ChannelLog(() => now)
  assert.equal(log.tick(), 1000)
  assert.equal(log.tick(), 1001)
  now = 500
  assert.equal(log.tick(), 1002)
  log.merge({ group: 'g', key: 'a', clock: 5000, process: 'p', value: 1 })
  assert.equal(log.tick(), 5001)
  now = 9000
  assert.equal(log.tick(), 9000)
})

test('what nobody needs any more is forgotten', () => {
  let now = 0
  const log = new ChannelLog(() => now)
  for (let n = 0; n < 5000; n++) {
    now = n
    log.merge({ group: 'g', key: `s:${n}`, clock: n + 1, process: 'p', value: 1, until: n + 100 })
  }
  assert.ok(log.size < 2500, `${log.size}`)
  assert.equal(log.events().length, 100)
  assert.equal(log.merge({ group: 'g', key: 'late', clock: 1, process: 'p', value: 1, until: 4999 }), false)
})

test('what is no event is not taken for one', () => {
  const good = { group: 'g', key: 'k', value: null, clock: 1, process: 'p' }
  assert.equal(isEvent(good), true)
  for (const wrong of [undefined, null, 1, [], {}, { ...good, clock: '1' }, { ...good, clock: 1.5 }, { ...good, key: 1 }, { ...good, until: 'x' }, { ...good, process: undefined }]) {
    assert.equal(isEvent(wrong), false, JSON.stringify(wrong))
  }
})
