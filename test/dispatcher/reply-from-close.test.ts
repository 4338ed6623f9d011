// app.close() gives requests of reply.from() the same grace as those of a mount: the rows are run on both.
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { eventually, get, within } from '../gateway/kit.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { H2Client } from '../helpers/h2-client.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { PeerClosed, refusedAddress, startRecorder, type Recorder } from '../helpers/recorder.ts'
import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyScgiOptions } from '../../types/options.ts'

const HEAD = 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n'
const WAYS = { 'a mount': '/scgi/', 'reply.from()': '/from' }
/** Longer than any of these tests, and shorter than it. */
const LONG = '60s'
const SHORT = 100

/** An application whose replies end when they are told to, or are cut. */
interface Held extends AsyncDisposable {
  readonly recorder: Recorder
  /** How the only reply ended. */
  readonly ended: Promise<'whole' | 'cut'>
  finish (): void
}

async function hold (isBegun: boolean): Promise<Held> {
  let finish = (): void => {}
  let tell: (how: 'whole' | 'cut') => void
  const told = new Promise<void>(resolve => { finish = resolve })
  const ended = new Promise<'whole' | 'cut'>(resolve => { tell = resolve })
  const recorder = await startRecorder({
    answer: async exchange => {
      if (isBegun) await exchange.write(HEAD + 'begun ')
      await Promise.race([told, exchange.closed])
      try {
        if (!isBegun) await exchange.write(HEAD)
        await exchange.end('late')
        tell('whole')
      } catch (error) {
        tell('cut')
        if (!(error instanceof PeerClosed)) throw error
      }
    },
  })
  return { recorder, ended, finish: () => finish(), [Symbol.asyncDispose]: () => recorder.close() }
}

function start (upstreams: string, options: Partial<FastifyScgiOptions>, hooks: FastifyReplyFromHooks = {}): Promise<Gateway> {
  return startGateway(async app => {
    await app.register(scgi, { prefix: '/scgi/', replyFrom: true, upstreams, ...options })
    app.get('/from', (_request, reply) => reply.from('/there', hooks))
  })
}

const stopped = (gateway: Gateway): Promise<void> => eventually(() => !gateway.app.server.listening, 'it listens no more')

for (const [way, path] of Object.entries(WAYS)) {
  for (const isBegun of [false, true]) {
    const when = isBegun ? 'whose head is out' : 'without a head'
    for (const ends of [true, false]) {
      test(`${way}: a reply ${when} whose client has left (ignoreClientAbort) ${ends ? 'is waited for' : 'is cut after closeTimeout'}`, async () => {
        await using held = await hold(isBegun)
        await using gateway = await start(held.recorder.address, { ignoreClientAbort: true, closeTimeout: ends ? LONG : SHORT })
        const client = await RawClient.connect(gateway)
        client.expect('GET')
        await client.write(get(path))
        await held.recorder.received(1)
        if (isBegun) await client.until(({ bodyLength }) => bodyLength === 6)
        client.destroy()
        await client.closed
        const closing = gateway.close()
        await stopped(gateway)
        if (ends) held.finish()
        await closing
        assert.equal(await held.ended, ends ? 'whole' : 'cut')
        await held.recorder.idle()
      })

      test(`${way}: a reply ${when} ${ends ? 'is finished, and its connection is not kept' : 'is cut after closeTimeout'}`, async () => {
        await using held = await hold(isBegun)
        await using gateway = await start(held.recorder.address, { closeTimeout: ends ? LONG : SHORT })
        await using client = await RawClient.connect(gateway)
        client.expect('GET')
        await client.write(get(path))
        await held.recorder.received(1)
        if (isBegun) await client.until(({ bodyLength }) => bodyLength === 6)
        const closing = gateway.close()
        await stopped(gateway)
        if (ends) {
          held.finish()
          const reply = await client.response()
          assert.deepEqual([reply.body.toString(), reply.cut], [isBegun ? 'begun late' : 'late', false])
          if (!isBegun) assert.equal(headerValue(reply, 'connection'), 'close')
        }
        await client.closed
        await closing
        assert.equal(await held.ended, ends ? 'whole' : 'cut')
      })

      test(`${way}, over HTTP/2: a reply ${when} is ${ends ? 'finished' : 'cut after closeTimeout'}`, async () => {
        await using held = await hold(isBegun)
        const app = Fastify({ http2: true })
        app.register(async scope => {
          await scope.register(scgi, { prefix: '/scgi/', replyFrom: true, upstreams: held.recorder.address, closeTimeout: ends ? LONG : SHORT })
          scope.get('/from', (_request, reply) => reply.from('/there'))
        })
        const client = await H2Client.connect(Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port))
        const stream = client.session.request({ ':path': path })
        stream.on('error', () => {})
        const closed = new Promise(resolve => stream.once('close', resolve))
        await held.recorder.received(1)
        if (isBegun) await within(stream, 'data')
        stream.resume()
        const closing = app.close()
        if (ends) held.finish()
        await closed
        assert.equal(stream.rstCode, ends ? 0 : 2)
        assert.equal(await held.ended, ends ? 'whole' : 'cut')
        await client.close()
        await closing
      })
    }
  }

  test(`${way}: the answer to a failure is the last of its connection`, async () => {
    await using held = await hold(false)
    await using gateway = await start(held.recorder.address, { closeTimeout: LONG })
    held.recorder.answer = async exchange => {
      await stopped(gateway)
      await exchange.end('no head\r\n\r\n')
    }
    await using client = await RawClient.connect(gateway)
    client.expect('GET')
    await client.write(get(path))
    await held.recorder.received(1)
    const closing = gateway.close()
    const reply = await client.response()
    assert.deepEqual([reply.statusCode, headerValue(reply, 'connection')], [502, 'close'])
    await closing
  })

  test(`${way}: closeTimeout holds for a request that a hook still held back when closing began`, async () => {
    await using held = await hold(false)
    let go = (): void => {}
    let came = (): void => {}
    const arrived = new Promise<void>(resolve => { came = resolve })
    await using gateway = await startGateway(async app => {
      app.addHook('preHandler', (_request, _reply, done) => {
        go = done
        came()
      })
      await app.register(scgi, { prefix: '/scgi/', replyFrom: true, upstreams: held.recorder.address, ignoreClientAbort: true, closeTimeout: 200 })
      app.get('/from', (_request, reply) => reply.from('/there'))
    })
    const client = await RawClient.connect(gateway)
    await client.write(get(path))
    await arrived
    const closing = gateway.close()
    await stopped(gateway)
    go()
    await held.recorder.received(1)
    client.destroy()
    await closing
    assert.equal(await held.ended, 'cut')
  })
}

test('a request that was given up is not repeated, whatever retryDelay says', async () => {
  let asked = 0
  const hooks: FastifyReplyFromHooks = {
    retryDelay: () => {
      asked += 1
      return 1
    },
  }
  await using held = await hold(false)
  await using left = await start(held.recorder.address, {}, hooks)
  const client = await RawClient.connect(left)
  await client.write(get('/from'))
  await held.recorder.received(1)
  client.destroy()
  await held.recorder.idle()
  await left.close()
  assert.equal(asked, 0)

  // One that fails is, until the application closes.
  await using failing = await start(await refusedAddress(), { closeTimeout: SHORT }, hooks)
  await using waiting = await RawClient.connect(failing)
  await waiting.write(get('/from'))
  await eventually(() => asked > 20, 'it is repeated')
  await failing.close()
  const before = asked
  await timers(5)
  assert.equal(asked, before)
})

test('nor is one that fails after its client has left, with ignoreClientAbort', async () => {
  const events = new EventEmitter()
  let asked = 0
  await using failing = await start(await refusedAddress(), { ignoreClientAbort: true, closeTimeout: SHORT }, {
    retryDelay: () => {
      asked += 1
      if (asked === 3) events.emit('asked')
      return 5
    },
  })
  const isAsked = once(events, 'asked')
  const left = new Promise(resolve => failing.app.server.once('connection', socket => socket.once('close', resolve)))
  const client = await RawClient.connect(failing)
  await client.write(get('/from'))
  await isAsked
  client.destroy()
  await left
  await timers(2)
  const before = asked
  await timers(5)
  assert.equal(asked, before)
})

/** Longer than any retryDelay here, so many times. */
async function timers (count: number): Promise<void> {
  for (let fired = 0; fired < count; fired++) await new Promise(resolve => setTimeout(resolve, 10))
}
