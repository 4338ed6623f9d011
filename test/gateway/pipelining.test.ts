// Requests of one HTTP/1 connection are served one after the other: a pipeline of a few kilobytes does not become a thousand connections.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, eventually, get } from './kit.ts'
import type { FastifyInstance } from 'fastify'
import type { Answer, Recorder } from '../helpers/recorder.ts'

/** An application that counts the requests which it serves at the same time. */
function counting (): { answer: Answer, most: () => number } {
  let now = 0
  let most = 0
  return {
    most: () => most,
    answer: async x => {
      most = Math.max(most, ++now)
      await x.body()
      await new Promise(resolve => setImmediate(resolve))
      now -= 1
      const redirect = x.request.param('PATH_INFO')?.startsWith('/redirect') === true
      await x.end(redirect ? 'X-Accel-Redirect: /scgi/target\r\n\r\n' : `Status: 200 OK\r\n\r\n${x.request.param('REQUEST_URI')} ${x.request.body}`)
    },
  }
}

const DOORS: Record<string, (app: FastifyInstance, recorder: Recorder) => unknown> = {
  'the plugin': (app, recorder) => app.register(scgi, { prefix: '/scgi', upstreams: recorder.address }),
  'the plugin, with a hook that takes its time': (app, recorder) => app.register(scgi, {
    prefix: '/scgi', upstreams: recorder.address, preHandler: (_request, _reply, done) => { setImmediate(done) },
  }),
  'the plugin, unbuffered': (app, recorder) => app.register(scgi, { prefix: '/scgi', upstreams: recorder.address, requestBuffering: false, buffering: false }),
  'reply.scgi()': async (app, recorder) => {
    await app.register(scgi, { prefix: '/other', upstreams: recorder.address })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.all('/scgi/*', (_request, reply) => reply.scgi({ upstreams: recorder.address }))
  },
  'reply.from()': async (app, recorder) => {
    await app.register(scgi, { prefix: '/other', upstreams: recorder.address, replyFrom: true })
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    app.all('/scgi/*', (request, reply) => reply.from(request.url))
  },
}

for (const [name, door] of Object.entries(DOORS)) {
  test(`a pipeline through ${name}`, async () => {
    const { answer, most } = counting()
    await using recorder = await startRecorder({ answer })
    await using gateway = await startGateway(async app => { await door(app, recorder) })
    await using client = await RawClient.connect(gateway)
    const count = 60
    const pieces: Buffer[] = []
    const expected: string[] = []
    for (let n = 0; n < count; n++) {
      const post = n % 3 === 1
      const target = n % 10 === 5 && name !== 'reply.from()' ? `/scgi/redirect/${n}` : n % 10 === 7 && name !== 'reply.from()' ? `/scgi/a/../${n}` : `/scgi/${n}`
      client.expect(post ? 'POST' : 'GET')
      const body = post ? `body ${n}` : ''
      pieces.push(post ? bytes([`POST ${target} HTTP/1.1`, 'Host: x', 'Content-Type: a/b', `Content-Length: ${body.length}`], body) : get(target))
      expected.push(`${target} ${body}`)
    }
    await client.write(Buffer.concat(pieces))
    for (const [n, text] of expected.entries()) {
      const { body } = await client.response()
      // What reply.from() sends is the URL that it is given.
      if (name === 'reply.from()') assert.ok(body.includes(n % 3 === 1 ? `body ${n}` : `${n}`))
      else if (!text.startsWith('/scgi/redirect')) assert.equal(body.toString(), text)
    }
    assert.equal(most(), 1)
  })
}

test('a thousand requests in 27 kB are one connection to the application at a time', async () => {
  const { answer, most } = counting()
  await using recorder = await startRecorder({ answer })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway, { timeout: 30_000 })
  for (let n = 0; n < 1000; n++) client.expect('GET')
  await client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000))
  for (let n = 0; n < 1000; n++) assert.equal((await client.response()).statusCode, 200)
  assert.equal(most(), 1)
})

test('what a client pipelines without end is not read without end', async () => {
  let finish = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { finish = resolve })
      await x.end('Status: 200 OK\r\n\r\nok')
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  let requests = 0
  gateway.app.server.on('request', () => { requests += 1 })
  await using client = await RawClient.connect(gateway)
  const many = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(200_000)
  client.socket.write(many)
  await recorder.received(1)
  await eventually(() => client.socket.writableLength > 0 && requests > 32, 'the client has to wait')
  const before = requests
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.ok(requests - before < 10_000 && requests < 20_000, `${requests} requests are held`)
  client.destroy()
  finish()
  await recorder.idle()
})

test('a hook of a request that waits runs in its own turn', async () => {
  let finish = (): void => {}
  const seen: string[] = []
  await using recorder = await startRecorder({
    answer: async x => {
      if (x.request.param('PATH_INFO') === '/1') await new Promise<void>(resolve => { finish = resolve })
      await x.end('Status: 200 OK\r\n\r\nok')
    },
  })
  await using gateway = await startGateway({
    upstreams: recorder.address, preHandler: (request, _reply, done) => { seen.push(request.url); done() },
  })
  await using client = await RawClient.connect(gateway)
  for (let n = 0; n < 2; n++) client.expect('GET')
  await client.write(Buffer.concat([get('/1'), get('/2')]))
  await recorder.received(1)
  assert.deepEqual(seen, ['/1'])
  finish()
  for (let n = 0; n < 2; n++) assert.equal((await client.response()).statusCode, 200)
  assert.deepEqual(seen, ['/1', '/2'])
})

test('a client that closes its side after a pipeline ends with what was served', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  for (let n = 0; n < 3; n++) client.expect('GET')
  client.socket.end(Buffer.concat([get('/1'), get('/2'), get('/3')]))
  await client.closed
  await recorder.idle()
  assert.equal(await new Promise(resolve => gateway.app.server.getConnections((_error, count) => resolve(count))), 0)
})
