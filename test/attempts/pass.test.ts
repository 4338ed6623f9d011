// One pass of a request through a group, over servers that are played.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Group } from '../../lib/balancer/group.ts'
import { FST_SCGI_CONNECT, FST_SCGI_LOCAL, FST_SCGI_READ_TIMEOUT, upstreamError } from '../../lib/errors.ts'
import { parseNextUpstream } from '../../lib/balancer/next-upstream.ts'
import { Pass } from '../../lib/attempts/pass.ts'
import type { PassHandler, PassRequest } from '../../lib/attempts/pass.ts'
import { scgi } from '../../lib/connections/scgi/protocol.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'
import type {
  Attempt, ExchangeControl, ExchangeHandler, ExchangeRequest, FailureKind, NextUpstreamCondition, RequestBody, ResponseHead, ServerAddress,
} from '../../types/index.ts'

/** What a played server does with an exchange. */
type Play = (exchange: Played) => void

/** An exchange with a played server. */
class Played implements ExchangeControl {
  readonly request: ExchangeRequest
  readonly handler: ExchangeHandler
  readonly #play: Play
  fresh: boolean | undefined
  aborted = false
  bytesSent = 0
  bytesReceived = 0
  bodyReceived = 0
  reused = false

  constructor (request: ExchangeRequest, handler: ExchangeHandler, play: Play) {
    this.request = request
    this.handler = handler
    this.#play = play
  }

  start (fresh = false): void {
    this.fresh = fresh
    this.#play(this)
  }

  pause (): void {}
  resume (): void {}

  abort (): void {
    this.aborted = true
  }

  connect (): void {
    this.bytesSent = this.request.head.length
    this.handler.onConnect()
  }

  reply (statusCode: number, body = 'body'): void {
    this.connect()
    this.head(statusCode)
    if (this.aborted) return
    this.handler.onData(Buffer.from(body))
    this.handler.onEnd()
  }

  head (statusCode: number): void {
    this.bytesReceived = 10
    const head: ResponseHead = { statusCode, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: false }
    this.handler.onHead(head)
  }

  fail (kind: FailureKind): void {
    const error = kind === 'timeout' ? new FST_SCGI_READ_TIMEOUT('x', 'nothing', 1) : kind === 'local' ? new FST_SCGI_LOCAL('x', 'bind') : new FST_SCGI_CONNECT('x', kind)
    this.handler.onError(upstreamError(error, 'x', kind, 'head'))
  }
}

class Server implements Endpoint {
  readonly protocol = scgi
  readonly address: ServerAddress
  readonly name: string
  readonly pathPrefix: string
  readonly keepalive: boolean
  readonly exchanges: Played[] = []
  play: Play

  constructor (name: string, play: Play, options: { pathPrefix?: string, keepalive?: boolean } = {}) {
    this.name = name
    this.address = { name, host: '127.0.0.1', port: 1, socketPath: undefined, pathPrefix: options.pathPrefix ?? '' }
    this.play = play
    this.pathPrefix = options.pathPrefix ?? ''
    this.keepalive = options.keepalive ?? false
  }

  exchange (request: ExchangeRequest, handler: ExchangeHandler): ExchangeControl {
    const played = new Played(request, handler, (exchange) => this.play(exchange))
    this.exchanges.push(played)
    return played
  }

  closeIdle (): void {}
}

interface Outcome extends PassHandler {
  calls: string[]
  attempts: Attempt[]
  attemptErrors: (string | undefined)[]
  error: Error | undefined
}

/** A pass through these servers, not yet begun. */
function prepare (servers: Server[], options: {
  on?: NextUpstreamCondition[], tries?: number, method?: string, body?: RequestBody | null, encode?: (endpoint: Endpoint) => Buffer
} = {}) {
  const group = new Group<Endpoint>({ name: 'g', peers: servers.map((server) => ({ name: server.name, target: server })) })
  const outcome: Outcome = {
    calls: [],
    attempts: [],
    attemptErrors: [],
    error: undefined,
    onHead (head) { this.calls.push(`head ${head.statusCode}`) },
    onData (chunk) { this.calls.push(`data ${chunk}`) },
    onEnd () { this.calls.push('end') },
    onError (error) {
      this.error = error
      this.calls.push('error')
    },
    onAttempt (attempt, error) {
      this.calls.push(`attempt ${attempt.address} ${attempt.status ?? '-'}`)
      this.attemptErrors.push(error?.message)
    },
  }
  const { on = ['error', 'timeout'], tries = 0, method = 'GET', body = null, encode = () => Buffer.from('head') } = options
  const request: PassRequest = { method, body, localAddress: undefined, localPort: undefined, encode, encodeHttp: () => assert.fail('no server speaks HTTP') }
  const settings = {
    nextUpstream: parseNextUpstream({ on, tries }),
    timeouts: { connect: 0, send: 0, read: 0 },
    bufferSize: 1024,
    socketKeepalive: undefined,
  }
  return { group, outcome, pass: new Pass(group, settings, request, outcome, outcome.attempts) }
}

/** Runs a pass whose servers all answer or fail at once. */
function run (...args: Parameters<typeof prepare>) {
  const prepared = prepare(...args)
  prepared.pass.start()
  for (const peer of prepared.group.servers) assert.equal(peer.active, 0, `${peer.name} was given back`)
  return prepared
}

const ok: Play = (exchange) => exchange.reply(200)
const refused: Play = (exchange) => exchange.fail('error')

test('the order of calls, over a failure, a status and a reply', () => {
  const { outcome, group } = run(
    [new Server('a', refused), new Server('b', (exchange) => exchange.reply(503)), new Server('c', ok)], { on: ['error', 'http_503'] })
  assert.deepEqual(outcome.calls, ['attempt a 502', 'attempt b 503', 'head 200', 'data body', 'attempt c 200', 'end'])
  assert.deepEqual(outcome.attempts.map(({ address, status }) => [address, status]), [['a', 502], ['b', 503], ['c', 200]])
  assert.deepEqual(outcome.attemptErrors, ['connect() to x failed: error', undefined, undefined])
  assert.deepEqual(group.servers.map(({ fails }) => fails), [1, 1, 0])
})

test('the reply that is not taken is given up, and says nothing more', () => {
  const first = new Server('a', (exchange) => {
    exchange.connect()
    exchange.head(500)
    assert.equal(exchange.aborted, true)
  })
  const { outcome } = run([first, new Server('b', ok)], { on: ['http_500'] })
  assert.deepEqual(outcome.calls.filter((call) => !call.startsWith('attempt')), ['head 200', 'data body', 'end'])
})

test('statuses below 400 are the answer, whatever is listed', () => {
  for (const status of [200, 204, 301, 304, 399]) {
    const { outcome } = run([new Server('a', (exchange) => exchange.reply(status)), new Server('b', ok)], { on: ['http_500', 'http_404'] })
    assert.equal(outcome.calls[0], `head ${status}`)
  }
})

test('local failures are the end, and blame nobody', () => {
  const { outcome, group } = run([new Server('a', (exchange) => exchange.fail('local')), new Server('b', ok)],
    { on: ['error', 'timeout', 'invalid_header', 'non_idempotent'] })
  assert.deepEqual(outcome.calls, ['attempt a -', 'error'])
  assert.deepEqual(group.servers.map(({ fails }) => fails), [0, 0])
})

describe('the header block', () => {
  test('is made once for all servers of one kind', () => {
    const made: string[] = []
    const encode = (endpoint: Endpoint): Buffer => {
      made.push(endpoint.name)
      return Buffer.from(`head of ${endpoint.name}`)
    }
    const servers = [
      new Server('a', refused), new Server('b', refused), new Server('c', refused, { pathPrefix: '/p' }),
      new Server('d', refused, { pathPrefix: '/p', keepalive: true }), new Server('e', ok, { pathPrefix: '/p', keepalive: true }),
    ]
    run(servers, { encode })
    assert.deepEqual(made, ['a', 'c', 'd'])
    assert.deepEqual(servers.map(({ exchanges }) => String(exchanges[0]?.request.head)), ['head of a', 'head of a', 'head of c', 'head of d', 'head of d'])
  })

  test('that cannot be made ends the request, and blames nobody', () => {
    const error = new Error('NUL in a value')
    const { outcome, group } = run([new Server('a', ok), new Server('b', ok)], { encode: () => { throw error } })
    assert.deepEqual(outcome.calls, ['attempt a -', 'error'])
    assert.equal(outcome.error, error)
    assert.deepEqual(group.servers.map(({ fails }) => fails), [0, 0])
  })
})

describe('a connection that stood already and died', () => {
  /** The first exchange goes over a connection that stood; `then` is what the fresh one does. */
  function stale (received: number, kind: FailureKind, then: Play, options: Parameters<typeof prepare>[1] = {}) {
    const server = new Server('a', (exchange) => {
      if (exchange.fresh === true) {
        then(exchange)
        return
      }
      exchange.reused = true
      exchange.connect()
      exchange.bytesReceived = received
      exchange.fail(kind)
    })
    return { ...run([server, new Server('b', ok)], options), server }
  }

  test('is replaced by a fresh one to the same server, as the same attempt', () => {
    const { outcome, server, group } = stale(0, 'error', ok)
    assert.deepEqual(outcome.calls, ['head 200', 'data body', 'attempt a 200', 'end'])
    assert.deepEqual([server.exchanges.length, group.servers[0]?.fails], [2, 0])
  })

  test('is replaced also where no condition is listed, and on the last try', () => {
    assert.equal(stale(0, 'error', ok, { on: [], tries: 1 }).outcome.calls[0], 'head 200')
  })

  test('is replaced once: the fresh one fails as any other', () => {
    const { outcome, group } = stale(0, 'error', refused)
    assert.deepEqual(outcome.calls, ['attempt a 502', 'head 200', 'data body', 'attempt b 200', 'end'])
    assert.equal(group.servers[0]?.fails, 1)
  })

  test('is not replaced after a byte, nor after a timeout', () => {
    for (const [received, kind] of [[1, 'error'], [0, 'timeout'], [9, 'invalid_header']] as const) {
      const { server, group } = stale(received, kind, ok, { on: ['error', 'timeout', 'invalid_header'] })
      assert.deepEqual([server.exchanges.length, group.servers[0]?.fails], [1, 1])
    }
  })

  test('is not replaced under a method that is sent once, nor for a body that is gone; it blames nobody and no other server is tried', () => {
    const gone: RequestBody = { length: 1, replayable: false, open: () => Buffer.from('x') }
    for (const options of [{ method: 'POST' }, { method: 'LOCK' }, { method: 'PATCH' }, { body: gone }]) {
      const { outcome, server, group } = stale(0, 'error', ok, options)
      assert.deepEqual(outcome.calls, ['attempt a 502', 'error'])
      assert.deepEqual([server.exchanges.length, group.servers[0]?.fails], [1, 0])
    }
    assert.equal(stale(0, 'error', ok, { method: 'POST', on: ['non_idempotent'] }).outcome.calls[0], 'head 200')
  })
})

describe('abort', () => {
  const stages: Record<string, (exchange: Played) => void> = {
    'before the connection': () => {},
    'before the head': (exchange) => exchange.connect(),
    'after the head': (exchange) => { exchange.connect(); exchange.head(200) },
    'inside the body': (exchange) => { exchange.connect(); exchange.head(200); exchange.handler.onData(Buffer.from('x')) },
  }
  for (const [name, play] of Object.entries(stages)) {
    test(`${name}: the server is given back without blame, and only the attempt is told`, () => {
      const server = new Server('a', play)
      const { outcome, group, pass } = prepare([server, new Server('b', ok)])
      pass.start()
      assert.equal(group.servers[0]?.active, 1)
      const before = outcome.calls.length
      pass.abort()
      pass.abort()
      assert.deepEqual(outcome.calls.slice(before), [`attempt a ${name.includes('before') ? '-' : '200'}`])
      assert.equal(server.exchanges[0]?.aborted, true)
      assert.deepEqual([group.servers[0]?.active, group.servers[0]?.fails], [0, 0])
      pass.pause()
      pass.resume()
    })
  }

  test('before the start and after the end it does nothing', () => {
    const { outcome, pass } = prepare([new Server('a', ok)])
    pass.abort()
    pass.start()
    pass.abort()
    assert.deepEqual(outcome.calls, ['head 200', 'data body', 'attempt a 200', 'end'])
  })
})

test('whatever the servers do, the request has one end and every server is given back', () => {
  const plays: Record<string, Play> = {
    ok,
    refused,
    'sent-then-error': (exchange) => { exchange.connect(); exchange.fail('error') },
    timeout: (exchange) => { exchange.connect(); exchange.fail('timeout') },
    invalid: (exchange) => { exchange.connect(); exchange.fail('invalid_header') },
    local: (exchange) => exchange.fail('local'),
    500: (exchange) => exchange.reply(500),
    404: (exchange) => exchange.reply(404),
    'mid-body': (exchange) => { exchange.connect(); exchange.head(200); exchange.fail('error') },
    stale: (exchange) => { exchange.reused = exchange.fresh !== true; exchange.connect(); exchange.fail('error') },
  }
  const conditions: NextUpstreamCondition[] = ['error', 'timeout', 'invalid_header', 'http_500', 'http_404', 'non_idempotent']
  fc.assert(fc.property(
    fc.array(fc.constantFrom(...Object.keys(plays)), { minLength: 1, maxLength: 6 }),
    fc.subarray(conditions), fc.nat(4), fc.constantFrom('GET', 'POST'), fc.boolean(),
    (names, on, tries, method, replayable) => {
      const body: RequestBody = { length: 1, replayable, open: () => Buffer.from('x') }
      const servers = names.map((name, n) => new Server(`${n}`, plays[name] ?? ok))
      const { outcome, group } = run(servers, { on, tries, method, body })
      assert.equal(outcome.calls.filter((call) => call === 'end' || call === 'error').length, 1)
      assert.match(outcome.calls.at(-1) ?? '', /^(end|error)$/)
      assert.equal(outcome.calls.filter((call) => call.startsWith('attempt')).length, outcome.attempts.length)
      assert.ok(outcome.attempts.every(({ responseTime }) => responseTime !== undefined))
      assert.ok(outcome.attempts.length <= Math.min(names.length, tries === 0 ? Infinity : tries))
      assert.ok(outcome.calls.filter((call) => call.startsWith('head')).length <= 1)
      // Of a body that is gone, and of a method that is sent once, no two servers have seen a byte.
      const sent = servers.flatMap(({ exchanges }) => exchanges).filter(({ bytesSent }) => bytesSent > 0).length
      if (!replayable || (method === 'POST' && !on.includes('non_idempotent'))) assert.ok(sent <= 1)
      if (group.single) assert.equal(group.servers[0]?.fails, 0)
    }), { numRuns: 1000 })
})
