import { EXPIRES } from './sequence.ts'
import { get, own, reply, request } from './row.ts'
import type { Script } from '../../helpers/recorder.ts'
import type { CacheStatus } from '../../../types/cache.ts'
import type { Difference, Outcome } from './row.ts'
import type { Sequence, Step } from './sequence.ts'

const FRESH = 'Cache-Control: max-age=60'
const BRIEF = 'Cache-Control: max-age=1'

/** Takes the whole request and closes without a byte. */
const close: Script = async (exchange) => {
  await exchange.body()
  await exchange.end()
}

/** Takes the whole request and never answers. */
const stall: Script = (exchange) => exchange.closed

/** A reply with a body, and what a client sees of it. */
function saw (status: CacheStatus | undefined, body: string, headers: Outcome['headers'] = {}): Partial<Outcome> {
  return { body, headers: { ...headers, 'x-cache-status': status } }
}

const of = (body: string, ...lines: string[]): string => reply(['Status: 200 OK', ...lines], body)

/** The reply with these headers is fetched once, or twice where it may not be stored. */
function stored (name: string, lines: string[], is: boolean, nginx?: { is: boolean } & Difference, mount = 'cache'): Sequence {
  const headers: Outcome['headers'] = {}
  for (const line of lines) {
    const colon = line.indexOf(': ')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 2)
    if (name === 'status' || name.startsWith('x-accel-')) continue
    const before = headers[name]
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  const code = /^Status: (\d+) (.*)/.exec(lines[0] ?? '')
  const more = code === null ? {} : { status: Number(code[1]), reason: code[2] ?? '' }
  const second: Step = { request: get(`/${mount}/*`), answer: reply(lines, 'second'), expect: { ...saw('MISS', 'second', headers), ...more } }
  const hit: Partial<Outcome> = { ...saw('HIT', 'first', headers), ...more, attempts: 0 }
  if (is) second.expect = hit
  if (nginx !== undefined) {
    const { is: kept, ...said } = nginx
    second.nginx = { ...said, body: kept ? 'first' : 'second', headers: { 'x-cache-status': kept ? 'HIT' : 'MISS' }, attempts: kept ? 0 : 1 }
    if (is) second.answer = reply(lines, 'second')
  }
  return { name, steps: [{ request: get(`/${mount}/*`), answer: reply(lines, 'first'), expect: { ...saw('MISS', 'first', headers), ...more } }, second] }
}

const ORDER = { is: false, why: 'the order of the headers made a difference', knownTo: '1.22.1', before: '1.31.5' }

const LARGE = 'abcdefghij'.repeat(30_000)
const PAST = 'Thu, 01 Jan 1970 00:00:01 GMT'
const FUTURE = 'Fri, 01 Jan 2100 00:00:01 GMT'

/** How long a reply may be kept, and which may at all. */
export const lifetimeSequences: Sequence[] = [
  stored('nothing said', [], false),
  stored('max-age', [FRESH], true),
  stored('max-age of 0', ['Cache-Control: max-age=0'], false),
  stored('s-maxage', ['Cache-Control: s-maxage=60'], true),
  stored('s-maxage goes before max-age', ['Cache-Control: max-age=0, s-maxage=60'], true),
  stored('s-maxage of 0 goes before max-age', ['Cache-Control: max-age=60, s-maxage=0'], false),
  stored('upper case', ['Cache-Control: MAX-AGE=60'], true),
  stored('no-cache', ['Cache-Control: no-cache, max-age=60'], false),
  stored('no-store', ['Cache-Control: max-age=60, no-store'], false),
  stored('private', ['Cache-Control: private, max-age=60'], false),
  stored('private with a field', ['Cache-Control: private="set-cookie", max-age=60'], false),
  stored('a word with no-cache in it', ['Cache-Control: x-no-cache-y, max-age=60'], false),
  stored('a number in quotes', ['Cache-Control: max-age="60"'], false),
  stored('a number with a letter', ['Cache-Control: max-age=60s'], false),
  stored('a number that ends at a semicolon', ['Cache-Control: max-age=60; x'], true),
  stored('a negative number', ['Cache-Control: max-age=-1'], false),
  stored('no number', ['Cache-Control: max-age='], false),
  stored('a number beyond all bounds', ['Cache-Control: max-age=99999999999999999999'], true),
  stored('must-revalidate', ['Cache-Control: max-age=60, must-revalidate'], true),
  stored('public alone', ['Cache-Control: public'], false),
  stored('two lines', ['Cache-Control: public', 'Cache-Control: max-age=60'], true),
  stored('two lines, the second forbids', ['Cache-Control: max-age=60', 'Cache-Control: no-store'], false),
  stored('two lines, the first forbids', ['Cache-Control: no-store', 'Cache-Control: max-age=60'], false),
  stored('Pragma of the application', [FRESH, 'Pragma: no-cache'], true),
  stored('Expires', [`Expires: ${FUTURE}`], true),
  stored('Expires that is past', [`Expires: ${PAST}`], false),
  stored('Expires that is no date', ['Expires: 0'], false),
  stored('Expires that is past, and max-age', [`Expires: ${PAST}`, FRESH], true, ORDER),
  stored('max-age, and Expires that is past', [FRESH, `Expires: ${PAST}`], true),
  stored('Expires and max-age of 0', [`Expires: ${FUTURE}`, 'Cache-Control: max-age=0'], false),
  stored('Expires in the form of RFC 850', ['Expires: Friday, 01-Jan-37 00:00:01 GMT'], true),
  stored('Expires in the form of asctime', ['Expires: Fri Jan  1 00:00:01 2100'], true),
  stored('Expires of the far past', ['Expires: Mon, 01 Jan 0001 00:00:00 GMT'], false),
  stored('max-age twice in a line', ['Cache-Control: max-age=60, max-age=0'], true),
  stored('max-age twice in two lines', ['Cache-Control: max-age=60', 'Cache-Control: max-age=0'], false),
  stored('stale-while-revalidate alone', ['Cache-Control: stale-while-revalidate=60'], false),
  stored('a stale-while-revalidate that is no number', ['Cache-Control: max-age=60, stale-while-revalidate=x'], false),
  stored('blanks around max-age', ['Cache-Control: public ,  max-age=60'], true),
  stored('a blank before the number', ['Cache-Control: max-age= 60'], false),
  stored('a blank before the equals sign', ['Cache-Control: max-age =60'], false),
  stored('X-Accel-Expires', ['X-Accel-Expires: 60'], true),
  stored('X-Accel-Expires with a sign', ['X-Accel-Expires: +60'], false),
  stored('X-Accel-Expires with a unit', ['X-Accel-Expires: 60s'], false),
  stored('X-Accel-Expires off', ['X-Accel-Expires: off', FRESH], true),
  stored('two lines of X-Accel-Expires', ['X-Accel-Expires: 60', 'X-Accel-Expires: 0'], true, { is: false, why: 'it took each', before: '1.23.0' }),
  stored('X-Accel-Expires as a time', ['X-Accel-Expires: @4102444801'], true),
  stored('X-Accel-Expires of 0', ['X-Accel-Expires: 0', FRESH], false),
  stored('X-Accel-Expires of 0 comes last', [FRESH, 'X-Accel-Expires: 0'], false),
  stored('X-Accel-Expires goes before no-store', ['Cache-Control: no-store', 'X-Accel-Expires: 60'], true, ORDER),
  stored('X-Accel-Expires, then no-store', ['X-Accel-Expires: 60', 'Cache-Control: no-store'], true),
  stored('X-Accel-Expires goes before Expires', [`Expires: ${PAST}`, 'X-Accel-Expires: 60'], true, ORDER),
  stored('X-Accel-Expires that is none', ['X-Accel-Expires: soon', FRESH], true),
  stored('X-Accel-Expires that is negative', ['X-Accel-Expires: -5'], false),
  stored('X-Accel-Expires does not go before Set-Cookie', ['X-Accel-Expires: 60', 'Set-Cookie: a=1'], false),
  stored('Set-Cookie', [FRESH, 'Set-Cookie: a=1'], false),
  stored('Vary: *', [FRESH, 'Vary: *'], false),
  stored('Vary with * among names', [FRESH, 'Vary: X-A, *'], false, { is: true, why: 'it looks for a header of that name' }),
  stored('a Vary that is too long', [FRESH, `Vary: ${'x'.repeat(129)}`], false),
  stored('a Vary that is just not', [FRESH, `Vary: ${'x'.repeat(128)}`], true),
  stored('404 that says how long', ['Status: 404 Not Found', FRESH], true),
  stored('500 that says how long', ['Status: 500 Internal Server Error', FRESH], true),
  stored('206 that says how long', ['Status: 206 Partial Content', FRESH, 'Content-Range: bytes 0-5/10'], true),
  stored('302 that says how long', ['Status: 302 Found', FRESH, 'Location: http://other.test/'], true),
  stored('not buffered', [FRESH], false, undefined, 'unbuffered'),
  stored('X-Accel-Buffering: no', [FRESH, 'X-Accel-Buffering: no'], false),

  stored('valid, 200', [], true, undefined, 'valid'),
  stored('valid, 404', ['Status: 404 Not Found'], true, undefined, 'valid'),
  stored('valid, 301 is not listed', ['Status: 301 Moved Permanently', 'Location: http://other.test/'], false, undefined, 'valid'),
  stored('valid does not go before no-store', ['Cache-Control: no-store'], false, undefined, 'valid'),
  stored('valid does not go before Expires', [`Expires: ${PAST}`], false, undefined, 'valid'),
  stored('valid, and a Cache-Control without a lifetime', ['Cache-Control: public'], true, undefined, 'valid'),
  stored('valid, one time: 200', [], true, undefined, 'valid-plain'),
  stored('valid, one time: 302', ['Status: 302 Found', 'Location: http://other.test/'], true, undefined, 'valid-plain'),
  stored('valid, one time: 404', ['Status: 404 Not Found'], false, undefined, 'valid-plain'),
  stored('valid any: 200', [], true, undefined, 'valid-any'),
  stored('valid any: 500', ['Status: 500 Internal Server Error'], true, undefined, 'valid-any'),
  stored('valid any: a status with 0', ['Status: 404 Not Found'], false, undefined, 'valid-any'),
  stored('valid any before a status with 0', ['Status: 404 Not Found'], false, { is: true, why: 'the first that fits counts' }, 'valid-any-first'),
  stored('ignored: Cache-Control', ['Cache-Control: no-store'], true, undefined, 'ignoring'),
  stored('ignored: Expires', [`Expires: ${PAST}`], true, undefined, 'ignoring'),
  stored('ignored: X-Accel-Expires', ['X-Accel-Expires: 0'], true, undefined, 'ignoring'),
  stored('ignored: Set-Cookie, which goes to everybody', ['Set-Cookie: a=1'], true, undefined, 'ignoring'),
  stored('ignored: Vary', ['Vary: *'], true, undefined, 'ignoring'),
  {
    name: 'X-Accel-Expires in the past',
    steps: [
      { request: get('/cache/*'), answer: of('first', 'X-Accel-Expires: @1'), expect: saw('MISS', 'first') },
      {
        request: get('/cache/*'),
        answer: of('second', 'X-Accel-Expires: @1'),
        expect: saw('MISS', 'second'),
        nginx: { why: 'it stores what has expired', headers: { 'x-cache-status': 'EXPIRED' } },
      },
    ],
  },
  {
    name: 'max-age runs out',
    steps: [
      { request: get('/cache/*'), answer: of('first', BRIEF), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) },
      { wait: EXPIRES, request: get('/cache/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'valid runs out',
    steps: [
      { request: get('/valid-1s/*'), answer: of('first'), expect: saw('MISS', 'first') },
      { wait: EXPIRES, request: get('/valid-1s/*'), answer: of('second', FRESH), expect: saw('EXPIRED', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/valid-1s/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'a large body',
    steps: [
      { request: get('/cache/*'), answer: of(LARGE, FRESH, 'Accept-Ranges: bytes', `Content-Length: ${LARGE.length}`), expect: saw('MISS', LARGE, { 'cache-control': 'max-age=60', 'accept-ranges': 'bytes' }) },
      { request: get('/cache/*'), expect: saw('HIT', LARGE, { 'cache-control': 'max-age=60', 'accept-ranges': 'bytes' }) },
      {
        request: get('/cache/*', 'Range: bytes=299995-'),
        expect: { ...saw('HIT', 'fghij', { 'cache-control': 'max-age=60', 'content-range': 'bytes 299995-299999/300000' }), status: 206, reason: 'Partial Content' },
      },
    ],
  },
  {
    name: 'a large body without Content-Length',
    steps: [
      { request: get('/cache/*'), answer: of(LARGE, FRESH), expect: saw('MISS', LARGE, { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', LARGE, { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'X-Accel-Charset holds for a HIT, too',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH, 'Content-Type: text/plain', 'X-Accel-Charset: utf-8'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60', 'content-type': 'text/plain; charset=utf-8' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60', 'content-type': 'text/plain; charset=utf-8' }) },
    ],
  },
  {
    name: 'an expired entry is not replaced by a reply that forbids it',
    steps: [
      { request: get('/cache/*'), answer: of('first', BRIEF), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) },
      { wait: EXPIRES, request: get('/cache/*'), answer: of('second', 'Cache-Control: no-store'), expect: saw('EXPIRED', 'second', { 'cache-control': 'no-store' }) },
      { request: get('/cache/*'), answer: of('third', 'Cache-Control: no-store'), expect: saw('EXPIRED', 'third', { 'cache-control': 'no-store' }) },
    ],
  },
  {
    name: 'headers and phrase are stored',
    steps: [
      {
        request: get('/cache/*'),
        answer: reply(['Status: 203 Made Up', FRESH, 'Content-Type: text/x-first', 'X-First: a', 'X-First: b', 'Date: Mon, 07 Nov 1994 08:49:37 GMT', 'ETag: "one"'], 'first'),
        expect: {
          status: 203,
          reason: 'Made Up',
          body: 'first',
          headers: {
            'cache-control': 'max-age=60', 'content-type': 'text/x-first', 'x-first': ['a', 'b'], date: 'Mon, 07 Nov 1994 08:49:37 GMT', etag: '"one"', 'x-cache-status': 'MISS',
          },
        },
      },
      {
        request: get('/cache/*'),
        expect: {
          status: 203,
          reason: 'Made Up',
          body: 'first',
          headers: {
            'cache-control': 'max-age=60', 'content-type': 'text/x-first', 'x-first': ['a', 'b'], date: 'Mon, 07 Nov 1994 08:49:37 GMT', etag: '"one"', 'x-cache-status': 'HIT',
          },
        },
      },
    ],
  },
  {
    name: 'Age',
    steps: [
      { request: get('/age/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      {
        request: get('/age/*'),
        expect: saw('HIT', 'first', { 'cache-control': 'max-age=60', age: '0' }),
        nginx: { why: 'it sends none, which RFC 9111 section 5.1 asks for', headers: { age: undefined } },
      },
    ],
  },
  {
    name: 'a short body is not stored',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH, 'Content-Length: 10'), expect: { ...saw('MISS', 'first', { 'cache-control': 'max-age=60' }), cut: true } },
      { request: get('/cache/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'surplus bytes are not stored',
    steps: [
      { request: get('/cache/*'), answer: of('firstly', FRESH, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: '204',
    steps: [
      { request: get('/cache/*'), answer: reply(['Status: 204 No Content', FRESH]), expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60' }), status: 204, reason: 'No Content' } },
      { request: get('/cache/*'), expect: { ...saw('HIT', '', { 'cache-control': 'max-age=60' }), status: 204, reason: 'No Content' } },
    ],
  },
  {
    name: 'an empty body',
    steps: [
      { request: get('/cache/*'), answer: of('', FRESH), expect: saw('MISS', '', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'X-Accel-Redirect is not stored, its target is',
    steps: [
      {
        request: get('/cache/*'),
        answer: [of('', FRESH, 'X-Accel-Redirect: /valid/onto'), of('target', 'Cache-Control: max-age=60')],
        expect: { ...saw('MISS', 'target', { 'cache-control': 'max-age=60' }), attempts: 2 },
        nginx: { why: 'it sends what is carried and what the target has, and tells of the cache on each way', headers: { 'cache-control': ['max-age=60', 'max-age=60'] } },
      },
      {
        request: get('/cache/*'),
        answer: of('second', FRESH),
        expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the key has the request\'s URI, and stands for the target and for what leads to it', headers: { 'x-cache-status': 'HIT' }, body: 'target', attempts: 0 },
      },
    ],
  },
]

/** Which requests meet which entries. */
export const keySequences: Sequence[] = [
  {
    name: 'the query is part of the key',
    steps: [
      { request: get('/cache/*?a=1'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*?a=2'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*?a=1'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'what the client says in Cache-Control and Pragma makes no difference',
    steps: [
      { request: get('/cache/*', 'Cache-Control: no-store'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/cache/*', 'Cache-Control: no-cache', 'Pragma: no-cache'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'Authorization',
    steps: [
      { request: get('/cache/*', 'Authorization: Basic YTpi'), answer: of('mine', FRESH), expect: saw('MISS', 'mine', { 'cache-control': 'max-age=60' }) },
      {
        request: get('/cache/*'),
        answer: of('all', FRESH),
        expect: saw('MISS', 'all', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'it gives one user\'s reply to another, against RFC 9111 section 3.5', headers: { 'x-cache-status': 'HIT' }, body: 'mine', attempts: 0 },
      },
    ],
  },
  {
    name: 'Authorization, and the reply is public',
    steps: [
      { request: get('/cache/*', 'Authorization: Basic YTpi'), answer: of('first', 'Cache-Control: public, max-age=60'), expect: saw('MISS', 'first', { 'cache-control': 'public, max-age=60' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'public, max-age=60' }) },
    ],
  },
  {
    name: 'variants',
    steps: [
      { request: get('/cache/*', 'X-A: 1'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*'), answer: of('none', FRESH, 'Vary: X-A'), expect: saw('MISS', 'none', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 1'), expect: saw('HIT', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2', 'X-B: 1'), expect: saw('HIT', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*'), expect: saw('HIT', 'none', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
    ],
  },
  {
    name: 'variants: lists are compared without their blanks',
    steps: [
      { request: get('/cache/*', 'Accept-Encoding: gzip, br'), answer: of('one', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: gzip,br'), expect: saw('HIT', 'one', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: br, gzip'), answer: of('two', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
      { request: get('/cache/*', 'Accept-Encoding: GZIP, br'), answer: of('three', FRESH, 'Vary: Accept-Encoding'), expect: saw('MISS', 'three', { 'cache-control': 'max-age=60', vary: 'Accept-Encoding' }) },
    ],
  },
  {
    name: 'variants: in other headers every character counts',
    steps: [
      { request: get('/cache/*', 'X-A: a, b'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: a,b'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
    ],
  },
  {
    name: 'variants: an empty header is not the same as none',
    steps: [
      { request: get('/cache/*'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A:'), answer: of('two', FRESH, 'Vary: X-A'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-A' }), nginx: { why: 'to it there is no difference', headers: { 'x-cache-status': 'HIT' }, body: 'one', attempts: 0 } },
    ],
  },
  {
    name: 'a Vary that changes',
    steps: [
      { request: get('/cache/*', 'X-A: 1', 'X-B: 1'), answer: of('one', FRESH, 'Vary: X-A'), expect: saw('MISS', 'one', { 'cache-control': 'max-age=60', vary: 'X-A' }) },
      { request: get('/cache/*', 'X-A: 2', 'X-B: 1'), answer: of('two', FRESH, 'Vary: X-B'), expect: saw('MISS', 'two', { 'cache-control': 'max-age=60', vary: 'X-B' }) },
      { request: get('/cache/*', 'X-A: 3', 'X-B: 1'), expect: saw('HIT', 'two', { 'cache-control': 'max-age=60', vary: 'X-B' }) },
    ],
  },
  {
    name: 'HEAD, then GET',
    steps: [
      {
        request: request('HEAD', '/cache/*'),
        answer: async (exchange) => exchange.end(of(exchange.request.param('REQUEST_METHOD') === 'GET' ? 'first' : '', FRESH, 'Content-Length: 5')),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60', 'content-length': '5' }), params: { REQUEST_METHOD: 'GET' } },
        nginx: { why: 'it has no conversion for SCGI', params: { REQUEST_METHOD: 'HEAD' } },
      },
      {
        request: get('/cache/*'),
        answer: of('second', FRESH, 'Content-Length: 6'),
        expect: { ...saw('HIT', 'first', { 'cache-control': 'max-age=60' }), attempts: 0 },
        nginx: { why: 'the HEAD brought nothing that could be stored', headers: { 'x-cache-status': 'MISS' }, body: 'second', attempts: 1 },
      },
    ],
  },
  {
    name: 'HEAD without Content-Length, then GET',
    steps: [
      {
        request: request('HEAD', '/cache/*'),
        answer: async (exchange) => exchange.end(of(exchange.request.param('REQUEST_METHOD') === 'GET' ? 'first' : '', FRESH)),
        expect: saw('MISS', '', { 'cache-control': 'max-age=60' }),
      },
      {
        request: get('/cache/*'),
        expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to HEAD is the empty reply to GET', body: '' },
      },
    ],
  },
  {
    name: 'GET, then HEAD',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('HEAD', '/cache/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60', 'content-length': '5' }) },
    ],
  },
  {
    name: 'HEAD that is not converted stores nothing',
    steps: [
      {
        request: request('HEAD', '/head-as-head/*'),
        answer: of('', FRESH),
        expect: { ...saw('MISS', '', { 'cache-control': 'max-age=60' }), params: { REQUEST_METHOD: 'HEAD' } },
      },
      {
        request: get('/head-as-head/*'),
        answer: of('second', FRESH),
        expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to HEAD is the empty reply to GET', headers: { 'x-cache-status': 'HIT' }, body: '', attempts: 0 },
      },
    ],
  },
  {
    name: 'HEAD that is not converted is answered from what is there',
    steps: [
      { request: get('/head-as-head/*'), answer: of('first', FRESH, 'Content-Length: 5'), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('HEAD', '/head-as-head/*'), expect: saw('HIT', '', { 'cache-control': 'max-age=60', 'content-length': '5' }) },
    ],
  },
  {
    name: 'POST has nothing to do with the cache',
    steps: [
      { request: get('/cache/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: request('POST', '/cache/*', [], 'abc'), answer: of('posted', FRESH), expect: { ...saw(undefined, 'posted', { 'cache-control': 'max-age=60' }), sent: 'abc' } },
      { request: get('/cache/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'POST that is listed',
    steps: [
      { request: request('POST', '/post/*', [], 'abc'), answer: of('posted', FRESH), expect: { ...saw('MISS', 'posted', { 'cache-control': 'max-age=60' }), sent: 'abc' } },
      { request: request('POST', '/post/*', [], 'abc'), expect: saw('HIT', 'posted', { 'cache-control': 'max-age=60' }) },
      {
        request: get('/post/*'),
        answer: of('got', FRESH),
        expect: saw('MISS', 'got', { 'cache-control': 'max-age=60' }),
        nginx: { why: 'the reply to POST is the reply to GET, unless the key has the method', headers: { 'x-cache-status': 'HIT' }, body: 'posted', attempts: 0 },
      },
    ],
  },
  {
    name: 'a zone for some requests',
    steps: [
      { request: get('/zone/*?zone=off'), answer: of('first', FRESH), expect: saw(undefined, 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*?zone=off'), answer: of('second', FRESH), expect: saw(undefined, 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*'), answer: of('third', FRESH), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60' }) },
      { request: get('/zone/*'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass, which replaces what is there',
    steps: [
      { request: get('/bypass/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 0'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('second', FRESH), expect: saw('BYPASS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'second', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass, and the reply is not to be stored: what is there stays',
    steps: [
      { request: get('/bypass/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('second', 'Cache-Control: no-store'), expect: saw('BYPASS', 'second', { 'cache-control': 'no-store' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'bypass when there is nothing',
    steps: [
      { request: get('/bypass/*', 'X-Refresh: 1'), answer: of('first', FRESH), expect: saw('BYPASS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/bypass/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'no_cache, asked of the request and of the reply',
    steps: [
      { request: get('/no-cache/*', 'X-Private: 1'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/no-cache/*'), answer: of('second', FRESH, 'X-Volatile: 1'), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60', 'x-volatile': '1' }) },
      { request: get('/no-cache/*'), answer: of('third', FRESH, 'X-Volatile: 0'), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60', 'x-volatile': '0' }) },
      { request: get('/no-cache/*', 'X-Private: 1'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60', 'x-volatile': '0' }) },
    ],
  },
  {
    name: 'the same in bypass and no_cache',
    steps: [
      { request: get('/around/*'), answer: of('first', FRESH), expect: saw('MISS', 'first', { 'cache-control': 'max-age=60' }) },
      { request: get('/around/*', 'X-Refresh: 1'), answer: of('second', FRESH), expect: saw('BYPASS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/around/*'), expect: saw('HIT', 'first', { 'cache-control': 'max-age=60' }) },
    ],
  },
  {
    name: 'min_uses',
    steps: [
      { request: get('/min-uses/*', 'If-None-Match: "a"'), answer: of('first', FRESH, 'ETag: "a"'), expect: { ...saw('MISS', 'first', { 'cache-control': 'max-age=60', etag: '"a"' }), params: { HTTP_IF_NONE_MATCH: '"a"' } } },
      { request: get('/min-uses/*'), answer: of('second', FRESH), expect: saw('MISS', 'second', { 'cache-control': 'max-age=60' }) },
      { request: get('/min-uses/*'), answer: of('third', FRESH), expect: saw('MISS', 'third', { 'cache-control': 'max-age=60' }) },
      { request: get('/min-uses/*'), expect: saw('HIT', 'third', { 'cache-control': 'max-age=60' }) },
    ],
  },
]

/** An expired entry, and its application fails, or somebody else asks. */
const EXPIRING: Step = { request: get('/stale/*'), answer: of('first', BRIEF), expect: saw('MISS', 'first', { 'cache-control': 'max-age=1' }) }
const STALE_FIRST = saw('STALE', 'first', { 'cache-control': 'max-age=1' })

function expiring (mount: string, control = 'max-age=1'): Step {
  return { request: get(`/${mount}/*`), answer: of('first', `Cache-Control: ${control}`), expect: saw('MISS', 'first', { 'cache-control': control }) }
}

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

const TAGGED = ['ETag: "one"', 'Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT']
const TAGS = { etag: '"one"', 'last-modified': 'Mon, 07 Nov 1994 08:49:37 GMT' }
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
