import assert from 'node:assert/strict'
import dns from 'node:dns/promises'
import { syncBuiltinESMExports } from 'node:module'
import { createReadStream, writeFileSync } from 'node:fs'
import http from 'node:http'
import { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { ScgiClient } from '../../lib/index.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { assertNoGrowth } from '../helpers/resources.ts'
import { tempDir } from '../helpers/temp.ts'

const code = (wanted: string) => (error: unknown): boolean => {
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, wanted, error.message)
  return true
}

/** Waits until a count stands still though the loop turns and turns. */
async function still (count: () => number): Promise<number> {
  for (let last = -1, turns = 0; turns < 300; turns++) {
    if (count() !== last || last === 0) turns = 0
    last = count()
    await new Promise(resolve => setImmediate(resolve))
  }
  return count()
}

test('a signal that is none fails the request, which does not stand in the way of close()', async () => {
  await using server = await startRecorder()
  for (const signal of [{}, 5, 'abort', new AbortController(), { aborted: false, addEventListener () {} }]) {
    const client = new ScgiClient(server.address)
    const body = new PassThrough()
    const options: object = { signal, body }
    await assert.rejects(client.request(options), { name: 'TypeError', message: 'the signal is no AbortSignal' })
    await client.close()
    assert.equal(body.destroyed, true)
  }
  assert.equal(server.open, 0)
})

test('a request without a body: CONTENT_LENGTH first, SCGI=1, the parameters in order, REQUEST_METHOD; the whole reply', async () => {
  await using server = await startRecorder({
    answer: 'Status: 418 Tea pot\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nshort',
  })
  const client = new ScgiClient(server.address)
  const reply = await client.request({ params: { PATH_INFO: '/x', QUERY_STRING: '' } })
  assert.equal(reply.statusCode, 418)
  assert.equal(reply.statusMessage, 'Tea pot')
  assert.equal(reply.headers['content-type'], 'text/plain')
  assert.deepEqual(reply.headers['set-cookie'], ['a=1', 'b=2'])
  assert.deepEqual(reply.rawHeaders, ['Status', '418 Tea pot', 'Content-Type', 'text/plain', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'])
  assert.equal(await text(reply.body), 'short')
  const [request] = server.requests
  assert.equal(request?.raw.toString(), '70:CONTENT_LENGTH\x000\0SCGI\x001\0PATH_INFO\0/x\0QUERY_STRING\0\0REQUEST_METHOD\0GET\0,')
  await client.close()
})

test('pairs, text as UTF-8, bytes as they are; a body makes it POST', async () => {
  await using server = await startRecorder()
  const client = new ScgiClient(server.address)
  const reply = await client.request({ params: [['PATH_INFO', '/é€'], ['X', Buffer.from([0xff, 0x20])]], body: 'hé' })
  assert.equal(await text(reply.body), 'ok')
  const [request] = server.requests
  assert.deepEqual(request?.params, [
    ['CONTENT_LENGTH', '3'], ['SCGI', '1'], ['PATH_INFO', '/\xc3\xa9\xe2\x82\xac'], ['X', '\xff '], ['REQUEST_METHOD', 'POST'],
  ])
  assert.equal(request.body.toString(), 'hé')
  await text((await client.request({ params: new Map([['REQUEST_METHOD', 'PUT']]), method: 'PUT', body: new Uint8Array([1, 2]) })).body)
  assert.deepEqual(server.requests[1]?.params, [['CONTENT_LENGTH', '2'], ['SCGI', '1'], ['REQUEST_METHOD', 'PUT']])
  assert.deepEqual([...server.requests[1]?.body ?? []], [1, 2])
})

test('what cannot be sent is refused before a connection is made', async () => {
  await using server = await startRecorder()
  const client = new ScgiClient(server.address)
  for (const name of ['CONTENT_LENGTH', 'SCGI', 'SCGI_KEEPALIVE']) {
    await assert.rejects(client.request({ params: { [name]: '1' } }), code('FST_SCGI_BAD_REQUEST'))
  }
  await assert.rejects(client.request({ params: { X: 'a\0b' } }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ params: { 'X\0': 'a' } }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ params: { '': 'a' } }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ params: [['X', '1'], ['X', '2']] }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ method: 'GET', params: { REQUEST_METHOD: 'PUT' } }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ method: 'G\0', params: {} }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ body: 'abc', length: 4 }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ body: 'abc', length: -1 }), code('FST_SCGI_BAD_REQUEST'))
  // @ts-expect-error a value that is no text
  await assert.rejects(client.request({ params: { X: 1 } }), TypeError)
  // @ts-expect-error a body that is none
  await assert.rejects(client.request({ body: 5 }), TypeError)
  const source = Readable.from(['x'])
  await assert.rejects(client.request({ params: { SCGI: '2' }, body: source }), code('FST_SCGI_BAD_REQUEST'))
  assert.equal(source.destroyed, true)
  assert.equal(server.accepted, 0)
})

test('options and addresses that cannot be are refused by name', () => {
  assert.throws(() => new ScgiClient('http://127.0.0.1:1'), code('FST_SCGI_OPT_UNSUPPORTED'))
  assert.throws(() => new ScgiClient('127.0.0.1:x'), code('FST_SCGI_OPT_INVALID'))
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { readTimeout: 'soon' }), /option 'readTimeout' is "soon"/)
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { bind: 'here' }), /option 'bind' is "here"/)
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { keepalive: -1 }), /option 'keepalive' is -1/)
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { bufferSize: 10 }), /option 'bufferSize' is 10/)
  // @ts-expect-error a part that there is not
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { socketKeepalive: { delay: 1 } }), /socketKeepalive.delay/)
  // @ts-expect-error a misspelt option
  assert.throws(() => new ScgiClient('127.0.0.1:4000', { readTimout: 1 }), code('FST_SCGI_OPT_UNKNOWN'))
})

test('unix socket; the path of the address goes before PATH_INFO; bind', async () => {
  await using dir = await tempDir()
  await using server = await startRecorder({ listen: [{ path: dir.socket('a') }, 'tcp'] })
  const unix = new ScgiClient(`unix:${dir.file('a')}|scgi://app/über/`)
  await text((await unix.request({ params: { PATH_INFO: '/x' } })).body)
  assert.equal(server.requests[0]?.param('PATH_INFO'), '/\xc3\xbcber/x')
  const tcp = new ScgiClient(server.addresses[1] ?? '', { bind: '127.0.0.9' })
  let remote: string | undefined
  server.answer = async exchange => {
    remote = exchange.socket.remoteAddress
    await exchange.end('Status: 204 No Content\r\n\r\n')
  }
  const reply = await tcp.request()
  assert.equal(reply.statusCode, 204)
  assert.equal(await text(reply.body), '')
  assert.equal(remote, '127.0.0.9')
})

test('a stream with a length is sent as it comes, one without is collected first', async () => {
  await using dir = await tempDir()
  await using server = await startRecorder()
  const client = new ScgiClient(server.address)
  const bytes = Buffer.alloc(100_000, 'abcdefg')
  const file = dir.file('upload')
  writeFileSync(file, bytes)

  const known = createReadStream(file)
  await text((await client.request({ method: 'PUT', body: known, length: bytes.length })).body)
  assert.deepEqual(server.requests[0]?.body, bytes)

  const unknown = createReadStream(file)
  await text((await client.request({ method: 'PUT', body: unknown })).body)
  assert.deepEqual(server.requests[1]?.body, bytes)
  assert.equal(server.requests[1]?.param('CONTENT_LENGTH'), '100000')

  const texts = Readable.from(['h', 'é'])
  await text((await client.request({ body: texts, length: 3 })).body)
  assert.equal(server.requests[2]?.body.toString(), 'hé')

  const through = new PassThrough()
  const reply = client.request({ body: through, length: 6 })
  through.write('abc')
  while (server.requests[3]?.bodyLength !== 3) await new Promise(resolve => setImmediate(resolve))
  through.end('def')
  await text((await reply).body)
  assert.equal(server.requests[3].body.toString(), 'abcdef')
  // The end of a stream of which all was sent is read as well.
  if (!through.readableEnded) await new Promise(resolve => through.once('end', resolve))
})

test('a body that fails, lies or was read already fails the request and not the process', async () => {
  await using server = await startRecorder()
  const client = new ScgiClient(server.address)
  const broken = new Error('broken')
  const failing = (): Readable => Readable.from((async function * () {
    yield Buffer.from('ab')
    throw broken
  })(), { objectMode: false })
  await assert.rejects(client.request({ body: failing() }), broken)
  await assert.rejects(client.request({ body: failing(), length: 10 }), broken)
  await assert.rejects(client.request({ body: Readable.from([Buffer.from('abc')], { objectMode: false }), length: 10 }), code('FST_SCGI_SEND'))
  await assert.rejects(client.request({ body: Readable.from(['abc']), length: 10 }), code('FST_SCGI_BAD_REQUEST'))
  await assert.rejects(client.request({ body: Readable.from([1]) }), code('FST_SCGI_BAD_REQUEST'))
  const read = Readable.from(['abc'])
  await text(read)
  await assert.rejects(client.request({ body: read }), code('FST_SCGI_BAD_REQUEST'))
  const closed = new PassThrough()
  const waiting = client.request({ body: closed })
  closed.destroy()
  await assert.rejects(waiting, code('FST_SCGI_BAD_REQUEST'))
  await server.idle()
  await client.close()
})

test('the request of an HTTP server as body: its answer survives a failure', async () => {
  const client = new ScgiClient(await refusedAddress())
  const app = http.createServer((request, response) => {
    client.request({ body: request, length: 3 }).catch((error: unknown) => {
      response.end(String(error instanceof Error && 'code' in error ? error.code : error))
    })
  })
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
  const address = app.address()
  assert.ok(typeof address === 'object' && address !== null)
  const reply = await fetch(`http://127.0.0.1:${address.port}/`, { method: 'POST', body: 'abc', headers: { connection: 'close' } })
  assert.equal(await reply.text(), 'FST_SCGI_CONNECT')
  await new Promise(resolve => app.close(resolve))
})

test('a reader that does not read holds the application back', async () => {
  await using server = await startRecorder()
  const total = 64 * 1024 * 1024
  let written = 0
  server.answer = async exchange => {
    await exchange.body()
    await exchange.write(`Status: 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    const piece = Buffer.alloc(1024 * 1024)
    while (written < total) {
      written += piece.length
      await exchange.write(piece)
    }
    await exchange.end()
  }
  const client = new ScgiClient(server.address)
  const reply = await client.request()
  assert.ok(await still(() => written) < total / 2, `${written} bytes went into a reader that does not read`)
  let received = 0
  for await (const chunk of reply.body) received += Buffer.from(chunk).length
  assert.equal(received, total)
})

test('an application that does not read holds the body back', async () => {
  await using server = await startRecorder({ keepBodies: false })
  const total = 32 * 1024 * 1024
  let release = (): void => {}
  const released = new Promise<void>(resolve => { release = resolve })
  server.answer = async exchange => {
    exchange.pause()
    await released
    exchange.resume()
    await exchange.body()
    await exchange.end('Status: 200 OK\r\n\r\n')
  }
  let given = 0
  const source = new Readable({
    read () {
      given += 65536
      this.push(given > total ? null : Buffer.alloc(65536))
    },
  })
  const client = new ScgiClient(server.address)
  const reply = client.request({ body: source, length: total })
  assert.ok(await still(() => given) < total / 2, `${given} bytes were read for an application that reads none`)
  release()
  assert.equal((await reply).statusCode, 200)
  assert.equal(server.requests[0]?.bodyLength, total)
})

test('abort by the signal: before, while connecting, before the head, in the body', async () => {
  await using server = await startRecorder()
  const client = new ScgiClient(server.address)
  const reason = new Error('enough')
  await assert.rejects(client.request({ signal: AbortSignal.abort(reason) }), reason)

  const early = new AbortController()
  const first = client.request({ signal: early.signal })
  early.abort(reason)
  await assert.rejects(first, reason)

  server.answer = async () => {}
  const silent = new AbortController()
  const second = client.request({ signal: silent.signal })
  while (server.requests.length === 0) await new Promise(resolve => setImmediate(resolve))
  silent.abort(reason)
  await assert.rejects(second, reason)
  await server.idle()

  server.answer = exchange => exchange.write('Status: 200 OK\r\nContent-Length: 10\r\n\r\nabc')
  const late = new AbortController()
  const reply = await client.request({ signal: late.signal })
  late.abort(reason)
  await assert.rejects(buffer(reply.body), reason)
  await server.idle()

  const uploading = new AbortController()
  const source = new PassThrough()
  const third = client.request({ signal: uploading.signal, body: source })
  uploading.abort(reason)
  await assert.rejects(third, reason)
  assert.equal(source.destroyed, true)
  await client.close()
})

test('a destroyed body closes the connection', async () => {
  await using server = await startRecorder({ answer: exchange => exchange.write('Status: 200 OK\r\n\r\nabc') })
  const client = new ScgiClient(server.address)
  const reply = await client.request()
  reply.body.destroy()
  await server.idle()
  await client.close()
})

test('errors: refused, no such socket, closed without a reply, a bad head, a short body, each time limit', async () => {
  await using dir = await tempDir()
  await using server = await startRecorder()
  await assert.rejects(new ScgiClient(await refusedAddress()).request(), (error: unknown) => {
    assert.ok(error instanceof Error && 'phase' in error && error.cause instanceof Error && 'code' in error.cause)
    assert.equal(error.phase, 'connect')
    assert.equal(error.cause.code, 'ECONNREFUSED')
    return code('FST_SCGI_CONNECT')(error)
  })
  await assert.rejects(new ScgiClient(`unix:${dir.file('none')}`).request(), /ENOENT, there is no such socket/)
  const client = new ScgiClient(server.address, { readTimeout: 50, bufferSize: '1k' })
  server.answer = exchange => exchange.end()
  await assert.rejects(client.request(), code('FST_SCGI_PREMATURE_CLOSE'))
  server.answer = 'no head\r\n\r\n'
  await assert.rejects(client.request(), code('FST_SCGI_INVALID_HEADER'))
  server.answer = `X: ${'x'.repeat(1100)}\r\n\r\n`
  await assert.rejects(client.request(), code('FST_SCGI_HEADER_TOO_BIG'))
  server.answer = async () => {}
  await assert.rejects(client.request(), code('FST_SCGI_READ_TIMEOUT'))
  server.answer = 'Status: 200 OK\r\nContent-Length: 10\r\n\r\nabc'
  const reply = await client.request()
  const seen: string[] = []
  await assert.rejects(async () => {
    for await (const chunk of reply.body) seen.push(String(chunk))
  }, code('FST_SCGI_BODY_TRUNCATED'))
  assert.deepEqual(seen, ['abc'])
  // A failure waits for its reader, and what came before it is read first.
  for (const [sent, wanted] of [['', []], ['abc', ['abc']]] as const) {
    server.answer = `Status: 200 OK\r\nContent-Length: 10\r\n\r\n${sent}`
    for (const read of [(body: Readable) => body, (body: Readable) => body.pipe(new PassThrough())]) {
      const late = await client.request()
      await server.idle()
      for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
      const pieces: string[] = []
      const failed = new Promise(resolve => late.body.once('error', resolve))
      const reader = read(late.body)
      reader.on('data', chunk => pieces.push(String(chunk)))
      code('FST_SCGI_BODY_TRUNCATED')(await failed)
      assert.deepEqual(pieces, wanted)
    }
    const iterated = await client.request()
    await server.idle()
    for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
    await assert.rejects(text(iterated.body), code('FST_SCGI_BODY_TRUNCATED'))
  }
})

test('socketKeepalive.initialDelay: what is less than a second is not the delay of the system', async t => {
  await using server = await startRecorder({ answer: '\r\nok' })
  const { mock } = t.mock.method(Socket.prototype, 'setKeepAlive')
  // All at a time, each on a socket of its own.
  await Promise.all(['1ms', 999, '1s', 1001, '1m', 0].map(async initialDelay => {
    const client = new ScgiClient(server.address, { socketKeepalive: { initialDelay } })
    await text((await client.request()).body)
  }))
  const asked = mock.calls.map(call => call.arguments)
  assert.deepEqual(asked, [1000, 1000, 1000, 2000, 60_000, 0].map(delay => [true, delay]))
})

test('chunked bodies are decoded, the reply to HEAD has none', async () => {
  await using server = await startRecorder({ answer: 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n' })
  const client = new ScgiClient(server.address)
  assert.equal(await text((await client.request()).body), 'abcde')
  server.answer = 'Content-Length: 5\r\n\r\n'
  const head = await client.request({ method: 'HEAD' })
  assert.equal(head.headers['content-length'], '5')
  assert.equal(await text(head.body), '')
})

test('keepalive: offered, reused where the server agrees, replaced when it has gone stale', async () => {
  await using server = await startRecorder()
  const kept = async (exchange: { body (): Promise<Buffer>, write (data: string): Promise<void> }): Promise<void> => {
    await exchange.body()
    await exchange.write('SCGI-Keepalive: 1\r\nContent-Length: 2\r\n\r\nok')
  }
  server.answer = kept
  const client = new ScgiClient(server.address, { keepalive: 1, socketKeepalive: { initialDelay: '5s' } })
  for (let i = 0; i < 3; i++) assert.equal(await text((await client.request({ body: `${i}` })).body), 'ok')
  assert.equal(server.accepted, 1)
  assert.equal(server.requests[0]?.param('SCGI_KEEPALIVE'), '1')

  // It dies under the request: a GET goes out again on a new connection, a POST does not.
  server.answer = exchange => exchange.request.connection === 0 ? exchange.end() : kept(exchange)
  assert.equal(await text((await client.request()).body), 'ok')
  assert.equal(server.accepted, 2)
  server.answer = exchange => exchange.end()
  await assert.rejects(client.request({ body: 'x' }), code('FST_SCGI_PREMATURE_CLOSE'))
  assert.equal(server.accepted, 2)

  server.answer = kept
  await text((await client.request()).body)
  assert.equal(server.open, 1)
  await client.close()
  await server.idle()
})

test('a name is resolved at the first use, and each of its addresses tried', async () => {
  await using server = await startRecorder()
  const port = server.address.split(':')[1] ?? ''
  const { lookup } = dns
  const asked: string[] = []
  let answer = ['127.0.0.7', '127.0.0.1']
  Reflect.set(dns, 'lookup', async (name: string) => {
    asked.push(name)
    if (answer.length === 0) throw Object.assign(new Error('none'), { code: 'ENOTFOUND' })
    return answer.map(address => ({ address, family: 4 }))
  })
  syncBuiltinESMExports()
  try {
    const client = new ScgiClient(`app.test:${port}`)
    assert.deepEqual(asked, [])
    const replies = await Promise.all([client.request(), client.request()])
    for (const reply of replies) assert.equal(await text(reply.body), 'ok')
    assert.deepEqual(asked, ['app.test'])
    await text((await client.request()).body)
    assert.deepEqual(asked, ['app.test'])

    answer = ['127.0.0.7']
    const gone = new ScgiClient(`app.test:${port}`)
    await assert.rejects(gone.request(), code('FST_SCGI_CONNECT'))
    answer = ['127.0.0.1']
    assert.equal(await text((await gone.request()).body), 'ok')

    answer = []
    const nowhere = new ScgiClient('nowhere.test')
    await assert.rejects(nowhere.request(), code('FST_SCGI_RESOLVE'))
    await nowhere.close()
  } finally {
    dns.lookup = lookup
    syncBuiltinESMExports()
  }
})

test('close() waits for what runs and takes nothing more; destroy() does not wait', async () => {
  await using server = await startRecorder({ answer: exchange => exchange.write('Status: 200 OK\r\n\r\nabc') })
  const client = new ScgiClient(server.address)
  const reply = await client.request()
  let closed = false
  const closing = client.close().then(() => { closed = true })
  await assert.rejects(client.request(), code('FST_SCGI_CLIENT_CLOSED'))
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(closed, false)
  reply.body.destroy()
  await closing

  const other = new ScgiClient(server.address)
  const running = await other.request()
  const source = new PassThrough()
  const collecting = other.request({ body: source })
  const error = new Error('stop')
  other.destroy(error)
  await assert.rejects(collecting, error)
  await assert.rejects(text(running.body), error)
  assert.equal(source.destroyed, true)
  await other.close()
  await server.idle()
})

test('nothing is left behind', async () => {
  await using dir = await tempDir()
  const big = dir.file('big')
  writeFileSync(big, Buffer.alloc(50_000))
  await using server = await startRecorder({ keepBodies: false })
  const client = new ScgiClient(server.address)
  const round = async (n: number): Promise<void> => {
    server.clear()
    server.answer = n % 2 === 0 ? 'Content-Length: 2\r\n\r\nok' : exchange => exchange.write('Content-Length: 9\r\n\r\nok')
    const reply = await client.request({ body: createReadStream(big), signal: new AbortController().signal })
    if (n % 2 === 0) await pipeline(reply.body, new PassThrough().resume())
    else reply.body.destroy()
    await server.idle()
  }
  await assertNoGrowth(round, { rounds: 100 })
  await client.close()
})
