// Spans of what a gateway does.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { after, beforeEach, test } from 'node:test'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import scgi, { createCache } from '../../lib/index.ts'
import metrics from '../../lib/observe/metrics/index.ts'
import tracing from '../../lib/observe/tracing/index.ts'
import { QUEUE_WAIT } from '../../lib/runtime/diagnostics.ts'
import { ScgiDispatcher } from '../../lib/dispatcher/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { refusedAddress, startRecorder } from '../helpers/recorder.ts'
import { turnsUntil } from '../helpers/passing.ts'
import type { Span, TextMapPropagator } from '@opentelemetry/api'
import type { FastifyInstance } from 'fastify'
import type { FastifyScgiOptions } from '../../types/index.ts'
import type { TracingOptions } from '../../types/tracing.ts'

const HELLO = 'Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello'
const exporter = new InMemorySpanExporter()
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
const manager = new AsyncLocalStorageContextManager()

trace.setGlobalTracerProvider(provider)
context.setGlobalContextManager(manager.enable())
after(async () => {
  trace.disable()
  context.disable()
  propagation.disable()
  await provider.shutdown()
})
beforeEach(() => exporter.reset())

/** Runs each handler in a span of the request, as @fastify/otel does. */
function serverSpans (app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    const span = trace.getTracer('server').startSpan(`${request.method} route`, { kind: SpanKind.SERVER })
    reply.raw.once('close', () => span.end())
    context.with(trace.setSpan(context.active(), span), done)
  })
}

async function traced (options: FastifyScgiOptions, given: TracingOptions = {}, inSpans = true): Promise<Gateway> {
  return startGateway(app => {
    if (inSpans) serverSpans(app)
    app.register(tracing, given)
    app.register(scgi, options)
  })
}

/** Counts those who begin to wait. */
function listenFor (): { waits: number } & Disposable {
  const heard = { waits: 0, [Symbol.dispose]: QUEUE_WAIT.subscribe(() => { heard.waits++ }) }
  return heard
}

/** The spans once so many have ended, in the order in which they began: that of the request, then its attempts. */
async function spans (count: number): Promise<ReturnType<typeof exporter.getFinishedSpans>> {
  await turnsUntil(() => exporter.getFinishedSpans().length >= count, `${count} spans`, 10)
  return exporter.getFinishedSpans().toSorted((a, b) => {
    return (a.kind - b.kind) || (a.startTime[0] - b.startTime[0]) || (a.startTime[1] - b.startTime[1])
  })
}

test('one client span an attempt, below the request\'s, and each server is told its own', async () => {
  await using bad = await startRecorder({ answer: 'Status: 503 No\r\nContent-Length: 0\r\n\r\n' })
  await using good = await startRecorder({ answer: HELLO })
  const refused = await refusedAddress()
  await using gateway = await traced({
    upstreams: { name: 'g', servers: [refused, bad.address, good.address] }, nextUpstream: ['error', 'http_503'],
  })
  const sent = '00-11111111111111111111111111111111-2222222222222222-01'
  await (await fetch(`${gateway.url}/a/b?c=d`, { headers: { traceparent: sent } })).text()
  const [server, first, second, third] = await spans(4)
  assert.ok(server && first && second && third)
  const [host, port] = good.address.split(':')
  const { traceId, spanId } = server.spanContext()
  for (const span of [first, second, third]) {
    assert.deepEqual([span.kind, span.name, span.spanContext().traceId, span.parentSpanContext?.spanId], [SpanKind.CLIENT, 'GET', traceId, spanId])
  }
  assert.deepEqual(third.attributes, {
    'http.request.method': 'GET',
    'http.request.resend_count': 2,
    'http.response.status_code': 200,
    'network.peer.address': host,
    'network.peer.port': Number(port),
    'network.protocol.name': 'scgi',
    'network.transport': 'tcp',
    'server.address': host,
    'server.port': Number(port),
    'url.full': `scgi://${good.address}/a/b?c=d`,
    'fastify_scgi.group': 'g',
    'fastify_scgi.server': good.address,
    'fastify_scgi.retry_reason': 'http_503',
    'fastify_scgi.outcome': 'ok',
    'fastify_scgi.bytes_sent': good.requests[0]?.raw.length,
    'fastify_scgi.bytes_received': HELLO.length,
  })
  assert.equal(third.status.code, SpanStatusCode.UNSET)
  assert.deepEqual(third.events.map(({ name }) => name), ['connect'])
  assert.equal(first.attributes['error.type'], 'FST_SCGI_CONNECT')
  assert.equal(first.attributes['http.request.resend_count'], undefined)
  assert.equal(first.status.code, SpanStatusCode.ERROR)
  assert.match(first.status.message ?? '', /^connect\(\) to .* failed/)
  assert.deepEqual(
    [second.attributes['error.type'], second.attributes['http.response.status_code'], second.attributes['http.request.resend_count'], second.attributes['fastify_scgi.retry_reason'], second.status.code],
    ['503', 503, 1, 'error', SpanStatusCode.ERROR])
  assert.deepEqual(bad.requests[0]?.all('HTTP_TRACEPARENT'), [`00-${traceId}-${second.spanContext().spanId}-01`])
  assert.deepEqual(good.requests[0]?.all('HTTP_TRACEPARENT'), [`00-${traceId}-${third.spanContext().spanId}-01`])
})

test('HTTP members and unix sockets; a method of somebody\'s own; a client that went away', async t => {
  const told: (string | string[] | undefined)[] = []
  const http = createServer((request, response) => {
    told.push(request.headers.traceparent)
    response.end('hello')
  }).listen(0, '127.0.0.1')
  t.after(() => http.close())
  await once(http, 'listening')
  const bound = http.address()
  const port = typeof bound === 'object' ? bound?.port : undefined
  await using gateway = await traced({ upstreams: { name: 'g', servers: [`http://127.0.0.1:${port}`] } })
  await (await fetch(`${gateway.url}/x`)).text()
  const [server, attempt] = await spans(2)
  assert.ok(server && attempt)
  assert.deepEqual([attempt.attributes['network.protocol.name'], attempt.attributes['url.full']], ['http', `http://127.0.0.1:${port}/x`])
  assert.deepEqual(told, [`00-${server.spanContext().traceId}-${attempt.spanContext().spanId}-01`])

  exporter.reset()
  await using app = await startRecorder({ answer: async x => { await x.closed } })
  await using other = await traced({ upstreams: app.address })
  const client = new AbortController()
  const gone = fetch(other.url, { method: 'PROPFIND', signal: client.signal })
  await app.received(1)
  client.abort()
  await assert.rejects(gone)
  const [, left] = await spans(2)
  assert.deepEqual([left?.name, left?.attributes['http.request.method'], left?.attributes['http.request.method_original'], left?.attributes['fastify_scgi.outcome'], left?.status.code],
    ['HTTP', '_OTHER', 'PROPFIND', 'abort', SpanStatusCode.UNSET])
})

test('without a span of the request its client is the parent; a propagator that is registered is asked instead', async () => {
  await using app = await startRecorder({ answer: HELLO })
  await using gateway = await traced({ upstreams: app.address }, {}, false)
  const sent = '00-11111111111111111111111111111111-2222222222222222-01'
  await (await fetch(gateway.url, { headers: { traceparent: sent } })).text()
  const [attempt] = await spans(1)
  assert.deepEqual([attempt?.spanContext().traceId, attempt?.parentSpanContext?.spanId], ['1'.repeat(32), '2'.repeat(16)])
  exporter.reset()
  propagation.setGlobalPropagator({
    inject: (of, carrier, { set }) => set(carrier, 'b3', `${trace.getSpanContext(of)?.spanId}-1`),
    extract: (of, carrier, { get }) => trace.setSpanContext(of, { traceId: String(get(carrier, 'x-trace')), spanId: '3'.repeat(16), traceFlags: 1 }),
    fields: () => ['b3'],
  })
  try {
    await (await fetch(gateway.url, { headers: { 'x-trace': '4'.repeat(32) } })).text()
    const [own] = await spans(1)
    assert.equal(own?.spanContext().traceId, '4'.repeat(32))
    assert.equal(app.requests[1]?.param('HTTP_B3'), `${own?.spanContext().spanId}-1`)
  } finally {
    propagation.disable()
  }
})

test('a traceparent that is none is not gone by, and a tracestate goes with no other trace', async t => {
  await using app = await startRecorder({ answer: HELLO })
  const traceId = '1'.repeat(32)
  const tail = `${traceId}-${'2'.repeat(16)}`
  const rows: [traceparent: string, valid: boolean][] = [
    [`00-${tail}-01`, true], [`00-${tail}-03`, true], [`cc-${tail}-01`, true], [`cc-${tail}-01-more`, true],
    [`ff-${tail}-01`, false], [`00-${tail}-01-more`, false], [`cc-${tail}-01.more`, false], [`00-${tail}-1`, false], [`0-${tail}-01`, false],
    [`00-${'A'.repeat(32)}-${'2'.repeat(16)}-01`, false], [`00-${'0'.repeat(32)}-${'2'.repeat(16)}-01`, false],
    [`00-${traceId}-${'0'.repeat(16)}-01`, false], ['none', false], ['', false], [`00-${tail}-01, 00-${tail}-01`, false],
  ]
  const propagator: TextMapPropagator = {
    inject: (of, carrier, { set }) => set(carrier, 'traceparent', `00-${trace.getSpanContext(of)?.traceId}-${trace.getSpanContext(of)?.spanId}-01`),
    extract: of => of,
    fields: () => ['traceparent', 'tracestate'],
  }
  for (const inSpans of [false, true]) {
    await using gateway = await traced({ upstreams: app.address }, {}, inSpans)
    for (const [traceparent, valid] of rows) {
      await t.test(`${inSpans ? 'in another span: ' : ''}${traceparent}`, async () => {
        await (await fetch(gateway.url, { headers: { traceparent, tracestate: 'vendor=1', connection: 'close' } })).text()
        const sent = app.requests.at(-1)
        const follows = valid && !inSpans
        assert.equal(sent?.param('HTTP_TRACEPARENT')?.includes(traceId), follows)
        assert.match(sent?.param('HTTP_TRACEPARENT') ?? '', /^00-[\da-f]{32}-[\da-f]{16}-01$/)
        assert.equal(sent?.param('HTTP_TRACESTATE'), follows ? 'vendor=1' : undefined)
      })
    }
  }
  propagation.setGlobalPropagator(propagator)
  try {
    await using gateway = await traced({ upstreams: app.address }, {}, false)
    await (await fetch(gateway.url, { headers: { traceparent: `00-${tail}-01`, tracestate: 'vendor=1' } })).text()
    assert.equal(app.requests.at(-1)?.param('HTTP_TRACESTATE'), undefined)
  } finally {
    propagation.disable()
  }
})

test('without an active span that of @fastify/otel is the parent, before what the client says', async () => {
  await using app = await startRecorder({ answer: HELLO })
  const span = trace.getTracer('server').startSpan('route', { kind: SpanKind.SERVER })
  await using gateway = await startGateway(instance => {
    instance.addHook('onRequest', (request, _reply, done) => {
      Object.assign(request, { opentelemetry: () => ({ span, context: trace.setSpan(ROOT_CONTEXT, span) }) })
      done()
    })
    instance.register(tracing)
    instance.register(scgi, app.address)
  })
  await (await fetch(gateway.url, { headers: { traceparent: '00-11111111111111111111111111111111-2222222222222222-01' } })).text()
  const [attempt] = await spans(1)
  assert.equal(attempt?.parentSpanContext?.spanId, span.spanContext().spanId)
})

test('propagate: false leaves the client\'s traceparent as it is', async () => {
  await using app = await startRecorder({ answer: HELLO })
  await using gateway = await traced({ upstreams: app.address }, { propagate: false, tracerProvider: provider })
  const sent = '00-11111111111111111111111111111111-2222222222222222-01'
  await (await fetch(gateway.url, { headers: { traceparent: sent } })).text()
  await spans(2)
  assert.deepEqual(app.requests[0]?.all('HTTP_TRACEPARENT'), [sent])
})

test('lookups of the cache, waits in a queue and refusals are events of the request\'s span', async () => {
  let open = (): void => {}
  await using app = await startRecorder({
    answer: async x => {
      if (x.request.param('REQUEST_URI') === '/slow') await new Promise<void>(resolve => { open = resolve })
      await x.end(`Cache-Control: max-age=60\r\n${HELLO}`)
    }
  })
  await using gateway = await traced({
    upstreams: { name: 'g', servers: [{ address: app.address, maxConns: 1 }], queue: { size: 1 } }, cache: { zone: createCache({ name: 'z' }) },
  })
  const get = async (path: string): Promise<number> => {
    const reply = await fetch(gateway.url + path)
    await reply.text()
    return reply.status
  }
  await get('/a')
  await get('/a')
  const slow = get('/slow')
  await app.received(2)
  using heard = listenFor()
  const waiting = get('/b')
  await turnsUntil(() => heard.waits > 0, 'the wait', 10)
  assert.equal(await get('/c'), 502)
  open()
  await Promise.all([slow, waiting])
  const told = (await spans(8)).filter(({ kind }) => kind === SpanKind.SERVER).map(({ events }) => events.map(({ name, attributes }) => {
    return `${name} ${attributes?.['fastify_scgi.cache_status'] ?? attributes?.['fastify_scgi.outcome'] ?? attributes?.['error.type'] ?? ''}`.trim()
  }))
  assert.deepEqual(told, [
    ['cache.lookup MISS'], ['cache.lookup HIT'], ['cache.lookup MISS'],
    ['cache.lookup MISS', 'queue.wait', 'queue.leave served'], ['cache.lookup MISS', 'group.refused FST_SCGI_QUEUE_FULL'],
  ])
})

test('what ScgiDispatcher sends has spans, too, and exemplars show the trace of each attempt', async () => {
  await using app = await startRecorder({ answer: HELLO })
  const registry = new Registry()
  await using gateway = await startGateway(instance => {
    instance.register(tracing)
    instance.register(metrics, { registry })
    instance.register(scgi, { upstreams: { name: 'g', servers: [app.address] } })
  })
  const dispatcher = new ScgiDispatcher(app.address)
  const parent: Span = trace.getTracer('mine').startSpan('mine')
  await context.with(trace.setSpan(context.active(), parent), async () => {
    const { body } = await dispatcher.request({ origin: 'http://x.test', path: '/d', method: 'GET' })
    await body.text()
  })
  parent.end()
  await dispatcher.close()
  const attempt = (await spans(2)).find(({ kind }) => kind === SpanKind.CLIENT)
  assert.equal(attempt?.parentSpanContext?.spanId, parent.spanContext().spanId)
  assert.equal(attempt?.attributes['url.full'], `scgi://${app.address}/d`)
  exporter.reset()
  await (await fetch(gateway.url)).text()
  const [own] = await spans(1)
  const open = await (await fetch(`${gateway.url}/metrics`, { headers: { accept: 'application/openmetrics-text' } })).text()
  const { traceId = '', spanId = '' } = own?.spanContext() ?? {}
  const line = new RegExp(`^fastify_scgi_header_duration_seconds_bucket\\{.*group="g".*\\} 1 # \\{trace_id="${traceId}",span_id="${spanId}"\\} [\\d.e-]+ [\\d.]+$`, 'm')
  assert.match(open, line)
})

test('options that are none; two applications make one span of an attempt', async () => {
  const wrong: [options: object, code: string][] = [
    [{ tracerProvider: 'x' }, 'FST_SCGI_OPT_INVALID'], [{ propagate: 'no' }, 'FST_SCGI_OPT_INVALID'], [{ tracer: 1 }, 'FST_SCGI_OPT_UNKNOWN'],
  ]
  for (const [options, code] of wrong) {
    const app = Fastify()
    app.register(tracing, Object.assign({}, options))
    await assert.rejects(async () => { await app.ready() }, { code })
    await app.close()
  }
  await using app = await startRecorder({ answer: HELLO })
  await using one = await traced({ upstreams: app.address })
  await using other = await traced({ upstreams: app.address })
  await (await fetch(one.url)).text()
  await (await fetch(other.url)).text()
  const all = await spans(4)
  assert.equal(all.filter(({ kind }) => kind === SpanKind.CLIENT).length, 2)
})
