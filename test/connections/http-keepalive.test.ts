// Connections to an HTTP server that are used again, and those that must not be.
import assert from 'node:assert/strict'
import http from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assertNoGrowth } from '../helpers/resources.ts'
import { answering, endpointAt, exchanged, httpRequest, Observed, startLiar } from './kit.ts'
import type { AddressInfo } from 'node:net'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

test('a connection is used again, whatever Host it is for; without keepalive it is not', async () => {
  for (const keepalive of [0, 2]) {
    await using server = await startLiar(answering(OK))
    const endpoint = endpointAt(server.url, { keepalive })
    const reused: boolean[] = []
    for (const host of ['a.example', 'b.example', 'a.example']) {
      const observed = await exchanged(endpoint, httpRequest({ http: { host } }))
      assert.equal(observed.failure, 'none')
      assert.equal(observed.control.bytesReceived, OK.length)
      assert.equal(observed.control.bytesSent, `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: ${keepalive > 0 ? 'keep-alive' : 'close'}\r\n\r\n`.length)
      reused.push(observed.control.reused)
      await nextTurn()
    }
    assert.deepEqual(reused, keepalive === 0 ? [false, false, false] : [false, true, true])
    assert.equal(server.received.length, keepalive === 0 ? 3 : 1)
    assert.match(server.received[0] ?? '', keepalive === 0 ? /connection: close/ : /connection: keep-alive/)
    endpoint.closeIdle()
    await server.idle()
  }
})

test('replies after which the connection is closed', async () => {
  const cases: [string, string, boolean?][] = [
    ['GET', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['GET', 'HTTP/1.1 200 OK\r\n\r\nok', true],
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    ['GET', `${OK}surplus`],
    ['GET', `${OK}${OK}`],
    ['GET', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok'],
  ]
  for (const [method, reply, close] of cases) {
    await using server = await startLiar(answering(reply, close))
    const endpoint = endpointAt(server.url, { keepalive: 2 })
    assert.equal((await exchanged(endpoint, httpRequest({ method }))).failure, 'none', reply)
    await server.idle()
    await nextTurn()
    assert.equal((await exchanged(endpoint, httpRequest({ method }))).control.reused, false, reply)
    await server.idle()
  }
})

test('replies after which it stays', async () => {
  for (const reply of ['HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok']) {
    await using server = await startLiar(answering(reply))
    const endpoint = endpointAt(server.url, { keepalive: 2 })
    await exchanged(endpoint, httpRequest())
    await nextTurn()
    assert.equal((await exchanged(endpoint, httpRequest())).control.reused, true, reply)
    endpoint.closeIdle()
    await server.idle()
  }
})

test('a connection whose request was not sent to its end is not kept, nor one taken in the turn of its reply', async () => {
  await using early = await startLiar(socket => { if (socket.bytesWritten === 0) socket.pause().write(OK) })
  const bytes = Buffer.alloc(16 * 1024 * 1024)
  const body = { length: bytes.length, replayable: true, open: () => bytes }
  const hasty = endpointAt(early.url, { keepalive: 2 })
  assert.equal((await exchanged(hasty, httpRequest({ method: 'POST', body }))).failure, 'none')
  await nextTurn()
  assert.equal((await exchanged(hasty, httpRequest())).control.reused, false)
  hasty.closeIdle()
  for (const socket of early.sockets) socket.resume()
  await early.idle()

  await using server = await startLiar(answering(OK))
  const endpoint = endpointAt(server.url, { keepalive: 2 })
  let second: Observed | undefined
  await exchanged(endpoint, httpRequest(), event => {
    if (event !== 'end') return
    second = new Observed(endpoint, httpRequest())
    second.control.start()
  })
  await second?.over
  assert.deepEqual([second?.failure, second?.control.reused], ['none', false])
  endpoint.closeIdle()
})

test('no more are kept than keepalive says, and none beyond closeIdle', async () => {
  await using server = await startLiar((socket, all) => { if (all.endsWith('\r\n\r\n')) setTimeout(() => socket.write(OK), 10) })
  const endpoint = endpointAt(server.url, { keepalive: 2 })
  await Promise.all(Array.from({ length: 5 }, () => exchanged(endpoint, httpRequest())))
  while (server.sockets.size > 2) await nextTurn()
  for (let i = 0; i < 5; i++) await nextTurn()
  assert.equal(server.sockets.size, 2)
  // One whose reply has come in this very turn is closed too.
  await exchanged(endpoint, httpRequest())
  endpoint.closeIdle()
  await server.idle()
})

test('a connection belongs to its local address and to its largest head', async () => {
  await using server = await startLiar(answering(OK))
  const endpoint = endpointAt(server.url, { keepalive: 4 })
  const requests = [httpRequest(), httpRequest({ localAddress: '127.0.0.2' }), httpRequest({ bufferSize: 4096 })]
  for (const expected of [false, true]) {
    for (const request of requests) {
      assert.equal((await exchanged(endpoint, request)).control.reused, expected)
      await nextTurn()
    }
  }
  endpoint.closeIdle()
})

test('a kept connection that the server has closed in the meantime says so before a byte of the reply', async () => {
  await using server = await startLiar((socket, all, connection) => {
    if (connection > 0 || !/\r\n\r\n[^]/.test(all)) answering(OK)(socket, all)
    else socket.destroy()
  })
  const endpoint = endpointAt(server.url, { keepalive: 2 })
  await exchanged(endpoint, httpRequest())
  await nextTurn()
  const observed = await exchanged(endpoint, httpRequest())
  const { reused, bytesReceived } = observed.control
  assert.deepEqual([observed.error?.kind, reused, bytesReceived], ['error', true, 0])
  const again = new Observed(endpoint, httpRequest())
  again.control.start(true)
  await again.over
  assert.deepEqual([again.failure, again.control.reused], ['none', false])
  endpoint.closeIdle()
})

test('an idle connection that the server closes is forgotten, and one that it writes to is closed', async () => {
  for (const bytes of ['', OK]) {
    await using server = await startLiar(answering(OK))
    const endpoint = endpointAt(server.url, { keepalive: 2 })
    await exchanged(endpoint, httpRequest())
    await nextTurn()
    for (const socket of server.sockets) {
      if (bytes === '') socket.end()
      else socket.write(bytes)
    }
    await server.idle()
    for (let i = 0; i < 3; i++) await nextTurn()
    const observed = await exchanged(endpoint, httpRequest())
    assert.deepEqual([observed.failure, observed.control.reused, observed.body], ['none', false, 'ok'])
    endpoint.closeIdle()
  }
})

test('bytes that wait on an idle connection do not become the reply to the next request', async () => {
  await using server = await startLiar(answering(OK))
  const endpoint = endpointAt(server.url, { keepalive: 2 })
  await exchanged(endpoint, httpRequest())
  await nextTurn()
  const [socket] = server.sockets
  assert.ok(socket !== undefined)
  await new Promise<void>(resolve => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison', () => resolve()))
  const observed = await exchanged(endpoint, httpRequest())
  assert.notEqual(observed.body, 'poison')
  endpoint.closeIdle()
})

test('an exchange that is begun in a callback of another one, on a kept connection', async () => {
  await using server = await startLiar(answering(OK))
  const endpoint = endpointAt(server.url, { keepalive: 4 })
  await Promise.all([exchanged(endpoint, httpRequest()), exchanged(endpoint, httpRequest())])
  for (let i = 0; i < 3; i++) await nextTurn()
  let second: Observed | undefined
  await exchanged(endpoint, httpRequest(), event => {
    if (event !== 'head') return
    second = new Observed(endpoint, httpRequest())
    second.control.start()
  })
  await second?.over
  assert.deepEqual([second?.failure, second?.body, second?.control.reused], ['none', 'ok', true])
  endpoint.closeIdle()
})

test('nothing is left over', async () => {
  const server = http.createServer((request, response) => {
    if (request.url === '/cut') response.destroy()
    else if (request.url === '/hang') response.writeHead(200).write('x')
    else request.resume().on('end', () => response.end('ok'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const endpoint = endpointAt(`http://127.0.0.1:${port}`, { keepalive: 2 })
  const never = endpointAt(`http://127.0.0.1:${port}`)
  await assertNoGrowth(async n => {
    const path = n % 5 === 3 ? '/cut' : '/'
    const body = n % 3 === 0 ? { length: 3, replayable: true, open: () => Buffer.from('abc') } : null
    await exchanged(n % 2 === 0 ? endpoint : never, httpRequest({ method: n % 3 === 0 ? 'POST' : 'GET', http: { path }, body }))
    if (n % 4 === 1) {
      const observed = new Observed(never, httpRequest({ http: { path: '/hang' } }), event => { if (event === 'data') observed.control.abort() })
      observed.control.start()
      await new Promise<void>(resolve => {
        const look = (): void => { if (observed.events.includes('data')) resolve(); else setImmediate(look) }
        look()
      })
    }
    if (n % 10 === 0) endpoint.closeIdle()
    await nextTurn()
  }, { rounds: 200, warmup: 40, slack: 2 })
  endpoint.closeIdle()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})
