import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import Fastify from 'fastify'
import fc from 'fast-check'
import { createScgiServer, ScgiServer, scgiServerFactory } from '../../lib/server/index.ts'
import type { ScgiServerOptions } from '../../lib/server/index.ts'
import { encode, listen, parseReply } from './scgi-client.ts'
import type { Socket } from 'node:net'
import type { Client } from './scgi-client.ts'

function block (text: string): string {
  return `${text.length}:${text},`
}

const BAD: readonly [what: string, bytes: string | Buffer, message: RegExp][] = [
  ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', /'G'/],
  ['TLS', Buffer.from('160301020001000001fc0303', 'hex'), /0x16/],
  ['a netstring without comma', '24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;', /comma/],
  ['a netstring with a leading zero', '024:CONTENT_LENGTH\x000\x00SCGI\x001\x00,', /leading zero/],
  ['an empty netstring', '0:,', /./],
  ['CONTENT_LENGTH not in front', block('SCGI\x001\x00CONTENT_LENGTH\x000\x00'), /CONTENT_LENGTH/],
  ['CONTENT_LENGTH that is no number', block('CONTENT_LENGTH\x00-1\x00SCGI\x001\x00'), /CONTENT_LENGTH/],
  ['no SCGI', block('CONTENT_LENGTH\x000\x00A\x001\x00'), /SCGI/],
  ['a method that is no token', encode({ REQUEST_METHOD: 'GE T' }), /REQUEST_METHOD/],
  ['a space in the URL', encode({ REQUEST_URI: '/a b' }), /REQUEST_URI/],
  ['a line break in the URL', encode({ REQUEST_URI: '/a\r\nX: y' }), /REQUEST_URI/],
  ['a line break in a header', encode({ HTTP_X_A: 'a\r\nB: c' }), /HTTP_X_A/],
  ['a line break in CONTENT_TYPE', encode({ CONTENT_TYPE: 'a\nb' }), /CONTENT_TYPE/],
]

for (const [what, bytes, message] of BAD) {
  test(`refused with 400: ${what}`, async () => {
    const server = createScgiServer(() => { assert.fail('no request') })
    await using listener = await listen(server)
    await using client = await listener.connect()
    const refused = once(server, 'clientError')
    client.write(bytes)
    const [error, socket] = await refused
    assert.equal(error.statusCode, 400)
    assert.match(error.message, message)
    assert.equal(socket.writable, false)
    const { statusLine, lines, body } = await client.last()
    const http = what === 'HTTP'
    assert.equal(statusLine, http ? 'HTTP/1.1 400 Bad Request' : 'Status: 400 Bad Request')
    assert.deepEqual(lines, ['Content-Type: text/plain', `Content-Length: ${body.length}`, ...(http ? ['Connection: close'] : [])])
    // Who sees it is a person that looks for a mistake.
    assert.match(body.toString(), message)
    assert.match(body.toString(), http ? /SCGI.*HTTP/ : /^Bad Request\n/)
    await listener.deserted()
  })
}

test('the length of a refusal counts bytes, whatever the reason quotes', async () => {
  await using listener = await listen(createScgiServer())
  await using client = await listener.connect()
  client.write(encode({ HTTP_TRANSFER_ENCODING: 'gz\xefp' }))
  const { statusLine, lines, body } = await client.last()
  assert.equal(statusLine, 'Status: 501 Not Implemented')
  assert.match(body.toString(), /gz\xefp/)
  assert.ok(lines.includes(`Content-Length: ${body.length}`), lines.join())
})

test('nobody needs to listen for clientError', async () => {
  const server = createScgiServer({ nph: true })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write('nonsense')
  assert.equal((await client.last()).statusLine, 'HTTP/1.1 400 Bad Request')
})

test('parameters over maxParamsSize are refused with 431', async () => {
  const server = createScgiServer({ maxParamsSize: 100 }, (_req, res) => { res.end('ok') })
  await using listener = await listen(server)
  const send = async (length: number): Promise<string> => {
    await using client = await listener.connect()
    const rest = length - encode({ A: '' }).length + '99:,'.length
    client.write(encode({ A: 'x'.repeat(rest) }))
    return (await client.last()).statusLine
  }
  assert.equal(await send(100), 'Status: 200 OK')
  assert.equal(await send(101), 'Status: 431 Request Header Fields Too Large')
})

/** More than the buffers of two sockets hold. */
const MUCH = 2 ** 24
const STILL_SENDING: readonly [what: string, bytes: Buffer, status: string][] = [
  ['no netstring', Buffer.alloc(MUCH, 'x'), 'Status: 400 Bad Request'],
  ['parameters over the limit', Buffer.concat([Buffer.from(`${MUCH}:`), Buffer.alloc(MUCH, 'x')]), 'Status: 431 Request Header Fields Too Large'],
]

/** The handler of Fastify destroys a socket at once, and to do that with bytes unread would reset the connection. */
const OWNERS: readonly [who: string, make: () => Promise<{ server: ScgiServer, close: () => Promise<void> }>][] = [
  ['of its own', async () => ({ server: createScgiServer(), close: async () => {} })],
  ['of Fastify', async () => {
    const app = Fastify({ serverFactory: scgiServerFactory() })
    await app.ready()
    assert.ok(app.server instanceof ScgiServer)
    return { server: app.server, close: async () => { await app.close() } }
  }],
]

for (const [who, make] of OWNERS) {
  for (const [what, bytes, status] of STILL_SENDING) {
    test(`a refusal reaches a gateway that is still sending: ${what}, a server ${who}`, async () => {
      const { server, close } = await make()
      {
        await using listener = await listen(server, 'tcp')
        await using client = await listener.connect()
        const refused = once(server, 'clientError')
        client.write(bytes)
        const { statusLine } = await client.last()
        assert.equal(statusLine, status)
        assert.equal(client.wasReset, false)
        const [error] = await refused
        assert.match(error.code, /^FST_SCGI_/)
      }
      await close()
    })
  }
}

test('a connection that ends in the middle of the parameters is a clientError', async () => {
  const server = createScgiServer()
  await using listener = await listen(server)
  await using client = await listener.connect()
  const refused = once(server, 'clientError')
  client.socket.end('30:CONTENT')
  const [error] = await refused
  assert.match(error.message, /closed before the parameters were complete/)
  await client.closed
  await listener.deserted()
})

test('a connection that ends without a byte is nothing', async () => {
  const server = createScgiServer()
  server.on('clientError', () => assert.fail())
  await using listener = await listen(server)
  const accepted = once(server, 'connection')
  await using client = await listener.connect()
  const [socket] = await accepted
  client.socket.end()
  await once(socket, 'close')
})

test('a reset in the middle of the parameters is a clientError', async () => {
  const server = createScgiServer()
  await using listener = await listen(server, 'tcp')
  const accepted = once(server, 'connection')
  await using client = await listener.connect()
  const [socket] = await accepted
  const refused = once(server, 'clientError')
  client.write('30:CONTENT')
  await once(socket, 'data')
  client.socket.resetAndDestroy()
  const [error] = await refused
  assert.equal(error.code, 'ECONNRESET')
  await listener.deserted()
})

test('parameters that are not complete within headersTimeout are refused with 408', async () => {
  const server = createScgiServer({ headersTimeout: 20 }, () => { assert.fail('no request') })
  await using listener = await listen(server)
  await using client = await listener.connect()
  const refused = once(server, 'clientError')
  client.write('30:CONTENT')
  assert.equal((await client.last()).statusLine, 'Status: 408 Request Timeout')
  const [error] = await refused
  assert.equal(error.code, 'FST_SCGI_REQUEST_TIMEOUT')
})

test('a connection without a byte is closed after headersTimeout, silently', async () => {
  const server = createScgiServer({ headersTimeout: 20 })
  server.on('clientError', () => assert.fail())
  await using listener = await listen(server)
  await using client = await listener.connect()
  await client.closed
  assert.equal(client.received.length, 0)
})

test('headersTimeout does not touch a request that is complete', async () => {
  const server = createScgiServer({ headersTimeout: 20, requestTimeout: 20 }, (_req, res) => { setTimeout(() => res.end('late'), 100) })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode())
  assert.equal((await client.last()).body.toString(), 'late')
})

test('a body that is not complete within requestTimeout is refused with 408', async () => {
  const server = createScgiServer({ requestTimeout: 20 }, (req) => { req.resume() })
  await using listener = await listen(server)
  await using client = await listener.connect()
  const refused = once(server, 'clientError')
  client.write(encode({ CONTENT_LENGTH: '10' }, 'abc'))
  assert.equal((await client.last()).statusLine, 'Status: 408 Request Timeout')
  const [error] = await refused
  assert.match(error.message, /requestTimeout/)
  await listener.deserted()
})

test('requestTimeout covers the parameters, too: whichever limit is reached first is told', async () => {
  const limits: readonly [options: ScgiServerOptions, told: RegExp][] = [
    [{ headersTimeout: 0, requestTimeout: 20 }, /requestTimeout/],
    [{ headersTimeout: 5000, requestTimeout: 20 }, /requestTimeout/],
    [{ headersTimeout: 20, requestTimeout: 5000 }, /headersTimeout/],
    [{ headersTimeout: 20, requestTimeout: 0 }, /headersTimeout/],
  ]
  const kept = encode({ SCGI_KEEPALIVE: '1' })
  for (const [options, told] of limits) {
    for (const before of [0, 1]) {
      const server = createScgiServer({ keepAliveTimeout: 0, ...options }, (_req, res) => { res.end('ok') })
      await using listener = await listen(server)
      await using client = await listener.connect()
      if (before > 0) {
        client.write(kept)
        await client.next()
      }
      const refused = once(server, 'clientError')
      client.write('30:CONTENT')
      assert.equal((await client.last()).statusLine, 'Status: 408 Request Timeout')
      const [error] = await refused
      assert.match(error.message, told)
    }
  }
})

test('the time of requestTimeout goes on from the parameters to the body, and begins anew with each request', async t => {
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  const server = createScgiServer({ keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 100 }, (req, res) => {
    req.resume().on('end', () => res.end('ok'))
  })
  const bytes = encode({ SCGI_KEEPALIVE: '1' }, 'abc')
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(bytes)
  await client.next()
  now += 5000
  const begun = once(server, 'connection').then(async ([socket]) => { await once(socket, 'data') })
  await using other = await listener.connect()
  other.write(bytes.subarray(0, 9))
  await begun
  now += 60
  const asked = once(server, 'request')
  other.write(bytes.subarray(9, -1))
  await asked
  now += 60
  assert.equal((await other.last()).statusLine, 'Status: 408 Request Timeout')
  // This one has waited for longer, but no request of it had begun.
  client.write(bytes)
  assert.equal((await client.next()).statusLine, 'Status: 200 OK')
})

test('requestTimeout begins with the first byte, not with a connection that was opened ahead; headersTimeout begins with that', { timeout: 30_000 }, async t => {
  let now = 1000
  t.mock.method(performance, 'now', () => now)
  for (const [headersTimeout, told] of [[0, 'requestTimeout'], [5200, 'requestTimeout'], [5120, 'headersTimeout']] as const) {
    const server = createScgiServer({ headersTimeout, requestTimeout: 100 }, () => assert.fail('no request'))
    await using listener = await listen(server)
    const open = async (): Promise<{ client: Client, socket: Socket }> => {
      const opened: Promise<Socket[]> = once(server, 'connection')
      const client = await listener.connect()
      const [socket] = await opened
      return { client, socket: socket ?? assert.fail('no socket') }
    }
    const begin = async ({ client, socket }: { client: Client, socket: Socket }): Promise<void> => {
      const begun = once(socket, 'data')
      client.write('30:CONTENT')
      await begun
    }
    const tested = await open()
    await using client = tested.client
    // They tell by their end that the connections have been looked at.
    const others = [await open(), await open()] as const
    await using first = others[0].client
    await using second = others[1].client
    let error: Error | undefined
    server.on('clientError', (given: Error, of: Socket) => { if (of === tested.socket) error = given })
    await begin(others[0])
    now += 5000
    await first.last()
    await begin(others[1])
    now += 30
    await begin(tested)
    now += 80
    await second.last()
    assert.equal(error, undefined)
    now += 60
    assert.equal((await client.last()).statusLine, 'Status: 408 Request Timeout')
    assert.match(String(error), new RegExp(told))
  }
})

test('a reply that has begun is cut by requestTimeout', async () => {
  const server = createScgiServer({ requestTimeout: 20 }, (req, res) => {
    req.resume()
    res.write('begun')
  })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode({ CONTENT_LENGTH: '10' }, 'abc'))
  await client.closed
  assert.equal(client.received.toString(), 'Status: 200 OK\r\n\r\nbegun')
})

test('inactivity for timeout emits timeout, or ends the connection', async () => {
  const server = createScgiServer({ timeout: 20 }, (req, res) => {
    if (req.url === '/wait') res.setTimeout(20, () => res.end('timed out'))
  })
  await using listener = await listen(server)
  await using cut = await listener.connect()
  cut.write(encode())
  await cut.closed
  assert.equal(cut.received.length, 0)
  await using client = await listener.connect()
  client.write(encode({ REQUEST_URI: '/wait' }))
  assert.equal((await client.last()).body.toString(), 'timed out')
})

test('an option that cannot be is refused', () => {
  const invalid: [object, RegExp][] = [
    [{ nph: 1 }, /'nph' is 1/],
    [{ trustGateway: 'yes' }, /'trustGateway'/],
    [{ keepalive: null }, /'keepalive'/],
    [{ keepAliveTimeout: -1 }, /'keepAliveTimeout'/],
    [{ headersTimeout: 'soon' }, /'headersTimeout'/],
    [{ requestTimeout: NaN }, /'requestTimeout'/],
    [{ timeout: {} }, /'timeout'/],
    [{ maxParamsSize: 0 }, /'maxParamsSize'/],
    [{ maxParamsSize: '1x' }, /'maxParamsSize'/],
    [{ maxRequestsPerSocket: 1.5 }, /'maxRequestsPerSocket'/],
  ]
  for (const [options, message] of invalid) {
    for (const make of [createScgiServer, scgiServerFactory]) {
      assert.throws(() => make(options), (error) => error instanceof TypeError && 'code' in error && error.code === 'FST_SCGI_OPT_INVALID' && message.test(error.message))
    }
  }
  const unknown: object = { keepAlive: true }
  for (const make of [createScgiServer, scgiServerFactory]) assert.throws(() => make(unknown), { code: 'FST_SCGI_OPT_UNKNOWN' })
  const units: ScgiServerOptions = { keepAliveTimeout: '10s', headersTimeout: '1m', maxParamsSize: '8k', requestTimeout: 0 }
  const server = createScgiServer(units)
  assert.deepEqual([server.keepAliveTimeout, server.headersTimeout, server.requestTimeout], [10_000, 60_000, 0])
})

test('no bytes whatever end the process or leave a connection', async () => {
  const server = createScgiServer((req, res) => { req.pipe(res) })
  await using listener = await listen(server)
  const good = encode({ REQUEST_METHOD: 'POST' }, 'body')
  const damaged = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
    const bytes = Buffer.from(good)
    bytes[at] = byte
    return bytes
  })
  const random = fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => Buffer.from(bytes))
  await fc.assert(fc.asyncProperty(fc.oneof(damaged, random), async (bytes) => {
    await using client: Client = await listener.connect()
    client.socket.end(bytes)
    await client.closed
    if (client.received.length > 0) assert.match(parseReply(client.received).statusLine, /^(?:Status: (200|400|431)|HTTP\/1\.1 400) /)
  }), { numRuns: 300 })
  await listener.deserted()
})

test('what is refused is a process warning where nobody listens, and not more than one a second', async t => {
  let now = 5000
  t.mock.method(performance, 'now', () => now)
  const server = createScgiServer()
  await using listener = await listen(server, 'tcp')
  const warnings: Error[] = []
  const hear = (warning: Error): void => { if (warning.name === 'ScgiServerWarning') warnings.push(warning) }
  process.on('warning', hear)
  for (const time of [5000, 5500, 5900, 6000]) {
    now = time
    await using client = await listener.connect()
    client.write('GET / HTTP/1.1\r\n\r\n')
    await client.last()
  }
  process.off('warning', hear)
  assert.equal(warnings.length, 2)
  assert.match(warnings[0]?.message ?? '', /refused \(from 127\.0\.0\.1 port \d+\): .*speaks SCGI, and what came is HTTP[^;]*$/)
  assert.match(warnings[1]?.message ?? '', /; 2 more since the last warning$/)
})

test('Fastify logs what is refused as a warning', async () => {
  const log: { level: number, msg: string }[] = []
  const stream = { write: (line: string) => { log.push(JSON.parse(line)) } }
  const app = Fastify({ serverFactory: scgiServerFactory(), logger: { stream } })
  await app.ready()
  const { server } = app
  assert.ok(server instanceof ScgiServer)
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write('24:CONTENT_LENGTH\x000\x00SCGI\x001\x00;')
  await client.closed
  const line = log.find(({ msg }) => msg.includes('an SCGI request was refused'))
  assert.equal(line?.level, 40)
  assert.match(line?.msg ?? '', /comma/)
})
