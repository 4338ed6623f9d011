// A reply whose body breaks off is cut where it would wait for ever, and left alone where something good has taken its place.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PassThrough, Readable, Transform } from 'node:stream'
import { EventEmitter, once } from 'node:events'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder, type Exchange } from '../helpers/recorder.ts'
import { get } from '../gateway/kit.ts'
import type { FastifyScgiOptions } from '../../types/options.ts'

const WAYS = { 'a mount': '/scgi/there', 'reply.from()': '/from' }
const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'
const CUT = 'cut'

/** Tells that the reply has come so far that it may break off. */
const replies = new EventEmitter()

/** One that takes its time. */
function late (): Readable {
  return Readable.from((async function * () {
    for (const piece of ['in ', 'its ', 'place']) {
      for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
      yield piece
    }
  })())
}

async function * without (body: Readable): AsyncGenerator<unknown> {
  try {
    yield * body
  } catch {
    yield * late()
  }
}

function copy (body: Readable): PassThrough {
  const to = new PassThrough()
  body.on('data', chunk => to.write(chunk))
  body.on('end', () => to.end())
  return to
}

const silent = (): Transform => new Transform({ transform: (_chunk, _encoding, next) => next() })
const told = (): void => { replies.emit('begun') }

interface Row {
  /** What the application has sent of the body when it breaks off. */
  readonly sent: string
  readonly onResponse: (reply: FastifyReply, body: Readable) => void
  readonly options?: Partial<FastifyScgiOptions>
  /** Status and body. */
  readonly expected: string
}

const ROWS: Record<string, Row> = {
  'another stream is sent when it fails': {
    sent: 'begun',
    onResponse: (reply, body) => {
      body.on('data', told).on('error', () => reply.send(late()))
    },
    expected: '200 in its place',
  },
  'another stream is sent, and it is read by': {
    sent: 'begun',
    onResponse: (reply, body) => {
      body.pipe(silent())
      body.on('data', told)
      reply.send(late())
    },
    expected: '200 in its place',
  },
  'a generator goes on with something else': {
    sent: 'begun ',
    onResponse: (reply, body) => { reply.send(Readable.from(without(body)).on('data', told)) },
    expected: '200 begun in its place',
  },
  'a hook ends what it has made of it': {
    sent: 'begun',
    onResponse: (reply, body) => {
      const made = new PassThrough()
      body.on('data', told).on('error', () => made.end(', and no more'))
      reply.send(body.pipe(made))
    },
    expected: '200 begun, and no more',
  },
  'it is sent as it is': { sent: 'begun', onResponse: (reply, body) => { reply.send(body.on('data', told)) }, expected: CUT },
  'a Transform over it': { sent: 'begun', onResponse: (reply, body) => { reply.send(body.pipe(new PassThrough()).on('data', told)) }, expected: CUT },
  'two of them, and who only listens': {
    sent: 'begun',
    onResponse: (reply, body) => {
      reply.send(body.on('error', () => {}).pipe(new PassThrough()).pipe(new PassThrough()).on('data', told))
    },
    expected: CUT,
  },
  'a Transform that has given nothing yet': {
    sent: 'begun',
    onResponse: (reply, body) => {
      reply.send(body.on('data', told).pipe(silent()))
    },
    expected: CUT,
  },
  'a Transform under a limit of the rate': {
    sent: 'begun',
    options: { clientLimitRate: 1e6 },
    onResponse: (reply, body) => { reply.send(body.pipe(new PassThrough()).on('data', told)) },
    expected: CUT,
  },
  'it is piped into a reply that was taken from Fastify': {
    sent: 'begun',
    onResponse: (reply, body) => {
      reply.hijack()
      reply.raw.writeHead(200)
      body.on('data', told).pipe(reply.raw)
    },
    expected: CUT,
  },
  'a copy by hand': { sent: 'begun', onResponse: (reply, body) => { reply.send(copy(body).on('data', told)) }, expected: CUT },
}

async function breakOff (exchange: Exchange, sent: string): Promise<void> {
  const begun = once(replies, 'begun')
  await exchange.write(HEAD + sent)
  await begun
  await new Promise(resolve => setImmediate(resolve))
  exchange.reset()
}

for (const [way, path] of Object.entries(WAYS)) {
  for (const protocol of ['HTTP/1', 'HTTP/2']) {
    test(`${way}, over ${protocol}`, async t => {
      await using server = await startRecorder()
      for (const [name, { sent, onResponse, options, expected }] of Object.entries(ROWS)) {
        await t.test(name, async () => {
          server.answer = exchange => breakOff(exchange, sent)
          const setup = async (app: FastifyInstance): Promise<void> => {
            const hook: Partial<FastifyScgiOptions> = { onResponse: (_request, reply, { body }) => onResponse(reply, body) }
            await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address, ...options, ...hook })
            app.get('/from', (_request, reply) => reply.from('/there'))
          }
          assert.equal(await (protocol === 'HTTP/1' ? overHttp1(setup, path) : overHttp2(setup, path)), expected)
          await server.idle()
        })
      }
    })
  }
}

test('reply.from(): an error that is answered in its own time', async () => {
  await using server = await startRecorder({
    answer: async exchange => {
      const begun = once(replies, 'begun')
      await exchange.write(HEAD)
      await begun
      await new Promise(resolve => setImmediate(resolve))
      exchange.reset()
    },
  })
  for (const protocol of ['HTTP/1', 'HTTP/2']) {
    const setup = async (app: FastifyInstance): Promise<void> => {
      app.setErrorHandler(async (_error, _request, reply) => {
        for (let turns = 0; turns < 20; turns++) await new Promise(resolve => setImmediate(resolve))
        return reply.code(500).send('sorry')
      })
      app.addHook('onSend', (_request, _reply, payload, done) => {
        told()
        done(null, payload)
      })
      await app.register(scgi, { prefix: '/scgi', replyFrom: true, upstreams: server.address })
      app.get('/from', (_request, reply) => reply.from('/there'))
    }
    assert.equal(await (protocol === 'HTTP/1' ? overHttp1(setup, '/from') : overHttp2(setup, '/from')), '500 sorry', protocol)
    await server.idle()
  }
})

function withoutHead (error: unknown): string {
  if (!/within/.test(String(error))) return CUT
  throw error
}

async function overHttp1 (setup: (app: FastifyInstance) => Promise<void>, path: string): Promise<string> {
  await using gateway = await startGateway(async app => { await app.register(setup) })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  await client.write(get(path))
  try {
    const { statusCode, body, cut } = await client.response()
    return cut ? CUT : `${statusCode} ${body.toString()}`
  } catch (error) {
    return withoutHead(error)
  }
}

async function overHttp2 (setup: (app: FastifyInstance) => Promise<void>, path: string): Promise<string> {
  const app = Fastify({ http2: true })
  app.register(setup)
  const client = await H2Client.connect(Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port))
  try {
    const { statusCode, body, cut } = await client.request({ ':path': path })
    return cut ? CUT : `${statusCode} ${body.toString()}`
  } catch (error) {
    return withoutHead(error)
  } finally {
    await client.close()
    await app.close()
  }
}
