import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import { encode, header, listen, request, TRANSPORTS } from './scgi-client.ts'

const MB = 2 ** 20

function sha (data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

for (const transport of TRANSPORTS) {
  test(`a body goes in and comes out byte for byte (${transport})`, async () => {
    const server = createScgiServer((req, res) => { req.pipe(res) })
    await using listener = await listen(server, transport)
    const body = randomBytes(5 * MB)
    const reply = await request(listener, { REQUEST_METHOD: 'PUT' }, body)
    assert.equal(sha(reply.body), sha(body))
  })

  test(`an upload waits for a slow application (${transport})`, async () => {
    const server = createScgiServer((req, res) => {
      server.once('read', () => {
        const hash = createHash('sha256')
        req.on('data', (chunk: Buffer) => hash.update(chunk))
        req.on('end', () => res.end(hash.digest('hex')))
      })
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    const body = randomBytes(20 * MB)
    client.write(encode({ REQUEST_METHOD: 'POST' }, body))
    const [req] = await once(server, 'request')
    // Nothing more is read once the buffers of the request and the socket are full.
    await quiet(() => req.socket.bytesRead)
    assert.ok(req.readableLength < MB, `${req.readableLength} bytes held`)
    assert.ok(req.socket.bytesRead < 2 * MB, `${req.socket.bytesRead} bytes read`)
    server.emit('read')
    assert.equal((await client.last()).body.toString(), sha(body))
  })

  test(`a reply waits for a gateway that does not read (${transport})`, async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const total = 100 * MB
    let written = 0
    let returnedFalse = 0
    const server = createScgiServer((_req, res) => {
      const more = () => {
        while (written < total) {
          written += chunk.length
          if (!res.write(chunk)) {
            assert.equal(res.writableNeedDrain, true)
            returnedFalse++
            res.once('drain', more)
            return
          }
        }
        res.end()
      }
      more()
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    client.socket.removeAllListeners('data')
    client.socket.pause()
    const before = process.memoryUsage().rss
    client.write(encode())
    await once(server, 'request')
    await quiet(() => written)
    assert.ok(returnedFalse > 0)
    assert.ok(written < 16 * MB, `${written} bytes written`)
    assert.ok(process.memoryUsage().rss - before < 32 * MB)
    let received = 0
    client.socket.on('data', (data: Buffer) => { received += data.length })
    client.socket.resume()
    await client.closed
    assert.equal(received, total + Buffer.byteLength('Status: 200 OK\r\n\r\n'))
  })

  test(`an abort in the middle of an upload reaches the application (${transport})`, async () => {
    const server = createScgiServer((req) => {
      const events: string[] = []
      req.on('aborted', () => events.push('aborted'))
      req.on('error', (error: NodeJS.ErrnoException) => events.push(`${error.code} ${error.message}`))
      req.on('end', () => events.push('end'))
      req.on('close', () => server.emit('gone', [...events, 'close'], req.complete))
      req.on('data', () => {})
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    client.write(encode({ CONTENT_LENGTH: '1000', REQUEST_METHOD: 'POST' }, 'a part'))
    await once(server, 'request')
    const gone = once(server, 'gone')
    client.socket.destroy()
    const [events, complete] = await gone
    assert.deepEqual(events, ['aborted', 'ECONNRESET aborted', 'close'])
    assert.equal(complete, false)
    await listener.deserted()
  })

  test(`an abort without anybody listening harms nobody (${transport})`, async () => {
    const server = createScgiServer(() => {})
    await using listener = await listen(server, transport)
    for (const body of ['', 'a part']) {
      await using client = await listener.connect()
      client.write(encode({ CONTENT_LENGTH: body === '' ? '0' : '1000' }, body))
      const [, res] = await once(server, 'request')
      const closed = once(res, 'close')
      transport === 'tcp' ? client.socket.resetAndDestroy() : client.socket.destroy()
      await closed
    }
    await listener.deserted()
  })

  test(`an abort in the middle of a download ends the stream (${transport})`, async () => {
    const server = createScgiServer((_req, res) => {
      const source = Readable.from((function * () { for (;;) yield Buffer.alloc(65536) })())
      source.pipe(res)
      res.on('close', () => {
        source.destroy()
        server.emit('gone', res.writableFinished, res.destroyed)
      })
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    client.write(encode())
    await client.until((received) => received.length > MB)
    const gone = once(server, 'gone')
    client.socket.destroy()
    assert.deepEqual(await gone, [false, true])
    await listener.deserted()
  })

  test(`a reply before the end of the upload arrives, and the connection ends (${transport})`, async () => {
    const server = createScgiServer((req, res) => {
      res.writeHead(413).end('too much')
      req.once('close', () => server.emit('gone', req.aborted))
    })
    await using listener = await listen(server, transport)
    await using client = await listener.connect()
    const gone = once(server, 'gone')
    // Much of the body is still in the system's buffers when the reply is there.
    client.write(encode({ CONTENT_LENGTH: String(50 * MB), REQUEST_METHOD: 'POST' }, Buffer.alloc(3 * MB)))
    const reply = await client.last()
    assert.equal(reply.statusLine, 'Status: 413 Payload Too Large')
    assert.equal(reply.body.toString(), 'too much')
    assert.equal(client.wasReset, false)
    assert.deepEqual(await gone, [true])
  })
}

test('what follows the body is ignored', async () => {
  const server = createScgiServer((req, res) => { req.pipe(res) })
  await using listener = await listen(server)
  assert.equal((await request(listener, { CONTENT_LENGTH: '3' }, 'abcdef')).body.toString(), 'abc')
  assert.equal((await request(listener, { CONTENT_LENGTH: '0' }, 'abcdef')).body.length, 0)
})

test('a body that nobody reads does not stand in the way of the reply', async () => {
  const server = createScgiServer((req, res) => {
    req.on('close', () => server.emit('closed', req.complete, req.aborted))
    res.end('ok')
  })
  await using listener = await listen(server)
  const closed = once(server, 'closed')
  assert.equal((await request(listener, {}, 'unread')).body.toString(), 'ok')
  assert.deepEqual(await closed, [true, false])
})

test('a request that the application destroys ends the connection', async () => {
  const server = createScgiServer((req) => { req.destroy() })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode({ CONTENT_LENGTH: '10' }, 'abc'))
  await client.closed
  assert.equal(client.received.length, 0)
})

test('a reply that the application destroys cuts the connection', async () => {
  const server = createScgiServer((_req, res) => {
    res.writeHead(200, { 'Content-Length': 100 })
    res.write('part', () => res.destroy())
  })
  await using listener = await listen(server)
  const reply = await request(listener)
  assert.equal(header(reply, 'content-length'), '100')
  assert.equal(reply.body.toString(), 'part')
})

test('100 MB stream through, both ways at a time', async () => {
  const server = createScgiServer((req, res) => { req.pipe(res) })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.socket.removeAllListeners('data')
  const piece = randomBytes(MB)
  const sent = createHash('sha256')
  const received = createHash('sha256')
  const head = 'Status: 200 OK\r\n\r\n'
  let count = 0
  client.socket.on('data', (chunk: Buffer) => {
    const start = Math.max(0, head.length - count)
    count += chunk.length
    received.update(chunk.subarray(start))
  })
  client.write(encode({ CONTENT_LENGTH: String(100 * MB), REQUEST_METHOD: 'POST' }))
  await client.pipe(Readable.from((function * () {
    for (let i = 0; i < 100; i++) {
      piece.writeUInt32BE(i)
      const copy = Buffer.from(piece)
      sent.update(copy)
      yield copy
    }
  })()))
  await finished(client.socket, { writable: false })
  assert.equal(count, 100 * MB + head.length)
  assert.equal(received.digest('hex'), sent.digest('hex'))
})

/** Waits until a number has not changed over many turns of the event loop. */
async function quiet (value: () => number): Promise<void> {
  let last = -1
  for (let same = 0; same < 200; same++) {
    if (value() !== last) {
      last = value()
      same = 0
    }
    await new Promise(setImmediate)
  }
}
