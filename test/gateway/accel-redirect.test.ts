// X-Accel-Redirect: the application leaves the answer to another route.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import fastifyStatic from '@fastify/static'
import scgi from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

function redirectTo (target: string, ...more: string[]): string {
  return ['Status: 201 Made', `X-Accel-Redirect: ${target}`, 'Content-Type: text/x-first', 'Content-Length: 4', ...more].join('\r\n') + '\r\n\r\nbody'
}

/** A gateway whose application redirects, and routes to redirect to. */
async function start (recorder: Recorder, options: Partial<FastifyScgiOptions> = {}): Promise<Gateway> {
  return await startGateway(app => {
    app.get('/plain', async (request, reply) => {
      reply.header('x-target', 'yes').header('content-type', 'text/x-plain').code(203)
      return `${request.method} ${request.url} ${request.originalUrl} ${JSON.stringify(request.query)}`
    })
    app.post('/plain', async () => 'a POST must not come here')
    app.get('/inside', { config: { scgi: { internal: true } } }, async () => 'internal')
    app.register(scgi, { prefix: '/app', upstreams: recorder.address, ...options })
    app.get('/late', { config: { scgi: { internal: true } } }, async () => 'late')
    app.register(async child => { child.get('/child', { config: { scgi: { internal: true } } }, async () => 'child') })
    app.after(() => {
      app.scgi.location('@name', async (request) => `location ${request.method} ${request.url}`)
      app.scgi.location('@other', async () => 'other')
    })
  })
}

test('the target answers, with six headers of the first reply and nothing else of it', async () => {
  await using recorder = await startRecorder({
    answer: redirectTo('/plain?a=b%20c&d', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Content-Disposition: attachment', 'Cache-Control: no-store',
      'Expires: Thu, 01 Jan 1970 00:00:01 GMT', 'Accept-Ranges: none', 'X-First: no', 'ETag: "no"', 'Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT'),
  })
  await using gateway = await start(recorder)
  const response = await rawRequest(gateway, get('/app/x?q'))
  assert.deepEqual([response.statusCode, response.reason], [203, 'Non-Authoritative Information'])
  assert.equal(response.body.toString(), 'GET /plain?a=b%20c&d /app/x?q {"a":"b c","d":""}')
  const value = (name: string): string | undefined => headerValue(response, name)
  assert.deepEqual(['content-type', 'content-disposition', 'cache-control', 'expires', 'accept-ranges', 'x-target', 'x-first', 'etag', 'last-modified', 'x-accel-redirect'].map(value),
    ['text/x-first', 'attachment', 'no-store', 'Thu, 01 Jan 1970 00:00:01 GMT', 'none', 'yes', undefined, undefined, undefined, undefined])
  assert.deepEqual(headerValues(response, 'set-cookie'), ['a=1', 'b=2'])
  await eventually(() => recorder.open === 0, 'the connection to the application closed')
})

test('the method becomes GET, but HEAD stays', async () => {
  await using recorder = await startRecorder({ answer: redirectTo('/plain') })
  await using gateway = await start(recorder)
  assert.match((await rawRequest(gateway, bytes(['PUT /app/x HTTP/1.1', 'Host: a', 'Content-Length: 2', 'Content-Type: application/json'], '{}'))).body.toString(), /^GET \/plain \/app\/x/)
  const head = await rawRequest(gateway, bytes(['HEAD /app/x HTTP/1.1', 'Host: a']))
  assert.deepEqual([head.statusCode, head.body.length], [203, 0])
})

test('targets: named locations, escapes; unsafe ones get 404', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder)
  const ask = async (target: string, request = get('/app/x?y')): Promise<string> => {
    recorder.answer = redirectTo(target)
    const response = await rawRequest(gateway, request)
    return response.statusCode < 300 ? response.body.toString() : String(response.statusCode)
  }
  assert.equal(await ask('@name'), 'location GET /app/x?y')
  assert.equal(await ask('@name', bytes(['POST /app/x HTTP/1.1', 'Host: a', 'Content-Type: application/json', 'Content-Length: 2'], '{}')), 'location POST /app/x')
  assert.equal(await ask('@other'), 'other')
  assert.equal(await ask('@nobody'), '500')
  assert.match(await ask('/%70lain'), /^GET \/plain /)
  for (const target of ['', '?x', '/a/../b', '/a/%2e%2e/b', '/a%00b', '/..', 'http://host/x', 'plain', '/nowhere', '/a%zz']) assert.equal(await ask(target), '404', target)
  assert.equal((await rawRequest(gateway, get('/.fastify-scgi/location'))).statusCode, 404)
})

test('internal routes answer redirects and nothing else, wherever they were registered', async () => {
  await using recorder = await startRecorder()
  await using gateway = await start(recorder)
  for (const [path, body] of [['/inside', 'internal'], ['/late', 'late'], ['/child', 'child']] as const) {
    assert.equal((await rawRequest(gateway, get(path))).statusCode, 404, path)
    recorder.answer = redirectTo(path)
    assert.equal((await rawRequest(gateway, get('/app'))).body.toString(), body)
    // A Location is the client's to see, and opens nothing.
    recorder.answer = `Location: ${path}\r\n\r\n`
    assert.equal((await rawRequest(gateway, get('/app'))).statusCode, 404, path)
  }
  recorder.answer = 'Location: /plain\r\n\r\n'
  assert.equal((await rawRequest(gateway, get('/app'))).statusCode, 203)
})

test('ten redirects are followed, the eleventh is 500; a loop ends', async () => {
  await using recorder = await startRecorder({
    answer: async exchange => {
      const { request } = exchange
      const left = Number(request.param('QUERY_STRING') ?? '0')
      await exchange.end(left === 0 ? 'Content-Length: 3\r\n\r\nend' : redirectTo(`/app/x?${left - 1}`))
    },
  })
  await using gateway = await start(recorder)
  assert.equal((await rawRequest(gateway, get('/app/x?10'))).body.toString(), 'end')
  assert.equal(recorder.requests.length, 11)
  recorder.clear()
  assert.equal((await rawRequest(gateway, get('/app/x?11'))).statusCode, 500)
  assert.equal(recorder.requests.length, 11)
  assert.ok(gateway.log.some(line => /more than 10 internal redirects/.test(line.msg)))
})

test('a POST with a body of 100 kB: another mount gets the same bytes, a plain route does not hang', async () => {
  await using recorder = await startRecorder({ answer: redirectTo('/second/y?z') })
  await using second = await startRecorder()
  await using gateway = await startGateway(app => {
    app.get('/plain', async () => 'plain')
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
    app.register(scgi, { prefix: '/second', upstreams: second.address })
  })
  const body = Buffer.alloc(100_000, 'ab\0c')
  const post = (...lines: string[]): Buffer => bytes(['POST /app/x?q HTTP/1.1', 'Host: a', 'Content-Type: text/x-body', ...lines], body)
  const chunked = bytes(['POST /app/x?q HTTP/1.1', 'Host: a', 'Content-Type: text/x-body', 'Transfer-Encoding: chunked'],
    Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]))
  for (const request of [post(`Content-Length: ${body.length}`), chunked]) {
    second.clear()
    assert.equal((await rawRequest(gateway, request)).body.toString(), 'ok')
    const [got] = await second.received(1)
    assert.ok(got?.body.equals(body))
    const names = ['REQUEST_METHOD', 'CONTENT_LENGTH', 'CONTENT_TYPE', 'REQUEST_URI', 'QUERY_STRING', 'PATH_INFO', 'SCRIPT_NAME', 'DOCUMENT_URI']
    assert.deepEqual(names.map(name => got?.param(name)), ['GET', '100000', 'text/x-body', '/app/x?q', 'z', '/y', '/second', '/second/y'])
  }
  recorder.answer = redirectTo('/plain')
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 3; i++) assert.equal((await client.request(post(`Content-Length: ${body.length}`))).body.toString(), 'plain')
})

test('onto @fastify/static: type, validators and ranges are the file\'s; over HTTP/2 too', async () => {
  await using dir = await tempDir()
  const content = Buffer.alloc(300_000, 'static')
  await writeFile(join(dir.path, 'big.bin'), content)
  await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /files/big.bin\r\n\r\n' })
  await using gateway = await startGateway(app => {
    app.register(fastifyStatic, { root: dir.path, prefix: '/files/' })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
  })
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 3; i++) {
    const whole = await client.request(get('/app/x'))
    assert.ok(whole.body.equals(content))
    assert.equal(headerValue(whole, 'content-type'), 'application/octet-stream')
    const part = await client.request(get('/app/x', 'Range: bytes=3-8'))
    assert.deepEqual([part.statusCode, part.body.toString(), headerValue(part, 'content-range')], [206, 'ticsta', 'bytes 3-8/300000'])
  }
  await using http2 = await startHttp2({ prefix: '/app', upstreams: recorder.address, internal: { '/files/': dir.path } })
  const { headers, body } = await http2.client.request({ ':path': '/app/x', range: 'bytes=3-8' })
  assert.deepEqual([headers[':status'], body.toString()], [206, 'ticsta'])
})

test('ignoreHeaders and passHeaders; a status that goes to the next server does not redirect', async () => {
  await using recorder = await startRecorder({ answer: redirectTo('/plain') })
  await using gateway = await start(recorder, { ignoreHeaders: ['X-Accel-Redirect'], passHeaders: ['X-Accel-Redirect'] })
  const response = await rawRequest(gateway, get('/app/x'))
  assert.deepEqual([response.statusCode, headerValue(response, 'x-accel-redirect'), response.body.toString()], [201, '/plain', 'body'])
})

test('request.scgi tells of all passes', async () => {
  await using recorder = await startRecorder()
  let seen: (string | undefined)[] = []
  await using gateway = await startGateway(app => {
    app.addHook('onResponse', async request => {
      if (request.scgi?.hop === 1) seen = [request.scgi.upstreamAddr, request.scgi.upstreamStatus, request.scgi.header('x-last')]
    })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
  })
  recorder.answer = async exchange => {
    await exchange.end(exchange.request.param('PATH_INFO') === '/a' ? redirectTo('/app/b') : 'Status: 404\r\nX-Last: 1\r\n\r\n')
  }
  assert.equal((await rawRequest(gateway, get('/app/a'))).statusCode, 404)
  await eventually(() => seen.length > 0, 'onResponse')
  assert.deepEqual(seen, [`${recorder.address} : ${recorder.address}`, '201 : 404', '1'])
})
