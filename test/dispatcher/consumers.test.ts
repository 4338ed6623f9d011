import assert from 'node:assert/strict'
import { PassThrough, Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import * as undici from 'undici'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { refusedAddress, startRecorder, type Exchange } from '../helpers/recorder.ts'

const HEAD = 'Status: 201 Made it\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n'

/** Node's own fetch, whose types are those of another undici. */
function nodeFetch (url: string, dispatcher: undici.Dispatcher, options: RequestInit = {}): Promise<Response> {
  return globalThis.fetch(url, Object.assign<RequestInit, object>({ ...options }, { dispatcher, duplex: 'half' }))
}

/** The answer that shows the request: method, target, body. */
const ECHO = async (exchange: Exchange): Promise<void> => {
  const body = await exchange.body()
  const { request } = exchange
  const shown = `${request.param('REQUEST_METHOD')} ${request.param('REQUEST_URI')} ${body.toString()}`
  await exchange.end(Buffer.from(request.param('REQUEST_METHOD') === 'HEAD' ? HEAD : HEAD + shown))
}

test('undici.request', async () => {
  await using server = await startRecorder({ answer: ECHO })
  const dispatcher = new ScgiDispatcher(server.address)
  const { statusCode, statusText, headers, body, trailers } = await undici.request('http://app.test/x?y=1', { dispatcher, method: 'POST', body: 'abc' })
  assert.equal(statusCode, 201)
  assert.equal(statusText, 'Made it')
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
  assert.equal(headers['status'], undefined)
  assert.equal(await body.text(), 'POST /x?y=1 abc')
  assert.deepEqual(trailers, {})
  assert.equal(server.requests[0]?.param('HTTP_HOST'), 'app.test')

  const raw = await undici.request('http://app.test/', { dispatcher, responseHeaders: 'raw' })
  assert.deepEqual(raw.headers, ['Content-Type', 'text/plain', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
  await raw.body.dump()

  const json = await undici.request('http://app.test/', { dispatcher, query: { a: 1 } })
  assert.equal(await json.body.text(), 'GET /?a=1 ')
})

test('HEAD, 204, 304, chunks, an empty body', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address)
  const get = async (answer: string, method = 'GET'): Promise<[number, unknown, string]> => {
    server.answer = answer
    const { statusCode, headers, body } = await undici.request('http://app.test/', { dispatcher, method })
    return [statusCode, headers['content-length'], await body.text()]
  }
  assert.deepEqual(await get('Content-Length: 5\r\n\r\n', 'HEAD'), [200, '5', ''])
  assert.deepEqual(await get('Content-Length: 5\r\n\r\nabcde', 'HEAD'), [200, '5', ''])
  assert.deepEqual(await get('Status: 204\r\nContent-Length: 5\r\n\r\nabcde'), [204, undefined, ''])
  assert.deepEqual(await get('Status: 304\r\nContent-Length: 5\r\n\r\n'), [304, '5', ''])
  assert.deepEqual(await get('Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'), [200, undefined, 'abc'])
  assert.deepEqual(await get('Content-Length: 0\r\n\r\n'), [200, '0', ''])
  assert.deepEqual(await get('Content-Length: 3\r\n\r\nabcdef'), [200, '3', 'abc'])
  assert.deepEqual(await get('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nx'), [200, undefined, 'x'])
})

const FETCHES = {
  'undici.fetch': async (url: string, dispatcher: undici.Dispatcher, options: { method?: string, body?: string, signal?: AbortSignal } = {}) =>
    undici.fetch(url, { dispatcher, ...options }),
  'the fetch of Node.js': async (url: string, dispatcher: undici.Dispatcher, options: { method?: string, body?: string, signal?: AbortSignal } = {}) =>
    nodeFetch(url, dispatcher, options),
}

for (const [name, fetch] of Object.entries(FETCHES)) {
  test(name, async () => {
    await using server = await startRecorder({ answer: ECHO })
    const dispatcher = new ScgiDispatcher(server.address)
    const reply = await fetch('http://app.test/x?y=1#z', dispatcher, { method: 'POST', body: 'äbc' })
    assert.equal(reply.status, 201)
    assert.equal(reply.statusText, 'Made it')
    assert.deepEqual(reply.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal(await reply.text(), 'POST /x?y=1 äbc')
    assert.equal(server.requests[0]?.param('CONTENT_TYPE'), 'text/plain;charset=UTF-8')
    const head = await fetch('http://app.test/', dispatcher, { method: 'HEAD' })
    assert.equal(await head.text(), '')

    server.answer = async exchange => exchange.end(exchange.request.param('REQUEST_URI') === '/' ? 'Status: 302\r\nLocation: /to\r\n\r\n' : 'X: 1\r\n\r\nthere')
    const redirected = await fetch('http://app.test/', dispatcher)
    assert.equal(redirected.url, 'http://app.test/to')
    assert.equal(await redirected.text(), 'there')

    server.answer = exchange => exchange.write('X: 1\r\n\r\nabc')
    const controller = new AbortController()
    const slow = await fetch('http://app.test/', dispatcher, { signal: controller.signal })
    controller.abort()
    await assert.rejects(slow.text(), { name: 'AbortError' })
    const dropped = await fetch('http://app.test/', dispatcher)
    await dropped.body?.cancel()
    await server.idle()

    await assert.rejects(fetch('http://app.test/', new ScgiDispatcher(await refusedAddress())), (error: unknown) => {
      assert.ok(error instanceof TypeError && error.cause instanceof Error && 'code' in error.cause)
      return error.cause.code === 'ECONNREFUSED'
    })
  })
}

test('fetch with a form and with a stream', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address)
  const form = new FormData()
  form.set('a', 'b')
  await (await nodeFetch('http://app.test/', dispatcher, { method: 'POST', body: form })).text()
  assert.match(server.requests[0]?.param('CONTENT_TYPE') ?? '', /^multipart\/form-data; boundary=/)
  assert.match(server.requests[0]?.body.toString() ?? '', /name="a"\r\n\r\nb\r\n/)
  const stream = new Blob(['streamed']).stream()
  await (await nodeFetch('http://app.test/', dispatcher, { method: 'PUT', body: stream })).text()
  assert.equal(server.requests[1]?.body.toString(), 'streamed')
  const other = await undici.fetch('http://app.test/', { dispatcher, method: 'PUT', body: Readable.from(['abc', 'def']), duplex: 'half' })
  await other.text()
  assert.equal(server.requests[2]?.body.toString(), 'abcdef')
})

test('as the global dispatcher', async () => {
  await using server = await startRecorder({ answer: ECHO })
  const former = undici.getGlobalDispatcher()
  undici.setGlobalDispatcher(new ScgiDispatcher(server.address))
  try {
    const { body } = await undici.request('http://app.test/x')
    assert.equal(await body.text(), 'GET /x ')
    assert.equal(await (await undici.fetch('http://app.test/y')).text(), 'GET /y ')
  } finally {
    undici.setGlobalDispatcher(former)
  }
})

test('undici.stream, which holds the application back', async () => {
  await using server = await startRecorder({ answer: ECHO })
  const dispatcher = new ScgiDispatcher(server.address)
  const collected = new PassThrough()
  const answer = text(collected)
  await undici.stream('http://app.test/x', { dispatcher, method: 'PUT', body: Readable.from(['abc']), opaque: collected }, ({ statusCode, opaque }) => {
    assert.equal(statusCode, 201)
    return opaque
  })
  assert.equal(await answer, 'PUT /x abc')

  const total = 16 * 1024 * 1024
  server.answer = async exchange => {
    await exchange.write(`Content-Length: ${total}\r\n\r\n`)
    await exchange.end(Buffer.alloc(total))
  }
  let received = 0
  let most = 0
  const slow = new Writable({
    highWaterMark: 65536,
    write (chunk: Buffer, _encoding, callback) {
      received += chunk.length
      most = Math.max(most, slow.writableLength)
      setImmediate(callback)
    },
  })
  await undici.stream('http://app.test/', { dispatcher, method: 'GET' }, () => slow)
  assert.equal(received, total)
  assert.ok(most <= 3 * 65536, `${most} bytes were waiting`)
})

test('undici.pipeline', async () => {
  await using server = await startRecorder({ answer: ECHO })
  const dispatcher = new ScgiDispatcher(server.address)
  const result = new PassThrough()
  const answer = text(result)
  await pipeline(
    Readable.from(['ab', 'c']),
    undici.pipeline('http://app.test/x', { dispatcher, method: 'POST' }, ({ body }) => body),
    result)
  assert.equal(await answer, 'POST /x abc')
})

test('undici.upgrade and connect are refused', async () => {
  await using server = await startRecorder()
  const dispatcher = new ScgiDispatcher(server.address)
  await assert.rejects(undici.upgrade('http://app.test/', { dispatcher }), undici.errors.NotSupportedError)
  await assert.rejects(undici.connect('http://app.test/', { dispatcher }), undici.errors.NotSupportedError)
})
