import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import type { ScgiRequestListener, ScgiServerOptions } from '../../lib/server/index.ts'
import { encode, header, listen, TRANSPORTS } from './scgi-client.ts'

const KEEP = { SCGI_KEEPALIVE: '1' }

const echo: ScgiRequestListener = (req, res) => {
  const chunks: Buffer[] = []
  req.on('data', (chunk: Buffer) => chunks.push(chunk))
  req.on('end', () => res.end(`${req.method} ${req.url} ${Buffer.concat(chunks)} from ${req.socket.remoteAddress}`))
}

for (const transport of TRANSPORTS) {
  test(`three requests on one connection (${transport})`, async () => {
    const server = createScgiServer(echo)
    let connections = 0
    let closed = 0
    server.on('connection', () => connections++)
    server.on('request', (req, res) => {
      req.on('close', () => closed++)
      res.on('close', () => closed++)
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    for (let i = 0; i < 3; i++) {
      client.write(encode({ ...KEEP, REQUEST_URI: `/${i}`, REMOTE_ADDR: `192.0.2.${i}` }, `body ${i}`))
      const reply = await client.next()
      assert.equal(header(reply, 'SCGI-Keepalive'), '1')
      assert.equal(reply.body.toString(), `GET /${i} body ${i} from 192.0.2.${i}`)
    }
    assert.equal(connections, 1)
    assert.equal(client.socket.destroyed, false)
    client.write(encode({ REQUEST_URI: '/last' }))
    const last = await client.last()
    assert.equal(header(last, 'SCGI-Keepalive'), undefined)
    assert.match(last.body.toString(), transport === 'tcp' ? /from 127\.0\.0\.1$/ : /from undefined$/)
    assert.deepEqual([connections, closed], [1, 8])
  })

  test(`requests may be pipelined, cut at any byte (${transport})`, async () => {
    const server = createScgiServer(echo)
    await using listener = await listen(server, transport)
    const one = encode({ ...KEEP, REQUEST_URI: '/1' }, 'a')
    const both = Buffer.concat([one, encode({ REQUEST_URI: '/2' }, 'b')])
    for (let cut = one.length - 3; cut < one.length + 10; cut++) {
      await using client = await listener.connect()
      client.write(both.subarray(0, cut))
      if (cut >= one.length) await client.until((received) => received.includes('/1'))
      client.write(both.subarray(cut))
      assert.match((await client.next()).body.toString(), /^GET \/1 a/)
      assert.match((await client.last()).body.toString(), /^GET \/2 b/)
    }
  })
}

test('listeners of a reply are through before a pipelined request begins; its timeout does not hold any more', async () => {
  const events: string[] = []
  const server = createScgiServer({ timeout: 50_000 }, (req, res) => {
    events.push(`${req.url} ${req.socket.timeout}`)
    res.setTimeout(10_000)
    res.on('finish', () => events.push(`${req.url} finish`))
    res.end()
  })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(Buffer.concat([encode({ ...KEEP, REQUEST_URI: '/1' }), encode({ ...KEEP, REQUEST_URI: '/2' }), encode({ REQUEST_URI: '/3' })]))
  await client.closed
  assert.deepEqual(events, ['/1 50000', '/1 finish', '/2 50000', '/2 finish', '/3 50000', '/3 finish'])
})

async function kept (
  listener: ScgiRequestListener, params: Record<string, string> = {}, options: ScgiServerOptions = {}, body = ''
): Promise<{ offered: boolean, kept: boolean, body: string }> {
  const server = createScgiServer(options, listener)
  await using host = await listen(server)
  await using client = await host.connect()
  const replied = new Promise<boolean>((resolve) => server.once('request', (req, res) => {
    res.once('close', () => setImmediate(() => resolve(req.socket.destroyed)))
  }))
  client.write(encode({ ...KEEP, ...params }, body))
  if (!await replied) client.write(encode({ REQUEST_URI: '/second' }))
  await client.closed
  const text = client.received.toString('latin1')
  return {
    offered: /\r\nSCGI-Keepalive: 1\r\n/.test(text.slice(0, text.indexOf('\r\n\r\n') + 2)),
    kept: text.lastIndexOf('Status: ') > 0,
    body: text.slice(text.indexOf('\r\n\r\n') + 4),
  }
}

const isSecond: ScgiRequestListener = (_req, res) => { res.end() }

function first (listener: ScgiRequestListener): ScgiRequestListener {
  return (req, res) => { (req.url === '/second' ? isSecond : listener)(req, res) }
}

test('a reply of known length keeps the connection', async () => {
  for (const listener of [
    (_req, res) => { res.end('12345') },
    (_req, res) => { res.end() },
    (_req, res) => { res.writeHead(200, { 'content-length': '5' }).end(Buffer.from('12345')) },
    (_req, res) => {
      res.setHeader('Content-Length', 5)
      res.write('12')
      res.write(Buffer.from('34'))
      res.end('5')
    },
    (_req, res) => {
      res.setHeader('Content-Length', 5)
      res.write('MTI=', 'base64')
      res.write('333435', 'hex', () => res.end(() => {}))
    },
    (_req, res) => {
      res.setHeader('Content-Length', 5)
      res.end('12345', () => {})
    },
  ] satisfies ScgiRequestListener[]) {
    const { offered, kept: stays } = await kept(first(listener))
    assert.deepEqual([offered, stays], [true, true], String(listener))
  }
})

test('a body of another length than the head has promised ends the connection; what is too much is cut', async () => {
  for (const [listener, sent] of [
    [(_req, res) => {
      res.setHeader('Content-Length', 5)
      res.write('123')
      res.end()
    }, '123'],
    [(_req, res) => {
      res.setHeader('Content-Length', 5)
      res.write('123')
      res.end('4567')
    }, '12345'],
    [(_req, res) => {
      res.writeHead(200, { 'Content-Length': 5 })
      res.end(Buffer.from('1234567'))
    }, '12345'],
    [(_req, res) => {
      res.writeHead(200, { 'Content-Length': 5 })
      res.write('12345')
      res.write('6', 'latin1', () => res.end('7'))
    }, '12345'],
  ] satisfies [ScgiRequestListener, string][]) {
    assert.deepEqual(await kept(first(listener)), { offered: true, kept: false, body: sent }, String(listener))
  }
})

test('a reply that does not tell its length, or tells a wrong one at once, ends the connection', async () => {
  for (const listener of [
    (_req, res) => {
      res.write('a')
      res.end()
    },
    (_req, res) => {
      res.setHeader('Content-Length', 5)
      res.end('12345 and more')
    },
    (_req, res) => {
      res.setHeader('Content-Length', ['5', '5'])
      res.end('12345')
    },
    (_req, res) => {
      res.setHeader('Content-Length', 'five')
      res.end('12345')
    },
  ] satisfies ScgiRequestListener[]) {
    const { offered, kept: stays } = await kept(first(listener))
    assert.deepEqual([offered, stays], [false, false], String(listener))
  }
})

test('HEAD, 204 and 304 end the connection', async () => {
  const empty = (code: number) => first((_req, res) => { res.writeHead(code, { 'Content-Length': 0 }).end() })
  assert.deepEqual(await kept(empty(200), { REQUEST_METHOD: 'HEAD' }), { offered: false, kept: false, body: '' })
  assert.deepEqual(await kept(empty(204)), { offered: false, kept: false, body: '' })
  assert.deepEqual(await kept(empty(304)), { offered: false, kept: false, body: '' })
})

test('only a gateway that asks gets it, and only from a server that may', async () => {
  const ok = first((_req, res) => { res.end('ok') })
  const is = async (params: Record<string, string>, options: ScgiServerOptions = {}) => (await kept(ok, params, options)).offered
  assert.equal(await is({ SCGI_KEEPALIVE: '1' }), true)
  assert.equal(await is({ SCGI_KEEPALIVE: '0' }), false)
  assert.equal(await is({ SCGI_KEEPALIVE: '' }), false)
  assert.equal(await is({}, { keepalive: false }), false)
  assert.equal(await is({}, { maxRequestsPerSocket: 1 }), false)
  assert.equal(await is({}, { maxRequestsPerSocket: 2 }), true)
})

test('a reply that is begun before the request is complete ends the connection', async () => {
  const server = createScgiServer((req, res) => {
    res.writeHead(200, { 'Content-Length': 4 })
    res.flushHeaders()
    req.on('data', () => {})
    req.on('end', () => res.end('done'))
  })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode({ ...KEEP, CONTENT_LENGTH: '4' }, 'bo'))
  await client.until((received) => received.includes('\r\n\r\n'))
  client.write('dy')
  const reply = await client.last()
  assert.deepEqual(reply.lines, ['Content-Length: 4'])
  assert.equal(reply.body.toString(), 'done')
})

test('a body that nobody has read is not taken for the next request', async () => {
  const { offered, kept: stays } = await kept(first((_req, res) => { res.end('ok') }), {}, {}, '9:not mine,')
  assert.deepEqual([offered, stays], [true, true])
})

test('an idle connection is closed after keepAliveTimeout', async () => {
  const server = createScgiServer({ keepAliveTimeout: 20, headersTimeout: '1m' }, (_req, res) => { res.end('ok') })
  let errors = 0
  server.on('clientError', () => errors++)
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode(KEEP))
  const start = performance.now()
  await client.next()
  await client.closed
  assert.ok(performance.now() - start >= 19)
  assert.equal(client.received.length, 0)
  assert.equal(errors, 0)
})

test('a gateway that closes an idle connection harms nobody', async () => {
  const server = createScgiServer((_req, res) => { res.end('ok') })
  let errors = 0
  server.on('clientError', () => errors++)
  await using listener = await listen(server)
  const accepted = once(server, 'connection')
  await using client = await listener.connect()
  const [socket] = await accepted
  client.write(encode(KEEP))
  await client.next()
  client.socket.end()
  await Promise.all([client.closed, once(socket, 'close')])
  await listener.deserted()
  assert.equal(errors, 0)
})

test('once the server is closing, connections are not kept', async () => {
  const server = createScgiServer((_req, res) => { server.once('go', () => res.end('ok')) })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode(KEEP))
  await once(server, 'request')
  const closed = once(server, 'close')
  server.close()
  server.emit('go')
  const reply = await client.last()
  assert.deepEqual(reply.lines, ['Content-Length: 2'])
  await closed
})
