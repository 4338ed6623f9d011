// A long timeout begins a little later, so that an exchange that is over by then never has a timer.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { Connection } from '../../lib/connections/scgi/connection.ts'
import { serverAt } from '../helpers/exchanging.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { startRecorder } from '../helpers/recorder.ts'

/** A connection to a server that says nothing. */
async function connected (address: string, connectTimeout = 0): Promise<Connection> {
  const connection = Connection.open(serverAt(address), { bufferSize: 4096 }, null, connectTimeout)
  await once(connection.socket, 'connect')
  return connection
}

/** Waits until the timeouts that were put off have begun. */
async function allBegun (address: string): Promise<void> {
  const last = await connected(address, 99_999)
  await turnsUntil(() => last.socket.timeout === 99_999, 'a long timeout begins', 20)
  last.destroy()
}

test('short ones begin at once, long ones later', async () => {
  await using server = await startRecorder({ answer: x => x.closed })
  for (const [milliseconds, atOnce] of [[1, true], [9999, true], [10_000, false], [60_000, false]] as const) {
    const connection = await connected(server.address)
    connection.setTimeout(milliseconds)
    assert.equal(connection.socket.timeout === milliseconds, atOnce)
    if (!atOnce) await turnsUntil(() => connection.socket.timeout === milliseconds, 'it begins', 20)
    connection.setTimeout(0)
    assert.equal(connection.socket.timeout, 0, 'what has begun ends at once')
    connection.setTimeout(milliseconds)
    connection.setTimeout(5000)
    assert.equal(connection.socket.timeout, 5000, 'a shorter one takes its place')
    connection.setTimeout(70_000)
    assert.equal(connection.socket.timeout, 70_000, 'a timer that is there gets the new time')
    connection.destroy()
  }
})

test('one that is taken back or whose connection has closed never begins', async (t) => {
  await using server = await startRecorder({ answer: x => x.closed })
  const set = t.mock.method(Socket.prototype, 'setTimeout')
  const back = await connected(server.address, 30_000)
  const closed = await connected(server.address, 30_001)
  const changed = await connected(server.address, 30_002)
  back.setTimeout(0)
  closed.destroy()
  changed.setTimeout(0)
  changed.setTimeout(30_003)
  await allBegun(server.address)
  const times = set.mock.calls.map(call => call.arguments[0]).filter(time => time > 30_000 && time < 40_000)
  assert.deepEqual(times, [30_003])
  back.destroy()
  changed.destroy()
})

test('a socket that is used again gets the timeout of its new connection', async () => {
  await using server = await startRecorder({ answer: x => x.closed })
  const first = await connected(server.address, 40_000)
  await turnsUntil(() => first.socket.timeout === 40_000, 'it begins', 20)
  const gone = once(first.socket, 'close')
  first.destroy()
  await gone
  const second = await connected(server.address, 50_000)
  assert.equal(second, first)
  await turnsUntil(() => second.socket.timeout === 50_000, 'it begins again', 20)
  second.destroy()
})
