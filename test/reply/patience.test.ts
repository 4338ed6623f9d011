// How long an application waits for a client before its reply goes to a file.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Patience } from '../../lib/reply/patience.ts'

test('50 ms at a stretch, and 500 ms in all', () => {
  let now = 1000
  const patience = new Patience(() => now)
  patience.end()
  for (let spent = 0; spent < 500; spent += 40) {
    patience.begin()
    assert.equal(patience.left, Math.min(50, 500 - spent))
    now += 40
    assert.equal(patience.left, Math.min(50, 500 - spent) - 40)
    patience.end()
    now += 1000
  }
  patience.begin()
  assert.ok(patience.left <= 0)
})

test('a client that takes nothing is waited for once', () => {
  let now = 0
  const patience = new Patience(() => now)
  patience.begin()
  now += 50
  assert.equal(patience.left, 0)
})
