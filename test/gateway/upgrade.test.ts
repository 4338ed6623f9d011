import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import scgi, { createCache } from '../../lib/index.ts'
import { onlooker } from '../../lib/inbound/upgrades.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { SWITCH, ask, connect, portOf, startPeer } from '../helpers/upgrades.ts'
import { eventually } from './kit.ts'
import type { FastifyInstance } from 'fastify'

test('a 101 opens a tunnel both ways; early bytes, half-close and the end go through; accounts count it', async () => {
  await using peer = await startPeer(({ socket }) => { socket.write(`${SWITCH}first`) })
  await using gateway = await startGateway({ upstreams: { name: 'g', servers: [{ address: peer.address, maxConns: 1 }] } })
  using client = await connect(gateway)
  client.socket.write(`${ask('/chat?x=1')}early`)
  await client.until(/first$/)
  assert.match(client.received(), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.match(client.received(), /\r\nupgrade: echo\r\n/i)
  assert.match(client.received(), /\r\nconnection: upgrade\r\n/i)
  assert.match(client.received(), /\r\nx-app: 1\r\n/i)
  const [app] = peer.peers
  assert.ok(app)
  await app.until(/early$/)
  assert.deepEqual([app.params.get('HTTP_UPGRADE'), app.params.get('HTTP_CONNECTION'), app.params.get('QUERY_STRING')], ['echo', 'Upgrade', 'x=1'])
  // It holds its server's place.
  assert.equal((await rawRequest(gateway, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).statusCode, 502)
  client.socket.write('ping')
  await app.until(/earlyping$/)
  const ended = once(app.socket, 'end')
  client.socket.end('bye')
  await ended
  assert.equal(app.received, 'earlypingbye')
  const over = once(client.socket, 'end')
  app.socket.end('last')
  await over
  assert.match(client.received(), /firstlast$/)
  const attempt = gateway.log.find(({ msg, upstream }) => /^upstream 127/.test(msg) && upstream !== undefined)?.['upstream']
  assert.ok(typeof attempt === 'object' && attempt !== null && 'status' in attempt && 'responseLength' in attempt)
  assert.deepEqual([attempt.status, attempt.responseLength], [101, 'firstlast'.length])
  assert.ok(gateway.log.some(({ msg }) => msg === 'request completed'))
})

test('any other answer is a usual reply, and the connection goes on with what the client has sent', async () => {
  await using peer = await startPeer(({ socket, params }) => {
    socket.end(params.has('HTTP_UPGRADE') ? 'Status: 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno' : 'Status: 200 OK\r\nContent-Length: 5\r\n\r\nplain')
  })
  await using gateway = await startGateway({ upstreams: peer.address })
  await using client = await RawClient.connect(gateway)
  client.expect('GET')
  client.expect('GET')
  client.expect('GET')
  await client.write(`${ask()}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`)
  const first = await client.response()
  assert.deepEqual([first.statusCode, first.body.toString(), headerValue(first, 'connection')], [426, 'no', 'keep-alive'])
  const second = await client.response()
  assert.deepEqual([second.statusCode, second.body.toString()], [200, 'plain'])
  client.expect('GET')
  await client.write(ask())
  assert.equal((await client.response()).statusCode, 426)
})

test('a pipelined upgrade waits for its turn', async () => {
  const asked: string[] = []
  const answers: (() => void)[] = []
  await using peer = await startPeer(({ socket, params }) => {
    asked.push(params.get('REQUEST_URI') ?? '')
    if (params.has('HTTP_UPGRADE')) socket.write(`${SWITCH}first`)
    else answers.push(() => socket.end('Status: 200 OK\r\nContent-Length: 2\r\n\r\nok'))
  })
  await using gateway = await startGateway({ upstreams: peer.address })
  let upgrades = 0
  gateway.app.server.prependListener('upgrade', onlooker(() => { upgrades += 1 }))
  using client = await connect(gateway)
  client.socket.write(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n${ask('/3')}early`)
  // Node.js tells of it at once.
  await eventually(() => upgrades === 1 && answers.length === 1, 'the first request is asked, and the upgrade is known')
  assert.deepEqual(asked, ['/1'])
  answers[0]?.()
  await eventually(() => answers.length === 2, 'the second request is asked')
  assert.deepEqual(asked, ['/1', '/2'])
  answers[1]?.()
  await client.until(/first$/)
  assert.match(client.received(), /^HTTP\/1\.1 200 [^]+\r\n\r\nokHTTP\/1\.1 200 [^]+\r\n\r\nokHTTP\/1\.1 101 /)
  assert.deepEqual(asked, ['/1', '/2', '/3'])
  await peer.peers[2]?.until(/early$/)
  client.socket.end()
  peer.peers[2]?.socket.end()
  await once(client.socket, 'end')
})

test('a client that leaves is heard of by the application, and one that is left by it', async () => {
  await using peer = await startPeer(({ socket }) => { socket.write(SWITCH) })
  await using gateway = await startGateway({ upstreams: peer.address, ignoreClientAbort: true })
  using client = await connect(gateway)
  client.socket.write(ask())
  await client.until(/\r\n\r\n$/)
  const gone = once(peer.peers[0]?.socket ?? client.socket, 'close')
  peer.peers[0]?.socket.on('end', () => peer.peers[0]?.socket.end())
  client.socket.destroy()
  await gone
})

test('readTimeout bounds the silence of a tunnel, whoever is silent', async () => {
  await using peer = await startPeer(({ socket }) => { socket.write(SWITCH) })
  await using gateway = await startGateway({ upstreams: peer.address, readTimeout: 60 })
  using client = await connect(gateway)
  client.socket.write(ask())
  await once(client.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  assert.ok(gateway.log.some(line => /readTimeout/.test(line.msg)))
})

test('neither side is read faster than the other takes', async () => {
  const size = 20 * 2 ** 20
  await using peer = await startPeer(({ socket }) => {
    socket.write(SWITCH)
    socket.write(Buffer.alloc(size, 'x'))
  })
  await using gateway = await startGateway({ upstreams: peer.address })
  using client = await connect(gateway)
  client.socket.write(ask())
  await client.until(/xxx$/)
  client.socket.pause()
  const [app] = peer.peers
  assert.ok(app)
  let before = -1
  while (before !== app.socket.writableLength) {
    before = app.socket.writableLength
    for (let turn = 0; turn < 200; turn++) await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(before > size / 4, String(before))
  app.socket.end()
  client.socket.resume()
  await once(client.socket, 'end', { signal: AbortSignal.timeout(10_000) })
  assert.equal(client.received().length - client.received().indexOf('\r\n\r\n') - 4, size)
})

test('refused, cached and guarded: nothing is sent of an upgrade, and hooks run first', async () => {
  await using peer = await startPeer(({ socket, params }) => {
    socket.end(`Status: 200 OK\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\n\r\n${params.has('HTTP_UPGRADE') ? 'up' : 'no'}`)
  })
  await using gateway = await startGateway((app: FastifyInstance) => {
    app.register(scgi, { prefix: '/off', upstreams: peer.address, upgrade: false })
    app.register(scgi, { prefix: '/cached', upstreams: peer.address, cache: { zone: createCache({ name: 'z' }) } })
    app.register(scgi, { prefix: '/guarded', upstreams: peer.address, preHandler: async (_request, reply) => reply.code(401).send('who') })
    app.get('/own', async request => ({ connection: request.headers.connection, upgrade: request.headers.upgrade }))
    app.post('/own', async request => request.body)
    app.get('/scgi', (_request, reply) => reply.scgi({ upstreams: peer.address }))
  })
  const get = (target: string): Promise<string> => rawRequest(gateway, ask(target)).then(({ statusCode, body }) => `${statusCode} ${body}`)
  assert.equal(await get('/off/'), '200 no')
  assert.equal(await get('/cached/'), '200 up')
  assert.equal(await get('/cached/'), '200 up')
  assert.equal(await get('/guarded/'), '401 who')
  assert.equal(await get('/scgi'), '200 up')
  // Other routes see the request as it came.
  assert.equal(await get('/own'), '200 {"connection":"keep-alive, Upgrade","upgrade":"echo"}')
  assert.equal(peer.peers.length, 4)
  // HTTP clients that offer HTTP/2 do so with bodies, too.
  const posted = await rawRequest(gateway, 'POST /own HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody')
  assert.deepEqual([posted.statusCode, posted.body.toString()], [200, 'body'])
})

test('app.close() cuts a tunnel after closeTimeout', async () => {
  await using peer = await startPeer(({ socket }) => { socket.write(SWITCH) })
  await using gateway = await startGateway({ upstreams: peer.address, closeTimeout: 50 })
  using client = await connect(gateway)
  client.socket.write(ask())
  await client.until(/\r\n\r\n$/)
  const closed = once(client.socket, 'end')
  await gateway.close()
  await closed
})

test('WebSocket, through the gateway, to an application of createScgiServer', async () => {
  const server = createScgiServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    socket.on('message', (data, isBinary) => socket.send(isBinary ? data : `${request.url} ${String(data)}`, { binary: isBinary }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using gateway = await startGateway({ prefix: '/ws', upstreams: `127.0.0.1:${portOf(server)}` })
  const client = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws/chat?a=b`)
  await once(client, 'open')
  client.send('hello')
  assert.equal(String((await once(client, 'message'))[0]), '/ws/chat?a=b hello')
  const large = Buffer.alloc(3 * 2 ** 20, 'z')
  client.send(large)
  assert.ok(large.equals((await once(client, 'message'))[0]))
  client.close(1000, 'done')
  assert.deepEqual((await once(client, 'close')).map(String), ['1000', 'done'])
  // What the library refuses is an answer as any other.
  const refused = await rawRequest(gateway, ask('/ws/'))
  assert.equal(refused.statusCode, 400)
  sockets.close()
  server.close()
  await once(server, 'close')
})
