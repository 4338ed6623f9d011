// One exchange with one server: what it tells, in which order, and that it ends once.
import assert from 'node:assert/strict'
import net from 'node:net'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setTimeout as later } from 'node:timers/promises'
import { ConnectionPool } from '../../lib/connections/scgi/pool.ts'
import { bytesBody, exchanged, exchangeRequest, Observed, serverAt, streamBody } from '../helpers/exchanging.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Exchange as Script } from '../helpers/recorder.ts'

const KEEP = 'SCGI-Keepalive: 1\r\n'

function pool (address: string, keepalive = 2): ConnectionPool {
  return new ConnectionPool(serverAt(address), { keepalive, preconnect: 0, connectTimeout: 1000 })
}

test('what it tells, in order, and what it counts', async () => {
  await using one = await startRecorder({ answer: (x) => x.end('Status: 201 Made\r\nX-A: b\r\n\r\nthe body') })
  const request = exchangeRequest({ method: 'POST', body: bytesBody(Buffer.from('upload')) })
  const { events, exchange, head, body } = await exchanged(serverAt(one.address), request)
  assert.deepEqual(events.filter((event, i) => event !== events[i - 1]), ['connect', 'head', 'data', 'end'])
  assert.deepEqual([head?.statusCode, head?.statusMessage, head?.headers['x-a'], body.toString()], [201, 'Made', 'b', 'the body'])
  assert.equal(exchange.bytesSent, request.head.length + 6)
  assert.equal(exchange.bytesReceived, 'Status: 201 Made\r\nX-A: b\r\n\r\nthe body'.length)
  assert.equal(exchange.bodyReceived, 8)
  assert.equal(exchange.reused, false)
  assert.equal(one.requests[0]?.peerEnded, false, 'the write side is not closed before the reply')
})

test('a reply cut at every byte is the same reply', async () => {
  const reply = 'HTTP/1.1 100 Continue\r\n\r\nStatus: 200 Fine\r\nContent-Length: 3\r\n\r\nall'
  await using one = await startRecorder()
  const server = serverAt(one.address)
  for (let cut = 1; cut < reply.length; cut++) {
    one.answer = async (x) => { await x.writeEach([reply.slice(0, cut), reply.slice(cut)]) }
    const { head, body, events, error } = await exchanged(server, exchangeRequest())
    assert.equal(error, undefined)
    assert.deepEqual([head?.statusMessage, body.toString(), events.at(-1)], ['Fine', 'all', 'end'], `cut at ${cut}`)
  }
})

test('a reply with a length ends at its last byte, while the server keeps the connection open', async () => {
  await using one = await startRecorder({ answer: async (x) => { await x.write('Content-Length: 2\r\n\r\nok'); await x.closed } })
  const { body } = await exchanged(serverAt(one.address), exchangeRequest())
  assert.equal(body.toString(), 'ok')
  await one.idle()
})

describe('a head says whether its body has come with it, and then the end is told in the same turn', () => {
  const rows: [what: string, pieces: string[], method: string, whole: boolean][] = [
    ['all of a known length', ['Content-Length: 2\r\n\r\nok'], 'GET', true],
    ['more than that', ['Content-Length: 2\r\n\r\nok, and more'], 'GET', true],
    ['a length of 0', ['Content-Length: 0\r\n\r\n'], 'GET', true],
    ['no body by the status', ['Status: 204\r\n\r\n'], 'GET', true],
    ['no body by the method', ['Content-Length: 7\r\n\r\n'], 'HEAD', true],
    ['a part of it', ['Content-Length: 2\r\n\r\no', 'k'], 'GET', false],
    ['nothing of it', ['Content-Length: 2\r\n\r\n', 'ok'], 'GET', false],
    ['a body that ends with the connection', ['\r\nok'], 'GET', false],
    ['chunks, though all have come', ['Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'], 'GET', false],
  ]
  for (const [what, pieces, method, whole] of rows) {
    test(what, async () => {
      await using one = await startRecorder({
        answer: async (x) => {
          await x.writeEach(pieces.slice(0, -1))
          x.end(pieces.at(-1))
        },
      })
      let ended = false
      const observed = await exchanged(serverAt(one.address), exchangeRequest({ method }), undefined, (event, { events }) => {
        if (event === 'head') process.nextTick(() => { ended = events.includes('end') })
      })
      assert.deepEqual([observed.whole, observed.error], [whole, undefined])
      if (whole) assert.ok(ended)
    })
  }
})

test('surplus is cut, and counted as received', async () => {
  await using one = await startRecorder({ answer: (x) => x.end('Content-Length: 2\r\n\r\nokay, and more') })
  const { body, exchange, events } = await exchanged(serverAt(one.address), exchangeRequest())
  assert.deepEqual([body.toString(), exchange.bodyReceived, events.at(-1)], ['ok', 14, 'end'])
})

test('the bytes belong to the receiver: they do not change under later reads of other connections', async () => {
  await using one = await startRecorder({
    answer: async (x) => {
      const uri = x.request.param('REQUEST_URI') ?? ''
      await x.write('Content-Length: 20000\r\n\r\n')
      for (let i = 0; i < 20; i++) await x.writeEach([uri.repeat(500)])
    },
  })
  const all = await Promise.all(['/a', '/b', '/c', '/d'].map((uri) => exchanged(serverAt(one.address), exchangeRequest({ uri }))))
  for (const [n, { body }] of all.entries()) assert.ok(body.equals(Buffer.from(['/a', '/b', '/c', '/d'][n]?.repeat(10_000) ?? '')))
})

describe('the request', () => {
  // What is short is copied together; what is long is gathered by the kernel.
  for (const [listen, size, calls] of [['tcp', 5000, [0, 1]], ['unix', 5000, [0, 1]], ['tcp', 20_000, [1, 0]], ['unix', 20_000, [1, 0]]] as const) {
    test(`header block and body in memory leave in one write, and the server reads them as one (${listen}, ${size} bytes)`, async (t) => {
      await using dir = await tempDir()
      const chunks: number[] = []
      const server = net.createServer((socket) => {
        socket.on('data', (chunk) => {
          chunks.push(chunk.length)
          socket.end('\r\nok')
        })
      })
      await new Promise<void>((resolve) => listen === 'tcp' ? server.listen(0, '127.0.0.1', resolve) : server.listen(dir.socket('x'), resolve))
      const bound = server.address()
      const address = typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${bound}`
      const { prototype } = net.Socket
      const single = t.mock.method(prototype, '_write')
      let gathered = 0
      const { _writev: writev } = prototype
      t.after(() => { if (writev !== undefined) prototype._writev = writev })
      prototype._writev = function (...args) {
        gathered++
        writev?.apply(this, args)
      }
      const request = exchangeRequest({ method: 'POST', body: bytesBody(Buffer.alloc(size, 'b')) })
      const { body } = await exchanged(serverAt(address), request)
      server.close()
      assert.equal(body.toString(), 'ok')
      assert.deepEqual(chunks, [request.head.length + size])
      // One more single write is that of the reply.
      assert.deepEqual([gathered, single.mock.callCount() - 1], calls)
    })
  }

  test('an empty body is none, and is not opened', async () => {
    await using one = await startRecorder()
    const body = { length: 0, replayable: true, open: (): Buffer => { throw new Error('opened') } }
    const { events } = await exchanged(serverAt(one.address), exchangeRequest({ body }))
    assert.equal(events.at(-1), 'end')
  })

  test('the body is opened when the connection stands, not before', async () => {
    let opened = 0
    const body = { length: 1, replayable: true, open: (): Buffer => { opened++; return Buffer.from('x') } }
    const { error } = await exchanged(serverAt(await refusedAddress()), exchangeRequest({ body }))
    assert.deepEqual([error?.phase, opened], ['connect', 0])
  })

  test('of a stream that is longer exactly the length is sent', async () => {
    await using one = await startRecorder({ answer: async (x) => { const got = await x.body(); await x.end(`\r\n${got}`) } })
    const stream = Readable.from([Buffer.from('123'), Buffer.from('456'), Buffer.from('789')], { objectMode: false })
    const { body } = await exchanged(serverAt(one.address), exchangeRequest({ body: streamBody(stream, 5) }))
    assert.equal(body.toString(), '12345')
    assert.equal(one.requests[0]?.bodyLength, 5)
    stream.destroy()
  })

  const broken: [string, () => Readable, RegExp][] = [
    ['that is shorter', () => Readable.from([Buffer.from('123')], { objectMode: false }), /ended 2 bytes short of its Content-Length/],
    ['that fails', () => new Readable({ read () { this.destroy(new Error('no disk')) } }), /no disk/],
    ['that is destroyed already', () => new Readable({ read () {} }).destroy(), /ended 5 bytes short/],
    ['that closes without an end', () => { const stream = new Readable({ read () {} }); setImmediate(() => stream.destroy()); return stream }, /ended 5 bytes short/],
  ]
  for (const [name, make, message] of broken) {
    test(`a stream ${name} is a local failure`, async () => {
      await using one = await startRecorder({ answer: async (x) => { await x.closed } })
      const { error, events } = await exchanged(serverAt(one.address), exchangeRequest({ body: streamBody(make(), 5) }))
      assert.deepEqual([error?.code, error?.kind, error?.phase], ['FST_SCGI_SEND', 'local', 'send'])
      assert.match(error?.message ?? '', message)
      assert.deepEqual(events, ['connect', 'error'])
      await one.idle()
    })
  }

  test('a stream is taken no faster than the server takes it, and its listeners are gone after', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({
      listen: { path: dir.socket() },
      answer: async (x) => {
        x.pause()
        await later(50)
        x.resume()
        await x.body()
        await x.end('\r\nok')
      },
    })
    let produced = 0
    const stream = new Readable({
      read () {
        produced += 65536
        this.push(Buffer.alloc(65536, 'p'))
      },
    })
    const length = 4 << 20
    let early = 0
    const observed = new Observed(serverAt(one.address), exchangeRequest({ body: streamBody(stream, length) }))
    observed.exchange.start()
    await one.received(0)
    await turnsUntil(() => one.requests.length === 1, 'the head')
    await later(25)
    early = produced
    await observed.over
    assert.equal(one.requests[0]?.bodyLength, length)
    assert.ok(early < 1_500_000, `${early} bytes read ahead of a server that does not read`)
    assert.deepEqual(['data', 'end', 'close'].map((event) => stream.listenerCount(event)), [0, 0, 0])
    assert.equal(stream.isPaused(), true)
    stream.destroy()
  })

  test('a failing stream does not spoil a reply that has begun', async () => {
    await using one = await startRecorder({
      answer: async (x) => {
        await x.write('Status: 413\r\nContent-Length: 3\r\n\r\n')
        await later(20)
        await x.write('big')
      },
    })
    const stream = new Readable({ read () {} })
    const request = exchangeRequest({ body: streamBody(stream, 100) })
    const { head, body, error } = await exchanged(serverAt(one.address), request, undefined, (event) => {
      if (event === 'head') stream.destroy(new Error('client gone'))
    })
    assert.equal(error, undefined)
    assert.deepEqual([head?.statusCode, body.toString()], [413, 'big'])
  })
})

describe('abort', () => {
  for (const event of ['connect', 'head', 'data']) {
    test(`in the handler of ${event} nothing comes any more`, async () => {
      await using one = await startRecorder({ answer: async (x) => { await x.write('Content-Length: 10\r\n\r\nhalf'); await x.write('other'); await x.closed } })
      const { events, exchange } = await new Promise<Observed>((resolve) => {
        const observed = new Observed(serverAt(one.address), exchangeRequest({ body: bytesBody(Buffer.from('b')) }), undefined, (now) => {
          if (now !== event) return
          observed.exchange.abort()
          observed.exchange.abort()
          setTimeout(() => resolve(observed), 20)
        })
        observed.exchange.start()
      })
      assert.equal(events.at(-1), event)
      exchange.pause()
      exchange.resume()
      await one.idle()
    })
  }

  test('before the connection stands', async () => {
    await using one = await startRecorder()
    const observed = new Observed(serverAt(one.address), exchangeRequest())
    observed.exchange.start()
    observed.exchange.abort()
    await later(20)
    await one.idle()
    assert.deepEqual([observed.events, observed.exchange.bytesSent, one.requests.length], [[], 0, 0])
  })

  test('while the request is being written', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({ listen: { path: dir.socket() }, accept: () => 'stall' })
    const observed = new Observed(serverAt(one.address), exchangeRequest({ body: bytesBody(Buffer.alloc(1_000_000)) }))
    observed.exchange.start()
    await turnsUntil(() => observed.events.length === 1, 'a connection')
    observed.exchange.abort()
    await later(20)
    assert.deepEqual(observed.events, ['connect'])
    assert.ok(observed.exchange.bytesSent > 0)
  })
})

describe('pause', () => {
  test('nothing comes until resume, and the time limit stands still', async () => {
    await using one = await startRecorder({ answer: async (x) => { await x.write('Content-Length: 8\r\n\r\none'); await later(30); await x.write('twoth'); await x.closed } })
    let paused = false
    const timeouts = { connect: 0, send: 0, read: 100 }
    const { body, error } = await exchanged(serverAt(one.address), exchangeRequest({ timeouts }), undefined, (event, { exchange }) => {
      if (event !== 'data') return
      assert.equal(paused, false, 'a piece came while it was paused')
      if (exchange.bodyReceived > 3) return
      paused = true
      exchange.pause()
      setTimeout(() => {
        paused = false
        exchange.resume()
      }, 250)
    })
    assert.equal(error, undefined)
    assert.equal(body.toString(), 'onetwoth')
  })

  test('after resume the time limit runs, also where nothing comes any more', async () => {
    await using one = await startRecorder({ answer: async (x) => { await x.write('Content-Length: 8\r\n\r\none'); await x.closed } })
    const begun = performance.now()
    const request = exchangeRequest({ timeouts: { connect: 0, send: 0, read: 60 } })
    const { error } = await exchanged(serverAt(one.address), request, undefined, (event, { exchange }) => {
      if (event !== 'data') return
      exchange.pause()
      setTimeout(() => exchange.resume(), 150)
    })
    assert.equal(error?.code, 'FST_SCGI_READ_TIMEOUT')
    assert.ok(performance.now() - begun > 200)
  })

  test('again and again: every byte comes, up to the end of the connection', async () => {
    const reply = Buffer.alloc(400_000)
    for (let i = 0; i < reply.length; i++) reply[i] = i * 7 + (i >> 8)
    await using dir = await tempDir()
    await using one = await startRecorder({ listen: ['tcp', { path: dir.socket() }], answer: Buffer.concat([Buffer.from('\r\n'), reply]) })
    for (const address of one.addresses) {
      const request = exchangeRequest({ bufferSize: 8192 })
      const { body, error } = await exchanged(serverAt(address), request, undefined, (event, { exchange }) => {
        if (event !== 'data') return
        exchange.pause()
        setImmediate(() => exchange.resume())
      })
      assert.equal(error, undefined)
      assert.ok(body.equals(reply))
    }
  })

  test('in the read that ends the reply: a connection that is kept reads again', async () => {
    const held: Script[] = []
    await using one = await startRecorder({
      answer: async (x) => {
        held.push(x)
        await x.write(`${KEEP}Content-Length: 2\r\n\r\nok`)
      },
    })
    const kept = pool(one.address)
    for (let i = 0; i < 3; i++) {
      const { body, error } = await exchanged(serverAt(one.address), exchangeRequest(), kept, (event, { exchange }) => {
        if (event === 'data') exchange.pause()
      })
      assert.equal(error, undefined)
      assert.equal(body.toString(), 'ok')
    }
    assert.deepEqual(one.requests.map(({ connection }) => connection), [0, 0, 0])
    assert.equal(kept.size, 1)
    held[0]?.socket.end()
    await turnsUntil(() => kept.size === 0, 'the idle connection is seen to close')
    await one.idle()
  })
})

describe('an event loop that stood still for longer than a time limit blames no server', () => {
  /** Keeps the loop from turning. */
  function stall (): void {
    const end = performance.now() + 90
    while (performance.now() < end);
  }
  const timeouts = { connect: 50, send: 50, read: 50 }

  test('that has accepted in time', async () => {
    await using one = await startRecorder()
    const observed = new Observed(serverAt(one.address), exchangeRequest({ timeouts }))
    observed.exchange.start()
    // connect() itself is called in the next tick.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    stall()
    await observed.over
    assert.equal(observed.error, undefined)
  })

  for (const [name, reply] of [['the head', 'Content-Length: 2\r\n\r\nok'], ['a piece of the body', 'ok']] as const) {
    test(`that has sent ${name} in time`, async () => {
      await using one = await startRecorder({
        answer: async (x) => {
          if (reply === 'ok') await x.writeEach(['Content-Length: 2\r\n\r\n'])
          // Not awaited: what the system has, the gateway has not seen yet.
          const written = x.write(reply)
          stall()
          await written
        },
      })
      const { body, error } = await exchanged(serverAt(one.address), exchangeRequest({ timeouts }))
      assert.equal(error, undefined)
      assert.equal(body.toString(), 'ok')
    })
  }

  test('that takes the request again after it', async () => {
    await using dir = await tempDir()
    await using one = await startRecorder({
      listen: { path: dir.socket() },
      answer: async (x) => {
        x.pause()
        await later(20)
        x.resume()
        stall()
        await x.body()
        await x.end('\r\nok')
      },
    })
    const { error } = await exchanged(serverAt(one.address), exchangeRequest({ timeouts, body: bytesBody(Buffer.alloc(600_000)) }))
    assert.equal(error, undefined)
  })

  test('but one that has sent only a part of the head is late', async () => {
    await using one = await startRecorder({
      answer: async (x) => {
        const written = x.write('Content-Le')
        stall()
        await written
        await x.closed
      },
    })
    const begun = performance.now()
    const { error } = await exchanged(serverAt(one.address), exchangeRequest({ timeouts }))
    assert.equal(error?.code, 'FST_SCGI_READ_TIMEOUT')
    assert.ok(performance.now() - begun < 140 + 300)
  })
})

test('arguments that Node.js refuses by throwing are a local failure', async () => {
  const server = { ...serverAt('127.0.0.1:4000'), port: 70_000 }
  const { error, events } = await exchanged(server, exchangeRequest())
  assert.deepEqual([error?.code, error?.kind, error?.phase, error?.statusCode], ['FST_SCGI_LOCAL', 'local', 'connect', 500])
  assert.deepEqual(events, ['error'])
})

describe('the end of the connection before the end of the body', () => {
  const cases: [string, string, boolean][] = [
    ['without a length it is the end', '\r\nbody', true],
    ['with a length that is not reached it is a failure', 'Content-Length: 5\r\n\r\nbody', false],
    ['with a length of nothing it is none', 'Content-Length: 0\r\n\r\n', true],
    ['inside a chunk it is a failure', 'Transfer-Encoding: chunked\r\n\r\n8\r\nbody', false],
    ['after the last chunk it is none', 'Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n', true],
  ]
  for (const [name, reply, good] of cases) {
    test(name, async () => {
      await using one = await startRecorder({ answer: reply })
      const { events, error } = await exchanged(serverAt(one.address), exchangeRequest())
      assert.equal(events.at(-1), good ? 'end' : 'error')
      if (!good) assert.deepEqual([error?.code, error?.kind, error?.phase], ['FST_SCGI_BODY_TRUNCATED', 'error', 'body'])
    })
  }
})

test('what a HEAD, a 204 and a 304 announce does not come', async () => {
  for (const [method, status] of [['HEAD', 200], ['GET', 204], ['GET', 304]] as const) {
    await using one = await startRecorder({ answer: async (x) => { await x.write(`Status: ${status}\r\nContent-Length: 9\r\n\r\n`); await x.closed } })
    const { events } = await exchanged(serverAt(one.address), exchangeRequest({ method }))
    assert.deepEqual(events, ['connect', 'head', 'end'])
    await one.idle()
  }
})
