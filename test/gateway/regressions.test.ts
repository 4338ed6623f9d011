// Each of these killed the process, hung it, or passed a guard by, once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { NoResponse, RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { startHttp2 } from './kit.ts'

const get = (path: string, host = 'a'): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
const BIG = 'x'.repeat(300_000)

test('a reply that announces trailers, small and streamed', async () => {
  for (const body of ['ab', BIG]) {
    await using recorder = await startRecorder({
      answer: `Content-Type: text/plain\r\nTrailer: X\r\nTE: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    })
    await using gateway = await startGateway({ upstreams: recorder.address })
    const response = await rawRequest(gateway, get('/'))
    assert.deepEqual([response.statusCode, response.body.length, headerValue(response, 'trailer')], [200, body.length, undefined])
  }
})

test('headers that HTTP/2 knows once, sent twice', async () => {
  for (const body of ['ab', BIG]) {
    await using recorder = await startRecorder({
      answer: `Content-Type: text/plain\r\nAge: 1\r\nAge: 2\r\nX-Content-Type-Options: nosniff\r\nX-Content-Type-Options: nosniff\r\n\r\n${body}`,
    })
    await using gateway = await startHttp2({ upstreams: recorder.address })
    const response = await gateway.client.request({ ':path': '/' })
    assert.deepEqual([response.statusCode, response.headers['age'], response.body.length], [200, '1', body.length])
  }
})

test('a head that Node.js refuses when it is written: the connection is cut, the process lives', async () => {
  await using recorder = await startRecorder({ answer: `Content-Type: text/plain\r\nContent-Length: ${BIG.length}\r\n\r\n${BIG}` })
  await using gateway = await startGateway((app: FastifyInstance) => {
    app.addHook('onSend', async (request, reply, payload) => {
      if (request.url === '/bad') reply.header('trailer', 'x')
      return payload
    })
    app.register(scgi, { upstreams: recorder.address })
  })
  await assert.rejects(rawRequest(gateway, get('/bad')), NoResponse)
  assert.equal((await rawRequest(gateway, get('/'))).body.length, BIG.length)
})

test('what a hook says of the framing does not count', async () => {
  await using recorder = await startRecorder({ answer: `Content-Type: text/plain\r\n\r\n${BIG}` })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    rewriteHeaders: headers => ({ ...headers, 'content-length': '1', 'Transfer-Encoding': 'chunked', connection: 'x' }),
  })
  assert.equal((await rawRequest(gateway, get('/'))).body.length, BIG.length)
})

test('a client that leaves during an asynchronous hook: the application hears nothing of it, and close() ends', async () => {
  await using recorder = await startRecorder()
  let entered: (() => void) | undefined
  let release: (() => void) | undefined
  const gateway = await startGateway((app: FastifyInstance) => {
    app.register(scgi, {
      upstreams: recorder.address,
      closeTimeout: 1000,
      preHandler: async request => {
        const closed = once(request.raw.socket, 'close')
        entered?.()
        await closed
        release?.()
      },
    })
  })
  const reached = new Promise<void>(resolve => { entered = resolve })
  const left = new Promise<void>(resolve => { release = resolve })
  const client = await RawClient.connect(gateway)
  await client.write(get('/'))
  await reached
  client.destroy()
  await left
  await gateway.close()
  assert.equal(recorder.requests.length, 0)
})

test('a client that leaves while the server is being chosen', async () => {
  await using recorder = await startRecorder({ answer: () => new Promise(() => {}) })
  let choose: (() => void) | undefined
  let asked: (() => void) | undefined
  const reached = new Promise<void>(resolve => { asked = resolve })
  const gateway = await startGateway({
    upstreams: () => new Promise(resolve => {
      choose = () => resolve(recorder.address)
      asked?.()
    }),
    allowAnyUpstream: true,
  })
  const client = await RawClient.connect(gateway)
  await client.write(get('/'))
  await reached
  client.destroy()
  const connections = (): Promise<number> => new Promise((resolve, reject) => {
    gateway.app.server.getConnections((error, count) => error === null ? resolve(count) : reject(error))
  })
  let open = await connections()
  while (open > 0) {
    await new Promise(resolve => setImmediate(resolve))
    open = await connections()
  }
  choose?.()
  await gateway.close()
  assert.equal(recorder.requests.length, 0)
})

test('dot segments do not pass a guarded route by', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway((app: FastifyInstance) => {
    app.get('/app/admin', () => 'guarded')
    app.get('/app/admin/*', () => 'guarded')
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
  })
  for (const path of ['/app/admin', '/app/x/../admin', '/app/./admin', '/app/x/%2e%2e/admin/1', '/app/x/.%2E/admin?q=1']) {
    assert.equal((await rawRequest(gateway, get(path))).body.toString(), 'guarded', path)
  }
  assert.equal((await rawRequest(gateway, get('/app/../../x'))).statusCode, 400)
  assert.equal(recorder.requests.length, 0)
  const body = 'POST /app/a/../b/.x?q=/../1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc'
  assert.equal((await rawRequest(gateway, body)).statusCode, 200)
  const [request] = recorder.requests
  assert.deepEqual(
    [request?.param('PATH_INFO'), request?.param('REQUEST_URI'), request?.param('QUERY_STRING'), request?.body.toString()],
    ['/b/.x', '/app/a/../b/.x?q=/../1', 'q=/../1', 'abc'])
})

test('a Host that is none is refused, and the host of an absolute-form goes before it', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  for (const host of ['a b', '<x>', 'a/b', 'u:p@evil:80', '[::1', 'a:b']) {
    assert.equal((await rawRequest(gateway, get('/', host))).statusCode, 400, host)
  }
  for (const [target, host, seen] of [
    ['/', 'Shop.Example:8080', 'shop.example:8080'], ['/', '[::1]:80', '[::1]:80'], ['/', 'a_b', 'a_b'],
    ['http://Other.example:81/x', 'a', 'other.example:81'],
  ] as const) {
    recorder.clear()
    assert.equal((await rawRequest(gateway, get(target, host))).statusCode, 200, host)
    assert.equal(recorder.requests[0]?.param('HTTP_HOST'), seen)
  }
})

test('a Content-Type that is none is passed as it is', async () => {
  await using recorder = await startRecorder({ answer: 'Content-Type: odd\r\nContent-Length: 2\r\n\r\nok' })
  await using gateway = await startGateway({ upstreams: recorder.address })
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual([headerValue(response, 'content-type'), response.body.toString()], ['odd', 'ok'])
})
