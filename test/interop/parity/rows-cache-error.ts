import { FRESH, close, expiring, of, saw, stall } from './cache-steps.ts'
import { EXPIRES } from './sequence.ts'
import { get, own, reply, request } from './row.ts'
import type { Sequence } from './sequence.ts'

/** Errors that are remembered, and requests that wait for one another. */
export const errorSequences: Sequence[] = [
  {
    name: '502 of the gateway, with a time for 502',
    steps: [
      { request: get('/dead-cache/*'), expect: own(502, { headers: { 'x-cache-status': 'MISS' } }) },
      { request: get('/dead-cache/*'), expect: own(502, { headers: { 'x-cache-status': 'HIT' } }) },
    ],
  },
  {
    name: '502 of the gateway, with a time for any',
    steps: [
      { request: get('/dead-any/*'), expect: own(502, { headers: { 'x-cache-status': 'MISS' } }) },
      { request: get('/dead-any/*'), expect: own(502, { headers: { 'x-cache-status': 'HIT' } }) },
    ],
  },
  {
    name: '502 of the gateway, with a time for 200',
    steps: [
      { request: get('/dead-200/*'), expect: own(502, { headers: { 'x-cache-status': 'MISS' } }) },
      { request: get('/dead-200/*'), expect: own(502, { headers: { 'x-cache-status': 'MISS' } }) },
    ],
  },
  {
    name: '502 of the gateway with a page: it is asked for again',
    steps: [
      { request: get('/dead-page/*'), answer: of('sorry'), expect: { status: 502, reason: 'Bad Gateway', body: 'sorry' } },
      { request: get('/dead-page/*'), answer: of('sorry again'), expect: { status: 502, reason: 'Bad Gateway', body: 'sorry again' } },
    ],
  },
  {
    name: '504 of the gateway, with a time for 504',
    steps: [
      { request: get('/slow-cache/*'), answer: stall, expect: own(504, { headers: { 'x-cache-status': 'MISS' } }) },
      { request: get('/slow-cache/*'), expect: own(504, { headers: { 'x-cache-status': 'HIT' } }) },
    ],
  },
  {
    name: 'an intercepted status, with a time for it: its page is asked for again',
    steps: [
      {
        request: get('/intercepted/*'),
        answer: [reply(['Status: 404 Not Found'], 'first'), of('sorry')],
        expect: { status: 404, reason: 'Not Found', body: 'sorry' },
      },
      { request: get('/intercepted/*'), answer: of('sorry again'), expect: { status: 404, reason: 'Not Found', body: 'sorry again', params: { PATH_INFO: '/sorry' } } },
    ],
  },
  {
    name: 'an intercepted status that says how long',
    steps: [
      { request: get('/intercepted/*'), answer: [reply(['Status: 500 Oops', FRESH], 'first'), of('sorry')], expect: { status: 500, reason: 'Internal Server Error', body: 'sorry' } },
      { request: get('/intercepted/*'), answer: of('sorry again'), expect: { status: 500, reason: 'Internal Server Error', body: 'sorry again' } },
    ],
  },
  {
    name: 'an intercepted status that must not be stored',
    steps: [
      { request: get('/intercepted/*'), answer: [reply(['Status: 404 Not Found', 'Cache-Control: no-store'], 'first'), of('sorry')], expect: { status: 404, reason: 'Not Found', body: 'sorry' } },
      { request: get('/intercepted/*'), answer: [of('second', FRESH)], expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'lock: others wait',
    steps: [
      {
        request: get('/lock/*'),
        answer: of('first', FRESH),
        expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }),
        behind: [
          { request: get('/lock/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
          { request: get('/lock/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
        ],
      },
    ],
  },
  {
    name: 'lock: a variant',
    steps: [
      { request: get('/lock/*', 'X-A: 1'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      {
        request: get('/lock/*', 'X-A: 2'),
        answer: of('two', FRESH, 'Vary: X-A'),
        expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }),
        meanwhile: [{ request: get('/lock/*', 'X-A: 1'), expect: saw('HIT', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) }],
        behind: [{ request: get('/lock/*', 'X-A: 2'), expect: saw('HIT', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) }],
      },
    ],
  },
  {
    name: 'lock: HEAD waits as well',
    steps: [
      {
        request: get('/lock/*'),
        answer: of('first', FRESH, 'Content-Length: 5'),
        expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }),
        behind: [{ request: request('HEAD', '/lock/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60', 'content-length': '5' }) }],
      },
    ],
  },
  {
    name: 'lock: an error is for the one who fetches',
    steps: [
      {
        request: get('/lock-stale/*'),
        answer: reply(['Status: 503 Busy'], 'failed'),
        expect: { ...saw('MISS', 'failed'), status: 503, reason: 'Busy' },
        behind: [{ request: get('/lock-stale/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) }],
      },
    ],
  },
  {
    name: 'lock: others do not wait without it',
    steps: [
      {
        request: get('/cache/*'),
        answer: of('first', FRESH),
        expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }),
        meanwhile: [{ request: get('/cache/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) }],
      },
    ],
  },
  {
    name: 'lock: the reply is not stored, the next one goes',
    steps: [
      {
        request: get('/lock/*'),
        answer: of('first', 'Cache-Control: no-store'),
        expect: saw('MISS', 'first', { 'cache-control': 'no-store' }),
        behind: [{ request: get('/lock/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) }],
      },
      { request: get('/lock/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'lock: the one who fetches fails, the next one goes',
    steps: [
      {
        request: get('/lock/*'),
        answer: close,
        expect: own(502, { headers: { 'x-cache-status': 'MISS' } }),
        behind: [{ request: get('/lock/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) }],
      },
    ],
  },
  {
    name: 'lock: who has waited for too long goes, and stores nothing',
    steps: [
      {
        request: get('/lock-short/*'),
        answer: of('first', 'Cache-Control: no-store'),
        expect: saw('MISS', 'first', { 'cache-control': 'no-store' }),
        meanwhile: [{ request: get('/lock-short/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) }],
      },
      { request: get('/lock-short/*'), answer: of('third', FRESH), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'lock: an expired entry has none',
    steps: [
      expiring('lock'),
      {
        wait: EXPIRES,
        request: get('/lock/*'),
        answer: of('second', FRESH),
        expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }),
        meanwhile: [{ request: get('/lock/*'), answer: of('third', FRESH), expect: saw('EXPIRED', 'third', { 'cache-control': 'max-age=60' }) }],
      },
    ],
  },
]
