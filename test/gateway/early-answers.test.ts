// A client that writes its whole request before it reads gets the answer to it, however early that was given, and is not waited for without end.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, eventually, get } from './kit.ts'
import type { FastifyInstance } from 'fastify'
import type { Answer } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const PIECE = Buffer.alloc(1 << 20, 'x')
const PIECES = 8

/** What a client hears that writes all of a large request before it reads anything. */
async function tell (port: number, target: string, chunked: boolean, connection: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  let failure: Error | undefined
  socket.on('error', error => { failure = error })
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  socket.pause()
  socket.write([`POST ${target} HTTP/1.1`, 'Host: x', 'Content-Type: a/b', `Connection: ${connection}`,
    chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${PIECE.length * PIECES}`, '', ''].join('\r\n'))
  for (let n = 0; n < PIECES && !socket.destroyed; n++) {
    if (chunked) socket.write(`${PIECE.length.toString(16)}\r\n`)
    socket.write(PIECE)
    if (!socket.write(chunked ? '\r\n' : '')) await Promise.race([once(socket, 'drain'), closed.catch(() => {})])
  }
  if (chunked) socket.write('0\r\n\r\n')
  await new Promise<void>(resolve => socket.write('', () => resolve()))
  let heard = ''
  const complete = (): boolean => {
    const [head = '', body] = heard.split('\r\n\r\n')
    return body?.length === Number(/content-length: (\d+)/i.exec(head)?.[1])
  }
  await new Promise<void>(resolve => {
    socket.on('data', piece => {
      heard += piece.toString('latin1')
      if (complete()) resolve()
    })
    socket.once('close', () => resolve())
    socket.resume()
  })
  socket.destroy()
  await closed.catch(() => {})
  assert.equal(failure, undefined)
  assert.ok(complete(), heard)
  return heard.slice(9, 12)
}

interface Way {
  readonly status: string
  readonly answer?: Answer
  readonly options?: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>
  readonly before?: (app: FastifyInstance) => void
  readonly after?: (app: FastifyInstance) => void
  readonly target?: string
  /** Not with a body of unknown length, which is read before it is sent. */
  readonly lengthOnly?: boolean
}

const PAGE = (app: FastifyInstance): void => { app.all('/sorry', (_request, reply) => reply.code(403).send('end')) }

/** An application that answers when it has the head of the request. */
function early (head: string): Answer {
  return async x => { await x.end(`${head}\r\nContent-Length: 3\r\n\r\nend`) }
}

const WAYS: Record<string, Way> = {
  'the body is larger than bodyLimit': { status: '413', before: app => { app.setErrorHandler((_error, _request, reply) => reply.code(413).send('end')) } },
  'an error page says so': { status: '403', options: { errorPages: { 413: '/sorry' } }, before: PAGE },
  'a hook of the route refuses': { status: '403', options: { preHandler: (_request, reply) => { reply.code(403).send('end') } } },
  'a hook of the application refuses': {
    status: '401', before: app => { app.addHook('onRequest', (_request, reply) => { reply.code(401).send('end') }) },
  },
  'a hook redirects': { status: '302', options: { preValidation: (_request, reply) => { reply.code(302).header('location', '/x').send('end') } } },
  'the application refuses': { status: '401', answer: early('Status: 401 Unauthorized'), options: { requestBuffering: false, bodyLimit: '1g' }, lengthOnly: true },
  'the application sends elsewhere': {
    status: '403', answer: early('X-Accel-Redirect: /sorry'), options: { requestBuffering: false, bodyLimit: '1g' }, before: PAGE, lengthOnly: true,
  },
  'reply.from() refuses': {
    status: '401',
    answer: early('Status: 401 Unauthorized'),
    options: { requestBuffering: false, replyFrom: true, prefix: '/scgi' },
    after: app => {
      app.register(async scope => {
        scope.removeAllContentTypeParsers()
        scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
        scope.post('/from', (_request, reply) => reply.from('/x'))
      })
    },
    target: '/from',
    lengthOnly: true,
  },
}

const TOO_LARGE = ['POST / HTTP/1.1', 'Host: x', 'Content-Length: 100000']

/** Moves the clock second by second, so that what comes in between is seen. */
async function seconds (clock: { tick (milliseconds: number): void }, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    clock.tick(1000)
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** A client that keeps its side open when the server has closed its own, and has read the answer to a request that is not complete. */
async function unfinished (port: number, connection: string): Promise<{ socket: net.Socket, closed: Promise<unknown>, status: string }> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  await once(socket, 'connect')
  socket.write(bytes([...TOO_LARGE, `Connection: ${connection}`], 'x'))
  const [answer]: unknown[] = await once(socket, 'data')
  socket.resume()
  return { socket, closed, status: String(answer).slice(9, 12) }
}

// First, with no timer of another test about that could not be cleared while the clock is mocked.
for (const connection of ['keep-alive', 'close']) {
  test(`a client that falls silent is waited for 5 seconds, and one that does not end 30: ${connection}`, async t => {
    await using recorder = await startRecorder()
    await using gateway = await startGateway(async app => {
      app.addHook('onRequest', (_request, reply) => { reply.code(401).send('no') })
      await app.register(scgi, { upstreams: recorder.address })
    })
    const accepted = new Promise<net.Socket>(resolve => gateway.app.server.once('connection', resolve))
    t.mock.timers.enable({ apis: ['setInterval'] })
    const silent = await unfinished(gateway.port, connection)
    const served = await accepted
    assert.equal(silent.status, '401')
    await seconds(t.mock.timers, 4)
    assert.ok(!served.destroyed)
    await seconds(t.mock.timers, 2)
    assert.ok(served.destroyed)
    silent.socket.destroy()
    await silent.closed
    const again = new Promise<net.Socket>(resolve => gateway.app.server.once('connection', resolve))
    const slow = await unfinished(gateway.port, connection)
    const slowly = await again
    for (let n = 0; n < 29; n++) {
      const { bytesRead } = slowly
      slow.socket.write('x')
      await eventually(() => slowly.bytesRead > bytesRead, 'the byte is read')
      await seconds(t.mock.timers, 1)
    }
    assert.ok(!slowly.destroyed)
    await seconds(t.mock.timers, 2)
    assert.ok(slowly.destroyed)
    slow.socket.destroy()
    await slow.closed
  })
}

for (const [name, way] of Object.entries(WAYS)) {
  for (const chunked of way.lengthOnly === true ? [false] : [false, true]) {
    for (const connection of ['keep-alive', 'close']) {
      test(`${name}: ${chunked ? 'chunked' : 'Content-Length'}, ${connection}`, async () => {
        await using recorder = await startRecorder({ answer: way.answer ?? 'Status: 500 Not asked\r\n\r\nend' })
        await using gateway = await startGateway(async app => {
          way.before?.(app)
          await app.register(scgi, { ...way.options, upstreams: recorder.address })
          way.after?.(app)
        })
        assert.equal(await tell(gateway.port, way.target ?? '/', chunked, connection), way.status)
      })
    }
  }
}

test('a connection that is kept is used again when the rest of the body is through', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
  await using gateway = await startGateway(async app => {
    app.addHook('onRequest', (request, reply, done) => { if (request.method === 'POST') reply.code(401).send('no'); else done() })
    await app.register(scgi, { upstreams: recorder.address })
  })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  await client.write(bytes(TOO_LARGE, 'x'))
  assert.equal((await client.response()).statusCode, 401)
  await client.write('x'.repeat(99_999))
  assert.equal((await client.request(get('/'))).body.toString(), 'ok')
})

test('nothing after a request that was refused is answered', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 200 OK\r\n\r\nok' })
  await using gateway = await startGateway({ upstreams: recorder.address, bodyLimit: 1000 })
  await using client = await RawClient.connect(gateway)
  client.expect('POST')
  await client.write(bytes(TOO_LARGE, 'x'))
  assert.equal((await client.response()).statusCode, 413)
  await client.write(Buffer.concat([Buffer.alloc(99_999, 'x'), get('/')]))
  client.socket.end()
  await client.closed
  assert.deepEqual([client.rest.length, recorder.requests.length], [0, 0])
})

test('an application that closes waits for such clients no longer than closeTimeout', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, bodyLimit: 1000, closeTimeout: 100 })
  const { socket, closed, status } = await unfinished(gateway.port, 'keep-alive')
  assert.equal(status, '413')
  const begun = performance.now()
  await gateway.close()
  const took = performance.now() - begun
  assert.ok(took >= 90 && took < 8000, `${took} ms`)
  socket.destroy()
  await closed
})

test('many refused uploads leave nothing', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, bodyLimit: 1000 })
  for (let n = 0; n < 20; n++) {
    const client = await RawClient.connect(gateway)
    client.expect('POST')
    await client.write(bytes(TOO_LARGE, 'x'))
    assert.equal((await client.response()).statusCode, 413)
    client.destroy()
    await client.closed
  }
  const left = (): Promise<number> => new Promise(resolve => gateway.app.server.getConnections((_error, count) => resolve(count)))
  let count = await left()
  const deadline = performance.now() + 2000
  while (count > 0 && performance.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 5))
    count = await left()
  }
  assert.equal(count, 0)
})
