import { get, own, reply, request } from './row.ts'
import type { Row } from './row.ts'

const ALL_BYTES = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i))
const LARGE = ALL_BYTES.repeat(1200)

const NO_LENGTH = { why: 'it removes Content-Length and takes every byte until the connection closes' }
const CHUNKED_AS_IT_IS = { why: 'it removes Transfer-Encoding and passes the coding as the body' }

/** Where the body of a reply ends, and what is made of a body that ends elsewhere. */
export const bodyRows: Row[] = [
  {
    name: 'a body of Content-Length bytes',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 256'], ALL_BYTES),
    expect: { body: ALL_BYTES },
  },
  {
    name: 'a body that ends with the connection',
    request: get('/app/'),
    answer: reply(['Status: 200 OK'], ALL_BYTES),
    expect: { body: ALL_BYTES },
  },
  {
    name: 'the application keeps the connection open after Content-Length bytes',
    request: get('/slow/'),
    answer: async (exchange) => {
      await exchange.write(reply(['Status: 200 OK', 'Content-Length: 5'], 'hello'))
      await exchange.closed
    },
    expect: { body: 'hello' },
    apache: { why: 'it ignores Content-Length and waits for the connection to close', cut: true },
  },
  {
    name: '300 kB with Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', `Content-Length: ${LARGE.length}`], LARGE),
    expect: { body: LARGE },
  },
  {
    name: '300 kB until the connection closes',
    request: get('/app/'),
    answer: reply(['Status: 200 OK'], LARGE),
    expect: { body: LARGE },
  },
  {
    name: '300 kB unbuffered',
    request: get('/stream/'),
    answer: reply(['Status: 200 OK'], LARGE),
    expect: { body: LARGE },
  },
  {
    name: 'a body in pieces',
    request: get('/app/'),
    answer: async (exchange) => {
      await exchange.writeEach([reply(['Status: 200 OK']), 'one ', 'two ', 'three'])
      await exchange.end()
    },
    expect: { body: 'one two three' },
  },
  {
    name: 'Content-Length 0',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 0']),
    expect: {},
  },
  {
    name: 'an empty body until the connection closes',
    request: get('/app/'),
    answer: reply(['Status: 200 OK']),
    expect: {},
  },
  {
    name: 'surplus bytes are cut',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5'], 'hello, world'),
    expect: { body: 'hello' },
    apache: { ...NO_LENGTH, body: 'hello, world' },
  },
  {
    name: 'surplus bytes after Content-Length 0',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 0'], 'HTTP/1.1 200 OK\r\n\r\n'),
    expect: {},
    apache: { ...NO_LENGTH, body: 'HTTP/1.1 200 OK\r\n\r\n' },
  },
  {
    name: 'surplus bytes that come later',
    request: get('/app/'),
    answer: async (exchange) => {
      await exchange.writeEach([reply(['Status: 200 OK', 'Content-Length: 5'], 'hel'), 'lo and', ' more'])
      await exchange.end()
    },
    expect: { body: 'hello' },
    apache: { ...NO_LENGTH, body: 'hello and more' },
  },
  {
    name: 'a short body cuts the client',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 10'], 'hello'),
    expect: { body: 'hello', cut: true },
    apache: { ...NO_LENGTH, cut: false },
  },
  {
    name: 'no byte of the body that was announced',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 10']),
    expect: { cut: true },
    apache: { ...NO_LENGTH, cut: false },
  },
  {
    name: 'a reset inside a body with Content-Length',
    request: get('/tcp/'),
    answer: async (exchange) => {
      await exchange.writeEach([reply(['Status: 200 OK', 'Content-Length: 10'], 'hello')])
      await exchange.taken()
      exchange.reset()
    },
    expect: { body: 'hello', cut: true },
    nginx: { why: 'what it holds in a buffer may be lost with the connection', chance: ['body'] },
    apache: { skip: 'what it has read when the connection breaks is lost or not, by chance' },
  },
  {
    name: 'a reset inside a body without Content-Length',
    request: get('/tcp/'),
    answer: async (exchange) => {
      await exchange.writeEach([reply(['Status: 200 OK']), 'hello'])
      await exchange.taken()
      exchange.reset()
    },
    expect: { body: 'hello', cut: true },
    nginx: { why: 'what it holds in a buffer may be lost with the connection', chance: ['body'] },
    apache: { skip: 'what it has read when the connection breaks is lost or not, by chance' },
  },
  {
    name: 'a reset together with the last bytes of a body without Content-Length',
    request: get('/tcp/'),
    answer: async (exchange) => {
      await exchange.write(reply(['Status: 200 OK'], 'hello'))
      exchange.reset()
    },
    expect: { body: 'hello', cut: true },
    nginx: { why: 'what it holds in a buffer may be lost with the connection', chance: ['body'] },
    apache: { skip: 'what it has read when the connection breaks is lost or not, by chance' },
  },
  {
    name: 'a body that stalls for longer than the read timeout',
    request: get('/slow/'),
    answer: async (exchange) => {
      await exchange.write(reply(['Status: 200 OK', 'Content-Length: 10'], 'hello'))
      await exchange.closed
    },
    expect: { body: 'hello', cut: true },
    nginx: { why: 'what it holds in a buffer is lost with the connection', body: '' },
  },
  {
    name: 'HEAD with Content-Length',
    request: request('HEAD', '/app/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/plain', 'Content-Length: 5']),
    expect: { headers: { 'content-type': 'text/plain', 'content-length': '5' }, params: { REQUEST_METHOD: 'HEAD' } },
    apache: { ...NO_LENGTH, headers: { 'content-length': undefined } },
  },
  {
    name: 'HEAD without Content-Length',
    request: request('HEAD', '/app/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/plain']),
    expect: { headers: { 'content-type': 'text/plain' } },
  },
  {
    name: 'HEAD answered with a body',
    request: request('HEAD', '/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5'], 'hello'),
    expect: { headers: { 'content-length': '5' } },
    apache: { why: 'it counts what is there when the reply begins', chance: ['headers.content-length'] },
  },
  {
    name: 'HEAD of a page that is not there',
    request: request('HEAD', '/app/'),
    answer: reply(['Status: 404 Not Found', 'Content-Length: 5']),
    expect: { status: 404, reason: 'Not Found', headers: { 'content-length': '5' } },
    apache: { ...NO_LENGTH, headers: { 'content-length': undefined } },
  },
  {
    name: '204',
    request: request('DELETE', '/app/x'),
    answer: reply(['Status: 204 No Content', 'X-A: 1']),
    expect: { status: 204, reason: 'No Content', headers: { 'x-a': '1' } },
  },
  {
    name: '204 with a body',
    request: get('/app/'),
    answer: reply(['Status: 204 No Content', 'X-A: 1'], 'hello'),
    expect: { status: 204, reason: 'No Content', headers: { 'x-a': '1' } },
  },
  {
    name: '204 with Content-Type and Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 204 No Content', 'Content-Type: text/plain', 'Content-Length: 5'], 'hello'),
    expect: { status: 204, reason: 'No Content', headers: { 'content-type': 'text/plain' } },
    nginx: { why: 'it keeps the length of a body that cannot be', headers: { 'content-length': '5' } },
    apache: { why: 'it takes away the headers of a body that cannot be', headers: { 'content-type': undefined } },
  },
  {
    name: '204 of three digits with Content-Type and Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 204', 'Content-Type: text/plain', 'Content-Length: 5'], 'hello'),
    expect: { status: 204, reason: 'No Content', headers: { 'content-type': 'text/plain' } },
    nginx: [
      { why: 'it takes the type away where the phrase is its own', since: '1.31.5', headers: { 'content-type': undefined } },
      { why: 'it kept the length, and sent no phrase', knownTo: '1.22.1', before: '1.31.5', reason: '', headers: { 'content-length': '5' } },
    ],
    apache: { why: 'it takes away the headers of a body that cannot be', headers: { 'content-type': undefined } },
  },
  {
    name: '304',
    request: get('/app/', 'If-None-Match: "a"'),
    answer: reply(['Status: 304 Not Modified', 'ETag: "a"', 'Cache-Control: max-age=60']),
    expect: {
      status: 304, reason: 'Not Modified', headers: { etag: '"a"', 'cache-control': 'max-age=60' }, params: { HTTP_IF_NONE_MATCH: '"a"' },
    },
  },
  {
    name: '304 with Content-Length and a body',
    request: get('/app/'),
    answer: reply(['Status: 304 Not Modified', 'ETag: "a"', 'Content-Length: 5'], 'hello'),
    expect: { status: 304, reason: 'Not Modified', headers: { etag: '"a"', 'content-length': '5' } },
    apache: { ...NO_LENGTH, headers: { 'content-length': undefined } },
  },
  {
    name: 'a full reply to a conditional request is passed as it is',
    request: get('/app/', 'If-None-Match: "a"'),
    answer: reply(['Status: 200 OK', 'ETag: "a"', 'Content-Length: 5'], 'hello'),
    expect: { headers: { etag: '"a"' }, body: 'hello' },
  },
  {
    name: 'a full reply to a Range request is passed as it is',
    request: get('/app/', 'Range: bytes=0-1'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5'], 'hello'),
    expect: { body: 'hello' },
  },
  {
    name: 'a chunked body is decoded',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n'),
    expect: { body: 'hello, world' },
    nginx: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n' },
    apache: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n7;x=1\r\n, world\r\n0\r\n\r\n' },
  },
  {
    name: 'a chunked body with trailers',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: Chunked'], '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n'),
    expect: { body: 'hello' },
    nginx: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n' },
    apache: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n' },
  },
  {
    name: 'a chunked body that is malformed',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: chunked'], '5\r\nhello\r\nxyz\r\n'),
    expect: { body: 'hello', cut: true },
    nginx: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\nxyz\r\n', cut: false },
    apache: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\nxyz\r\n', cut: false },
  },
  {
    name: 'a chunked body that ends too early',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
    expect: { body: 'hello', cut: true },
    nginx: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n', cut: false },
    apache: { ...CHUNKED_AS_IT_IS, body: '5\r\nhello\r\n', cut: false },
  },
  {
    name: 'an HTTP/1.0 client gets the body until the connection closes',
    request: 'GET /app/ HTTP/1.0\r\nHost: gateway.test\r\n\r\n',
    answer: reply(['Status: 200 OK'], 'hello'),
    expect: { body: 'hello', params: { SERVER_PROTOCOL: 'HTTP/1.0' } },
  },
  {
    name: 'an HTTP/1.0 client and a short body',
    request: 'GET /app/ HTTP/1.0\r\nHost: gateway.test\r\n\r\n',
    answer: reply(['Status: 200 OK', 'Content-Length: 10'], 'hello'),
    expect: { body: 'hello', cut: true },
    apache: { ...NO_LENGTH, cut: false },
  },
  {
    name: 'the application never answers',
    request: get('/slow/'),
    answer: (exchange) => exchange.closed,
    expect: own(504),
  },
  {
    name: 'the head stalls half way',
    request: get('/slow/'),
    answer: async (exchange) => {
      await exchange.write('Status: 200 OK\r\n')
      await exchange.closed
    },
    expect: own(504),
    apache: { skip: 'its shortest timeout is a second; the row before shows it' },
  },
]
