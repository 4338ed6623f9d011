// app.close(): what is in flight ends well, nobody waits for idle clients, what never ends is cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, eventually, get, startHttp2, within } from './kit.ts'
import type { Gateway } from '../helpers/gateway.ts'

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n'

async function timed (gateway: Gateway): Promise<number> {
  const begun = performance.now()
  await gateway.close()
  return performance.now() - begun
}

test('under 200 ms with idle keep-alive clients', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using one = await RawClient.connect(gateway)
  await using two = await RawClient.connect(gateway)
  for (const client of [one, two]) assert.equal((await client.request(get('/'))).statusCode, 200)
  assert.ok(await timed(gateway) < 200)
  await Promise.all([one.closed, two.closed])
})

test('a reply in flight is finished, with Connection: close, and the connection does not linger', async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { finish = resolve })
      await x.end(`${HEAD}\r\nlate`)
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get('/'))
  await recorder.received(1)
  const closing = timed(gateway)
  await eventually(() => !gateway.app.server.listening, 'it listens no more')
  finish()
  const response = await client.response()
  assert.deepEqual([response.body.toString(), headerValue(response, 'connection'), response.cut], ['late', 'close', false])
  await client.closed
  assert.ok(await closing < 1000)
})

test('a reply whose head is out already is finished too, and its connection is not kept', async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await x.write(`${HEAD}\r\nbegun `)
      await new Promise<void>(resolve => { finish = resolve })
      await x.end('and ended')
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get('/'))
  await client.until(({ bodyLength }) => bodyLength === 6)
  const closing = timed(gateway)
  await eventually(() => !gateway.app.server.listening, 'it listens no more')
  finish()
  const response = await client.response()
  assert.deepEqual([response.body.toString(), response.cut], ['begun and ended', false])
  await client.closed
  assert.ok(await closing < 1000)
})

test("the gateway's own errors end their connections as well", async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { finish = resolve })
      await x.end('no head\r\n\r\n')
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get('/'))
  await recorder.received(1)
  const closing = timed(gateway)
  await eventually(() => !gateway.app.server.listening, 'it listens no more')
  finish()
  const response = await client.response()
  assert.deepEqual([response.statusCode, headerValue(response, 'connection')], [502, 'close'])
  assert.ok(await closing < 1000)
})

test('closeTimeout cuts what does not end: a stream, a silent application, an upload that stands still', async () => {
  await using recorder = await startRecorder({
    answer: async x => {
      if (x.request.param('PATH_INFO') !== '/silent') await x.write(`${HEAD}\r\nbegun`)
      await x.closed
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address, closeTimeout: 100 })
  await using streaming = await RawClient.connect(gateway)
  streaming.expect('GET')
  await streaming.write(get('/'))
  await streaming.until(({ bodyLength }) => bodyLength === 5)
  await using silent = await RawClient.connect(gateway)
  await silent.write(get('/silent'))
  await using upload = await RawClient.connect(gateway)
  await upload.write(bytes(['POST / HTTP/1.1', 'Host: x', 'Content-Length: 100'], 'x'))
  await recorder.received(2)
  const took = await timed(gateway)
  assert.ok(took >= 95 && took < 8000, `${took} ms`)
  assert.equal((await streaming.response()).cut, true)
  await Promise.all([streaming.closed, silent.closed, upload.closed])
  await recorder.idle()
})

test('what an application finishes without its client (ignoreClientAbort) is waited for, until closeTimeout', async () => {
  for (const ends of [true, false]) {
    let finish = (): void => {}
    await using recorder = await startRecorder({
      answer: async x => {
        await Promise.race([new Promise<void>(resolve => { finish = resolve }), x.closed])
        await x.end(`${HEAD}\r\nlate`)
      },
    })
    await using gateway = await startGateway({ upstreams: { name: 'g', servers: [recorder.address] }, ignoreClientAbort: true, closeTimeout: ends ? 5000 : 100 })
    const client = await RawClient.connect(gateway)
    await client.write(get('/'))
    await recorder.received(1)
    client.destroy()
    await client.closed
    const closing = timed(gateway)
    if (ends) {
      await eventually(() => !gateway.app.server.listening, 'it listens no more')
      finish()
    }
    const took = await closing
    assert.ok(ends ? took < 8000 : took >= 95 && took < 8000, `${took} ms`)
    await recorder.idle()
    assert.equal(gateway.app.scgi.groups.get('g')?.servers[0]?.active, 0)
  }
})

test('HTTP/2: streams are finished or cut', async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await x.write(`${HEAD}\r\nbegun`)
      await Promise.race([new Promise<void>(resolve => { finish = resolve }), x.closed])
      await x.end()
    },
  })
  for (const ends of [true, false]) {
    await using http2 = await startHttp2({ upstreams: recorder.address, closeTimeout: 100 })
    const stream = http2.client.session.request({ ':path': '/' })
    stream.on('error', () => {})
    await within(stream, 'data')
    const closed = new Promise(resolve => stream.once('close', resolve))
    const closing = http2.close()
    if (ends) finish()
    await closed
    assert.equal(stream.rstCode, ends ? 0 : 2)
    await recorder.idle()
    // Fastify waits for the client to end its session.
    await http2.client.close()
    await closing
  }
})

test('reply.scgi() drains alike', async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { finish = resolve })
      await x.end(`${HEAD}\r\nlate`)
    },
  })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.register(async scope => { scope.get('/', (_request, reply) => reply.scgi({ upstreams: recorder.address })) })
  })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get('/'))
  await recorder.received(1)
  const closing = timed(gateway)
  await eventually(() => !gateway.app.server.listening, 'it listens no more')
  finish()
  assert.equal(headerValue(await client.response(), 'connection'), 'close')
  await closing
})
