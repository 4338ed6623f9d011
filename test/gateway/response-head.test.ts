// What the client gets of the application's head.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get, startHttp2 } from './kit.ts'

function head (...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

test('status and reason phrase; without Status 200, with Location 302', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, internalRedirect: false })
  for (const [answer, status, reason] of [
    [head('Content-Type: a/b'), 200, 'OK'],
    [head('Status: 201'), 201, 'Created'],
    [head('Status: 404 No Such Thing'), 404, 'No Such Thing'],
    [head('Location: /x'), 302, 'Found'],
    [head('HTTP/1.1 503 Gone Fishing', 'Content-Type: a/b'), 503, 'Gone Fishing'],
    [head('Status: 299 caf\xe9'), 299, 'caf\xe9'],
    [head('Status: 599'), 599, 'unknown'],
    [head('Status: 100 Continue') + head('Status: 200 Final'), 200, 'Final'],
  ] as const) {
    recorder.answer = answer
    const response = await rawRequest(gateway, get('/'))
    assert.deepEqual([response.statusCode, response.reason], [status, reason], answer)
  }
})

test('headers: duplicates kept apart, bytes kept, those between gateway and application left out', async () => {
  await using recorder = await startRecorder({
    answer: head(
      'Status: 200 OK', 'Content-Type: text/html; charset=x', 'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2', 'X-Many: 1', 'x-many: 2', 'X-Latin: \xe9\xff',
      'Vary: A', 'Vary: B', 'X-Empty:', 'Date: Mon, 01 Jan 2024 00:00:00 GMT', 'Server: mine', 'ETag: "x"',
      'X-Accel-Expires: 5', 'X-Accel-Buffering: yes', 'X-Accel-Charset: x', 'X-Accel-Limit-Rate: 5000000', 'SCGI-Keepalive: 1',
      'X-Hop: 1', 'Connection: X-Hop, close', 'Keep-Alive: 5', 'Proxy-Connection: x', 'Content-Length: 2') + 'ok',
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual(response.headers.filter(([name]) => !['connection', 'keep-alive'].includes(name.toLowerCase())).map(pair => pair.join('=')).sort(), [
    'content-length=2', 'content-type=text/html; charset=x', 'date=Mon, 01 Jan 2024 00:00:00 GMT', 'etag="x"', 'server=mine', 'set-cookie=a=1; Path=/', 'set-cookie=b=2',
    'vary=A', 'vary=B', 'x-empty=', 'x-latin=\xe9\xff', 'x-many=1', 'x-many=2',
  ])
  assert.equal(headerValue(response, 'connection'), 'keep-alive')
  assert.equal(response.body.toString(), 'ok')
  const { headers } = await http2.client.request({ ':path': '/' })
  assert.deepEqual(headers['set-cookie'], ['a=1; Path=/', 'b=2'])
  assert.equal(headers['x-many'], '1, 2')
  assert.deepEqual([headers['connection'], headers['keep-alive'], headers['x-accel-expires']], [undefined, undefined, undefined])
})

test('hideHeaders, passHeaders, ignoreHeaders', async () => {
  await using recorder = await startRecorder({
    answer: head('X-Secret: 1', 'X-Accel-Expires: 5', 'Set-Cookie: a=b', 'Set-Cookie: c=d', 'Status: 200 Fine', 'X-Accel-Buffering: no', 'Transfer-Encoding: chunked') + '2\r\nok\r\n0\r\n\r\n',
  })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    hideHeaders: ['x-SECRET', 'set-cookie'],
    passHeaders: ['X-Accel-Expires', 'status', 'Transfer-Encoding', 'X-Accel-Buffering'],
    ignoreHeaders: ['X-Accel-Buffering'],
  })
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual(['x-secret', 'set-cookie', 'x-accel-expires', 'status', 'x-accel-buffering', 'transfer-encoding'].map(name => headerValues(response, name)),
    [[], [], ['5'], ['200 Fine'], ['no'], []])
  assert.equal(response.body.toString(), 'ok')
  // Ignored, it does not switch buffering off: the reply goes out whole.
  assert.equal(headerValue(response, 'content-length'), '2')
})

test('HEAD, 204 and 304 have no body, and their length is what the application says', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  for (const [method, answer, status, length] of [
    ['HEAD', head('Content-Length: 5', 'X: y'), 200, '5'],
    ['HEAD', head('Content-Length: 5') + 'hello', 200, '5'],
    ['HEAD', head('X: y'), 200, undefined],
    ['HEAD', head('Status: 404', 'Content-Length: 0'), 404, '0'],
    ['GET', head('Status: 204'), 204, undefined],
    ['GET', head('Status: 204', 'Content-Length: 5') + 'hello', 204, undefined],
    ['GET', head('Status: 304', 'ETag: "x"'), 304, undefined],
    ['GET', head('Status: 304', 'Content-Length: 5'), 304, '5'],
    ['GET', head('Status: 304') + 'surplus', 304, undefined],
    ['GET', head('Status: 200', 'Content-Length: 0'), 200, '0'],
    ['GET', head('Status: 200'), 200, '0'],
    ['GET', head('Status: 205'), 205, '0'],
  ] as const) {
    recorder.answer = answer
    const what = `${method} ${answer}`
    const response = await client.request(bytes([`${method} / HTTP/1.1`, 'Host: x']))
    assert.deepEqual([response.statusCode, headerValue(response, 'content-length'), response.bodyLength], [status, length, 0], what)
    assert.equal(headerValue(response, 'transfer-encoding'), undefined, what)
    const second = await http2.client.request({ ':path': '/', ':method': method })
    assert.deepEqual([second.statusCode, second.headers['content-length'], second.body.length, second.cut], [status, length, 0, false], what)
  }
  assert.equal(client.rest.length, 0)
})

test('no Content-Type stays none, with a body at once or a body that streams', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  for (const body of ['x', 'x'.repeat(300_000)]) {
    recorder.answer = head('Status: 200') + body
    const response = await rawRequest(gateway, get('/'))
    assert.equal(headerValue(response, 'content-type'), undefined)
    assert.equal(response.body.toString(), body)
  }
})

test('preserveHeaderCase: names as the application wrote them, type and length right', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, preserveHeaderCase: true })
  for (const body of ['ok', 'x'.repeat(300_000), '']) {
    recorder.answer = head('content-TYPE: text/x', 'X-FOO: 1', 'x-foo: 2', 'Set-COOKIE: a=b', 'ETag: "x"') + body
    const response = await rawRequest(gateway, get('/'))
    const names = response.headers.map(([name]) => name)
    for (const name of ['content-TYPE', 'X-FOO', 'Set-COOKIE', 'ETag']) assert.ok(names.includes(name), `${name} in ${names.join()}`)
    assert.deepEqual(headerValues(response, 'content-type'), ['text/x'])
    assert.deepEqual(headerValues(response, 'x-foo'), ['1', '2'])
    assert.equal(response.body.toString(), body)
  }
})

test("the gateway's own errors: status by cause, one code, and nothing of a former attempt", async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, readTimeout: 60, buffering: { bufferSize: '1k' } })
  for (const [answer, status, code] of [
    ['', 502, 'FST_SCGI_PREMATURE_CLOSE'],
    ['Status: 200', 502, 'FST_SCGI_PREMATURE_CLOSE'],
    ['no head at all\r\n\r\n', 502, 'FST_SCGI_INVALID_HEADER'],
    [head('X-Nul: a\0b'), 502, 'FST_SCGI_INVALID_HEADER'],
    [head('Status: 999'), 502, 'FST_SCGI_INVALID_HEADER'],
    [head('Content-Length: -5'), 502, 'FST_SCGI_INVALID_HEADER'],
    [head('Content-Length: 5', 'Transfer-Encoding: chunked'), 502, 'FST_SCGI_INVALID_HEADER'],
    [head(`X-Long: ${'x'.repeat(2000)}`), 502, 'FST_SCGI_HEADER_TOO_BIG'],
    ['silent', 504, 'FST_SCGI_READ_TIMEOUT'],
  ] as const) {
    recorder.answer = answer === 'silent' ? async x => { await x.closed } : answer
    const response = await rawRequest(gateway, get('/'))
    assert.deepEqual([response.statusCode, JSON.parse(response.body.toString()).code], [status, code], answer)
    await recorder.idle()
  }
})

test("what is not the gateway's goes to the error handler and the not-found handler of the application, unchanged", async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.setErrorHandler((error, _request, reply) => { reply.code(555).send(`mine: ${error instanceof Error ? error.name : ''}`) })
    app.setNotFoundHandler((_request, reply) => { reply.code(404).send('mine: none') })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
    app.get('/throws', () => { throw new Error('own') })
  })
  assert.equal((await rawRequest(gateway, get('/throws'))).body.toString(), 'mine: Error')
  assert.equal((await rawRequest(gateway, get('/none'))).body.toString(), 'mine: none')
  // An application's 404 and 500 are its own.
  recorder.answer = head('Status: 404', 'Content-Length: 5') + 'mine!'
  assert.deepEqual((await rawRequest(gateway, get('/app/'))).body.toString(), 'mine!')
  recorder.answer = 'garbage'
  assert.deepEqual((await rawRequest(gateway, get('/app/'))).statusCode, 555)
})
