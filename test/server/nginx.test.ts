import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import Fastify from 'fastify'
import { scgiServerFactory } from '../../lib/server/index.ts'
import { NGINX, startNginx } from '../helpers/nginx.ts'
import { missingPackage } from '../helpers/packages.ts'
import { tempDir } from '../helpers/temp.ts'

async function fetchAll (port: number, path: string, options: http.RequestOptions = {}, body?: Buffer) {
  const req = http.request({ port, host: '127.0.0.1', path, agent: false, ...options })
  req.end(body)
  const [res]: http.IncomingMessage[] = await once(req, 'response')
  assert.ok(res)
  return { status: res.statusCode, headers: res.headers, body: await buffer(res) }
}

test('behind nginx', { skip: missingPackage('nginx', NGINX) }, async (t) => {
  await using dir = await tempDir()
  const path = dir.socket()
  const app = Fastify({ serverFactory: scgiServerFactory() })
  app.addContentTypeParser('application/octet-stream', (_req, payload, done) => done(null, payload))
  app.get('/hello', async (req) => ({ url: req.url, host: req.host, ip: req.ip, agent: req.headers['x-agent'], version: req.raw.httpVersion }))
  // nginx sends no more of the body once it has the head of the reply.
  app.post('/echo', async (req, reply) => reply.type('application/octet-stream').send(await buffer(req.raw)))
  app.get('/events', (_req, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
    reply.raw.flushHeaders()
    app.server.on('event', (text) => { reply.raw.write(`data: ${text}\n\n`) })
    reply.raw.on('close', () => app.server.emit('gone'))
  })
  await app.listen({ path })
  try {
    await using nginx = await startNginx({
      server: `
    include /etc/nginx/scgi_params;
    client_max_body_size 10m;
    location / { scgi_pass unix:${path}; }
`
    })

    await t.test('GET', async () => {
      const { status, headers, body } = await fetchAll(nginx.port, '/hello?a=%20b', { headers: { 'X-Agent': 'a' } })
      assert.equal(status, 200)
      assert.equal(headers['content-type'], 'application/json; charset=utf-8')
      assert.equal(headers['content-length'], String(body.length))
      assert.deepEqual(JSON.parse(body.toString()), {
        url: '/hello?a=%20b', host: '127.0.0.1', ip: '127.0.0.1', agent: 'a', version: '1.1',
      })
    })

    await t.test('a header line that comes twice', async () => {
      const { status, body } = await fetchAll(nginx.port, '/hello', { headers: { 'X-Agent': ['a', 'b'] } })
      assert.equal(status, 200)
      assert.equal(JSON.parse(body.toString()).agent, 'a, b')
    })

    await t.test('POST of 1 MB', async () => {
      const sent = randomBytes(2 ** 20)
      const { status, body } = await fetchAll(
        nginx.port, '/echo', { method: 'POST', headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': sent.length } }, sent)
      assert.equal(status, 200)
      assert.equal(sha(body), sha(sent))
    })

    await t.test('server-sent events, each at once, until the client goes', async () => {
      const req = http.get({ port: nginx.port, host: '127.0.0.1', path: '/events', agent: false })
      const [res]: http.IncomingMessage[] = await once(req, 'response')
      assert.ok(res)
      assert.equal(res.headers['content-type'], 'text/event-stream')
      for (const text of ['one', 'two', 'three']) {
        const data: Promise<unknown[]> = once(res, 'data')
        app.server.emit('event', text)
        assert.equal(String((await data)[0]), `data: ${text}\n\n`)
      }
      const gone = once(app.server, 'gone')
      req.destroy()
      await gone
    })
  } finally {
    await app.close()
  }
})

function sha (data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
