import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import tls from 'node:tls'
import { startRealServer } from './child.ts'
import { H2Client } from './h2-client.ts'
import { BadResponse, headerValues } from './http-response.ts'
import { missingPackage } from './packages.ts'
import { NoResponse, RawClient, rawRequest } from './raw-client.ts'
import { PeerClosed, refusedAddress, startRecorder } from './recorder.ts'
import { assertNoGrowth, resources } from './resources.ts'
import { tempDir } from './temp.ts'
import { testCertificate } from './tls-cert.ts'

// The helpers are what every other test trusts.

const block = (...pairs: string[]): string => {
  const text = pairs.map((part) => `${part}\0`).join('')
  return `${text.length}:${text},`
}

/** Sends bytes to an address and gives what comes back until the end. */
async function talk (address: string, ...pieces: string[]): Promise<string> {
  const [host, port] = address.split(':')
  const socket = address.startsWith('unix:') ? net.connect(address.slice(5)) : net.connect(Number(port), host)
  socket.on('error', () => {})
  const received: Buffer[] = []
  socket.on('data', (chunk: Buffer) => received.push(chunk))
  for (const piece of pieces) {
    socket.write(Buffer.from(piece, 'latin1'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(received).toString('latin1')
}

/** An HTTP server that answers every connection with exact bytes. */
async function answering (bytes: string, reset = false): Promise<{ port: number } & AsyncDisposable> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(Buffer.from(bytes, 'latin1'), () => { reset ? socket.resetAndDestroy() : socket.end() }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return { port: address.port, async [Symbol.asyncDispose] () { server.close() } }
}

test('recorder: names, values, bytes and body as sent, over TCP and a unix socket', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ listen: ['tcp', { path: dir.socket() }] })
  const head = block('CONTENT_LENGTH', '5', 'SCGI', '1', 'A', '', 'B', '\xff=', 'A', '2')
  for (const address of recorder.addresses) {
    recorder.clear()
    const reply = await talk(address, head.slice(0, 3), head.slice(3), 'he', 'llo')
    assert.match(reply, /^Status: 200 OK\r\n[^]*\r\n\r\nok$/)
    const [request] = await recorder.received(1)
    assert.deepEqual(request?.params, [['CONTENT_LENGTH', '5'], ['SCGI', '1'], ['A', ''], ['B', '\xff='], ['A', '2']])
    assert.deepEqual(request?.all('A'), ['', '2'])
    assert.equal(request?.raw.toString('latin1'), `${head}hello`)
    assert.equal(request?.body.toString(), 'hello')
    assert.equal(request?.address, address)
  }
})

test('recorder: violations of the protocol are told by close()', async () => {
  for (const [bytes, message] of [
    ['GET / HTTP/1.1\r\n\r\n', /netstring length/],
    ['012:abc', /netstring length/],
    ['4:a\0b\0;', /comma/],
    [block('SCGI', '1'), /not CONTENT_LENGTH/],
    [block('CONTENT_LENGTH', ''), /CONTENT_LENGTH is ""/],
    [block('CONTENT_LENGTH', '0', 'SCGI'), /without value/],
    ['3:a\0b,', /NUL/],
  ] as const) {
    const recorder = await startRecorder()
    await talk(recorder.address, bytes)
    await assert.rejects(recorder.close(), message)
  }
})

test('recorder: scripts see the body, the end of the connection, and may fail', async () => {
  const recorder = await startRecorder({
    async answer (exchange) {
      await assert.rejects(exchange.body(), PeerClosed)
      throw new Error('seen')
    },
  })
  const { port } = new URL(`tcp://${recorder.address}`)
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.end(block('CONTENT_LENGTH', '5', 'SCGI', '1'))
  await once(socket, 'close')
  await recorder.idle()
  assert.equal(recorder.requests[0]?.complete, false)
  assert.equal(recorder.requests[0]?.peerEnded, true)
  await assert.rejects(recorder.close(), /^Error: seen$/)
})

test('recorder: several requests on one connection, where the script leaves it open', async () => {
  await using recorder = await startRecorder({
    async answer (exchange) {
      const body = await exchange.body()
      await exchange.write(`Content-Length: ${body.length}\r\n\r\n${body.toString()}`)
      if (exchange.index === 1) await exchange.end()
    },
  })
  const one = block('CONTENT_LENGTH', '1', 'SCGI', '1') + 'a'
  const reply = await talk(recorder.address, one + one)
  assert.equal(reply, 'Content-Length: 1\r\n\r\na'.repeat(2))
  assert.deepEqual(recorder.requests.map(({ connection }) => connection), [0, 0])
})

test('recorder: connections that are closed, reset and stalled at once; an address that refuses', async () => {
  await using recorder = await startRecorder({ accept: (connection) => (['close', 'reset', 'stall'] as const)[connection] ?? 'serve' })
  assert.equal(await talk(recorder.address), '')
  assert.equal(await talk(recorder.address), '')
  const [host, port] = recorder.address.split(':')
  const stalled = net.connect(Number(port), host)
  await once(stalled, 'connect')
  stalled.destroy()
  const [, refused] = (await refusedAddress()).split(':')
  const failed = net.connect(Number(refused), '127.0.0.1')
  const [error] = await once(failed, 'error')
  assert.equal(error.code, 'ECONNREFUSED')
})

test('client: framing by length, chunks and the end; headers in order', async () => {
  for (const [bytes, framing, body] of [
    ['HTTP/1.1 200 Fine\r\nB: 1\r\nA:\t2 \r\nB: 3\r\nContent-Length: 5\r\n\r\nhello', 'length', 'hello'],
    ['HTTP/1.1 200 Fine\r\nB: 1\r\nA: 2\r\nB: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: 1\r\n\r\n', 'chunked', 'hello'],
    ['HTTP/1.0 200 Fine\r\nB: 1\r\nA: 2\r\nB: 3\r\n\r\nhello', 'eof', 'hello'],
    ['HTTP/1.1 304 Fine\r\nB: 1\r\nA: 2\r\nB: 3\r\nContent-Length: 5\r\n\r\n', 'none', ''],
  ] as const) {
    await using server = await answering(bytes)
    const response = await rawRequest(server, 'GET / HTTP/1.1\r\n\r\n', { untilClose: true })
    assert.equal(response.framing, framing)
    assert.equal(response.body.toString(), body)
    assert.equal(response.cut, false)
    assert.equal(response.reason, 'Fine')
    assert.deepEqual(headerValues(response, 'b'), ['1', '3'])
    assert.deepEqual(headerValues(response, 'A'), ['2'])
    assert.equal(response.rest.length, 0)
  }
})

test('client: bodies that are cut, bytes that are too many, nothing at all', async () => {
  for (const bytes of [
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
  ]) {
    await using server = await answering(bytes)
    const response = await rawRequest(server, 'GET / HTTP/1.1\r\n\r\n')
    assert.equal(response.cut, true)
    assert.equal(response.body.toString(), 'hello')
  }
  {
    await using server = await answering('HTTP/1.0 200 OK\r\n\r\nhello', true)
    const response = await rawRequest(server, 'GET / HTTP/1.0\r\n\r\n')
    assert.equal(response.cut, true, 'a reset where the end of the connection would be the end of the body')
  }
  {
    await using server = await answering('HTTP/1.1 204 No Content\r\n\r\nsurplus')
    const response = await rawRequest(server, 'GET / HTTP/1.1\r\n\r\n', { untilClose: true })
    assert.equal(response.rest.toString(), 'surplus')
  }
  {
    await using server = await answering('')
    await assert.rejects(rawRequest(server, 'GET / HTTP/1.1\r\n\r\n'), NoResponse)
  }
  for (const bytes of [
    'HTTP/1.1 abc\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na', 'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ]) {
    await using server = await answering(bytes)
    await assert.rejects(rawRequest(server, 'GET / HTTP/1.1\r\n\r\n'), BadResponse)
  }
})

test('client: pipelined requests, 1xx, HEAD, TLS', async () => {
  const server = http.createServer((request, response) => {
    if (request.headers.expect !== undefined) response.writeContinue()
    response.setHeader('content-length', 2)
    response.end(request.method === 'HEAD' ? '' : 'ok')
  })
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  {
    await using client = await RawClient.connect(address)
    for (const method of ['HEAD', 'GET']) client.expect(method)
    await client.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n')
    assert.equal((await client.response()).body.toString(), '')
    const second = await client.response()
    assert.equal(second.body.toString(), 'ok')
    assert.deepEqual(second.informational.map(({ statusCode }) => statusCode), [100])
  }
  server.close()

  const secure = tls.createServer(testCertificate, (socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nsecure'))
  }).listen(0, '127.0.0.1')
  await once(secure, 'listening')
  const bound = secure.address()
  if (typeof bound !== 'object' || bound === null) throw new Error('no port')
  const response = await rawRequest({ port: bound.port, tls: true }, 'GET / HTTP/1.1\r\n\r\n')
  assert.equal(response.body.toString(), 'secure')
  secure.close()
})

test('HTTP/2 client: bodies, and streams that are reset', async () => {
  const server = http2.createServer()
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 201, 'x-path': headers[':path'] })
    if (headers[':path'] === '/cut') stream.write('he', () => stream.destroy(new Error('cut')))
    else stream.pipe(stream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  {
    await using client = await H2Client.connect(address.port)
    const echo = await client.request({ ':path': '/echo', ':method': 'POST' }, ['he', 'llo'])
    assert.equal(echo.statusCode, 201)
    assert.equal(echo.headers['x-path'], '/echo')
    assert.equal(echo.body.toString(), 'hello')
    assert.equal(echo.cut, false)
    const cut = await client.request({ ':path': '/cut' })
    assert.equal(cut.cut, true)
    assert.equal(cut.resetCode, http2.constants.NGHTTP2_INTERNAL_ERROR)
  }
  server.close()
})

test('resources: what is left open is found, and what is not passes', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
  await using recorder = await startRecorder()
  const [host, port] = recorder.address.split(':')
  const connect = async (): Promise<net.Socket> => {
    const socket = net.connect(Number(port), host)
    await once(socket, 'connect')
    return socket
  }
  await assertNoGrowth(async () => { (await connect()).destroy() }, { rounds: 50 })
  const leaked: net.Socket[] = []
  await assert.rejects(
    assertNoGrowth(async () => { leaked.push(await connect()) }, { rounds: 50, settle: 100 }),
    /fd socket: \d+ before, \d+ after/
  )
  assert.ok((resources()['fd socket'] ?? 0) >= leaked.length)
  for (const socket of leaked) socket.destroy()
  await recorder.idle()
})

test('temporary directories go away; a socket path too long is refused', async () => {
  const dir = await tempDir()
  assert.ok(existsSync(dir.path))
  assert.notEqual(dir.socket(), dir.socket())
  assert.throws(() => dir.socket('x'.repeat(100)), /too long/)
  await dir.remove()
  assert.ok(!existsSync(dir.path))
})

test('a missing package is a reason to skip, and an error where CI=true', () => {
  const before = process.env['CI']
  try {
    delete process.env['CI']
    assert.equal(missingPackage('node', process.execPath), false)
    assert.match(String(missingPackage('no-such', '/no/such/file')), /no-such is not installed.*apt-get install no-such/)
    process.env['CI'] = 'true'
    assert.equal(missingPackage('node', process.execPath), false)
    assert.throws(() => missingPackage('no-such', '/no/such/file'), /no-such/)
  } finally {
    if (before === undefined) delete process.env['CI']
    else process.env['CI'] = before
  }
})

test('real servers: one that does not come up shows its output, one that does is gone after stop()', async () => {
  const broken = await tempDir()
  await assert.rejects(startRealServer({
    command: process.execPath, args: ['-e', 'console.error("no config"); process.exit(3)'], dir: broken, ready: [{ path: broken.socket('s') }],
  }), /did not start \(ended with 3\):\nno config/)
  assert.ok(!existsSync(broken.path))

  const dir = await tempDir()
  const server = await startRealServer({
    command: process.execPath,
    args: ['-e', 'process.on("SIGTERM", () => {}); console.log("up"); require("net").createServer().listen(process.argv[1])', dir.socket('s')],
    dir,
    ready: [{ path: dir.file('s') }],
  })
  assert.match(server.logs(), /up/)
  await server.stop()
  assert.throws(() => process.kill(server.pid, 0), /ESRCH/)
  assert.ok(!existsSync(dir.path))
})
