// The idle connections to one server.
import assert from 'node:assert/strict'
import { AsyncResource } from 'node:async_hooks'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { Connection } from '../../lib/connections/scgi/connection.ts'
import { ConnectionPool } from '../../lib/connections/scgi/pool.ts'
import { serverAt } from '../helpers/exchanging.ts'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { turnsUntil } from '../helpers/passing.ts'
import { refusedAddress } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { ConnectionOptions } from '../../lib/connections/connection.ts'
import type { ConnectionOwner } from '../../lib/connections/scgi/connection.ts'
import type { Socket } from 'node:net'
import { TYPESCRIPT } from '../../scripts/typescript-arguments.ts'

const OPTIONS: ConnectionOptions = { bufferSize: 4096 }

/** A server that accepts and does nothing. */
class Listener implements AsyncDisposable {
  readonly sockets: Socket[] = []
  readonly #server = net.createServer((socket) => {
    this.sockets.push(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.sockets.splice(this.sockets.indexOf(socket), 1))
    socket.resume()
  })

  address = ''

  async listen (path?: string): Promise<this> {
    await new Promise<void>((resolve) => path === undefined ? this.#server.listen(0, '127.0.0.1', resolve) : this.#server.listen(path, resolve))
    const bound = this.#server.address()
    this.address = typeof bound === 'object' && bound !== null ? `127.0.0.1:${bound.port}` : `unix:${bound}`
    return this
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const socket of [...this.sockets]) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

const nobody: ConnectionOwner = {
  context: new AsyncResource('TEST'),
  onConnected () {},
  onBytes () {},
  onWritten () {},
  onRefused: () => false,
  onEof () {},
  onTimeout () {},
  onSocketError () {},
}

function makePool (address: string, options: { keepalive?: number, preconnect?: number }): ConnectionPool {
  return new ConnectionPool(serverAt(address), { keepalive: 0, preconnect: 0, connectTimeout: 2000, ...options })
}

/** A connection that stands. */
async function connected (address: string, options = OPTIONS): Promise<Connection> {
  let done = (): void => {}
  const standing = new Promise<void>((resolve) => { done = resolve })
  const connection = Connection.open(serverAt(address), options, { ...nobody, onConnected: () => done() }, 1000)
  await standing
  return connection
}

test('the connection that was put last is taken first, each once', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { keepalive: 3 })
  assert.equal(pool.take(OPTIONS), undefined)
  const [one, two] = [await connected(listener.address), await connected(listener.address)]
  pool.put(one, OPTIONS)
  pool.put(two, OPTIONS)
  assert.equal(pool.size, 2)
  assert.equal(pool.take(OPTIONS), two)
  assert.equal(pool.take(OPTIONS), one)
  assert.equal(pool.take(OPTIONS), undefined)
  one.destroy()
  two.destroy()
})

test('more than it keeps it closes', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { keepalive: 1 })
  const all = [await connected(listener.address), await connected(listener.address)]
  for (const connection of all) pool.put(connection, OPTIONS)
  assert.deepEqual([pool.size, all[1]?.socket.destroyed], [1, true])
  pool.closeIdle()
})

test('it is kept for its local address and port', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { keepalive: 1 })
  const here = { ...OPTIONS, localAddress: '127.0.0.2' }
  const port = { ...here, localPort: 40_000 }
  const all = [await connected(listener.address), await connected(listener.address), await connected(listener.address)]
  for (const [n, options] of [OPTIONS, here, port].entries()) {
    const connection = all[n]
    if (connection !== undefined) pool.put(connection, options)
  }
  assert.equal(pool.size, 3)
  assert.equal(pool.take({ ...OPTIONS, localAddress: '127.0.0.3' }), undefined)
  assert.deepEqual([pool.take(port), pool.take(here), pool.take(OPTIONS)], [all[2], all[1], all[0]])
  for (const connection of all) connection.destroy()
})

test('a unix socket has no local address, and shares what there is', async () => {
  await using dir = await tempDir()
  await using listener = await new Listener().listen(dir.socket())
  const pool = makePool(listener.address, { keepalive: 1 })
  const connection = await connected(listener.address)
  pool.put(connection, { ...OPTIONS, localAddress: '127.0.0.2', localPort: 4 })
  assert.equal(pool.take(OPTIONS), connection)
  connection.destroy()
})

test('one that has become old is closed: by its own clock, and when it is asked for', async (t) => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { keepalive: 2 })
  const [one, two, three] = [await connected(listener.address), await connected(listener.address), await connected(listener.address)]
  pool.put(one, OPTIONS)
  pool.put(two, OPTIONS)
  assert.equal(one.socket.timeout, 4000)
  one.socket.emit('timeout')
  assert.deepEqual([pool.size, one.socket.destroyed], [1, true])
  const { performance } = globalThis
  const now = performance.now.bind(performance)
  let ahead = 4001
  t.mock.method(performance, 'now', () => now() + ahead)
  assert.equal(pool.take(OPTIONS), undefined)
  assert.deepEqual([pool.size, two.socket.destroyed], [0, true])
  ahead = 0
  pool.put(three, OPTIONS)
  ahead = 3900
  assert.equal(pool.take(OPTIONS), three)
  three.destroy()
})

for (const [what, act] of [
  ['the server closes it', (socket: Socket) => socket.end()],
  ['the server resets it', (socket: Socket) => socket.resetAndDestroy()],
  ['the server says something', (socket: Socket) => socket.write('x')],
] as const) {
  test(`it forgets a connection when ${what}`, async () => {
    await using listener = await new Listener().listen()
    const pool = makePool(listener.address, { keepalive: 2 })
    pool.put(await connected(listener.address), OPTIONS)
    await turnsUntil(() => listener.sockets.length === 1, 'accepted')
    for (const socket of listener.sockets) act(socket)
    await turnsUntil(() => pool.size === 0, 'an empty pool')
    await turnsUntil(() => listener.sockets.length === 0, 'closed on the other side')
  })
}

test('close(): what is idle is closed, and nothing is kept from then on', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { keepalive: 2, preconnect: 2 })
  pool.take(OPTIONS)
  await turnsUntil(() => listener.sockets.length === 2, 'two connections')
  const [one, two] = [await connected(listener.address), await connected(listener.address)]
  pool.put(one, OPTIONS)
  assert.equal(pool.size, 3)
  pool.close()
  assert.equal(pool.size, 0)
  pool.put(two, OPTIONS)
  pool.take(OPTIONS)
  assert.deepEqual([pool.size, one.socket.destroyed, two.socket.destroyed], [0, true, true])
  await turnsUntil(() => listener.sockets.length === 0, 'all closed')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(pool.size, 0)
})

test('preconnect: after each take there are as many again, for each local address', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { preconnect: 2 })
  const here = { ...OPTIONS, localAddress: '127.0.0.2' }
  assert.equal(pool.take(OPTIONS), undefined)
  assert.equal(pool.take(here), undefined)
  await turnsUntil(() => listener.sockets.length === 4, 'four connections')
  assert.deepEqual(listener.sockets.map(({ remoteAddress }) => remoteAddress).sort(), ['127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2'])
  const taken = pool.take(here)
  assert.equal(taken?.connected, true)
  assert.equal(taken?.socket.localAddress, '127.0.0.2')
  await turnsUntil(() => pool.size === 4 && listener.sockets.length === 5, 'a fifth')
  taken?.destroy()
  pool.closeIdle()
  await turnsUntil(() => listener.sockets.length === 0, 'all closed')
})

test('preconnect: with a local port there is nothing to open ahead', async () => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { preconnect: 2 })
  pool.take({ ...OPTIONS, localAddress: '127.0.0.1', localPort: 40_001 })
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([pool.size, listener.sockets.length], [0, 0])
})

test('preconnect: a server that refuses leaves nothing behind', async () => {
  const pool = makePool(await refusedAddress(), { preconnect: 3 })
  for (let i = 0; i < 3; i++) {
    assert.equal(pool.take(OPTIONS), undefined)
    await new Promise((resolve) => setImmediate(resolve))
    await turnsUntil(() => pool.size === 0, 'given up')
  }
})

test('preconnect: connections that do not stand yet are left to later requests', async () => {
  await using far = await fullBacklog()
  const pool = makePool(far.address, { preconnect: 2 })
  pool.take(OPTIONS)
  await turnsUntil(() => pool.size === 2, 'two on their way')
  const opened: unknown[] = []
  const open = Connection.open.bind(Connection)
  Connection.open = (...args) => {
    opened.push(args)
    return open(...args)
  }
  try {
    for (let i = 0; i < 5; i++) {
      assert.equal(pool.take(OPTIONS), undefined)
      await new Promise((resolve) => setImmediate(resolve))
    }
  } finally {
    Connection.open = open
  }
  assert.deepEqual([pool.size, opened.length], [2, 0])
  pool.closeIdle()
})

test('preconnect: the age counts from the beginning', async (t) => {
  await using listener = await new Listener().listen()
  const pool = makePool(listener.address, { preconnect: 1 })
  pool.take(OPTIONS)
  await turnsUntil(() => listener.sockets.length === 1 && pool.size === 1, 'one connection')
  await turnsUntil(() => listener.sockets.length === 1, 'accepted')
  const now = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => now() + 2001)
  assert.equal(pool.take(OPTIONS), undefined)
  pool.close()
  await turnsUntil(() => listener.sockets.length === 0, 'closed')
})

test('idle connections do not keep the process alive', async () => {
  await using listener = await new Listener().listen()
  const program = `
    import { ConnectionPool } from ${JSON.stringify(new URL('../../lib/connections/scgi/pool.ts', import.meta.url).href)}
    const address = { name: 'x', host: '127.0.0.1', port: ${listener.address.split(':')[1]}, socketPath: undefined, pathPrefix: '' }
    const pool = new ConnectionPool(address, { keepalive: 2, preconnect: 2, connectTimeout: 2000 })
    const options = { bufferSize: 4096 }
    pool.take(options)
    const look = setInterval(() => {
      const taken = pool.take(options)
      if (taken === undefined) return
      clearInterval(look)
      pool.put(taken, options)
      console.log('kept')
    }, 5)
    process.on('exit', () => console.log('idle at the end:', pool.size))`
  const child = spawn(process.execPath, [...TYPESCRIPT, '--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  let kept = 0
  child.stdout.on('data', (chunk) => {
    if (output === '') kept = performance.now()
    output += String(chunk)
  })
  await once(child, 'close')
  // It leaves at once, with connections that would live for two and four seconds.
  assert.match(output, /^kept\nidle at the end: [23]\n$/)
  assert.ok(performance.now() - kept < 8000)
})
