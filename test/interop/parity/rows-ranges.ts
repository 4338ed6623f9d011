import { get, own, reply, request, without } from './row.ts'
import type { Row } from './row.ts'

const TAGGED = ['ETag: "one"', 'Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT']
const TAGS = { etag: '"one"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }

const whole = (...lines: string[]): string => reply(['Status: 200 OK', 'Content-Type: text/plain', ...lines, 'Content-Length: 10'], '0123456789')
const ALL = { headers: { 'content-type': 'text/plain', 'accept-ranges': 'bytes' }, body: '0123456789' }
const part = (range: string, body: string): Row['expect'] => ({
  status: 206, reason: 'Partial Content', headers: { 'content-type': 'text/plain', 'content-range': `bytes ${range}/10` }, body,
})
const NONE = own(416, { headers: { 'content-range': 'bytes */10' } })

const vectors: [range: string, expect: Row['expect'], nginx?: Row['nginx']][] = [
  ['bytes=2-4', part('2-4', '234')],
  ['bytes=0-0', part('0-0', '0')],
  ['bytes=2-', part('2-9', '23456789')],
  ['bytes=-3', part('7-9', '789')],
  ['bytes=-100', part('0-9', '0123456789')],
  ['bytes=5-100', part('5-9', '56789')],
  ['bytes=9-', part('9-9', '9')],
  ['bytes=10-', NONE],
  ['bytes=10-20', NONE],
  ['bytes=5-4', NONE],
  ['bytes=-0', NONE],
  ['bytes=0-99999999999999999999', part('0-9', '0123456789'), { why: 'it cannot count that far', ...NONE, headers: { ...NONE.headers, 'content-type': undefined } }],
  ['bytes=99999999999999999999-', NONE],
  ['bytes = 2-4', ALL],
  ['BYTES=2-4', part('2-4', '234')],
  ['bytes= 2 - 4 ', part('2-4', '234')],
  ['items=2-4', ALL],
  ['bytes=', ALL],
  ['bytes=abc', NONE],
  ['bytes=2', NONE],
  ['bytes=2-4-6', NONE],
  ['bytes=2-4,', NONE],
  ['bytes=20-30,2-4', part('2-4', '234')],
  ['bytes=0-9,0-9', ALL],
]

/** Ranges that the gateway cuts out of a reply of the application, which sends all of it. */
export const rangeRows: Row[] = without('apache', [
  ...vectors.map(([range, expect, nginx]): Row => ({
    name: `Range: ${range}`,
    request: get('/ranges/', `Range: ${range}`),
    answer: whole(),
    expect,
    ...(nginx === undefined ? undefined : { nginx }),
  })),
  {
    name: 'no Range',
    request: get('/ranges/'),
    answer: whole(),
    expect: ALL,
  },
  {
    name: 'the application sees the Range',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: whole(),
    expect: { ...part('2-4', '234'), params: { HTTP_RANGE: 'bytes=2-4' } },
  },
  {
    name: 'several ranges',
    request: get('/ranges/', 'Range: bytes=1-2,4-5'),
    answer: whole(),
    expect: {
      status: 206,
      reason: 'Partial Content',
      headers: { 'content-type': 'multipart/byteranges; boundary=BOUNDARY' },
      body: '\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 1-2/10\r\n\r\n12\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/10\r\n\r\n45\r\n--BOUNDARY--\r\n',
    },
    nginx: { why: 'it cuts no more than one range out of what it does not have whole', status: 200, reason: 'OK', ...ALL },
  },
  {
    name: 'a range of a reply without Content-Length',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: reply(['Content-Type: text/plain'], '0123456789'),
    expect: part('2-4', '234'),
    nginx: {
      why: 'it does not wait for the end of a body to know its length; here one that is complete at once has one',
      status: 200,
      reason: 'OK',
      headers: { 'content-range': undefined },
      body: '0123456789',
    },
  },
  {
    name: 'a range of a reply that is not buffered',
    request: get('/ranges-stream/', 'Range: bytes=2-4'),
    answer: whole(),
    expect: part('2-4', '234'),
  },
  {
    name: 'a range of an empty reply',
    request: get('/ranges/', 'Range: bytes=0-4'),
    answer: reply(['Content-Type: text/plain', 'Content-Length: 0']),
    expect: { headers: { 'content-type': 'text/plain' } },
    nginx: { why: 'it offers ranges of nothing', headers: { 'accept-ranges': 'bytes' } },
  },
  {
    name: 'HEAD with a Range',
    request: request('HEAD', '/ranges/', ['Range: bytes=2-4']),
    answer: reply(['Content-Type: text/plain', 'Content-Length: 10']),
    expect: { status: 206, reason: 'Partial Content', headers: { 'content-type': 'text/plain', 'content-range': 'bytes 2-4/10', 'content-length': '3' } },
  },
  {
    name: 'POST with a Range',
    request: request('POST', '/ranges/', ['Range: bytes=2-4'], 'abc'),
    answer: whole(),
    expect: { headers: { 'content-type': 'text/plain' }, body: '0123456789', sent: 'abc' },
    nginx: { why: 'it cuts ranges out of replies to any method', status: 206, reason: 'Partial Content', headers: { 'content-range': 'bytes 2-4/10' }, body: '234' },
  },
  {
    name: 'If-Range with the tag',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: "one"'),
    answer: whole(...TAGGED),
    expect: { ...part('2-4', '234'), headers: { 'content-type': 'text/plain', 'content-range': 'bytes 2-4/10', ...TAGS } },
  },
  {
    name: 'If-Range with another tag',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: "two"'),
    answer: whole(...TAGGED),
    expect: { ...ALL, headers: { ...ALL.headers, ...TAGS } },
  },
  {
    name: 'If-Range with a weak tag',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: W/"one"'),
    answer: whole('ETag: W/"one"'),
    expect: { ...ALL, headers: { ...ALL.headers, etag: 'W/"one"' } },
    nginx: { why: 'it compares weak tags too, against RFC 9110', ...part('2-4', '234'), headers: { 'content-range': 'bytes 2-4/10', 'accept-ranges': undefined } },
  },
  {
    name: 'If-Range with a tag, and the application has none',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: "one"'),
    answer: whole(),
    expect: ALL,
  },
  {
    name: 'If-Range with the date',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: Mon, 07 Nov 1994 08:49:37 GMT'),
    answer: whole(...TAGGED),
    expect: { ...part('2-4', '234'), headers: { 'content-type': 'text/plain', 'content-range': 'bytes 2-4/10', ...TAGS } },
  },
  {
    name: 'If-Range with a later date',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: Mon, 07 Nov 1994 08:49:38 GMT'),
    answer: whole(...TAGGED),
    expect: { ...ALL, headers: { ...ALL.headers, ...TAGS } },
  },
  {
    name: 'If-Range with a date, and the application has none',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: Mon, 07 Nov 1994 08:49:37 GMT'),
    answer: whole(),
    expect: ALL,
  },
  {
    name: 'If-Range that is none',
    request: get('/ranges/', 'Range: bytes=2-4', 'If-Range: one'),
    answer: whole(...TAGGED),
    expect: { ...ALL, headers: { ...ALL.headers, ...TAGS } },
  },
  {
    name: 'a 206 of the application',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: reply(['Status: 206 Partial Content', 'Content-Range: bytes 2-4/10', 'Content-Length: 3'], '234'),
    expect: { status: 206, reason: 'Partial Content', headers: { 'content-range': 'bytes 2-4/10' }, body: '234' },
  },
  {
    name: 'a 416 of the application',
    request: get('/ranges/', 'Range: bytes=20-'),
    answer: reply(['Status: 416 Not That', 'Content-Range: bytes */10'], 'none'),
    expect: { status: 416, reason: 'Not That', headers: { 'content-range': 'bytes */10' }, body: 'none' },
  },
  {
    name: 'a range of an error',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: reply(['Status: 404 Not Found'], '0123456789'),
    expect: { status: 404, reason: 'Not Found', body: '0123456789' },
  },
  {
    name: 'Accept-Ranges of the application',
    request: get('/ranges/'),
    answer: whole('Accept-Ranges: none'),
    expect: ALL,
  },
  {
    name: 'Content-Range of the application on a 200',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: whole('Content-Range: bytes 0-9/10'),
    expect: part('2-4', '234'),
    nginx: { why: 'it sent both', knownTo: '1.22.1', before: '1.31.5', headers: { 'content-range': ['bytes 0-9/10', 'bytes 2-4/10'] } },
  },
  {
    name: 'a range of a body that is cut',
    request: get('/ranges/', 'Range: bytes=2-4'),
    answer: reply(['Content-Type: text/plain', 'Content-Length: 10'], '0123'),
    expect: { ...part('2-4', '23'), cut: true },
  },
  {
    name: 'without the option',
    request: get('/app/', 'Range: bytes=2-4'),
    answer: whole('Accept-Ranges: bytes'),
    expect: ALL,
  },
  {
    name: 'conditions are the application\'s business',
    request: get('/ranges/', 'If-None-Match: "one"'),
    answer: whole(...TAGGED),
    expect: { ...ALL, headers: { ...ALL.headers, ...TAGS }, params: { HTTP_IF_NONE_MATCH: '"one"' } },
  },
])
