import { BRIEF, FRESH, close, expiring, of, saw, stall } from './cache-steps.ts'
import { EXPIRES } from './sequence.ts'
import { get, own, reply, request } from './row.ts'
import type { Sequence, Step } from './sequence.ts'

/** An expired entry, and its application fails, or somebody else asks. */
const EXPIRING: Step = { request: get('/stale/*'), answer: of('first', BRIEF), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) }
const STALE_FIRST = saw('STALE', 'first', { 'cache-control': 'max-age=1' })

export const staleSequences: Sequence[] = [
  { name: 'an error: no reply', steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: close, expect: STALE_FIRST }] },
  { name: 'an error: a reply without an end of its head', steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: 'Status: 200 OK\r\nX-A', expect: STALE_FIRST }] },
  { name: 'an error: an invalid head', steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: 'Status: fine\r\n\r\n', expect: STALE_FIRST }] },
  { name: 'an error: a timeout', steps: [expiring('stale-slow'), { wait: EXPIRES, request: get('/stale-slow/*'), answer: stall, expect: STALE_FIRST }] },
  ...['500 Internal Server Error', '503 Busy', '403 Forbidden', '404 Not Found', '429 Slowly'].map((status): Sequence => ({
    name: `an error: ${status.slice(0, 3)}`,
    steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: reply([`Status: ${status}`], 'failed'), expect: STALE_FIRST }],
  })),
  {
    name: 'no error: a 502 of the application\'s own',
    steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: reply(['Status: 502 Mine'], 'failed'), expect: { ...saw('EXPIRED', 'failed'), status: 502, reason: 'Mine' } }],
  },
  {
    name: 'no error: the body breaks off',
    steps: [EXPIRING, { wait: EXPIRES, request: get('/stale/*'), answer: of('half', FRESH, 'Content-Length: 10'), expect: { ...saw('EXPIRED', 'half', { 'cache-control': 'max-age=60' }), cut: true } }],
  },
  {
    name: 'stale, then the application is well again',
    steps: [
      EXPIRING,
      { wait: EXPIRES, request: get('/stale/*'), answer: reply(['Status: 503 Busy'], 'failed'), expect: STALE_FIRST },
      { request: get('/stale/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/stale/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'stale, and the client\'s condition holds',
    steps: [
      { request: get('/stale/*'), answer: of('first', BRIEF, 'ETag: "one"'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', etag: '"one"' }) },
      {
        wait: EXPIRES,
        request: get('/stale/*', 'If-None-Match: "one"'),
        answer: close,
        expect: { ...saw('STALE', '', { 'cache-control': 'max-age=1', etag: '"one"' }), status: 304, reason: 'Not Modified' },
      },
    ],
  },
  {
    name: 'stale, and a range',
    steps: [
      { request: get('/stale/*'), answer: of('first', BRIEF, 'Accept-Ranges: bytes', 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1', 'accept-ranges': 'bytes' }) },
      {
        wait: EXPIRES,
        request: get('/stale/*', 'Range: bytes=1-2'),
        answer: close,
        expect: { ...saw('STALE', 'ir', { 'cache-control': 'max-age=1', 'content-range': 'bytes 1-2/5' }), status: 206, reason: 'Partial Content' },
      },
    ],
  },
  {
    name: 'stale, HEAD',
    steps: [
      { request: get('/stale/*'), answer: of('first', BRIEF, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) },
      { wait: EXPIRES, request: request('HEAD', '/stale/*'), answer: close, expect: saw('STALE', '', { 'cache-control': 'max-age=1', 'content-length': '5' }) },
    ],
  },
  {
    name: 'a bypass does not fall back',
    steps: [
      { ...expiring('bypass-stale', 'max-age=1, stale-if-error=60') },
      { wait: EXPIRES, request: get('/bypass-stale/*', 'X-Refresh: 1'), answer: close, expect: own(502, { headers: { 'x-cache-status': 'BYPASS' } }) },
      { request: get('/bypass-stale/*', 'X-Refresh: 1'), answer: reply(['Status: 503 Busy'], 'failed'), expect: { ...saw('BYPASS', 'failed'), status: 503, reason: 'Busy' } },
      { request: get('/bypass-stale/*'), answer: close, expect: saw('STALE', 'first', { 'cache-control': 'max-age=1, stale-if-error=60' }) },
    ],
  },
  {
    name: 'a range beyond max_range_offset falls back as well',
    steps: [
      { request: get('/max-range/*'), answer: of('0123456789', 'Cache-Control: max-age=1, stale-if-error=60', 'Accept-Ranges: bytes', 'Content-Length: 10'), expect: saw('MISS', '0123456789', { 'cache-control': 'max-age=1, stale-if-error=60', 'accept-ranges': 'bytes' }) },
      {
        wait: EXPIRES,
        request: get('/max-range/*', 'Range: bytes=7-8'),
        answer: close,
        expect: { ...saw('STALE', '78', { 'cache-control': 'max-age=1, stale-if-error=60', 'content-range': 'bytes 7-8/10' }), status: 206, reason: 'Partial Content' },
      },
    ],
  },
  {
    name: 'an error when there is nothing',
    steps: [{ request: get('/stale/*'), answer: close, expect: own(502, { headers: { 'x-cache-status': 'MISS' } }) }],
  },
  {
    name: 'an error, and nothing says that stale entries are served',
    steps: [expiring('cache'), { wait: EXPIRES, request: get('/cache/*'), answer: close, expect: own(502, { headers: { 'x-cache-status': 'EXPIRED' } }) }],
  },
  {
    name: 'stale-if-error: no reply',
    steps: [
      expiring('cache', 'max-age=1, stale-if-error=60'),
      { wait: EXPIRES, request: get('/cache/*'), answer: close, expect: saw('STALE', 'first', { 'cache-control': 'max-age=1, stale-if-error=60' }) },
    ],
  },
  {
    name: 'stale-if-error: a timeout',
    steps: [
      expiring('stale-off-slow', 'max-age=1, stale-if-error=60'),
      { wait: EXPIRES, request: get('/stale-off-slow/*'), answer: stall, expect: saw('STALE', 'first', { 'cache-control': 'max-age=1, stale-if-error=60' }) },
    ],
  },
  {
    name: 'stale-if-error is not for what the application answers',
    steps: [
      expiring('cache', 'max-age=1, stale-if-error=60'),
      { wait: EXPIRES, request: get('/cache/*'), answer: reply(['Status: 503 Busy'], 'failed'), expect: { ...saw('EXPIRED', 'failed'), status: 503, reason: 'Busy' } },
    ],
  },
  {
    name: 'stale-while-revalidate is for errors, too',
    steps: [
      expiring('cache', 'max-age=1, stale-while-revalidate=60'),
      { wait: EXPIRES, request: get('/cache/*'), answer: close, expect: saw('STALE', 'first', { 'cache-control': 'max-age=1, stale-while-revalidate=60' }) },
    ],
  },
  {
    name: 'stale-while-revalidate, and stale-if-error says no',
    steps: [
      expiring('cache', 'max-age=1, stale-while-revalidate=60, stale-if-error=0'),
      { wait: EXPIRES, request: get('/cache/*'), answer: close, expect: own(502, { headers: { 'x-cache-status': 'EXPIRED' } }) },
    ],
  },
  {
    name: 'updating: others get the expired entry meanwhile',
    steps: [
      expiring('updating'),
      {
        wait: EXPIRES,
        request: get('/updating/*'),
        answer: of('second', FRESH),
        expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }),
        meanwhile: [
          { request: get('/updating/*'), expect: saw('UPDATING', 'first', { 'cache-control': 'max-age=1' }) },
          { request: get('/updating/*'), expect: saw('UPDATING', 'first', { 'cache-control': 'max-age=1' }) },
        ],
      },
      { request: get('/updating/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'not updating: others go to the application as well',
    steps: [
      expiring('cache'),
      {
        wait: EXPIRES,
        request: get('/cache/*'),
        answer: of('second', FRESH),
        expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }),
        meanwhile: [{ request: get('/cache/*'), answer: of('third', FRESH), expect: saw('EXPIRED', 'third', { 'cache-control': 'max-age=60' }) }],
      },
      { request: get('/cache/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'stale-while-revalidate: others get the expired entry meanwhile',
    steps: [
      expiring('cache', 'max-age=1, stale-while-revalidate=60'),
      {
        wait: EXPIRES,
        request: get('/cache/*'),
        answer: of('second', FRESH),
        expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }),
        meanwhile: [{ request: get('/cache/*'), expect: saw('UPDATING', 'first', { 'cache-control': 'max-age=1, stale-while-revalidate=60' }) }],
      },
    ],
  },
  {
    name: 'an update that fails frees the way for the next',
    steps: [
      expiring('updating'),
      { wait: EXPIRES, request: get('/updating/*'), answer: close, expect: own(502, { headers: { 'x-cache-status': 'EXPIRED' } }) },
      { request: get('/updating/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'a background update',
    steps: [
      expiring('background'),
      {
        wait: EXPIRES,
        request: get('/background/*'),
        answer: of('second', FRESH),
        background: true,
        expect: STALE_FIRST,
        meanwhile: [{ request: get('/background/*'), expect: saw('UPDATING', 'first', { 'cache-control': 'max-age=1' }) }],
      },
      { request: get('/background/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'a background update of HEAD',
    steps: [
      expiring('background'),
      {
        wait: EXPIRES,
        request: request('HEAD', '/background/*'),
        answer: async (exchange) => exchange.end(of(exchange.request.param('REQUEST_METHOD') === 'GET' ? 'second' : '', FRESH)),
        background: true,
        expect: { ...saw('STALE', '', { 'cache-control': 'max-age=1', 'content-length': '5' }), params: { REQUEST_METHOD: 'GET' } },
        nginx: { why: 'it has no conversion for SCGI, and the application said no length', headers: { 'content-length': undefined }, params: { REQUEST_METHOD: 'HEAD' } },
      },
      {
        request: get('/background/*'),
        expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to HEAD is the empty reply to GET', body: '' },
      },
    ],
  },
  {
    name: 'a background update that fails: the entry stays',
    steps: [
      expiring('background'),
      { wait: EXPIRES, request: get('/background/*'), answer: close, background: true, expect: STALE_FIRST },
      { request: get('/background/*'), answer: of('third', FRESH), background: true, expect: STALE_FIRST },
      { request: get('/background/*'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'a background update that brings an error: the entry stays',
    steps: [
      expiring('background'),
      { wait: EXPIRES, request: get('/background/*'), answer: reply(['Status: 500 Oops'], 'failed'), background: true, expect: STALE_FIRST },
      { request: get('/background/*'), answer: of('third', FRESH), background: true, expect: STALE_FIRST },
    ],
  },
  {
    name: 'a background update where the entry says so',
    steps: [
      expiring('background-only', 'max-age=1, stale-while-revalidate=60'),
      {
        wait: EXPIRES,
        request: get('/background-only/*'),
        answer: of('second', FRESH),
        background: true,
        expect: saw('STALE', 'first', { 'cache-control': 'max-age=1, stale-while-revalidate=60' }),
      },
      { request: get('/background-only/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'no background update where nothing says so',
    steps: [
      expiring('background-only'),
      { wait: EXPIRES, request: get('/background-only/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
]
