import { BRIEF, FRESH, TAGGED, TAGS, expiring, of, saw } from './cache-steps.ts'
import { EXPIRES } from './sequence.ts'
import { get, own, reply, request } from './row.ts'
import type { Sequence } from './sequence.ts'

const NOT_MODIFIED = (...lines: string[]): string => reply(['Status: 304 Not Modified', ...lines])

/** Revalidation, and conditions of the client. */
export const conditionSequences: Sequence[] = [
  {
    name: 'revalidated by a 304 that says how long',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF, 'X-First: yes', ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', 'x-first': 'yes', ...TAGS }) },
      {
        wait: EXPIRES,
        request: get('/revalidate/*', 'If-None-Match: "mine"'),
        answer: NOT_MODIFIED(FRESH, 'X-Second: yes'),
        expect: {
          ...saw('REVALIDATED', 'first', { 'cache-control': 'max-age=1', 'x-first': 'yes', ...TAGS }),
          params: { HTTP_IF_NONE_MATCH: '"one"', HTTP_IF_MODIFIED_SINCE: 'Mon, 07 Nov 1994 08:49:37 GMT' },
        },
      },
      { request: get('/revalidate/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=1', 'x-first': 'yes', ...TAGS }) },
    ],
  },
  {
    name: 'revalidated by a 304 that says nothing: the lifetime is the entry\'s',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', 'Cache-Control: max-age=3', ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=3', ...TAGS }) },
      { wait: EXPIRES + 2000, request: get('/revalidate/*'), answer: NOT_MODIFIED(), expect: saw('REVALIDATED', 'first', { 'cache-control': 'max-age=3', ...TAGS }) },
      { request: get('/revalidate/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=3', ...TAGS }) },
    ],
  },
  {
    name: 'revalidated in the background',
    steps: [
      { request: get('/background-revalidate/*'), answer: of('first', BRIEF, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      {
        wait: EXPIRES,
        request: get('/background-revalidate/*', 'If-None-Match: "mine"'),
        answer: NOT_MODIFIED(FRESH),
        background: true,
        expect: { ...saw('STALE', 'first', { 'cache-control': 'max-age=1', ...TAGS }), params: { HTTP_IF_NONE_MATCH: '"one"' } },
      },
      { request: get('/background-revalidate/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
    ],
  },
  {
    name: 'a bypass does not ask about what is there',
    steps: [
      { request: get('/bypass-stale/*'), answer: of('first', BRIEF, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      {
        wait: EXPIRES,
        request: get('/bypass-stale/*', 'X-Refresh: 1'),
        answer: of('second', FRESH),
        expect: { ...saw('BYPASS', 'second', { 'cache-control': 'max-age=60' }), params: { HTTP_IF_NONE_MATCH: undefined, HTTP_IF_MODIFIED_SINCE: undefined } },
      },
    ],
  },
  {
    name: 'an entry of status 206 is asked about',
    steps: [
      {
        request: get('/revalidate/*'),
        answer: reply(['Status: 206 Partial Content', BRIEF, 'Content-Range: bytes 0-4/10', ...TAGGED], 'first'),
        expect: { ...saw('MISS', 'first', { 'cache-control': 'max-age=1', 'content-range': 'bytes 0-4/10', ...TAGS }), status: 206, reason: 'Partial Content' },
      },
      {
        wait: EXPIRES,
        request: get('/revalidate/*'),
        answer: of('second', FRESH),
        expect: { ...saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }), params: { HTTP_IF_NONE_MATCH: '"one"' } },
      },
    ],
  },
  {
    name: 'a weak tag, and a date that is none',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF, 'ETag: W/"one"', 'Last-Modified: long ago'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', etag: 'W/"one"', 'last-modified': 'long ago' }) },
      {
        wait: EXPIRES,
        request: get('/revalidate/*'),
        answer: NOT_MODIFIED(FRESH),
        expect: {
          ...saw('REVALIDATED', 'first', { 'cache-control': 'max-age=1', etag: 'W/"one"', 'last-modified': 'long ago' }),
          params: { HTTP_IF_NONE_MATCH: 'W/"one"', HTTP_IF_MODIFIED_SINCE: undefined },
        },
      },
    ],
  },
  {
    name: 'a 304 that forbids to store',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      { wait: EXPIRES, request: get('/revalidate/*'), answer: NOT_MODIFIED('Cache-Control: no-store'), expect: saw('REVALIDATED', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      {
        request: get('/revalidate/*'),
        answer: NOT_MODIFIED(FRESH),
        expect: saw('REVALIDATED', 'first', { 'cache-control': 'max-age=1', ...TAGS }),
        nginx: { why: 'it takes the lifetime of the entry then', headers: { 'x-cache-status': 'HIT' }, attempts: 0 },
      },
    ],
  },
  {
    name: 'revalidated by a new reply',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      { wait: EXPIRES, request: get('/revalidate/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/revalidate/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'an entry without validators',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) },
      {
        wait: EXPIRES,
        request: get('/revalidate/*', 'If-None-Match: "mine"'),
        answer: of('second', FRESH),
        expect: { ...saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }), params: { HTTP_IF_NONE_MATCH: undefined, HTTP_IF_MODIFIED_SINCE: undefined } },
      },
    ],
  },
  {
    name: 'an entry that is no 200 is not asked about',
    steps: [
      { request: get('/revalidate/*'), answer: reply(['Status: 404 Not Found', BRIEF, ...TAGGED], 'first'), expect: { ...saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }), status: 404, reason: 'Not Found' } },
      {
        wait: EXPIRES,
        request: get('/revalidate/*'),
        answer: of('second', FRESH),
        expect: { ...saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }), params: { HTTP_IF_NONE_MATCH: undefined, HTTP_IF_MODIFIED_SINCE: undefined } },
      },
    ],
  },
  {
    name: 'revalidated, and the client\'s condition holds',
    steps: [
      { request: get('/revalidate/*'), answer: of('first', BRIEF, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', ...TAGS }) },
      {
        wait: EXPIRES,
        request: get('/revalidate/*', 'If-None-Match: "one"'),
        answer: NOT_MODIFIED(FRESH),
        expect: { ...saw('REVALIDATED', '', { 'cache-control': 'max-age=1', ...TAGS }), status: 304, reason: 'Not Modified' },
      },
    ],
  },
  {
    name: 'without revalidation a 304 is a reply like others',
    steps: [
      expiring('cache'),
      {
        wait: EXPIRES,
        request: get('/cache/*', 'If-None-Match: "one"'),
        answer: NOT_MODIFIED('ETag: "one"'),
        expect: { ...saw('EXPIRED', '', { etag: '"one"' }), status: 304, reason: 'Not Modified', params: { HTTP_IF_NONE_MATCH: undefined } },
      },
    ],
  },
  {
    name: 'If-None-Match, on a MISS and on a HIT',
    steps: [
      {
        request: get('/cache/*', 'If-None-Match: W/"one", "two"'),
        answer: of('first', FRESH, 'Content-Type: text/plain', ...TAGGED),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60', ...TAGS }), status: 304, reason: 'Not Modified', params: { HTTP_IF_NONE_MATCH: undefined } },
      },
      { request: get('/cache/*', 'If-None-Match: "two"'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60', 'content-type': 'text/plain', ...TAGS }) },
      { request: get('/cache/*', 'If-None-Match: *'), expect: { ...saw('HIT', '', { 'cache-control': 'max-age=60', ...TAGS }), status: 304, reason: 'Not Modified' } },
      { request: request('HEAD', '/cache/*', ['If-None-Match: "one"']), expect: { ...saw('HIT', '', { 'cache-control': 'max-age=60', ...TAGS }), status: 304, reason: 'Not Modified' } },
    ],
  },
  {
    name: 'If-Modified-Since, on a MISS and on a HIT',
    steps: [
      {
        request: get('/cache/*', 'If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT'),
        answer: of('first', FRESH, ...TAGGED),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60', ...TAGS }), status: 304, reason: 'Not Modified' },
      },
      { request: get('/cache/*', 'If-Modified-Since: Mon, 07 Nov 1994 08:49:38 GMT'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60', ...TAGS }) },
      { request: get('/cache/*', 'If-Modified-Since: Mon, 07 Nov 1994 08:49:37 GMT', 'If-None-Match: "two"'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60', ...TAGS }) },
    ],
  },
  {
    name: 'If-Match',
    steps: [
      { request: get('/cache/*', 'If-Match: "one"'), answer: of('first', FRESH, ...TAGGED), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60', ...TAGS }) },
      { request: get('/cache/*', 'If-Match: "two"'), expect: own(412, { headers: { 'x-cache-status': 'HIT' } }) },
      { request: get('/cache/*', 'If-Unmodified-Since: Mon, 07 Nov 1994 08:49:36 GMT'), expect: own(412, { headers: { 'x-cache-status': 'HIT' } }) },
    ],
  },
  {
    name: 'If-Match that fails on a MISS',
    steps: [
      { request: get('/cache/*', 'If-Match: "two"'), answer: of('first', FRESH, ...TAGGED), expect: own(412, { headers: { 'x-cache-status': 'MISS' } }) },
      {
        request: get('/cache/*'),
        answer: of('second', FRESH),
        expect: { ...saw('HIT', 'first', { 'cache-control': 'max-age=60', ...TAGS }), attempts: 0 },
        nginx: {
          why: 'it gives the reply up with the request',
          headers: { 'x-cache-status': 'MISS', etag: undefined, 'last-modified': undefined },
          body: 'second',
          attempts: 1,
        },
      },
    ],
  },
  {
    name: 'conditions and a reply that may be stored, had it a lifetime',
    steps: [
      {
        request: get('/cache/*', 'If-None-Match: "one"'),
        answer: of('first', ...TAGGED),
        expect: { ...saw('MISS', '', TAGS), status: 304, reason: 'Not Modified' },
      },
    ],
  },
  {
    name: 'conditions and a reply that must not be stored',
    steps: [
      {
        request: get('/cache/*', 'If-None-Match: "one"', 'Range: bytes=1-2'),
        answer: of('first', 'Cache-Control: no-store', 'Accept-Ranges: bytes', ...TAGGED),
        expect: { ...saw('MISS', 'first', { 'cache-control': 'no-store', 'accept-ranges': 'bytes', ...TAGS }), params: { HTTP_IF_NONE_MATCH: undefined, HTTP_RANGE: undefined } },
      },
    ],
  },
  {
    name: 'conditions of POST are passed on',
    steps: [
      {
        request: request('POST', '/cache/*', ['If-Match: "one"'], 'a'),
        answer: of('first', ...TAGGED),
        expect: { ...saw(undefined, 'first', TAGS), sent: 'a', params: { HTTP_IF_MATCH: '"one"' } },
      },
    ],
  },
]
