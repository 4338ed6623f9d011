// The headers of X-Accel and X-Sendfile without the gateway: a handler of one's own, and what came through @fastify/http-proxy.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import etag from '@fastify/etag'
import httpProxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import accel from '../../lib/accel/index.ts'
import scgi from '../../lib/index.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'

function start (setup: (app: FastifyInstance) => void): FastifyInstance & AsyncDisposable {
  const app = Fastify()
  setup(app)
  return Object.assign(app, { [Symbol.asyncDispose]: async () => { await app.close() } })
}

test('a handler: X-Accel-Redirect to a route, a location, nowhere', async () => {
  await using app = start(app => {
    app.register(accel, {
      trust: () => true,
      redirectTo: ['/files/', '@here'],
      locations: { '@here': async request => `here ${request.method} ${request.url}` },
    })
    app.get('/files/:name', { config: { scgi: { internal: true } } }, async request => request.url)
    app.get('/secret', async () => 'secret')
    app.route({ method: ['GET', 'POST'], url: '/x', handler: (request, reply) => { reply.code(201).header('x-accel-redirect', request.headers['x-to']).header('x-gone', '1').send() } })
  })
  const ask = async (to: string, method: 'GET' | 'POST' = 'GET'): Promise<[number, string, unknown]> => {
    const response = await app.inject({ method, url: '/x', headers: { 'x-to': to } })
    return [response.statusCode, response.body, response.headers['x-gone'] ?? response.headers['x-accel-redirect']]
  }
  assert.deepEqual(await ask('/files/a?b'), [200, '/files/a?b', undefined])
  assert.deepEqual(await ask('@here', 'POST'), [200, 'here POST /x', undefined])
  for (const target of ['/secret', '/files/../secret', '@other', '/filesystem', '']) assert.equal((await ask(target))[0], 404, target)
  assert.equal((await app.inject('/files/a')).statusCode, 404)
})

test('X-Sendfile with ranges and conditions, X-Accel-Limit-Rate, X-Accel-Charset', async () => {
  await using dir = await tempDir()
  await writeFile(dir.file('a.txt'), '0123456789')
  await using app = start(app => {
    app.register(accel, { trust: () => true, root: dir.path })
    app.get('/file', (_request, reply) => { reply.header('X-Sendfile', 'a.txt').send() })
    app.get('/out', (_request, reply) => { reply.header('X-Sendfile', '/etc/passwd').send() })
    app.get('/slow', (_request, reply) => { reply.header('x-accel-limit-rate', '20000').header('x-accel-charset', 'koi8-r').type('text/html').send(Buffer.alloc(8000, 'x')) })
    app.get('/redirect', (_request, reply) => { reply.header('x-accel-redirect', '/file').send('not obeyed') })
  })
  const whole = await app.inject('/file')
  assert.deepEqual([whole.body, whole.headers['content-type'], whole.headers['content-length'], whole.headers['x-sendfile']], ['0123456789', 'text/plain', '10', undefined])
  assert.deepEqual((await app.inject({ url: '/file', headers: { range: 'bytes=-3' } })).body, '789')
  assert.equal((await app.inject({ url: '/file', headers: { 'if-none-match': String(whole.headers.etag) } })).statusCode, 304)
  assert.equal((await app.inject('/out')).statusCode, 403)
  const begun = performance.now()
  const slow = await app.inject('/slow')
  assert.deepEqual([slow.body.length, slow.headers['content-length'], slow.headers['content-type'], slow.headers['x-accel-limit-rate']], [8000, '8000', 'text/html; charset=koi8-r', undefined])
  assert.ok(performance.now() - begun > 250)
  const kept = await app.inject('/redirect')
  assert.deepEqual([kept.body, kept.headers['x-accel-redirect']], ['not obeyed', '/file'])
})

test('a reply that came through @fastify/http-proxy; who is not trusted is not obeyed', async () => {
  const origin = createServer((request, response) => {
    response.writeHead(200, { 'X-Accel-Redirect': '/inside', 'Content-Type': 'text/x-first', 'Content-Length': 6, Vary: 'x' }).end('origin')
  })
  await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve))
  const address = origin.address()
  const upstream = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  try {
    await using app = start(app => {
      app.register(accel, { trust: request => request.url.startsWith('/good'), redirectTo: ['/inside'] })
      app.register(httpProxy, { upstream, prefix: '/good' })
      app.register(httpProxy, { upstream, prefix: '/bad' })
      app.get('/inside', { config: { scgi: { internal: true } } }, async () => 'inside')
    })
    const good = await app.inject('/good/x')
    assert.deepEqual([good.body, good.headers['content-type'], good.headers.vary], ['inside', 'text/x-first', undefined])
    const bad = await app.inject('/bad/x')
    assert.deepEqual([bad.body, bad.headers['x-accel-redirect']], ['origin', '/inside'])
  } finally {
    origin.close()
  }
})

test('a body that Fastify has parsed as text goes on to an application', async () => {
  await using recorder = await startRecorder()
  await using app = start(app => {
    app.register(accel, { trust: () => true, redirectTo: ['/app'] })
    app.register(scgi, { prefix: '/app', upstreams: recorder.address })
    app.post('/x', (_request, reply) => { reply.header('x-accel-redirect', '/app/y').send() })
  })
  assert.equal((await app.inject({ method: 'POST', url: '/x', headers: { 'content-type': 'text/plain' }, body: 'body' })).body, 'ok')
  const [request] = await recorder.received(1)
  assert.deepEqual([request?.body.toString(), request?.param('CONTENT_TYPE'), request?.param('REQUEST_METHOD')], ['body', 'text/plain', 'GET'])
})

for (const order of ['before', 'after'] as const) {
  test(`with @fastify/etag, @fastify/compress and an onSend of the user's, registered ${order}`, async () => {
    await using dir = await tempDir()
    await writeFile(dir.file('a.txt'), 'compressible '.repeat(1000))
    await using recorder = await startRecorder({ answer: 'X-Accel-Redirect: /files/a.txt\r\n\r\n' })
    const seen: string[] = []
    await using app = start(app => {
      const others = (): void => {
        app.register(etag)
        app.register(compress, { threshold: 0, encodings: ['gzip'] })
        app.addHook('onSend', async (request, reply, payload) => { seen.push(`${request.scgi?.hop ?? '-'} ${reply.statusCode}`); return payload })
      }
      if (order === 'before') others()
      app.register(scgi, { prefix: '/app', upstreams: recorder.address, internal: { '/files/': dir.path } })
      app.register(accel, { trust: () => true, root: dir.path })
      if (order === 'after') others()
      app.get('/plain', (_request, reply) => { reply.header('x-sendfile', 'a.txt').send() })
    })
    for (const url of ['/app/x', '/plain']) {
      const packed = await app.inject({ url, headers: { 'accept-encoding': 'gzip' } })
      assert.equal(packed.statusCode, 200, url)
      // A hook that came before ours has seen an empty reply; one that came after sees the file.
      const body = packed.headers['content-encoding'] === 'gzip' ? gunzipSync(packed.rawPayload).toString() : packed.body
      assert.equal(body, 'compressible '.repeat(1000))
      const part = await app.inject({ url, headers: { range: 'bytes=2-5' } })
      assert.deepEqual([part.statusCode, part.body], [206, 'mpre'])
    }
    assert.ok(seen.length > 0)
  })
}

test('wrong options', async () => {
  for (const [options, message] of [
    [{}, /'trust'/], [{ trust: () => true, redirectTo: ['x'] }, /'redirectTo'/], [{ trust: () => true, redirectTo: [] }, /'redirectTo'/],
    [{ trust: () => true, root: 5 }, /'root'/], [{ trust: () => true, rot: '/x' }, /no option 'rot'/], [{ trust: () => true, sendfileHeader: 'a b' }, /'sendfileHeader'/],
    [{ trust: () => true, locations: { x: () => 1 } }, /'location'/],
  ] as const) {
    const app = Fastify()
    await assert.rejects(async () => { await Reflect.apply(app.register, app, [accel, options]) }, message)
    await app.close()
  }
})
