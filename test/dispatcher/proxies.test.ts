import assert from 'node:assert/strict'
import { test } from 'node:test'
import httpProxy from '@fastify/http-proxy'
import replyFrom from '@fastify/reply-from'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'

test('@fastify/reply-from', async () => {
  await using server = await startRecorder({ answer: 'Status: 201 Made it\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\nreply' })
  await using gateway = await startGateway(async app => {
    await app.register(replyFrom, { base: 'http://app.test/', undici: new ScgiDispatcher(server.address), destroyAgent: true })
    app.route({ method: ['GET', 'HEAD', 'POST'], url: '/x', handler: (_request, reply) => reply.from('/there') })
  })
  const got = await fetch(`${gateway.url}/x?y=1`)
  assert.equal(got.status, 201)
  assert.deepEqual(got.headers.getSetCookie(), ['a=1', 'b=2'])
  assert.equal(await got.text(), 'reply')
  assert.equal(server.requests[0]?.param('REQUEST_URI'), '/there?y=1')
  assert.equal(server.requests[0]?.param('HTTP_HOST'), 'app.test')
  await (await fetch(`${gateway.url}/x`, { method: 'POST', body: '{"a": 1}', headers: { 'content-type': 'application/json' } })).text()
  assert.equal(server.requests[1]?.body.toString(), '{"a":1}')
  server.answer = 'Content-Length: 5\r\n\r\n'
  const head = await fetch(`${gateway.url}/x`, { method: 'HEAD' })
  assert.equal(head.headers.get('content-length'), '5')
})

test('@fastify/http-proxy', async () => {
  await using server = await startRecorder()
  server.answer = async exchange => {
    await exchange.body()
    await exchange.end('Content-Type: text/plain\r\n\r\nproxied')
  }
  await using gateway = await startGateway(async app => {
    await app.register(httpProxy, { upstream: 'http://app.test/', prefix: '/app', rewritePrefix: '/in', undici: new ScgiDispatcher(server.address) })
  })
  const got = await fetch(`${gateway.url}/app/x?y`)
  assert.equal(await got.text(), 'proxied')
  assert.equal(server.requests[0]?.param('REQUEST_URI'), '/in/x?y')
  // A chunked upload has no length until it is over.
  await using client = await RawClient.connect({ port: gateway.port })
  const reply = await client.request('PUT /app/up HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
  assert.equal(reply.statusCode, 200)
  assert.equal(server.requests[1]?.param('CONTENT_LENGTH'), '5')
  assert.equal(server.requests[1]?.body.toString(), 'abcde')
})

test('@fastify/http-proxy with nobody there', async () => {
  const address = await refusedAddress()
  await using gateway = await startGateway(async app => {
    await app.register(httpProxy, { upstream: 'http://app.test/', undici: new ScgiDispatcher(address) })
  })
  const got = await fetch(`${gateway.url}/x`)
  assert.equal(got.status, 500)
  assert.match(await got.text(), /ECONNREFUSED, nobody listens there/)
})
