// Every way in which an exchange with an HTTP server fails, and the error that says so: the same codes, kinds and phases as over SCGI.
import assert from 'node:assert/strict'
import net from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { answering, endpointAt, exchanged, httpRequest, Observed, startLiar } from './kit.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What an exchange ends with when the server answers like this. */
async function outcome (bytes: string, close = true): Promise<{ failure: string, message: string, body: string }> {
  await using server = await startLiar(answering(bytes, close))
  const { failure, error, body } = await exchanged(endpointAt(server.url, { keepalive: 1 }), httpRequest({ bufferSize: 2048 }))
  return { failure, message: error?.message ?? '', body }
}

test('nobody listens', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  server.close()
  await once(server, 'close')
  const observed = await exchanged(endpointAt(`http://127.0.0.1:${address.port}`), httpRequest())
  assert.equal(observed.failure, 'FST_SCGI_CONNECT error connect')
  assert.match(observed.error?.message ?? '', /connect\(\) to 127\.0\.0\.1:\d+ failed: ECONNREFUSED, nobody listens there/)
  assert.deepEqual(observed.events, ['error'])
  assert.deepEqual([observed.control.bytesSent, observed.control.bytesReceived], [0, 0])
  assert.equal(observed.error?.statusCode, 502)
})

test('a failure of this machine is no fault of the server', async () => {
  await using server = await startLiar(answering(OK))
  const observed = await exchanged(endpointAt(server.url), httpRequest({ localAddress: '192.0.2.1' }))
  assert.equal(observed.failure, 'FST_SCGI_LOCAL local connect')
  assert.equal((await exchanged(endpointAt(server.url), httpRequest({ localAddress: '127.0.0.1', localPort: 99999 }))).failure, 'FST_SCGI_LOCAL local connect')
})

test('a local address is connected from', async () => {
  let from: string | undefined
  await using server = await startLiar((socket, all) => {
    from = socket.remoteAddress
    answering(OK)(socket, all)
  })
  assert.equal((await exchanged(endpointAt(server.url), httpRequest({ localAddress: '127.0.0.3' }))).failure, 'none')
  assert.equal(from, '127.0.0.3')
})

test('a connection that does not come about in time', { skip: process.platform === 'linux' ? false : 'Linux' }, async () => {
  await using full = await fullBacklog()
  const observed = await exchanged(endpointAt(`http://${full.address}`), httpRequest({ timeouts: { connect: 30, send: 0, read: 0 } }))
  assert.equal(observed.failure, 'FST_SCGI_CONNECT_TIMEOUT timeout connect')
  assert.equal(observed.error?.statusCode, 504)
})

test('heads that are none', async () => {
  const cases: [string, RegExp][] = [
    ['HTTP/1.1 600 Much\r\n\r\n', /status is '600 Much'/],
    ['HTTP/1.1 999 Much\r\n\r\n', /status is '999 Much'/],
    ['HTTP/1.1 099 Little\r\n\r\n', /./],
    ['HTTP/1.1 abc\r\n\r\n', /./],
    ['Status: 200 OK\r\nContent-Length: 2\r\n\r\nok', /does not answer in HTTP; an SCGI server has an address with scgi:\/\//],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk', /./],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok', /./],
    ['HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok', /./],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', /only 'chunked' is possible/],
    ['HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\nX: a\x7fb\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\nX y: a\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\n: a\r\n\r\n', /./],
    ['HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\n', /./],
    ['\x16\x03\x01\x02\x00', /./],
    ['HTTP/1.1 103 Early\r\n\r\n'.repeat(1002) + OK, /more than 1000 informational/],
  ]
  for (const [bytes, message] of cases) {
    const found = await outcome(bytes)
    assert.match(found.failure, /^FST_SCGI_INVALID_HEADER invalid_header (?:head|send)$/, `${JSON.stringify(bytes.slice(0, 60))}: ${found.message}`)
    assert.match(found.message, message)
  }
})

test('of the headers that have one value the first counts, as with SCGI servers', async () => {
  await using server = await startLiar(answering('HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-type: c/d\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n__proto__: x\r\nContent-Length: 0\r\n\r\n'))
  const { head } = await exchanged(endpointAt(server.url), httpRequest())
  assert.deepEqual(Object.entries(head?.headers ?? {}), [['content-type', 'a/b'], ['set-cookie', ['a', 'b']], ['__proto__', 'x'], ['content-length', '0']])
})

test('a head larger than bufferSize', async () => {
  assert.equal((await outcome(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(3000)}\r\n\r\n`)).failure, 'FST_SCGI_HEADER_TOO_BIG invalid_header head')
  // undici counts names and values, the limit is of all bytes.
  assert.equal((await outcome(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(2030)}\r\n\r\n`)).failure, 'FST_SCGI_HEADER_TOO_BIG invalid_header head')
  assert.equal((await outcome(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(2000)}\r\n\r\n`)).failure, 'none')
})

test('a connection that ends before the head is complete', async () => {
  for (const bytes of ['', 'HTTP/1.1', 'HTTP/1.1 200 OK\r\nX: y', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 x\r\n\r\n']) {
    await using server = await startLiar((socket) => { socket.end(bytes) })
    const observed = await exchanged(endpointAt(server.url), httpRequest())
    assert.match(observed.failure, /^FST_SCGI_PREMATURE_CLOSE error (?:head|send)$/, bytes)
    assert.match(observed.error?.message ?? '', bytes === '' ? /without a byte of reply/ : new RegExp(`\\(${bytes.length} bytes had come\\)`))
  }
})

test('a reset before the head, with and without a part of it', async () => {
  for (const bytes of ['', 'HTTP/1.1 200 OK\r\nX: y']) {
    await using server = await startLiar((socket) => {
      if (bytes === '') socket.resetAndDestroy()
      else socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 10))
    })
    const observed = await exchanged(endpointAt(server.url), httpRequest())
    assert.match(observed.failure, bytes === '' ? /^FST_SCGI_(PREMATURE_CLOSE|SEND) error/ : /^FST_SCGI_READ error head$/)
    assert.match(observed.error?.message ?? '', /ECONNRESET/)
  }
})

test('a body that is short, broken or cut off', async () => {
  const cases: [string, string, RegExp][] = [
    ['Content-Length: 10\r\n\r\nabc', 'BODY_TRUNCATED', /got 3 of 10 bytes/],
    ['Content-Length: 10\r\nConnection: close\r\n\r\nabc', 'BODY_TRUNCATED', /got 3 of 10 bytes/],
    ['Transfer-Encoding: chunked\r\n\r\n5\r\nabc', 'BODY_TRUNCATED', /EOF before the last chunk/],
    ['Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n', 'BODY_TRUNCATED', /./],
    ['Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n', 'BODY_TRUNCATED', /./],
    ['Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef', 'BODY_TRUNCATED', /./],
  ]
  for (const [rest, code, message] of cases) {
    const found = await outcome(`HTTP/1.1 200 OK\r\n${rest}`)
    assert.equal(found.failure, `FST_SCGI_${code} error body`, rest)
    assert.match(found.message, message, rest)
    assert.match(found.body, /^abc/)
  }
})

test('a reset is no end of a body that has no other', async () => {
  await using server = await startLiar((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n\r\nabc', () => setTimeout(() => socket.resetAndDestroy(), 10))
  })
  const observed = await exchanged(endpointAt(server.url), httpRequest())
  assert.deepEqual([observed.failure, observed.body], ['FST_SCGI_READ error body', 'abc'])
})

test('a reset that comes together with the last bytes is none either', async () => {
  for (let i = 0; i < 10; i++) {
    await using server = await startLiar((socket) => { socket.write('HTTP/1.1 200 OK\r\n\r\nabc', () => socket.resetAndDestroy()) })
    assert.notEqual((await exchanged(endpointAt(server.url), httpRequest())).failure, 'none')
  }
})

test('surplus bytes are cut, and the connection is not used again', async () => {
  await using server = await startLiar(answering(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`))
  const endpoint = endpointAt(server.url, { keepalive: 4 })
  for (let i = 0; i < 3; i++) {
    const observed = await exchanged(endpoint, httpRequest())
    assert.deepEqual([observed.failure, observed.body, observed.control.reused], ['none', 'ok', false])
  }
  await server.idle()
})

test('a switch of protocols that nobody asked for', async () => {
  const found = await outcome('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.match(found.failure, /^FST_SCGI_(INVALID_HEADER invalid_header|PREMATURE_CLOSE error) head$/)
})

test('time limits: nothing, a part of the head, a dribbling head, a pause in the body', async () => {
  const timeouts = { connect: 5000, send: 5000, read: 60 }
  const beginnings: [string, string, string][] = [
    ['', 'head', 'nothing'], ['HTTP/1.1 2', 'head', 'only a part of the head'], ['HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc', 'body', 'no further piece'],
  ]
  for (const [bytes, phase, message] of beginnings) {
    await using server = await startLiar((socket) => { if (bytes !== '') socket.write(bytes) })
    const took: number[] = []
    // The machine may have other things to do: one time of three is enough to see that it is not undici's clock.
    while (took.length < 3 && !took.some(time => time < 450)) {
      const begun = performance.now()
      const observed = await exchanged(endpointAt(server.url), httpRequest({ timeouts }))
      took.push(performance.now() - begun)
      assert.equal(observed.failure, `FST_SCGI_READ_TIMEOUT timeout ${phase}`)
      assert.ok(observed.error?.message.includes(message))
      assert.equal(observed.error?.statusCode, 504)
    }
    assert.ok(took.every(time => time > 55) && took.some(time => time < 450), took.join(' '))
  }
  let timer: NodeJS.Timeout | undefined
  await using server = await startLiar((socket) => {
    socket.write('HTTP/1.1 200 OK\r\n')
    timer = setInterval(() => socket.write('X: y\r\n'), 5)
  })
  const observed = await exchanged(endpointAt(server.url), httpRequest({ timeouts }))
  clearInterval(timer)
  assert.equal(observed.failure, 'FST_SCGI_READ_TIMEOUT timeout head')
})

test('a body that keeps coming takes as long as it takes, and a pause of the reader is not the server\'s', async () => {
  let timer: NodeJS.Timeout | undefined
  await using server = await startLiar((socket) => {
    let n = 0
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n')
    timer = setInterval(() => {
      socket.write('x')
      if (++n === 10) clearInterval(timer)
    }, 20)
  })
  const request = httpRequest({ timeouts: { connect: 0, send: 0, read: 80 } })
  const observed = await exchanged(endpointAt(server.url), request, (event, { control, chunks }) => {
    if (event === 'data' && chunks.length === 2) {
      control.pause()
      setTimeout(() => control.resume(), 150)
    }
  })
  clearInterval(timer)
  assert.deepEqual([observed.failure, observed.body], ['none', 'xxxxxxxxxx'])
})

test('a server that takes nothing of the request', async () => {
  await using server = await startLiar(socket => { socket.pause() })
  const bytes = Buffer.alloc(32 * 1024 * 1024)
  const timeouts = { connect: 0, send: 60, read: 0 }
  function * pieces (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536)
  }
  for (const open of [() => bytes, () => Readable.from(pieces(), { objectMode: false })]) {
    const observed = await exchanged(endpointAt(server.url), httpRequest({ method: 'POST', body: { length: bytes.length, replayable: false, open }, timeouts }))
    assert.equal(observed.failure, 'FST_SCGI_SEND_TIMEOUT timeout send')
  }
})

test('a request body that is slow to come is not the server\'s fault, one that ends early is nobody\'s', async () => {
  await using server = await startLiar((socket, all) => { if (all.endsWith('end')) socket.write(OK) })
  const slow = new Readable({ read () {} })
  slow.push('begin ')
  setTimeout(() => slow.push('end'), 150)
  const timeouts = { connect: 0, send: 40, read: 1000 }
  const body = { length: 9, replayable: false, open: () => slow }
  assert.equal((await exchanged(endpointAt(server.url), httpRequest({ method: 'POST', body, timeouts }))).failure, 'none')
  const short = Readable.from([Buffer.from('abc')], { objectMode: false })
  const observed = await exchanged(endpointAt(server.url), httpRequest({ method: 'POST', body: { ...body, open: () => short } }))
  assert.equal(observed.failure, 'FST_SCGI_SEND local send')
  assert.match(observed.error?.message ?? '', /6 bytes short/)
})

test('after abort() nothing is heard, in every phase, and the connection is closed', async () => {
  for (const when of ['start', 'turn', 'connect', 'head', 'data'] as const) {
    await using server = await startLiar(answering('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'))
    let aborted = (): void => {}
    const done = new Promise<void>(resolve => { aborted = resolve })
    const observed: Observed = new Observed(endpointAt(server.url, { keepalive: 1 }), httpRequest(), event => {
      if (event === when) {
        observed.control.abort()
        aborted()
      }
    })
    observed.control.start()
    if (when === 'start') observed.control.abort()
    else if (when === 'turn') {
      setImmediate(() => {
        observed.control.abort()
        aborted()
      })
    }
    if (when !== 'start') await done
    const heard = observed.events.length
    await server.idle()
    for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve))
    assert.equal(observed.events.length, heard, when)
    assert.ok(!observed.events.includes('error') && !observed.events.includes('end'))
  }
})

test('an abort while paused, and a server that goes away while paused', async () => {
  for (const close of [false, true]) {
    await using server = await startLiar(answering(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'), Buffer.alloc(300_000)]), close))
    let paused = (): void => {}
    const reached = new Promise<void>(resolve => { paused = resolve })
    const observed = new Observed(endpointAt(server.url), httpRequest(), event => {
      if (event !== 'data') return
      observed.control.pause()
      paused()
    })
    observed.control.start()
    await reached
    await new Promise(resolve => setTimeout(resolve, 20))
    if (close) {
      observed.control.resume()
      const timer = setInterval(() => observed.control.resume(), 1)
      await observed.over
      clearInterval(timer)
      assert.deepEqual([observed.failure, observed.body.length], ['none', 300_000])
    } else {
      observed.control.abort()
    }
    await server.idle()
  }
})
