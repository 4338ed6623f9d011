import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyHttpOptions, FastifyRequest } from 'fastify'
import type { Server } from 'node:http'
import type { FastifyScgiOptions } from '../../types/index.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT'] as const

/** A gateway under /scgi, and a route of one's own under /from whose handler calls `reply.from('/there')`. */
async function start (
  options: Omit<FastifyScgiOptions, 'logLevel'>, hooks: FastifyReplyFromHooks = {}, server: FastifyHttpOptions<Server> = {}
): Promise<Gateway> {
  return startGateway(async app => {
    await app.register(scgi, { prefix: '/scgi', replyFrom: true, ...options })
    app.route({ method: [...METHODS], url: '/from/*', handler: (_request, reply) => reply.from('/there', hooks) })
  }, server)
}

test('the application sees the client: Host, addresses, protocol, X-Forwarded-*, as from the gateway itself', async () => {
  await using server = await startRecorder()
  const given: FastifyRequest[] = []
  await using gateway = await start({
    upstreams: server.address,
    params: {
      X_USER: request => {
        given.push(request)
        return request.id
      },
      X_FIXED: { value: 'ü', ifNotEmpty: true },
      X_EMPTY: { value: () => '', ifNotEmpty: true },
    },
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, 'x-added': '1' }),
  })
  for (const path of ['/from/x?y=1', '/scgi/there?y=1']) {
    await using client = await RawClient.connect({ port: gateway.port })
    const reply = await client.request(
      `GET ${path} HTTP/1.1\r\nHost: Client.Test:81\r\nX-Forwarded-For: 192.0.2.7\r\nX-Accel-Redirect: /y\r\nProxy: p\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n`)
    assert.equal(reply.statusCode, 200)
    assert.equal(reply.body.toString(), 'ok')
  }
  const [from, own] = server.requests.map(({ params }) => new Map(params))
  assert.ok(from !== undefined && own !== undefined)
  assert.equal(given.length, 2)
  assert.equal(from.get('HTTP_HOST'), 'client.test:81')
  assert.equal(from.get('HTTP_X_FORWARDED_FOR'), '127.0.0.1')
  // What a path makes different, and what a connection does.
  for (const name of ['REQUEST_URI', 'SCRIPT_NAME', 'DOCUMENT_URI', 'REMOTE_PORT', 'X_USER']) {
    assert.ok(from.get(name) !== undefined)
    from.delete(name)
    own.delete(name)
  }
  assert.deepEqual(Object.fromEntries(from), Object.fromEntries(own))
})

test('over HTTP/2', async () => {
  await using server = await startRecorder({ answer: 'Status: 201 Made\r\nConnection: x\r\nContent-Type: text/plain\r\n\r\nreply' })
  const app = Fastify({ http2: true })
  app.register(async scope => {
    await scope.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address })
    scope.post('/from', (_request, reply) => reply.from('/there'))
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  try {
    await using client = await H2Client.connect(Number(new URL(url).port))
    const reply = await client.request({ ':method': 'POST', ':path': '/from', ':authority': 'Client.Test', 'content-type': 'text/plain' }, 'abc')
    assert.equal(reply.statusCode, 201)
    assert.equal(reply.body.toString(), 'reply')
    assert.equal(reply.cut, false)
    const [request] = server.requests
    assert.equal(request?.param('HTTP_HOST'), 'client.test')
    assert.equal(request?.param('SERVER_PROTOCOL'), 'HTTP/2.0')
    assert.equal(request?.body.toString(), 'abc')
    assert.deepEqual(request?.params.filter(([name]) => name.startsWith('HTTP_:')), [])
  } finally {
    await app.close()
  }
})

test('trustProxy decides about address and scheme; forwarded is obeyed', async () => {
  await using server = await startRecorder()
  for (const forwarded of ['set', 'pass', 'drop'] as const) {
    server.clear()
    await using gateway = await start({ upstreams: server.address, forwarded }, {}, { trustProxy: true })
    await fetch(`${gateway.url}/from/x`, { headers: { 'x-forwarded-for': '192.0.2.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'Public.Test' } })
    const [request] = server.requests
    assert.equal(request?.param('REMOTE_ADDR'), '192.0.2.7')
    assert.equal(request?.param('HTTPS'), 'on')
    assert.equal(request?.param('HTTP_HOST'), 'public.test')
    const sent = ['HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED_PROTO', 'HTTP_X_FORWARDED_HOST'].map(name => request?.param(name))
    if (forwarded === 'set') assert.deepEqual(sent, ['192.0.2.7, 127.0.0.1', 'https', 'public.test'])
    else if (forwarded === 'pass') assert.deepEqual(sent, ['192.0.2.7', 'https', 'Public.Test'])
    else assert.deepEqual(sent, [undefined, undefined, undefined])
  }
})

test('bodies: of a POST, of unknown length, none of a GET that announces one; passRequestBody', async () => {
  await using server = await startRecorder()
  await using gateway = await start({ upstreams: server.address })
  gateway.app.log.level = 'silent'
  await (await fetch(`${gateway.url}/from/x`, { method: 'POST', body: 'äbc' })).text()
  assert.equal(server.requests[0]?.body.toString(), 'äbc')
  assert.equal(server.requests[0]?.param('CONTENT_LENGTH'), '4')
  assert.equal(server.requests[0]?.param('CONTENT_TYPE'), 'text/plain')
  await using client = await RawClient.connect({ port: gateway.port })
  const reply = await client.request('GET /from/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc')
  assert.equal(reply.statusCode, 200)
  assert.equal(server.requests[1]?.param('CONTENT_LENGTH'), '0')

  await using without = await start({ upstreams: server.address, passRequestBody: false })
  await (await fetch(`${without.url}/from/x`, { method: 'POST', body: 'abc' })).text()
  assert.equal(server.requests[2]?.param('CONTENT_LENGTH'), '0')
})

test('a stream as body is collected', async () => {
  await using server = await startRecorder()
  await using gateway = await startGateway(async app => {
    app.addContentTypeParser('application/x', (_request, payload, done) => done(null, payload))
    await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address })
    app.post('/from', (_request, reply) => reply.from('/there'))
  })
  await using client = await RawClient.connect({ port: gateway.port })
  const reply = await client.request('POST /from HTTP/1.1\r\nHost: x\r\nContent-Type: application/x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\0\xff\r\n0\r\n\r\n')
  assert.equal(reply.statusCode, 200)
  assert.deepEqual([...server.requests[0]?.body ?? []], [0x61, 0, 0xff])
  // The connection is in order: it serves the next request.
  assert.equal((await client.request('POST /from HTTP/1.1\r\nHost: x\r\nContent-Type: application/x\r\nContent-Length: 2\r\n\r\nab')).statusCode, 200)
})

test('a 503 is sent once and given once; nextUpstream alone repeats', async () => {
  await using server = await startRecorder({ answer: 'Status: 503 Busy\r\nContent-Type: text/plain\r\nRetry-After: 1\r\n\r\nbusy' })
  await using gateway = await start({ upstreams: server.address })
  const reply = await fetch(`${gateway.url}/from/x`)
  assert.equal(reply.status, 503)
  assert.equal(reply.statusText, 'Busy')
  assert.equal(await reply.text(), 'busy')
  assert.equal(server.requests.length, 1)
  await using second = await startRecorder()
  await using group = await start({ upstreams: [server.address, second.address], nextUpstream: ['http_503'] })
  assert.equal(await (await fetch(`${group.url}/from/x`)).text(), 'ok')
  assert.equal(server.requests.length, 2)
})

test('failures are answered as by the gateway', async () => {
  const refused = await refusedAddress()
  await using server = await startRecorder({ answer: () => {} })
  const rows: [FastifyScgiOptions, number, string][] = [
    [{ upstreams: refused }, 502, 'FST_SCGI_CONNECT'],
    [{ upstreams: server.address, readTimeout: 50 }, 504, 'FST_SCGI_READ_TIMEOUT'],
    [{ upstreams: [{ address: refused, down: true }] }, 502, 'FST_SCGI_NO_LIVE_UPSTREAMS'],
    [{ upstreams: server.address, maxParamsSize: 100 }, 431, 'FST_SCGI_PARAMS_TOO_LARGE'],
  ]
  for (const [options, status, code] of rows) {
    await using gateway = await start(options)
    for (const path of ['/from/x', '/scgi/x']) {
      const reply = await fetch(gateway.url + path)
      assert.equal(reply.status, status)
      const body: unknown = await reply.json()
      assert.ok(typeof body === 'object' && body !== null && 'code' in body)
      assert.equal(body.code, code)
    }
  }
  const seen: string[] = []
  await using own = await start({
    upstreams: refused,
    onError: (reply, { error }) => {
      seen.push(error.message)
      reply.code(599).send('mine')
    },
  })
  assert.equal((await fetch(`${own.url}/from/x`)).status, 599)
  assert.match(seen[0] ?? '', /^connect\(\) to/)
})

test('what is given to reply.from() goes before', async () => {
  const refused = await refusedAddress()
  await using failing = await start({ upstreams: refused }, { onError: (reply, { error }) => reply.code(555).send(error.name) })
  assert.equal((await fetch(`${failing.url}/from/x`)).status, 555)

  await using server = await startRecorder({ answer: 'X-Mine: 1\r\nX-Accel-Redirect: /y\r\nContent-Type: text/plain\r\n\r\nok' })
  const options: FastifyScgiOptions = {
    upstreams: server.address,
    rewriteRequestHeaders: () => assert.fail('not asked'),
    rewriteHeaders: () => assert.fail('not asked'),
  }
  await using gateway = await start(options, {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, host: 'Given.Test' }),
    rewriteHeaders: headers => ({ ...headers, 'x-more': '2' }),
    queryString: { q: 1 },
    method: 'PUT',
    body: { given: true },
  })
  const reply = await fetch(`${gateway.url}/from/x?y`)
  assert.equal(server.requests[0]?.param('HTTP_HOST'), 'given.test')
  assert.equal(server.requests[0]?.param('REQUEST_URI'), '/there?q=1')
  assert.equal(server.requests[0]?.param('REQUEST_METHOD'), 'PUT')
  assert.equal(server.requests[0]?.body.toString(), '{"given":true}')
  assert.equal(reply.headers.get('x-mine'), '1')
  assert.equal(reply.headers.get('x-more'), '2')
  assert.equal(reply.headers.get('x-accel-redirect'), null)

  server.clear()
  server.answer = exchange => exchange.index === 0 ? exchange.reset() : exchange.end('X: 1\r\n\r\nagain')
  await using retrying = await start({ upstreams: server.address }, { retryDelay: ({ attempt }) => attempt === 0 ? 1 : null })
  assert.equal(await (await fetch(`${retrying.url}/from/x`)).text(), 'again')
})

test('onResponse of the registration is called as on a mount, unless one is given; one that fails lets the application go', async () => {
  // It does not end by itself.
  await using server = await startRecorder({
    answer: exchange => exchange.write('Status: 404 Not Here\r\nX-Mine: 1\r\nX-Accel-Charset: y\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Type: text/plain\r\n\r\nbegun'),
  })
  const seen: unknown[] = []
  const options: FastifyScgiOptions = {
    upstreams: server.address,
    rewriteHeaders: headers => ({ ...headers, 'x-more': '2' }),
    onResponse: (request, reply, { statusCode, headers, body }) => {
      seen.push([request.method, statusCode, { ...headers }])
      body.once('data', chunk => {
        body.destroy()
        reply.code(410).send(`was ${String(chunk)}`)
      })
    },
  }
  await using gateway = await start(options)
  for (const path of ['/from/x', '/scgi/x']) {
    const reply = await fetch(gateway.url + path)
    assert.deepEqual([reply.status, reply.statusText, await reply.text()], [410, 'Gone', 'was begun'], path)
    await server.idle()
  }
  assert.equal(seen.length, 2)
  assert.deepEqual(seen[0], ['GET', 404, { 'x-mine': '1', 'content-type': 'text/plain', 'x-more': '2' }])
  assert.deepEqual(seen[0], seen[1])

  await using own = await start(options, {
    onResponse: (_request, reply, response) => {
      response.stream.destroy()
      reply.send('own')
    },
  })
  assert.equal(await (await fetch(`${own.url}/from/x`)).text(), 'own')
  assert.equal(seen.length, 2)

  await using failing = await start({ ...options, ignoreClientAbort: true, onResponse: () => { throw new Error('no') } })
  assert.equal((await fetch(`${failing.url}/from/x`)).status, 500)
  await server.idle()
})

test('request.scgi and the log tell of it', async () => {
  await using server = await startRecorder({ answer: 'Status: 200 OK\r\nX-Accel-Charset: x\r\nContent-Type: text/plain\r\n\r\nabc' })
  const refused = await refusedAddress()
  const seen: (string | undefined)[] = []
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: [refused, server.address] })
    app.addHook('onResponse', async ({ scgi }) => {
      seen.push(scgi?.upstreamAddr, scgi?.upstreamStatus, scgi?.upstreamResponseLength, scgi?.header('x-accel-charset'))
    })
    app.get('/from', (_request, reply) => reply.from('/there'))
  })
  const reply = await fetch(`${gateway.url}/from`)
  assert.equal(reply.headers.get('x-accel-charset'), null)
  await reply.text()
  await gateway.close()
  assert.deepEqual(seen, [`${refused}, ${server.address}`, '502, 200', '0, 3', 'x'])
  assert.equal(gateway.log.filter(({ msg }) => msg.startsWith('upstream ') && msg.includes(refused) && msg.endsWith(' 502')).length, 1)
  assert.equal(gateway.log.filter(({ msg }) => msg === `upstream ${server.address} 200`).length, 1)
})

test('a client that leaves ends the request, unless ignoreClientAbort', async () => {
  for (const ignoreClientAbort of [false, true]) {
    await using server = await startRecorder({ answer: () => {} })
    await using gateway = await start({ upstreams: server.address, ignoreClientAbort })
    const client = await RawClient.connect({ port: gateway.port })
    await client.write('GET /from/x HTTP/1.1\r\nHost: x\r\n\r\n')
    await server.received(1)
    client.destroy()
    if (!ignoreClientAbort) {
      await server.idle()
    } else {
      await client.closed
      for (let turns = 0; turns < 50; turns++) await new Promise(resolve => setImmediate(resolve))
      assert.equal(server.open, 1)
    }
  }
})

test('every form of upstreams: a group shared, a name, a function that looks at the request', async () => {
  await using first = await startRecorder({ answer: 'X: 1\r\n\r\nfirst' })
  await using second = await startRecorder({ answer: 'X: 1\r\n\r\nsecond' })
  const group = createUpstreams({ name: 'shared', servers: [first.address] })
  await using shared = await start({ upstreams: group })
  assert.equal(await (await fetch(`${shared.url}/from/x`)).text(), 'first')
  await using later = await startGateway(async app => {
    await app.register(scgi, { prefix: '/a', replyFrom: true, upstreams: 'balancer://shared' })
    await app.register(scgi, { prefix: '/b', upstreams: group })
    app.get('/from', (_request, reply) => reply.from('/there'))
  })
  assert.equal(await (await fetch(`${later.url}/from`)).text(), 'first')
  await using chosen = await start({
    upstreams: async request => request.headers['x-second'] === undefined ? first.address : second.address, allowAnyUpstream: true,
  })
  assert.equal(await (await fetch(`${chosen.url}/from/x`)).text(), 'first')
  assert.equal(await (await fetch(`${chosen.url}/from/x`, { headers: { 'x-second': '1' } })).text(), 'second')
})

test('bind, fixed and by request', async () => {
  const seen: (string | undefined)[] = []
  await using server = await startRecorder()
  server.answer = async exchange => {
    seen.push(exchange.socket.remoteAddress)
    await exchange.end('X: 1\r\n\r\n')
  }
  await using gateway = await start({ upstreams: server.address, bind: request => request.headers['x-bind'] === undefined ? false : '127.0.0.8' })
  await fetch(`${gateway.url}/from/x`)
  await fetch(`${gateway.url}/from/x`, { headers: { 'x-bind': '1' } })
  assert.deepEqual(seen, ['127.0.0.1', '127.0.0.8'])
})

test('it is registered once on an instance, and not where it was not asked for', async () => {
  await using server = await startRecorder()
  await assert.rejects(startGateway(async app => {
    await app.register(scgi, { prefix: '/a', replyFrom: true, upstreams: server.address })
    await app.register(scgi, { prefix: '/b', replyFrom: true, upstreams: server.address })
  }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  await using gateway = await startGateway(async app => {
    await app.register(scgi, { prefix: '/a', upstreams: server.address })
    assert.equal(app.hasReplyDecorator('from'), false)
    await app.register(async scope => {
      await scope.register(scgi, { prefix: '/b', replyFrom: true, upstreams: server.address })
      assert.equal(scope.hasReplyDecorator('from'), true)
      assert.equal(scope.hasPlugin('@fastify/reply-from'), true)
    })
    assert.equal(app.hasReplyDecorator('from'), false)
  })
  assert.equal((await fetch(`${gateway.url}/a/`)).status, 200)
})
