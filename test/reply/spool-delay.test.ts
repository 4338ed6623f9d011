// How long an application waits for a client before its reply goes to a file.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SpoolDelay } from '../../lib/reply/spool-delay.ts'

test('50 ms at a stretch, and 500 ms in all', () => {
  let now = 1000
  const delay = new SpoolDelay(() => now)
  delay.end()
  for (let spent = 0; spent < 500; spent += 40) {
    delay.begin()
    assert.equal(delay.left, Math.min(50, 500 - spent))
    now += 40
    assert.equal(delay.left, Math.min(50, 500 - spent) - 40)
    delay.end()
    now += 1000
  }
  delay.begin()
  assert.ok(delay.left <= 0)
})

test('a client that takes nothing is waited for once', () => {
  let now = 0
  const delay = new SpoolDelay(() => now)
  delay.begin()
  now += 50
  assert.equal(delay.left, 0)
})
