// The body of a reply on its way to the client: lengths, cuts, streams.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n'

test('a complete reply without Content-Length gets one; Content-Length is kept', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  for (const body of ['', 'hello', 'x'.repeat(50_000)]) {
    for (const length of ['', `Content-Length: ${body.length}\r\n`]) {
      recorder.answer = `${HEAD}${length}\r\n${body}`
      const response = await rawRequest(gateway, get('/'))
      assert.deepEqual([response.framing, headerValue(response, 'content-length'), response.body.toString()], ['length', String(body.length), body])
    }
  }
})

test('large bodies arrive whole, with and without a length, on HTTP/1.0, 1.1 and 2', async () => {
  const body = randomBytes(3_000_000)
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  for (const length of ['', `Content-Length: ${body.length}\r\n`]) {
    recorder.answer = Buffer.concat([Buffer.from(`${HEAD}${length}\r\n`), body])
    for (const [version, framing] of [['1.1', length === '' ? 'chunked' : 'length'], ['1.0', length === '' ? 'eof' : 'length']] as const) {
      const response = await rawRequest(gateway, bytes([`GET / HTTP/${version}`, 'Host: x']))
      assert.deepEqual([response.framing, response.cut], [framing, false])
      assert.ok(response.body.equals(body))
    }
    const response = await http2.client.request({ ':path': '/' })
    assert.ok(response.body.equals(body) && !response.cut)
    assert.equal(response.headers['content-length'], length === '' ? undefined : String(body.length))
  }
})

test('chunked is decoded; a malformed chunk cuts', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  recorder.answer = `${HEAD}Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n`
  const whole = await rawRequest(gateway, get('/'))
  assert.deepEqual([whole.body.toString(), headerValue(whole, 'content-length')], ['hello!', '6'])
  recorder.answer = `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nbad\r\n`
  const cut = await rawRequest(gateway, get('/'))
  assert.deepEqual([cut.statusCode, cut.cut, cut.body.toString()], [200, true, 'hello'])
})

test('surplus past Content-Length is cut, and cannot pose as another response', async () => {
  await using recorder = await startRecorder({ answer: `${HEAD}Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil` })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 2; i++) assert.equal((await client.request(get('/'))).body.toString(), 'hello')
  const last = await rawRequest(gateway, get('/', 'Connection: close'), { untilClose: true })
  assert.deepEqual([last.body.toString(), last.rest.length], ['hello', 0])
})

test('a short body: what came arrives, then the connection is cut (HTTP/1) or the stream reset (HTTP/2)', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  for (const [sent, framing] of [
    ['', 'Content-Length: 10'], ['hello', 'Content-Length: 10'], ['x'.repeat(400_000), 'Content-Length: 400001'], ['5\r\nhello\r\n', 'Transfer-Encoding: chunked'],
  ] as const) {
    const arrives = framing.startsWith('T') ? 'hello' : sent
    for (const pieces of [1, 2]) {
      recorder.answer = async x => {
        if (pieces === 1) return x.end(`${HEAD}${framing}\r\n\r\n${sent}`)
        await x.writeEach([`${HEAD}${framing}\r\n\r\n`])
        await x.end(sent)
      }
      const one = await rawRequest(gateway, get('/'))
      assert.deepEqual([one.statusCode, one.cut, one.body.toString().length, one.body.toString() === arrives], [200, true, arrives.length, true], `${framing}, ${pieces} pieces`)
      const two = await http2.client.request({ ':path': '/' })
      assert.deepEqual([two.statusCode, two.cut], [200, true], `${framing}, ${pieces} pieces, HTTP/2`)
      assert.ok(arrives.startsWith(two.body.toString()))
      assert.notEqual(two.resetCode, 0)
    }
  }
  await recorder.idle()
})

test('a read timeout in the body cuts', async () => {
  await using recorder = await startRecorder({ answer: async x => { await x.write(`${HEAD}\r\nbegun`); await x.closed } })
  await using gateway = await startGateway({ upstreams: recorder.address, readTimeout: 60 })
  await using http2 = await startHttp2({ upstreams: recorder.address, readTimeout: 60 })
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual([response.statusCode, response.cut, response.body.toString()], [200, true, 'begun'])
  assert.equal((await http2.client.request({ ':path': '/' })).cut, true)
})

/** An application that sends its head alone, then one event at each call. */
function events () {
  let next = (_text: string | null): void => {}
  const script = async (x: { write (data: string): Promise<void>, end (): Promise<void>, closed: Promise<void> }): Promise<void> => {
    await x.write('Content-Type: text/event-stream\r\n\r\n')
    for (;;) {
      const text = await new Promise<string | null>(resolve => { next = resolve; x.closed.then(() => resolve(null)) })
      if (text === null) return x.end()
      await x.write(text)
    }
  }
  return { script, send: (text: string | null) => next(text) }
}

test('server-sent events and long polls with no option set: the head before the first event, each event at once', async () => {
  const { script, send } = events()
  await using recorder = await startRecorder({ answer: script })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get('/'))
  await client.until(() => client.head !== undefined)
  assert.equal(client.head === undefined ? '' : headerValue(client.head, 'content-type'), 'text/event-stream')
  assert.equal(client.bodyLength, 0)
  for (let n = 1; n <= 3; n++) {
    send('data: 0\n\n')
    await client.until(() => client.bodyLength === 9 * n)
  }
  send(null)
  const response = await client.response()
  assert.deepEqual([response.cut, response.bodyLength], [false, 27])

  const stream = http2.client.session.request({ ':path': '/' })
  const head = await new Promise<Record<string, unknown>>(resolve => stream.once('response', resolve))
  assert.equal(head['content-type'], 'text/event-stream')
  const data = new Promise(resolve => stream.once('data', resolve))
  send('data: 1\n\n')
  assert.equal(String(await data), 'data: 1\n\n')
  stream.close()
  await recorder.idle()
})

test('buffering false and X-Accel-Buffering: no give each piece at once, and the head without waiting', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/off', upstreams: recorder.address, buffering: false })
    app.register(scgi, { prefix: '/on', upstreams: recorder.address })
    app.register(scgi, { prefix: '/ignore', upstreams: recorder.address, buffering: false, ignoreHeaders: ['X-Accel-Buffering'] })
  })
  for (const [path, header] of [['/off/', ''], ['/on/', 'X-Accel-Buffering: no\r\n'], ['/ignore/', 'X-Accel-Buffering: yes\r\n']] as const) {
    let go = (): void => {}
    recorder.answer = async x => {
      for (const piece of [`${HEAD}${header}\r\n`, 'one', 'two']) {
        await x.write(piece)
        await new Promise<void>(resolve => { go = resolve })
      }
      await x.end()
    }
    await using client = await RawClient.connect(gateway)
    client.expect('GET')
    await client.write(get(path))
    await client.until(() => client.head !== undefined)
    for (const length of [3, 6]) {
      go()
      await client.until(() => client.bodyLength === length)
    }
    go()
    const response = await client.response()
    assert.deepEqual([response.framing, response.body.toString()], ['chunked', 'onetwo'])
  }
})

test('back-pressure: a client that does not read stops the application, and one that goes on gets all', async () => {
  const total = 60_000_000
  let written = 0
  await using recorder = await startRecorder({
    answer: async x => {
      await x.write(`${HEAD}Content-Length: ${total}\r\n\r\n`)
      const piece = Buffer.alloc(1_000_000, 'x')
      for (; written < total; written += piece.length) await x.write(piece)
      await x.end()
    },
  })
  for (const buffering of [true, false]) {
    written = 0
    await using gateway = await startGateway({ upstreams: recorder.address, buffering })
    await using client = await RawClient.connect(gateway, { keepBodies: false })
    client.expect('GET')
    await client.write(get('/'))
    await client.until(() => client.head !== undefined)
    client.socket.pause()
    let last = -1
    await eventually(() => { const still = written === last; last = written; return still && written > 0 }, 'the application stands still')
    assert.ok(written < total / 2, `${written} bytes were taken`)
    client.socket.resume()
    const response = await client.response()
    assert.deepEqual([response.bodyLength, response.cut], [total, false])
  }
})

test('a slow client does not hold the application: after a tenth of 20 MB it is done, and free', async () => {
  const total = 20_000_000
  await using recorder = await startRecorder({ answer: bytes([`Content-Length: ${total}`], Buffer.alloc(total, 'x')) })
  const group = createUpstreams([recorder.address])
  await using gateway = await startGateway({ upstreams: group })
  await using client = await RawClient.connect(gateway, { keepBodies: false })
  client.expect('GET')
  await client.write(get('/'))
  await client.until(({ bodyLength }) => bodyLength >= total / 10)
  client.socket.pause()
  await recorder.idle()
  await eventually(() => group.servers[0]?.active === 0, 'the server is free')
  assert.ok(client.bodyLength < total / 2, `${client.bodyLength} bytes`)
  client.socket.resume()
  assert.equal((await client.response()).bodyLength, total)
})
