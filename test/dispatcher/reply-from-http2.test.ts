// What clients of HTTP/2 get through reply.from(): row by row the same as through a mount.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { constants } from 'node:http2'
import { test } from 'node:test'
import Fastify, { type preHandlerHookHandler } from 'fastify'
import scgi from '../../lib/index.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { PeerClosed, refusedAddress, startRecorder, type Answer, type Exchange } from '../helpers/recorder.ts'
import type { OutgoingHttpHeaders } from 'node:http2'
import type { FastifyScgiOptions } from '../../types/options.ts'

const WAYS = { 'a mount': '/scgi/there', 'reply.from()': '/from' }
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS']
const LARGE = Buffer.alloc(4 * 1024 * 1024, 'abcdefg')
const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants

/** Tells that a reply is about to be sent. */
const replies = new EventEmitter()

interface Served extends AsyncDisposable {
  readonly client: H2Client
}

async function serve (options: FastifyScgiOptions, hold?: preHandlerHookHandler): Promise<Served> {
  const app = Fastify({ http2: true })
  app.register(async scope => {
    scope.addContentTypeParser('application/stream', (_request, payload, done) => done(null, payload))
    scope.addHook('onSend', (_request, _reply, payload, done) => {
      replies.emit('begun')
      done(null, payload)
    })
    if (hold !== undefined) scope.addHook('preHandler', hold)
    await scope.register(scgi, { prefix: '/scgi', replyFrom: true, ...options })
    scope.route({ method: METHODS, url: '/from', handler: (_request, reply) => reply.from('/scgi/there') })
  })
  const client = await H2Client.connect(Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port))
  return {
    client,
    async [Symbol.asyncDispose] () {
      await client.close()
      await app.close()
    },
  }
}

interface Row {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  /** Of the request, piece by piece. */
  readonly body?: string[]
  readonly answer: Answer
  readonly status: number
  /** Of the reply; of one that is cut, how it begins. */
  readonly expected: string | Buffer | RegExp
  /** What the reply has, or has not, of headers. */
  readonly reply?: Record<string, string | string[] | undefined>
  /** What the application is given. */
  readonly asked?: Record<string, string | undefined>
  readonly cut?: boolean
}

const TEXT = 'Content-Type: text/plain\r\n'
const head = (...lines: string[]): string => lines.map(line => line + '\r\n').join('') + '\r\n'

const ROWS: Record<string, Row> = {
  GET: { answer: head('Status: 200 Fine', 'Content-Type: text/plain', 'Content-Length: 4') + 'body', status: 200, expected: 'body', reply: { 'content-length': '4' } },
  'GET, of unknown length': { answer: TEXT + '\r\nbody', status: 200, expected: 'body' },
  'GET, empty': { answer: TEXT + '\r\n', status: 200, expected: '' },
  'GET, large': { answer: Buffer.concat([Buffer.from(TEXT + '\r\n'), LARGE]), status: 200, expected: LARGE },
  'GET, in pieces': {
    answer: async exchange => {
      await exchange.write(TEXT + '\r\none ')
      await new Promise(resolve => setImmediate(resolve))
      await exchange.end('two')
    },
    status: 200,
    expected: 'one two',
  },
  'GET, more than announced': { answer: head('Status: 200', 'Content-Length: 4') + 'body and more', status: 200, expected: 'body', reply: { 'content-length': '4' } },
  'GET with a body of its own': { body: ['abc'], answer: TEXT + '\r\nbody', status: 200, expected: 'body' },
  HEAD: { method: 'HEAD', answer: head('Status: 200', 'Content-Length: 4'), status: 200, expected: '', reply: { 'content-length': '4' } },
  'HEAD, answered with a body': { method: 'HEAD', answer: head('Status: 200', 'X-App: 1') + 'body', status: 200, expected: '', reply: { 'x-app': '1' } },
  'HEAD of what is not there': { method: 'HEAD', answer: head('Status: 404', 'Content-Length: 4'), status: 404, expected: '', reply: { 'content-length': '4' } },
  DELETE: { method: 'DELETE', answer: head('Status: 200') + 'gone', status: 200, expected: 'gone', asked: { REQUEST_METHOD: 'DELETE', CONTENT_LENGTH: '0' } },
  POST: {
    method: 'POST', headers: { 'content-type': 'text/plain', 'content-length': '6' }, body: ['abc', 'def'], answer: echo, status: 200, expected: 'abcdef', asked: { CONTENT_LENGTH: '6' },
  },
  'POST, streamed': {
    method: 'POST', headers: { 'content-type': 'application/stream' }, body: ['a', 'b', 'c'], answer: echo, status: 200, expected: 'abc', asked: { CONTENT_LENGTH: '3' },
  },
  'POST, empty': { method: 'POST', headers: { 'content-type': 'application/stream' }, body: [], answer: echo, status: 200, expected: '', asked: { CONTENT_LENGTH: '0' } },
  'POST, with trailers announced': {
    method: 'POST',
    headers: { 'content-type': 'application/stream', trailer: 'x-sum', te: 'trailers' },
    body: ['abc'],
    answer: echo,
    status: 200,
    expected: 'abc',
    asked: { HTTP_TRAILER: undefined, HTTP_TE: undefined },
  },
  'POST, answered before its body': {
    method: 'POST', headers: { 'content-type': 'application/stream' }, body: ['abc'], answer: head('Status: 403', 'Content-Length: 2') + 'no', status: 403, expected: 'no',
  },
  204: { answer: head('Status: 204', 'X-App: 1'), status: 204, expected: '', reply: { 'content-length': undefined, 'x-app': '1' } },
  '204 with a body': { answer: head('Status: 204') + 'body', status: 204, expected: '', reply: { 'content-length': undefined } },
  '204 of a DELETE with Content-Length': { method: 'DELETE', answer: head('Status: 204', 'Content-Length: 0'), status: 204, expected: '', reply: { 'content-length': undefined } },
  304: { headers: { 'if-none-match': '"a"' }, answer: head('Status: 304', 'ETag: "a"'), status: 304, expected: '', reply: { etag: '"a"' } },
  '304 with Content-Length': { answer: head('Status: 304', 'Content-Length: 4', 'ETag: "a"'), status: 304, expected: '', reply: { etag: '"a"' } },
  redirect: { answer: head('Status: 302 Moved', 'Location: http://other.test/'), status: 302, expected: '', reply: { location: 'http://other.test/' } },
  'a status of its own': { answer: head('Status: 599 Odd') + 'odd', status: 599, expected: 'odd' },
  'headers that come twice': {
    answer: head('Status: 200', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Content-Language: de', 'Content-Language: en', 'X-Two: 1', 'X-Two: 2', 'ETag: "a"') + 'body',
    status: 200,
    expected: 'body',
    reply: { 'set-cookie': ['a=1', 'b=2'], 'content-language': 'de, en', 'x-two': '1, 2', etag: '"a"' },
  },
  'headers that HTTP/2 forbids': {
    answer: head('Status: 200', 'Connection: keep-alive, X-Hop', 'Keep-Alive: timeout=5', 'Proxy-Connection: x', 'Upgrade: h2c', 'HTTP2-Settings: x', 'TE: x', 'X-Hop: 1', 'X-App: 1') + 'body',
    status: 200,
    expected: 'body',
    reply: { connection: undefined, 'keep-alive': undefined, 'proxy-connection': undefined, upgrade: undefined, 'http2-settings': undefined, te: undefined, 'x-hop': undefined, 'x-app': '1' },
  },
  'Host and pseudo-headers': {
    headers: { ':authority': 'Client.Test:81', 'x-app': '1' },
    answer: head('Status: 200'),
    status: 200,
    expected: '',
    asked: { HTTP_HOST: 'client.test:81', SERVER_PROTOCOL: 'HTTP/2.0', HTTP_X_APP: '1', REQUEST_URI: '/scgi/there?q=1' },
  },
  'cookies in several lines': {
    headers: { cookie: ['a=1', 'b=2'] }, answer: head('Status: 200'), status: 200, expected: '', asked: { HTTP_COOKIE: 'a=1; b=2' },
  },
  'no reply': { answer: exchange => exchange.reset(), status: 502, expected: /FST_SCGI_/ },
  'no reply to a HEAD': { method: 'HEAD', answer: exchange => exchange.reset(), status: 502, expected: '' },
  'no reply to a POST': {
    method: 'POST', headers: { 'content-type': 'application/stream' }, body: ['abc'], answer: exchange => exchange.reset(), status: 502, expected: /FST_SCGI_/,
  },
  'no head': { answer: 'no head\r\n\r\n', status: 502, expected: /FST_SCGI_INVALID_HEADER/ },
  'a failure in the body, length known': {
    answer: exchange => breakOff(exchange, head('Status: 200', 'Content-Length: 100') + 'begun'),
    status: 200,
    expected: /^(begun)?$/,
    cut: true,
  },
  'a body that is too short': { answer: head('Status: 200', 'Content-Length: 100') + 'begun', status: 200, expected: /^(begun)?$/, cut: true },
  'a failure in the body, length unknown': {
    answer: exchange => breakOff(exchange, head('Status: 200') + 'begun'),
    status: 200,
    expected: /^(begun)?$/,
    cut: true,
  },
}

/** The head has got through: what follows is not an error before it. */
async function breakOff (exchange: Exchange, text: string): Promise<void> {
  const begun = once(replies, 'begun')
  await exchange.write(text)
  await begun
  exchange.reset()
}

async function echo (exchange: Exchange): Promise<void> {
  const body = await exchange.body()
  await exchange.end(Buffer.concat([Buffer.from(TEXT + '\r\n'), body]))
}

for (const [way, path] of Object.entries(WAYS)) {
  test(`through ${way}`, async t => {
    await using server = await startRecorder()
    await using served = await serve({ upstreams: server.address })
    for (const [name, { method = 'GET', headers = {}, body, answer, status, expected, reply = {}, asked = {}, cut = false }] of Object.entries(ROWS)) {
      await t.test(name, async () => {
        server.clear()
        server.answer = answer
        const got = await served.client.request({ ':method': method, ':path': `${path}?q=1`, ...headers }, body)
        const text = got.body.toString('latin1')
        if (expected instanceof RegExp) assert.match(text, expected)
        else assert.equal(text === expected.toString('latin1'), true, text.slice(0, 100))
        assert.deepEqual([got.statusCode, got.cut, got.resetCode], [status, cut, cut ? NGHTTP2_INTERNAL_ERROR : 0])
        for (const [header, value] of Object.entries(reply)) assert.deepEqual(got.headers[header], value, header)
        for (const [param, value] of Object.entries(asked)) assert.equal(server.requests[0]?.param(param), value, param)
        await server.idle()
      })
    }
  })

  test(`through ${way}: a server that cannot be reached`, async () => {
    await using served = await serve({ upstreams: await refusedAddress() })
    const got = await served.client.request({ ':path': path })
    assert.deepEqual([got.statusCode, got.cut], [502, false])
    assert.match(got.body.toString(), /FST_SCGI_CONNECT/)
  })

  for (const when of ['before the head', 'in the middle of the body', 'before the application is asked']) {
    for (const ignoreClientAbort of [false, true]) {
      test(`through ${way}: a client leaves ${when}, ignoreClientAbort: ${ignoreClientAbort}`, async () => {
        const events = new EventEmitter()
        const left = once(events, 'left')
        const finished = once(events, 'finished')
        await using server = await startRecorder({
          answer: async exchange => {
            if (when === 'in the middle of the body') await exchange.write(head('Status: 200') + 'begun')
            await left
            try {
              if (when !== 'in the middle of the body') await exchange.write(head('Status: 200'))
              await exchange.write(LARGE)
              await exchange.write(LARGE)
              await exchange.write(LARGE)
              await exchange.write(LARGE)
              await exchange.end()
              events.emit('finished', 'whole')
            } catch (error) {
              events.emit('finished', 'cut')
              if (!(error instanceof PeerClosed)) throw error
            }
          },
        })
        const isEarly = when === 'before the application is asked'
        let go = (): void => {}
        let gone = (): void => {}
        const isGone = new Promise<void>(resolve => { gone = resolve })
        await using served = await serve({ upstreams: server.address, ignoreClientAbort }, (_request, reply, done) => {
          reply.raw.once('close', () => setImmediate(() => setImmediate(() => {
            gone()
            events.emit('left')
          })))
          if (!isEarly) {
            done()
            return
          }
          go = done
          events.emit('held')
        })
        const isHeld = once(events, 'held')
        const stream = served.client.session.request({ ':path': path })
        stream.on('error', () => {})
        await (isEarly ? isHeld : server.received(1))
        if (when === 'in the middle of the body') await once(stream, 'data')
        stream.close(NGHTTP2_CANCEL)
        await isGone
        if (isEarly) {
          go()
          // It is not begun for a client that has left.
          for (let turns = 0; turns < 20; turns++) await new Promise(resolve => setImmediate(resolve))
          assert.equal(server.requests.length, 0)
        } else {
          assert.equal((await finished)[0], ignoreClientAbort ? 'whole' : 'cut')
        }
        await server.idle()
      })
    }
  }

  test(`through ${way}: a body that a hook gives up while it is sent does not look whole`, async () => {
    await using server = await startRecorder({ answer: exchange => exchange.write(head('Status: 200') + 'begun') })
    await using served = await serve({
      upstreams: server.address,
      onResponse: (request, reply, { body }) => {
        const reason = request.headers['x-how'] === 'error' ? new Error('no more') : undefined
        body.once('data', () => setImmediate(() => body.destroy(reason)))
        reply.send(body)
      },
    })
    for (const how of ['error', 'silently']) {
      const got = await served.client.request({ ':path': path, 'x-how': how })
      assert.deepEqual([got.statusCode, got.cut, got.resetCode], [200, true, NGHTTP2_INTERNAL_ERROR], how)
      await server.idle()
    }
  })
}
