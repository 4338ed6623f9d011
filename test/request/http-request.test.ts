// A request as an HTTP server gets it: the client's own bytes, less what ends at the gateway.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileParams, type ParamsOptions, type RequestView } from '../../lib/request/params.ts'
import { splitPath } from '../../lib/routing/canonical-path.ts'
import { VIEW } from './kit.ts'
import type { HttpExchange } from '../../lib/request/http-request.ts'
import type { HttpRequestHead } from '../../types/index.ts'

/** A request with these lines; `headers` are what Node makes of them, with what hooks changed. */
function encode (
  lines: string[], options: ParamsOptions<string> = {}, view: Partial<RequestView> = {}, exchange: Partial<HttpExchange> = {},
  hooks: Record<string, string | string[] | undefined> = {}, segments = 1
): HttpRequestHead {
  const headers: Record<string, string> = {}
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    const before = headers[name]
    headers[name] = before === undefined ? lines[i + 1] ?? '' : `${before}${name === 'cookie' ? '; ' : ', '}${lines[i + 1] ?? ''}`
  }
  const split = splitPath(view.uri ?? VIEW.uri, segments)
  const urlInfo = 'error' in split ? '' : split.urlInfo
  return compileParams<string>({ forwarded: 'drop', ...options }).encodeHttp(
    { ...VIEW, headers: { ...headers, ...hooks }, rawHeaders: lines, contentType: headers['content-type'], urlInfo, ...view }, 'the request',
    { rewritePrefix: '', pathPrefix: '', ...exchange })
}

test('lines go through byte for byte, in their order', () => {
  const lines = ['Host', 'Some.Example:81', 'X-B', '1', 'x-b', '2', 'Cookie', 'a=\xe4', 'ACCEPT', '*/*', 'Content-Type', 'Text/Plain; x="y"', 'If-None-Match', '"a", "b"', 'User-Agent', 'a', 'Authorization', 'Basic x']
  assert.deepEqual(encode(lines), { path: '/x?q', host: 'Some.Example:81', headers: lines.slice(2) })
})

test('what ends here is not sent, by the rules of HTTP_*', () => {
  const dropped = [
    'Connection', 'keep-alive, X-Listed', 'Keep-Alive', 'timeout=5', 'Proxy-Connection', 'x', 'Proxy-Authorization', 'x', 'TE', 'trailers', 'Trailer', 'X',
    'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'HTTP2-Settings', 'x', 'Proxy', 'http://evil', 'X-Accel-Redirect', '/x', 'X-Sendfile-Type', 'x', 'SCGI-Keepalive', '1',
    'X-Listed', '1', 'Content-Length', '3', 'Expect', '100-continue', 'X_Under', '1', 'X.Dot', '1', 'X-Forwarded-For', '1.2.3.4', 'Forwarded', 'for=x', ':path', '/x',
  ]
  assert.deepEqual(encode([...dropped, 'X-Kept', '1']).headers, ['X-Kept', '1'])
  assert.deepEqual(encode(['X_Under', '1'], { underscoresInHeaders: true }).headers, ['X_Under', '1'])
})

test('X-Forwarded-* as `forwarded` says', () => {
  const lines = ['X-Forwarded-For', '1.2.3.4', 'X-Forwarded-Proto', 'gopher']
  assert.deepEqual(encode(lines, { forwarded: 'pass' }).headers, lines)
  assert.deepEqual(encode(lines, { forwarded: 'set' }).headers,
    ['x-forwarded-for', '192.0.2.1', 'x-forwarded-host', 'shown.example', 'x-forwarded-proto', 'https'])
  assert.deepEqual(encode(lines, { forwarded: 'set', passRequestHeaders: ['x-forwarded-proto'] }).headers, ['x-forwarded-proto', 'https'])
})

test('a list of headers, and none: Host and Content-Type are sent all the same', () => {
  const lines = ['Host', 'a', 'X-A', '1', 'X-B', '2', 'Content-Type', 'a/b']
  assert.deepEqual(encode(lines, { passRequestHeaders: ['X-B'] }), { path: '/x?q', host: 'a', headers: ['X-B', '2', 'Content-Type', 'a/b'] })
  assert.deepEqual(encode(lines, { passRequestHeaders: false }), { path: '/x?q', host: 'a', headers: ['Content-Type', 'a/b'] })
})

test('of `params` HTTP_* and CONTENT_TYPE are headers, what frames a request is not', () => {
  const lines = ['Host', 'a', 'X-A', '1', 'X-Gone', '1', 'Content-Type', 'a/b']
  const params: ParamsOptions<string>['params'] = {
    HTTP_X_A: 'mine',
    HTTP_X_ASKED: request => `${request} \xe4\u20ac`,
    HTTP_X_UNDEFINED: () => undefined,
    HTTP_X_GONE: '',
    HTTP_HOST: 'vhost.internal',
    CONTENT_TYPE: 'c/d',
    HTTP_CONNECTION: 'close',
    HTTP_TRANSFER_ENCODING: 'chunked',
    HTTP_CONTENT_LENGTH: '7',
    REMOTE_USER: 'me',
  }
  assert.deepEqual(encode(lines, { params }), {
    path: '/x?q', host: 'vhost.internal', headers: ['Content-Type', 'c/d', 'x-a', 'mine', 'x-asked', 'the request \xc3\xa4\xe2\x82\xac'],
  })
  assert.equal(encode(lines, { params: { HTTP_HOST: '' } }).host, '')
})

test('what hooks have changed, added and taken away', () => {
  const lines = ['X-Same', 'a', 'X-Same', 'b', 'X-Changed', '1', 'X-Gone', '1', 'X-Upper', 'client', 'Cookie', 'a=1', 'Cookie', 'b=2']
  const hooks = { 'x-changed': ['2', '3'], 'x-gone': undefined, 'x-new': '\xe4', 'X-Upper': 'hook', connection: 'close', 'proxy-authorization': 'x' }
  assert.deepEqual(encode(lines, {}, {}, {}, hooks).headers,
    ['X-Same', 'a', 'X-Same', 'b', 'Cookie', 'a=1; b=2', 'x-changed', '2', 'x-changed', '3', 'x-new', '\xe4', 'x-upper', 'hook'])
  // rewriteRequestHeaders: there are no lines to compare with.
  assert.deepEqual(encode([], {}, { headers: { host: 'h', 'x-a': ['1', '2'], 'x-b': '3', connection: 'x-b' }, contentType: 'a/b' }),
    { path: '/x?q', host: 'h', headers: ['content-type', 'a/b', 'x-a', '1', 'x-a', '2'] })
})

test('Host: of an absolute target, of HTTP/2, of a hook, of nobody', () => {
  assert.equal(encode(['Host', 'header'], {}, { uri: 'http://Target:1/app/x' }).host, 'Target:1')
  assert.equal(encode([':authority', 'Auth:2', ':path', '/x']).host, 'Auth:2')
  assert.equal(encode(['Host', 'header'], {}, {}, {}, { host: 'hook' }).host, 'hook')
  assert.equal(encode([], {}, { host: '' }).host, '')
})

test('the path below the mount, behind that of the address and the rewritePrefix, and the query verbatim', () => {
  const cases: [string, Partial<HttpExchange>, string][] = [
    ['/app/x', {}, '/x'],
    ['/app/a%20b/%41/%252f/\xe4/@,;%40%3b"?q=%zz&a=b?c', {}, '/a%20b/A/%252f/%E4/@,;@;%22?q=%zz&a=b?c'],
    ['/app/a"b', {}, '/a"b'],
    ['/app/a%2Fb//c', {}, '/a/b/c'],
    ['/app', {}, '/'],
    ['/app?', {}, '/?'],
    ['/app/', { pathPrefix: '/base%20' }, '/base%20/'],
    ['/app', { pathPrefix: '/base' }, '/base'],
    ['/app/x', { pathPrefix: '/base', rewritePrefix: '/r \xc3\xa4%' }, '/base/r%20%C3%A4%25/x'],
    ['http://h/app/x?y', {}, '/x?y'],
    ['/app/x#f?g', {}, '/x'],
    ['/app/x?g#f', {}, '/x?g'],
    ['/app/a/./b/%2E/c/../d', { pathPrefix: '/base' }, '/base/a/b/d'],
    ['/app/a/%2e%2E/x/.%2e', { pathPrefix: '/base' }, '/base/'],
  ]
  for (const [uri, exchange, path] of cases) assert.equal(encode([], {}, { uri }, exchange).path, path, uri)
  for (const [uri, path] of [['/app/x', '/app/x'], ['http://h', '/'], ['*', '*']] as const) assert.equal(encode([], {}, { uri }, {}, {}, 0).path, path, uri)
})

test('what HTTP cannot carry is refused', () => {
  const wrong: (() => unknown)[] = [
    () => encode(['X-A', 'a\0b']),
    () => encode(['X-A', 'a\x7fb']),
    () => encode([], {}, {}, {}, { 'x-a': 'a\r\nX-B: c' }),
    () => encode([], {}, { contentType: 'a\nb' }),
    () => encode([], { params: { HTTP_X: () => 'a\r\nb' } }),
    () => encode([], {}, {}, {}, { host: 'a\r\nb' }),
    () => encode([], {}, { uri: '/app/a b' }),
    () => encode([], {}, { uri: '/app/x?a\tb' }),
    () => encode([], {}, { method: 'CONNECT' }),
    () => encode(['Host', 'a', 'Host', 'b']),
    () => encode(['Authorization', 'a', 'authorization', 'b']),
  ]
  for (const call of wrong) assert.throws(call, { code: 'FST_SCGI_BAD_REQUEST' }, String(call))
  // A blank cannot come in by the options.
  assert.equal(encode([], {}, {}, { rewritePrefix: '/a b' }).path, '/a%20b/x?q')
})
