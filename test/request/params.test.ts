import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { compileParams } from '../../lib/request/params.ts'
import type { ParamsEncoder, ParamsExchange, ParamsOptions, RequestView } from '../../lib/request/params.ts'

const GET: RequestView = {
  method: 'GET',
  uri: '/scgi-bin/a%20b?x=1&y=%32',
  scriptName: '/scgi-bin',
  pathInfo: '/a b',
  documentUri: '/scgi-bin/a b',
  urlInfo: '/a%20b',
  protocol: 'HTTP/1.1',
  scheme: 'http',
  host: 'www.example.org:8080',
  serverAddr: '127.0.0.1',
  serverPort: 8080,
  remoteAddr: '192.0.2.44',
  remotePort: 51234,
  forwardedFor: '192.0.2.44',
  contentType: undefined,
  headers: { host: 'WWW.example.org:8080', accept: '*/*' },
  rawHeaders: ['Host', 'WWW.example.org:8080', 'Accept', '*/*'],
}
const EXCHANGE: ParamsExchange = { contentLength: 0, pathPrefix: '', keepalive: false }

interface Given<R> extends ParamsOptions<R> {
  view?: Partial<RequestView>
  exchange?: Partial<ParamsExchange>
}

function encode<R = undefined> ({ view, exchange, ...options }: Given<R>, request: R): Buffer {
  return compileParams(options).encode({ ...GET, ...view }, request, { ...EXCHANGE, ...exchange })
}

/** The pairs of a netstring: checks its length, its comma and that every name and value ends. */
function decode (head: Buffer): [name: string, value: string][] {
  const colon = head.indexOf(':')
  const digits = head.toString('latin1', 0, colon)
  assert.match(digits, /^[1-9][0-9]*$/)
  assert.equal(colon + 1 + Number(digits) + 1, head.length, 'length')
  assert.equal(head.at(-1), 44, 'comma')
  const pieces = head.toString('latin1', colon + 1, head.length - 1).split('\0')
  assert.equal(pieces.pop(), '')
  const pairs: [string, string][] = []
  for (let i = 0; i < pieces.length; i += 2) pairs.push([pieces[i] ?? '', pieces[i + 1] ?? assert.fail('a name without value')])
  assert.equal(new Set(pairs.map(([name]) => name)).size, pairs.length, 'names are unique')
  return pairs
}

const pairs = (given: Given<undefined> = {}): [string, string][] => decode(encode(given, undefined))
/** The value of one parameter; `undefined` when it is not sent. */
const value = (name: string, given: Given<undefined> = {}): string | undefined => new Map(pairs(given)).get(name)
const binary = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
const bad = (pattern: RegExp): object => ({ code: 'FST_SCGI_BAD_REQUEST', statusCode: 400, message: pattern })
const refused = (pattern: RegExp): object => ({ code: 'FST_SCGI_OPT_INVALID', message: pattern })

describe('the sets', () => {
  test('cgi', () => {
    assert.deepEqual(pairs(), [
      ['CONTENT_LENGTH', '0'],
      ['SCGI', '1'],
      ['SERVER_SOFTWARE', 'fastify-scgi'],
      ['SERVER_NAME', 'www.example.org'],
      ['SERVER_ADDR', '127.0.0.1'],
      ['SERVER_PORT', '8080'],
      ['SERVER_PROTOCOL', 'HTTP/1.1'],
      ['GATEWAY_INTERFACE', 'CGI/1.1'],
      ['REQUEST_METHOD', 'GET'],
      ['REQUEST_URI', '/scgi-bin/a%20b?x=1&y=%32'],
      ['REQUEST_SCHEME', 'http'],
      ['QUERY_STRING', 'x=1&y=%32'],
      ['SCRIPT_NAME', '/scgi-bin'],
      ['PATH_INFO', '/a b'],
      ['DOCUMENT_URI', '/scgi-bin/a b'],
      ['DOCUMENT_ROOT', ''],
      ['REMOTE_ADDR', '192.0.2.44'],
      ['REMOTE_PORT', '51234'],
      ['HTTP_HOST', 'www.example.org:8080'],
      ['HTTP_X_FORWARDED_FOR', '192.0.2.44'],
      ['HTTP_X_FORWARDED_HOST', 'www.example.org:8080'],
      ['HTTP_X_FORWARDED_PROTO', 'http'],
      ['HTTP_ACCEPT', '*/*'],
    ])
  })

  test('cgi with TLS and a body', () => {
    const names = pairs({ view: { scheme: 'https', contentType: 'text/plain; charset=\xfc' }, exchange: { contentLength: 12345678901 } })
    assert.deepEqual(names[0], ['CONTENT_LENGTH', '12345678901'])
    assert.deepEqual(names.slice(10, 12), [['REQUEST_SCHEME', 'https'], ['HTTPS', 'on']])
    assert.deepEqual(names.slice(18, 20), [['REMOTE_PORT', '51234'], ['CONTENT_TYPE', 'text/plain; charset=\xfc']])
  })

  test('nginx', () => {
    assert.deepEqual(pairs({ defaultParams: 'nginx', forwarded: 'drop', view: { scheme: 'https' } }), [
      ['CONTENT_LENGTH', '0'],
      ['SCGI', '1'],
      ['REQUEST_METHOD', 'GET'],
      ['REQUEST_URI', '/scgi-bin/a%20b?x=1&y=%32'],
      ['QUERY_STRING', 'x=1&y=%32'],
      ['CONTENT_TYPE', ''],
      ['DOCUMENT_URI', '/scgi-bin/a b'],
      ['DOCUMENT_ROOT', ''],
      ['SERVER_PROTOCOL', 'HTTP/1.1'],
      ['REQUEST_SCHEME', 'https'],
      ['HTTPS', 'on'],
      ['REMOTE_ADDR', '192.0.2.44'],
      ['REMOTE_PORT', '51234'],
      ['SERVER_PORT', '8080'],
      ['SERVER_NAME', 'www.example.org'],
      ['HTTP_HOST', 'www.example.org:8080'],
      ['HTTP_ACCEPT', '*/*'],
    ])
    assert.equal(value('HTTPS', { defaultParams: 'nginx' }), undefined)
  })

  test('minimal', () => {
    const minimal = [['CONTENT_LENGTH', '7'], ['SCGI', '1'], ['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/scgi-bin/a%20b?x=1&y=%32']]
    const given: Given<undefined> = { defaultParams: 'minimal', exchange: { contentLength: 7 } }
    assert.deepEqual(pairs(given), minimal)
    assert.deepEqual(pairs({ ...given, view: { contentType: '' } }), minimal)
    assert.deepEqual(pairs({ ...given, view: { contentType: 'text/xml' } }), [...minimal, ['CONTENT_TYPE', 'text/xml']])
    assert.deepEqual(pairs({ ...given, passRequestHeaders: ['accept'] }), [...minimal, ['HTTP_ACCEPT', '*/*']])
    assert.equal(value('HTTP_HOST', { ...given, passRequestHeaders: ['Host'] }), 'www.example.org:8080')
    assert.equal(value('HTTP_HOST', { ...given, passRequestHeaders: true }), 'www.example.org:8080')
  })

  test('none', () => {
    assert.deepEqual(pairs({ defaultParams: false, forwarded: 'drop' }),
      [['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['HTTP_HOST', 'www.example.org:8080'], ['HTTP_ACCEPT', '*/*']])
  })

  test('a worked example, byte for byte', () => {
    const head = encode<{ method: string, url: string }>({
      defaultParams: false,
      forwarded: 'drop',
      params: { REQUEST_METHOD: (request) => request.method, REQUEST_URI: (request) => request.url },
      view: { host: 'ex.com:8080', headers: { host: 'Ex.com:8080', accept: '*/*' }, rawHeaders: ['Host', 'Ex.com:8080', 'Accept', '*/*'] },
    }, { method: 'GET', url: '/x?y=1' })
    assert.equal(head.toString('latin1'), '100:CONTENT_LENGTH\x000\0SCGI\x001\0REQUEST_METHOD\0GET\0REQUEST_URI\0/x?y=1\0HTTP_HOST\0ex.com:8080\0HTTP_ACCEPT\0*/*\0,')
  })
})

describe('values of the sets', () => {
  const names: [host: string, serverAddr: string, expected: string][] = [
    ['example.org', '127.0.0.1', 'example.org'],
    ['example.org:80', '127.0.0.1', 'example.org'],
    ['[::1]:8080', '127.0.0.1', '[::1]'],
    ['[2001:db8::1]', '127.0.0.1', '[2001:db8::1]'],
    ['', '127.0.0.1', '127.0.0.1'],
    ['', '2001:db8::2', '[2001:db8::2]'],
    ['', '', 'localhost'],
    [':80', '127.0.0.1', '127.0.0.1'],
    ['[::1', '127.0.0.1', '127.0.0.1'],
  ]
  for (const [host, serverAddr, expected] of names) {
    test(`SERVER_NAME of host '${host}' at '${serverAddr}'`, () => assert.equal(value('SERVER_NAME', { view: { host, serverAddr } }), expected))
  }

  test('REQUEST_URI is verbatim, of the absolute-form without scheme and host', () => {
    assert.equal(value('REQUEST_URI', { view: { uri: '//A/../b%2F?c#d' } }), '//A/../b%2F?c#d')
    assert.equal(value('REQUEST_URI', { view: { uri: 'http://h/a?b' } }), '/a?b')
    assert.equal(value('QUERY_STRING', { view: { uri: 'http://h/a?b' } }), 'b')
    assert.equal(value('QUERY_STRING', { view: { uri: '/' } }), '')
  })

  test('the path of the address goes before PATH_INFO only', () => {
    const given: Given<undefined> = { exchange: { pathPrefix: '/caf\xe9' } }
    assert.equal(value('PATH_INFO', given), binary('/café/a b'))
    assert.equal(value('SCRIPT_NAME', given), '/scgi-bin')
    assert.equal(value('DOCUMENT_URI', given), '/scgi-bin/a b')
    assert.equal(value('PATH_INFO', { ...given, view: { pathInfo: '*' } }), '*')
    assert.equal(value('PATH_INFO', { ...given, view: { pathInfo: '' } }), binary('/café'))
  })

  test('no host, no HTTP_HOST', () => {
    assert.deepEqual(pairs({ view: { host: '' } }).filter(([name]) => name.startsWith('HTTP_')),
      [['HTTP_X_FORWARDED_FOR', '192.0.2.44'], ['HTTP_X_FORWARDED_PROTO', 'http'], ['HTTP_ACCEPT', '*/*']])
  })

  test('no chain, no X-Forwarded-For', () => assert.equal(value('HTTP_X_FORWARDED_FOR', { view: { forwardedFor: '' } }), undefined))

  test('SCGI_KEEPALIVE before the headers, where it is offered', () => {
    const names = pairs({ exchange: { keepalive: true }, params: { LAST: 'x' } })
    const at = names.findIndex(([name]) => name === 'SCGI_KEEPALIVE')
    assert.deepEqual(names.slice(at - 1, at + 2), [['LAST', 'x'], ['SCGI_KEEPALIVE', '1'], ['HTTP_HOST', 'www.example.org:8080']])
  })

  test('bytes stay bytes; chars that are none become UTF-8, in their own value only', () => {
    assert.equal(value('PATH_INFO', { view: { pathInfo: '/\xff\x80' } }), '/\xff\x80')
    const given: Given<undefined> = { view: { uri: '/é/€', pathInfo: '/\xe9', headers: { 'x-a': 'ł', 'x-b': '\xb3' } } }
    assert.equal(value('REQUEST_URI', given), binary('/é/€'))
    assert.equal(value('PATH_INFO', given), '/\xe9')
    assert.equal(value('HTTP_X_A', given), binary('ł'))
    assert.equal(value('HTTP_X_B', given), '\xb3')
  })
})

describe('params', () => {
  test('replace in place, and follow in their order', () => {
    const given: Given<undefined> = { defaultParams: 'minimal', params: { NEW: 'a', REQUEST_METHOD: 'QUERY', OTHER: 'b' }, view: { contentType: 'c' } }
    assert.deepEqual(pairs(given).slice(2), [['REQUEST_METHOD', 'QUERY'], ['REQUEST_URI', GET.uri], ['CONTENT_TYPE', 'c'], ['NEW', 'a'], ['OTHER', 'b']])
  })

  test('functions are given the request', () => {
    const head = encode<{ user: string }>({ params: { REMOTE_USER: (request) => request.user } }, { user: 'alice' })
    assert.equal(new Map(decode(head)).get('REMOTE_USER'), 'alice')
  })

  test('are asked once a request, wide values elsewhere or not', () => {
    let asked = 0
    const params = { N: () => String(++asked) }
    assert.equal(value('N', { params }), '1')
    assert.equal(value('N', { params, view: { uri: '/€' } }), '2')
  })

  const rows: [what: string, given: ParamsOptions<undefined>['params'], expected: string | undefined][] = [
    ['a string', { X: 'a' }, 'a'],
    ['an empty string', { X: '' }, ''],
    ['an object', { X: { value: 'a' } }, 'a'],
    ['an object with an empty string', { X: { value: '' } }, ''],
    ['ifNotEmpty', { X: { value: 'a', ifNotEmpty: true } }, 'a'],
    ['ifNotEmpty, empty', { X: { value: '', ifNotEmpty: true } }, undefined],
    ['a function', { X: () => 'a' }, 'a'],
    ["a function's empty string", { X: () => '' }, ''],
    ["a function's undefined", { X: () => undefined }, undefined],
    ['ifNotEmpty of a function', { X: { value: () => 'a', ifNotEmpty: true } }, 'a'],
    ['ifNotEmpty of a function, empty', { X: { value: () => '', ifNotEmpty: true } }, undefined],
    ['ifNotEmpty of a function, undefined', { X: { value: () => undefined, ifNotEmpty: true } }, undefined],
    ['text, as UTF-8', { X: 'José €' }, binary('José €')],
    ["a function's text, as UTF-8", { X: () => 'José' }, binary('José')],
  ]
  for (const [what, params, expected] of rows) {
    test(what, () => assert.equal(value('X', { params }), expected))
    test(`${what}, over a default`, () => {
      const given = Object.fromEntries(Object.values(params ?? {}).map((param) => ['SERVER_SOFTWARE', param]))
      assert.equal(value('SERVER_SOFTWARE', { params: given }), expected)
    })
  }

  test('names are UTF-8, too', () => assert.equal(value(binary('NAMÉ'), { params: { NAMÉ: 'a' } }), 'a'))

  test('functions in JavaScript may give numbers and null, but no promise', () => {
    const answered = (answer: unknown): string | undefined => {
      const encoder: ParamsEncoder<undefined> = Reflect.apply(compileParams, undefined, [{ params: { X: () => answer } }])
      return new Map(decode(encoder.encode(GET, undefined, EXCHANGE))).get('X')
    }
    assert.equal(answered(5), '5')
    assert.equal(answered(null), undefined)
    assert.throws(() => answered(Promise.resolve('a')), { code: 'FST_SCGI_PROMISE', message: /'params\.X' gave a promise/ })
    assert.throws(() => answered(['a']), refused(/params\.X' is a function that gave \["a"\]/))
  })

  test('what a function throws comes through', () => {
    assert.throws(() => pairs({ params: { X: () => { throw new RangeError('mine') } } }), new RangeError('mine'))
  })
})

describe('params and headers of one name', () => {
  const view = { headers: { host: 'h', 'x-foo': 'client', 'x-bar': 'client' }, rawHeaders: ['Host', 'h', 'X-Foo', 'client', 'X-Bar', 'client'] }
  const rows: [what: string, params: NonNullable<ParamsOptions<undefined>['params']>, expected: Record<string, string>][] = [
    ['a value', { HTTP_X_FOO: 'a' }, { HTTP_X_FOO: 'a', HTTP_X_BAR: 'client' }],
    ["'' hides", { HTTP_X_FOO: '' }, { HTTP_X_BAR: 'client' }],
    ["'' in an object hides", { HTTP_X_FOO: { value: '' } }, { HTTP_X_BAR: 'client' }],
    ['an ifNotEmpty that vanishes hides', { HTTP_X_FOO: { value: () => '', ifNotEmpty: true } }, { HTTP_X_BAR: 'client' }],
    ['a literal ifNotEmpty that vanishes hides', { HTTP_X_FOO: { value: '', ifNotEmpty: true } }, { HTTP_X_BAR: 'client' }],
    ["a function's '' is sent empty", { HTTP_X_FOO: () => '' }, { HTTP_X_FOO: '', HTTP_X_BAR: 'client' }],
    ["a function's undefined hides", { HTTP_X_FOO: () => undefined }, { HTTP_X_BAR: 'client' }],
    ['another case of the name hides', { HTTP_x_foo: 'a' }, { HTTP_x_foo: 'a', HTTP_X_BAR: 'client' }],
    ['dashes hide', { 'HTTP_X-FOO': '' }, { HTTP_X_BAR: 'client' }],
    ['another case of the prefix hides nothing', { http_x_foo: 'a' }, { http_x_foo: 'a', HTTP_X_FOO: 'client', HTTP_X_BAR: 'client' }],
    ['the prefix alone is a name like others', { HTTP_: '' }, { HTTP_: '', HTTP_X_FOO: 'client', HTTP_X_BAR: 'client' }],
    ['the prefix alone hides nothing', { HTTP_: 'a' }, { HTTP_: 'a', HTTP_X_FOO: 'client', HTTP_X_BAR: 'client' }],
  ]
  for (const [what, params, expected] of rows) {
    test(what, () => {
      const given: Given<undefined> = { params, view, defaultParams: false, forwarded: 'drop' }
      assert.deepEqual(Object.fromEntries(pairs(given).slice(2)), { HTTP_HOST: GET.host, ...expected })
      // The same for lines that come twice.
      const twice = { ...view, rawHeaders: [...view.rawHeaders, 'X-Foo', 'client'], headers: { ...view.headers, 'x-foo': 'client, client' } }
      const doubled = Object.fromEntries(Object.entries(expected).map(([name, text]) => [name, name === 'HTTP_X_FOO' && text === 'client' ? 'client, client' : text]))
      assert.deepEqual(Object.fromEntries(pairs({ ...given, view: twice }).slice(2)), { HTTP_HOST: GET.host, ...doubled })
    })
  }

  test('HTTP_HOST may be replaced or hidden', () => {
    assert.equal(value('HTTP_HOST', { params: { HTTP_HOST: 'other' } }), 'other')
    assert.equal(value('HTTP_HOST', { params: { HTTP_HOST: '' } }), undefined)
    assert.equal(value('HTTP_HOST', { params: { HTTP_HOST: () => undefined } }), undefined)
    assert.equal(value('HTTP_HOST', { params: { HTTP_HOST: 'other' }, passRequestHeaders: false }), 'other')
  })

  test('a parameter can send what no header may', () => assert.equal(value('HTTP_PROXY', { params: { HTTP_PROXY: 'a' } }), 'a'))
})

describe('refused when compiled', () => {
  const rows: [what: string, params: unknown, pattern: RegExp][] = [
    ['CONTENT_LENGTH', { CONTENT_LENGTH: '5' }, /CONTENT_LENGTH is always the length of the body that is sent/],
    ['SCGI', { SCGI: '1' }, /SCGI is always '1'/],
    ['SCGI_KEEPALIVE', { SCGI_KEEPALIVE: '1' }, /'keepalive'/],
    ['no name', { '': 'a' }, /'params' is ""/],
    ['NUL in a name', { 'A\0B': 'a' }, /no NUL/],
    ['NUL in a value', { A: 'a\0b' }, /'params\.A'.*without NUL/],
    ['a number', { A: 5 }, /'params\.A' is 5, expected a string/],
    ['null', { A: null }, /'params\.A' is null/],
    ['undefined', { A: undefined }, /'params\.A' is undefined/],
    ['an object without value', { A: { ifNotEmpty: true } }, /'params\.A' is \{"ifNotEmpty":true\}/],
    ['ifNotEmpty that is no boolean', { A: { value: 'a', ifNotEmpty: 'yes' } }, /'params\.A\.ifNotEmpty' is "yes"/],
  ]
  for (const [what, params, pattern] of rows) {
    test(what, () => assert.throws(() => Reflect.apply(compileParams, undefined, [{ params }]), refused(pattern)))
  }

  test('names of Object.prototype are names like others', () => assert.equal(value('constructor', { params: { constructor: 'a' } }), 'a'))
})

describe('NUL is refused with 400', () => {
  const rows: [what: string, given: Given<undefined>, pattern: RegExp][] = [
    ['the method', { view: { method: 'G\0' } }, /REQUEST_METHOD/],
    ['the target', { view: { uri: '/\0' } }, /REQUEST_URI/],
    ['PATH_INFO', { view: { pathInfo: '/\0' } }, /PATH_INFO/],
    ['the host', { view: { host: 'h\0' }, defaultParams: false }, /HTTP_HOST/],
    ['the host, as X-Forwarded-Host only', { view: { host: 'h\0' }, defaultParams: false, params: { HTTP_HOST: '' } }, /HTTP_HOST/],
    ['the chain', { view: { forwardedFor: '\0' } }, /HTTP_X_FORWARDED_FOR/],
    ['Content-Type', { view: { contentType: 'a\0' } }, /CONTENT_TYPE/],
    ['a header', { view: { headers: { x: '\0' } } }, /header x /],
    ["a function's value", { params: { X: () => 'a\0b' } }, /parameter X /],
    ['the path of the address', { exchange: { pathPrefix: '/\0' } }, /PATH_INFO/],
  ]
  for (const [what, given, pattern] of rows) test(what, () => assert.throws(() => pairs(given), bad(pattern)))
})

describe('maxParamsSize', () => {
  /** Bytes between colon and comma. */
  const size = (given: Given<undefined>): number => parseInt(encode(given, undefined).toString('latin1'))

  test('counts the bytes between colon and comma', () => {
    const given: Given<undefined> = { params: { X: 'é€' } }
    const bytes = size(given)
    assert.equal(size({ ...given, maxParamsSize: bytes }), bytes)
    assert.throws(() => size({ ...given, maxParamsSize: bytes - 1 }),
      { code: 'FST_SCGI_PARAMS_TOO_LARGE', statusCode: 431, message: new RegExp(`has ${bytes} bytes, more than maxParamsSize \\(${bytes - 1}\\)`) })
  })

  test('counts wide chars as their bytes', () => {
    const given: Given<undefined> = { view: { uri: '/' + '€'.repeat(100) }, defaultParams: 'minimal' }
    const bytes = size(given)
    assert.equal(bytes, size({ ...given, view: { uri: '/' + 'x'.repeat(300) } }))
    assert.throws(() => size({ ...given, maxParamsSize: bytes - 1 }), { code: 'FST_SCGI_PARAMS_TOO_LARGE' })
  })

  test("is 2000 with 'minimal', unless told otherwise", () => {
    const long = (length: number): Given<undefined> => ({ defaultParams: 'minimal', view: { uri: '/'.padEnd(length, 'x') } })
    const room = 2000 - size(long(1)) + 1
    assert.equal(size(long(room)), 2000)
    assert.throws(() => size(long(room + 1)), { code: 'FST_SCGI_PARAMS_TOO_LARGE' })
    assert.equal(size({ ...long(room + 1), maxParamsSize: 2001 }), 2001)
    assert.equal(size({ ...long(room + 98_000), maxParamsSize: 0 }), 100_000)
  })

  test('is without limit for the other sets', () => {
    for (const defaultParams of ['cgi', 'nginx', false] as const) assert.ok(size({ defaultParams, params: { X: 'x'.repeat(100_000) } }) > 100_000)
  })
})
