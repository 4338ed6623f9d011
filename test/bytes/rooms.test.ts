import assert from 'node:assert/strict'
import { test } from 'node:test'
import { giveBackRoom, takeRoom } from '../../lib/bytes/rooms.ts'

test('a room has the length that is asked for, and serves again once it is given back, for as much or less', () => {
  const room = takeRoom(100_001)
  assert.ok(room.length >= 100_001)
  assert.notEqual(takeRoom(100_001).buffer, room.buffer)
  giveBackRoom(room.subarray(5, 10))
  assert.equal(takeRoom(70_000).buffer, room.buffer)
  giveBackRoom(room)
  assert.notEqual(takeRoom(room.length + 1).buffer, room.buffer)
  assert.equal(takeRoom(room.length).buffer, room.buffer)
})

test('nobody else gets a room that is given back twice, and no memory that was never lent', () => {
  const room = takeRoom(90_000)
  giveBackRoom(room)
  giveBackRoom(room)
  assert.equal(takeRoom(90_000).buffer, room.buffer)
  assert.notEqual(takeRoom(90_000).buffer, room.buffer)
  const foreign = Buffer.alloc(200_000)
  giveBackRoom(foreign)
  assert.notEqual(takeRoom(150_000).buffer, foreign.buffer)
})

test('of the rooms that nobody needs sixteen are kept, those that were used last', () => {
  const rooms = Array.from({ length: 20 }, () => takeRoom(110_000))
  for (const room of rooms) giveBackRoom(room)
  const again = Array.from({ length: 20 }, () => takeRoom(110_000).buffer)
  const found = again.map(buffer => rooms.findIndex(room => room.buffer === buffer))
  assert.deepEqual(found, [...Array.from({ length: 16 }, (_, i) => 19 - i), -1, -1, -1, -1])
})
