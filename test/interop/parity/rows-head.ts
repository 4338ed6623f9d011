import { get, own, reply } from './row.ts'
import type { Row } from './row.ts'

const LONG_LINE = 'a'.repeat(8000)
const LONGER_LINE = 'a'.repeat(20000)
const MANY = Array.from({ length: 150 }, (_, i) => [`x-h${i}`, `v${i}`] as const)

const TOO_MANY = Array.from({ length: 20 }, (_, i) => [`x-${i}`, 'a'.repeat(4000)] as const)

const NO_NPH = { why: 'it takes an HTTP status line for a header without a colon', ...own(500) }
const BAD_HEAD = { why: 'it answers 500, never 502', status: 500 }
const BAD_FIELD = { why: 'it finds the bad header only when it sends the reply, and may break off its own page', status: 500, chance: ['cut'] }
const OLD_FRAMING = { why: 'it did not check the framing headers', before: '1.23.0' }
const NO_FRAMING = { why: 'it ignores Content-Length and Transfer-Encoding of the application' }
const OLD_DUPLICATES = { why: 'it passed every line, and the last Content-Type', before: '1.23.0' }
const JOINED = { why: 'it joins repeated headers by commas, save Set-Cookie and some of which the last counts' }

/** The grammar of the reply's head, its framing headers, duplicates, and what is hidden. */
export const headRows: Row[] = [
  {
    name: 'lines that end in LF',
    request: get('/app/'),
    answer: 'Status: 200 OK\nContent-Type: text/plain\nContent-Length: 5\n\nhello',
    expect: { headers: { 'content-type': 'text/plain' }, body: 'hello' },
  },
  {
    name: 'lines that end in LF and CRLF',
    request: get('/app/'),
    answer: 'Status: 200 OK\r\nX-A: 1\nX-B: 2\r\n\nhello',
    expect: { headers: { 'x-a': '1', 'x-b': '2' }, body: 'hello' },
  },
  {
    name: 'several CR before LF',
    request: get('/app/'),
    answer: 'Status: 200 OK\r\r\nX-A: 1\r\r\r\n\r\nhello',
    expect: { headers: { 'x-a': '1' }, body: 'hello' },
  },
  {
    name: 'CR inside a value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: 1\r2'], 'hello'),
    expect: own(502),
    apache: { why: 'it removes every CR', status: 200, reason: 'OK', headers: { 'x-a': '12' }, body: 'hello' },
  },
  {
    name: 'blanks around a value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A:   a  b   ', 'X-B:1'], 'hello'),
    expect: { headers: { 'x-a': 'a  b', 'x-b': '1' }, body: 'hello' },
  },
  {
    name: 'an empty value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A:'], 'hello'),
    expect: { headers: { 'x-a': '' }, body: 'hello' },
  },
  {
    name: 'bytes above 0x7f in a value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: caf\xc3\xa9 \xff'], 'hello'),
    expect: { headers: { 'x-a': 'caf\xc3\xa9 \xff' }, body: 'hello' },
  },
  {
    name: 'an underscore in a name',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X_A: 1'], 'hello'),
    expect: { headers: { x_a: '1' }, body: 'hello' },
  },
  {
    name: 'every punctuation mark that a name may hold',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X!#$%&\'*+.^`|~: 1'], 'hello'),
    expect: { headers: { 'x!#$%&\'*+.^`|~': '1' }, body: 'hello' },
  },
  {
    name: 'a name that is no token',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X@A: 1'], 'hello'),
    expect: own(502),
    nginx: { why: 'it passes names that are no tokens', status: 200, reason: 'OK', headers: { 'x@a': '1' }, body: 'hello' },
    apache: BAD_FIELD,
  },
  {
    name: 'a blank before the colon',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A : 1'], 'hello'),
    expect: own(502),
    apache: BAD_FIELD,
  },
  {
    name: 'a folded line',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: 1', ' 2'], 'hello'),
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a folded line with a colon',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: 1', '\tX-B: 2'], 'hello'),
    expect: own(502),
    apache: BAD_FIELD,
  },
  {
    name: 'an empty name',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', ': 1'], 'hello'),
    expect: own(502),
    apache: BAD_FIELD,
  },
  {
    name: 'a line without a colon',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A'], 'hello'),
    expect: { headers: { 'x-a': '' }, body: 'hello' },
    apache: { why: 'a line without a colon is no header to it', ...own(500) },
  },
  {
    name: 'NUL in a value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: 1\x002'], 'hello'),
    expect: own(502),
    apache: { why: 'its value ends at the NUL', status: 200, reason: 'OK', headers: { 'x-a': '1' }, body: 'hello' },
  },
  {
    name: 'NUL in a name',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X\0A: 1'], 'hello'),
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a control byte in a value',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-A: 1\x012'], 'hello'),
    expect: own(502),
    nginx: { why: 'it passes control bytes', status: 200, reason: 'OK', headers: { 'x-a': '1\x012' }, body: 'hello' },
    apache: BAD_FIELD,
  },
  {
    name: 'no header at all',
    request: get('/app/'),
    answer: '\r\nhello',
    expect: { body: 'hello' },
  },
  {
    name: 'no blank line',
    request: get('/app/'),
    answer: 'Status: 200 OK\r\nContent-Type: text/plain\r\n',
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'half a line',
    request: get('/app/'),
    answer: 'Status: 2',
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'nothing',
    request: get('/app/'),
    answer: '',
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a body without a head',
    request: get('/app/'),
    answer: '<html>\n<body>no head</body>\n\n</html>\n',
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'closed before the request was read',
    request: get('/app/'),
    answer: (exchange) => exchange.end(),
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a reset in place of a reply',
    request: get('/tcp/'),
    answer: (exchange) => exchange.reset(),
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a reset inside the head',
    request: get('/tcp/'),
    answer: async (exchange) => {
      await exchange.writeEach(['Status: 200 OK\r\nX-A'])
      await exchange.taken()
      exchange.reset()
    },
    expect: own(502),
    apache: BAD_HEAD,
  },
  {
    name: 'a head in single bytes',
    request: get('/app/'),
    answer: async (exchange) => {
      await exchange.writeEach([...reply(['HTTP/1.1 201 Made', 'X-A: 1', 'Content-Length: 2'], 'ok')])
      await exchange.end()
    },
    expect: { status: 201, reason: 'Made', headers: { 'x-a': '1' }, body: 'ok' },
    apache: NO_NPH,
  },
  {
    name: 'a header line of 8000 bytes',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', `X-A: ${LONG_LINE}`], 'hello'),
    expect: { headers: { 'x-a': LONG_LINE }, body: 'hello' },
  },
  {
    name: 'a header line of 20000 bytes',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', `X-A: ${LONGER_LINE}`], 'hello'),
    expect: { headers: { 'x-a': LONGER_LINE }, body: 'hello' },
    apache: { why: 'a line has at most 8190 bytes', ...own(500) },
  },
  {
    name: 'a head of more than 64k',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', ...TOO_MANY.map(([name, value]) => `${name}: ${value}`)], 'hello'),
    expect: own(502),
    apache: { why: 'it limits the line, not the head', status: 200, reason: 'OK', headers: Object.fromEntries(TOO_MANY), body: 'hello' },
  },
  {
    name: '150 headers',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', ...MANY.map(([name, value]) => `${name}: ${value}`)], 'hello'),
    expect: { headers: Object.fromEntries(MANY), body: 'hello' },
  },

  // --- Content-Length and Transfer-Encoding ---
  {
    name: 'a negative Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: -5'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'a Content-Length with a sign',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: +5'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'an empty Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length:'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'a Content-Length that is no number',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: five'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'a Content-Length that no number holds',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 99999999999999999999'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'a Content-Length with leading zeros',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 0005'], 'hello'),
    expect: { body: 'hello' },
  },
  {
    name: 'two equal lines of Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5', 'Content-Length: 5'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'two unequal lines of Content-Length',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5', 'Content-Length: 3'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hel' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'Content-Length with Transfer-Encoding',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: '5\r\nhe' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: '5\r\nhello\r\n0\r\n\r\n' },
  },
  {
    name: 'two lines of Transfer-Encoding',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: '5\r\nhello\r\n0\r\n\r\n' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: '5\r\nhello\r\n0\r\n\r\n' },
  },
  {
    name: 'a Transfer-Encoding other than chunked',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Transfer-Encoding: gzip, chunked'], 'hello'),
    expect: own(502),
    nginx: { ...OLD_FRAMING, status: 200, reason: 'OK', body: 'hello' },
    apache: { ...NO_FRAMING, status: 200, reason: 'OK', body: 'hello' },
  },
  {
    name: 'Connection and Keep-Alive of the application',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Connection: X-Hop', 'Keep-Alive: app', 'X-A: 1'], 'hello'),
    expect: { headers: { 'x-a': '1' }, body: 'hello' },
    apache: { why: 'it passes hop-by-hop headers', headers: { connection: 'X-Hop, close', 'keep-alive': 'app' } },
  },

  // --- duplicates ---
  {
    name: 'two lines of Content-Type',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Type: text/plain', 'Content-Type: text/html'], 'hello'),
    expect: { headers: { 'content-type': 'text/plain' }, body: 'hello' },
    nginx: { ...OLD_DUPLICATES, headers: { 'content-type': 'text/html' } },
    apache: { ...JOINED, headers: { 'content-type': 'text/html' } },
  },
  {
    name: 'two lines of Location',
    request: get('/app/'),
    answer: reply(['Status: 302 Found', 'Location: /a', 'Location: /b']),
    expect: { status: 302, reason: 'Found', headers: { location: '/a' } },
    nginx: { ...OLD_DUPLICATES, headers: { location: ['/a', '/b'] } },
    apache: { ...JOINED, headers: { location: '/b' } },
  },
  {
    name: 'two lines of ETag, Last-Modified, Expires and Refresh',
    request: get('/app/'),
    answer: reply([
      'Status: 200 OK', 'ETag: "a"', 'ETag: "b"', 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT', 'Last-Modified: Sun, 06 Nov 1995 08:49:37 GMT',
      'Expires: Sun, 06 Nov 1994 08:49:37 GMT', 'Expires: 0', 'Refresh: 1', 'Refresh: 2',
    ], 'hello'),
    expect: {
      headers: { etag: '"a"', 'last-modified': 'Sun, 06 Nov 1994 08:49:37 GMT', expires: 'Sun, 06 Nov 1994 08:49:37 GMT', refresh: '1' },
      body: 'hello',
    },
    nginx: {
      ...OLD_DUPLICATES,
      headers: {
        etag: ['"a"', '"b"'],
        'last-modified': ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1995 08:49:37 GMT'],
        expires: ['Sun, 06 Nov 1994 08:49:37 GMT', '0'],
        refresh: ['1', '2'],
      },
    },
    apache: {
      ...JOINED,
      headers: { etag: '"b"', 'last-modified': 'Mon, 06 Nov 1995 08:49:37 GMT', expires: 'Sun, 06 Nov 1994 08:49:37 GMT, 0', refresh: '1, 2' },
    },
  },
  {
    name: 'two lines of Date and Server',
    request: get('/app/'),
    answer: reply([
      'Status: 200 OK', 'Date: Sun, 06 Nov 1994 08:49:37 GMT', 'Date: Sun, 06 Nov 1994 08:49:38 GMT', 'Server: app/1', 'Server: app/2',
    ], 'hello'),
    expect: { headers: { date: 'Sun, 06 Nov 1994 08:49:37 GMT', server: 'app/1' }, body: 'hello' },
    nginx: {
      ...OLD_DUPLICATES,
      headers: { date: ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 08:49:38 GMT'], server: ['app/1', 'app/2'] },
    },
    apache: {
      ...JOINED,
      headers: { date: 'Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:38 GMT', server: 'app/1, app/2' },
    },
  },
  {
    name: 'two lines of Set-Cookie',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Set-Cookie: b=2; Path=/', 'X-A: 1', 'Set-Cookie: a=1, x'], 'hello'),
    expect: { headers: { 'set-cookie': ['b=2; Path=/', 'a=1, x'], 'x-a': '1' }, body: 'hello' },
  },
  {
    name: 'two lines of each of the lists',
    request: get('/app/'),
    answer: reply([
      'Status: 401 Unauthorized', 'Cache-Control: no-store', 'Cache-Control: private', 'Link: </a>', 'Link: </b>',
      'WWW-Authenticate: Basic realm="a"', 'WWW-Authenticate: Bearer', 'Vary: Accept', 'Vary: Cookie',
    ], 'hello'),
    expect: {
      status: 401,
      reason: 'Unauthorized',
      headers: {
        'cache-control': ['no-store', 'private'],
        link: ['</a>', '</b>'],
        'www-authenticate': ['Basic realm="a"', 'Bearer'],
        vary: ['Accept', 'Cookie'],
      },
      body: 'hello',
    },
    apache: {
      ...JOINED,
      headers: { 'cache-control': 'no-store, private', link: '</a>, </b>', 'www-authenticate': 'Basic realm="a", Bearer', vary: 'Accept,Cookie' },
    },
  },
  {
    name: 'two lines of an unknown header',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-Multi: 1', 'x-multi: 2', 'X-MULTI: 1'], 'hello'),
    expect: { headers: { 'x-multi': ['1', '2', '1'] }, body: 'hello' },
    apache: { ...JOINED, headers: { 'x-multi': '1, 2, 1' } },
  },

  // --- what is hidden ---
  {
    name: 'Date and Server of the application',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Date: Sun, 06 Nov 1994 08:49:37 GMT', 'Server: app', 'X-Pad: 1'], 'hello'),
    expect: { headers: { date: 'Sun, 06 Nov 1994 08:49:37 GMT', server: 'app', 'x-pad': '1' }, body: 'hello' },
  },
  {
    name: 'the X-Accel headers are hidden, and no other of that name',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'X-Accel-Expires: 60', 'X-Accel-Limit-Rate: 0', 'X-Accel-Buffering: no', 'X-Accel-Charset: utf-8', 'X-Accel-Foo: 1'], 'hello'),
    expect: { headers: { 'x-accel-foo': '1' }, body: 'hello' },
    apache: {
      why: 'it does not know them',
      headers: { 'x-accel-expires': '60', 'x-accel-limit-rate': '0', 'x-accel-buffering': 'no', 'x-accel-charset': 'utf-8' },
    },
  },
  {
    name: 'hideHeaders and passHeaders',
    request: get('/hide/'),
    answer: reply(['Status: 201 Made', 'X-Secret: 1', 'x-secret: 2', 'X-Accel-Charset: utf-8', 'X-Accel-Expires: 60', 'X-A: 1'], 'hello'),
    expect: {
      status: 201, reason: 'Made', headers: { status: '201 Made', 'x-accel-charset': 'utf-8', 'x-a': '1' }, body: 'hello',
    },
    apache: { why: 'it does not know X-Accel-*, and never passes Status', headers: { status: undefined, 'x-accel-expires': '60' } },
  },
  {
    name: 'Content-Type with parameters is passed as it is',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Content-Type: Text/HTML; Charset="UTF-8" ;x=1'], 'hello'),
    expect: { headers: { 'content-type': 'Text/HTML; Charset="UTF-8" ;x=1' }, body: 'hello' },
    apache: { why: 'it puts the media type in lower case', headers: { 'content-type': 'text/html; Charset="UTF-8" ;x=1' } },
  },
  {
    name: 'Content-Encoding is passed with its body',
    request: get('/app/', 'Accept-Encoding: gzip'),
    answer: reply(['Status: 200 OK', 'Content-Encoding: gzip', 'Content-Length: 4'], '\x1f\x8b\x08\x00'),
    expect: { headers: { 'content-encoding': 'gzip' }, body: '\x1f\x8b\x08\x00' },
  },
  {
    name: 'Accept-Ranges and ETag of the application',
    request: get('/app/'),
    answer: reply(['Status: 200 OK', 'Accept-Ranges: bytes', 'ETag: W/"a"'], 'hello'),
    expect: { headers: { 'accept-ranges': 'bytes', etag: 'W/"a"' }, body: 'hello' },
  },
]
