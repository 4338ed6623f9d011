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
    apache: { why: 'it resolves dot segments first', status: 200, reason: 'OK', ...OF_TARGET },
  },
  {
    name: 'escapes in the path',
    request: get('/app/first'),
    answer: [reply(['Status: 200 OK', 'Location: /app/a%20b%3Fc'], 'first'), TARGET],
    expect: { ...OF_TARGET, params: { PATH_INFO: '/a b?c' } },
    apache: { why: 'it does not decode it, neither here nor where the client sends it', params: { PATH_INFO: '/a%20b%3Fc' } },
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
    apache: { why: 'the first application has read the body, and it keeps none', sent: '' },
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

const FILE_TYPE = { 'content-type': 'text/html' }
const OF_FILE = { 'accept-ranges': 'bytes', etag: '"2ebdea21-11"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }
const SAYS_NOTHING = 'it says nothing of the file'

/** The root of X-Sendfile is `Application.files`; `{files}` in an answer is its path. */
export const sendfileRows: Row[] = without('nginx', [
  {
    name: 'an absolute path',
    request: get('/sendfile/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/x-first', 'X-First: yes', 'X-Sendfile: {files}/page.html'], 'first'),
    expect: { headers: { ...OF_FILE, 'content-type': 'text/x-first', 'x-first': 'yes' }, body: PAGE },
    apache: { why: SAYS_NOTHING, headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined } },
  },
  {
    name: 'a file without a type of the application\'s',
    request: get('/sendfile/'),
    answer: reply(['X-Sendfile: {files}/page.html']),
    expect: { headers: { ...OF_FILE, ...FILE_TYPE }, body: PAGE },
    apache: { why: SAYS_NOTHING, headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined, 'content-type': undefined } },
  },
  {
    name: 'status and headers are the application\'s, validators and length the file\'s',
    request: get('/sendfile/'),
    answer: reply(['Status: 201 Made', 'ETag: "mine"', 'Last-Modified: Tue, 08 Nov 1994 08:49:37 GMT', 'Content-Length: 5', 'Set-Cookie: a=1', 'X-Sendfile: {files}/page.html'], 'first'),
    expect: { status: 201, reason: 'Made', headers: { ...FILE_TYPE, etag: OF_FILE.etag, 'last-modified': OF_FILE['last-modified'], 'set-cookie': 'a=1' }, body: PAGE },
    apache: {
      why: 'the application\'s validators stay, for another body',
      headers: { 'content-type': undefined, etag: '"mine"', 'last-modified': 'Tue, 08 Nov 1994 08:49:37 GMT' },
    },
  },
  {
    name: 'of an error',
    request: get('/sendfile/'),
    answer: reply(['Status: 404 Not Found', 'Content-Type: text/html', 'X-Sendfile: {files}/page.html']),
    expect: { status: 404, reason: 'Not Found', headers: { ...FILE_TYPE, etag: OF_FILE.etag, 'last-modified': OF_FILE['last-modified'] }, body: PAGE },
    apache: { why: SAYS_NOTHING, headers: { etag: undefined, 'last-modified': undefined } },
  },
  {
    name: 'HEAD',
    request: request('HEAD', '/sendfile/'),
    answer: reply(['Content-Type: text/html', 'X-Sendfile: {files}/page.html']),
    expect: { headers: { ...OF_FILE, ...FILE_TYPE, 'content-length': '17' } },
    apache: { why: SAYS_NOTHING, headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined, 'content-length': undefined } },
  },
  {
    name: 'POST',
    request: request('POST', '/sendfile/', [], 'abc'),
    answer: reply(['Content-Type: text/html', 'X-Sendfile: {files}/page.html']),
    expect: { headers: { ...FILE_TYPE, etag: OF_FILE.etag, 'last-modified': OF_FILE['last-modified'] }, body: PAGE, sent: 'abc' },
    apache: { why: SAYS_NOTHING, headers: { etag: undefined, 'last-modified': undefined } },
  },
  {
    name: 'a range',
    request: get('/sendfile/', 'Range: bytes=3-5'),
    answer: reply(['Content-Type: text/html', 'X-Sendfile: {files}/page.html']),
    expect: {
      status: 206,
      reason: 'Partial Content',
      headers: { ...FILE_TYPE, etag: OF_FILE.etag, 'last-modified': OF_FILE['last-modified'], 'content-range': 'bytes 3-5/17' },
      body: '012',
    },
    apache: { why: 'it serves no ranges of it', status: 200, reason: 'OK', headers: { etag: undefined, 'last-modified': undefined, 'content-range': undefined }, body: PAGE },
  },
  {
    name: 'a condition that holds',
    request: get('/sendfile/', 'If-None-Match: "2ebdea21-11"'),
    answer: reply(['Content-Type: text/html', 'X-Sendfile: {files}/page.html']),
    expect: { status: 304, reason: 'Not Modified', headers: { etag: OF_FILE.etag, 'last-modified': OF_FILE['last-modified'] } },
    apache: { why: SAYS_NOTHING, status: 200, reason: 'OK', headers: { ...FILE_TYPE, etag: undefined, 'last-modified': undefined }, body: PAGE },
  },
  {
    name: 'no such file',
    request: get('/sendfile/'),
    answer: reply(['X-Sendfile: {files}/none.html'], 'first'),
    expect: own(404),
    apache: { why: 'whatever is wrong is 500', status: 500 },
  },
  {
    name: 'outside the root',
    request: get('/sendfile/'),
    answer: reply(['Content-Type: text/plain', 'X-Sendfile: /etc/passwd']),
    // Without a root, which one must name here, an application that copies a value of the client's into the header gives all away.
    expect: own(403),
    apache: { why: 'any file that it can read', status: 200, reason: 'OK', headers: { 'content-type': 'text/plain' }, chance: ['body'] },
  },
  {
    name: 'upwards out of the root',
    request: get('/sendfile/'),
    answer: reply(['X-Sendfile: {files}/../../../etc/passwd']),
    expect: own(403),
    apache: { why: 'any file that it can read', status: 200, reason: 'OK', body: '', chance: ['body'] },
  },
  {
    name: 'a directory',
    request: get('/sendfile/'),
    answer: reply(['X-Sendfile: {files}/']),
    expect: own(404),
    apache: { why: 'it finds nothing in it', status: 200, reason: 'OK', body: '' },
  },
  {
    name: 'a relative path begins at the root',
    request: get('/sendfile/'),
    answer: reply(['Content-Type: text/html', 'X-Sendfile: page.html']),
    expect: { headers: { ...OF_FILE, ...FILE_TYPE }, body: PAGE },
    apache: { why: 'it begins where there is nothing', ...own(500) },
  },
  {
    name: 'nothing is decoded',
    request: get('/sendfile/'),
    answer: reply(['Content-Type: text/plain', 'X-Sendfile: {files}/page%2ehtml']),
    expect: own(404),
    apache: { why: 'whatever is wrong is 500', status: 500 },
  },
  {
    name: 'blanks and the like in the name',
    request: get('/sendfile/'),
    answer: reply(['Content-Type: text/plain', 'X-Sendfile: {files}/a b?.txt']),
    expect: { headers: { ...OF_FILE, etag: '"2ebdea21-7"', 'content-type': 'text/plain' }, body: 'escaped' },
    apache: { why: SAYS_NOTHING, headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined } },
  },
  {
    name: 'a file and a redirect: the file',
    request: get('/sendfile/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/html', 'Location: /app/second', 'X-Sendfile: {files}/page.html']),
    expect: { headers: { ...OF_FILE, ...FILE_TYPE, location: '/app/second' }, body: PAGE },
    apache: { why: SAYS_NOTHING, headers: { 'accept-ranges': undefined, etag: undefined, 'last-modified': undefined } },
  },
  {
    name: 'off',
    request: get('/app/'),
    answer: reply(['X-Sendfile: {files}/page.html', 'Content-Length: 5'], 'first'),
    expect: { headers: { 'x-sendfile': '{files}/page.html' }, body: 'first' },
  },
])
