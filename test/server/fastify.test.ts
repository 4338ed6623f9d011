import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import net from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import fastifyStatic from '@fastify/static'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { scgiServerFactory } from '../../lib/server/index.ts'
import type { ScgiServerOptions } from '../../lib/server/index.ts'
import { tempDir } from '../helpers/temp.ts'
import { Client, encode, header, request } from './scgi-client.ts'
import type { Gate } from './scgi-client.ts'

const MB = 2 ** 20

async function start (app: FastifyInstance): Promise<Gate & AsyncDisposable> {
  const dir = await tempDir()
  const path = dir.socket()
  await app.listen({ path })
  return {
    async connect () {
      const socket = net.connect(path)
      await once(socket, 'connect')
      return new Client(socket)
    },
    async [Symbol.asyncDispose] () {
      await app.close()
      await dir.remove()
    },
  }
}

function create (options: FastifyServerOptions = {}, scgi: ScgiServerOptions = {}): FastifyInstance {
  return Fastify({ ...options, serverFactory: scgiServerFactory(scgi) })
}

test('routes, parameters, JSON, errors and hooks', async () => {
  const app = create()
  const hooks: string[] = []
  app.addHook('onRequest', async (req) => { hooks.push(`onRequest ${req.url}`) })
  app.addHook('onResponse', async (_req, reply) => { hooks.push(`onResponse ${reply.statusCode}`) })
  app.get<{ Params: { id: string }, Querystring: { q: string } }>('/user/:id', async (req) => {
    return { id: req.params.id, q: req.query.q, ip: req.ip, protocol: req.protocol, host: req.host, scgi: 'scgi' in req.raw }
  })
  app.post('/json', { schema: { body: { type: 'object', required: ['a'] } } }, async (req) => req.body)
  app.get('/fail', async () => { throw new Error('broken') })
  app.get('/cookies', async (_req, reply) => {
    reply.header('set-cookie', ['a=1', 'b=2'])
    return reply.code(201).send('made')
  })
  await using host = await start(app)

  const user = await request(host, {
    REQUEST_URI: '/user/7?q=%C3%A9', HTTP_HOST: 'example.com:8443', REMOTE_ADDR: '192.0.2.9', HTTPS: 'on', SERVER_PROTOCOL: 'HTTP/2.0',
  })
  assert.equal(user.statusLine, 'Status: 200 OK')
  assert.deepEqual(user.lines, ['content-type: application/json; charset=utf-8', `content-length: ${user.body.length}`])
  assert.deepEqual(JSON.parse(user.body.toString()), {
    id: '7', q: '\u00e9', ip: '192.0.2.9', protocol: 'https', host: 'example.com:8443', scgi: true,
  })

  const json = (body: string) => request(host, { REQUEST_METHOD: 'POST', REQUEST_URI: '/json', CONTENT_TYPE: 'application/json' }, body)
  assert.equal((await json('{"a":[1,"\xc3\xa9"]}')).body.toString(), '{"a":[1,"\u00e9"]}')
  assert.equal((await json('{"b":1}')).statusLine, 'Status: 400 Bad Request')
  assert.equal((await json('{')).statusLine, 'Status: 400 Bad Request')

  assert.equal((await request(host, { REQUEST_URI: '/fail' })).statusLine, 'Status: 500 Internal Server Error')
  assert.equal((await request(host, { REQUEST_URI: '/none' })).statusLine, 'Status: 404 Not Found')
  const cookies = await request(host, { REQUEST_URI: '/cookies' })
  assert.equal(cookies.statusLine, 'Status: 201 Created')
  assert.deepEqual(cookies.lines.filter((line) => line.startsWith('set-cookie')), ['set-cookie: a=1', 'set-cookie: b=2'])
  const head = await request(host, { REQUEST_METHOD: 'HEAD', REQUEST_URI: '/user/7?q=x' })
  assert.equal(head.body.length, 0)
  assert.ok(Number(header(head, 'content-length')) > 0)

  assert.equal(hooks.length, 16)
  assert.deepEqual(hooks.slice(0, 2), ['onRequest /user/7?q=%C3%A9', 'onResponse 200'])
  const injected = await app.inject('/user/1?q=2')
  assert.equal(injected.statusCode, 200)
  assert.equal(injected.headers['connection'], 'keep-alive')
})

test('a multipart upload reaches the handler as it is', async () => {
  const app = create()
  app.addContentTypeParser('multipart/form-data', (_req, payload, done) => done(null, payload))
  app.post('/upload', async (req) => {
    const hash = createHash('sha256')
    assert.ok(req.body instanceof Readable)
    await pipeline(req.body, hash)
    return { length: req.headers['content-length'], sha: hash.digest('hex') }
  })
  await using host = await start(app)
  const file = randomBytes(3 * MB)
  const body = Buffer.concat([
    Buffer.from('--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'), file, Buffer.from('\r\n--b--\r\n'),
  ])
  const { body: answer } = await request(host, { REQUEST_METHOD: 'POST', REQUEST_URI: '/upload', CONTENT_TYPE: 'multipart/form-data; boundary=b' }, body)
  assert.deepEqual(JSON.parse(answer.toString()), { length: String(body.length), sha: createHash('sha256').update(body).digest('hex') })
})

test('100 MB in and out, without being held in memory', async () => {
  const app = create()
  app.addContentTypeParser('application/octet-stream', (_req, payload, done) => done(null, payload))
  let held = () => 0
  app.post('/echo', async (req, reply) => {
    held = () => req.raw.readableLength + reply.raw.writableLength
    return reply.type('application/octet-stream').send(req.body)
  })
  await using host = await start(app)
  await using client = await host.connect()
  client.socket.removeAllListeners('data')
  const sent = createHash('sha256')
  const received = createHash('sha256')
  let head = ''
  let count = 0
  client.socket.on('data', (chunk: Buffer) => {
    let start = 0
    if (!head.endsWith('\r\n\r\n')) {
      const end = chunk.indexOf('\r\n\r\n')
      start = end === -1 ? chunk.length : end + 4
      head += chunk.toString('latin1', 0, start)
    }
    count += chunk.length - start
    received.update(chunk.subarray(start))
  })
  client.write(encode({ CONTENT_LENGTH: String(100 * MB), REQUEST_METHOD: 'POST', REQUEST_URI: '/echo', CONTENT_TYPE: 'application/octet-stream' }))
  let highest = 0
  await client.pipe(Readable.from((function * () {
    for (let i = 0; i < 400; i++) {
      const piece = Buffer.alloc(MB / 4, i)
      sent.update(piece)
      highest = Math.max(highest, held())
      yield piece
    }
  })()))
  await client.closed
  assert.equal(head, 'Status: 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n')
  assert.equal(count, 100 * MB)
  assert.equal(received.digest('hex'), sent.digest('hex'))
  assert.ok(highest < MB, `${highest} bytes held`)
})

test('files, ranges and conditions of @fastify/static', async () => {
  await using dir = await tempDir()
  writeFileSync(dir.file('a.txt'), '0123456789')
  const app = create()
  await app.register(fastifyStatic, { root: dir.path })
  await using host = await start(app)
  const all = await request(host, { REQUEST_URI: '/a.txt' })
  assert.equal(all.statusLine, 'Status: 200 OK')
  assert.equal(all.body.toString(), '0123456789')
  const part = await request(host, { REQUEST_URI: '/a.txt', HTTP_RANGE: 'bytes=2-4' })
  assert.equal(part.statusLine, 'Status: 206 Partial Content')
  assert.equal(part.body.toString(), '234')
  const same = await request(host, { REQUEST_URI: '/a.txt', HTTP_IF_NONE_MATCH: header(all, 'etag') ?? '' })
  assert.equal(same.statusLine, 'Status: 304 Not Modified')
})

test('a stream that fails after its first piece cuts the reply; before it, the error is answered', async () => {
  const app = create()
  app.get('/late', async (_req, reply) => reply.send(Readable.from((async function * () {
    yield 'a piece'
    await new Promise(setImmediate)
    throw new Error('late')
  })())))
  app.get('/early', async (_req, reply) => reply.send(new Readable({ read () { this.destroy(new Error('early')) } })))
  await using host = await start(app)
  assert.equal((await request(host, { REQUEST_URI: '/late' })).body.toString(), 'a piece')
  assert.equal((await request(host, { REQUEST_URI: '/early' })).statusLine, 'Status: 500 Internal Server Error')
})

test('trailers are left out', async () => {
  const app = create()
  app.get('/', async (_req, reply) => {
    reply.trailer('x-sum', (_reply, _payload, done) => done(null, '1'))
    return 'body'
  })
  await using host = await start(app)
  const reply = await request(host)
  assert.deepEqual(reply.lines, ['content-type: text/plain; charset=utf-8'])
  assert.equal(reply.body.toString(), 'body')
})

test('an abort calls onRequestAbort and leaves no connection', async () => {
  const app = create()
  const aborted = new Promise<void>((resolve) => app.addHook('onRequestAbort', (_req, done) => {
    done()
    resolve()
  }))
  app.get('/', (_req, reply) => { reply.raw.write('begun') })
  await using host = await start(app)
  await using client = await host.connect()
  client.write(encode())
  await client.until((received) => received.includes('begun'))
  client.socket.destroy()
  await aborted
  assert.equal(await new Promise((resolve) => app.server.getConnections((_error, count) => resolve(count))), 0)
})

test('what is no SCGI is refused, and Fastify is told', async () => {
  let told = ''
  const app = create({ clientErrorHandler: (error) => { told = error.message } })
  await using host = await start(app)
  await using client = await host.connect()
  client.write('GET / HTTP/1.1\r\n\r\n')
  assert.equal((await client.last()).statusLine, 'HTTP/1.1 400 Bad Request')
  assert.match(told, /'G'/)

  await using plain = await start(create())
  await using other = await plain.connect()
  other.write('GET / HTTP/1.1\r\n\r\n')
  assert.equal((await other.last()).statusLine, 'HTTP/1.1 400 Bad Request')
})

for (const forceCloseConnections of ['idle', true] as const) {
  test(`app.close() is quick with idle connections (forceCloseConnections: ${forceCloseConnections})`, async () => {
    const app = create({ forceCloseConnections })
    app.get('/', async () => 'ok')
    app.get('/endless', (_req, reply) => { reply.raw.write('begun') })
    await using host = await start(app)
    await using kept = await host.connect()
    kept.write(encode({ SCGI_KEEPALIVE: '1' }))
    assert.equal(header(await kept.next(), 'SCGI-Keepalive'), '1')
    await using fresh = await host.connect()
    await using endless = await host.connect()
    if (forceCloseConnections === true) {
      endless.write(encode({ REQUEST_URI: '/endless' }))
      await endless.until((received) => received.includes('begun'))
    }
    const start_ = performance.now()
    await app.close()
    assert.ok(performance.now() - start_ < 8000)
    await Promise.all([kept.closed, fresh.closed, endless.closed])
  })
}

test("Fastify's own limits hold unless the factory has others", () => {
  const limits = { keepAliveTimeout: 1000, requestTimeout: 2000, connectionTimeout: 3000, maxRequestsPerSocket: 4 }
  const { server } = create(limits)
  assert.deepEqual([server.keepAliveTimeout, server.requestTimeout, server.timeout, server.maxRequestsPerSocket], [1000, 2000, 3000, 4])
  const { server: other } = create(limits, { keepAliveTimeout: '7s', requestTimeout: 0, timeout: '8s', maxRequestsPerSocket: 9 })
  assert.deepEqual([other.keepAliveTimeout, other.requestTimeout, other.timeout, other.maxRequestsPerSocket], [7000, 0, 8000, 9])
})
