// Large bodies are read into memory that is used again: whoever sees a piece on its way, each client gets its own bytes.
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Exchange } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import { bytes, eventually, get } from './kit.ts'
import type { FastifyInstance } from 'fastify'

const BODIES = [70_000, 90_000, 100_000, 131_072, 131_073, 600_000, 1_500_000].map(size => randomBytes(size))
const FRAMINGS = ['length', 'eof', 'chunked', 'dribble'] as const
const TARGETS = BODIES.flatMap((body, index) => FRAMINGS.map(framing => ({ body, target: `/${index}/${framing}` })))

function chunked (body: Buffer, size: number): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size)
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')])
}

/** Answers with the body and in the framing that the URI asks for. */
function answer (exchange: Exchange): void | Promise<void> {
  const [, index = '', framing] = exchange.request.param('REQUEST_URI')?.split('/') ?? []
  const body = BODIES[Number(index)] ?? Buffer.alloc(0)
  const head = (line: string): string => `Status: 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=60\r\n${line}\r\n`
  switch (framing) {
    case 'eof': return exchange.end(bytes([head('').slice(0, -4)], body))
    case 'chunked': return exchange.end(Buffer.concat([Buffer.from(head('Transfer-Encoding: chunked\r\n')), chunked(body, 40_000)]))
    case 'dribble': return exchange.writeEach([head(`Content-Length: ${body.length}\r\n`), ...pieces(body)])
    default: return exchange.end(Buffer.concat([Buffer.from(head(`Content-Length: ${body.length}\r\n`)), body]))
  }
}

function pieces (body: Buffer): Buffer[] {
  const step = Math.ceil(body.length / 30)
  return Array.from({ length: 30 }, (_, i) => body.subarray(i * step, (i + 1) * step))
}

/** What the clients of a gateway get, all at once. */
async function check (
  gateway: { port: number, tls?: boolean }, request = (target: string): Buffer => get(target), targets = TARGETS
): Promise<void> {
  await Promise.all(targets.map(async ({ body, target }) => {
    const response = await rawRequest(gateway, request(target))
    assert.deepEqual([response.statusCode, response.cut, response.body.length], [200, false, body.length], target)
    assert.ok(response.body.equals(body), target)
  }))
}

/** One that sees the rest of a body only. */
const LATE = 'a write() that comes when the first pieces have left'

const WATCHERS: Record<string, (app: FastifyInstance, keep: (url: string, piece: unknown) => void) => void> = {
  'a listener on the payload' (app, keep) {
    app.addHook('onSend', (request, _reply, payload: unknown, done) => {
      if (payload instanceof PassThrough || typeof payload !== 'object' || payload === null || !('on' in payload)) keep(request.url, payload)
      else if (typeof payload.on === 'function') payload.on('data', (piece: unknown) => keep(request.url, piece))
      done(null, payload)
    })
  },
  'a listener on what is piped' (app, keep) {
    app.addHook('onSend', (request, { raw }, payload: unknown, done) => {
      if (Buffer.isBuffer(payload)) keep(request.url, payload)
      else raw.on('pipe', source => source.on('data', piece => keep(request.url, piece)))
      done(null, payload)
    })
  },
  'a stream in its place' (app, keep) {
    app.addHook('onSend', (request, _reply, payload: unknown, done) => {
      if (typeof payload !== 'object' || payload === null || !('pipe' in payload) || typeof payload.pipe !== 'function') {
        keep(request.url, payload)
        done(null, payload)
        return
      }
      const through = new PassThrough()
      payload.pipe(through)
      through.on('data', piece => keep(request.url, piece))
      done(null, through)
    })
  },
  'a write() of its own at the reply' (app, keep) {
    app.addHook('onRequest', (request, { raw }, done) => {
      const { write, end } = raw
      raw.write = (piece: unknown, ...rest: unknown[]) => {
        keep(request.url, piece)
        return Reflect.apply(write, raw, [piece, ...rest])
      }
      raw.end = (piece?: unknown, ...rest: unknown[]) => {
        if (Buffer.isBuffer(piece)) keep(request.url, piece)
        return Reflect.apply(end, raw, [piece, ...rest])
      }
      done()
    })
  },
  'a send() of its own at the reply' (app, keep) {
    app.addHook('onRequest', (request, reply, done) => {
      const { send } = reply
      reply.send = payload => {
        if (Buffer.isBuffer(payload)) keep(request.url, payload)
        else if (payload instanceof Readable) payload.on('data', (piece: unknown) => keep(request.url, piece))
        return send.call(reply, payload)
      }
      done()
    })
  },
  'a send() that takes itself away when it is called' (app, keep) {
    app.addHook('onRequest', (request, reply, done) => {
      const { send } = reply
      reply.send = payload => {
        Reflect.deleteProperty(reply, 'send')
        if (Buffer.isBuffer(payload)) keep(request.url, payload)
        else if (payload instanceof Readable) payload.on('data', (piece: unknown) => keep(request.url, piece))
        return send.call(reply, payload)
      }
      done()
    })
  },
  'an end() that takes itself away when it is called' (app, keep) {
    app.addHook('onRequest', (request, { raw }, done) => {
      const { write, end } = raw
      raw.write = (piece: unknown, ...rest: unknown[]) => {
        keep(request.url, piece)
        return Reflect.apply(write, raw, [piece, ...rest])
      }
      raw.end = (piece?: unknown, ...rest: unknown[]) => {
        Reflect.deleteProperty(raw, 'end')
        Reflect.deleteProperty(raw, 'write')
        if (Buffer.isBuffer(piece)) keep(request.url, piece)
        return Reflect.apply(end, raw, [piece, ...rest])
      }
      done()
    })
  },
  [LATE] (app, keep) {
    app.addHook('onRequest', (request, { raw }, done) => {
      raw.once('pipe', () => setImmediate(() => {
        const { write } = raw
        raw.write = (piece: unknown, ...rest: unknown[]) => {
          keep(request.url, piece)
          return Reflect.apply(write, raw, [piece, ...rest])
        }
      }))
      done()
    })
  },
}

for (const [name, watch] of Object.entries(WATCHERS)) {
  test(`each client gets its own bytes, and so does ${name}, which keeps them`, async () => {
    await using recorder = await startRecorder({ answer })
    const seen = new Map<string, Buffer[]>()
    await using gateway = await startGateway(app => {
      watch(app, (url, piece) => {
        if (!Buffer.isBuffer(piece)) return
        const list = seen.get(url) ?? []
        seen.set(url, list)
        list.push(piece)
      })
      app.register(scgi, { upstreams: recorder.address })
    })
    await check(gateway)
    // Other requests of the process use the same memory, where nobody keeps it.
    await using plain = await startGateway({ upstreams: recorder.address })
    await check(plain, get, TARGETS.filter(({ body }) => body.length < 131_073))
    for (const { body, target } of TARGETS) {
      const kept = Buffer.concat(seen.get(target) ?? [])
      assert.ok(kept.equals(name === LATE ? body.subarray(body.length - kept.length) : body), target)
    }
    assert.ok(seen.size > 0)
  })
}

test('each client gets its own bytes: plain, on HTTP/1.0, over TLS, and what the cache and the store keep is intact', async () => {
  await using recorder = await startRecorder({ answer })
  const upstreams = recorder.address
  await using gateway = await startGateway({ upstreams })
  await check(gateway)
  await check(gateway, target => bytes([`GET ${target} HTTP/1.0`, 'Host: gateway.test']))
  await using cached = await startGateway({ upstreams, cache: { zone: createCache({ name: 'large', maxSize: '64m' }) } })
  await check(cached)
  const { length } = recorder.requests
  await check(cached)
  assert.equal(recorder.requests.length, length)
  await using root = await tempDir()
  await using stored = await startGateway({ upstreams, store: { root: root.path } })
  await Promise.all([check(stored), check(gateway)])
  for (const { body, target } of TARGETS.filter(({ target }) => target.endsWith('length'))) assert.ok((await readFile(root.path + target)).equals(body), target)
  const secure = Fastify({ https: testCertificate })
  secure.register(scgi, { upstreams })
  try {
    const url = await secure.listen({ port: 0, host: '127.0.0.1' })
    await check({ port: Number(new URL(url).port), tls: true })
  } finally {
    await secure.close()
  }
})

test('a hook that pauses the payload has nothing written until it resumes it', async () => {
  await using recorder = await startRecorder({ answer })
  let pauses = 0
  await using gateway = await startGateway(app => {
    app.addHook('onRequest', (_request, { raw }, done) => {
      raw.once('pipe', source => setImmediate(async () => {
        source.pause()
        // What was written before the pause leaves still.
        await eventually(() => raw.writableLength === 0, 'all that was written has left')
        const written = raw.socket?.bytesWritten
        for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
        assert.equal(raw.socket?.bytesWritten, written)
        pauses++
        source.resume()
      }))
      done()
    })
    app.register(scgi, { upstreams: recorder.address })
  })
  await check(gateway)
  assert.ok(pauses >= TARGETS.filter(({ body }) => body.length > 131_072).length, `${pauses} pauses`)
})

test('a client that reads nothing frees the application, and gets all of it afterwards', async () => {
  const body = randomBytes(20_000_000)
  let left = false
  await using recorder = await startRecorder({
    async answer (exchange) {
      await exchange.writeEach([bytes(['Status: 200 OK', `Content-Length: ${body.length}`], body)])
      left = true
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.socket.pause()
  const response = client.request(get('/'))
  client.socket.pause()
  await eventually(() => left, 'the application is free')
  client.socket.resume()
  assert.ok((await response).body.equals(body))
})

test('a client that goes away in the middle has the application let go', async () => {
  let closed = false
  await using recorder = await startRecorder({
    async answer (exchange) {
      await exchange.writeEach([bytes(['Status: 200 OK', 'Content-Length: 100000000'], randomBytes(1_000_000))])
      await exchange.closed
      closed = true
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using client = await RawClient.connect(gateway)
  client.request(get('/')).catch(() => {})
  await eventually(() => client.bodyLength > 500_000, 'half of it has come')
  client.socket.destroy()
  await eventually(() => closed, 'the application is let go')
})
