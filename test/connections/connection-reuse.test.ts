// A connection object is opened again after it has closed. Nothing of one connection may reach the next.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { Connection } from '../../lib/connections/scgi/connection.ts'
import { ConnectionPool } from '../../lib/connections/scgi/pool.ts'
import { bytesBody, exchanged, exchangeRequest, Observed, serverAt, streamBody } from '../helpers/exchanging.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { startRecorder, refusedAddress } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { TestContext } from 'node:test'
import type { Server, Socket } from 'node:net'
import type { ExchangeRequest, ServerAddress } from '../../types/index.ts'

/** How an exchange goes. The request says it to the server; the client plays its own part. */
const KINDS = [
  'eof', 'length', 'chunked', 'keep', 'upload', 'stream', 'held-back', // end well
  'short', 'reset', 'close', 'garbage', 'timeout', 'refused', // fail
  'abort-connect', 'abort-send', 'abort-head', 'abort-paused', 'abort-upload', // are given up
] as const
type Kind = typeof KINDS[number]

const BODY = Buffer.alloc(300_000)
for (let i = 0; i < BODY.length; i++) BODY[i] = i * 31 + (i >> 8)

/** The reply body of exchange number `n`. */
function replyOf (n: number, kind: Kind): Buffer {
  const length = kind === 'held-back' || kind === 'abort-paused' ? 250_000 : n * 7919 % 3000
  const body = Buffer.from(BODY.subarray(n % 1000, n % 1000 + length))
  return Buffer.concat([Buffer.from(`${n} `), body])
}

/** Serves requests `n kind length\n` and bodies; the exchange code does not care what a request says. */
function serve (socket: Socket): void {
  let head = ''
  let left = 0
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    if (head === '') {
      const end = chunk.indexOf('\n')
      if (end === -1) throw new Error('half a request line')
      head = chunk.toString('latin1', 0, end)
      left = Number(head.split(' ')[2])
      chunk = chunk.subarray(end + 1)
      const kind = head.split(' ')[1]
      if (kind === 'abort-upload') {
        // It takes nothing for a while; it must look again to see that the other side has gone.
        socket.pause()
        setTimeout(() => socket.resume(), 20)
      }
    }
    left -= chunk.length
    if (left > 0) return
    const [n, kind] = [Number(head.split(' ')[0]), KINDS.find((known) => known === head.split(' ')[1])]
    head = ''
    if (kind !== undefined) answer(socket, n, kind)
  })
}

function answer (socket: Socket, n: number, kind: Kind): void {
  const body = replyOf(n, kind)
  switch (kind) {
    case 'eof': case 'upload': socket.end(Buffer.concat([Buffer.from(`X-N: ${n}\r\n\r\n`), body])); break
    case 'length': case 'stream': case 'held-back': case 'abort-paused':
      socket.write(Buffer.concat([Buffer.from(`X-N: ${n}\r\nContent-Length: ${body.length}\r\n\r\n`), body]))
      break
    case 'keep': socket.write(Buffer.concat([Buffer.from(`X-N: ${n}\r\nSCGI-Keepalive: 1\r\nContent-Length: ${body.length}\r\n\r\n`), body])); break
    case 'chunked':
      socket.write(`X-N: ${n}\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`)
      socket.end(Buffer.concat([body, Buffer.from('\r\n0\r\n\r\n')]))
      break
    case 'short': socket.end(`X-N: ${n}\r\nContent-Length: 99\r\n\r\n${n}`); break
    case 'reset': socket.remoteAddress === undefined ? socket.destroy() : socket.resetAndDestroy(); break
    case 'close': socket.end(); break
    case 'garbage': socket.write('\0\0\r\n\r\n'); break
    case 'abort-head': socket.write(`X-N: ${n}\r\n\r\n`); break
    default: // silence
  }
}

/** Every socket object that is in use or waits for its next use; how often one was opened; and whether each has closed again. */
function watchSockets (t: TestContext): { sockets: Set<Socket>, opened: () => number, closed: () => Promise<void> } {
  const sockets = new Set<Socket>()
  let inUse = 0
  const open = Connection.open.bind(Connection)
  const mocked = t.mock.method(Connection, 'open', (...args: Parameters<typeof open>) => {
    const connection = open(...args)
    sockets.add(connection.socket)
    inUse++
    // After the listener of its own, which keeps the object.
    connection.socket.once('close', () => { inUse-- })
    return connection
  })
  return { sockets, opened: () => mocked.mock.callCount(), closed: () => turnsUntil(() => inUse === 0, 'closed') }
}

function listeners (socket: Socket): string {
  return socket.eventNames().map((name) => `${String(name)} ${socket.listenerCount(name)}`).sort().join(', ')
}

function descriptors (): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0
}

interface Listening { server: Server, address: ServerAddress, open: Set<Socket> }

async function listen (at: { port: number, host: string } | { path: string }): Promise<Listening> {
  const open = new Set<Socket>()
  const server = net.createServer(socket => {
    open.add(socket)
    socket.once('close', () => { open.delete(socket) })
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(at, resolve))
  const bound = server.address()
  return { server, address: serverAt(typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${bound}`), open }
}

/** One exchange of a kind, checked. */
async function play (n: number, kind: Kind, server: ServerAddress, pool: ConnectionPool, refused: ServerAddress): Promise<void> {
  const upload = kind === 'upload' || kind === 'stream' ? n * 104_729 % 100_000 + 1 : kind === 'abort-upload' ? 300_000 : 0
  const bytes = BODY.subarray(0, upload)
  const request: ExchangeRequest = exchangeRequest({
    head: Buffer.from(`${n} ${kind} ${upload}\n`),
    method: 'POST',
    body: upload === 0 ? null : kind === 'stream' ? streamBody(Readable.from([bytes.subarray(0, upload >> 1), bytes.subarray(upload >> 1)], { objectMode: false }), upload) : bytesBody(bytes),
    timeouts: { connect: 10_000, send: kind === 'abort-upload' ? 10_000 : 9000, read: kind === 'timeout' ? 15 : 10_000 },
    socketKeepalive: n % 5 === 0 ? 1000 : undefined,
  })
  const at = kind === 'refused' ? refused : server
  if (kind.startsWith('abort')) {
    await abort(new Observed(at, request), kind)
    return
  }
  const { events, head, body, error, exchange } = await exchanged(at, request, kind === 'keep' ? pool : undefined, (event, { exchange }) => {
    if (kind !== 'held-back' || event !== 'data') return
    exchange.pause()
    setImmediate(() => exchange.resume())
  })
  const what = `exchange ${n}, ${kind}, ${at.name}${exchange.reused ? ', reused' : ''}`
  switch (kind) {
    case 'short': assert.equal(error?.code, 'FST_SCGI_BODY_TRUNCATED', what); break
    case 'reset': case 'close': assert.equal(error?.code, 'FST_SCGI_PREMATURE_CLOSE', what); break
    case 'garbage': assert.equal(error?.code, 'FST_SCGI_INVALID_HEADER', what); break
    case 'timeout': assert.equal(error?.code, 'FST_SCGI_READ_TIMEOUT', what); break
    case 'refused': assert.equal(error?.code, 'FST_SCGI_CONNECT', what); break
    default:
      assert.equal(error, undefined, what)
      assert.equal(head?.headers['x-n'], String(n), what)
      assert.ok(body.equals(replyOf(n, kind)), `${what}: other bytes`)
      assert.equal(exchange.bytesSent, request.head.length + upload, what)
  }
  assert.equal(events.filter((event) => event === 'end' || event === 'error').length, 1, what)
}

/** Gives an exchange up at the point that its kind names; nothing may be told of it afterwards. */
async function abort (observed: Observed, kind: Kind): Promise<void> {
  const { exchange, events } = observed
  exchange.start()
  const reached = (): boolean => {
    switch (kind) {
      case 'abort-connect': return true
      case 'abort-head': return events.includes('head')
      case 'abort-paused': if (events.includes('data')) exchange.pause()
        return events.includes('data')
      default: return events.includes('connect')
    }
  }
  await turnsUntil(reached, kind)
  const told = events.length
  exchange.abort()
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(events.length, told, `${kind}: told of after the abort: ${events.slice(told).join()}`)
}

test('thousands of exchanges with mixed ends give each its own bytes, and nothing grows', async (t) => {
  await using dir = await tempDir()
  const servers = [await listen({ host: '127.0.0.1', port: 0 }), await listen({ path: dir.socket() })]
  t.after(() => servers.map(({ server }) => server.close()))
  const refused = serverAt(await refusedAddress())
  const pools = servers.map(({ address }) => new ConnectionPool(address, { keepalive: 4, preconnect: 0, connectTimeout: 10_000 }))
  const { sockets, opened, closed } = watchSockets(t)
  let n = 0
  let fresh: string | undefined
  // A small generator of its own: the same order in every run.
  let seed = 12345
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return (seed >> 8) % below
  }
  const worker = async (rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      const kind = KINDS[random(KINDS.length)] ?? 'eof'
      const which = random(2)
      const [server, pool] = [servers[which], pools[which]]
      if (server !== undefined && pool !== undefined) await play(n++, kind, server.address, pool, refused)
    }
  }
  const run = async (rounds: number): Promise<number> => {
    await Promise.all(Array.from({ length: 20 }, () => worker(rounds)))
    for (const pool of pools) pool.closeIdle()
    await closed()
    await turnsUntil(() => servers.every(({ open }) => open.size === 0), 'closed by the servers')
    return descriptors()
  }
  const before = await run(10)
  const after = await run(100)
  assert.ok(after <= before, `${before} descriptors before, ${after} after`)
  for (const socket of sockets) {
    fresh ??= listeners(socket)
    assert.equal(listeners(socket), fresh)
  }
  assert.ok(opened() > 1500, `${opened()} connections`)
  // Those that ended in an error, or in a state that is not worth mending, are not used again: about a third.
  assert.ok(sockets.size < opened() * 0.6, `${sockets.size} objects for ${opened()} connections`)
})

describe('what the connection before leaves is gone', () => {
  /** Runs exchanges, one after the other, which must all have used one object. */
  async function onOneObject (t: TestContext, exchanges: (() => Promise<unknown>)[]): Promise<Socket> {
    // What other tests have left waits for its use too: take it all.
    const { sockets, closed } = watchSockets(t)
    for (const run of exchanges) {
      await run()
      await closed()
    }
    const [socket] = sockets
    assert.equal(sockets.size, 1, 'one object')
    assert.ok(socket !== undefined)
    return socket
  }

  test('a time limit', async (t) => {
    const limit = 400
    await using one = await startRecorder({
      answer: async (x) => {
        if (x.index === 2) await new Promise((resolve) => setTimeout(resolve, limit * 1.5))
        if (x.index === 1 || x.index === 3) await x.closed
        else await x.end('\r\nok')
      },
    })
    const server = serverAt(one.address)
    // All alike: an object that took its limit for set already would have none.
    const short = { connect: limit, send: limit, read: limit }
    const none = { connect: 0, send: 0, read: 0 }
    const socket = await onOneObject(t, [
      async () => assert.equal((await exchanged(server, exchangeRequest({ bufferSize: 5001, timeouts: short }))).error, undefined),
      async () => assert.equal((await exchanged(server, exchangeRequest({ bufferSize: 5001, timeouts: short }))).error?.code, 'FST_SCGI_READ_TIMEOUT'),
      async () => assert.equal((await exchanged(server, exchangeRequest({ bufferSize: 5001, timeouts: none }))).error, undefined),
      async () => assert.equal((await exchanged(server, exchangeRequest({ bufferSize: 5001, timeouts: short }))).error?.code, 'FST_SCGI_READ_TIMEOUT'),
    ])
    assert.equal(socket.destroyed, true)
  })

  test('the end of the reply, between TCP and unix sockets', async (t) => {
    await using dir = await tempDir()
    await using one = await startRecorder({ listen: ['tcp', { path: dir.socket() }], answer: '\r\nuntil the end' })
    const [tcp = '', unix = ''] = one.addresses
    await onOneObject(t, [tcp, unix, unix, tcp, unix, tcp].map((address) => async () => {
      const request = exchangeRequest({ bufferSize: 5002, body: bytesBody(Buffer.alloc(70_000)) })
      const { body, error } = await exchanged(serverAt(address), request)
      assert.deepEqual([body.toString(), error], ['until the end', undefined])
    }))
  })

  test('SO_KEEPALIVE', { skip: process.platform === 'linux' ? false : 'only Linux tells' }, async (t) => {
    const seen: boolean[] = []
    await using one = await startRecorder({
      answer: async (x) => {
        const { remotePort, localPort } = x.socket
        seen.push(keepaliveTimer(remotePort, localPort))
        await x.end('\r\nok')
      },
    })
    const server = serverAt(one.address)
    await onOneObject(t, [undefined, 5000, undefined, undefined, 5000, 7000].map((socketKeepalive) => async () => {
      const { error } = await exchanged(server, exchangeRequest({ bufferSize: 5003, socketKeepalive }))
      assert.equal(error, undefined)
    }))
    assert.deepEqual(seen, [false, true, false, false, true, true])
  })

  test('SO_KEEPALIVE of a connection that is kept', { skip: process.platform === 'linux' ? false : 'only Linux tells' }, async (t) => {
    await using one = await startRecorder({ answer: (x) => x.write('SCGI-Keepalive: 1\r\nContent-Length: 2\r\n\r\nok') })
    const server = serverAt(one.address)
    const pool = new ConnectionPool(server, { keepalive: 1, preconnect: 0, connectTimeout: 10_000 })
    const { sockets } = watchSockets(t)
    const seen: boolean[] = []
    for (const socketKeepalive of [undefined, 5000, undefined]) {
      await exchanged(server, exchangeRequest({ bufferSize: 5004, socketKeepalive }), pool)
      for (const { localPort, remotePort } of sockets) seen.push(keepaliveTimer(localPort, remotePort))
    }
    pool.closeIdle()
    assert.deepEqual(seen, [false, true, false])
  })

  test('the local address', async (t) => {
    const seen: (string | undefined)[] = []
    await using one = await startRecorder({ answer: (x) => { seen.push(x.socket.remoteAddress); return x.end('\r\nok') } })
    await onOneObject(t, ['127.0.0.9', undefined, '127.0.0.8'].map((localAddress) => () =>
      exchanged(serverAt(one.address), exchangeRequest({ bufferSize: 5005, localAddress }))))
    assert.deepEqual(seen, ['127.0.0.9', '127.0.0.1', '127.0.0.8'])
  })

  test('byte counts', async (t) => {
    await using one = await startRecorder({ answer: async (x) => { await x.body(); await x.end('\r\nok') } })
    const sizes = [100_000, 1, 0, 20_000]
    await onOneObject(t, sizes.map((size) => async () => {
      const request = exchangeRequest({ bufferSize: 5006, body: bytesBody(Buffer.alloc(size)) })
      const { exchange } = await exchanged(serverAt(one.address), request)
      assert.deepEqual([exchange.bytesSent, exchange.bytesReceived], [request.head.length + size, 4])
    }))
  })
})

test('an object that failed, or was closed while it was paused or writing, is not used again', async (t) => {
  await using dir = await tempDir()
  await using one = await startRecorder({ listen: ['tcp', { path: dir.socket() }], answer: async (x) => { await x.write('\r\nbegin'); await x.closed } })
  const [tcp = '', unix = ''] = one.addresses
  const { sockets, closed } = watchSockets(t)
  const bufferSize = 5007
  await exchanged(serverAt(await refusedAddress()), exchangeRequest({ bufferSize }))
  const paused = new Observed(serverAt(tcp), exchangeRequest({ bufferSize }), undefined, (event, { exchange }) => {
    if (event === 'data') exchange.pause()
  })
  paused.exchange.start()
  await turnsUntil(() => paused.events.includes('data'), 'data')
  paused.exchange.abort()
  one.accept = () => 'stall'
  const writing = new Observed(serverAt(unix), exchangeRequest({ bufferSize, body: bytesBody(Buffer.alloc(1_000_000)) }))
  writing.exchange.start()
  await turnsUntil(() => writing.events.includes('connect'), 'connect')
  writing.exchange.abort()
  await closed()
  one.accept = () => 'serve'
  one.answer = '\r\nok'
  for (let i = 0; i < 3; i++) {
    await exchanged(serverAt(tcp), exchangeRequest({ bufferSize }))
    await closed()
  }
  assert.equal(sockets.size, 4)
})

/** Whether the connection from this port to that one has a keepalive timer, as the system tells. */
function keepaliveTimer (from: number | undefined, to: number | undefined): boolean {
  const hex = (port: number | undefined): string => (port ?? 0).toString(16).toUpperCase().padStart(4, '0')
  const entry = new RegExp(`: \\w+:${hex(from)} \\w+:${hex(to)} \\w+ \\w+:\\w+ (\\w\\w):`).exec(readFileSync('/proc/net/tcp', 'latin1'))
  return entry?.[1] === '02'
}
