import type { Script } from '../../helpers/recorder.ts'
import { get, own, reply, request } from './row.ts'
import type { Row } from './row.ts'

const OK = reply(['Status: 200 OK'], 'second')
const BODY_100K = 'abcdefghij'.repeat(10240)

/** Takes the whole request and closes without a byte. */
const close: Script = async (exchange) => {
  await exchange.body()
  await exchange.end()
}

/** Takes the whole request and never answers. */
const stall: Script = (exchange) => exchange.closed

const ONE_TRY = { why: 'it goes on to another server only where it got no connection' }

const status = (line: string): string => reply([`Status: ${line}`], 'first')

/** When a request goes on to the next server. `/two*` has two servers, `/refused*` one that refuses and a backup, `/dead` two that refuse. */
export const nextRows: Row[] = [
  {
    name: 'a refused connection',
    request: get('/refused/'),
    answer: OK,
    expect: { body: 'second' },
  },
  {
    name: 'a refused connection, POST',
    request: request('POST', '/refused/', [], 'abc'),
    answer: OK,
    expect: { body: 'second', sent: 'abc' },
  },
  {
    name: 'a refused connection, next upstream off',
    request: get('/refused-off/'),
    answer: OK,
    expect: own(502, { attempts: 0 }),
    apache: { skip: 'it cannot be switched off' },
  },
  {
    name: 'every connection refused',
    request: get('/dead/'),
    answer: OK,
    expect: own(502, { attempts: 0 }),
    apache: { why: 'it answers 503 when no server takes the connection', status: 503 },
  },
  {
    name: 'closed without a byte, GET',
    request: get('/two/'),
    answer: [close, OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, ...own(500), attempts: 1 },
  },
  {
    name: 'closed without a byte, PUT with a body',
    request: request('PUT', '/two/', [], BODY_100K),
    answer: [close, OK],
    expect: { body: 'second', attempts: 2, sent: BODY_100K, params: { CONTENT_LENGTH: '102400' } },
    apache: { ...ONE_TRY, ...own(500), attempts: 1 },
  },
  {
    name: 'closed without a byte, DELETE',
    request: request('DELETE', '/two/', [], 'abc'),
    answer: [close, OK],
    expect: { body: 'second', attempts: 2, sent: 'abc' },
    apache: { ...ONE_TRY, ...own(500), attempts: 1 },
  },
  {
    name: 'closed without a byte, POST',
    request: request('POST', '/two/', [], 'abc'),
    answer: [close, OK],
    expect: own(502, { sent: 'abc' }),
    apache: { ...ONE_TRY, status: 500 },
  },
  {
    name: 'closed without a byte, PATCH',
    request: request('PATCH', '/two/', [], 'abc'),
    answer: [close, OK],
    expect: own(502, { sent: 'abc' }),
    apache: { ...ONE_TRY, status: 500 },
  },
  {
    name: 'closed without a byte, POST, non_idempotent',
    request: request('POST', '/two-idem/', [], 'abc'),
    answer: [close, OK],
    expect: { body: 'second', attempts: 2, sent: 'abc' },
    apache: { skip: 'it has no such condition' },
  },
  {
    name: 'closed without a byte, next upstream off',
    request: get('/two-off/'),
    answer: [close, OK],
    expect: own(502),
    apache: { skip: 'it cannot be switched off' },
  },
  {
    name: 'closed without a byte, one try',
    request: get('/two-one/'),
    answer: [close, OK],
    expect: own(502),
    apache: { skip: 'it counts other attempts' },
  },
  {
    name: 'closed without a byte by both',
    request: get('/two/'),
    answer: close,
    expect: own(502, { attempts: 2 }),
    apache: { ...ONE_TRY, status: 500, attempts: 1 },
  },
  {
    name: 'closed inside the head',
    request: get('/two/'),
    answer: ['Status: 200 OK\r\nX-A', OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, ...own(500), attempts: 1 },
  },
  {
    name: 'closed inside the body',
    request: get('/two/'),
    answer: [reply(['Status: 200 OK', 'Content-Length: 10'], 'first'), OK],
    expect: { body: 'first', cut: true },
    apache: { why: 'it ignores Content-Length, a short body looks complete', cut: false },
  },
  {
    name: 'an invalid head, not listed',
    request: get('/two/'),
    answer: [reply(['Status: 200 OK', ': 1']), OK],
    expect: own(502),
    apache: { ...ONE_TRY, status: 500 },
  },
  {
    name: 'an invalid head, listed',
    request: get('/two-any/'),
    answer: [reply(['Status: 200 OK', ': 1']), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, ...own(500), attempts: 1 },
  },
  {
    name: '503, not listed',
    request: get('/two/'),
    answer: [status('503 Busy'), OK],
    expect: { status: 503, reason: 'Busy', body: 'first' },
  },
  {
    name: '503, listed',
    request: get('/two-any/'),
    answer: [status('503 Busy'), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, status: 503, reason: 'Busy', body: 'first', attempts: 1 },
  },
  {
    name: '503, listed, from both: the last is delivered',
    request: get('/two-any/'),
    answer: [status('503 Busy'), reply(['Status: 503 Still Busy', 'Retry-After: 1'], 'second')],
    expect: { status: 503, reason: 'Still Busy', headers: { 'retry-after': '1' }, body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, reason: 'Busy', headers: {}, body: 'first', attempts: 1 },
  },
  {
    name: '503, listed, POST: delivered',
    request: request('POST', '/two-any/', [], 'abc'),
    answer: [status('503 Busy'), OK],
    expect: { status: 503, reason: 'Busy', body: 'first', sent: 'abc' },
  },
  {
    name: '503, listed, POST, non_idempotent',
    request: request('POST', '/two-idem/', [], 'abc'),
    answer: [status('503 Busy'), OK],
    expect: { body: 'second', attempts: 2, sent: 'abc' },
    apache: { skip: 'it has no such condition' },
  },
  {
    name: '500, listed',
    request: get('/two-any/'),
    answer: [status('500 Oops'), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, status: 500, reason: 'Oops', body: 'first', attempts: 1 },
  },
  {
    name: '403, listed',
    request: get('/two-any/'),
    answer: [status('403 Forbidden'), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, status: 403, reason: 'Forbidden', body: 'first', attempts: 1 },
  },
  {
    name: '404, listed',
    request: get('/two-any/'),
    answer: [status('404 Not Found'), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, status: 404, reason: 'Not Found', body: 'first', attempts: 1 },
  },
  {
    name: '429, listed',
    request: get('/two-any/'),
    answer: [status('429 Too Many Requests'), OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, status: 429, reason: 'Too Many Requests', body: 'first', attempts: 1 },
  },
  {
    name: '502 of the application has no condition',
    request: get('/two-any/'),
    answer: [status('502 Bad Gateway'), OK],
    expect: { status: 502, reason: 'Bad Gateway', body: 'first' },
  },
  {
    name: 'a read timeout, GET',
    request: get('/two-slow/'),
    answer: [stall, OK],
    expect: { body: 'second', attempts: 2 },
    apache: { ...ONE_TRY, ...own(504), attempts: 1 },
  },
  {
    name: 'a read timeout, POST',
    request: request('POST', '/two-slow/', [], 'abc'),
    answer: [stall, OK],
    expect: own(504, { sent: 'abc' }),
    apache: { skip: 'its shortest timeout is a second; the row before shows it' },
  },
  {
    name: 'a read timeout of both',
    request: get('/two-slow/'),
    answer: stall,
    expect: own(504, { attempts: 2 }),
    apache: { skip: 'its shortest timeout is a second; the row before shows it' },
  },
]
