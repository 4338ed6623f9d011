import { get, own, reply, request, without } from './row.ts'
import type { Row } from './row.ts'

const TARGET = reply(['Status: 200 OK', 'Content-Type: text/plain', 'X-Target: yes'], 'target')
const OF_TARGET = { headers: { 'content-type': 'text/plain', 'x-target': 'yes' }, body: 'target', attempts: 2 }

const PAGE = '<p>0123456789</p>'

/** ProxySCGIInternalRedirect and ProxySCGISendfile. */
export const localRows: Row[] = without('nginx', [
  {
    name: 'a path in Location, of status 200',
    request: get('/app/first?a=1'),
    answer: [reply(['Status: 200 OK', 'Location: /app/second?b=2'], 'first'), TARGET],
    expect: { ...OF_TARGET, params: { PATH_INFO: '/second', QUERY_STRING: 'b=2', REQUEST_METHOD: 'GET' } },
  },
  {
    name: 'a path in Location, without Status',
    request: get('/app/first'),
    answer: [reply(['Location: /app/second', 'X-First: yes']), TARGET],
    expect: { ...OF_TARGET, headers: { ...OF_TARGET.headers, 'x-first': 'yes' } },
  },
  ...['301 Moved', '302 Found', '303 See Other', '307 Again', '201 Created'].map((status): Row => ({
    name: `a path in Location, of status ${status}`,
    request: get('/app/first'),
    answer: reply([`Status: ${status}`, 'Location: /app/second'], 'first'),
    expect: { status: Number(status.slice(0, 3)), reason: status.slice(4), headers: { location: '/app/second' }, body: 'first' },
  })),
  {
    name: 'a URL in Location, of status 200',
    request: get('/app/first'),
    answer: reply(['Status: 200 OK', 'Location: http://other.test/app/second'], 'first'),
    expect: { headers: { location: 'http://other.test/app/second' }, body: 'first' },
  },
  {
    name: 'two slashes at the beginning are one',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: //app/second'], 'first'), TARGET],
    expect: { ...OF_TARGET, params: { PATH_INFO: '/second' } },
  },
  {
    name: 'another host is none',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: //other.test/x'], 'first'), TARGET],
    expect: own(404),
  },
  {
    name: 'a path that is nowhere',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /nowhere'], 'first'), TARGET],
    expect: own(404),
  },
  {
    name: 'a path that leads upwards',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /app/../app/second'], 'first'), TARGET],
    expect: own(404),
  },
  {
    name: 'escapes in the path',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /app/a%20b%3Fc'], 'first'), TARGET],
    expect: { ...OF_TARGET, params: { PATH_INFO: '/a b?c' } },
  },
  {
    name: 'an internal location is none of its targets',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /files/page.html'], 'first'), TARGET],
    expect: own(404),
  },
  {
    name: 'POST becomes GET',
    request: request('POST', '/app/first', [], 'abc'),
    answer: [reply(['Status: 200 OK', 'Location: /app/second'], 'first'), TARGET],
    expect: { ...OF_TARGET, params: { REQUEST_METHOD: 'GET' }, sent: 'abc' },
  },
  {
    name: 'HEAD stays',
    request: request('HEAD', '/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /app/second']), reply(['Status: 200 OK', 'X-Target: yes'])],
    expect: { headers: { 'x-target': 'yes' }, attempts: 2, params: { REQUEST_METHOD: 'HEAD' } },
  },
  {
    name: 'cookies and the like of the first reply survive, what describes its body does not',
    request: get('/app/first'),
    answer: [
      reply(['Status: 200 OK', 'Location: /app/second', 'Set-Cookie: a=1', 'X-First: yes', 'Cache-Control: no-store', 'Content-Type: text/x-first', 'ETag: "first"',
        'Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT', 'Content-Length: 5'], 'first'),
      TARGET,
    ],
    expect: { ...OF_TARGET, headers: { ...OF_TARGET.headers, 'set-cookie': 'a=1', 'x-first': 'yes', 'cache-control': 'no-store' } },
  },
  {
    name: 'cookies of both replies',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /app/second', 'Set-Cookie: a=1']), reply(['Status: 201 Made', 'Set-Cookie: b=2'], 'target')],
    expect: { status: 201, reason: 'Made', headers: { 'set-cookie': ['a=1', 'b=2'] }, body: 'target', attempts: 2 },
  },
  {
    name: 'a loop',
    request: get('/app/first'),
    answer: reply(['Status: 200 OK', 'Location: /app/first']),
    expect: own(500, { attempts: 11 }),
  },
  {
    name: 'off',
    request: get('/local/first'),
    answer: reply(['Status: 200 OK', 'Location: /app/second'], 'first'),
    expect: { headers: { location: '/app/second' }, body: 'first' },
  },
  {
    name: 'another header',
    request: get('/go/first'),
    answer: [reply(['Status: 200 OK', 'X-Go: /app/second'], 'first'), TARGET],
    expect: OF_TARGET,
  },
  {
    name: 'another header without a path is passed on',
    request: get('/go/first'),
    answer: reply(['Status: 200 OK', 'X-Go: second'], 'first'),
    expect: { headers: { 'x-go': 'second' }, body: 'first' },
  },
  {
    name: 'another header: Location is left alone',
    request: get('/go/first'),
    answer: reply(['Status: 200 OK', 'Location: /app/second'], 'first'),
    expect: { headers: { location: '/app/second' }, body: 'first' },
  },
])

/** The root of X-Sendfile is `Application.files`; `{files}` in an answer is its path. */
export const sendfileRows: Row[] = without('nginx', [
  {
    name: 'an absolute path',
    request: get('/sendfile/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/x-first', 'X-First: yes', 'X-Sendfile: {files}/page.html'], 'first'),
    expect: {
      headers: { 'content-type': 'text/x-first', 'x-first': 'yes', 'accept-ranges': 'bytes', etag: '"2ebdeda1-11"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' },
      body: PAGE,
    },
    apache: { why: 'it says nothing of the file', headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined } },
  },
])
