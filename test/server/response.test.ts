import assert from 'node:assert/strict'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { createScgiServer } from '../../lib/server/index.ts'
import type { ScgiRequestListener, ScgiServerOptions } from '../../lib/server/index.ts'
import { encode, header, listen, request } from './scgi-client.ts'
import type { Reply } from './scgi-client.ts'

async function reply (listener: ScgiRequestListener, params: Record<string, string> = {}, options: ScgiServerOptions = {}): Promise<Reply> {
  await using server = await listen(createScgiServer(options, listener))
  return await request(server, params)
}

test('the whole body given to end() has a Content-Length, and nothing else is added', async () => {
  assert.deepEqual(
    await reply((_req, res) => { res.end('h\u00e9llo') }),
    { statusLine: 'Status: 200 OK', lines: ['Content-Length: 6'], body: Buffer.from('h\u00e9llo') })
})

test('nph begins with a status line', async () => {
  const { statusLine } = await reply((_req, res) => { res.writeHead(404).end() }, {}, { nph: true })
  assert.equal(statusLine, 'HTTP/1.1 404 Not Found')
})

test('status and reason phrase are those of the application', async () => {
  assert.equal((await reply((_req, res) => { res.writeHead(299, 'Nearly There').end() })).statusLine, 'Status: 299 Nearly There')
  assert.equal((await reply((_req, res) => {
    res.statusCode = 418
    res.statusMessage = 'Short And Stout'
    res.end()
  })).statusLine, 'Status: 418 Short And Stout')
})

test('a body in pieces has no Content-Length and no chunked coding, and ends with the connection', async () => {
  for (const protocol of ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0']) {
    assert.deepEqual(
      await reply((_req, res) => {
        res.write('one ')
        res.write(Buffer.from('two '))
        res.end('three')
      }, { SERVER_PROTOCOL: protocol }),
      { statusLine: 'Status: 200 OK', lines: [], body: Buffer.from('one two three') })
  }
})

test('end() gives a Content-Length whatever the protocol of the client', async () => {
  for (const protocol of ['HTTP/1.0', 'HTTP/2.0', 'HTTP/3.0']) {
    assert.deepEqual((await reply((_req, res) => { res.end('x') }, { SERVER_PROTOCOL: protocol })).lines, ['Content-Length: 1'])
  }
})

test('Content-Length of the application is passed', async () => {
  const { lines, body } = await reply((_req, res) => {
    res.writeHead(200, { 'content-length': 4 })
    res.write('ab')
    res.end('cd')
  })
  assert.deepEqual(lines, ['content-length: 4'])
  assert.equal(body.toString(), 'abcd')
})

test('headers keep name, order and duplicates, however they were set', async () => {
  assert.deepEqual((await reply((_req, res) => {
    res.setHeader('X-Two', ['a', 'b'])
    res.setHeader('set-cookie', ['a=1', 'b=2'])
    res.appendHeader('X-Two', 'c')
    res.end()
  })).lines, ['X-Two: a', 'X-Two: b', 'X-Two: c', 'set-cookie: a=1', 'set-cookie: b=2', 'Content-Length: 0'])
  assert.deepEqual(
    (await reply((_req, res) => { res.writeHead(200, ['A', '1', 'B', '2', 'A', '3']).end() })).lines,
    ['A: 1', 'B: 2', 'A: 3'])
  assert.deepEqual((await reply((_req, res) => {
    res.setHeader('A', '1')
    res.setHeader('B', '2')
    res.writeHead(200, { B: '3' }).end()
  })).lines, ['A: 1', 'B: 3'])
})

test('Date is sent only by an application that asks for it', async () => {
  assert.equal(header(await reply((_req, res) => { res.end() }), 'date'), undefined)
  const date = header(await reply((_req, res) => {
    res.sendDate = true
    res.end()
  }), 'date')
  assert.ok(Date.parse(date ?? '') > 0)
  assert.equal(header(await reply((_req, res) => { res.setHeader('Date', 'today').end() }), 'date'), 'today')
})

test('headers about the connection, and those that speak to the gateway, are cut', async () => {
  const foreign = {
    Connection: 'close',
    'Keep-Alive': 'timeout=5',
    'Transfer-Encoding': 'chunked',
    Trailer: 'X-Sum',
    Upgrade: 'h2c',
    Status: '500 Oops',
    'SCGI-Keepalive': '1',
    'Proxy-Connection': 'close',
  }
  for (const set of [
    (_req, res) => {
      for (const [name, value] of Object.entries(foreign)) res.setHeader(name, value)
      res.setHeader('X-Status', 'stays')
      res.addTrailers({ 'X-Sum': '1' })
      res.end('body')
    },
    (_req, res) => { res.writeHead(200, { ...foreign, 'X-Status': 'stays' }).end('body') },
  ] satisfies ScgiRequestListener[]) {
    const { statusLine, lines, body } = await reply(set, { SCGI_KEEPALIVE: '1' })
    assert.equal(statusLine, 'Status: 200 OK')
    assert.deepEqual(lines, ['X-Status: stays'])
    assert.equal(body.toString(), 'body')
  }
})

test('HEAD, 204 and 304 have no body', async () => {
  const head = await reply((_req, res) => { res.end('body') }, { REQUEST_METHOD: 'HEAD' })
  assert.equal(head.body.length, 0)
  for (const code of [204, 304]) {
    const { lines, body } = await reply((_req, res) => {
      res.statusCode = code
      res.write('no')
      res.end('body')
    })
    assert.deepEqual([lines, body.length], [[], 0], String(code))
  }
})

test('there are no interim replies', async () => {
  let called = 0
  const { statusLine, lines, body } = await reply((_req, res) => {
    res.writeContinue(() => called++)
    res.writeProcessing()
    res.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => {
      called++
      assert.throws(() => res.writeHead(103), RangeError)
      res.end('body')
    })
  })
  assert.deepEqual([statusLine, lines, body.toString(), called], ['Status: 200 OK', ['Content-Length: 4'], 'body', 2])
})

test('flushHeaders sends the head before there is a body', async () => {
  const server = createScgiServer((_req, res) => {
    res.setHeader('Content-Type', 'text/event-stream')
    res.flushHeaders()
    server.once('go', () => res.end('data: 1\n\n'))
  })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode())
  await client.until((received) => received.toString() === 'Status: 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
  server.emit('go')
  assert.equal((await client.last()).body.toString(), 'data: 1\n\n')
})

test('a stream can be piped', async () => {
  const { body } = await reply((_req, res) => { Readable.from(['a', 'b', 'c']).pipe(res) })
  assert.equal(body.toString(), 'abc')
})

test("'finish' and 'close' come once, writableFinished and closed tell so", async () => {
  const events: string[] = []
  const server = createScgiServer((req, res) => {
    req.on('close', () => events.push(`request close ${req.complete} ${req.aborted}`))
    req.on('error', () => events.push('request error'))
    res.on('finish', () => events.push(`finish ${res.writableFinished}`))
    res.on('close', () => {
      events.push(`close ${res.closed} ${res.destroyed}`)
      finished(res).then(() => server.emit('done'), (error) => server.emit('error', error))
    })
    res.end('x')
  })
  await using listener = await listen(server)
  await using client = await listener.connect()
  client.write(encode())
  await once(server, 'done')
  await client.closed
  assert.deepEqual(events.sort(), ['close true true', 'finish true', 'request close true false'])
})

test('a write after end(), and a second end(), harm nobody', async () => {
  const errors: unknown[] = []
  const { body } = await reply((_req, res) => {
    res.end('first')
    res.write('second', (error) => errors.push(error))
    res.end('third')
    res.end()
  })
  assert.equal(body.toString(), 'first')
  assert.ok(errors[0] instanceof Error && 'code' in errors[0] && errors[0].code === 'ERR_STREAM_WRITE_AFTER_END')
})

test('a write after the connection has gone harms nobody', async () => {
  const server = createScgiServer((_req, res) => {
    res.on('close', () => {
      assert.equal(res.destroyed, true)
      res.write('x')
      res.end('y')
      server.emit('done')
    })
    res.write('head')
  })
  await using listener = await listen(server)
  const done = once(server, 'done')
  await using client = await listener.connect()
  client.write(encode())
  await client.until((received) => received.length > 0)
  client.socket.destroy()
  await done
})

test('an invalid header throws in the application, which can still answer', async () => {
  const { statusLine, body } = await reply((_req, res) => {
    assert.throws(() => res.writeHead(200, { 'X-A': 'a\r\nb: c' }), { code: 'ERR_INVALID_CHAR' })
    res.writeHead(500, 'Sorry').end('sorry')
  })
  assert.equal(statusLine, 'Status: 500 Sorry')
  assert.equal(body.toString(), 'sorry')
})
