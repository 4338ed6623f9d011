// Which headers and addresses the application is told of. Asserted on the bytes it received.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import scgi from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { bytes, get, only, pick, startHttp2 } from './kit.ts'
import type { RecordedRequest } from '../helpers/recorder.ts'

/** Names and values of the HTTP_* parameters but Host and X-Forwarded-*. */
function sent (request: RecordedRequest): string[] {
  return request.params.filter(([name]) => /^HTTP_(?!HOST$|X_FORWARDED)/.test(name)).map(([name, value]) => `${name}=${value}`)
}

test('headers: joined, hop-by-hop and steering ones dropped, the same on HTTP/1.0, 1.1 and 2', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await using http2 = await startHttp2({ upstreams: recorder.address })
  const expected = ['HTTP_ACCEPT=a, b', 'HTTP_COOKIE=x=1; y=2', 'HTTP_X_LATIN=\xe9\xff', 'HTTP_X_EMPTY=']
  const headers = [
    'Accept: a', 'Accept: b', 'Cookie: x=1', 'Cookie: y=2', 'X-Latin: \xe9\xff', 'X-Empty:',
    'Proxy: http://evil.test', 'TE: trailers', 'X_Accept: posed', 'X-Accel-Redirect: /etc', 'X-Sendfile-Type: a', 'SCGI-Keepalive: 1',
  ]
  for (const version of ['1.0', '1.1']) {
    await rawRequest(gateway, bytes([`GET / HTTP/${version}`, 'Host: x', ...headers, 'X-Listed: 1', 'Connection: close, X-Listed', 'Keep-Alive: 5']))
    assert.deepEqual(sent(only(recorder)), expected, version)
  }
  await http2.client.request({
    ':path': '/',
    accept: ['a', 'b'],
    cookie: ['x=1', 'y=2'],
    'x-latin': '\xe9\xff',
    'x-empty': '',
    proxy: 'http://evil.test',
    te: 'trailers',
    x_accept: 'posed',
    'x-accel-redirect': '/etc',
    'x-sendfile-type': 'a',
    'scgi-keepalive': '1',
  })
  assert.deepEqual(sent(only(recorder)), expected, '2')
})

test('CONTENT_TYPE and CONTENT_LENGTH are parameters of their own, once, CONTENT_LENGTH and SCGI first', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: x', 'Content-Type: text/plain; charset=x', 'Content-Length: 3'], 'abc'))
  const request = only(recorder)
  assert.deepEqual(request.params.slice(0, 2), [['CONTENT_LENGTH', '3'], ['SCGI', '1']])
  assert.deepEqual(request.all('CONTENT_TYPE'), ['text/plain; charset=x'])
  const names = request.params.map(([name]) => name)
  assert.equal(new Set(names).size, names.length)
  assert.deepEqual(names.filter(name => /^HTTP_CONTENT/.test(name)), [])
})

test('what means two things is refused', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, params: { TOLD: request => request.url.includes('nul') ? 'a\0b' : 'ok' } })
  for (const header of ['Authorization: a', 'Range: bytes=0-1', 'If-Match: "a"']) {
    const { statusCode } = await rawRequest(gateway, get('/', header, header))
    assert.equal(statusCode, 400, header)
  }
  assert.equal((await rawRequest(gateway, get('/nul'))).statusCode, 400)
  assert.equal(recorder.requests.length, 0)
  assert.equal(recorder.accepted, 0)
})

test('without trustProxy the connection tells, and X-Forwarded-* of the client is replaced', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    for (const forwarded of ['set', 'pass', 'drop'] as const) app.register(scgi, { prefix: `/${forwarded}`, upstreams: recorder.address, forwarded })
  })
  const lie = ['X-Forwarded-For: 192.0.2.1, 10.0.0.1', 'X-Forwarded-Host: Lie.test', 'X-Forwarded-Proto: https', 'Forwarded: for=192.0.2.1']
  const names = ['REMOTE_ADDR', 'HTTP_HOST', 'REQUEST_SCHEME', 'HTTPS', 'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED_HOST', 'HTTP_X_FORWARDED_PROTO', 'HTTP_FORWARDED']
  const own = ['127.0.0.1', 'gateway.test', 'http', undefined]
  for (const [forwarded, ...expected] of [
    ['set', '127.0.0.1', 'gateway.test', 'http', undefined],
    ['pass', '192.0.2.1, 10.0.0.1', 'Lie.test', 'https', 'for=192.0.2.1'],
    ['drop', undefined, undefined, undefined, undefined],
  ] as const) {
    await rawRequest(gateway, get(`/${forwarded}/`, ...lie))
    const request = only(recorder)
    assert.deepEqual(pick(request, ...names), [...own, ...expected], forwarded)
    assert.equal(request.param('SERVER_ADDR'), '127.0.0.1')
    assert.equal(request.param('SERVER_PORT'), String(gateway.port))
    assert.match(request.param('REMOTE_PORT') ?? '', /^\d+$/)
  }
})

test('with trustProxy the proxy tells: address, host, scheme, chain', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address }, { trustProxy: true })
  await rawRequest(gateway, get('/', 'X-Forwarded-For: 192.0.2.1, ::ffff:198.51.100.2', 'X-Forwarded-Host: Real.test:8443', 'X-Forwarded-Proto: https'))
  assert.deepEqual(pick(only(recorder), 'REMOTE_ADDR', 'HTTP_HOST', 'SERVER_NAME', 'REQUEST_SCHEME', 'HTTPS',
    'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED_HOST', 'HTTP_X_FORWARDED_PROTO'),
  ['192.0.2.1', 'real.test:8443', 'real.test', 'https', 'on', '192.0.2.1, 198.51.100.2, 127.0.0.1', 'real.test:8443', 'https'])
  // A chain of which only a part is trusted.
  await using partly = await startGateway({ upstreams: recorder.address }, { trustProxy: ['127.0.0.1', '10.0.0.0/8'] })
  await rawRequest(partly, get('/', 'X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.1.2.3'))
  assert.deepEqual(pick(only(recorder), 'REMOTE_ADDR', 'HTTP_X_FORWARDED_FOR'), ['192.0.2.1', '192.0.2.1, 10.1.2.3, 127.0.0.1'])
})

test('HTTP/1.0 without Host', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address })
  await rawRequest(gateway, bytes(['GET / HTTP/1.0']))
  assert.deepEqual(pick(only(recorder), 'HTTP_HOST', 'SERVER_NAME', 'HTTP_X_FORWARDED_HOST'), [undefined, '127.0.0.1', undefined])
})

test('params: strings, functions, ifNotEmpty, hidden headers; a function that throws is a 500', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({
    upstreams: recorder.address,
    params: {
      FIXED: 'bytes: é',
      ROUTE: request => request.routeOptions.url,
      SERVER_NAME: 'mine',
      NOTHING: () => undefined,
      EMPTY: () => '',
      GONE: { value: () => '', ifNotEmpty: true },
      HTTP_COOKIE: '',
      HTTP_AUTHORIZATION: { value: request => String(request.headers['x-token'] ?? ''), ifNotEmpty: true },
      THROWN: request => {
        if (request.url === '/throw') throw Object.assign(new Error('no'), { statusCode: 418 })
        return 'no'
      },
    },
  })
  await rawRequest(gateway, get('/', 'Cookie: a=b', 'Authorization: Basic abc', 'X-Other: c'))
  const request = only(recorder)
  assert.deepEqual(pick(request, 'FIXED', 'ROUTE', 'SERVER_NAME', 'NOTHING', 'EMPTY', 'GONE', 'HTTP_COOKIE', 'HTTP_AUTHORIZATION', 'HTTP_X_OTHER'),
    ['bytes: \xc3\xa9', '/', 'mine', undefined, '', undefined, undefined, undefined, 'c'])
  await rawRequest(gateway, get('/', 'X-Token: t'))
  assert.equal(only(recorder).param('HTTP_AUTHORIZATION'), 't')
  assert.equal((await rawRequest(gateway, get('/throw'))).statusCode, 418)
  assert.equal((await rawRequest(gateway, get('/'))).statusCode, 200)
})

test('passRequestHeaders, underscoresInHeaders, defaultParams, maxParamsSize', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/none', upstreams: recorder.address, passRequestHeaders: false })
    app.register(scgi, { prefix: '/list', upstreams: recorder.address, passRequestHeaders: ['X-A', 'accept'] })
    app.register(scgi, { prefix: '/under', upstreams: recorder.address, underscoresInHeaders: true })
    app.register(scgi, { prefix: '/minimal', upstreams: recorder.address, defaultParams: 'minimal' })
    app.register(scgi, { prefix: '/small', upstreams: recorder.address, maxParamsSize: '1k' })
    app.register(scgi, { prefix: '/bare', upstreams: recorder.address, defaultParams: false, passRequestHeaders: false, params: { A: 'b' } })
  })
  const headers = ['X-A: 1', 'X_B: 2', 'Accept: 3', 'X-C: 4']
  for (const [prefix, expected] of [
    ['/none', []],
    ['/list', ['HTTP_X_A=1', 'HTTP_ACCEPT=3']],
    ['/under', ['HTTP_X_A=1', 'HTTP_X_B=2', 'HTTP_ACCEPT=3', 'HTTP_X_C=4']],
    ['/minimal', []],
  ] as const) {
    await rawRequest(gateway, get(`${prefix}/`, ...headers))
    assert.deepEqual(sent(only(recorder)), expected, prefix)
  }
  await rawRequest(gateway, get('/minimal/'))
  assert.deepEqual(only(recorder).params.map(([name]) => name), ['CONTENT_LENGTH', 'SCGI', 'REQUEST_METHOD', 'REQUEST_URI'])
  await rawRequest(gateway, get('/bare/'))
  assert.deepEqual(only(recorder).params.map(([name]) => name).slice(0, 3), ['CONTENT_LENGTH', 'SCGI', 'A'])
  const refused = await rawRequest(gateway, get('/small/', `X-Long: ${'x'.repeat(1000)}`))
  assert.deepEqual([refused.statusCode, JSON.parse(refused.body.toString()).code], [431, 'FST_SCGI_PARAMS_TOO_LARGE'])
  assert.equal(recorder.requests.length, 0)
})

test('rewriteRequestHeaders decides what is sent; a preHandler may change request.headers', async () => {
  await using recorder = await startRecorder()
  let seen: unknown
  await using gateway = await startGateway(app => {
    app.register(scgi, {
      prefix: '/hook',
      upstreams: recorder.address,
      rewriteRequestHeaders: (request, headers) => {
        seen = headers['content-type']
        return { 'x-new': 'a', 'x-many': ['b', 'c'], 'x-old': undefined, 'content-type': 'text/new', 'x-url': request.url }
      },
    })
    app.register(scgi, {
      prefix: '/pre',
      upstreams: recorder.address,
      preHandler: (request, _reply, done) => {
        request.headers['x-added'] = 'by hook'
        delete request.headers['x-removed']
        done()
      },
    })
    app.register(scgi, { prefix: '/throw', upstreams: recorder.address, rewriteRequestHeaders: () => { throw new Error('hook') } })
  })
  await rawRequest(gateway, get('/hook/x', 'X-Old: 1', 'Content-Type: foo'))
  const request = only(recorder)
  assert.equal(seen, 'foo')
  assert.deepEqual(sent(request), ['HTTP_X_NEW=a', 'HTTP_X_MANY=b, c', 'HTTP_X_URL=/hook/x'])
  assert.equal(request.param('CONTENT_TYPE'), 'text/new')
  await rawRequest(gateway, get('/pre/', 'X-Removed: 1', 'X-Kept: 2'))
  assert.deepEqual(sent(only(recorder)), ['HTTP_X_KEPT=2', 'HTTP_X_ADDED=by hook'])
  assert.equal((await rawRequest(gateway, get('/throw/'))).statusCode, 500)
})
