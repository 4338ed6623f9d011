// Clients of the stream that do not read it.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { EventStream } from '../../lib/observe/admin/api/events.ts'

/** As much of an answer as the stream needs. Those of HTTP/2 have no `writableNeedDrain`. */
class Answer extends EventEmitter {
  readonly written: string[] = []
  destroyed = false
  writableLength = 0

  writeHead (): void {}

  write (text: string): void {
    this.written.push(text)
  }

  end (): void {}

  destroy (): void {
    this.destroyed = true
    this.emit('close')
  }
}

test('who does not read is cut off, whatever the protocol is, and the others go on', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const edits: object[] = []
  const service = { models: () => [], caches: [], requests: { failed: [], slow: [] }, edits, baseOf: () => undefined, now: () => 0 }
  const stream: EventStream = Reflect.construct(EventStream, [service])
  const clients = [0, 1, 2].map(() => new Answer())
  for (const client of clients) Reflect.apply(stream.serve, stream, [client, {}])
  const most = 4 * 1024 * 1024
  clients.forEach((client, index) => { client.writableLength = [0, most, most + 1][index] ?? 0 })
  edits.unshift({ at: '', by: 'a', what: 'b' })
  t.mock.timers.tick(1000)
  assert.deepEqual(clients.map(({ destroyed }) => destroyed), [false, false, true])
  assert.deepEqual(clients.map(({ written }) => written.filter(text => text.startsWith('event: delta')).length), [1, 1, 0])
  assert.equal(stream.clients, 2)
  stream.close()
})
