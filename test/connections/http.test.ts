// One exchange with an HTTP server that does what it should: what goes over the wire, and what the handler is told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { literalAddress, parseAddress } from '../../lib/connections/address.ts'
import { hostOf } from '../../lib/connections/http/host.ts'
import { HttpEndpoint } from '../../lib/connections/http/protocol.ts'
import { InterimFilter } from '../../lib/connections/http/interim.ts'
import { answering, endpointAt, exchanged, httpRequest, startLiar } from './kit.ts'
import type { RequestBody } from '../../types/index.ts'

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok'

function bytesBody (bytes: Buffer): RequestBody {
  return { length: bytes.length, replayable: true, open: () => bytes }
}

test('the bytes of a request, and what the handler hears of the reply', async () => {
  await using server = await startLiar(answering(OK))
  const http = { path: '/a%20b/\xe4?q=%zz&\xe9', host: 'Some.Example:81', headers: ['X-Mixed-Case', 'a\tb \xe4', 'x-two', '1', 'X-Two', '2'] }
  const observed = await exchanged(endpointAt(server.url), httpRequest({ http }))
  assert.deepEqual(server.received, [
    'GET /a%20b/\xe4?q=%zz&\xe9 HTTP/1.1\r\nhost: Some.Example:81\r\nconnection: close\r\nX-Mixed-Case: a\tb \xe4\r\nx-two: 1\r\nX-Two: 2\r\n\r\n',
  ])
  assert.deepEqual(observed.events, ['connect', 'head', 'data', 'end'])
  assert.deepEqual({ ...observed.head, headers: { ...observed.head?.headers } }, {
    statusCode: 200,
    statusMessage: 'OK',
    headers: { 'content-type': 'text/plain', 'content-length': '2' },
    rawHeaders: ['Content-Type', 'text/plain', 'Content-Length', '2'],
    contentLength: 2,
    chunked: false,
    nph: true,
  })
  assert.equal(observed.body, 'ok')
  const { bytesSent, bytesReceived, bodyReceived, reused } = observed.control
  assert.deepEqual([bytesSent, bytesReceived, bodyReceived, reused], [server.received[0]?.length, OK.length, 2, false])
  await server.idle()
})

test('a body goes out byte for byte with its length, from memory and from a stream', async () => {
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i * 7 & 255))
  for (const method of ['POST', 'PUT', 'DELETE', 'GET', 'LOCK']) {
    for (const streamed of [false, true]) {
      await using server = await startLiar((socket, all) => { if (all.length - all.indexOf('\r\n\r\n') - 4 === bytes.length) socket.write(OK) })
      const source = Readable.from([bytes.subarray(0, 10), bytes.subarray(10, 70_000), bytes.subarray(70_000)], { objectMode: false })
      const body = streamed ? { length: bytes.length, replayable: false, open: () => source } : bytesBody(bytes)
      const observed = await exchanged(endpointAt(server.url), httpRequest({ method, body }))
      assert.equal(observed.failure, 'none', method)
      const [head = '', ...rest] = (server.received[0] ?? '').split('\r\n\r\n')
      assert.match(head, new RegExp(`^${method} / HTTP/1.1\r\n[^]*\r\ncontent-length: 100000$`))
      assert.doesNotMatch(head, /transfer-encoding/)
      assert.ok(Buffer.from(rest.join('\r\n\r\n'), 'latin1').equals(bytes), `${method} ${streamed}`)
      assert.equal(observed.control.bytesSent, server.received[0]?.length)
    }
  }
})

test('a POST without a body says so', async () => {
  await using server = await startLiar(answering(OK))
  await exchanged(endpointAt(server.url), httpRequest({ method: 'POST' }))
  assert.match(server.received[0] ?? '', /\r\ncontent-length: 0\r\n/)
})

test('replies that have no body, whatever their head says', async () => {
  for (const [method, status] of [['HEAD', '200 OK'], ['GET', '204 No Content'], ['GET', '304 Not Modified']] as const) {
    await using server = await startLiar(answering(`HTTP/1.1 ${status}\r\nContent-Length: 5\r\nETag: "x"\r\n\r\n`))
    const observed = await exchanged(endpointAt(server.url), httpRequest({ method }))
    assert.deepEqual(observed.events, ['connect', 'head', 'end'], status)
    assert.equal(observed.head?.contentLength, 5)
  }
})

test('a body in chunks, one until the end of the connection, and one without a byte', async () => {
  const replies: [string, string][] = [
    ['Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\nX-Trailer: 1\r\n\r\n', 'abcdefgh'],
    ['\r\nuntil the end', 'until the end'],
    ['Content-Length: 0\r\n\r\n', ''],
  ]
  for (const [rest, body] of replies) {
    await using server = await startLiar(answering(`HTTP/1.1 200 OK\r\n${rest}`, true))
    const observed = await exchanged(endpointAt(server.url), httpRequest())
    assert.deepEqual([observed.failure, observed.body], ['none', body])
    assert.equal(observed.control.bodyReceived, body.length)
  }
})

test('a reply in single bytes is the same reply', async () => {
  await using server = await startLiar((socket, all) => {
    if (!all.endsWith('\r\n\r\n')) return
    socket.setNoDelay(true)
    const bytes = Buffer.from('HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n')
    let at = 0
    const next = (): void => {
      if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next))
    }
    next()
  })
  const observed = await exchanged(endpointAt(server.url), httpRequest())
  assert.equal(observed.failure, 'none')
  assert.deepEqual([observed.head?.statusCode, observed.head?.headers['x-a'], observed.body], [201, ['1', '2'], 'ok'])
  assert.deepEqual(observed.events.filter(event => event !== 'data'), ['connect', 'head', 'end'])
})

test('informational heads are passed over, 100 too, in whatever order and pieces', async () => {
  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
  const HINTS = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nX: HTTP/1.1 200\r\n\r\n'
  const interims = [
    CONTINUE, 'HTTP/1.0 100\r\nX: 1\r\n\r\n'.repeat(20), 'HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 199 x\r\nA: b\r\n\r\n'.repeat(500),
    HINTS + CONTINUE, HINTS + CONTINUE + HINTS + CONTINUE, `HTTP/1.1 102\r\n\r\n${CONTINUE}`, CONTINUE + HINTS,
  ]
  // What looks like one in the body is none.
  const reply = `HTTP/1.1 200 OK\r\nContent-Length: ${CONTINUE.length}\r\n\r\n${CONTINUE}`
  for (const interim of interims) {
    for (const size of [1, 13, 100_000]) {
      const bytes = Buffer.from(interim + reply)
      if (bytes.length / size > 400) continue
      await using server = await startLiar((socket, all) => {
        if (!all.endsWith('\r\n\r\n')) return
        socket.setNoDelay(true)
        let at = 0
        const next = (): void => {
          if (at < bytes.length) socket.write(bytes.subarray(at, at += size), () => setImmediate(next))
        }
        next()
      })
      const observed = await exchanged(endpointAt(server.url), httpRequest())
      assert.deepEqual([observed.failure, observed.head?.statusCode, observed.body], ['none', 200, CONTINUE], `${interim.slice(0, 20)} by ${size}`)
    }
  }
})

test('what a filter leaves of interim heads does not depend on the pieces', () => {
  const parts = fc.array(fc.constantFrom('HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.0 100\r\nA: b\r\n\r\n', 'HTTP/1.1 103 x\r\nA: b\r\n\r\n', 'HTTP/1.1 102\n\n'), { maxLength: 6 })
  const ends = fc.constantFrom('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 x\r\n\r\n', 'HTTP/1.1 101 x\r\n\r\nHTTP/1.1 100 x\r\n\r\n', 'HTTP/1.1 1003\r\n\r\n', 'nonsense, long enough', 'HTTP/1.2 100 x\r\n')
  fc.assert(fc.property(parts, ends, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }), (heads, end, sizes) => {
    const filter = new InterimFilter()
    const bytes = Buffer.from(heads.join('') + end)
    const expected = heads.filter(head => !head.includes(' 100')).join('') + end
    for (let reply = 0; reply < 2; reply++) {
      filter.arm()
      let left = ''
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = sizes[n % sizes.length] ?? 1
        left += filter.filter(bytes.subarray(at, at += size))?.toString('latin1') ?? ''
      }
      assert.equal(left, expected)
    }
  }))
})

test('a server that never stops with 100 Continue is broken off', async () => {
  for (const endless of ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(3000), `HTTP/1.1 100 Continue\r\nX: ${'x'.repeat(70_000)}`]) {
    await using server = await startLiar(answering(endless, false))
    const observed = await exchanged(endpointAt(server.url), httpRequest())
    assert.notEqual(observed.failure, 'none')
  }
})

test('the asterisk-form becomes a target without a path', async () => {
  await using server = await startLiar(answering('HTTP/1.1 204 No Content\r\n\r\n'))
  await exchanged(endpointAt(server.url), httpRequest({ method: 'OPTIONS', http: { path: '*' } }))
  assert.match(server.received[0] ?? '', /^OPTIONS http:\/\/test\.example HTTP\/1\.1\r\nhost: test\.example\r\n/)
})

test('the Host of an address names the port unless it is the usual one, in requests as in checks', () => {
  const hosts: readonly [address: string, hostname: string | undefined, host: string][] = [
    ['http://127.0.0.1', undefined, '127.0.0.1'],
    ['http://127.0.0.1:443/base', 'app.internal', 'app.internal:443'],
    ['http://127.0.0.1:80/base', 'app.internal', 'app.internal'],
    ['https://127.0.0.1', 'app.internal', 'app.internal'],
    ['https://127.0.0.1:80', undefined, '127.0.0.1:80'],
    ['http://[::1]', undefined, '[::1]'],
    ['http://[::1]:8080', undefined, '[::1]:8080'],
  ]
  for (const [text, hostname, host] of hosts) {
    const address = { ...literalAddress(parseAddress('address', text, true)), hostname }
    assert.equal(hostOf(address), host)
    const { http } = new HttpEndpoint(address, { keepalive: 0 }).protocol.probe?.head(address, { method: 'GET', path: '/', fields: [] }) ?? {}
    assert.equal(http?.host, host)
  }
})

test('without a Host of the client it is that of the address', async () => {
  await using server = await startLiar(answering(OK))
  await exchanged(endpointAt(server.url), httpRequest({ http: { host: '' } }))
  assert.match(server.received[0] ?? '', new RegExp(`\r\nhost: 127\\.0\\.0\\.1:${server.port}\r\n`))
})

test('pause holds the body back, resume goes on, and the pieces are the handler\'s own', async () => {
  const length = 4 * 1024 * 1024
  await using server = await startLiar(answering(Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`), Buffer.alloc(length, 'abcdefghijklmnopqrstuvwxyz0123456789'),
  ])))
  let held = 0
  const observed = await exchanged(endpointAt(server.url), httpRequest(), (event, { control, chunks }) => {
    if (event !== 'data' || chunks.length % 5 !== 0) return
    held++
    const before = chunks.length
    control.pause()
    setTimeout(() => {
      // One piece may have been on its way.
      assert.ok(chunks.length <= before + 1, `${chunks.length - before} pieces in a pause`)
      control.resume()
    }, 3)
  })
  assert.equal(observed.failure, 'none')
  assert.ok(held > 3)
  assert.ok(Buffer.concat(observed.chunks).equals(Buffer.alloc(length, 'abcdefghijklmnopqrstuvwxyz0123456789')))
})

test('a pause in the head: what came with it comes, and nothing else', async () => {
  await using server = await startLiar((socket, all) => {
    answering('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab')(socket, all)
    setTimeout(() => socket.write('cd'), 10)
  })
  let resumed = false
  const observed = await exchanged(endpointAt(server.url), httpRequest(), (event, { control, chunks }) => {
    if (event === 'data' && chunks.length > 1) assert.ok(resumed)
    if (event !== 'head') return
    control.pause()
    setTimeout(() => {
      resumed = true
      control.resume()
    }, 40)
  })
  assert.deepEqual([observed.failure, observed.body], ['none', 'abcd'])
})

test('an early reply ends the exchange, and the rest of the body is left with its owner', async () => {
  await using server = await startLiar(socket => { socket.write(OK.replace('200', '413')) })
  const source = new Readable({ read () {} })
  source.push(Buffer.alloc(1000))
  const body = { length: 5000, replayable: false, open: () => source }
  const observed = await exchanged(endpointAt(server.url, { keepalive: 1 }), httpRequest({ method: 'POST', body }))
  assert.deepEqual([observed.failure, observed.head?.statusCode], ['none', 413])
  assert.equal(source.destroyed, false)
  assert.equal(source.listenerCount('data'), 0)
  await server.idle()
})
