// What replaces a body or a status takes away what described the old one; what others have said stays.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { onlyOwn } from '../../lib/http/route-hooks.ts'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { get } from './kit.ts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { FastifyScgiOptions } from '../../types/index.ts'

const ANSWER = [
  'Status: 200 Fine', 'Content-Type: text/html', 'Content-Length: 3', 'ETag: "old"', 'Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT',
  'Content-Encoding: br', 'Accept-Ranges: bytes', 'Content-MD5: x', 'Digest: y', 'Content-Digest: z', 'X-Kept: 1', '', 'old',
].join('\r\n')
const STALE = ['etag', 'last-modified', 'content-encoding', 'accept-ranges', 'content-md5', 'digest', 'content-digest']
const NEW = 'something new'

/** What is sent instead, and what arrives. */
const BODIES: Record<string, [() => unknown, string]> = {
  string: [() => NEW, NEW],
  Buffer: [() => Buffer.from(NEW), NEW],
  stream: [() => Readable.from([Buffer.from(NEW)]), NEW],
  'web stream': [() => new Blob([NEW]).stream(), NEW],
  Response: [() => new Response(NEW, { status: 203 }), NEW],
  object: [() => ({ new: true }), '{"new":true}'],
}

test('onResponse and onSend that send another body', async () => {
  await using recorder = await startRecorder({ answer: ANSWER })
  await using gateway = await startGateway(async app => {
    for (const [name, [make]] of Object.entries(BODIES)) {
      const prefix = `/${name.replace(' ', '-')}`
      const options: FastifyScgiOptions = {
        upstreams: recorder.address,
        onResponse: (_request, reply, { body }) => {
          body.resume()
          reply.send(make())
        },
      }
      app.register(scgi, { ...options, prefix: `/response${prefix}` })
      app.register(async scope => {
        await scope.register(scgi, { ...options, prefix: `/from-door${prefix}`, replyFrom: true })
        scope.get(`/from${prefix}/`, (_request, reply) => { reply.from('/x') })
        scope.get(`/from-own${prefix}/`, (_request, reply) => {
          reply.from('/x', { onResponse: (_asked, _reply, { stream }) => { stream.resume(); reply.send(make()) } })
        })
      })
      if (name === 'object' || name === 'Response') continue
      const replace = (scope: FastifyInstance): void => { scope.addHook('onSend', async () => make()) }
      app.register(async scope => {
        replace(scope)
        scope.register(scgi, { prefix: `/before${prefix}`, upstreams: recorder.address })
      })
      app.register(async scope => {
        scope.register(scgi, { prefix: `/after${prefix}`, upstreams: recorder.address })
        replace(scope)
      })
    }
  })
  for (const way of ['response', 'from', 'from-own', 'before', 'after']) {
    for (const [name, [, text]] of Object.entries(BODIES)) {
      if ((way === 'before' || way === 'after') && (name === 'object' || name === 'Response')) continue
      const path = `/${way}/${name.replace(' ', '-')}/`
      const reply = await rawRequest(gateway, get(path))
      assert.equal(reply.body.toString(), text, path)
      for (const header of STALE) assert.equal(headerValue(reply, header), undefined, `${path} ${header}`)
      assert.equal(headerValue(reply, 'x-kept'), '1', path)
      const length = headerValue(reply, 'content-length')
      assert.ok(length === undefined || Number(length) === text.length, path)
      assert.equal(reply.statusCode, name === 'Response' ? 203 : 200, path)
      assert.equal(reply.reason, name === 'Response' ? 'Non-Authoritative Information' : 'Fine', path)
    }
  }
})

test('the same body with another status loses the reason phrase alone; what a hook says anew stays', async () => {
  await using recorder = await startRecorder({ answer: ANSWER.replace('Content-Encoding: br\r\n', '') })
  await using gateway = await startGateway(async app => {
    app.register(scgi, { prefix: '/status', upstreams: recorder.address, onResponse: (_request, reply, { body }) => { reply.code(404).send(body) } })
    app.register(async scope => {
      scope.register(scgi, { prefix: '/sent', upstreams: recorder.address })
      scope.addHook('onSend', async (_request, reply) => { reply.code(503) })
    })
    app.register(async scope => {
      scope.register(scgi, { prefix: '/gzip', upstreams: recorder.address })
      scope.addHook('onSend', async (_request, reply: FastifyReply, payload) => {
        reply.header('content-encoding', 'gzip')
        return Buffer.isBuffer(payload) ? gzipSync(payload) : payload
      })
    })
    app.register(scgi, { prefix: '/own', upstreams: recorder.address, onResponse: (_request, reply, { body }) => { body.resume(); reply.header('etag', '"new"').send('new') } })
  })
  for (const [path, status, reason, etag] of [
    ['/status/', 404, 'Not Found', '"old"'], ['/sent/', 503, 'Service Unavailable', '"old"'], ['/gzip/', 200, 'Fine', 'W/"old"'], ['/own/', 200, 'Fine', '"new"'],
  ] as const) {
    const reply = await rawRequest(gateway, get(path))
    assert.deepEqual([reply.statusCode, reply.reason, headerValue(reply, 'etag')], [status, reason, etag], path)
  }
})

test('an error in the place of a reply has nothing of its head', async () => {
  await using recorder = await startRecorder({ answer: ANSWER })
  await using gateway = await startGateway(async app => {
    app.register(scgi, { upstreams: recorder.address })
    app.addHook('onSend', async (request, _reply, payload) => {
      if (request.headers['x-fail'] !== undefined && Buffer.isBuffer(payload)) throw new Error('no')
    })
  })
  const reply = await rawRequest(gateway, get('/', 'X-Fail: 1'))
  assert.deepEqual([reply.statusCode, reply.reason], [500, 'Internal Server Error'])
  for (const header of STALE) assert.equal(headerValue(reply, header), undefined, header)
})

test('lists and cookies of hooks are joined with the application\'s, with preserveHeaderCase too, and the case lives to the wire', async () => {
  const answer = [
    'Content-Type: text/plain', 'VARY: Accept, origin', 'Link: <a,b>', 'Access-Control-Expose-Headers: X-App', 'Set-Cookie: app=1', 'X-MiXed: 1', 'Cache-Control: max-age=60', '', 'ok',
  ].join('\r\n')
  await using recorder = await startRecorder({ answer })
  for (const preserveHeaderCase of [false, true]) {
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', async (_request, reply) => {
        reply.header('vary', 'Origin').header('link', '<c>').header('access-control-expose-headers', 'X-Hook').header('set-cookie', 'hook=1')
        reply.raw.setHeader('Set-Cookie', 'raw=1')
        reply.raw.setHeader('X-Raw', '1')
      })
      app.addHook('onSend', async (_request, reply) => { reply.header('set-cookie', 'late=1') })
      app.register(scgi, { upstreams: recorder.address, preserveHeaderCase, cache: { zone: createCache({ name: `case-${preserveHeaderCase}` }) } })
    })
    const reply = await rawRequest(gateway, get('/'))
    assert.deepEqual(['vary', 'link', 'access-control-expose-headers', 'x-raw'].map(name => headerValue(reply, name)),
      ['Origin, Accept', '<c>, <a,b>', 'X-Hook, X-App', '1'])
    assert.deepEqual(headerValues(reply, 'set-cookie').sort(), ['app=1', 'hook=1', 'late=1', 'raw=1'])
    const names = reply.headers.map(([name]) => name)
    assert.equal(names.includes('X-MiXed'), preserveHeaderCase)
    assert.equal(names.includes('VARY'), preserveHeaderCase)
    assert.equal(new Set(names.map(name => name.toLowerCase())).size, names.length - 3)
  }
})

test('only a reply that somebody else may still replace is noted', async () => {
  await using recorder = await startRecorder({ answer: ANSWER })
  const ours: boolean[] = []
  for (const others of [false, true]) {
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', async request => { ours.push(onlyOwn(request)) })
      if (others) app.addHook('onSend', async () => {})
      app.register(scgi, { upstreams: recorder.address })
    })
    for (let i = 0; i < 2; i++) assert.equal((await rawRequest(gateway, get('/'))).body.toString(), 'old')
  }
  assert.deepEqual(ours, [true, true, false, false])
})
