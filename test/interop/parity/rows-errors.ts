import { get, own, reply, request, without } from './row.ts'
import type { Row } from './row.ts'
import type { Script } from '../../helpers/recorder.ts'

const SORRY = reply(['Status: 200 Fine', 'Content-Type: text/plain', 'X-Page: yes'], 'sorry')
const OF_PAGE = { headers: { 'content-type': 'text/plain', 'x-page': 'yes' }, body: 'sorry' }

const failed = (status: string, ...lines: string[]): string => reply([`Status: ${status}`, 'Content-Type: text/x-first', 'X-First: yes', 'Set-Cookie: a=1', ...lines], 'first')

const stall: Script = (exchange) => exchange.closed

/** scgi_intercept_errors and error_page: the pages are in mounts-response.ts. */
export const errorRows: Row[] = without('apache', [
  {
    name: 'a page, of which the application\'s status stays',
    request: get('/errors/?a=1'),
    answer: [failed('404 Gone Fishing'), SORRY],
    expect: { status: 404, reason: 'Not Found', ...OF_PAGE, attempts: 2, params: { PATH_INFO: '/sorry', QUERY_STRING: 'why=%34', REQUEST_METHOD: 'GET' } },
  },
  {
    name: 'a page with a status of its own (=200)',
    request: get('/errors/'),
    answer: [failed('403 Forbidden'), SORRY],
    expect: { status: 200, reason: 'Fine', ...OF_PAGE, attempts: 2 },
    nginx: { why: 'its own phrase also where the page has that status', reason: 'OK' },
  },
  {
    name: 'a page that says the status (=)',
    request: get('/errors/'),
    answer: [failed('410 Gone'), reply(['Status: 203 Here'], 'sorry')],
    expect: { status: 203, reason: 'Here', body: 'sorry', attempts: 2 },
  },
  {
    name: 'a page that is a file',
    request: get('/errors/'),
    answer: failed('451 Unavailable'),
    expect: {
      status: 451,
      reason: 'Unavailable For Legal Reasons',
      headers: { 'content-type': 'text/html', etag: '"2ebdea21-11"' },
      body: '<p>0123456789</p>',
    },
    nginx: { why: 'it has no phrase for it', reason: '' },
  },
  {
    name: 'a page that is a file: neither range nor condition is the client\'s for it',
    request: get('/errors/', 'Range: bytes=0-1', 'If-None-Match: *'),
    answer: failed('451 Unavailable'),
    expect: {
      status: 451,
      reason: 'Unavailable For Legal Reasons',
      headers: { 'content-type': 'text/html', etag: '"2ebdea21-11"' },
      body: '<p>0123456789</p>',
    },
    nginx: { why: 'it has no phrase for it', reason: '' },
  },
  {
    name: 'a page that is not there (=)',
    request: get('/errors/'),
    answer: failed('402 Payment Required'),
    expect: own(404),
  },
  {
    name: 'a named location',
    request: request('POST', '/errors/x?a=1', [], 'abc'),
    answer: [failed('500 Oops'), SORRY],
    expect: { status: 500, reason: 'Internal Server Error', ...OF_PAGE, attempts: 2, params: { REQUEST_METHOD: 'POST', QUERY_STRING: 'a=1' }, sent: 'abc' },
  },
  {
    name: 'a named location with a status',
    request: get('/errors/'),
    answer: [failed('503 Busy'), SORRY],
    expect: { status: 299, reason: 'unknown', ...OF_PAGE, attempts: 2 },
    nginx: { why: 'it has no phrase for it', reason: '' },
  },
  {
    name: 'a named location that nobody has',
    request: get('/errors/'),
    answer: [failed('407 What'), SORRY],
    expect: own(500),
  },
  {
    name: 'a URL',
    request: get('/errors/'),
    answer: failed('405 Not So'),
    expect: { status: 302, reason: 'Found', headers: { location: 'http://other.test/sorry' } },
    nginx: { why: 'a page for those who do not follow, and an old name of 302', reason: 'Moved Temporarily', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'a URL with a status',
    request: get('/errors/'),
    answer: failed('409 Conflict'),
    expect: { status: 307, reason: 'Temporary Redirect', headers: { location: 'https://other.test/sorry' } },
    nginx: { why: 'a page for those who do not follow', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'the page of a 401 has its challenges',
    request: get('/errors/'),
    answer: [failed('401 Who', 'WWW-Authenticate: Basic realm="a"'), SORRY],
    expect: { status: 401, reason: 'Unauthorized', ...OF_PAGE, headers: { ...OF_PAGE.headers, 'www-authenticate': 'Basic realm="a"' }, attempts: 2 },
  },
  {
    name: 'the page of a 401 has all of its challenges',
    request: get('/errors/'),
    answer: [failed('401 Who', 'WWW-Authenticate: Basic realm="a"', 'WWW-Authenticate: Bearer'), SORRY],
    expect: { status: 401, reason: 'Unauthorized', ...OF_PAGE, headers: { ...OF_PAGE.headers, 'www-authenticate': ['Basic realm="a"', 'Bearer'] }, attempts: 2 },
    nginx: { why: 'it kept the first one', before: '1.23.0', headers: { 'www-authenticate': 'Basic realm="a"' } },
  },
  {
    name: 'the page of a redirect',
    request: get('/errors/'),
    answer: [failed('302 Found', 'Location: /elsewhere'), SORRY],
    expect: { status: 200, reason: 'Fine', ...OF_PAGE, attempts: 2 },
  },
  {
    name: 'a redirect without a page',
    request: get('/errors/'),
    answer: reply(['Status: 301 Moved Permanently', 'Location: /elsewhere'], 'x'),
    expect: { status: 301, reason: 'Moved Permanently', headers: { location: '/elsewhere' }, body: 'x' },
  },
  {
    name: 'an error without a page',
    request: get('/errors/'),
    answer: failed('418 Teapot'),
    expect: { status: 418, reason: 'Teapot', headers: { 'content-type': 'text/x-first', 'set-cookie': 'a=1', 'x-first': 'yes' }, body: 'first' },
  },
  {
    name: 'a page that the request names',
    request: get('/errors-asked/x/y?a=1'),
    answer: [failed('404 Not Found'), SORRY],
    expect: { status: 200, reason: 'Fine', ...OF_PAGE, attempts: 2, params: { PATH_INFO: '/fetch/errors-asked/x/y', QUERY_STRING: '', REQUEST_URI: '/errors-asked/x/y?a=1' } },
  },
  {
    name: 'a page that the request names, with a query',
    request: get('/errors-asked/x%20y?a=1'),
    answer: [failed('410 Gone'), SORRY],
    expect: { status: 410, reason: 'Gone', ...OF_PAGE, attempts: 2, params: { PATH_INFO: '/fetch/errors-asked/x y', QUERY_STRING: 'was=a=1' } },
  },
  {
    name: 'a URL that the request names, with a status',
    request: get('/errors-asked/x%20y?a=1'),
    answer: failed('403 Forbidden'),
    expect: { status: 303, reason: 'See Other', headers: { location: 'https://other.test/errors-asked/x%20y?a=1' } },
    nginx: { why: 'a page for those who do not follow', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'a relative URL that the request names',
    request: get('/errors-asked/'),
    answer: failed('402 Payment Required'),
    expect: { status: 302, reason: 'Found', headers: { location: 'pay.html' } },
    nginx: { why: 'a page for those who do not follow, and an old name of 302', reason: 'Moved Temporarily', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'a named location that the request names',
    request: request('POST', '/errors-asked/x', [], 'abc'),
    answer: [failed('500 Oops'), SORRY],
    expect: { status: 500, reason: 'Internal Server Error', ...OF_PAGE, attempts: 2, params: { REQUEST_METHOD: 'POST' }, sent: 'abc' },
  },
  {
    name: 'a relative URL',
    request: get('/errors-asked/'),
    answer: failed('405 Not So'),
    expect: { status: 302, reason: 'Found', headers: { location: 'sorry.html?x=%20' } },
    nginx: { why: 'a page for those who do not follow, and an old name of 302', reason: 'Moved Temporarily', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'a relative URL with a status',
    request: get('/errors-asked/'),
    answer: failed('409 Conflict'),
    expect: { status: 308, reason: 'Permanent Redirect', headers: { location: '../sorry' } },
    nginx: { why: 'a page for those who do not follow', headers: { 'content-type': 'text/html' }, chance: ['body'] },
  },
  {
    name: 'a page that fails has a page itself (recursive)',
    request: get('/errors-recursive/'),
    answer: [failed('404 Not Found'), failed('410 Gone'), failed('500 Oops'), SORRY],
    expect: { status: 500, reason: 'Internal Server Error', ...OF_PAGE, attempts: 4, params: { PATH_INFO: '/last' } },
  },
  {
    name: 'whether a page is the last says what leads to it (recursive)',
    request: get('/errors-recursive/'),
    answer: [failed('403 Forbidden'), failed('404 Not Found'), SORRY],
    expect: { status: 404, reason: 'Not Found', ...OF_PAGE, attempts: 3, params: { PATH_INFO: '/sorry' } },
  },
  {
    name: 'pages without end (recursive)',
    request: get('/errors-recursive/'),
    answer: failed('405 Not So'),
    expect: own(500, { attempts: 11 }),
  },
  {
    name: 'a page that fails has no page itself',
    request: get('/errors/'),
    answer: [failed('404 Not Found'), failed('410 Gone')],
    expect: { status: 404, reason: 'Not Found', headers: { 'content-type': 'text/x-first', 'x-first': 'yes', 'set-cookie': 'a=1' }, body: 'first', attempts: 2 },
  },
  {
    name: 'a page that is intercepted has no page itself',
    request: get('/errors/'),
    answer: [failed('406 No'), failed('404 Not Found'), SORRY],
    expect: own(404, { attempts: 2 }),
  },
  {
    name: 'HEAD',
    request: request('HEAD', '/errors/'),
    answer: [reply(['Status: 404 Not Found']), reply(['Content-Type: text/plain', 'Content-Length: 5'])],
    expect: { status: 404, reason: 'Not Found', headers: { 'content-type': 'text/plain', 'content-length': '5' }, attempts: 2, params: { REQUEST_METHOD: 'HEAD' } },
  },
  {
    name: 'POST becomes GET, with its body',
    request: request('POST', '/errors/', [], 'abc'),
    answer: [failed('404 Not Found'), SORRY],
    expect: { status: 404, reason: 'Not Found', ...OF_PAGE, attempts: 2, params: { REQUEST_METHOD: 'GET', CONTENT_LENGTH: '3' }, sent: 'abc' },
  },
  {
    name: 'an error that is also a redirect (X-Accel-Redirect)',
    request: get('/errors/'),
    answer: [failed('404 Not Found', 'X-Accel-Redirect: /files/page.html'), SORRY],
    expect: { status: 404, reason: 'Not Found', ...OF_PAGE, attempts: 2 },
  },
  {
    name: 'a redirect (X-Accel-Redirect) to an error with a page',
    request: get('/app/'),
    answer: [reply(['X-Accel-Redirect: /errors/']), failed('404 Not Found'), SORRY],
    expect: { status: 404, reason: 'Not Found', ...OF_PAGE, attempts: 3 },
  },
  {
    name: 'an error of the application without interceptErrors',
    request: get('/no-intercept/'),
    answer: reply(['Status: 404 Not Found', 'Content-Type: text/plain'], 'mine'),
    expect: { status: 404, reason: 'Not Found', headers: { 'content-type': 'text/plain' }, body: 'mine' },
  },
  {
    name: 'an invalid reply, without interceptErrors',
    request: get('/no-intercept/'),
    answer: ['Status: fine\r\n\r\n', SORRY],
    expect: { status: 502, reason: 'Bad Gateway', ...OF_PAGE, attempts: 2, params: { PATH_INFO: '/gateway' } },
  },
  {
    name: 'a refused connection, without interceptErrors',
    request: get('/dead-pages/'),
    answer: SORRY,
    expect: { status: 502, reason: 'Bad Gateway', ...OF_PAGE, params: { PATH_INFO: '/gateway' } },
  },
  {
    name: 'a timeout, without interceptErrors',
    request: get('/slow-pages/'),
    answer: [stall, SORRY],
    expect: { status: 504, reason: 'Gateway Timeout', ...OF_PAGE, attempts: 2 },
    nginx: { why: 'an old name of 504', reason: 'Gateway Time-out' },
  },
])
