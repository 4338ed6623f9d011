// Hooks of the gateway and of the application around it, also when they throw: the process lives, the client gets an error or a cut,
// and no connection to the application stays open.
import assert from 'node:assert/strict'
import { Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { NoResponse, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { eventually, get, startHttp2 } from './kit.ts'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Gateway } from '../helpers/gateway.ts'
import type { RawResponse } from '../helpers/http-response.ts'
import type { Answer, Recorder } from '../helpers/recorder.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const HEAD = 'Status: 200 All Fine\r\nContent-Type: text/plain\r\nX-App: 1\r\nETag: "x"\r\nSet-Cookie: a=b\r\n'
const WHOLE = `${HEAD}\r\nhello`
const LARGE = `${HEAD}\r\n${'x'.repeat(400_000)}`
const SHORT = `${HEAD}Content-Length: 10\r\n\r\nhello`
const ENDLESS: Answer = async x => { await x.write(`${HEAD}\r\nhello`); await x.closed }

/** A response, or `undefined` where the connection was cut without one. */
async function ask (gateway: Gateway, path = '/'): Promise<RawResponse | undefined> {
  try {
    return await rawRequest(gateway, get(path))
  } catch (error) {
    if (error instanceof NoResponse && !/within/.test(error.message)) return undefined
    throw error
  }
}

async function settled (recorder: Recorder, gateway: Gateway): Promise<void> {
  await recorder.idle()
  for (const group of gateway.app.scgi.groups) await eventually(() => group.servers.every(({ active }) => active === 0), 'no exchange is running')
  // Still alive and well.
  recorder.answer = WHOLE
  const response = await rawRequest(gateway, get('/plain/'))
  assert.equal(response.body.toString(), 'hello')
}

function gatewayWith (recorder: Recorder, options: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>, setup?: (app: FastifyInstance) => void): Promise<Gateway> {
  return startGateway(app => {
    app.register(scgi, { prefix: '/plain', upstreams: { name: 'g', servers: [recorder.address] } })
    app.register(async scope => {
      setup?.(scope)
      scope.register(scgi, { ...options, upstreams: 'balancer://g' })
    })
  })
}

/** A 500 that shows nothing of the application's reply. */
function isOwnError (response: RawResponse | undefined, what: string): void {
  assert.deepEqual([response?.statusCode, response?.reason], [500, 'Internal Server Error'], what)
  if (response === undefined) return
  for (const name of ['x-app', 'etag', 'set-cookie']) assert.equal(headerValue(response, name), undefined, what)
  assert.match(headerValue(response, 'content-type') ?? '', /^application\/json/, what)
}

test('rewriteHeaders decides what the client gets', async () => {
  await using recorder = await startRecorder()
  await using gateway = await gatewayWith(recorder, {
    rewriteHeaders: (headers, request) => ({ ...headers, 'x-app': [String(headers['x-app']), request.url], 'x-new': 'n' }),
  })
  for (const answer of [WHOLE, LARGE]) {
    recorder.answer = answer
    const response = await rawRequest(gateway, get('/'))
    assert.deepEqual(response.headers.filter(([name]) => name.startsWith('x-')), [['x-app', '1'], ['x-app', '/'], ['x-new', 'n']])
  }
  await settled(recorder, gateway)
})

test('rewriteHeaders that throws or gives what cannot be sent: 500 without the headers of the reply', async () => {
  await using recorder = await startRecorder()
  const hooks: Record<string, NonNullable<FastifyScgiOptions['rewriteHeaders']>> = {
    throws: () => { throw new Error('hook') },
    nothing: () => Reflect.get({}, 'none'),
    promise: () => Reflect.get(Object({ promise: Promise.resolve({}) }), 'promise'),
    byte: headers => ({ ...headers, 'x-bad': 'a\nb' }),
    name: headers => ({ ...headers, 'x bad': 'a' }),
  }
  for (const [name, rewriteHeaders] of Object.entries(hooks)) {
    for (const preserveHeaderCase of [false, true]) {
      await using gateway = await gatewayWith(recorder, { rewriteHeaders, preserveHeaderCase })
      for (const answer of [WHOLE, LARGE, ENDLESS]) {
        recorder.answer = answer
        isOwnError(await ask(gateway), `${name} ${preserveHeaderCase} ${String(answer).slice(0, 10)}`)
      }
      await settled(recorder, gateway)
    }
  }
})

test('onResponse sends the reply: as it is, changed, something else, later', async () => {
  await using recorder = await startRecorder()
  for (const [onResponse, expected] of [
    [(_request: unknown, reply: FastifyReply, response: { body: NodeJS.ReadableStream }) => reply.send(response.body), 'hello'],
    [async (_request: unknown, reply: FastifyReply, response: { body: AsyncIterable<Buffer> }) => {
      reply.removeHeader('content-length').send((await buffer(response.body)).toString().toUpperCase())
    }, 'HELLO'],
    [(_request: unknown, reply: FastifyReply, response: { body: { destroy (): void }, statusCode: number }) => {
      response.body.destroy()
      reply.code(203).removeHeader('content-length').send(`was ${response.statusCode}`)
    }, 'was 200'],
  ] as const) {
    await using gateway = await gatewayWith(recorder, { onResponse: (...all) => { onResponse(...all) } })
    await using direct = await gatewayWith(recorder, { onResponse: (...all) => Reflect.apply(onResponse, undefined, all) })
    for (const at of [gateway, direct]) {
      for (const answer of [WHOLE, `${HEAD}Content-Length: 5\r\n\r\nhello`]) {
        recorder.answer = answer
        assert.equal((await ask(at))?.body.toString(), expected)
      }
      await settled(recorder, at)
    }
  }
})

test('onResponse that throws, rejects, or sees the body break off', async () => {
  await using recorder = await startRecorder()
  for (const [name, onResponse] of Object.entries({
    throws: () => { throw new Error('hook') },
    rejects: async () => { throw new Error('hook') },
    later: async () => { await new Promise(resolve => setImmediate(resolve)); throw new Error('hook') },
  })) {
    await using gateway = await gatewayWith(recorder, { onResponse })
    for (const answer of [WHOLE, LARGE, ENDLESS, SHORT]) {
      recorder.answer = answer
      isOwnError(await ask(gateway), name)
    }
    await settled(recorder, gateway)
  }
  await using gateway = await gatewayWith(recorder, {
    onResponse: async (_request, reply, response) => {
      try {
        await buffer(response.body)
      } catch {
        reply.removeHeader('content-length').code(599).send('broken')
      }
    },
  })
  recorder.answer = SHORT
  assert.equal((await ask(gateway))?.body.toString(), 'broken')
  await settled(recorder, gateway)
})

test("onError answers instead of Fastify's error handler; what it throws goes there", async () => {
  await using recorder = await startRecorder()
  for (const [onError, status, body] of [
    [(reply: FastifyReply, { error }: { error: Error }) => { reply.code(200).send(error.message) }, 200, /invalid reply head/],
    [async (reply: FastifyReply) => { await null; reply.code(202).send('later') }, 202, /later/],
    [() => { throw new Error('thrown by the hook') }, 500, /thrown by the hook/],
    [async () => { throw new Error('rejected by the hook') }, 500, /rejected by the hook/],
    [async () => { throw undefined }, 500, /undefined/], // eslint-disable-line no-throw-literal
  ] as const) {
    await using gateway = await gatewayWith(recorder, { onError: (reply, error) => onError(reply, error) })
    recorder.answer = 'no head\r\n\r\n'
    const response = await ask(gateway)
    assert.equal(response?.statusCode, status)
    assert.match(response.body.toString(), body)
    await settled(recorder, gateway)
  }
})

function upper (): Transform {
  return new Transform({ transform: (chunk: Buffer, _encoding, next) => next(null, chunk.toString().toUpperCase()) })
}

type OnSend = (payload: unknown) => unknown

/** Registers an onSend hook: callback style, or as a promise. */
function onSend (app: FastifyInstance, style: 'callback' | 'promise', hook: OnSend): void {
  if (style === 'promise') {
    app.addHook('onSend', async (_request, reply, payload) => {
      await new Promise(resolve => setImmediate(resolve))
      return reply.statusCode >= 400 ? payload : hook(payload)
    })
  } else {
    app.addHook('onSend', (_request, reply, payload, done) => {
      if (reply.statusCode >= 400) return done(null, payload)
      try {
        done(null, hook(payload))
      } catch (error) {
        done(error instanceof Error ? error : new Error('?'))
      }
    })
  }
}

test("the application's onSend hooks: a Transform over streams, other bytes for what is whole", async () => {
  await using recorder = await startRecorder()
  for (const style of ['callback', 'promise'] as const) {
    await using gateway = await gatewayWith(recorder, {}, app => {
      app.addHook('onSend', (_request, reply, payload, done) => {
        reply.removeHeader('content-length')
        done(null, payload)
      })
      onSend(app, style, payload => payload instanceof Buffer
        ? payload.toString().toUpperCase()
        : typeof payload === 'object' && payload !== null && 'pipe' in payload && typeof payload.pipe === 'function' ? payload.pipe(upper()) : payload)
    })
    for (const answer of [WHOLE, LARGE, 'Status: 200\r\n\r\nhello']) {
      recorder.answer = answer
      assert.equal((await ask(gateway))?.body.toString(), answer.slice(answer.indexOf('\r\n\r\n') + 4).toUpperCase())
    }
    await settled(recorder, gateway)
  }
})

test("an onSend hook's stream over a reply that breaks off, or ends late: a cut, not a crash, not a client that waits for ever", async () => {
  await using recorder = await startRecorder()
  for (const style of ['callback', 'promise'] as const) {
    await using gateway = await gatewayWith(recorder, {}, app => onSend(app, style, payload =>
      typeof payload === 'object' && payload !== null && 'pipe' in payload && typeof payload.pipe === 'function' ? payload.pipe(upper()) : payload))
    for (const answer of [
      SHORT, `${HEAD}Content-Length: 400001\r\n\r\n${'x'.repeat(400_000)}`, `${HEAD}Content-Length: 5\r\n\r\n`, `${HEAD}Transfer-Encoding: chunked\r\n\r\nbad\r\n`,
    ]) {
      recorder.answer = answer
      const response = await ask(gateway)
      assert.ok(response === undefined || response.cut || response.statusCode >= 500, `${style} ${answer.length}`)
    }
    await settled(recorder, gateway)
  }
})

test('an onSend hook that throws: 500 without the reason phrase of the reply, and the application is let go', async () => {
  await using recorder = await startRecorder()
  for (const style of ['callback', 'promise'] as const) {
    for (const preserveHeaderCase of [false, true]) {
      await using gateway = await gatewayWith(recorder, { preserveHeaderCase }, app => onSend(app, style, () => { throw new Error('hook') }))
      for (const answer of [WHOLE, LARGE, ENDLESS, SHORT]) {
        recorder.answer = answer
        const response = await ask(gateway)
        // A reply that has broken off meanwhile may end in a cut.
        if (answer === SHORT && response === undefined) continue
        assert.deepEqual([response?.statusCode, response?.reason], [500, 'Internal Server Error'], `${style} ${preserveHeaderCase} ${String(answer).slice(0, 10)}`)
        assert.match(response?.body.toString() ?? '', /"message":"hook"/)
      }
      await settled(recorder, gateway)
    }
  }
})

test('a hook that answers before the gateway, or sends another stream in its place, lets the application go', async () => {
  await using recorder = await startRecorder({ answer: ENDLESS })
  await using gateway = await gatewayWith(recorder, {}, app => {
    app.addHook('onSend', async (_request, reply, payload) => {
      if (reply.getHeader('x-app') === undefined) return payload
      reply.removeHeader('content-length')
      return 'another'
    })
  })
  assert.equal((await ask(gateway))?.body.toString(), 'another')
  await settled(recorder, gateway)
})

test('handlerTimeout answers once, and the application is let go', async () => {
  await using recorder = await startRecorder({ answer: async x => { await x.closed } })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/plain', upstreams: { name: 'g', servers: [recorder.address] } })
    app.register(scgi, { prefix: '/slow', upstreams: 'balancer://g' })
  }, { handlerTimeout: 100 })
  for (let i = 0; i < 3; i++) assert.equal((await rawRequest(gateway, get('/slow/', 'Connection: close'), { untilClose: true })).statusCode, 503)
  await settled(recorder, gateway)
  assert.deepEqual(gateway.app.scgi.groups.get('g')?.servers.map(({ fails }) => fails), [0])
})

test('HTTP/2: hooks that throw end the stream with an error, and the session lives', async () => {
  await using recorder = await startRecorder()
  await using http2 = await startHttp2({ upstreams: recorder.address, rewriteHeaders: () => { throw new Error('hook') } })
  for (const answer of [WHOLE, LARGE, ENDLESS]) {
    recorder.answer = answer
    assert.equal((await http2.client.request({ ':path': '/' })).statusCode, 500)
  }
  await recorder.idle()
})
