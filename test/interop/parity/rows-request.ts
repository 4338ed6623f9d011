import { GATEWAY, get, own, reply, request } from './row.ts'
import type { Row } from './row.ts'

const OK = reply(['Status: 200 OK'])
const BYTES = '\x00\xff\r\n{"a": \x80}'
const BODY_100K = 'abcdefghij'.repeat(10240)

const ENCODED_PATH_INFO = { why: 'its PATH_INFO stays encoded, and what cannot be found at the end of the path stays in SCRIPT_NAME' }
const HOP_BY_HOP = { why: 'it passes what concerns its own connection with the client' }
const OLD_JOIN = { why: 'it sent a parameter for each line', before: '1.23.0' }

/** What the application receives. */
export const requestRows: Row[] = [
  {
    name: 'method, protocol, query and the protocol\'s own parameters',
    request: get('/app/a?x=1&y=%20+'),
    answer: OK,
    expect: {
      params: {
        CONTENT_LENGTH: '0', SCGI: '1', REQUEST_METHOD: 'GET', SERVER_PROTOCOL: 'HTTP/1.1', QUERY_STRING: 'x=1&y=%20+', REQUEST_SCHEME: 'http', REMOTE_ADDR: '127.0.0.1', HTTPS: undefined,
      },
    },
  },
  {
    name: 'a request without query',
    request: get('/app/a'),
    answer: OK,
    expect: { params: { QUERY_STRING: '', REQUEST_URI: '/app/a' } },
  },
  {
    name: 'a question mark without query',
    request: get('/app/a?'),
    answer: OK,
    expect: { params: { QUERY_STRING: '', REQUEST_URI: '/app/a?' } },
  },

  {
    name: 'OPTIONS',
    request: request('OPTIONS', '/app/x'),
    answer: OK,
    expect: { params: { REQUEST_METHOD: 'OPTIONS', CONTENT_LENGTH: '0' } },
  },
  {
    name: 'a method of WebDAV',
    request: request('PROPFIND', '/app/x'),
    answer: OK,
    expect: { params: { REQUEST_METHOD: 'PROPFIND' } },
  },

  // --- the path ---
  {
    name: 'the mount itself',
    request: get('/app'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app', SCRIPT_NAME: '/app', PATH_INFO: '' } },
    apache: { why: 'the mapped address has a path of its own', params: { PATH_INFO: '/' } },
  },
  {
    name: 'the mount with a slash',
    request: get('/app/'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/', SCRIPT_NAME: '/app', PATH_INFO: '/' } },
  },
  {
    name: 'a path below the mount',
    request: get('/app/a/b.html'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a/b.html', SCRIPT_NAME: '/app', PATH_INFO: '/a/b.html' } },
  },
  {
    name: 'a path that only begins like the mount',
    request: get('/apple'),
    answer: OK,
    expect: own(404, { attempts: 0 }),
  },
  {
    name: 'percent-encoding is undone in PATH_INFO and kept in REQUEST_URI',
    request: get('/app/a%20b/%C3%A9%3F?q=%20'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a%20b/%C3%A9%3F?q=%20', SCRIPT_NAME: '/app', PATH_INFO: '/a b/\xc3\xa9?' } },
    apache: { ...ENCODED_PATH_INFO, params: { SCRIPT_NAME: '/app/a b/\xc3\xa9?', PATH_INFO: '/a%20b/%C3%A9%3F' } },
  },
  {
    name: 'a percent sign that was encoded is decoded once',
    request: get('/app/a%2541'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a%2541', SCRIPT_NAME: '/app', PATH_INFO: '/a%41' } },
    apache: { ...ENCODED_PATH_INFO, params: { SCRIPT_NAME: '/app/a%41', PATH_INFO: '/a%2541' } },
  },
  {
    name: 'the mount, percent-encoded',
    request: get('/%61pp/x'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/%61pp/x', SCRIPT_NAME: '/app', PATH_INFO: '/x' } },
  },
  {
    name: 'an encoded slash',
    request: get('/app/a%2Fb'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a%2Fb', SCRIPT_NAME: '/app', PATH_INFO: '/a/b' } },
    apache: {
      why: 'AllowEncodedSlashes is off', ...own(404), attempts: 0, params: { REQUEST_URI: undefined, SCRIPT_NAME: undefined, PATH_INFO: undefined },
    },
  },
  {
    name: 'dot segments below the mount',
    request: get('/app/a/./b/../c'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a/./b/../c', SCRIPT_NAME: '/app', PATH_INFO: '/a/c' } },
  },
  {
    name: 'dot segments that leave the mount',
    request: get('/app/../etc/passwd'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    nginx: { why: 'it resolves dot segments before it looks for the mount', status: 404 },
    apache: { why: 'it resolves dot segments before it looks for the mount', status: 404 },
  },
  {
    name: 'dot segments that leave the root',
    request: get('/app/../../etc/passwd'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
  },
  {
    name: 'encoded dot segments that leave the mount',
    request: get('/app/%2e%2e/etc/passwd'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    nginx: { why: 'it resolves dot segments before it looks for the mount', status: 404 },
    apache: { why: 'it resolves dot segments before it looks for the mount', status: 404 },
  },
  {
    name: 'a double slash below the mount',
    request: get('/app//a'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app//a', SCRIPT_NAME: '/app', PATH_INFO: '/a' } },
  },
  {
    name: 'broken percent-encoding',
    request: get('/app/a%zz'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
  },
  {
    name: 'an encoded NUL in the path',
    request: get('/app/a%00b'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    apache: { why: 'it calls that not found', status: 404 },
  },
  {
    name: 'absolute-form',
    request: get('http://gateway.test/app/a%20b?x=1'),
    answer: OK,
    expect: { params: { REQUEST_URI: '/app/a%20b?x=1', SCRIPT_NAME: '/app', PATH_INFO: '/a b', HTTP_HOST: 'gateway.test' } },
    apache: {
      ...ENCODED_PATH_INFO, params: { REQUEST_URI: 'http://gateway.test/app/a%20b?x=1', SCRIPT_NAME: '/app/a b', PATH_INFO: '/a%20b' },
    },
  },

  // --- headers ---
  {
    name: 'names become HTTP_*, values stay',
    request: get('/app/', 'Accept: text/*;q=0.5', 'x-mixed-Case:  two  words  ', 'User-Agent: t/1 (\xe9)'),
    answer: OK,
    expect: { params: { HTTP_ACCEPT: 'text/*;q=0.5', HTTP_X_MIXED_CASE: 'two  words', HTTP_USER_AGENT: 't/1 (\xe9)' } },
  },
  {
    name: 'an empty header',
    request: get('/app/', 'X-Empty:'),
    answer: OK,
    expect: { params: { HTTP_X_EMPTY: '' } },
  },
  {
    name: 'repeated headers are joined by commas',
    request: get('/app/', 'X-Multi: 1', 'Accept: a', 'x-multi: 2', 'Accept: b'),
    answer: OK,
    expect: { params: { HTTP_X_MULTI: '1, 2', HTTP_ACCEPT: 'a, b' } },
    nginx: { ...OLD_JOIN, params: { HTTP_X_MULTI: ['1', '2'], HTTP_ACCEPT: ['a', 'b'] } },
  },
  {
    name: 'repeated Cookie lines are joined by semicolons',
    request: get('/app/', 'Cookie: a=1', 'Cookie: b=2; c=3'),
    answer: OK,
    expect: { params: { HTTP_COOKIE: 'a=1; b=2; c=3' } },
    nginx: { ...OLD_JOIN, params: { HTTP_COOKIE: ['a=1', 'b=2; c=3'] } },
    apache: { why: 'it joins every header by commas', params: { HTTP_COOKIE: 'a=1, b=2; c=3' } },
  },
  {
    name: 'repeated X-Forwarded-For',
    request: get('/app/', 'X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 192.0.2.2'),
    answer: OK,
    expect: { params: { HTTP_X_FORWARDED_FOR: '127.0.0.1' } },
    nginx: [
      { why: 'it passes what the client says', params: { HTTP_X_FORWARDED_FOR: '192.0.2.1, 192.0.2.2' } },
      { ...OLD_JOIN, params: { HTTP_X_FORWARDED_FOR: ['192.0.2.1', '192.0.2.2'] } },
    ],
    apache: { why: 'it passes what the client says', params: { HTTP_X_FORWARDED_FOR: '192.0.2.1, 192.0.2.2' } },
  },
  {
    name: 'names with an underscore or a dot are dropped',
    request: get('/app/', 'X_Foo: posing', 'X-Foo: real', 'X.Bar: 1'),
    answer: OK,
    expect: { params: { HTTP_X_FOO: 'real', 'HTTP_X.BAR': undefined, HTTP_X_BAR: undefined } },
  },
  {
    name: 'Proxy is dropped',
    request: get('/app/', 'Proxy: http://evil.test'),
    answer: OK,
    expect: { params: { HTTP_PROXY: undefined } },
    nginx: { why: 'it has no protection from httpoxy unless configured', params: { HTTP_PROXY: 'http://evil.test' } },
  },
  {
    name: 'hop-by-hop headers are dropped, and those that Connection names',
    request: 'GET /app/ HTTP/1.1\r\nHost: gateway.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nX-End: 1\r\n\r\n',
    answer: OK,
    expect: {
      params: { HTTP_CONNECTION: undefined, HTTP_X_HOP: undefined, HTTP_TE: undefined, HTTP_KEEP_ALIVE: undefined, HTTP_X_END: '1' },
    },
    nginx: { ...HOP_BY_HOP, params: { HTTP_CONNECTION: 'close, X-Hop', HTTP_X_HOP: '1', HTTP_TE: 'trailers', HTTP_KEEP_ALIVE: '5' } },
    apache: { ...HOP_BY_HOP, params: { HTTP_CONNECTION: 'close, X-Hop', HTTP_X_HOP: '1', HTTP_TE: 'trailers', HTTP_KEEP_ALIVE: '5' } },
  },
  {
    name: 'Authorization is passed',
    request: get('/app/', 'Authorization: Basic YTpi'),
    answer: OK,
    expect: { params: { HTTP_AUTHORIZATION: 'Basic YTpi' } },
    apache: { why: 'CGIPassAuth is off', params: { HTTP_AUTHORIZATION: undefined } },
  },
  {
    name: 'headers that steer gateways are dropped',
    request: get('/app/', 'X-Accel-Redirect: /x', 'X-Accel-Mapping: /a=/b', 'X-Sendfile-Type: X-Accel-Redirect', 'SCGI-Keepalive: 1'),
    answer: OK,
    expect: {
      params: {
        HTTP_X_ACCEL_REDIRECT: undefined, HTTP_X_ACCEL_MAPPING: undefined, HTTP_X_SENDFILE_TYPE: undefined, HTTP_SCGI_KEEPALIVE: undefined,
      },
    },
    nginx: {
      why: 'it does not know them',
      params: { HTTP_X_ACCEL_REDIRECT: '/x', HTTP_X_ACCEL_MAPPING: '/a=/b', HTTP_X_SENDFILE_TYPE: 'X-Accel-Redirect', HTTP_SCGI_KEEPALIVE: '1' },
    },
    apache: {
      why: 'it does not know them',
      params: { HTTP_X_ACCEL_REDIRECT: '/x', HTTP_X_ACCEL_MAPPING: '/a=/b', HTTP_X_SENDFILE_TYPE: 'X-Accel-Redirect', HTTP_SCGI_KEEPALIVE: '1' },
    },
  },
  {
    name: 'Host in capitals, with a port',
    request: 'GET /app/ HTTP/1.1\r\nHost: Gateway.TEST:8080\r\nConnection: close\r\n\r\n',
    answer: OK,
    expect: { params: { HTTP_HOST: 'gateway.test:8080' } },
    nginx: { why: 'it passed Host as it came', knownTo: '1.22.1', before: '1.31.5', params: { HTTP_HOST: 'Gateway.TEST:8080' } },
    apache: { why: 'it passes Host as it came', params: { HTTP_HOST: 'Gateway.TEST:8080' } },
  },
  {
    name: 'two lines of Host',
    request: get('/app/', 'Host: other.test'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
  },
  {
    name: 'HTTP/1.1 without Host',
    request: 'GET /app/ HTTP/1.1\r\nConnection: close\r\n\r\n',
    answer: OK,
    // Node's own answer, before Fastify.
    expect: { status: 400, reason: 'Bad Request', attempts: 0 },
    nginx: { why: 'it has a page', reason: '', body: GATEWAY },
    apache: { why: 'it has a page', reason: '', body: GATEWAY },
  },
  {
    name: 'two lines of Authorization',
    request: get('/app/', 'Authorization: Basic YTpi', 'Authorization: Basic Yzpk'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    apache: { why: 'it joins them', status: 200, reason: 'OK', body: '', attempts: 1 },
  },
  {
    name: 'two lines of If-None-Match',
    request: get('/app/', 'If-None-Match: "a"', 'If-None-Match: "b"'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    apache: { why: 'it joins them', status: 200, reason: 'OK', body: '', attempts: 1 },
  },
  {
    name: 'two lines of Range',
    request: get('/app/', 'Range: bytes=0-1', 'Range: bytes=2-3'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    nginx: { why: 'the first counts', status: 200, reason: 'OK', body: '', attempts: 1 },
    apache: { why: 'it joins them', status: 200, reason: 'OK', body: '', attempts: 1 },
  },
  {
    name: 'passRequestHeaders off',
    request: request('POST', '/noheaders/', ['X-A: 1', 'Content-Type: text/plain'], 'abc'),
    answer: OK,
    expect: { params: { HTTP_X_A: undefined, CONTENT_TYPE: 'text/plain', CONTENT_LENGTH: '3' }, sent: 'abc' },
    apache: { skip: 'it has no such directive' },
  },
  {
    name: 'params: constant, empty, ifNotEmpty that is empty, hidden headers',
    request: get('/params/', 'X-Secret: 1', 'X-Set: client', 'X-Gone: client'),
    answer: OK,
    expect: { params: { APP_MODE: 'test', APP_EMPTY: '', APP_GONE: undefined, HTTP_X_SECRET: undefined, HTTP_X_SET: '', HTTP_X_GONE: undefined } },
    apache: { skip: 'it has no parameters of its own, only its environment' },
  },
  {
    name: 'params: values from the request',
    request: get('/params/?gone=v', 'X-Set: client', 'X-Gone: client'),
    answer: OK,
    expect: { params: { APP_GONE: 'v', HTTP_X_SET: 'v', HTTP_X_GONE: 'v' } },
    apache: { skip: 'it has no parameters of its own, only its environment' },
  },

  // --- the body ---
  {
    name: 'a body with its length and type',
    request: request('POST', '/app/', ['Content-Type: application/x-www-form-urlencoded'], 'a=1&b=2'),
    answer: OK,
    expect: {
      params: { CONTENT_LENGTH: '7', CONTENT_TYPE: 'application/x-www-form-urlencoded', HTTP_CONTENT_TYPE: undefined, HTTP_CONTENT_LENGTH: undefined },
      sent: 'a=1&b=2',
    },
    nginx: { why: 'it sends them twice', params: { HTTP_CONTENT_TYPE: 'application/x-www-form-urlencoded', HTTP_CONTENT_LENGTH: '7' } },
  },
  {
    name: 'a body is not parsed: text that is no UTF-8',
    request: request('POST', '/app/', ['Content-Type: text/plain'], BYTES),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '12', CONTENT_TYPE: 'text/plain' }, sent: BYTES },
  },
  {
    name: 'a body is not parsed: broken JSON',
    request: request('POST', '/app/', ['Content-Type: application/json'], '{"a":'),
    answer: OK,
    expect: { params: { CONTENT_TYPE: 'application/json' }, sent: '{"a":' },
  },
  {
    name: 'a body whose Content-Type is none',
    request: request('POST', '/app/', ['Content-Type: ;;;'], 'abc'),
    answer: OK,
    expect: { params: { CONTENT_TYPE: ';;;', CONTENT_LENGTH: '3' }, sent: 'abc' },
  },
  {
    name: 'a body without Content-Type',
    request: request('PUT', '/app/x', [], 'abc'),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '3', REQUEST_METHOD: 'PUT' }, sent: 'abc' },
  },
  {
    name: 'GET with a body',
    request: request('GET', '/app/', [], 'abc'),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '3', REQUEST_METHOD: 'GET' }, sent: 'abc' },
  },
  {
    name: 'DELETE with a body',
    request: request('DELETE', '/app/', ['Content-Type: application/json'], '{}'),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '2', REQUEST_METHOD: 'DELETE' }, sent: '{}' },
  },
  {
    name: 'POST without a body',
    request: request('POST', '/app/'),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '0' } },
  },
  {
    name: 'POST with Content-Length 0',
    request: request('POST', '/app/', [], ''),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '0' } },
  },
  {
    name: 'a body that does not fit memory',
    request: request('POST', '/app/', [], BODY_100K),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '102400' }, sent: BODY_100K },
  },
  {
    name: 'a body that is streamed',
    request: request('POST', '/stream/', [], BODY_100K),
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '102400' }, sent: BODY_100K },
    nginx: { skip: 'in old versions CONTENT_LENGTH is that of the part which came with the head' },
  },
  {
    name: 'a chunked body',
    request: request('POST', '/app/', ['Transfer-Encoding: chunked']) + '5\r\nhello\r\n2;x=1\r\n, \r\n5\r\nworld\r\n0\r\nX-T: 1\r\n\r\n',
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '12', HTTP_TRANSFER_ENCODING: undefined, HTTP_CONTENT_LENGTH: undefined }, sent: 'hello, world' },
    nginx: { ...HOP_BY_HOP, params: { HTTP_TRANSFER_ENCODING: 'chunked' } },
    apache: { why: 'it takes no body of unknown length', ...own(411), attempts: 0, params: { CONTENT_LENGTH: undefined }, sent: '' },
  },
  {
    name: 'a chunked body where bodies are streamed',
    request: request('POST', '/stream/', ['Transfer-Encoding: chunked']) + '5\r\nhello\r\n0\r\n\r\n',
    answer: OK,
    expect: { params: { CONTENT_LENGTH: '5' }, sent: 'hello' },
    apache: { why: 'it takes no body of unknown length', ...own(411), attempts: 0, params: { CONTENT_LENGTH: undefined }, sent: '' },
  },
  {
    name: 'a malformed chunk',
    request: request('POST', '/app/', ['Transfer-Encoding: chunked']) + 'zz\r\nhello\r\n0\r\n\r\n',
    answer: OK,
    expect: own(400, { attempts: 0 }),
    apache: { why: 'it takes no body of unknown length', status: 411 },
  },
  {
    name: 'Content-Length with Transfer-Encoding',
    request: request('POST', '/app/', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    answer: OK,
    expect: own(400, { attempts: 0 }),
    apache: { why: 'it takes no body of unknown length', status: 411 },
  },
  {
    name: 'a body over the limit',
    request: request('POST', '/app/', ['Content-Length: 1048577']),
    answer: OK,
    expect: own(413, { attempts: 0 }),
  },
  {
    name: 'Expect: 100-continue is answered by the gateway',
    request: request('POST', '/app/', ['Expect: 100-continue'], 'abc'),
    answer: OK,
    expect: { informational: [100], params: { CONTENT_LENGTH: '3', HTTP_EXPECT: '100-continue' }, sent: 'abc' },
  },
  {
    name: 'passRequestBody off',
    request: request('POST', '/nobody/', [], 'abc'),
    answer: (exchange) => exchange.end(OK),
    expect: { params: { CONTENT_LENGTH: '0' } },
    apache: { skip: 'it has no such directive' },
    nginx: { why: 'it announces the body that it does not send', params: { CONTENT_LENGTH: '3' } },
  },
]
