// Who may see, and who may edit: an attack in each line.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi from '../../lib/index.ts'
import { admin } from '../../lib/observe/admin/index.ts'
import { rawRequest, type Target } from '../helpers/raw-client.ts'
import { tempDir } from '../helpers/temp.ts'
import { Backends, startAdmin } from './admin-kit.ts'
import type { AdminOptions } from '../../types/index.ts'

interface Attempt {
  readonly title: string
  readonly method?: string
  readonly path?: string
  /** In the place of `Host: 127.0.0.1:port`. */
  readonly host?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  readonly version?: string
  readonly status: number
  readonly code?: string
}

const FORBIDDEN = { status: 403, code: 'FST_SCGI_ADMIN_FORBIDDEN' }
const HOST = { status: 403, code: 'FST_SCGI_ADMIN_HOST' }
const TOKEN = { status: 403, code: 'FST_SCGI_ADMIN_TOKEN' }
const PURGE = { method: 'POST', path: '/gateway/api/caches/pages/purge' }

const READS: readonly Attempt[] = [
  { title: 'a client of this machine', status: 200 },
  { title: 'localhost', host: ['localhost:80'], status: 200 },
  { title: 'an address that is not loopback, as Host', host: ['10.0.0.1'], status: 200 },
  { title: 'an IPv6 address', host: ['[::1]:8080'], status: 200 },
  { title: 'a Host in capitals', host: ['LOCALHOST'], status: 200 },
  { title: 'DNS rebinding', host: ['evil.example'], ...HOST },
  { title: 'DNS rebinding with a port', host: ['evil.example:8080'], ...HOST },
  { title: 'a name that begins like localhost', host: ['localhost.evil.example'], ...HOST },
  { title: 'a name that ends like localhost', host: ['evil.localhost'], ...HOST },
  { title: 'a name that looks like an address', host: ['127.0.0.1.evil.example'], ...HOST },
  { title: 'an address in another spelling', host: ['0x7f000001'], ...HOST },
  { title: 'an address and more', host: ['127.0.0.1@evil.example'], ...HOST },
  { title: 'no address in brackets', host: ['[evil.example]'], ...HOST },
  { title: 'no Host', host: [], version: '1.0', ...HOST },
  { title: 'an empty Host', host: [''], ...HOST },
  { title: 'a target in absolute form with another name', path: 'http://evil.example/gateway/api/groups', ...HOST },
  { title: 'nginx as it is by default, HTTP/1.0 from loopback', version: '1.0', ...FORBIDDEN },
  ...[
    'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded', 'forwarded', 'x-real-ip', 'via', 'x-client-ip', 'true-client-ip',
    'cf-connecting-ip', 'fastly-client-ip', 'x-cluster-client-ip', 'x-original-forwarded-for', 'x-original-url', 'x-envoy-external-address', 'x-proxyuser-ip',
    'x-amzn-trace-id', 'x-varnish', 'proxy-connection', 'x-remote-addr',
    'x-originating-ip', 'fly-client-ip', 'x-nf-client-connection-ip', 'wl-proxy-client-ip', 'x-sucuri-clientip', 'ali-cdn-real-ip', 'max-forwards', 'x-scheme',
    'x-rewrite-url', 'front-end-https', 'surrogate-capability', 'x_forwarded_for', 'x-request-start',
    'x-url-scheme', 'x-real-port', 'x-real-host', 'x-proto', 'x-forwarded-ssl', 'x-ssl-client-verify', 'ssl-client-cert', 'akamai-origin-hop', 'fastly-ff',
    'x-bluecoat-via', 'x-client-address', 'x-envoy-attempt-count', 'x-queue-start', 'x-source-port', 'cf-ray', 'cf-visitor', 'cdn-loop', 'X-FORWARDED-FOR',
  ].map(name => ({ title: `a proxy that says ${name}`, headers: { [name]: '127.0.0.1' }, ...FORBIDDEN })),
  { title: 'another site that fetches', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, ...FORBIDDEN },
  { title: 'a neighbour at another port that fetches', headers: { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' }, ...FORBIDDEN },
  { title: 'another site that frames', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, ...FORBIDDEN },
  { title: 'another site that fetches the stream', path: '/gateway/api/events', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }, ...FORBIDDEN },
  { title: 'another site that fetches the token', path: '/gateway/api/token', headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' }, ...FORBIDDEN },
  ...['http://evil.example', 'null', 'http://127.0.0.1:1', 'http://127.0.0.1', 'SELF.evil.example', 'file://'].flatMap(origin => ['/groups', '/token', '/events'].map(path =>
    ({ title: `a page of ${origin} that fetches ${path}, by what older browsers say`, path: `/gateway/api${path}`, headers: { origin }, ...FORBIDDEN }))),
  { title: 'the page itself, by what older browsers say', headers: { origin: 'SELF' }, status: 200 },
  { title: 'the page itself that fetches', headers: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }, status: 200 },
  { title: 'what is not there, by a stranger', path: '/gateway/none', host: ['evil.example'], ...HOST },
  { title: 'what is not there', path: '/gateway/none', status: 404, code: 'FST_SCGI_ADMIN_NOT_FOUND' },
  ...['x-request-id', 'x-requested-with', 'traceparent', 'clip', 'x-skip'].map(name => ({ title: `a client that says ${name}`, headers: { [name]: 'a' }, status: 200 })),
  ...['/gateway', '/gateway/', '/gateway/api/groups', '/gateway/none'].flatMap(path => ['OPTIONS', 'PUT', 'PROPFIND', 'TRACE'].map(method =>
    ({ title: `what the application might have at ${path}`, method, path, status: 404, code: 'FST_SCGI_ADMIN_NOT_FOUND' }))),
]

const EDITS: readonly Attempt[] = [
  { title: 'the page', headers: { origin: 'SELF', 'sec-fetch-site': 'same-origin', token: 'good' }, status: 200 },
  { title: 'a script of this machine, with a token', headers: { token: 'good' }, status: 200 },
  { title: 'without a token', ...TOKEN },
  { title: 'with a token that was guessed', headers: { 'x-gateway-token': 'a' }, ...TOKEN },
  { title: 'with a token whose time was changed', headers: { token: 'later' }, ...TOKEN },
  { title: 'with a token that was made for another operator', headers: { token: 'others' }, ...TOKEN },
  { title: 'a form of another site', headers: { origin: 'http://evil.example', token: 'good' }, ...FORBIDDEN },
  { title: 'a form of another port', headers: { origin: 'http://127.0.0.1:1', token: 'good' }, ...FORBIDDEN },
  { title: 'a sandboxed frame', headers: { origin: 'null', token: 'good' }, ...FORBIDDEN },
  { title: 'a site that sends no Origin', headers: { 'sec-fetch-site': 'cross-site', token: 'good' }, ...FORBIDDEN },
  { title: 'an address that was typed', headers: { 'sec-fetch-site': 'none', token: 'good' }, ...FORBIDDEN },
  { title: 'a form that needs no leave', headers: { token: 'good', 'content-type': 'text/plain' }, status: 415 },
  { title: 'DNS rebinding with a token', host: ['evil.example'], headers: { origin: 'http://evil.example', token: 'good' }, ...HOST },
  { title: 'a proxy with a token', headers: { via: '1.1 proxy', token: 'good' }, ...FORBIDDEN },
  { title: 'GET in the place of POST', method: 'GET', headers: { token: 'good' }, status: 404 },
].map(attempt => ({ ...PURGE, ...attempt }))

async function send (target: Target, attempt: Attempt, port: number, tokens: Record<string, string> = {}) {
  const { method = 'GET', path = '/gateway/api/groups', host = [`127.0.0.1:${port}`], headers = {}, version = '1.1' } = attempt
  const { token = '', ...rest } = headers
  const body = method === 'POST' ? '{"key":"a"}' : ''
  const lines = Object.entries({
    ...(token === '' ? undefined : { 'x-gateway-token': tokens[token] ?? '' }),
    ...(body === '' ? undefined : { 'content-type': 'application/json', 'content-length': String(body.length) }),
    connection: 'close',
    ...rest,
  }).map(([name, value]) => `${name}: ${value.replace('SELF', `http://127.0.0.1:${port}`)}\r\n`)
  return rawRequest(target, `${method} ${path} HTTP/${version}\r\n${host.map(name => `Host: ${name}\r\n`).join('')}${lines.join('')}\r\n${body}`)
}

test('nothing is read and nothing is edited by whom it is not for', async t => {
  await using backends = await Backends.start(1)
  await using gateway = await startAdmin(backends.addresses, { operator: request => request.headers['x-user'] === 'b' ? 'b' : 'a' })
  const port = Number(new URL(gateway.url).port)
  const tokenOf = async (user: string): Promise<string> => (await gateway.api('GET', '/token', { headers: { 'x-user': user } })).body.token
  const good = await tokenOf('a')
  const tokens = { good, others: await tokenOf('b'), later: `z${good.slice(1)}` }
  for (const attempt of [...READS, ...EDITS]) {
    await t.test(`${attempt.method ?? 'GET'}: ${attempt.title}`, async () => {
      const answer = await send({ port }, attempt, port, tokens)
      assert.equal(answer.statusCode, attempt.status, answer.body.toString())
      const { code } = JSON.parse(answer.body.toString())
      if (attempt.code !== undefined) assert.equal(code, attempt.code)
      const headers = new Map(answer.headers.map(([name, value]) => [name.toLowerCase(), value]))
      assert.equal(headers.get('access-control-allow-origin'), undefined)
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.equal(headers.get('x-frame-options'), 'DENY')
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin')
    })
  }
})

test('authorize decides for everybody, this machine and proxies included, and hosts names further names', async t => {
  for (const [kind, authorize] of [
    ['an async hook', async (request: { headers: Record<string, unknown> }, reply: { code (status: number): { send (body: string): unknown } }) => {
      if (request.headers['authorization'] !== 'Basic good') return reply.code(401).send('who?')
      return undefined
    }],
    ['a hook with a callback', (request: { headers: Record<string, unknown> }, reply: { code (status: number): { send (body: string): unknown } }, done: () => void) => {
      if (request.headers['authorization'] === 'Basic good') done()
      else reply.code(401).send('who?')
    }],
  ] as const) {
    await t.test(kind, async () => {
      await using backends = await Backends.start(1)
      await using gateway = await startAdmin(backends.addresses, { authorize, hosts: ['Gateway.example'] })
      const port = Number(new URL(gateway.url).port)
      const authorization = 'Basic good'
      for (const [headers, host, status] of [
        [{}, 'localhost', 401],
        [{ authorization: 'Basic bad' }, 'localhost', 401],
        [{ authorization }, 'localhost', 200],
        [{ authorization, 'x-forwarded-for': '10.0.0.1' }, 'gateway.example', 200],
        [{ authorization }, 'gateway.example:8443', 200],
        [{ authorization }, 'evil.example', 403],
      ] as const) {
        for (const path of ['/gateway/api/groups', '/gateway/none']) {
          const answer = await send({ port }, { title: '', path, headers, host: [host], status }, port)
          assert.equal(answer.statusCode, path.endsWith('none') && status === 200 ? 404 : status, `${path} ${host}`)
        }
      }
    })
  }
  const ways: [title: string, authorize: Required<AdminOptions>['authorize'], status: number][] = [
    ['what is no hook', () => {}, 403],
    ['what throws', () => { throw new Error('x') }, 500],
    ['what throws, with done', (_request, _reply, _done) => { throw new Error('x') }, 500],
    ['what rejects', async () => { throw Object.assign(new Error('x'), { statusCode: 401 }) }, 401],
    ['what rejects with no error', () => Promise.reject(undefined), 500], // eslint-disable-line prefer-promise-reject-errors
    ['what says no and then yes', (_request, _reply, done) => { done(Object.assign(new Error('x'), { statusCode: 401 })); done() }, 401],
    ['what answers and calls done', (_request, reply, done) => { reply.code(401).send(); done() }, 401],
    ['what answers by itself', (_request, reply) => { reply.code(401).send() }, 401],
    ['what answers later', async (_request, reply) => { setImmediate(() => reply.code(401).send()); return reply }, 401],
    ['a test that gives false', async () => false, 403],
    ['a promise that is kept before done is called', (_request, _reply, _done) => Promise.resolve(), 403],
    ['a promise that says no by done', (_request, _reply, done) => Promise.resolve().then(() => done(Object.assign(new Error('x'), { statusCode: 401 }))), 401],
    ['a promise that says yes by done', (_request, _reply, done) => Promise.resolve().then(() => done()), 200],
    ['a test that gives true', async () => true, 200],
  ]
  for (const [title, authorize, status] of ways) {
    await t.test(title, async () => {
      await using app = Fastify()
      app.register(admin, { prefix: '/gateway', authorize })
      app.register(scgi, { upstreams: '127.0.0.1:9' })
      for (const path of ['/gateway/', '/gateway/api/groups', '/gateway/page.js']) assert.equal((await app.inject(path)).statusCode, status, path)
    })
  }
})

test('who has left before anybody looked is nobody of this machine', async () => {
  let asked = 0
  const app = Fastify()
  const left = new Promise<void>(resolve => {
    app.addHook('onRequest', async request => {
      request.raw.socket.once('close', () => setImmediate(resolve))
      await once(request.raw.socket, 'close')
    })
  })
  app.register(admin, { prefix: '/gateway', operator: () => { asked += 1; return 'a' } })
  app.register(scgi, { upstreams: '127.0.0.1:9' })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const client = connect(Number(port), '127.0.0.1', () => client.write('GET /gateway/api/groups HTTP/1.1\r\nHost: localhost\r\n\r\n', () => client.destroy()))
  await left
  await app.close()
  assert.equal(asked, 0)
})

/** Calls the API over the gateway's own socket. */
function caller (socketPath: string): (
  method: string, path: string, body?: object, headers?: Record<string, string>
) => Promise<{ status: number | undefined, text: string }> {
  return (method, path, body, headers = {}) => new Promise((resolve, reject) => {
    const request = httpRequest({
      socketPath,
      method,
      path,
      agent: false,
      headers: { host: 'localhost', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk }).on('end', () => resolve({ status: response.statusCode, text }))
    })
    request.once('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })
}

test("the gateway's own socket is this user's alone, serves the API without a token, and nothing else", async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(2)
  const socket = dir.socket('admin.sock')
  await using gateway = await startAdmin(backends.addresses, { socket, authorize: async (_request, reply) => reply.code(401).send() })
  assert.equal((await stat(socket)).mode & 0o777, 0o600)
  const call = caller(socket)
  assert.equal((await call('GET', '/api/groups')).status, 200)
  assert.equal((await call('POST', '/api/caches/pages/purge', { key: 'a' }, { 'x-gateway-operator': 'ada' })).status, 200)
  assert.ok(gateway.log.some(({ operator }) => operator === 'ada (ctl)'))
  for (const path of ['/', '/gateway/api/groups', '/cached/a', '/apis', '/%61pi', '*']) assert.equal((await call('GET', path)).status, 404, path)
  assert.equal((await call('GET', '/api/../../cached/a')).status, 404)
  assert.equal((await call('GET', '/api/groups', undefined, { host: 'evil.example' })).status, 403)
  // A process that died has left its file behind: the next one takes it over, and a living one is left alone.
  await assert.rejects(startAdmin(backends.addresses, { socket }), { code: 'FST_SCGI_OPT_INVALID', message: /option 'socket'/ })
  await gateway.close()
  await assert.rejects(stat(socket), { code: 'ENOENT' })
})

test("over the gateway's own socket nothing is edited any more while it closes; it can still be seen", async () => {
  await using dir = await tempDir()
  await using backends = await Backends.start(1)
  const socket = dir.socket('admin.sock')
  const app = Fastify({ return503OnClosing: false })
  app.register(admin, { prefix: '/gateway', socket })
  app.register(scgi, { upstreams: { name: 'app', servers: backends.addresses } })
  const closing = new Promise<void>(resolve => { app.addHook('preClose', async () => { resolve() }) })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const holds = new Promise<void>(resolve => { backends.onHold = resolve })
  const held = fetch(`${url}/hold`)
  await holds
  const closed = app.close()
  await closing
  const call = caller(socket)
  assert.equal((await call('GET', '/api/groups')).status, 200)
  const answer = await call('PATCH', '/api/groups/app', { balance: 'least_conn' })
  assert.deepEqual([answer.status, JSON.parse(answer.text).message], [503, 'the gateway is closing, and takes no more edits'])
  backends.release()
  assert.equal(await (await held).text(), 'held')
  await closed
})

test('options that are wrong are refused at register, and a gateway must be there', async () => {
  const wrong: Record<string, unknown[]> = {
    authorize: ['x', true, null, {}],
    hosts: ['gateway.example', [5], ['a b'], ['http://a'], [''], null],
    operator: ['x', {}, null, async () => 'x'],
    secret: ['short', 5, null],
    state: ['', 5, null, 'a\0b', true],
    socket: ['', 5, null, '/'.padEnd(108, 'x')],
    slow: ['x', -1, null],
    user: ['x'],
  }
  for (const [option, values] of Object.entries(wrong)) {
    for (const value of values) {
      const app = Fastify()
      app.register(scgi, { upstreams: '127.0.0.1:4000' })
      Reflect.apply(app.register, app, [admin, { prefix: '/gateway', [option]: value }])
      await assert.rejects(async () => app.ready(), { code: /^FST_SCGI_OPT_(INVALID|UNKNOWN)$/, message: new RegExp(`'${option}'`) }, `${option}: ${String(value)}`)
      await app.close()
    }
  }
  const app = Fastify()
  app.register(admin, { prefix: '/gateway' })
  await assert.rejects(async () => app.ready(), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  await app.close()
})

test('the page and its API lead to one another, whatever the prefix is', async () => {
  for (const [prefix, base] of [['/', ''], ['', ''], ['/in/side/', '/in/side'], ['/gateway', '/gateway']] as const) {
    await using app = Fastify()
    app.register(admin, { prefix })
    app.register(scgi, { prefix: '/app', upstreams: '127.0.0.1:9' })
    const page = (await app.inject(`${base}/`)).body
    const [, style = ''] = /href="([^"]*page\.css)"/.exec(page) ?? []
    const [, script = ''] = /src="([^"]*page\.js)"/.exec(page) ?? []
    assert.deepEqual([style, script, /data-base="([^"]*)"/.exec(page)?.[1]], [`${base}/page.css`, `${base}/page.js`, base])
    for (const path of [style, script]) assert.equal((await app.inject(path)).statusCode, 200, path)
    const { servers: [{ url }] } = (await app.inject(`${base}/api/openapi.json`)).json()
    assert.equal(url, `${base}/api`)
  }
})
