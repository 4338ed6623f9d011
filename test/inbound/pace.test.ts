// Many busy clients: their connections are read in turn, so that requests that nobody can serve yet stay in the kernel.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { test } from 'node:test'
import tls from 'node:tls'
import { setImmediate as turn } from 'node:timers/promises'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { Pace, pace as common } from '../../lib/inbound/pace.ts'
import { createScgiServer } from '../../lib/server/index.ts'
import { testCertificate } from '../helpers/tls-cert.ts'
import type { FastifyInstance } from 'fastify'

const CLIENTS = 300
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** An idle connection of an HTTP server, as far as `Pace` looks at it. */
function idle (): Socket {
  const socket = new Socket()
  Reflect.set(socket, '_httpMessage', null)
  return socket
}

function paused (sockets: readonly Socket[]): number {
  return sockets.filter(socket => socket.isPaused()).length
}

const makers: Record<'TCP' | 'TLS', () => unknown> = {
  TCP: () => Fastify(),
  TLS: () => Fastify({ https: testCertificate }),
}

function isInstance (value: unknown): value is FastifyInstance {
  return typeof value === 'object' && value !== null && 'register' in value
}

async function startGateway (over: keyof typeof makers, upstreams: string) {
  const app = makers[over]()
  assert.ok(isInstance(app))
  app.register(scgi, { upstreams })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url, port: Number(new URL(url).port), close: () => app.close(), [Symbol.asyncDispose]: () => app.close() }
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

async function eventually (check: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!check()) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`)
    await turn()
  }
}

/** An application that answers when it is told to. */
async function startApplication () {
  const waiting: (() => void)[] = []
  const server = createScgiServer((_request, response) => {
    waiting.push(() => response.writeHead(200, { 'Content-Length': 2 }).end('ok'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return {
    waiting,
    address: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose] () { await new Promise(resolve => server.close(resolve)) },
  }
}

/** A client that asks anew as soon as it has its reply, so many times in all, or until it is told that this was the last. */
class Client {
  asked = 0
  answered = 0
  error: Error | undefined
  isDone = false
  onAsk = (): void => {}
  readonly #socket: Socket
  readonly #times: number
  #got = ''

  constructor ({ port, url }: Gateway, times: number) {
    this.#times = times
    const ask = (): void => this.#ask()
    this.#socket = url.startsWith('https:')
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, ask)
      : connect(port, '127.0.0.1', ask)
    this.#socket.on('error', error => { this.error = error })
    this.#socket.on('close', () => { this.isDone = true })
    this.#socket.on('data', data => this.#read(data))
  }

  #read (data: Buffer): void {
    this.#got += data.toString('latin1')
    const head = this.#got.indexOf('\r\n\r\n')
    if (head === -1 || this.#got.length < head + 4 + Number(/\r\ncontent-length: (\d+)/i.exec(this.#got)?.[1])) return
    const isLast = /\r\nconnection: close/i.test(this.#got)
    this.#got = ''
    this.answered++
    if (!isLast && this.asked < this.#times) this.#ask()
    else this.isDone = true
  }

  #ask (): void {
    this.asked++
    this.#socket.write(REQUEST)
    this.onAsk()
  }

  askAgain (): void {
    this.isDone = false
    this.#ask()
  }

  end (): void {
    this.#socket.destroy()
  }
}

/** As many clients as make a crowd, whose first requests all wait for the application. */
async function startCrowd (gateway: Gateway, waiting: readonly unknown[], times: number) {
  const all = Array.from({ length: CLIENTS }, () => new Client(gateway, times))
  await eventually(() => waiting.length === CLIENTS, 'the application has all requests')
  return { all, [Symbol.dispose] () { for (const client of all) client.end() } }
}

test('connections are read at once while few requests are under way', async () => {
  const pace = new Pace()
  const sockets = Array.from({ length: 100 }, idle)
  for (const socket of sockets) pace.answered(socket, 128)
  pace.accepted(idle(), true)
  for (const socket of sockets) pace.answered(socket, 8)
  assert.equal(paused(sockets), 0)
})

test('beyond that 64 are read in a turn, in their order, and 2 while connections are accepted', async () => {
  const pace = new Pace()
  const sockets = Array.from({ length: 200 }, idle)
  for (const socket of sockets) pace.answered(socket, 129)
  assert.equal(paused(sockets), 200)
  await turn()
  assert.deepEqual([paused(sockets), paused(sockets.slice(0, 64))], [136, 0])
  const [fresh, encrypted] = [idle(), idle()]
  pace.accepted(fresh, true)
  pace.accepted(encrypted, false)
  await turn()
  assert.deepEqual([paused(sockets), fresh.isPaused(), encrypted.isPaused()], [134, true, false])
  await turn()
  assert.equal(paused(sockets), 132)
  await turn()
  await turn()
  assert.deepEqual([paused(sockets), fresh.isPaused()], [4, true])
  await turn()
  assert.deepEqual([paused(sockets), fresh.isPaused()], [0, false])
})

test('when more than 128 are under way and 64 begin in one turn, those that have not been read yet wait for theirs', async () => {
  const pace = new Pace()
  const [known, others] = [Array.from({ length: 100 }, idle), Array.from({ length: 100 }, idle)]
  const [busy, ending, gone] = [new Socket(), idle(), idle()]
  ending.end()
  const former = [gone]
  for (const connections of [known, [busy, ending], others, former]) pace.watch(connections)
  pace.forget(former)
  const all = [...known, busy, ending, ...others]
  for (let n = 0; n < 100; n++) pace.began(128)
  for (let n = 0; n < 63; n++) pace.began(129)
  assert.equal(paused(all), 0)
  await turn()
  for (let n = 0; n < 63; n++) pace.began(129)
  assert.equal(paused(all), 0)
  pace.began(129)
  assert.deepEqual([paused(known), paused(others), busy.isPaused(), ending.isPaused(), gone.isPaused()], [100, 100, false, false, false])
  pace.began(130)
  await turn()
  assert.deepEqual([paused(known), paused(others)], [36, 100])
  await turn()
  await turn()
  await turn()
  assert.equal(paused(all), 0)
})

test('whose turn has come and who is slow to ask is not sent back to the end', async () => {
  const pace = new Pace()
  const sockets = Array.from({ length: 300 }, idle)
  pace.watch(sockets)
  const flood = (): void => { for (let n = 0; n < 64; n++) pace.began(200) }
  flood()
  await turn()
  assert.equal(paused(sockets), 236)
  flood()
  assert.deepEqual([paused(sockets), paused(sockets.slice(0, 64))], [236, 0])
  const [first] = sockets
  assert.ok(first !== undefined)
  pace.answered(first, 100)
  await turn()
  flood()
  assert.deepEqual([paused(sockets), first.isPaused()], [173, true])
  for (let n = 0; n < 5; n++) await turn()
  assert.equal(paused(sockets), 0)
  flood()
  assert.equal(paused(sockets), 300)
})

test('of clients that were all idle and ask at once, no turn begins more than it can serve', { timeout: 60_000 }, async () => {
  await using application = await startApplication()
  await using gateway = await startGateway('TCP', application.address)
  const { waiting } = application
  using crowd = await startCrowd(gateway, waiting, 1)
  const { all } = crowd
  for (const answer of waiting.splice(0)) answer()
  await eventually(() => all.every(client => client.isDone), 'all have had a reply')
  let begun = 0
  let most = 0
  gateway.app.server.on('request', () => {
    if (begun++ === 0) {
      setImmediate(() => {
        most = Math.max(most, begun)
        begun = 0
      })
    }
  })
  for (const client of all) client.askAgain()
  await eventually(() => waiting.length === CLIENTS, 'the second requests are there')
  assert.ok(most < 200, `${most} were begun in one turn`)
  for (const answer of waiting.splice(0)) answer()
  await eventually(() => all.every(client => client.isDone && client.answered === 2), 'all are answered')
})

test('while connections are accepted 9 requests are many', () => {
  const pace = new Pace()
  const [before, after] = [idle(), idle()]
  pace.answered(before, 9)
  pace.accepted(idle(), true)
  pace.answered(after, 9)
  assert.deepEqual([before.isPaused(), after.isPaused()], [false, true])
})

test('a connection that ends, or has another reply to send, is not held', async () => {
  const pace = new Pace()
  const [ending, ended, pipelined] = [idle(), idle(), new Socket()]
  ending.end()
  ended.destroy()
  for (const socket of [ending, ended, pipelined]) pace.answered(socket, 1000)
  assert.equal(paused([ending, ended, pipelined]), 0)
})

test('all that are held are read at the end', async () => {
  const pace = new Pace()
  const sockets = Array.from({ length: 3000 }, idle)
  for (const socket of sockets) pace.answered(socket, 3000)
  await turn()
  await new Promise<void>(resolve => pace.finish(resolve))
  assert.equal(paused(sockets), 0)
})

test('those that were accepted in the turn of the end are read, too', async () => {
  const pace = new Pace()
  const [before, fresh] = [Array.from({ length: 2 }, idle), Array.from({ length: 20 }, idle)]
  for (const socket of before) pace.answered(socket, 3000)
  for (const socket of fresh) pace.accepted(socket, true)
  await new Promise<void>(resolve => pace.finish(resolve))
  assert.equal(paused([...before, ...fresh]), 0)
})

for (const over of ['TCP', 'TLS'] as const) {
  test(`of a crowd of clients over ${over} some wait for their turn, and all are answered`, { timeout: 60_000 }, async () => {
    await using application = await startApplication()
    await using gateway = await startGateway(over, application.address)
    const connections: Socket[] = []
    gateway.app.server.on(over === 'TCP' ? 'connection' : 'secureConnection', (socket: Socket) => connections.push(socket))
    const { waiting } = application
    using crowd = await startCrowd(gateway, waiting, 2)
    const { all } = crowd
    let most = 0
    let isOver = false
    const count = (): void => {
      most = Math.max(most, paused(connections))
      if (!isOver) setImmediate(count)
    }
    count()
    const begun = waiting.length
    // Enough of them stay for a crowd.
    for (const answer of waiting.splice(0, begun - 140)) answer()
    await eventually(() => waiting.length === CLIENTS, 'the second requests are there')
    isOver = true
    assert.ok(most > 0 && most <= begun, `${most} connections waited for their turn`)
    await eventually(() => {
      for (const answer of waiting.splice(0)) answer()
      return all.every(({ answered }) => answered === 2) && paused(connections) === 0
    }, 'all are answered, and read again')
  })
}

// Fastify answers with 503 what it reads while it closes.
test('an application that closes answers what clients have asked, though it was not read yet', { timeout: 60_000 }, async () => {
  await using application = await startApplication()
  await using gateway = await startGateway('TCP', application.address)
  const { waiting } = application
  using crowd = await startCrowd(gateway, waiting, 2)
  const { all } = crowd
  const asked = new Promise<void>(resolve => {
    let left = 150
    for (const client of all) client.onAsk = () => { if (--left === 0) resolve() }
  })
  for (const answer of waiting.splice(0, 150)) answer()
  await asked
  assert.ok(waiting.length < CLIENTS, 'some requests are not read yet')
  const closing = gateway.close()
  await eventually(() => {
    for (const answer of waiting.splice(0)) answer()
    return all.every(client => client.isDone)
  }, 'all have ended')
  await closing
  assert.deepEqual(all.filter(({ error }) => error !== undefined).length, 0)
  assert.deepEqual(all.filter(({ answered, asked }) => answered < asked).length, 0)
})

test('an application that closes answers the first request of a connection that waits for its turn', { timeout: 60_000 }, async () => {
  await using application = await startApplication()
  await using gateway = await startGateway('TCP', application.address)
  const accepted: Socket[] = []
  gateway.app.server.on('connection', (socket: Socket) => accepted.push(socket))
  // Others of this process that wait before them.
  for (let n = 0; n < 30_000; n++) common.answered(idle(), 1000)
  const clients = Array.from({ length: 20 }, () => new Client(gateway, 1))
  await eventually(() => accepted.length === 20 && clients.every(({ asked }) => asked === 1), 'all are connected, and have asked')
  assert.equal(paused(accepted), 20)
  const closing = gateway.close()
  await eventually(() => {
    for (const answer of application.waiting.splice(0)) answer()
    return clients.every(client => client.isDone)
  }, 'all have ended')
  await closing
  assert.deepEqual(clients.map(({ answered, error }) => [answered, error]), clients.map(() => [1, undefined]))
})
