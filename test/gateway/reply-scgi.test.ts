// reply.scgi() in routes of one's own.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { bytes, get, only, pick } from './kit.ts'
import type { ReplyScgiOptions } from '../../types/index.ts'
import type { RawResponse } from '../helpers/http-response.ts'

function code (response: RawResponse): unknown {
  return JSON.parse(response.body.toString()).code
}

test('in any route: regular expression, constraints, wildcard, async or not', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.register(async scope => {
      const options: ReplyScgiOptions = { upstreams: recorder.address, params: { ID: request => JSON.stringify(request.params) } }
      scope.get('/re/:id(^\\d+)', (_request, reply) => { reply.scgi(options) })
      scope.get('/host', { constraints: { host: 'a.test' } }, (_request, reply) => reply.scgi(options))
      scope.all('/wild/*', async (_request, reply) => reply.scgi(options))
      scope.get('/rewritten/:name/*', async (_request, reply) => reply.scgi({ ...options, rewritePrefix: '/new' }))
    })
  })
  for (const [target, script, info, id] of [
    ['/re/12', '/re/12', '', '{"id":"12"}'],
    ['/host', '/host', '', '{}'],
    ['/wild/a/%62?c', '/wild', '/a/b', '{"*":"a/b"}'],
    ['/rewritten/x/a', '/rewritten/x', '/new/a', '{"name":"x","*":"a"}'],
  ] as const) {
    const { statusCode } = await rawRequest(gateway, bytes([`GET ${target} HTTP/1.1`, 'Host: a.test']))
    assert.equal(statusCode, 200, target)
    assert.deepEqual(pick(only(recorder), 'REQUEST_URI', 'SCRIPT_NAME', 'PATH_INFO', 'ID'), [target, script, info, id])
  }
  assert.equal((await rawRequest(gateway, get('/re/x'))).statusCode, 404)
  assert.equal((await rawRequest(gateway, get('/host'))).statusCode, 404)
})

test("bodies: parsed ones are refused, text and bytes are sent, the option 'body' goes before", async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.register(async scope => {
      scope.addContentTypeParser('x/bytes', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
      scope.addContentTypeParser('x/stream', (_request, payload, done) => done(null, payload))
      const upstreams = recorder.address
      const own: ReplyScgiOptions = { upstreams }
      scope.all('/own', (_request, reply) => reply.scgi(own))
      scope.post('/string', async (_request, reply) => reply.scgi({ upstreams, body: 'grüße' }))
      scope.post('/buffer', async (_request, reply) => reply.scgi({ upstreams, body: Buffer.from([0, 255]) }))
      scope.post('/stream', async (_request, reply) => reply.scgi({ upstreams, body: Readable.from([Buffer.from('a'), Buffer.from('b')]) }))
      scope.get('/get', async (_request, reply) => reply.scgi({ upstreams, body: 'for a GET' }))
      scope.post('/limit', { bodyLimit: 10 }, async (_request, reply) => reply.scgi({ upstreams, body: 'longer than ten' }))
    })
  })
  const post = (path: string, type: string, body: string): Promise<RawResponse> =>
    rawRequest(gateway, bytes([`POST ${path} HTTP/1.1`, 'Host: x', `Content-Type: ${type}`, `Content-Length: ${body.length}`], body))
  const refused = await post('/own', 'application/json', '{"a":1}')
  assert.deepEqual([refused.statusCode, code(refused)], [500, 'FST_SCGI_BODY_CONSUMED'])
  assert.equal(recorder.accepted, 0)
  for (const [path, type, body, sent] of [
    ['/own', 'text/plain', 'text', 'text'],
    ['/own', 'x/bytes', '\0\xff', '\0\xff'],
    ['/own', 'x/stream', 'streamed', 'streamed'],
    ['/string', 'application/json', '{"a":1}', 'gr\xc3\xbc\xc3\x9fe'],
    ['/buffer', 'application/json', '{}', '\0\xff'],
    ['/stream', 'application/json', '{}', 'ab'],
  ] as const) {
    assert.equal((await post(path, type, body)).statusCode, 200, path)
    const request = only(recorder)
    assert.equal(request.body.toString('latin1'), sent, path)
    assert.equal(request.contentLength, sent.length)
  }
  assert.equal((await rawRequest(gateway, get('/get'))).statusCode, 200)
  assert.equal(only(recorder).body.toString(), 'for a GET')
  assert.equal((await rawRequest(gateway, bytes(['GET /own HTTP/1.1', 'Host: x', 'Content-Length: 2'], 'ab'))).statusCode, 200)
  assert.equal(only(recorder).body.toString(), 'ab')
  assert.equal((await post('/limit', 'text/plain', 'a')).statusCode, 413)
})

test('wrong options are told at the first request, by the error handler, and at each', async () => {
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: '127.0.0.1:1' })
    app.register(async scope => {
      const wrong: [string, object][] = [
        ['/time', { upstreams: '127.0.0.1:1', readTimeout: 'x' }], ['/unknown', { upstreams: '127.0.0.1:1', prefix: '/x' }], ['/none', {}],
        ['/group', { upstreams: 'balancer://nobody' }], ['/rewrite', { upstreams: '127.0.0.1:1', rewritePrefix: 'x' }], ['/body', { upstreams: '127.0.0.1:1', body: 5 }],
      ]
      for (const [path, options] of wrong) scope.get(path, (_request, reply) => { Reflect.apply(reply.scgi, reply, [options]) })
    })
  })
  for (const path of ['/time', '/unknown', '/none', '/group', '/rewrite', '/body']) {
    for (let i = 0; i < 2; i++) {
      const response = await rawRequest(gateway, get(path))
      assert.equal(response.statusCode, 500)
      assert.match(String(code(response)), /^FST_SCGI_OPT_/, path)
    }
  }
})

test('options made for each request share their servers: the failures are remembered, and nothing piles up', async () => {
  await using recorder = await startRecorder()
  const refused = await refusedAddress()
  const attempts: number[] = []
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.register(async scope => {
      scope.addHook('onResponse', (request, _reply, done) => {
        attempts.push(request.scgi?.attempts.length ?? 0)
        done()
      })
      scope.get('/list', (_request, reply) => reply.scgi({ upstreams: [refused, recorder.address] }))
      scope.get('/named', (_request, reply) => reply.scgi({ upstreams: { name: 'mine', servers: [refused, recorder.address] } }))
    })
  })
  for (const path of ['/list', '/list', '/list', '/named', '/named']) assert.equal((await rawRequest(gateway, get(path, 'Connection: close'))).statusCode, 200, path)
  assert.deepEqual(attempts, [2, 1, 1, 2, 1])
  assert.equal(gateway.app.scgi.groups.get('mine')?.servers.length, 2)
})

test('what it finds in the route stays out of it: two gateways with different options in one route', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/mount', upstreams: recorder.address })
    app.register(async scope => {
      const one: ReplyScgiOptions = { upstreams: recorder.address, params: { N: '1' } }
      const two: ReplyScgiOptions = { upstreams: recorder.address, params: { N: '2' } }
      scope.get('/', (request, reply) => reply.scgi(request.url === '/?2' ? two : one))
    })
  })
  for (const n of ['1', '2', '1']) {
    await rawRequest(gateway, get(`/?${n}`))
    assert.equal(only(recorder).param('N'), n)
  }
})
