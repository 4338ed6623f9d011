import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { PeerClosed, startRecorder } from '../helpers/recorder.ts'

/** More than the sockets on the way hold. */
const REST = Buffer.alloc(16 * 1024 * 1024)
const HEAD = 'Status: 200\r\nContent-Type: text/plain\r\n\r\n'

for (const method of ['GET', 'POST']) {
  for (const when of ['before the head', 'in the middle of the body']) {
    for (const ignoreClientAbort of [true, false]) {
      test(`${method}: a client leaves ${when}, ignoreClientAbort: ${ignoreClientAbort}`, async () => {
        const events = new EventEmitter()
        const left = once(events, 'left')
        const finished = once(events, 'finished')
        await using server = await startRecorder({
          answer: async exchange => {
            await exchange.body()
            if (when !== 'before the head') await exchange.write(HEAD + 'begun')
            await left
            try {
              await exchange.write(when === 'before the head' ? HEAD : 'more')
              await exchange.write(REST)
              await exchange.end()
              events.emit('finished', 'whole')
            } catch (error) {
              events.emit('finished', 'cut')
              if (!(error instanceof PeerClosed)) throw error
            }
          },
        })
        await using gateway = await startGateway(async app => {
          await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address, ignoreClientAbort })
          app.route({
            method: ['GET', 'POST'],
            url: '/from',
            handler: (_request, reply) => {
              // What else waits for that shall have heard of it.
              reply.raw.once('close', () => setImmediate(() => setImmediate(() => events.emit('left'))))
              return reply.from('/there')
            },
          })
        })
        const client = await RawClient.connect({ port: gateway.port })
        await client.write(`${method} /from HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: ${method === 'GET' ? 0 : 3}\r\n\r\n${method === 'GET' ? '' : 'abc'}`)
        await server.received(1)
        if (when !== 'before the head') await new Promise(resolve => client.socket.once('data', resolve))
        client.destroy()
        assert.equal((await finished)[0], ignoreClientAbort ? 'whole' : 'cut')
        await server.idle()
      })
    }
  }
}

test('a hook that gives the body up ends the request while the client is there', async () => {
  await using server = await startRecorder({ answer: exchange => exchange.write(HEAD + 'begun') })
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address, ignoreClientAbort: true })
    app.get('/from', (_request, reply) => reply.from('/there', {
      onResponse: (_own, _reply, response) => {
        response.stream.destroy()
        reply.send('other')
      },
    }))
  })
  assert.equal(await (await fetch(`${gateway.url}/from`)).text(), 'other')
  await server.idle()
})
