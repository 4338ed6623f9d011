// Informational replies: who gets them, with which headers, and that nothing of them stays.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get, startHttp2 } from './kit.ts'
import type { FastifyScgiOptions } from '../../types/index.ts'

const HINTS = [
  'Link: </a.css>; rel=preload; as=style', 'Link: </b.js>; rel=preload', 'X-Own: 1', 'X-Hidden: 1', 'X-Accel-Buffering: no', 'X-Hop: 1', 'Connection: X-Hop', 'Keep-Alive: 1',
]
const REPLY = 'Content-Type: text/plain\r\nContent-Length: 2\r\nCache-Control: max-age=60\r\n\r\nok'
const SCGI = `Status: 103 Early Hints\r\n${HINTS.join('\r\n')}\r\n\r\nStatus: 200 OK\r\n${REPLY}`
const HTTP = `HTTP/1.1 103 Early Hints\r\n${HINTS.join('\r\n')}\r\n\r\nHTTP/1.1 200 OK\r\n${REPLY}`

/** An HTTP server that says these bytes to each request. */
async function startBytes (answer: string): Promise<AsyncDisposable & { url: string }> {
  const sockets = new Set<Socket>()
  const server = net.createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', () => socket.write(answer, 'latin1'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose] () {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

test('hints of HTTP servers are handed on, of SCGI servers with earlyHints, and never to HTTP/1.0', async () => {
  await using recorder = await startRecorder({ answer: SCGI })
  await using http = await startBytes(HTTP)
  const rows: [upstreams: string, earlyHints: boolean | undefined, version: string, hints: number][] = [
    [http.url, undefined, '1.1', 1], [http.url, true, '1.1', 1], [http.url, false, '1.1', 0], [http.url, undefined, '1.0', 0],
    [recorder.address, undefined, '1.1', 0], [recorder.address, true, '1.1', 1], [recorder.address, false, '1.1', 0], [recorder.address, true, '1.0', 0],
  ]
  for (const [upstreams, earlyHints, version, hints] of rows) {
    const options: Omit<FastifyScgiOptions, 'logLevel'> = { upstreams, hideHeaders: ['X-Hidden'], ...(earlyHints !== undefined && { earlyHints }) }
    await using gateway = await startGateway(options)
    const what = `${upstreams} ${earlyHints} HTTP/${version}`
    for (const method of ['GET', 'HEAD', 'POST']) {
      const response = await rawRequest(gateway, bytes([`${method} / HTTP/${version}`, 'Host: gateway.test', 'Content-Length: 0']))
      assert.deepEqual([response.statusCode, response.informational.length], [200, hints], `${what} ${method}`)
      for (const hint of response.informational) {
        assert.deepEqual([hint.statusCode, hint.reason], [103, 'Early Hints'])
        assert.deepEqual(headerValues(hint, 'link'), ['</a.css>; rel=preload; as=style', '</b.js>; rel=preload'])
        assert.deepEqual(hint.headers.map(([name]) => name), ['link', 'link', 'x-own'], what)
      }
      assert.deepEqual([headerValue(response, 'link'), headerValue(response, 'x-own')], [undefined, undefined])
    }
  }
})

test('over HTTP/2 they are HEADERS frames before the reply', async () => {
  await using recorder = await startRecorder({ answer: SCGI })
  await using http = await startBytes(HTTP)
  for (const upstreams of [http.url, recorder.address]) {
    await using gateway = await startHttp2({ upstreams, earlyHints: true, hideHeaders: ['X-Hidden'] })
    const stream = gateway.client.session.request({ ':path': '/' })
    const seen: [unknown, string[]][] = []
    stream.on('headers', headers => seen.push([headers[':status'], Object.keys(headers).sort()]))
    const [head] = await once(stream, 'response')
    stream.resume()
    await once(stream, 'close')
    assert.equal(head[':status'], 200)
    assert.deepEqual(seen, [[103, [':status', 'link', 'x-own']]])
  }
})

test('any 1xx but 100 and 101, and as many as come; a malformed one is nobody\'s', async () => {
  const before = [
    'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: nonsense\r\n\r\n',
    'HTTP/1.1 199 Who Knows\r\nX-A: caf\xe9\r\n\r\n',
  ].join('')
  const scgi = before.replaceAll('HTTP/1.1 ', 'Status: ')
  await using recorder = await startRecorder({ answer: Buffer.from(`${scgi}Status: 200\r\n${REPLY}`, 'latin1') })
  await using http = await startBytes(`${before}HTTP/1.1 200 OK\r\n${REPLY}`)
  for (const upstreams of [http.url, recorder.address]) {
    await using gateway = await startGateway({ upstreams, earlyHints: true })
    const { informational } = await rawRequest(gateway, get('/'))
    assert.deepEqual(informational.map(({ statusCode, headers }) => [statusCode, ...headers.flat()]),
      [[102], [103, 'link', '<a>'], [103, 'link', 'nonsense'], [199, 'x-a', 'caf\xe9']])
  }
})

test('they come before the reply is there, and not once it has begun', async () => {
  let go = (): void => {}
  const gone = new Promise<void>(resolve => { go = resolve })
  await using recorder = await startRecorder({
    answer: async exchange => {
      await exchange.body()
      await exchange.write('Status: 103\r\nLink: <a>\r\n\r\n')
      await gone
      await exchange.end(`Status: 200\r\n${REPLY}`)
    },
  })
  await using gateway = await startGateway({ upstreams: recorder.address, earlyHints: true })
  await using client = await RawClient.connect(gateway)
  const first = once(client.socket, 'data')
  client.expect('GET')
  await client.write(get('/'))
  assert.match(String((await first)[0]), /^HTTP\/1\.1 103 Early Hints\r\nlink: <a>\r\n\r\n$/)
  go()
  assert.equal((await client.response()).statusCode, 200)
})

test('nothing of them is stored, and of a stored reply there are none', async () => {
  await using http = await startBytes(HTTP)
  await using gateway = await startGateway({ upstreams: http.url, cache: { zone: createCache({ name: 'hints' }), statusHeader: 'X-Cache' } })
  for (const [status, hints] of [['MISS', 1], ['HIT', 0]] as const) {
    const response = await rawRequest(gateway, get('/'))
    assert.deepEqual([headerValue(response, 'x-cache'), response.informational.length, headerValue(response, 'link'), headerValue(response, 'x-own')], [status, hints, undefined, undefined])
  }
})

test('of an attempt that fails they have gone, and the next one answers; a reply that is replaced comes after them', async () => {
  await using bad = await startRecorder({ answer: 'Status: 103\r\nLink: <a>\r\n\r\nStatus: 999\r\n\r\n' })
  await using good = await startRecorder({ answer: SCGI })
  await using gateway = await startGateway({ upstreams: [bad.address, { address: good.address, backup: true }], earlyHints: true, nextUpstream: ['error', 'invalid_header'] })
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual([response.statusCode, response.informational.map(({ statusCode }) => statusCode)], [200, [103, 103]])
  good.answer = SCGI.replace('Status: 200 OK', 'X-Accel-Redirect: /nowhere')
  await using redirecting = await startGateway({ prefix: '/app', upstreams: good.address, earlyHints: true })
  const missing = await rawRequest(redirecting, get('/app/'))
  assert.equal(missing.informational.length, 1)
  assert.ok(missing.statusCode >= 400)
})
