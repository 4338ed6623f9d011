import { get, own, reply, request, without } from './row.ts'
import type { Row } from './row.ts'

const TARGET = reply(['Status: 200 OK', 'Content-Type: text/plain'], 'target')
const BODY_100K = 'abcdefghij'.repeat(10240)

const PAGE = '<p>0123456789</p>'
const OF_PAGE = { 'accept-ranges': 'bytes', etag: '"2ebdea21-11"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }

function to (target: string, ...lines: string[]): string {
  return reply([`X-Accel-Redirect: ${target}`, ...lines], 'first')
}

/** X-Accel-Redirect, X-Accel-Charset, X-Accel-Limit-Rate, X-Accel-Buffering. `/app` is the application again, `/files` a directory. */
export const accelRows: Row[] = without('apache', [
  {
    name: 'a redirect onto the application',
    request: get('/app/first?a=1'),
    answer: [to('/app/second'), TARGET],
    expect: {
      headers: { 'content-type': 'text/plain' },
      body: 'target',
      attempts: 2,
      params: { REQUEST_METHOD: 'GET', SCRIPT_NAME: '/app', PATH_INFO: '/second', QUERY_STRING: '', REQUEST_URI: '/app/first?a=1', DOCUMENT_URI: '/app/second' },
    },
  },
  {
    name: 'a query of the target\'s',
    request: get('/app/first?a=1'),
    answer: [to('/app/second?b=%32&c=d e'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/second', QUERY_STRING: 'b=%32&c=d%20e' } },
    nginx: { why: 'it passes on what no query can hold', params: { QUERY_STRING: 'b=%32&c=d e' } },
  },
  {
    name: 'an empty query of the target\'s',
    request: get('/app/first?a=1'),
    answer: [to('/app/second?'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/second', QUERY_STRING: '' } },
  },
  {
    name: 'escapes in the target\'s path',
    request: get('/app/first'),
    answer: [to('/app/a%20b%3Fc%2fd%25'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/a b?c/d%', QUERY_STRING: '' } },
  },
  {
    name: 'blanks and bytes above 0x7f in the target\'s path',
    request: get('/app/first'),
    answer: [to('/app/a b\xc3\xa9'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/a b\xc3\xa9', QUERY_STRING: '' } },
  },
  {
    name: 'a malformed escape in the target\'s path',
    request: get('/app/first'),
    answer: [to('/app/a%zz'), TARGET],
    expect: own(404),
    nginx: { why: 'it makes something of it', status: 200, reason: 'OK', headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2 },
  },
  {
    name: 'a fragment in the target',
    request: get('/app/first'),
    answer: [to('/app/a#b'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/a#b', QUERY_STRING: '' } },
  },
  {
    name: 'a dot segment in the target\'s path',
    request: get('/app/first'),
    answer: [to('/app/./a//b'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/a/b' } },
    nginx: { why: 'it resolves dot segments and merges slashes of what the client sends, and not these', params: { PATH_INFO: '/./a//b' } },
  },
  ...['', '?a', '/app/../app/x', '/app/%2e%2e/x', '/app/..', '/app/a%00b', 'http://gateway.test/app/x', 'app/x', '/nowhere'].map((target): Row => ({
    name: `a target that leads nowhere: '${target}'`,
    request: get('/app/first'),
    answer: [to(target), TARGET],
    expect: own(404),
  })),
  {
    name: 'a redirect onto a file, with what is carried and nothing else',
    request: get('/app/first'),
    answer: to('/files/page.html', 'Status: 201 Created', 'Content-Type: text/x-first', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Content-Disposition: attachment',
      'Cache-Control: no-store', 'Expires: Thu, 01 Jan 1970 00:00:01 GMT', 'X-First: no', 'ETag: "first"', 'Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT',
      'Content-Language: de', 'Content-Encoding: br', 'Content-Length: 5'),
    expect: {
      headers: {
        ...OF_PAGE,
        'content-type': 'text/x-first',
        'set-cookie': ['a=1', 'b=2'],
        'content-disposition': 'attachment',
        'cache-control': 'no-store',
        expires: 'Thu, 01 Jan 1970 00:00:01 GMT',
      },
      body: PAGE,
    },
  },
  {
    name: 'a redirect onto a file, with nothing to carry',
    request: get('/app/first'),
    answer: to('/files/page.html'),
    expect: { headers: { ...OF_PAGE, 'content-type': 'text/html' }, body: PAGE },
  },
  {
    name: 'a redirect of an error is followed, without its status',
    request: get('/app/first'),
    answer: to('/files/page.html', 'Status: 404 Not Found'),
    expect: { headers: { ...OF_PAGE, 'content-type': 'text/html' }, body: PAGE },
  },
  {
    name: 'Accept-Ranges is carried',
    request: get('/app/first'),
    answer: [to('/app/second', 'Accept-Ranges: none'), TARGET],
    expect: { headers: { 'content-type': 'text/plain', 'accept-ranges': 'none' }, body: 'target', attempts: 2 },
  },
  {
    name: 'a target with a type of its own',
    request: get('/app/first'),
    answer: [to('/app/second', 'Content-Type: text/x-first'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2 },
  },
  {
    name: 'a target without a type',
    request: get('/app/first'),
    answer: [to('/app/second', 'Content-Type: text/x-first'), reply(['Status: 200 OK'], 'target')],
    expect: { headers: { 'content-type': 'text/x-first' }, body: 'target', attempts: 2 },
  },
  {
    name: 'two redirects: what the first carries stays',
    request: get('/app/first'),
    answer: [
      to('/app/second', 'Content-Type: text/x-first', 'Set-Cookie: a=1', 'Cache-Control: no-store'),
      to('/app/third', 'Content-Disposition: attachment', 'Cache-Control: private'),
      reply(['Status: 203 Third', 'Set-Cookie: c=3'], 'third'),
    ],
    expect: {
      status: 203,
      reason: 'Third',
      headers: { 'content-type': 'text/x-first', 'content-disposition': 'attachment', 'cache-control': 'private', 'set-cookie': ['a=1', 'c=3'] },
      body: 'third',
      attempts: 3,
    },
    nginx: { why: 'it carries each, here the last one counts', headers: { 'cache-control': ['no-store', 'private'] } },
  },
  {
    name: 'a target that has what is carried',
    request: get('/app/first'),
    answer: [to('/app/second', 'Cache-Control: no-store', 'Expires: Thu, 01 Jan 1970 00:00:01 GMT'), reply(['Cache-Control: max-age=5', 'Expires: 0'], 'target')],
    expect: { headers: { 'cache-control': 'no-store', expires: 'Thu, 01 Jan 1970 00:00:01 GMT' }, body: 'target', attempts: 2 },
    nginx: {
      why: 'it sends both, here what is carried goes before',
      headers: { 'cache-control': ['no-store', 'max-age=5'], expires: ['Thu, 01 Jan 1970 00:00:01 GMT', '0'] },
    },
  },
  {
    name: 'a target that says 404: what is carried goes with it',
    request: get('/app/first'),
    answer: [to('/app/second', 'Content-Type: text/x-first', 'Set-Cookie: a=1'), reply(['Status: 404 Not Found', 'Content-Type: text/plain'], 'gone')],
    expect: { status: 404, reason: 'Not Found', headers: { 'content-type': 'text/plain', 'set-cookie': 'a=1' }, body: 'gone', attempts: 2 },
  },
  {
    name: 'a file that is not there: what is carried goes with it',
    request: get('/app/first'),
    answer: to('/files/none', 'Set-Cookie: a=1'),
    expect: own(404, { headers: { 'set-cookie': 'a=1' } }),
  },
  {
    name: 'a directory',
    request: get('/app/first'),
    answer: to('/files/'),
    expect: own(404),
    nginx: { why: 'it could have listed it, and may not', status: 403 },
  },
  {
    name: 'an internal location, asked for by a client',
    request: get('/files/page.html'),
    answer: TARGET,
    expect: own(404, { attempts: 0 }),
  },
  {
    name: 'a file whose name needs escapes',
    request: get('/app/first'),
    answer: to('/files/a%20b%3F.txt', 'Content-Type: text/plain'),
    expect: { headers: { 'accept-ranges': 'bytes', etag: '"2ebdea21-7"', 'last-modified': OF_PAGE['last-modified'], 'content-type': 'text/plain' }, body: 'escaped' },
  },
  {
    name: 'HEAD of a file',
    request: request('HEAD', '/app/first'),
    answer: to('/files/page.html'),
    expect: { headers: { ...OF_PAGE, 'content-type': 'text/html', 'content-length': '17' }, params: { REQUEST_METHOD: 'HEAD' } },
  },
  {
    name: 'HEAD onto the application',
    request: request('HEAD', '/app/first'),
    answer: [to('/app/second'), reply(['Status: 200 OK', 'Content-Length: 6'])],
    expect: { headers: { 'content-length': '6' }, attempts: 2, params: { REQUEST_METHOD: 'HEAD' } },
  },
  {
    name: 'a range of a file',
    request: get('/app/first', 'Range: bytes=3-5'),
    answer: to('/files/page.html'),
    expect: {
      status: 206,
      reason: 'Partial Content',
      body: '012',
      params: { HTTP_RANGE: 'bytes=3-5' },
      headers: { etag: OF_PAGE.etag, 'last-modified': OF_PAGE['last-modified'], 'content-type': 'text/html', 'content-range': 'bytes 3-5/17' },
    },
  },
  {
    name: 'ranges of a file',
    request: get('/app/first', 'Range: bytes=10-12,0-2'),
    answer: to('/files/page.html'),
    expect: {
      status: 206,
      reason: 'Partial Content',
      headers: { etag: OF_PAGE.etag, 'last-modified': OF_PAGE['last-modified'], 'content-type': 'multipart/byteranges; boundary=BOUNDARY' },
      body: '\r\n--BOUNDARY\r\nContent-Type: text/html\r\nContent-Range: bytes 10-12/17\r\n\r\n789\r\n--BOUNDARY\r\nContent-Type: text/html\r\nContent-Range: bytes 0-2/17\r\n\r\n<p>\r\n--BOUNDARY--\r\n',
    },
  },
  {
    name: 'a range of a file that it has not',
    request: get('/app/first', 'Range: bytes=17-'),
    answer: to('/files/page.html'),
    expect: own(416, { headers: { 'content-range': 'bytes */17' } }),
  },
  {
    name: 'a condition about a file that holds',
    request: get('/app/first', 'If-None-Match: "2ebdea21-11"'),
    answer: to('/files/page.html', 'Cache-Control: max-age=5'),
    expect: { status: 304, reason: 'Not Modified', headers: { etag: OF_PAGE.etag, 'last-modified': OF_PAGE['last-modified'], 'cache-control': 'max-age=5' } },
  },
  {
    name: 'a condition about a file that does not hold',
    request: get('/app/first', 'If-Unmodified-Since: Mon, 07 Nov 1994 08:49:36 GMT'),
    answer: to('/files/page.html'),
    expect: own(412),
  },
  {
    name: 'If-Modified-Since after the file\'s time',
    request: get('/app/first', 'If-Modified-Since: Mon, 07 Nov 1994 08:49:38 GMT'),
    answer: to('/files/page.html'),
    expect: { headers: { ...OF_PAGE, 'content-type': 'text/html' }, body: PAGE },
  },
  {
    name: 'POST becomes GET, with its body',
    request: request('POST', '/app/first', ['Content-Type: text/plain'], BODY_100K),
    answer: [to('/app/second'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { REQUEST_METHOD: 'GET', CONTENT_LENGTH: '102400', CONTENT_TYPE: 'text/plain' }, sent: BODY_100K },
  },
  {
    name: 'DELETE becomes GET',
    request: request('DELETE', '/app/first'),
    answer: [to('/app/second'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { REQUEST_METHOD: 'GET', CONTENT_LENGTH: '0' } },
  },
  {
    name: 'POST onto a file',
    request: request('POST', '/app/first', [], 'abc'),
    answer: to('/files/page.html'),
    expect: { headers: { ...OF_PAGE, 'content-type': 'text/html' }, body: PAGE, sent: 'abc' },
  },
  {
    name: 'a named location',
    request: request('POST', '/app/first?a=1', ['Content-Type: text/plain'], 'abc'),
    answer: [to('@fallback'), TARGET],
    expect: {
      headers: { 'content-type': 'text/plain' },
      body: 'target',
      attempts: 2,
      params: { REQUEST_METHOD: 'POST', REQUEST_URI: '/app/first?a=1', QUERY_STRING: 'a=1', DOCUMENT_URI: '/app/first', CONTENT_TYPE: 'text/plain' },
      sent: 'abc',
    },
  },
  {
    name: 'a named location that nobody has',
    request: get('/app/first'),
    answer: [to('@nobody'), TARGET],
    expect: own(500),
  },
  {
    name: 'ten redirects',
    request: get('/app/first'),
    answer: [...Array.from({ length: 10 }, () => to('/app/again')), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 11 },
  },
  {
    name: 'eleven redirects',
    request: get('/app/first'),
    answer: to('/app/again'),
    expect: own(500, { attempts: 11 }),
  },
  {
    name: 'a redirect that is ignored',
    request: get('/ignore/first'),
    answer: to('/app/second', 'Status: 201 Created'),
    expect: { status: 201, reason: 'Created', body: 'first' },
  },
  {
    name: 'two redirects in one reply',
    request: get('/app/first'),
    answer: [to('/app/second', 'X-Accel-Redirect: /app/third'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2, params: { PATH_INFO: '/second' } },
  },
  {
    name: 'Location and a redirect',
    request: get('/app/first'),
    answer: [to('/app/second', 'Location: http://other.test/'), TARGET],
    expect: { headers: { 'content-type': 'text/plain' }, body: 'target', attempts: 2 },
  },

  {
    name: 'a charset for a type without one',
    request: get('/app/'),
    answer: reply(['Content-Type: text/plain', 'X-Accel-Charset: koi8-r'], 'x'),
    expect: { headers: { 'content-type': 'text/plain; charset=koi8-r' }, body: 'x' },
  },
  {
    name: 'a charset for a type that is no text',
    request: get('/app/'),
    answer: reply(['Content-Type: application/json', 'X-Accel-Charset: utf-8'], '{}'),
    expect: { headers: { 'content-type': 'application/json; charset=utf-8' }, body: '{}' },
  },
  {
    name: 'a charset for a type that has another',
    request: get('/app/'),
    answer: reply(['Content-Type: text/plain; charset=iso-8859-1', 'X-Accel-Charset: koi8-r'], 'x'),
    expect: { headers: { 'content-type': 'text/plain; charset=iso-8859-1' }, body: 'x' },
  },
  {
    name: 'a charset for a type that has the same',
    request: get('/app/'),
    answer: reply(['Content-Type: text/plain; charset=KOI8-R', 'X-Accel-Charset: koi8-r'], 'x'),
    expect: { headers: { 'content-type': 'text/plain; charset=koi8-r' }, body: 'x' },
  },
  {
    name: 'a charset that nobody knows',
    request: get('/app/'),
    answer: reply(['Content-Type: text/plain', 'X-Accel-Charset: klingon'], 'x'),
    expect: { headers: { 'content-type': 'text/plain' }, body: 'x' },
  },
  {
    name: 'a charset that is off',
    request: get('/app/'),
    answer: reply(['Content-Type: text/plain', 'X-Accel-Charset: off'], 'x'),
    expect: { headers: { 'content-type': 'text/plain' }, body: 'x' },
  },
  {
    name: 'a charset without a type',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-Accel-Charset: utf-8'], 'x'),
    expect: { body: 'x' },
  },
  {
    name: 'a charset of a redirect',
    request: get('/app/'),
    answer: reply(['Status: 302 Found', 'Location: http://other.test/', 'Content-Type: text/plain', 'X-Accel-Charset: utf-8'], 'x'),
    expect: { status: 302, reason: 'Found', headers: { location: 'http://other.test/', 'content-type': 'text/plain' }, body: 'x' },
  },
  {
    name: 'a charset of an error',
    request: get('/app/'),
    answer: reply(['Status: 404 Not Found', 'Content-Type: text/plain', 'X-Accel-Charset: utf-8'], 'x'),
    expect: { status: 404, reason: 'Not Found', headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'x' },
  },
  {
    name: 'a charset that is ignored',
    request: get('/ignore/'),
    answer: reply(['Content-Type: text/plain', 'X-Accel-Charset: utf-8'], 'x'),
    expect: { headers: { 'content-type': 'text/plain' }, body: 'x' },
  },
  {
    name: 'a charset stays after a redirect',
    request: get('/app/first'),
    answer: [to('/app/second', 'X-Accel-Charset: utf-8'), TARGET],
    expect: { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: 'target', attempts: 2 },
  },

  // At 10 bytes a second 100 bytes take nine seconds or more: what ends in time was not slowed down.
  ...['', 'fast', '-1', '10k', '10.5', '0x10', '1e1', '0', '99999999999'].map((rate): Row => ({
    name: `a rate that limits nothing: '${rate}'`,
    request: get('/app/'),
    answer: reply([`X-Accel-Limit-Rate: ${rate}`], 'x'.repeat(100)),
    expect: { body: 'x'.repeat(100) },
  })),
  {
    name: 'a rate that is ignored',
    request: get('/ignore/'),
    answer: reply(['X-Accel-Limit-Rate: 10'], 'x'.repeat(100)),
    expect: { body: 'x'.repeat(100) },
  },
  {
    name: 'a rate of a reply that is not buffered',
    request: get('/stream/'),
    answer: reply(['X-Accel-Limit-Rate: 10'], 'x'.repeat(100)),
    expect: { body: 'x'.repeat(100) },
  },
  {
    name: 'a rate of a reply that says not to buffer it',
    request: get('/app/'),
    answer: reply(['X-Accel-Buffering: no', 'X-Accel-Limit-Rate: 10'], 'x'.repeat(100)),
    expect: { body: 'x'.repeat(100) },
  },
  {
    name: 'a rate, whose reply is whole',
    request: get('/app/'),
    answer: reply(['X-Accel-Limit-Rate: 50', 'Content-Length: 60'], 'x'.repeat(60)),
    expect: { body: 'x'.repeat(60) },
  },
  ...['yes', 'no', 'NO', 'off', '1', ''].map((value): Row => ({
    name: `X-Accel-Buffering: '${value}'`,
    request: get('/app/'),
    answer: reply([`X-Accel-Buffering: ${value}`], 'x'),
    expect: { body: 'x' },
  })),
])
