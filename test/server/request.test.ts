import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import type { ScgiServerOptions, ScgiServerRequest } from '../../lib/server/index.ts'
import { encode, listen, request, TRANSPORTS } from './scgi-client.ts'

/** What the application sees of a request. */
async function seen<T> (look: (request: ScgiServerRequest) => T, params: Record<string, string>, body = '', options: ScgiServerOptions = {}): Promise<T> {
  let result: { value: T } | undefined
  const server = createScgiServer(options, (req, res) => {
    result = { value: look(req) }
    res.end()
  })
  await using listener = await listen(server)
  await request(listener, params, body)
  assert.ok(result)
  return result.value
}

test('the objects are those of node:http', async () => {
  const kinds = await seen((req) => [req instanceof IncomingMessage, typeof req.pipe], {})
  assert.deepEqual(kinds, [true, 'function'])
  const server = createScgiServer((req, res) => { res.end(String(res instanceof ServerResponse && res.req === req)) })
  await using listener = await listen(server)
  assert.equal((await request(listener)).body.toString(), 'true')
})

test('method and URL come from REQUEST_METHOD and REQUEST_URI, verbatim', async () => {
  assert.deepEqual(
    await seen((req) => [req.method, req.url], { REQUEST_METHOD: 'PROPFIND', REQUEST_URI: '/a%2Fb//../?x=%zz', SCRIPT_NAME: '/no', PATH_INFO: '/no' }),
    ['PROPFIND', '/a%2Fb//../?x=%zz'])
})

test('without REQUEST_URI the URL is made of SCRIPT_NAME, PATH_INFO and QUERY_STRING', async () => {
  const url = (params: Record<string, string>) => seen((req) => req.url, { REQUEST_URI: '', ...params })
  assert.equal(await url({}), '/')
  assert.equal(await url({ SCRIPT_NAME: '/app', PATH_INFO: '/a b/50%?\xc3\xa9', QUERY_STRING: 'q=1&r=%20' }), '/app/a%20b/50%25%3F%C3%A9?q=1&r=%20')
  assert.equal(await url({ PATH_INFO: "/-._~!$&'()*+,;=:@" }), "/-._~!$&'()*+,;=:@")
})

test('without REQUEST_METHOD a request with a body is a POST', async () => {
  assert.equal(await seen((req) => req.method, { REQUEST_METHOD: '' }), 'GET')
  assert.equal(await seen((req) => req.method, { REQUEST_METHOD: '' }, '<methodCall/>'), 'POST')
})

test('headers are made of HTTP_*, CONTENT_TYPE and CONTENT_LENGTH', async () => {
  const params = {
    REQUEST_METHOD: 'POST',
    CONTENT_TYPE: 'text/plain',
    HTTP_HOST: 'example.com',
    HTTP_X_FORWARDED_FOR: '10.0.0.1, 10.0.0.2',
    HTTP_EMPTY: '',
    HTTP_COOKIE: 'a=1; b=\xe9',
    HTTP_CONTENT_TYPE: 'text/html',
    HTTP_CONTENT_LENGTH: '999',
    HTTP_TRANSFER_ENCODING: 'chunked',
    'HTTP_NOT A TOKEN': '1',
    SERVER_NAME: 'no header',
  }
  const [headers, raw, distinct] = await seen((req) => [req.headers, req.rawHeaders, req.headersDistinct], params, 'body')
  assert.deepEqual(headers, {
    'content-length': '4',
    'content-type': 'text/plain',
    host: 'example.com',
    'x-forwarded-for': '10.0.0.1, 10.0.0.2',
    empty: '',
    cookie: 'a=1; b=\xe9',
  })
  assert.deepEqual(raw, [
    'Content-Length', '4', 'Content-Type', 'text/plain', 'Host', 'example.com', 'X-Forwarded-For', '10.0.0.1, 10.0.0.2', 'Empty', '',
    'Cookie', 'a=1; b=\xe9',
  ])
  assert.deepEqual(distinct['x-forwarded-for'], ['10.0.0.1, 10.0.0.2'])
})

test('CONTENT_LENGTH 0 and an empty CONTENT_TYPE are no headers where a client sends none', async () => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    assert.deepEqual(await seen((req) => req.headers, { REQUEST_METHOD: method, CONTENT_TYPE: '' }), {}, method)
  }
  assert.deepEqual(await seen((req) => req.headers, { REQUEST_METHOD: 'POST' }), { 'content-length': '0' })
  assert.deepEqual(await seen((req) => req.headers, {}, 'x'), { 'content-length': '1' })
})

test('request.headers can be replaced', async () => {
  assert.deepEqual(await seen((req) => {
    req.headers = { a: 'b' }
    return req.headers
  }, { HTTP_X: 'y' }), { a: 'b' })
})

test('httpVersion is that of SERVER_PROTOCOL', async () => {
  const version = (protocol: string) =>
    seen((req) => [req.httpVersion, req.httpVersionMajor, req.httpVersionMinor], { SERVER_PROTOCOL: protocol })
  assert.deepEqual(await version('HTTP/1.1'), ['1.1', 1, 1])
  assert.deepEqual(await version('HTTP/1.0'), ['1.0', 1, 0])
  assert.deepEqual(await version('HTTP/2.0'), ['2.0', 1, 1])
  assert.deepEqual(await version('HTTP/3'), ['3.0', 1, 1])
  assert.deepEqual(await version('INCLUDED'), ['1.1', 1, 1])
})

test('the socket tells of the client, as the gateway describes it', async () => {
  const client = (params: Record<string, string>, options?: ScgiServerOptions) => seen(({ socket }) => {
    return [socket.remoteAddress, socket.remotePort, socket.remoteFamily, 'encrypted' in socket && socket.encrypted]
  }, params, '', options)
  assert.deepEqual(await client({ REMOTE_ADDR: '203.0.113.7', REMOTE_PORT: '5555', HTTPS: 'on' }), ['203.0.113.7', 5555, 'IPv4', true])
  assert.deepEqual(await client({ REMOTE_ADDR: '2001:db8::1', HTTPS: 'off' }), ['2001:db8::1', undefined, 'IPv6', false])
  assert.deepEqual(await client({ REMOTE_ADDR: '203.0.113.7', REMOTE_PORT: '99999' }), ['203.0.113.7', undefined, 'IPv4', false])
  assert.deepEqual(await client({ REMOTE_ADDR: 'unix:', HTTPS: 'ON' }), [undefined, undefined, undefined, true])
  assert.deepEqual(await client({ REMOTE_ADDR: '203.0.113.7', HTTPS: 'on' }, { trustGateway: false }), [undefined, undefined, undefined, false])
})

test('over TCP a client without REMOTE_ADDR has the address of the connection', async () => {
  const server = createScgiServer((req, res) => { res.end(req.socket.remoteAddress) })
  await using listener = await listen(server, 'tcp')
  assert.equal((await request(listener)).body.toString(), '127.0.0.1')
  assert.equal((await request(listener, { REMOTE_ADDR: '192.0.2.1' })).body.toString(), '192.0.2.1')
})

test('request.scgi has every parameter and no prototype', async () => {
  const params = await seen((req) => req.scgi, { REMOTE_USER: 'jos\xe9', __proto: 'x', HTTP_A: 'b' })
  assert.equal(Object.getPrototypeOf(params), null)
  assert.deepEqual({ ...params }, {
    CONTENT_LENGTH: '0', SCGI: '1', REQUEST_METHOD: 'GET', REQUEST_URI: '/', REMOTE_USER: 'jos\xe9', __proto: 'x', HTTP_A: 'b',
  })
})

test('maxHeadersCount leaves out what goes beyond', async () => {
  const server = createScgiServer((req, res) => { res.end(req.rawHeaders.join()) })
  server.maxHeadersCount = 2
  await using listener = await listen(server)
  assert.equal((await request(listener, { HTTP_A: '1', HTTP_B: '2', HTTP_C: '3' })).body.toString(), 'A,1,B,2')
})

for (const transport of TRANSPORTS) {
  test(`a request may come in pieces, cut at any byte (${transport})`, async () => {
    const server = createScgiServer((req, res) => {
      const chunks: Buffer[] = []
      req.on('data', (chunk: Buffer) => chunks.push(chunk))
      req.on('end', () => res.end(JSON.stringify([req.method, req.url, req.headers['x-a'], Buffer.concat(chunks).toString('latin1')])))
    })
    await using listener = await listen(server, transport)
    const bytes = encode({ REQUEST_METHOD: 'POST', REQUEST_URI: '/x', HTTP_X_A: 'b' }, '0:,123')
    await Promise.all(Array.from(bytes, async (_byte, cut) => {
      await using client = await listener.connect()
      client.socket.setNoDelay(true)
      client.write(bytes.subarray(0, cut))
      // The first piece has been read when a whole exchange on another connection is done.
      await request(listener)
      client.write(bytes.subarray(cut))
      assert.equal((await client.last()).body.toString(), '["POST","/x","b","0:,123"]', `cut at ${cut}`)
    }))
  })
}

test('a request may come byte by byte', async () => {
  const server = createScgiServer((req, res) => { req.pipe(res) })
  await using listener = await listen(server)
  await using client = await listener.connect()
  for (const byte of encode({ REQUEST_METHOD: 'POST' }, 'hello')) {
    await new Promise((resolve) => client.socket.write(Buffer.of(byte), resolve))
    await new Promise(setImmediate)
  }
  assert.equal((await client.last()).body.toString(), 'hello')
})

test('names that objects have of their own are header names as any other', async () => {
  const params = { HTTP_CONSTRUCTOR: '1', HTTP___PROTO__: '2', HTTP_HASOWNPROPERTY: '3', HTTP_TOSTRING: '4' }
  const [headers, distinct] = await seen(req => [req.headers, req.headersDistinct], params)
  const names = { constructor: '1', '--proto--': '2', hasownproperty: '3', tostring: '4' }
  for (const [name, value] of Object.entries(names)) {
    assert.equal(Object.getOwnPropertyDescriptor(headers, name)?.value, value, name)
    assert.deepEqual(Object.getOwnPropertyDescriptor(distinct, name)?.value, [value], name)
  }
  assert.equal(await seen(req => req.headersDistinct['constructor'], {}), undefined)
})

test('in whatever spelling, a parameter that must not become a header does not', async () => {
  for (const name of ['TRANSFER_ENCODING', 'CONTENT_LENGTH', 'CONTENT_TYPE']) {
    for (const spelling of [name, name.toLowerCase(), name.replace(/_(\w)(\w*)/, (_, first, rest) => `_${first}${rest.toLowerCase()}`), name.replace('_', '-')]) {
      const raw = await seen(req => [...req.rawHeaders, ...Object.keys(req.headers)], { [`HTTP_${spelling}`]: 'chunked' })
      assert.deepEqual(raw.filter(text => /chunked|transfer|length|type/i.test(text)), [], spelling)
    }
  }
})
