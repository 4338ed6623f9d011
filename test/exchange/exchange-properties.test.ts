// Whatever happens, in whatever order: an exchange answers its client once, gives everything back and then is silent.
import assert from 'node:assert/strict'
import { once, type EventEmitter } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as later } from 'node:timers/promises'
import fc from 'fast-check'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { Group } from '../../lib/balancer/group.ts'
import { CacheZone } from '../../lib/cache/zone.ts'
import { FST_SCGI_CONNECT, FST_SCGI_LOCAL, FST_SCGI_READ_TIMEOUT, upstreamError } from '../../lib/errors.ts'
import { scgi } from '../../lib/connections/scgi/protocol.ts'
import { Caches } from '../../lib/exchange/cache-registry.ts'
import { GatewayExchange } from '../../lib/exchange/exchange.ts'
import { compileMount } from '../../lib/exchange/mount.ts'
import { filterLayer } from '../../lib/filters/layer.ts'
import { acceptUpgrades } from '../../lib/inbound/upgrades.ts'
import { ActiveList } from '../../lib/runtime/active-list.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { tempDir, type TempDir } from '../helpers/temp.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'
import type { GatewayState } from '../../lib/exchange/drain.ts'
import type { Service } from '../../lib/exchange/service.ts'
import type { CacheStore, CacheStoreResult } from '../../types/cache-store.ts'
import type { BufferingOptions } from '../../types/buffering.ts'
import type { ExchangeOptions } from '../../types/options.ts'
import type {
  ExchangeControl, ExchangeHandler, ExchangeRequest, FailureKind, ResponseHead, ServerAddress,
} from '../../types/exchange.ts'

/** An exchange with a played server, which keeps to the contract: one head, then pieces, then one end, and nothing after an abort. */
class Played implements ExchangeControl {
  readonly upgrade: boolean
  bytesSent = 0
  bytesReceived = 0
  bodyReceived = 0
  reused = false
  over = false
  connected = false
  headed = false
  switched = false
  readonly #handler: ExchangeHandler
  readonly #faults: string[]

  constructor (request: ExchangeRequest, handler: ExchangeHandler, faults: string[]) {
    this.upgrade = request.upgrade === true
    this.#handler = handler
    this.#faults = faults
  }

  start (): void {}

  pause (): void { this.#asked('pause') }

  resume (): void { this.#asked('resume') }

  write (): boolean {
    this.#asked('write')
    return true
  }

  endWrite (): void { this.#asked('endWrite') }

  abort (): void {
    this.#asked('abort')
    this.over = true
  }

  connect (): void {
    if (this.over || this.connected) return
    this.connected = true
    this.bytesSent = 10
    this.#handler.onConnect()
  }

  head (statusCode: number, headers: Record<string, string>): void {
    if (this.over || this.headed || (statusCode === 101 && !this.upgrade)) return
    this.connect()
    this.headed = true
    this.switched = statusCode === 101
    this.bytesReceived = 10
    const { 'content-length': length = '-1' } = headers
    const head: ResponseHead = { statusCode, statusMessage: '', headers, rawHeaders: [], contentLength: Number(length), chunked: false, nph: false }
    this.#handler.onHead(head)
  }

  data (size: number): void {
    if (this.headed && !this.over) this.#handler.onData(Buffer.alloc(size, 'x'))
  }

  drain (): void {
    if (this.switched && !this.over) this.#handler.onDrain?.()
  }

  end (): void {
    if (!this.headed || this.over) return
    this.over = true
    this.#handler.onEnd()
  }

  fail (kind: FailureKind): void {
    if (this.over) return
    this.over = true
    const error = kind === 'timeout' ? new FST_SCGI_READ_TIMEOUT('x', 'nothing', 1) : kind === 'local' ? new FST_SCGI_LOCAL('x', 'bind') : new FST_SCGI_CONNECT('x', kind)
    this.#handler.onError(upstreamError(error, 'x', kind, this.headed ? 'body' : 'connect'))
  }

  #asked (what: string): void {
    if (this.over) this.#faults.push(`${what} of an exchange that is over`)
  }
}

class Server implements Endpoint {
  readonly address: ServerAddress
  readonly protocol = scgi
  readonly pathPrefix = ''
  readonly keepalive = false
  readonly name: string
  readonly #exchanges: Played[]
  readonly #faults: string[]

  constructor (name: string, exchanges: Played[], faults: string[]) {
    this.name = name
    this.address = { name, host: '127.0.0.1', port: 1, socketPath: undefined, pathPrefix: '' }
    this.#exchanges = exchanges
    this.#faults = faults
  }

  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl {
    const played = new Played(request, handler, this.#faults)
    this.#exchanges.push(played)
    return played
  }

  closeIdle (): void {}
}

/** What a cache writes, as slowly as the test likes. */
class Sink extends Writable {
  #held: (() => void) | undefined
  full = false

  constructor () {
    super({ highWaterMark: 1000 })
  }

  override _write (_chunk: Buffer, _encoding: string, callback: () => void): void {
    if (this.full) this.#held = callback
    else callback()
  }

  drain (): void {
    this.full = false
    const held = this.#held
    this.#held = undefined
    held?.()
  }
}

/** A cache store that answers when it is told to. */
class Store implements CacheStore {
  readonly waiting: { resolve: (result: CacheStoreResult | undefined) => void, reject: (error: Error) => void }[] = []
  readonly sinks: Sink[] = []
  readonly #clock: FakeTimers

  constructor (clock: FakeTimers) {
    this.#clock = clock
  }

  get (): Promise<CacheStoreResult | undefined> {
    return new Promise((resolve, reject) => { this.waiting.push({ resolve, reject }) })
  }

  createWriteStream (): Writable {
    const sink = new Sink()
    this.sinks.push(sink)
    return sink
  }

  delete (): void {}

  /** @param age milliseconds since it was stored; it is fresh for 1000 */
  answer (which: number, age: number | undefined): void {
    const now = this.#clock.now()
    const [asked] = this.waiting.splice(which % (this.waiting.length || 1), 1)
    if (age === undefined) {
      asked?.resolve(undefined)
      return
    }
    asked?.resolve({
      statusCode: 200,
      statusMessage: '',
      headers: { 'content-type': 'text/plain', etag: '"a"' },
      etag: '"a"',
      cachedAt: now - age,
      staleAt: now - age + 1000,
      deleteAt: now + 1_000_000,
      body: Buffer.from('stored'),
    })
  }

  fail (which: number): void {
    const [asked] = this.waiting.splice(which % (this.waiting.length || 1), 1)
    asked?.reject(new Error('the store is away'))
  }
}

const MOUNTS: readonly ((zone: CacheZone, temp: TempDir) => ExchangeOptions)[] = [
  () => ({}),
  () => ({ buffering: false, requestBuffering: false }),
  () => ({ ignoreClientAbort: true }),
  zone => ({ cache: { zone, valid: '1s' } }),
  zone => ({
    cache: { zone, valid: '1s', lock: true, revalidate: true, backgroundUpdate: true, useStale: ['error', 'timeout', 'updating', 'http_500'] },
    interceptErrors: true,
    errorPages: { 404: '/page' },
  }),
  (_zone, temp) => ({ store: { root: temp.file('root') } }),
  () => ({ interceptErrors: 'handler', limitRate: 1_000_000, clientLimitRate: 10_000_000 }),
]
const BUFFERING: BufferingOptions = { bufferSize: 4096, buffers: [2, 4096], busyBuffersSize: 4096, tempFileWriteSize: 8192 }

/** The heads that servers send. */
const HEADS: readonly [status: number, headers: Record<string, string>][] = [
  [200, { 'content-type': 'text/plain' }],
  [200, { 'content-type': 'text/plain', 'content-length': '600' }],
  [200, { 'cache-control': 'no-store' }],
  [200, { 'cache-control': 'max-age=10', etag: '"b"' }],
  [200, { 'x-accel-buffering': 'no' }],
  [200, { 'x-accel-redirect': '/page' }],
  [200, { 'x-accel-redirect': 'http://elsewhere/' }],
  [204, {}],
  [304, { etag: '"a"' }],
  [304, {}],
  [404, { 'content-type': 'text/plain' }],
  [500, {}],
  [503, {}],
]
const ASKED: readonly string[] = [
  'GET /a HTTP/1.1\r\n\r\n',
  'GET /a HTTP/1.1\r\nIf-None-Match: "c"\r\n\r\n',
  'HEAD /a HTTP/1.1\r\n\r\n',
  'GET /a HTTP/1.1\r\nUpgrade: echo\r\n\r\n',
  'POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nwhole',
  'POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\npart',
]
const SIZES = [0, 1, 300, 600, 5000, 200_000, 4_000_000]
const KINDS: readonly FailureKind[] = ['error', 'timeout', 'invalid_header', 'local']

/** What may happen. The number says which of those that there are, and how. */
const HAPPENINGS: Record<string, (world: World, n: number) => unknown> = {
  ask: (world, n) => world.clients.length < 4 && world.ask(ASKED[n % ASKED.length] ?? ''),
  leave: (world, n) => world.leave(n),
  pause: (world, n) => world.client(n)?.pause(),
  read: (world, n) => world.client(n)?.resume(),
  write: (world, n) => world.client(n)?.write('!'),
  connect: (world, n) => world.server(n)?.connect(),
  head: (world, n) => world.server(n >> 4)?.head(...HEADS[n % HEADS.length] ?? [200, {}]),
  'a 101': (world, n) => world.server(n)?.head(101, { upgrade: 'echo' }),
  'good head': (world, n) => world.server(n)?.head(...HEADS[n % 5] ?? [200, {}]),
  data: (world, n) => world.server(n >> 4)?.data(SIZES[n % SIZES.length] ?? 0),
  'more data': (world, n) => world.server(n)?.data(600),
  drain: (world, n) => world.server(n)?.drain(),
  end: (world, n) => world.server(n)?.end(),
  fail: (world, n) => world.server(n >> 2)?.fail(KINDS[n % KINDS.length] ?? 'error'),
  miss: (world, n) => world.store.answer(n, undefined),
  hit: (world, n) => world.store.answer(n, 0),
  expired: (world, n) => world.store.answer(n, 5000),
  'no answer': (world, n) => world.store.fail(n),
  'store full': world => world.store.sinks.forEach(sink => { sink.full = true }),
  'store drained': world => world.store.sinks.forEach(sink => sink.drain()),
  'store broken': (world, n) => world.store.sinks[n % (world.store.sinks.length || 1)]?.destroy(new Error('no room')),
  'time passes': (world, n) => world.clock.advance([1, 300, 6000][n % 3] ?? 1),
  purge: world => { world.zone.purge('http://x/a').catch(() => {}) },
  close: world => { for (const running of world.state.running.all()) running.closing() },
  cut: world => { for (const running of world.state.running.all()) running.cut() },
  turn: () => nextTurn(),
  turns: async () => { for (let i = 0; i < 4; i++) await nextTurn() },
}

/** Until it has closed, for whatever reason. */
function close (emitter: EventEmitter): Promise<void> {
  return new Promise(resolve => { emitter.once('close', resolve) })
}

/** Timers of this process that run. */
function timers (): number {
  return process.getActiveResourcesInfo().filter(type => type === 'Timeout').length
}

/** One run: servers, a cache and clients of its own. */
class World {
  readonly faults: string[] = []
  readonly clock = new FakeTimers()
  readonly store = new Store(this.clock)
  readonly zone = new CacheZone({ name: 'z', store: this.store, storeTimeout: 250, keepStale: 1e9, inactive: 600_000, clock: this.clock })
  readonly exchanges: Played[] = []
  readonly clients: { socket: Socket, closed: Promise<void>, reply: FastifyReply | undefined }[] = []
  readonly state: GatewayState
  readonly #app: FastifyInstance
  readonly #group: Group<Endpoint>
  readonly #service: Service
  readonly #timers = timers()

  constructor (app: FastifyInstance, options: (zone: CacheZone, temp: TempDir) => ExchangeOptions, temp: TempDir) {
    this.#app = app
    this.zone.onWarning = () => {}
    this.state = { closing: false, running: new ActiveList(), caches: new Caches(app.log), onIdle: undefined }
    const servers = ['a', 'b'].map(server => new Server(server, this.exchanges, this.faults))
    this.#group = new Group<Endpoint>({ name: 'g', peers: servers.map(server => ({ name: server.name, target: server, maxFails: 0 })) })
    const mount = compileMount({
      nextUpstream: ['error', 'timeout', 'http_503', 'non_idempotent'],
      buffering: { ...BUFFERING, tempPath: temp.path },
      ...options(this.zone, temp),
    })
    this.#service = { mount, bodyLimit: 1_000_000, point: { segments: 0, rules: mount.paths, rewritePrefix: '' } }
  }

  handle (request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = reply
    const client = this.clients.find(({ socket }) => socket.localPort === request.raw.socket.remotePort)
    if (client !== undefined) client.reply = reply
    const writeHead = raw.writeHead.bind(raw)
    let heads = 0
    raw.writeHead = (...parameters: unknown[]) => {
      if (++heads === 2) this.faults.push('two heads for one client')
      return Reflect.apply(writeHead, raw, parameters)
    }
    new GatewayExchange(this.#service, this.state, request, reply).start(this.#group)
  }

  /** One of the exchanges that run. */
  server (n: number): Played | undefined {
    const running = this.exchanges.filter(({ over }) => !over)
    return running[n % (running.length || 1)]
  }

  client (n: number): Socket | undefined {
    return this.clients[n % (this.clients.length || 1)]?.socket
  }

  /** A client sends a request. */
  async ask (text: string): Promise<void> {
    const port = Number(new URL(this.#app.listeningOrigin).port)
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {}).resume()
    this.clients.push({ socket, closed: close(socket), reply: undefined })
    const arrived = once(this.#app.server, 'asked')
    await once(socket, 'connect')
    const connection = text.includes('Upgrade:') ? 'upgrade' : 'close'
    socket.write(text.replace('\r\n', `\r\nHost: x\r\nConnection: ${connection}\r\n`))
    await arrived
  }

  /** A client goes away, and the gateway has heard of it. In a tunnel that may be the end of its side only, and the server may still speak. */
  async leave (n: number): Promise<void> {
    const client = this.clients[n % (this.clients.length || 1)]
    if (client === undefined || client.socket.destroyed) return
    const raw = client.reply?.raw
    const heard = raw === undefined || raw.closed || raw.statusCode === 101 ? undefined : close(raw)
    client.socket.destroy()
    await heard
  }

  /** Lets everything come to its end: all that is asked is answered, all that runs fails. */
  async wind (): Promise<void> {
    const deadline = Date.now() + 3_000
    for (;;) {
      for (const { socket } of this.clients) {
        socket.resume()
        // What was sent in part stays so: nobody waits for the rest.
        if (this.exchanges.every(({ over }) => over) && this.store.waiting.length === 0 && this.state.running.size > 0) socket.end()
      }
      while (this.store.waiting.length > 0) this.store.answer(0, undefined)
      for (const sink of this.store.sinks) sink.drain()
      for (const exchange of this.exchanges) exchange.fail('timeout')
      this.clock.advance(1000)
      await nextTurn()
      const left = this.#left()
      if (left.length === 0) break
      if (Date.now() > deadline) assert.fail(`still there: ${left.join(', ')}`)
      await later(1)
    }
    for (const { socket } of this.clients) socket.destroy()
    await Promise.all(this.clients.map(({ closed }) => closed))
    await nextTurn()
    assert.deepEqual(this.#left(), [])
    assert.deepEqual(this.faults, [])
  }

  /** What was taken and not given back. */
  #left (): string[] {
    const { zone, state } = this
    const left: string[] = []
    const count = (what: string, number: number): void => { if (number !== 0) left.push(`${number} ${what}`) }
    count('exchanges on the list', state.running.size)
    count('places on servers', this.#group.servers.reduce((sum, { active }) => sum + active, 0))
    count('locks of the cache', zone.locks.size)
    count('requests that wait for a lock', zone.locks.waiting)
    count('replies to be stored', zone.active.size)
    count('background updates', zone.updating)
    count('timers of the cache', this.clock.pending)
    count('timers', Math.max(0, timers() - this.#timers))
    count('sinks of the store', this.store.sinks.filter(({ destroyed }) => !destroyed).length)
    count('clients whose reply is not over', this.clients.filter(({ reply }) => reply?.raw.closed === false).length)
    return left
  }
}

let app: FastifyInstance
let temp: TempDir
let world: World
const thrown: unknown[] = []
const note = (error: unknown): void => { thrown.push(error) }

/** Files of this test that are open, or that were not finished. */
function files (): string[] {
  const open = readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.startsWith(temp.path) ? [target] : []
    } catch {
      return []
    }
  })
  return [...open, ...readdirSync(temp.path, { recursive: true }).map(String).filter(name => name.includes('.scgi-'))]
}

before(async () => {
  temp = await tempDir()
  const stream = {
    write (line: string): void {
      if (line.includes('FST_ERR_REP_ALREADY_SENT')) world.faults.push('a second reply to one request')
    },
  }
  app = Fastify({ logger: { level: 'warn', stream } })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.decorateRequest('scgi', null)
  filterLayer(app)
  acceptUpgrades(app.server)
  app.all('/page', async () => 'the page')
  app.all('/a', (request, reply) => {
    world.handle(request, reply)
    app.server.emit('asked')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  process.on('uncaughtException', note)
  process.on('unhandledRejection', note)
})

after(async () => {
  process.off('uncaughtException', note)
  process.off('unhandledRejection', note)
  await app.close()
  await temp.remove()
})

/** Without these nothing else can happen. */
const OFTEN = ['head', 'good head', 'good head', 'more data', 'data', 'end', 'miss', 'expired', 'ask', 'turns', 'turns']
const happening = fc.record({ what: fc.constantFrom(...Object.keys(HAPPENINGS), ...OFTEN), n: fc.nat(255) })
const story = fc.tuple(
  fc.nat(MOUNTS.length - 1), fc.constantFrom(...ASKED), fc.array(happening, { minLength: 1, maxLength: 25, size: 'max' }))

async function play (mount: number, asked: string, happenings: readonly { what: string, n: number }[]): Promise<void> {
  thrown.length = 0
  world = new World(app, MOUNTS[mount] ?? (() => ({})), temp)
  await world.ask(asked)
  for (const { what, n } of happenings) {
    await HAPPENINGS[what]?.(world, n)
    // What comes from a socket comes in a turn of its own.
    await Promise.resolve()
  }
  await world.wind()
  assert.deepEqual(thrown, [])
  const deadline = Date.now() + 5000
  while (files().length > 0 && Date.now() < deadline) await later(1)
  assert.deepEqual(files(), [])
}

test('an exchange answers once, gives back what it took and is silent afterwards, whatever happens', { timeout: 120_000 }, async () => {
  const property = fc.asyncProperty(story, ([mount, asked, happenings]) => play(mount, asked, happenings))
  await fc.assert(property, { numRuns: 100, endOnFailure: true })
})
