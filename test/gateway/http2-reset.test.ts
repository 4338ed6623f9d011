// A stream of HTTP/2 that the client resets, with any code and at any time, frees what it held: exchange, server's slot, file, cache lock.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import http2 from 'node:http2'
import { join } from 'node:path'
import { test } from 'node:test'
import Fastify from 'fastify'
import accel from '../../lib/accel/index.ts'
import { CacheZone } from '../../lib/cache/zone.ts'
import scgi, { createCache } from '../../lib/index.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { resources } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'
import { eventually } from './kit.ts'
import type { ClientHttp2Stream } from 'node:http2'
import type { Answer, Recorder } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const CODES = {
  NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, FLOW_CONTROL_ERROR: 3, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11,
}
const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n'
const never: Answer = async x => { await x.closed }
const begun: Answer = async x => {
  await x.write(`${HEAD}\r\nbegun`)
  await x.closed
}
const early: Answer = async x => { await x.end('Status: 200 OK\r\nContent-Length: 2\r\n\r\nok') }
const large = `${HEAD}Content-Length: 3000000\r\n\r\n${'x'.repeat(3_000_000)}`

interface Phase {
  readonly answer: Answer
  readonly options?: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>
  readonly path?: string
  /** Bytes of a body that stays incomplete. */
  readonly body?: number
  /** Resolves when the request is where it shall be. */
  ready (stream: ClientHttp2Stream, recorder: Recorder): Promise<void>
}

const asked = (_stream: ClientHttp2Stream, recorder: Recorder): Promise<void> =>
  eventually(() => recorder.requests.length > 0, 'the application is asked')
const answered = async (stream: ClientHttp2Stream): Promise<void> => {
  stream.pause()
  await new Promise(resolve => stream.once('response', resolve))
}
const file = async (): Promise<void> => { await eventually(() => (resources()['fd unlinked file'] ?? 0) > 0, 'the file is open') }

const PHASES: Record<string, Phase> = {
  'before the head': { answer: never, ready: asked },
  'in the reply': { answer: begun, ready: answered },
  'in a reply that the client does not take': { answer: large, ready: answered },
  'in a reply that the client does not take, unbuffered': { answer: large, options: { buffering: false }, ready: answered },
  // All of it fits into the window: the client would wait for that before it tells of its end.
  'in an upload': { answer: never, body: 60_000, ready: file },
  'in an upload that is passed on': { answer: never, body: 10_000, options: { requestBuffering: false }, ready: asked },
  'in an upload that is answered early': { answer: begun, body: 60_000, options: { requestBuffering: false }, ready: answered },
  'after the reply to an upload that is not complete': {
    answer: early, body: 60_000, options: { requestBuffering: false }, ready: answered,
  },
  'in reply.from()': { answer: never, path: '/from', ready: asked },
  'in the reply of reply.from()': { answer: large, path: '/from', ready: answered },
  'in the upload of reply.from()': { answer: never, body: 60_000, path: '/from', options: { requestBuffering: false }, ready: asked },
  'after the early reply of reply.from()': {
    answer: early, body: 60_000, path: '/from', options: { requestBuffering: false }, ready: answered,
  },
  'in a file': { answer: never, path: '/accel', ready: answered },
}

for (const [name, phase] of Object.entries(PHASES)) {
  test(`reset ${name}`, async () => {
    await using dir = await tempDir()
    await writeFile(join(dir.path, 'big'), Buffer.alloc(3_000_000))
    await using recorder = await startRecorder({ answer: phase.answer })
    const app = Fastify({ http2: true, logger: false })
    await app.register(accel, { root: dir.path, trust: () => true })
    await app.register(scgi, {
      ...phase.options, prefix: '/scgi', replyFrom: true, upstreams: { name: 'g', servers: [recorder.address] }, nextUpstream: false,
    })
    app.get('/accel', (_request, reply) => { reply.header('x-sendfile', 'big').send() })
    await app.register(async scope => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
      scope.route({ method: ['GET', 'POST'], url: '/from', handler: (_request, reply) => reply.from('/x') })
    })
    let streams = 0
    app.server.on('stream', stream => {
      streams += 1
      stream.on('close', () => { streams -= 1 })
    })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const client = await H2Client.connect(Number(new URL(url).port))
    const files = (): number => (resources()['fd unlinked file'] ?? 0) + (resources()['fd file'] ?? 0)
    const idle = files()
    try {
      for (const [code, number] of Object.entries(CODES)) {
        recorder.clear()
        const stream = client.session.request(
          { ':method': phase.body === undefined ? 'GET' : 'POST', ':path': phase.path ?? '/scgi/', ...(phase.body === undefined ? undefined : { 'content-length': '200000' }) },
          { endStream: phase.body === undefined })
        stream.on('error', () => {})
        const closed = new Promise(resolve => stream.once('close', resolve))
        if (phase.body !== undefined) stream.write(Buffer.alloc(phase.body, 'x'))
        await phase.ready(stream, recorder)
        stream.close(number)
        await closed
        await eventually(() => streams === 0, `${code}: the stream is closed`)
        await eventually(() => app.scgi.groups.get('g')?.servers[0]?.active === 0, `${code}: the server's slot is free`)
        await eventually(() => files() <= idle, `${code}: the file is closed`)
        await recorder.idle()
      }
    } finally {
      await client.close()
      await app.close()
    }
  })
}

test('reset while it waits for the lock of a cache', async () => {
  let answer = (): void => {}
  await using recorder = await startRecorder({
    answer: async x => {
      await new Promise<void>(resolve => { answer = resolve })
      await x.end('Status: 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok')
    },
  })
  const app = Fastify({ http2: true, logger: false })
  const zone = createCache({ name: 'one' })
  assert.ok(zone instanceof CacheZone)
  await app.register(scgi, { upstreams: { name: 'g', servers: [recorder.address] }, cache: { zone, valid: '1m', lock: { age: '1h', timeout: '1h' } } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  let streams = 0
  app.server.on('stream', stream => {
    streams += 1
    stream.on('close', () => { streams -= 1 })
  })
  const client = await H2Client.connect(Number(new URL(url).port))
  const ask = (path: string): ClientHttp2Stream => {
    const stream = client.session.request({ ':path': path })
    stream.on('error', () => {})
    stream.resume()
    return stream
  }
  try {
    for (const [code, number] of Object.entries(CODES)) {
      recorder.clear()
      const first = ask(`/${code}`)
      await eventually(() => recorder.requests.length === 1, 'the holder asks')
      const waiting = ask(`/${code}`)
      const next = ask(`/${code}`)
      await eventually(() => zone.locks.waiting === 2, 'two wait')
      waiting.close(number)
      await eventually(() => zone.locks.waiting === 1, `${code}: it waits no longer`)
      // The holder goes as well: its reply is fetched all the same, for the cache, and for the one that still waits.
      first.close(number)
      const status = new Promise(resolve => next.once('response', headers => resolve(headers[':status'])))
      answer()
      assert.equal(await status, 200)
      await eventually(() => streams === 0, `${code}: all streams are closed`)
      await eventually(() => app.scgi.groups.get('g')?.servers[0]?.active === 0, `${code}: the server's slot is free`)
      assert.equal(recorder.requests.length, 1)
    }
  } finally {
    await client.close()
    await app.close()
  }
})

test(':authority is the host, whatever host says beside it', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
  const app = Fastify({ http2: true, logger: false })
  await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: recorder.address })
  app.get('/from', (_request, reply) => reply.from('/x'))
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = await H2Client.connect(Number(new URL(url).port))
  try {
    for (const path of ['/scgi/', '/from']) {
      for (const headers of [{ ':authority': 'good.test' }, { ':authority': 'good.test', host: 'evil.test' }]) {
        recorder.clear()
        const { statusCode } = await client.request({ ...headers, ':path': path, [http2.constants.HTTP2_HEADER_METHOD]: 'GET' })
        assert.equal(statusCode, 200)
        assert.deepEqual(recorder.requests[0]?.all('HTTP_HOST'), ['good.test'])
        assert.equal(recorder.requests[0]?.param('HTTP_X_FORWARDED_HOST') ?? 'good.test', 'good.test')
      }
    }
  } finally {
    await client.close()
    await app.close()
  }
})
