// A body that somebody has read before, or that breaks off: the request fails at once, whichever door it comes by, and never waits for it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import scgi, { ScgiClient, type FastifyScgiOptions } from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, only } from '../gateway/kit.ts'
import type { FastifyRequest } from 'fastify'

const CONSUMED = [500, 'FST_SCGI_BODY_CONSUMED']

/** The ways in which a client sends `body`, or nothing. */
function framed (body: string): [coding: string, content: string][] {
  return [[`Content-Length: ${body.length}`, body], ['Transfer-Encoding: chunked', body === '' ? '0\r\n\r\n' : `${body.length}\r\n${body}\r\n0\r\n\r\n`]]
}

async function ask (gateway: Gateway, target: string, [coding, content]: [string, string] = ['Content-Length: 4', 'body'], method = 'POST'): Promise<unknown[]> {
  const { statusCode, body } = await rawRequest(gateway, bytes([`${method} ${target} HTTP/1.1`, 'Host: x', 'Content-Type: text/x', coding], content))
  return statusCode === 200 ? [200] : [statusCode, JSON.parse(body.toString()).code]
}

/** What a hook may do with a body before it is sent. */
const readers: Record<string, (request: FastifyRequest) => Promise<void>> = {
  'reads all of it': async ({ raw }) => { await text(raw) },
  'lets it run dry': async ({ raw }) => { await once(raw.resume(), 'end') },
  'listens, and goes on after that': async ({ raw }) => { await once(raw, 'data') },
}

for (const [what, read] of Object.entries(readers)) {
  test(`a hook ${what}`, async () => {
    await using recorder = await startRecorder()
    const mount: FastifyScgiOptions = { upstreams: recorder.address, clientBodyTimeout: 0 }
    await using gateway = await startGateway(async app => {
      app.addHook('preHandler', read)
      app.register(scgi, { ...mount, prefix: '/on' })
      app.register(scgi, { ...mount, prefix: '/off', requestBuffering: false })
      await app.register(async scope => {
        await scope.register(scgi, { ...mount, prefix: '/door', replyFrom: true })
        scope.addContentTypeParser('text/x', (_request, payload, done) => done(null, payload))
        scope.all('/scgi', (_request, reply) => reply.scgi(mount))
        scope.post('/from', (_request, reply) => reply.from('/there'))
        scope.post('/from-undefined', (_request, reply) => reply.from('/there', { body: undefined }))
        scope.post('/instead', (_request, reply) => reply.scgi({ ...mount, body: 'instead' }))
      })
    })
    for (const body of framed('body')) {
      for (const target of ['/on/', '/off/', '/scgi', '/from']) {
        // Where the length alone tells it, @fastify/reply-from has a word of its own for it.
        const isCounted = target === '/from' && what.startsWith('listens') && body[0].startsWith('Content-Length')
        const expected = isCounted ? [500, 'FST_REPLY_FROM_INTERNAL_SERVER_ERROR'] : CONSUMED
        assert.deepEqual(await ask(gateway, target, body), expected, `${target} ${body[0]}`)
      }
      assert.deepEqual(await ask(gateway, '/scgi', body, 'GET'), CONSUMED)
      assert.equal(recorder.accepted, 0)
      assert.deepEqual(await ask(gateway, '/instead', body), [200])
      assert.equal(only(recorder).body.toString(), 'instead')
    }
    if (what.startsWith('listens')) return
    for (const nothing of framed('')) {
      for (const target of ['/on/', '/off/', '/scgi', '/from', '/from-undefined']) {
        assert.deepEqual(await ask(gateway, target, nothing), [200], `${target} ${nothing[0]}`)
        assert.equal(only(recorder).contentLength, 0)
      }
    }
  })
}

test('what is not to be sent may have been read, and parsed', async () => {
  await using recorder = await startRecorder()
  const mount: FastifyScgiOptions = { upstreams: recorder.address, passRequestBody: false, clientBodyTimeout: 0 }
  await using gateway = await startGateway(async app => {
    app.addHook('preHandler', async ({ raw, body }) => { if (body === raw) await text(raw) })
    app.register(scgi, { ...mount, prefix: '/mount' })
    await app.register(async scope => {
      await scope.register(scgi, { ...mount, prefix: '/door', replyFrom: true })
      scope.addContentTypeParser('text/x', (_request, payload, done) => done(null, payload))
      scope.post('/scgi', (_request, reply) => reply.scgi(mount))
      scope.post('/from', (_request, reply) => reply.from('/there'))
      scope.post('/from-undefined', (_request, reply) => reply.from('/there', { body: undefined }))
    })
    app.register(async scope => {
      scope.addContentTypeParser('text/x', { parseAs: 'string' }, (_request, content, done) => done(null, { content }))
      scope.post('/parsed', (_request, reply) => reply.scgi(mount))
    })
  })
  for (const target of ['/mount/', '/scgi', '/from', '/from-undefined', '/parsed']) {
    assert.deepEqual(await ask(gateway, target), [200], target)
    assert.equal(only(recorder).contentLength, 0)
  }
})

/** Streams that nothing comes from any more. */
const streams: Record<string, () => Promise<Readable>> = {
  'has ended': async () => {
    const stream = Readable.from([Buffer.from('body')])
    await text(stream)
    return stream
  },
  'has ended, and is not closed': async () => {
    const stream = new Readable({ autoDestroy: false, read () { this.push(null) } })
    await once(stream.resume(), 'end')
    return stream
  },
  'has failed': async () => {
    const stream = new PassThrough()
    stream.destroy(new Error('broken'))
    await once(stream, 'error')
    return stream
  },
  'is being destroyed': async () => new PassThrough().destroy(),
}

/** Streams that come to nothing while they are read. */
const breaking: Record<string, [() => Readable, unknown[]]> = {
  fails: [() => Readable.from((async function * () {
    yield Buffer.from('bo')
    throw new Error('broken')
  })()), [500, undefined]],
  'is closed': [() => {
    let begun = false
    return new Readable({
      read () {
        if (begun) this.destroy()
        else begun = this.push('bo')
      },
    })
  }, [400, 'FST_SCGI_BAD_REQUEST']],
}

test('a stream that is given as the body, or that a hook has put in its place', async () => {
  await using recorder = await startRecorder()
  let stream: Readable = Readable.from([])
  for (const requestBuffering of [true, false]) {
    const options = { upstreams: recorder.address, clientBodyTimeout: 0, requestBuffering }
    await using gateway = await startGateway(app => {
      app.register(async scope => {
        scope.addHook('preParsing', (_request, _reply, payload, done) => done(null, Object.assign(stream, { receivedEncodedLength: 4 })))
        scope.register(scgi, { ...options, prefix: '/mount' })
      })
      app.register(async scope => {
        scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
        scope.register(scgi, { ...options, prefix: '/other' })
        scope.post('/given', (_request, reply) => reply.scgi({ ...options, body: stream }))
      })
    })
    for (const target of ['/mount/', '/given']) {
      for (const [what, make] of Object.entries(streams)) {
        stream = await make()
        const expected = target === '/mount/' && what === 'has ended, and is not closed' ? [200] : CONSUMED
        assert.deepEqual(await ask(gateway, target), expected, `${target}: it ${what}`)
      }
      recorder.clear()
      for (const [what, [make, expected]] of Object.entries(breaking)) {
        stream = make()
        assert.deepEqual(await ask(gateway, target), expected, `${target}: it ${what}`)
      }
      assert.equal(recorder.accepted, 0)
    }
    // What was read before was not to be sent.
    stream = new PassThrough()
    stream.push('skipped')
    stream.read(4)
    stream.push(null)
    assert.deepEqual(await ask(gateway, '/given'), [200])
    assert.equal(only(recorder).body.toString(), 'ped')
  }
})

test("the client's own stream, given as the body after its first bytes were read: the rest is sent", async () => {
  await using recorder = await startRecorder()
  for (const requestBuffering of [true, false]) {
    const options = { upstreams: recorder.address, clientBodyTimeout: 0, requestBuffering }
    await using gateway = await startGateway(async app => {
      app.addContentTypeParser('text/x', (_request, payload, done) => done(null, payload))
      await app.register(scgi, { ...options, prefix: '/mount' })
      app.addHook('preHandler', async ({ raw }) => {
        if (raw.readableLength === 0) await once(raw, 'readable')
        assert.equal(String(raw.read(2)), 'bo')
      })
      app.post('/given', (request, reply) => reply.scgi({ ...options, body: request.raw }))
    })
    for (const body of framed('body')) {
      assert.deepEqual(await ask(gateway, '/given', body), [200], body[0])
      const sent = only(recorder)
      assert.deepEqual([sent.contentLength, sent.body.toString()], [2, 'dy'])
    }
  }
})

test('a stream that somebody else reads while the connection is made', async () => {
  await using recorder = await startRecorder()
  const client = new ScgiClient(recorder.address)
  const body = new PassThrough()
  body.end('body')
  const asked = client.request({ body, length: 4 })
  body.resume()
  await assert.rejects(asked, { code: 'FST_SCGI_SEND' })
  await client.close()
})
