// A hook that reads the body too, pauses it, or has it decoded: the application gets all of it, or the request fails. Never a part as the whole.
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, only, startHttp2 } from '../gateway/kit.ts'
import type { FastifyInstance } from 'fastify'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

const BODY = Buffer.from('gr\xfc\xdfe, grüße \0\xe2\x82\xac', 'latin1')
const TEXT = Buffer.from('grüße, 12 €')

interface Case {
  readonly act: (body: Readable, heard: (chunk: unknown) => void) => void
  readonly body?: Buffer
  /** The hook hears all of it as well. */
  readonly hears?: true
}

const cases: Record<string, Case> = {
  listens: { hears: true, act: (body, heard) => body.on('data', heard) },
  'listens, and pauses': {
    hears: true,
    act: (body, heard) => body.on('data', heard).pause(),
  },
  'reads when there is something': {
    hears: true,
    act: (body, heard) => body.on('readable', () => {
      for (let chunk: unknown; (chunk = body.read()) !== null;) heard(chunk)
    }),
  },
  'waits for the first piece': { act: body => body.once('readable', () => {}) },
  pauses: { act: body => body.pause() },
  'decodes UTF-8': { body: TEXT, act: body => body.setEncoding('utf8') },
  'decodes hexadecimal digits': { act: body => body.setEncoding('hex') },
  'decodes base64, and listens': { act: body => body.setEncoding('base64').on('data', () => {}) },
  'decodes latin1, and pauses': { act: body => body.setEncoding('latin1').pause() },
}

const hooks: Record<string, (app: FastifyInstance, act: (body: Readable) => void) => void> = {
  onRequest: (app, act) => app.addHook('onRequest', (request, _reply, done) => {
    act(request.raw)
    done()
  }),
  preParsing: (app, act) => app.addHook('preParsing', (request, _reply, payload, done) => {
    act(request.raw)
    done(null, payload)
  }),
  preHandler: (app, act) => app.addHook('preHandler', (request, _reply, done) => {
    act(request.raw)
    done()
  }),
}

for (const [what, { act, body = BODY, hears }] of Object.entries(cases)) {
  test(`a hook ${what}`, async () => {
    await using recorder = await startRecorder()
    const heard: Buffer[] = []
    let hook = hooks['onRequest']
    const setup = (app: FastifyInstance): void => {
      hook?.(app, raw => act(raw, chunk => { if (Buffer.isBuffer(chunk)) heard.push(chunk) }))
      app.register(scgi, { prefix: '/on', upstreams: recorder.address })
      app.register(scgi, { prefix: '/off', upstreams: recorder.address, requestBuffering: false })
    }
    for (const name of Object.keys(hooks)) {
      hook = hooks[name]
      await using gateway = await startGateway(setup)
      const sockets: Socket[] = []
      gateway.app.server.on('connection', socket => sockets.push(socket))
      await using client = await RawClient.connect(gateway)
      client.socket.setNoDelay()
      for (const prefix of ['/on', '/off']) {
        for (const cut of [body.length, 0, 3]) {
          for (const chunked of [false, true]) {
            const lines = [`POST ${prefix}/ HTTP/1.1`, 'Host: x', chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`]
            const sent = bytes(lines, chunked ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]) : body)
            heard.length = 0
            client.expect('POST')
            const first = cut === body.length ? sent.length : sent.indexOf('\r\n\r\n') + 4 + cut
            await client.write(sent.subarray(0, first))
            await turnsUntil(() => sockets[0]?.bytesRead === client.socket.bytesWritten, 'what is sent has come')
            await client.write(sent.subarray(first))
            const where = `${name} ${prefix} ${cut} ${chunked}`
            assert.equal((await client.response()).statusCode, 200, where)
            assert.deepEqual(only(recorder).body, body, where)
            if (hears === true) assert.deepEqual(Buffer.concat(heard), body, where)
          }
        }
      }
    }
  })
}

test('the same over HTTP/2', async () => {
  await using recorder = await startRecorder()
  for (const requestBuffering of [true, false]) {
    await using http2 = await startHttp2({
      upstreams: recorder.address,
      requestBuffering,
      preHandler: (request, _reply, done) => {
        request.raw.on('data', () => {})
        done()
      },
    })
    for (const headers of [{}, { 'content-length': String(BODY.length) }]) {
      const { statusCode } = await http2.client.request({ ':path': '/', ':method': 'POST', ...headers }, BODY)
      assert.equal(statusCode, 200)
      assert.deepEqual(only(recorder).body, BODY)
    }
  }
})

test('an asynchronous hook that gives a copy on in preParsing hears all, whatever waits after it', async () => {
  await using recorder = await startRecorder()
  for (const requestBuffering of [true, false]) {
    const heard: Buffer[] = []
    await using gateway = await startGateway(app => {
      app.addHook('preParsing', async (_request, _reply, payload) => {
        payload.on('data', (chunk: Buffer) => heard.push(chunk))
        return payload.pipe(new PassThrough())
      })
      app.addHook('preHandler', async () => { await nextTurn() })
      app.register(scgi, { upstreams: recorder.address, requestBuffering })
    })
    const content = Buffer.concat([Buffer.from(`${BODY.length.toString(16)}\r\n`), BODY, Buffer.from('\r\n0\r\n\r\n')])
    for (const [coding, sent] of [[`Content-Length: ${BODY.length}`, BODY], ['Transfer-Encoding: chunked', content]] as const) {
      heard.length = 0
      assert.equal((await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', coding], sent))).statusCode, 200)
      assert.deepEqual([only(recorder).body, Buffer.concat(heard)], [BODY, BODY])
    }
  }
})

test('a hook that takes the first piece for itself: the rest is never sent as if it were all', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.addHook('preHandler', async request => {
      await new Promise<void>(resolve => {
        request.raw.once('data', () => {
          request.raw.pause()
          resolve()
        })
      })
    })
    app.register(scgi, { prefix: '/on', upstreams: recorder.address })
    app.register(scgi, { prefix: '/off', upstreams: recorder.address, requestBuffering: false })
  })
  for (const prefix of ['/on', '/off']) {
    await using client = await RawClient.connect(gateway)
    client.expect('POST')
    await client.write(bytes([`POST ${prefix}/ HTTP/1.1`, 'Host: x', 'Content-Length: 6'], 'abc'))
    await client.write('def')
    const response = await client.response()
    assert.deepEqual([response.statusCode, JSON.parse(response.body.toString()).code], [500, 'FST_SCGI_BODY_CONSUMED'])
    assert.equal(recorder.accepted, 0)
  }
})
