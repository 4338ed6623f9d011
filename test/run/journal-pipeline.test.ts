// What the journal says of a connection on which requests are pipelined.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect, createServer as createListener, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { JournalFile, JournalWriter } from '../../lib/run/takeover/journal.ts'
import { recordedResponse, Recorder } from '../../lib/run/takeover/recorder.ts'

test('a connection is not idle while the last of three pipelined requests waits', async () => {
  const file = new JournalFile()
  const recorder = new Recorder(new JournalWriter(file.path, (error) => { throw error }), () => undefined)
  const replies: ServerResponse[] = []
  const server = createServer({ ServerResponse: recordedResponse() }, (_request, reply) => { replies.push(reply) })
  recorder.watch(server)
  const listener = createListener((socket) => {
    recorder.take(1, false, () => server.emit('connection', socket))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  assert.ok(isTcp(address))
  const client = connect(address.port, '127.0.0.1')
  try {
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n')
    while (replies.length < 3) await turn()
    const [a, b, c] = replies
    assert.ok(a !== undefined && b !== undefined && c !== undefined)
    // It has begun before its turn, and goes on after that.
    b.write('1')
    const first = once(a, 'finish')
    a.end('a')
    await first
    await turn()
    b.write('2')
    await turn()
    const second = once(b, 'finish')
    b.end('3')
    await second
    await turn()
    assert.deepEqual(file.read(), new Map([[1, 'closes']]))
    const third = once(c, 'finish')
    c.end('c')
    await third
    await turn()
    assert.equal(file.read().size, 0)
  } finally {
    client.destroy()
    listener.close()
    file.close()
  }
})

function isTcp (address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
