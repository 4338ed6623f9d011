// The body of one reply is the body of another request, and is sent on before all of it has come.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { ScgiClient } from '../../lib/index.ts'
import type { Readable } from 'node:stream'

const LENGTH = 120_000
const FIRST = 60_000

/** A server that writes the first half of a body by itself, and the rest when it is told. */
async function halting (fill: string): Promise<AsyncDisposable & { address: string, goOn: () => void, received: Promise<Buffer> }> {
  let goOn = (): void => {}
  let got = (_body: Buffer): void => {}
  const received = new Promise<Buffer>(resolve => { got = resolve })
  const server = net.createServer(socket => {
    socket.once('data', () => {
      socket.write(`Status: 200 OK\r\nContent-Length: ${LENGTH}\r\n\r\n` + fill.repeat(FIRST))
      goOn = () => socket.end(fill.repeat(LENGTH - FIRST))
    })
    socket.on('data', piece => got(piece))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    address: `127.0.0.1:${address.port}`,
    goOn: () => goOn(),
    received,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

async function has (body: Readable, length: number): Promise<void> {
  while (body.readableLength < length) await new Promise(resolve => setImmediate(resolve))
}

test('its memory is nobody else\'s until its end', async () => {
  await using first = await halting('a')
  await using second = await halting('b')
  await using sink = await halting('c')
  const clients = [first, second, sink].map(({ address }) => new ScgiClient(address))
  const [ofFirst, ofSecond, ofSink] = clients
  assert.ok(ofFirst !== undefined && ofSecond !== undefined && ofSink !== undefined)
  const source = await ofFirst.request()
  await has(source.body, FIRST)
  const pieces: Buffer[] = []
  source.body.on('data', piece => pieces.push(piece))
  source.body.pause()
  const forwarded = ofSink.request({ body: source.body, length: LENGTH })
  await sink.received
  // Nobody reads this one for now.
  const held = await ofSecond.request()
  second.goOn()
  await has(held.body, LENGTH - FIRST)
  first.goOn()
  const answered = await forwarded
  sink.goOn()
  assert.ok((await buffer(answered.body)).equals(Buffer.alloc(LENGTH, 'c')))
  assert.ok((await buffer(held.body)).equals(Buffer.alloc(LENGTH, 'b')), 'the reply that nobody has read')
  assert.ok(Buffer.concat(pieces).equals(Buffer.alloc(LENGTH, 'a')), 'the reply that was sent on')
  await Promise.all(clients.map(client => client.close()))
})
