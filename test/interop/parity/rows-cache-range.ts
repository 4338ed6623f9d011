import { FRESH, TAGGED, TAGS, of, saw } from './cache-steps.ts'
import { get, own, reply, request } from './row.ts'
import type { CacheStatus } from '../../../types/cache.ts'
import type { Outcome } from './row.ts'
import type { Sequence } from './sequence.ts'

const DIGITS = (...lines: string[]): string => of('0123456789', FRESH, 'Content-Type: text/plain', ...lines, 'Content-Length: 10')
const OF_DIGITS = { 'cache-control': 'max-age=60', 'content-type': 'text/plain' }

function part (status: CacheStatus, range: string, body: string): Partial<Outcome> {
  return { status: 206, reason: 'Partial Content', body, headers: { ...OF_DIGITS, 'content-range': `bytes ${range}/10`, 'x-cache-status': status } }
}

export const rangeSequences: Sequence[] = [
  {
    name: 'ranges, on a MISS and on HITs',
    steps: [
      { request: get('/cache/*', 'Range: bytes=2-4'), answer: DIGITS('Accept-Ranges: bytes'), expect: { ...part('MISS', '2-4', '234'), params: { HTTP_RANGE: undefined } } },
      { request: get('/cache/*', 'Range: bytes=2-4'), expect: part('HIT', '2-4', '234') },
      { request: get('/cache/*', 'Range: bytes=-3'), expect: part('HIT', '7-9', '789') },
      { request: get('/cache/*', 'Range: bytes=10-'), expect: own(416, { headers: { 'content-range': 'bytes */10', 'x-cache-status': 'HIT' } }), nginx: { why: 'its page of an error adds headers once more', headers: { 'x-cache-status': ['HIT', 'HIT'] } } },
      { request: request('HEAD', '/cache/*', ['Range: bytes=2-4']), expect: { ...part('HIT', '2-4', ''), headers: { ...part('HIT', '2-4', '').headers, 'content-length': '3' } } },
      {
        request: get('/cache/*', 'Range: bytes=4-5,1-2'),
        expect: {
          status: 206,
          reason: 'Partial Content',
          headers: { ...OF_DIGITS, 'content-type': 'multipart/byteranges; boundary=BOUNDARY', 'x-cache-status': 'HIT' },
          body: '\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/10\r\n\r\n45\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 1-2/10\r\n\r\n12\r\n--BOUNDARY--\r\n',
        },
      },
      { request: get('/cache/*'), expect: saw('HIT', '0123456789', { ...OF_DIGITS, 'accept-ranges': 'bytes' }) },
    ],
  },
  {
    name: 'ranges of a reply that offers none',
    steps: [
      { request: get('/cache/*', 'Range: bytes=2-4'), answer: DIGITS(), expect: saw('MISS', '0123456789', OF_DIGITS) },
      { request: get('/cache/*', 'Range: bytes=2-4'), expect: saw('HIT', '0123456789', OF_DIGITS) },
    ],
  },
  {
    name: 'ranges of a reply that offers none, with force_ranges',
    steps: [
      { request: get('/force-ranges/*', 'Range: bytes=2-4'), answer: DIGITS(), expect: { ...part('MISS', '2-4', '234'), params: { HTTP_RANGE: undefined } } },
      { request: get('/force-ranges/*', 'Range: bytes=2-4'), expect: part('HIT', '2-4', '234') },
    ],
  },
  {
    name: 'a range of a reply without Content-Length, on a MISS and on a HIT',
    steps: [
      {
        request: get('/cache/*', 'Range: bytes=2-4'),
        answer: of('0123456789', FRESH, 'Content-Type: text/plain', 'Accept-Ranges: bytes'),
        expect: part('MISS', '2-4', '234'),
        nginx: {
          why: 'it does not wait for the end of a body to know its length',
          status: 200,
          reason: 'OK',
          headers: { 'content-range': undefined },
          body: '0123456789',
        },
      },
      {
        request: get('/cache/*', 'Range: bytes=2-4'),
        expect: part('HIT', '2-4', '234'),
        nginx: { why: 'nor does it look how long the entry is', status: 200, reason: 'OK', headers: { 'content-range': undefined }, body: '0123456789' },
      },
    ],
  },
  {
    name: 'several ranges on a MISS',
    steps: [
      {
        request: get('/cache/*', 'Range: bytes=1-2,4-5'),
        answer: DIGITS('Accept-Ranges: bytes'),
        expect: {
          status: 206,
          reason: 'Partial Content',
          headers: { ...OF_DIGITS, 'content-type': 'multipart/byteranges; boundary=BOUNDARY', 'x-cache-status': 'MISS' },
          body: '\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 1-2/10\r\n\r\n12\r\n--BOUNDARY\r\nContent-Type: text/plain\r\nContent-Range: bytes 4-5/10\r\n\r\n45\r\n--BOUNDARY--\r\n',
        },
        nginx: {
          why: 'it cuts no more than one range out of what it does not have whole',
          status: 200,
          reason: 'OK',
          headers: { 'content-type': 'text/plain', 'accept-ranges': 'bytes' },
          body: '0123456789',
        },
      },
    ],
  },
  {
    name: 'If-Range on a HIT',
    steps: [
      { request: get('/cache/*'), answer: DIGITS('Accept-Ranges: bytes', ...TAGGED), expect: saw('MISS', '0123456789', { ...OF_DIGITS, ...TAGS, 'accept-ranges': 'bytes' }) },
      { request: get('/cache/*', 'Range: bytes=2-4', 'If-Range: "one"'), expect: { ...part('HIT', '2-4', '234'), headers: { ...part('HIT', '2-4', '').headers, ...TAGS } } },
      { request: get('/cache/*', 'Range: bytes=2-4', 'If-Range: "two"'), expect: saw('HIT', '0123456789', { ...OF_DIGITS, ...TAGS, 'accept-ranges': 'bytes' }) },
    ],
  },
  {
    name: 'a range before max_range_offset',
    steps: [
      { request: get('/max-range/*', 'Range: bytes=4-5'), answer: DIGITS('Accept-Ranges: bytes'), expect: { ...part('MISS', '4-5', '45'), params: { HTTP_RANGE: undefined } } },
      { request: get('/max-range/*', 'Range: bytes=9-9'), expect: part('HIT', '9-9', '9') },
    ],
  },
  ...['bytes=5-6', 'bytes=-2', 'bytes=7-8,0-1'].map((range): Sequence => ({
    name: `a range beyond max_range_offset: ${range}`,
    steps: [
      {
        request: get('/max-range/*', `Range: ${range}`),
        answer: reply(['Status: 206 Partial Content', FRESH, 'Content-Range: bytes 5-6/10', 'Content-Length: 2'], '56'),
        expect: {
          status: 206,
          reason: 'Partial Content',
          headers: { 'cache-control': 'max-age=60', 'content-range': 'bytes 5-6/10', 'x-cache-status': 'MISS' },
          body: '56',
          params: { HTTP_RANGE: range },
        },
      },
      { request: get('/max-range/*'), answer: DIGITS(), expect: saw('MISS', '0123456789', OF_DIGITS) },
    ],
  })),
  {
    name: 'max_range_offset of 0',
    steps: [
      {
        request: get('/max-range-0/*', 'Range: bytes=0-1'),
        answer: reply(['Status: 206 Partial Content', FRESH, 'Content-Range: bytes 0-1/10', 'Content-Length: 2'], '01'),
        expect: {
          status: 206,
          reason: 'Partial Content',
          headers: { 'cache-control': 'max-age=60', 'content-range': 'bytes 0-1/10', 'x-cache-status': 'MISS' },
          body: '01',
          params: { HTTP_RANGE: 'bytes=0-1' },
        },
      },
      { request: get('/max-range-0/*'), answer: DIGITS(), expect: saw('MISS', '0123456789', OF_DIGITS) },
    ],
  },
]
