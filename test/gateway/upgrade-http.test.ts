// Upgrades through servers that speak HTTP, and with TLS on either side.
import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import { startLiar } from '../connections/kit.ts'
import { ask, connect, portOf } from '../helpers/upgrades.ts'
import type { FastifyScgiOptions, ServerOptions } from '../../types/index.ts'

const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\nX-App: 1\r\n\r\n'

type Server = NonNullable<WebSocketServer['options']['server']>

/** An application that sends back what it is told. */
async function startSockets (server: Server): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) => socket.send(isBinary ? data : `${request.url} ${String(data)}`, { binary: isBinary }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    async [Symbol.asyncDispose] () {
      for (const client of sockets.clients) client.terminate()
      sockets.close()
      server.close()
      await once(server, 'close')
    },
  }
}

async function startFront (front: string, options: FastifyScgiOptions): Promise<{ port: number } & AsyncDisposable> {
  if (front === 'ws') return startGateway(options)
  const app = Fastify({ https: testCertificate })
  await app.register(scgi, options)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { port: Number(new URL(url).port), [Symbol.asyncDispose]: () => app.close() }
}

async function converse (url: string, path: string): Promise<void> {
  const client = new WebSocket(url, { ca: testCertificate.cert })
  await once(client, 'open')
  client.send('hello')
  assert.equal(String((await once(client, 'message'))[0]), `${path} hello`)
  const large = Buffer.alloc(3 * 2 ** 20, 'z')
  client.send(large)
  assert.ok(large.equals((await once(client, 'message'))[0]))
  client.close(1000, 'done')
  assert.deepEqual((await once(client, 'close')).map(String), ['1000', 'done'])
}

const APPLICATIONS: Record<string, { server: () => Server, upstreams: (port: number) => string | ServerOptions[], path: string }> = {
  scgi: { server: () => createScgiServer(), upstreams: port => `127.0.0.1:${port}`, path: '/ws/chat?a=b' },
  http: { server: () => http.createServer(), upstreams: port => `http://127.0.0.1:${port}`, path: '/chat?a=b' },
  'http, kept': { server: () => http.createServer(), upstreams: port => [{ address: `http://127.0.0.1:${port}`, keepalive: 2 }], path: '/chat?a=b' },
  https: {
    server: () => https.createServer(testCertificate),
    upstreams: port => [{ address: `https://127.0.0.1:${port}`, tls: { ca: testCertificate.cert } }],
    path: '/chat?a=b',
  },
}

for (const [name, { server, upstreams, path }] of Object.entries(APPLICATIONS)) {
  for (const front of ['ws', 'wss']) {
    test(`WebSocket from ${front} to ${name}`, async () => {
      await using app = await startSockets(server())
      await using gateway = await startFront(front, { prefix: '/ws', upstreams: upstreams(app.port) })
      await converse(`${front}://127.0.0.1:${gateway.port}/ws/chat?a=b`, path)
      // What the library refuses is an answer as any other.
      const refused = await rawRequest({ port: gateway.port, tls: front === 'wss' }, ask('/ws/'))
      assert.equal(refused.statusCode, 400)
    })
  }
}

test('an HTTP server gets Upgrade, and after its 101 bytes and half-close go through', async () => {
  const application = new EventEmitter()
  const heard = once(application, 'ping')
  const ended = once(application, 'end')
  await using app = await startLiar((socket, all) => {
    if (all.endsWith('\r\n\r\n')) {
      socket.removeAllListeners('end')
      socket.on('end', () => application.emit('end'))
      socket.write(`${SWITCH}first`)
    } else if (all.endsWith('earlyping')) {
      application.emit('ping', all)
    }
  })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [{ address: app.url, maxConns: 1 }] } })
  using client = await connect(gateway)
  client.socket.write(`${ask('/chat?x=1', 'X-Own: 1\r\n')}early`)
  await client.until(/first$/)
  assert.match(client.received(), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.match(client.received(), /\r\nupgrade: echo\r\n/i)
  assert.match(client.received(), /\r\nx-app: 1\r\n/i)
  client.socket.write('ping')
  const request = String((await heard)[0]).toLowerCase()
  assert.match(request, /^get \/chat\?x=1 http\/1\.1\r\n/)
  assert.match(request, /\r\nconnection: upgrade\r\nupgrade: echo\r\n/)
  assert.match(request, /\r\nx-own: 1\r\n/)
  assert.equal(request.match(/\r\nupgrade:/g)?.length, 1)
  assert.equal(request.match(/\r\nconnection:/g)?.length, 1)
  // It holds its server's place.
  assert.equal((await rawRequest(gateway, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).statusCode, 502)
  client.socket.end('bye')
  await ended
  assert.match(app.received[0] ?? '', /earlypingbye$/)
  const over = once(client.socket, 'end')
  for (const socket of app.sockets) socket.end('last')
  await over
  assert.match(client.received(), /firstlast$/)
  const attempt = gateway.log.find(({ msg, upstream }) => /^upstream 127/.test(msg) && upstream !== undefined)?.['upstream']
  assert.ok(typeof attempt === 'object' && attempt !== null && 'status' in attempt && 'responseLength' in attempt)
  assert.deepEqual([attempt.status, attempt.responseLength], [101, 'firstlast'.length])
})

test('another answer of an HTTP server is a usual reply, and the next request goes on', async () => {
  await using app = await startLiar((socket, all) => {
    if (all.endsWith('\r\n\r\n')) socket.write(`HTTP/1.1 ${/upgrade: echo/i.test(all) ? '426 Upgrade Required' : '200 OK'}\r\nContent-Length: 2\r\n\r\nno`)
  })
  await using gateway = await startGateway({ upstreams: [{ address: app.url, keepalive: 4 }] })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  client.expect('GET')
  await client.write(`${ask()}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`)
  const first = await client.response()
  assert.deepEqual([first.statusCode, first.body.toString(), headerValue(first, 'connection')], [426, 'no', 'keep-alive'])
  assert.equal((await client.response()).statusCode, 200)
})

test('a 101 of an HTTP server that nobody has asked for, or that names no protocol, is an invalid reply', async () => {
  await using unasked = await startLiar((socket, all) => { if (all.endsWith('\r\n\r\n')) socket.write(`${SWITCH}first`) })
  await using nameless = await startLiar((socket, all) => { if (all.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 101 Switching\r\n\r\nfirst') })
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/off', upstreams: unasked.url, upgrade: false })
    app.register(scgi, { prefix: '/nameless', upstreams: nameless.url })
  })
  assert.equal((await rawRequest(gateway, ask('/off/'))).statusCode, 502)
  assert.equal((await rawRequest(gateway, ask('/nameless/'))).statusCode, 502)
  assert.ok(gateway.log.some(({ err }) => /a 101 without the headers Upgrade/.test(JSON.stringify(err))))
  assert.ok(!/upgrade: echo/i.test(unasked.received[0] ?? ''))
})

test('neither side is read faster than the other takes, through an HTTP server', async () => {
  const size = 20 * 2 ** 20
  await using app = await startLiar(socket => {
    socket.write(SWITCH)
    socket.write(Buffer.alloc(size, 'x'))
  })
  await using gateway = await startGateway({ upstreams: app.url })
  using client = await connect(gateway)
  client.socket.write(ask())
  await client.until(/xxx$/)
  client.socket.pause()
  const [socket] = app.sockets
  assert.ok(socket)
  let before = -1
  while (before !== socket.writableLength) {
    before = socket.writableLength
    for (let turn = 0; turn < 200; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(before > size / 4, String(before))
  socket.end()
  client.socket.resume()
  await once(client.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  assert.equal(client.received().length - client.received().indexOf('\r\n\r\n') - 4, size)
})

test('readTimeout bounds the silence of an HTTP server after its 101', async () => {
  await using app = await startLiar((socket, all) => { if (all.endsWith('\r\n\r\n')) socket.write(SWITCH) })
  await using gateway = await startGateway({ upstreams: app.url, readTimeout: 60 })
  using client = await connect(gateway)
  client.socket.write(ask())
  await once(client.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  assert.ok(gateway.log.some(line => /readTimeout/.test(line.msg)))
})
