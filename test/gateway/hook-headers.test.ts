// What rewriteRequestHeaders returns is what is sent, on every way to a server.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway, type Gateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes } from './kit.ts'
import type { FastifyScgiOptions, RequestHeaders } from '../../types/options.ts'

type Rewrite = (headers: RequestHeaders) => RequestHeaders
type Settings = Pick<FastifyScgiOptions, 'forwarded' | 'passRequestHeaders'>

/** A gateway with one way to a server, and what that has been sent, by header name. */
interface Way extends AsyncDisposable {
  readonly gateway: Gateway
  /** The headers of the only request, by lower-case name. */
  sent (): Record<string, string>
}

async function overScgi (setup: (address: string) => Parameters<typeof startGateway>[0]): Promise<Way> {
  const recorder = await startRecorder()
  const gateway = await startGateway(setup(recorder.address), { trustProxy: true })
  return {
    gateway,
    sent () {
      const [request] = recorder.requests
      recorder.clear()
      const headers: Record<string, string> = {}
      for (const [name, value] of request?.params ?? []) if (name.startsWith('HTTP_')) headers[name.slice(5).toLowerCase().replaceAll('_', '-')] = value
      return headers
    },
    async [Symbol.asyncDispose] () {
      await gateway.close()
      await recorder.close()
    },
  }
}

async function overHttp (options: Omit<FastifyScgiOptions, 'upstreams' | 'logLevel'>): Promise<Way> {
  const seen: Record<string, string>[] = []
  const server = createServer((request, response) => {
    const headers: Record<string, string> = {}
    for (const [name, values = []] of Object.entries(request.headersDistinct)) headers[name] = values.join(', ')
    seen.push(headers)
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const gateway = await startGateway({ ...options, upstreams: `http://127.0.0.1:${address.port}` }, { trustProxy: true })
  return {
    gateway,
    sent: () => seen.pop() ?? {},
    async [Symbol.asyncDispose] () {
      await gateway.close()
      server.close()
      server.closeAllConnections()
    },
  }
}

const WAYS: Record<string, (rewrite: Rewrite, settings?: Settings) => Promise<Way>> = {
  'an SCGI server': (rewrite, settings) => overScgi(upstreams => ({ upstreams, ...settings, rewriteRequestHeaders: (_request, headers) => rewrite(headers) })),
  'an HTTP member': (rewrite, settings) => overHttp({ ...settings, rewriteRequestHeaders: (_request, headers) => rewrite(headers) }),
  'reply.scgi()': (rewrite, settings) => overScgi(upstreams => async app => {
    await app.register(scgi, { prefix: '/unused', upstreams })
    app.all('/*', (_request, reply) => reply.scgi({ upstreams, ...settings, rewriteRequestHeaders: (_request, headers) => rewrite(headers) }))
  }),
  'reply.from() of a registration': (rewrite, settings) => overScgi(upstreams => async app => {
    await app.register(scgi, {
      prefix: '/unused', replyFrom: true, upstreams, ...settings, rewriteRequestHeaders: (_request, headers) => rewrite(headers),
    })
    app.get('/', (_request, reply) => reply.from('/'))
  }),
  'reply.from() with a hook of its own': (rewrite, settings) => overScgi(upstreams => async app => {
    await app.register(scgi, { prefix: '/unused', replyFrom: true, upstreams, ...settings })
    app.get('/', (_request, reply) => reply.from('/', { rewriteRequestHeaders: (_request, headers) => rewrite(headers) }))
  }),
}

const LINES = [
  'GET / HTTP/1.1', 'Host: Client.Test', 'X-User: alice', 'X-Hop: 1', 'X-Two: 1', 'X-Two: 2', 'User-Agent: a', 'User-Agent: b', 'X_Under: 1',
  'X-Accel-Redirect: /etc', 'X-Accel-Mapping: a=b', 'Proxy: evil', 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-Port: 99',
]

for (const [name, open] of Object.entries(WAYS)) {
  test(`${name}: the client cannot remove what a hook has set, not even with the same value`, async () => {
    await using way = await open(headers => ({
      ...headers, 'x-user': 'alice', 'X-Upper': 'hook', x_under: 'hook', 'x-accel-mapping': '/a=/b', 'x-sendfile-type': 'X-Accel-Redirect', 'x-hop': undefined,
    }))
    const reply = await rawRequest(way.gateway, bytes([...LINES, 'Connection: close, X-User, X-Upper, X-Under, X-Accel-Mapping, X-Sendfile-Type, X-Hop']))
    assert.equal(reply.statusCode, 200)
    const sent = way.sent()
    assert.deepEqual(
      ['x-user', 'x-upper', 'x-accel-mapping', 'x-sendfile-type', 'x-hop', 'x-two', 'user-agent', 'proxy'].map(header => sent[header]),
      ['alice', 'hook', '/a=/b', 'X-Accel-Redirect', undefined, '1, 2', 'a, b', undefined])
    assert.equal(sent['x-under'] ?? sent['x_under'], 'hook')
  })

  test(`${name}: the hook is given what would be sent, and nothing else`, async () => {
    let given: RequestHeaders = {}
    await using way = await open(headers => {
      given = headers
      return headers
    })
    await rawRequest(way.gateway, bytes([...LINES, 'Connection: close, X-User, X-Hop']))
    assert.deepEqual(Object.entries(given).filter(([header]) => !header.startsWith('content-')).sort(), [
      ['host', 'client.test'], ['user-agent', 'a, b'], ['x-forwarded-for', '192.0.2.1, 127.0.0.1'], ['x-forwarded-host', 'client.test'],
      ['x-forwarded-proto', 'http'], ['x-two', '1, 2'],
    ])
  })

  test(`${name}: Host and X-Forwarded-* of the hook are obeyed, given or left out`, async () => {
    for (const forwarded of ['set', 'drop', 'pass'] as const) {
      await using way = await open(({ 'x-forwarded-host': _left, ...headers }) => ({
        ...headers, host: 'inner.test:81', 'x-forwarded-for': '203.0.113.1', 'X-Forwarded-Proto': 'gopher', forwarded: 'for=x', 'x-forwarded-prefix': '/p',
      }), { forwarded, passRequestHeaders: ['x-two', 'x-forwarded-host'] })
      await rawRequest(way.gateway, bytes([...LINES, 'Connection: close']))
      const sent = way.sent()
      assert.deepEqual(
        ['host', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-forwarded-prefix', 'x-two', 'x-user'].map(header => sent[header]),
        ['inner.test:81', '203.0.113.1', 'gopher', undefined, 'for=x', '/p', '1, 2', undefined], forwarded)
    }
  })

  test(`${name}: what means two things is refused before the hook`, async () => {
    await using way = await open(() => assert.fail('the hook was asked'))
    const reply = await rawRequest(way.gateway, bytes([...LINES, 'Authorization: a', 'Authorization: b', 'Connection: close']))
    assert.equal(reply.statusCode, 400)
  })
}

test('a Host of the hook goes before that of a target in absolute-form', async () => {
  for (const name of ['an SCGI server', 'an HTTP member']) {
    await using way = await WAYS[name]?.(headers => ({ ...headers, host: 'inner.test' })) ?? assert.fail(name)
    await rawRequest(way.gateway, bytes(['GET http://outer.test/ HTTP/1.1', 'Host: Outer.Test', 'Connection: close']))
    assert.equal(way.sent()['host'], 'inner.test', name)
  }
})

test('a hook that leaves Host alone leaves it as the client spelt it, for a server that speaks HTTP', async () => {
  await using way = await WAYS['an HTTP member']?.(headers => headers) ?? assert.fail()
  await rawRequest(way.gateway, bytes([...LINES, 'Connection: close']))
  assert.equal(way.sent()['host'], 'Client.Test')
})
