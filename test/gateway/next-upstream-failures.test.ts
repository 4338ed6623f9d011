// How a request goes on after each kind of failure: nginx's table of conditions, one test a cell.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { fullBacklog } from '../helpers/full-backlog.ts'
import { startPassing, trail } from '../helpers/passing.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import type { Answer, RecorderOptions } from '../helpers/recorder.ts'
import type { FastifyScgiOptions, NextUpstreamCondition } from '../../types/index.ts'

const METHODS = ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH', 'LOCK']
/** Methods that are not sent twice. */
const ONCE = new Set(['POST', 'PATCH', 'LOCK'])

type Condition = 'error' | 'timeout' | 'invalid_header'

/** Where a failing server is, and the way to end it. */
interface Bad extends AsyncDisposable {
  address: string
}

interface Kind {
  name: string
  condition: Condition
  status: 502 | 504
  /** A byte of the request can have gone out. */
  sent: boolean
  phase: string
  code: string
  start: () => Promise<Bad>
  body?: (method: string) => string | Buffer
  options?: Partial<FastifyScgiOptions>
}

const KINDS: Kind[] = [
  { name: 'connection refused', condition: 'error', status: 502, sent: false, phase: 'connect', code: 'FST_SCGI_CONNECT', start: refused },
  { name: 'no such unix socket', condition: 'error', status: 502, sent: false, phase: 'connect', code: 'FST_SCGI_CONNECT', start: noSocket },
  {
    name: 'connect timeout',
    condition: 'timeout',
    status: 504,
    sent: false,
    phase: 'connect',
    code: 'FST_SCGI_CONNECT_TIMEOUT',
    start: fullBacklog,
    options: { connectTimeout: 150 },
  },
  {
    name: 'reset before the reply',
    condition: 'error',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_PREMATURE_CLOSE',
    start: recorded(async (x) => { await x.body(); x.reset() }),
  },
  {
    name: 'close before the reply',
    condition: 'error',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_PREMATURE_CLOSE',
    start: recorded(''),
  },
  {
    name: 'close inside the head',
    condition: 'error',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_PREMATURE_CLOSE',
    start: recorded('Status: 200 OK\r\nContent-Ty'),
  },
  {
    name: 'reset inside the head',
    condition: 'error',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_READ',
    start: recorded(async (x) => {
      await x.body()
      await x.writeEach(['Status: 200 OK\r\nContent-Ty'])
      x.reset()
    }),
  },
  {
    name: 'a broken head',
    condition: 'invalid_header',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_INVALID_HEADER',
    start: recorded('Status: two hundred\r\n\r\nbody'),
  },
  {
    name: 'a head over the limit',
    condition: 'invalid_header',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_HEADER_TOO_BIG',
    start: recorded(`Status: 200 OK\r\nX-Fill: ${'x'.repeat(2000)}\r\n\r\nbody`),
    options: { buffering: { bufferSize: 1024 } },
  },
  {
    name: 'an HTTP server',
    condition: 'invalid_header',
    status: 502,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_INVALID_HEADER',
    start: httpServer,
  },
  {
    name: 'send timeout',
    condition: 'timeout',
    status: 504,
    sent: true,
    phase: 'send',
    code: 'FST_SCGI_SEND_TIMEOUT',
    start: stalled,
    body: () => LARGE,
    options: { sendTimeout: 150, bodyLimit: 1 << 22 },
  },
  {
    name: 'read timeout',
    condition: 'timeout',
    status: 504,
    sent: true,
    phase: 'head',
    code: 'FST_SCGI_READ_TIMEOUT',
    start: recorded(async (x) => { await x.closed }),
    options: { readTimeout: 600 },
  },
]

/** More than a unix socket holds for a server that does not read. */
const LARGE = Buffer.alloc(700_000, 'large ')

/** A header block without an end of line makes an HTTP server wait for more; with one it answers. */
const LINE_END = { params: { LINE: '\r\n\r\n' } }

for (const kind of KINDS) {
  const { condition, status } = kind
  describe(`${kind.name}: ${condition}`, { concurrency: 16 }, async () => {
    const bad = await kind.start()
    const good = await startRecorder({ answer: async (x) => { await x.body(); await x.end('Content-Length: 4\r\nX-Server: good\r\n\r\ngood') } })
    const rules = [true, false].flatMap((listed) => [true, false].map((nonIdempotent) => {
      const other: NextUpstreamCondition[] = condition === 'error' ? ['timeout', 'invalid_header'] : ['error']
      const on: NextUpstreamCondition[] = listed ? [condition] : other
      if (nonIdempotent) on.push('non_idempotent')
      return { listed, nonIdempotent, on, path: `/${on.join('-')}` }
    }))
    // Each cell has a group of its own, whose first turn is the failing server's.
    const cells = rules.flatMap((rule) => METHODS.map((method) => {
      return { ...rule, method, group: createUpstreams([bad.address, good.address]) }
    }))
    const gateway = await startPassing(rules.map(({ path, on }) => ({
      ...kind.options,
      ...(condition === 'invalid_header' ? LINE_END : undefined),
      prefix: path,
      upstreams: (request) => cells.find((cell) => cell.path === path && cell.method === request.method)?.group ?? '',
      nextUpstream: on,
    })))
    // `after` hooks of a suite wait for its tests; disposing of what failed is the tests' own business.
    after(async () => {
      await gateway.close()
      await Promise.all([bad[Symbol.asyncDispose](), good.close()])
    })

    for (const { method, listed, nonIdempotent, path, group } of cells) {
      const goesOn = listed && (!kind.sent || nonIdempotent || !ONCE.has(method))
      test(`${method}, ${listed ? 'listed' : 'not listed'}${nonIdempotent ? ', non_idempotent' : ''}: ${goesOn ? 'next server' : status}`, async () => {
        const body = kind.body?.(method) ?? (['PUT', 'POST', 'PATCH', 'LOCK'].includes(method) ? `body of ${method}` : '')
        const { response, scgi, error } = await gateway.send(method, `${path}/${method}`, body)
        const [failed, served] = group.servers
        assert.equal(response.statusCode, goesOn ? 200 : status)
        assert.deepEqual(trail(scgi.attempts), goesOn
          ? [`${bad.address} ${status}`, `${good.address} 200`]
          : [`${bad.address} ${status}`])
        // A failed attempt counts whether the request goes on or not.
        assert.deepEqual([failed?.fails, served?.fails], [1, 0])
        assert.deepEqual([failed?.active, served?.active], [0, 0])
        const arrived = good.requests.filter((request) => request.param('REQUEST_URI') === `${path}/${method}`)
        assert.equal(arrived.length, goesOn ? 1 : 0)
        if (goesOn) {
          assert.equal(arrived[0]?.param('REQUEST_METHOD'), method)
          assert.ok(arrived[0]?.body.equals(Buffer.from(body)), 'the next server got the body byte for byte')
          assert.equal(error, undefined)
        } else {
          assert.equal(error?.code, kind.code)
          assert.deepEqual(pick(error), { kind: condition, phase: kind.phase, address: bad.address, statusCode: status })
        }
        const [attempt] = scgi.attempts
        assert.equal(attempt?.connectTime !== undefined, kind.sent)
        assert.equal((attempt?.bytesSent ?? 0) > 0, kind.sent)
      })
    }
  })
}

function pick (error: Error): Record<string, unknown> {
  const { kind, phase, address, statusCode } = Object.assign({ kind: '', phase: '', address: '', statusCode: 0 }, error)
  return { kind, phase, address, statusCode }
}

async function refused (): Promise<Bad> {
  return { address: await refusedAddress(), async [Symbol.asyncDispose] () {} }
}

async function noSocket (): Promise<Bad> {
  const dir = await tempDir()
  return { address: `unix:${dir.socket()}`, [Symbol.asyncDispose]: dir.remove }
}

function recorded (answer: Answer): () => Promise<Bad> {
  return () => startRecorder({ answer })
}

async function stalled (): Promise<Bad> {
  const dir = await tempDir()
  const options: RecorderOptions = { listen: { path: dir.socket() }, accept: () => 'stall' }
  const recorder = await startRecorder(options)
  return {
    address: recorder.address,
    async [Symbol.asyncDispose] () {
      await recorder.close()
      await dir.remove()
    },
  }
}

async function httpServer (): Promise<Bad> {
  const server = createServer((_request, reply) => reply.end('HTTP'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no TCP address')
  return {
    address: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose] () {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
