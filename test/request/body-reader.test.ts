// The request body: byte for byte whatever its method and type, never parsed, never more than bodyLimit.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get, only, startHttp2 } from '../gateway/kit.ts'
import type { Socket } from 'node:net'

const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

function chunked (...pieces: Buffer[]): Buffer {
  return Buffer.concat([...pieces.flatMap(piece => [Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')])
}

test('bodies of every method and type, with a length and chunked, buffered or not', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/on', upstreams: recorder.address })
    app.register(scgi, { prefix: '/off', upstreams: recorder.address, requestBuffering: false })
  })
  const types = [
    undefined, '', 'foo', 'text/plain', 'text/plain; charset=utf-8', 'application/json', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x', 'application/octet-stream', ';', 'a/b;',
  ]
  for (const prefix of ['/on', '/off']) {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const type of method === 'POST' || method === 'GET' ? types : ['application/json']) {
        for (const coding of ['length', 'chunked']) {
          const lines = [`${method} ${prefix}/ HTTP/1.1`, 'Host: x', ...type === undefined ? [] : [`Content-Type: ${type}`]]
          const { statusCode } = await rawRequest(gateway, coding === 'length'
            ? bytes([...lines, 'Content-Length: 256'], ALL_BYTES)
            : bytes([...lines, 'Transfer-Encoding: chunked'], chunked(ALL_BYTES.subarray(0, 100), ALL_BYTES.subarray(100))))
          const what = `${prefix} ${method} ${type} ${coding}`
          assert.equal(statusCode, 200, what)
          const request = only(recorder)
          assert.equal(request.contentLength, 256, what)
          assert.deepEqual(request.body, ALL_BYTES, what)
          assert.equal(request.param('CONTENT_TYPE'), type === '' ? undefined : type, what)
          assert.equal(request.param('HTTP_TRANSFER_ENCODING'), undefined)
        }
      }
    }
  }
})

test('empty bodies, and requests without one', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  for (const [method, ...headers] of [
    ['GET'], ['DELETE'], ['POST'], ['POST', 'Content-Length: 0'], ['POST', 'Content-Length: 0', 'Content-Type: application/json'],
    ['GET', 'Content-Length: 0'], ['PUT', 'Content-Type: text/plain'], ['HEAD', 'Content-Type: foo'],
  ]) {
    const { statusCode } = await rawRequest(gateway, bytes([`${method} / HTTP/1.1`, 'Host: x', ...headers]))
    assert.equal(statusCode, 200)
    assert.equal(only(recorder).contentLength, 0)
  }
  for (const method of ['GET', 'POST']) {
    await rawRequest(gateway, bytes([`${method} / HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked'], '0\r\n\r\n'))
    assert.equal(only(recorder).contentLength, 0)
  }
})

test('over HTTP/2, with and without content-length and content-type', async () => {
  await using recorder = await startRecorder()
  await using http2 = await startHttp2({ upstreams: recorder.address })
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    for (const headers of [{}, { 'content-length': '256' }, { 'content-type': 'foo' }, { 'content-type': 'text/plain', 'content-length': '256' }]) {
      const { statusCode } = await http2.client.request({ ':path': '/', ':method': method, ...headers }, [ALL_BYTES.subarray(0, 7), ALL_BYTES.subarray(7)])
      assert.equal(statusCode, 200)
      assert.deepEqual(only(recorder).body, ALL_BYTES, `${method} ${JSON.stringify(headers)}`)
    }
  }
  await http2.client.request({ ':path': '/', ':method': 'POST' })
  assert.equal(only(recorder).contentLength, 0)
})

test('pipelined requests with bodies stay apart', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  for (const method of ['GET', 'POST', 'GET']) client.expect(method)
  await client.write(Buffer.concat(['GET', 'POST', 'GET'].map((method, n) =>
    bytes([`${method} /${n} HTTP/1.1`, 'Host: x', 'Content-Length: 6'], `GET /${n}`))))
  for (let n = 0; n < 3; n++) assert.equal((await client.response()).statusCode, 200)
  assert.deepEqual(recorder.requests.map(request => request.body.toString()), ['GET /0', 'GET /1', 'GET /2'])
})

test('Expect: 100-continue is answered before the body is sent', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  let interim = ''
  client.socket.once('data', (chunk: Buffer) => { interim = chunk.toString() })
  client.expect('POST')
  await client.write(bytes(['POST / HTTP/1.1', 'Host: x', 'Expect: 100-continue', 'Content-Length: 4']))
  await client.until(() => interim !== '')
  assert.match(interim, /^HTTP\/1.1 100 Continue\r\n/)
  assert.equal(recorder.accepted, 0)
  await client.write('body')
  const { statusCode, informational } = await client.response()
  assert.deepEqual([statusCode, informational.length], [200, 1])
  assert.equal(only(recorder).body.toString(), 'body')
})

test('passRequestBody false: no byte of it, CONTENT_LENGTH 0, and the connection stays usable', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/a', upstreams: recorder.address, passRequestBody: false })
    app.register(scgi, { prefix: '/b', upstreams: recorder.address, passRequestBody: false, requestBuffering: false })
  })
  await using client = await RawClient.connect(gateway)
  const body = randomBytes(200_000)
  for (const prefix of ['/a', '/b']) {
    for (const request of [
      bytes([`POST ${prefix}/ HTTP/1.1`, 'Host: x', `Content-Length: ${body.length}`], body),
      bytes([`GET ${prefix}/ HTTP/1.1`, 'Host: x', 'Content-Length: 4'], 'body'),
      bytes([`POST ${prefix}/ HTTP/1.1`, 'Host: x', 'Transfer-Encoding: chunked'], chunked(body)),
    ]) {
      assert.equal((await client.request(request)).statusCode, 200)
      assert.equal(only(recorder).contentLength, 0)
    }
  }
})

test('bodyLimit: 413, announced or found out, and the application hears nothing', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/own', upstreams: recorder.address, bodyLimit: 1000 })
    app.register(scgi, { prefix: '/off', upstreams: recorder.address, bodyLimit: 1000, requestBuffering: false })
    app.register(scgi, { prefix: '/drop', upstreams: recorder.address, bodyLimit: 1000, passRequestBody: false })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
  }, { bodyLimit: 2000 })
  await using http2 = await startHttp2({ upstreams: recorder.address, bodyLimit: 1000 })
  const limits = { '/own': 1000, '/off': 1000, '/drop': 1000, '/app': 2000 }
  for (const [prefix, limit] of Object.entries(limits)) {
    for (const method of ['POST', 'GET']) {
      const much = Buffer.alloc(limit + 1, 'x')
      const lines = [`${method} ${prefix}/ HTTP/1.1`, 'Host: x']
      const refused = await rawRequest(gateway, bytes([...lines, `Content-Length: ${much.length}`]))
      assert.equal(refused.statusCode, 413)
      assert.equal(JSON.parse(refused.body.toString()).code, 'FST_SCGI_BODY_TOO_LARGE')
      assert.equal(headerValue(refused, 'connection'), 'close')
      const found = await rawRequest(gateway, bytes([...lines, 'Transfer-Encoding: chunked'], chunked(much.subarray(0, limit), much.subarray(limit))))
      assert.equal(found.statusCode, 413)
      assert.equal(headerValue(found, 'connection'), 'close')
      assert.equal(recorder.accepted, 0)
      const just = much.subarray(1)
      assert.equal((await rawRequest(gateway, bytes([...lines, `Content-Length: ${limit}`], just))).statusCode, 200)
      assert.equal((await rawRequest(gateway, bytes([...lines, 'Transfer-Encoding: chunked'], chunked(just)))).statusCode, 200)
      recorder.clear()
    }
  }
  const { statusCode } = await http2.client.request({ ':path': '/', ':method': 'POST' }, Buffer.alloc(1001))
  assert.equal(statusCode, 413)
  assert.equal(recorder.accepted, 0)
})

test('clientBodyTimeout: 408 when the client stops in the middle, buffered or streamed', async () => {
  await using recorder = await startRecorder({ answer: async x => { await x.closed } })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/on', upstreams: recorder.address, clientBodyTimeout: 60 })
    app.register(scgi, { prefix: '/off', upstreams: recorder.address, clientBodyTimeout: 60, requestBuffering: false })
  })
  for (const [prefix, coding, accepted] of [['/on', 'Content-Length: 10', 0], ['/on', 'Transfer-Encoding: chunked', 0], ['/off', 'Content-Length: 10', 1]] as const) {
    const response = await rawRequest(gateway, bytes([`POST ${prefix}/ HTTP/1.1`, 'Host: x', coding], '3\r\n'), { untilClose: true })
    assert.deepEqual([response.statusCode, JSON.parse(response.body.toString()).code], [408, 'FST_SCGI_CLIENT_BODY_TIMEOUT'])
    assert.equal(recorder.accepted, accepted)
  }
  await recorder.idle()
})

for (const requestBuffering of [true, false]) {
  test(`clientBodyTimeout is between two pieces: a slow steady client is served, requestBuffering ${requestBuffering}`, async t => {
    let time = performance.now()
    t.mock.method(performance, 'now', () => time)
    t.mock.timers.enable({ apis: ['setTimeout'] })
    await using recorder = await startRecorder()
    await using gateway = await startGateway({ upstreams: recorder.address, clientBodyTimeout: 150, requestBuffering })
    const sockets: Socket[] = []
    gateway.app.server.on('connection', socket => sockets.push(socket))
    await using client = await RawClient.connect(gateway)
    const send = async (data: string | Buffer): Promise<void> => {
      await client.write(data)
      await turnsUntil(() => sockets[0]?.bytesRead === client.socket.bytesWritten, 'all that is sent has come')
    }
    client.expect('POST')
    await send(bytes(['POST / HTTP/1.1', 'Host: x', 'Content-Length: 6']))
    for (const byte of 'abcdef') {
      for (let passed = 0; passed < 149; passed++) {
        time++
        t.mock.timers.tick(1)
      }
      await send(byte)
    }
    assert.equal((await client.response()).statusCode, 200)
  })
}

test('a preParsing stream is what is sent', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.addHook('preParsing', (_request, _reply, payload, done) => {
      const upper = new PassThrough({ transform: (chunk: Buffer, _encoding, next) => next(null, chunk.toString().toUpperCase()) })
      done(null, payload.pipe(upper))
    })
    app.register(scgi, { upstreams: recorder.address, requestBuffering: false })
  })
  await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', 'Content-Type: text/plain', 'Content-Length: 3'], 'abc'))
  assert.equal(only(recorder).body.toString(), 'ABC')
})

test("the application's own parsers are left alone", async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/scgi', upstreams: recorder.address })
    app.post('/json', async request => request.body)
    app.get('/own', async () => 'own')
  })
  const response = await rawRequest(gateway, bytes(['POST /json HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 7'], '{"a":1}'))
  assert.equal(response.body.toString(), '{"a":1}')
  assert.equal((await rawRequest(gateway, bytes(['POST /json HTTP/1.1', 'Host: x', 'Content-Type: foo', 'Content-Length: 1'], 'x'))).statusCode, 415)
  assert.equal((await rawRequest(gateway, get('/own'))).body.toString(), 'own')
  assert.equal((await rawRequest(gateway, get('/none'))).statusCode, 404)
})
