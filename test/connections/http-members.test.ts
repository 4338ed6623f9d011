// Groups of SCGI and HTTP servers behind one mount: to the client and to `request.scgi` they are the same.
import assert from 'node:assert/strict'
import http from 'node:http'
import https from 'node:https'
import { once } from 'node:events'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { createUpstreams } from '../../lib/index.ts'
import { startHttp2, eventually } from '../gateway/kit.ts'
import { headerValue } from '../helpers/http-response.ts'
import { startGateway } from '../helpers/gateway.ts'
import { startPassing, trail } from '../helpers/passing.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import { answering, startLiar, type Liar } from './kit.ts'
import type { AddressInfo } from 'node:net'

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

interface Application extends AsyncDisposable {
  readonly url: string
  readonly server: http.Server
}

/** An application over HTTP, or over TLS. */
async function application (handler: http.RequestListener, tls?: https.ServerOptions): Promise<Application> {
  const server = tls === undefined ? http.createServer(handler) : https.createServer(tls, handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    server,
    url: `http${tls === undefined ? '' : 's'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose] () {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Servers that close after the request was written, or answer half a head. */
const closing = (): Promise<Liar> => startLiar((socket, all) => { if (all.includes('\r\n\r\n')) socket.end() })

test('Host, path, headers and body arrive byte for byte', async () => {
  await using server = await startLiar((socket, all) => { if (all.endsWith('\0end')) socket.write(OK) })
  await using gateway = await startGateway({ upstreams: [server.url], forwarded: 'drop' })
  const body = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from('\0end')])
  const lines = ['Host: GateWay.test:81', 'X-Mixed-CASE: \xe4\t"x"', 'x-two: 1', 'X-Two: 2', 'Content-Type: Multipart/Form-Data; boundary="A"', 'Accept-Encoding: gzip, br']
  const response = await rawRequest(gateway, Buffer.concat([
    Buffer.from(`PUT /a%20b/%252F"?q=%zz&x=[1] HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`, 'latin1'), body,
  ]))
  assert.equal(response.statusCode, 200)
  const [received = ''] = server.received
  const [head = '', ...rest] = received.split('\r\n\r\n')
  const [requestLine, ...got] = head.split('\r\n')
  assert.equal(requestLine, 'PUT /a%20b/%252F%22?q=%zz&x=[1] HTTP/1.1')
  assert.deepEqual(got, ['host: GateWay.test:81', 'connection: keep-alive', ...lines.slice(1), `content-length: ${body.length}`])
  assert.ok(Buffer.from(rest.join('\r\n\r\n'), 'latin1').equals(body))
})

test('the mount is taken off, the address\'s path put before; X-Forwarded-* are Fastify\'s', async () => {
  await using server = await startLiar(answering(OK))
  await using gateway = await startGateway({ prefix: '/app', rewritePrefix: '/r', upstreams: [`${server.url}/base/`] })
  await rawRequest(gateway, 'GET /app/x/./y/../%7e?q HTTP/1.1\r\nHost: A.test\r\nX-Forwarded-For: 9.9.9.9\r\nConnection: close\r\n\r\n')
  const head = server.received[0] ?? ''
  assert.match(head, /^GET \/base\/r\/x\/~\?q HTTP\/1\.1\r\nhost: A\.test\r\n/)
  assert.match(head, /\r\nx-forwarded-for: 127\.0\.0\.1\r\nx-forwarded-host: a\.test\r\nx-forwarded-proto: http\r\n/)
})

test('over HTTP/2 in front: :authority is Host, cookies are one line', async () => {
  await using server = await startLiar(answering(OK))
  await using gateway = await startHttp2({ upstreams: [server.url], forwarded: 'drop' })
  const stream = await gateway.client.request({ ':method': 'GET', ':path': '/a?b', cookie: ['a=1', 'b=2'], 'x-a': '1' })
  assert.equal(stream.headers[':status'], 200)
  assert.match(server.received[0] ?? '', new RegExp(`^GET /a\\?b HTTP/1\\.1\r\nhost: 127\\.0\\.0\\.1:${gateway.port}\r\nconnection: keep-alive\r\n[^:]`))
  assert.match(server.received[0] ?? '', /\r\ncookie: a=1; b=2\r\n/)
})

test('a request goes on from HTTP to SCGI and from SCGI to HTTP, and request.scgi tells the same of both', async () => {
  const answer = 'Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'
  await using bad = await closing()
  await using good = await startLiar(answering(OK))
  await using scgi = await startRecorder({ answer })
  await using badScgi = await startRecorder({ answer: async x => { await x.end() } })
  for (const upstreams of [[bad.url, { address: scgi.address, backup: true }], [badScgi.address, { address: good.url, backup: true }]]) {
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: upstreams } })
    const { response, scgi: info } = await gateway.send('GET', '/x')
    assert.deepEqual([response.statusCode, response.body.toString()], [200, 'ok'])
    const names = gateway.servers('g').map(({ name }) => name)
    assert.deepEqual(trail(info.attempts), [`${names[0]} 502`, `${names[1]} 200`])
    assert.equal(info.upstreamStatus, '502, 200')
    assert.match(info.upstreamConnectTime ?? '', /^0\.\d{3}, 0\.\d{3}$/)
    assert.match(info.upstreamHeaderTime ?? '', /^-, 0\.\d{3}$/)
    assert.equal(info.upstreamResponseLength, '0, 2')
    const last = info.attempts.at(-1)
    const http = names[1] === good.url.slice('http://'.length)
    assert.equal(last?.bytesReceived, http ? OK.length : answer.length)
    assert.equal(last?.bytesSent, http ? good.received[0]?.length : scgi.requests[0]?.raw.length)
    assert.equal(info.header('content-type'), 'text/plain')
    assert.deepEqual(gateway.servers('g').map(({ fails, active }) => [fails, active]), [[1, 0], [0, 0]])
  }
})

test('a POST to a server that closes after the request is not sent again, unless non_idempotent', async () => {
  for (const again of [false, true]) {
    await using bad = await closing()
    await using good = await startRecorder()
    await using gateway = await startPassing({
      upstreams: { name: 'g', servers: [bad.url, { address: good.address, backup: true }] },
      nextUpstream: again ? ['error', 'non_idempotent'] : ['error'],
    })
    const { response, error, scgi } = await gateway.send('POST', '/', 'body')
    assert.equal(response.statusCode, again ? 200 : 502)
    assert.equal(error?.code, again ? undefined : 'FST_SCGI_PREMATURE_CLOSE')
    assert.equal(scgi.attempts.length, again ? 2 : 1)
    assert.equal(bad.received.length, 1)
    assert.equal(good.requests.length, again ? 1 : 0)
    if (again) assert.equal(good.requests[0]?.body.toString(), 'body')
  }
})

test('a POST that was not sent goes on: nobody listens', async () => {
  await using good = await startLiar((socket, all) => { if (all.endsWith('body')) socket.write(OK) })
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [`http://${await refusedAddress()}`, { address: good.url, backup: true }] } })
  const { response, scgi } = await gateway.send('POST', '/', 'body')
  assert.equal(response.statusCode, 200)
  assert.deepEqual(scgi.attempts.map(({ status, bytesSent }) => [status, bytesSent > 0]), [[502, false], [200, true]])
})

test('a kept connection that has gone stale costs no attempt; a POST on it is not sent again', async () => {
  for (const method of ['GET', 'POST']) {
    await using server = await startLiar((socket, all, connection) => {
      const requests = all.match(/ HTTP\/1\.1\r\n/g)?.length ?? 0
      if (connection === 0 && requests === 2) socket.destroy()
      else if (all.endsWith('\r\n\r\n') || all.endsWith('body')) socket.write(OK)
    })
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [{ address: server.url, keepalive: 1 }, { address: await refusedAddress(), backup: true }] } })
    await gateway.send('GET', '/1')
    await new Promise(resolve => setImmediate(resolve))
    const { response, scgi } = await gateway.send(method, '/2', method === 'POST' ? 'body' : '')
    assert.equal(response.statusCode, method === 'GET' ? 200 : 502)
    assert.deepEqual(scgi.attempts.map(({ status }) => status), [method === 'GET' ? 200 : 502])
    assert.equal(server.received.length, method === 'GET' ? 2 : 1)
    assert.equal(gateway.servers('g')[0]?.fails, 0)
  }
})

test('statuses pass on, and an invalid head does', async () => {
  for (const [reply, condition] of [['HTTP/1.1 503 No\r\nContent-Length: 9999\r\n\r\nx', 'http_503'], ['HTTP/1.1 200 OK\r\nX y: z\r\n\r\n', 'invalid_header']] as const) {
    await using bad = await startLiar(answering(reply))
    await using good = await startRecorder()
    await using gateway = await startPassing({ upstreams: { name: 'g', servers: [bad.url, { address: good.address, backup: true }] }, nextUpstream: [condition] })
    const { response } = await gateway.send('GET', '/')
    assert.equal(response.statusCode, 200)
    assert.equal(gateway.servers('g')[0]?.fails, 1)
    await bad.idle()
  }
})

test('the time limits are the mount\'s', async () => {
  await using silent = await startLiar(() => {})
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [silent.url, { address: silent.url, backup: true }] }, readTimeout: 60 })
  const { response, error, scgi } = await gateway.send('GET', '/')
  assert.deepEqual([response.statusCode, error?.code, scgi.upstreamStatus], [504, 'FST_SCGI_READ_TIMEOUT', '504, 504'])
})

test('replies of every kind', async () => {
  await using app = await application((request, response) => {
    if (request.url === '/204') response.writeHead(204).end()
    else if (request.url === '/304') response.writeHead(304, { etag: '"a"' }).end()
    else if (request.url === '/chunked') {
      response.write('a'.repeat(10))
      setImmediate(() => response.end('b'.repeat(200_000)))
    } else if (request.url === '/cookies') response.writeHead(201, 'Made', [['Set-Cookie', 'a'], ['Set-Cookie', 'b'], ['X-Accel-Expires', '1'], ['Connection', 'x-hop'], ['X-A', '1']]).end('x')
    else response.end(`${request.method} ${request.url}`)
  })
  await using gateway = await startPassing({ upstreams: [app.url] })
  const chunked = await gateway.send('GET', '/chunked')
  assert.equal(chunked.response.body.length, 200_010)
  assert.deepEqual([(await gateway.send('GET', '/204')).response.statusCode, (await gateway.send('GET', '/304')).response.statusCode], [204, 304])
  const head = await gateway.send('HEAD', '/h')
  assert.deepEqual([head.response.statusCode, head.response.body.length, headerValue(head.response, 'content-length')], [200, 0, undefined])
  const { response } = await gateway.send('GET', '/cookies')
  assert.deepEqual([response.statusCode, response.reason], [201, 'Made'])
  assert.deepEqual(response.headers.filter(([name]) => /set-cookie|x-a/i.test(name)), [['set-cookie', 'a'], ['set-cookie', 'b'], ['x-a', '1']])
  assert.deepEqual((await gateway.send('OPTIONS', '/o')).response.body.toString(), 'OPTIONS /o')
})

test('server-sent events go through as they come', async () => {
  let send = (_text: string): void => {}
  await using app = await application((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    send = text => { response.write(text) }
  })
  await using gateway = await startGateway({ upstreams: [app.url] })
  const response = await fetch(`${gateway.url}/`)
  assert.equal(response.headers.get('content-type'), 'text/event-stream')
  const reader = response.body?.getReader()
  for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
    send(text)
    const { value } = await reader?.read() ?? {}
    assert.equal(Buffer.from(value ?? []).toString(), text)
  }
  await reader?.cancel()
  await eventually(() => app.server.listening, 'listening')
})

test('a client that goes away ends the exchange, and is no fault of the server', async () => {
  await using server = await startLiar(answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin'))
  await using gateway = await startPassing({ upstreams: { name: 'g', servers: [server.url] } })
  const client = await RawClient.connect(gateway)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => server.sockets.size === 1 && server.received[0]?.includes('\r\n\r\n') === true, 'the request has arrived')
  await client[Symbol.asyncDispose]()
  await server.idle()
  await eventually(() => gateway.servers('g')[0]?.active === 0, 'the server is free')
  assert.equal(gateway.servers('g')[0]?.fails, 0)
})

test('long bodies both ways, no faster than the other side takes them', async () => {
  const length = 8 * 1024 * 1024
  let received = 0
  await using app = await application((request, response) => {
    request.on('data', chunk => { received += chunk.length })
    request.on('end', () => response.end(Buffer.alloc(length, 'x')))
  })
  for (const requestBuffering of [true, false]) {
    received = 0
    await using gateway = await startGateway({ upstreams: [app.url], requestBuffering, bodyLimit: '16m', buffering: false })
    const response = await fetch(`${gateway.url}/`, { method: 'POST', body: Buffer.alloc(length, 'y') })
    assert.equal(Buffer.from(await response.arrayBuffer()).equals(Buffer.alloc(length, 'x')), true)
    assert.equal(received, length)
  }
})

test('an upload that is not buffered is not cut from the client when the server answers early', async () => {
  await using server = await startLiar(socket => { socket.end('HTTP/1.1 413 Too Much\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!') })
  await using gateway = await startGateway({ upstreams: [server.url], requestBuffering: false })
  await using client = await RawClient.connect(gateway)
  const response = await client.request('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin')
  assert.deepEqual([response.statusCode, response.body.toString()], [413, 'no!'])
})

test('an HTTP server among `https://` addresses: certificates are checked, names are asked for', async () => {
  const { cert, key } = testCertificate
  const names: (string | false | undefined)[] = []
  await using app = await application((request, response) => {
    const { socket } = request
    names.push('servername' in socket && (typeof socket.servername === 'string' || socket.servername === false) ? socket.servername : undefined)
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk)).on('end', () => response.end(`${request.headers.host} ${Buffer.concat(chunks)}`))
  }, { cert, key })
  const { port } = new URL(app.url)

  await using unknown = await startPassing({ upstreams: [app.url] })
  const refused = await unknown.send('GET', '/')
  assert.deepEqual([refused.response.statusCode, refused.error?.code], [502, 'FST_SCGI_CONNECT'])
  assert.match(refused.error?.message ?? '', /DEPTH_ZERO_SELF_SIGNED_CERT, its certificate is signed by itself: give that as tls\.ca/)

  await using known = await startPassing({ upstreams: [{ address: app.url, tls: { ca: cert } }] })
  for (const path of ['/1', '/2']) {
    const { response, scgi } = await known.send('POST', path, 'body')
    assert.equal(response.body.toString(), 'gateway.test body')
    assert.equal(scgi.attempts[0]?.bytesReceived !== 0 && scgi.attempts[0]?.bytesSent !== 0, true)
    await new Promise(resolve => setImmediate(resolve))
  }

  await using other = await startPassing({ upstreams: [{ address: app.url, tls: { ca: Buffer.from(cert), servername: 'other.example' } }] })
  const wrong = await other.send('GET', '/')
  assert.match(wrong.error?.message ?? '', /ERR_TLS_CERT_ALTNAME_INVALID, its certificate is for another name/)

  await using lax = await startPassing({ upstreams: [{ address: app.url, tls: { rejectUnauthorized: false } }, { address: `https://localhost:${port}`, tls: { ca: [cert] } }] })
  for (const path of ['/1', '/2', '/3', '/4']) assert.equal((await lax.send('GET', path)).response.statusCode, 200)
  assert.ok(names.includes('localhost') && names.includes(false), String(names))
})

test('an IP address as tls.servername is what the certificate must match, and is not sent', async () => {
  const { cert, key } = testCertificate
  const names: unknown[] = []
  const server = https.createServer({ cert, key }, (request, response) => {
    names.push('servername' in request.socket && request.socket.servername)
    response.end('ok')
  })
  // The certificate is for 127.0.0.1.
  server.listen(0, '127.0.0.2')
  await once(server, 'listening')
  const listening = server.address()
  assert.ok(typeof listening === 'object' && listening !== null)
  const address = `https://127.0.0.2:${listening.port}`
  const ca = cert
  {
    await using gateway = await startPassing([
      { prefix: '/own', upstreams: [{ address, tls: { ca } }] },
      { prefix: '/right', upstreams: [{ address, tls: { ca, servername: '127.0.0.1' } }] },
      { prefix: '/wrong', upstreams: [{ address, tls: { ca, servername: '192.0.2.1' } }] },
      { prefix: '/lax', upstreams: [{ address, tls: { ca, servername: '192.0.2.1', rejectUnauthorized: false } }] },
    ])
    for (const [path, status] of [['/own', 502], ['/right', 200], ['/wrong', 502], ['/lax', 200]] as const) {
      const { response, error } = await gateway.send('GET', `${path}/`)
      assert.equal(response.statusCode, status, path)
      if (status === 502) assert.match(error?.message ?? '', /ERR_TLS_CERT_ALTNAME_INVALID/)
    }
  }
  assert.deepEqual(names, [false, false])
  server.close()
  server.closeAllConnections()
})

test('TLS to a server that speaks none, and in clear to one that does', async () => {
  await using app = await application((_request, response) => { response.end('ok') })
  await using secure = await application((_request, response) => { response.end('ok') }, testCertificate)
  await using gateway = await startPassing([
    { prefix: '/a', upstreams: [app.url.replace('http:', 'https:')] },
    { prefix: '/b', upstreams: [secure.url.replace('https:', 'http:')] },
  ])
  const first = await gateway.send('GET', '/a/')
  assert.equal(first.response.statusCode, 502)
  assert.match(first.error?.message ?? '', /it does not speak TLS: the address is perhaps meant to begin with http:\/\//)
  assert.equal((await gateway.send('GET', '/b/')).response.statusCode, 502)
})

test('a client certificate', async () => {
  const { cert, key } = testCertificate
  await using app = await application((_request, response) => { response.end('ok') }, { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true })
  await using gateway = await startPassing([
    { prefix: '/with', upstreams: [{ address: app.url, tls: { ca: cert, cert, key } }] },
    { prefix: '/without', upstreams: [{ address: app.url, tls: { ca: cert } }] },
  ])
  assert.equal((await gateway.send('GET', '/with/')).response.statusCode, 200)
  assert.equal((await gateway.send('GET', '/without/')).response.statusCode, 502)
})

test('options that cannot be are refused by name', () => {
  const { cert, key } = testCertificate
  const wrong: [object, string, RegExp][] = [
    [{ address: 'http://a', tls: {} }, 'UNSUPPORTED', /upstreams\[0\]\.tls/],
    [{ address: '127.0.0.1', tls: {} }, 'UNSUPPORTED', /upstreams\[0\]\.tls/],
    [{ address: 'http://a', preconnect: 1 }, 'UNSUPPORTED', /preconnect/],
    [{ address: 'https://a', tls: 'x' }, 'INVALID', /tls/],
    [{ address: 'https://a', tls: { pfx: 'x' } }, 'UNKNOWN', /tls\.pfx/],
    [{ address: 'https://a', tls: { ca: 1 } }, 'INVALID', /tls\.ca/],
    [{ address: 'https://a', tls: { ca: [''] } }, 'INVALID', /tls\.ca\[0\]/],
    [{ address: 'https://a', tls: { ca: 'no certificate' } }, 'INVALID', /tls/],
    [{ address: 'https://a', tls: { cert } }, 'UNSUPPORTED', /go together/],
    [{ address: 'https://a', tls: { key } }, 'UNSUPPORTED', /go together/],
    [{ address: 'https://a', tls: { rejectUnauthorized: 0 } }, 'INVALID', /tls\.rejectUnauthorized/],
    [{ address: 'https://a', tls: { servername: '' } }, 'INVALID', /tls\.servername/],
    [{ address: 'http+unix://a' }, 'UNSUPPORTED', /the schemes are/],
  ]
  for (const [server, code, message] of wrong) {
    assert.throws(() => createUpstreams(JSON.parse(JSON.stringify([server]))), (error: Error) => {
      assert.ok('code' in error && error.code === `FST_SCGI_OPT_${code}`, error.message)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /PRIVATE KEY/)
      return true
    })
  }
})

test('nine of ten, then one of ten, then all: under load, and nobody notices', async () => {
  await using app = await application((request, response) => response.end(`http ${request.url}`))
  await using old = await startRecorder({ answer: 'Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nscgi' })
  const group = createUpstreams({ name: 'g', servers: [old.address, { address: app.url, down: true }] })
  await using gateway = await startGateway({ upstreams: group })
  const count = async (): Promise<number> => {
    let http = 0
    await Promise.all(Array.from({ length: 4 }, async (_, n) => {
      for (let i = 0; i < 25; i++) {
        const response = await fetch(`${gateway.url}/${n}`)
        const text = await response.text()
        assert.equal(response.status, 200)
        if (text === `http /${n}`) http++
        else assert.equal(text, 'scgi')
      }
    }))
    return http
  }
  assert.equal(await count(), 0)
  group.setWeight(old.address, 90)
  group.setWeight(app.url, 10)
  group.enable(app.url)
  assert.equal(await count(), 10)
  group.setWeight(old.address, 10)
  group.setWeight(app.url, 90)
  assert.equal(await count(), 90)
  group.drain(old.address)
  assert.equal(await count(), 100)
  assert.deepEqual(group.servers.map(({ served, failures, active }) => [served, failures, active]), [[200, 0, 0], [200, 0, 0]])
})

test('the dispatcher speaks to them too', async () => {
  await using app = await application((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => response.end(`${request.method} ${request.url} ${request.headers.host} ${Buffer.concat(chunks)}`))
  })
  const dispatcher = new ScgiDispatcher([`${app.url}/base`], { scriptName: '/app' })
  for (const body of ['text', Readable.from([Buffer.from('te'), Buffer.from('xt')], { objectMode: false })]) {
    const reply = await dispatcher.request({ origin: 'http://Some.test', path: '/app/x%20y?q', method: 'POST', body })
    assert.equal(await reply.body.text(), 'POST /base/x%20y?q some.test text')
  }
  await dispatcher.close()
})

test('when the gateway has closed, nothing is open', async () => {
  await using server = await startLiar(answering(OK))
  const gateway = await startGateway({ upstreams: [server.url] })
  await Promise.all(Array.from({ length: 5 }, () => fetch(gateway.url).then(response => response.text())))
  assert.ok(server.sockets.size > 0, 'HTTP servers keep connections by default')
  await gateway.close()
  await server.idle()
})

test('nothing is left over', async () => {
  await using app = await application((request, response) => {
    if (request.url === '/cut') response.destroy()
    else request.resume().on('end', () => response.end('ok'))
  })
  await using scgi = await startRecorder()
  const servers = [{ address: app.url, maxFails: 0, keepalive: 2 }, { address: scgi.address, maxFails: 0 }]
  await using gateway = await startGateway({ upstreams: servers })
  await assertNoGrowth(async n => {
    const request = ['GET /cut', 'GET /', 'POST /'][n % 3] ?? ''
    const body = n % 3 === 2 ? 'Content-Length: 4\r\n\r\nbody' : '\r\n'
    await rawRequest(gateway, `${request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${body}`)
    scgi.clear()
  }, { rounds: 200, warmup: 40, slack: 2 })
})
