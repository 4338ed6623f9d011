import { BRIEF, FRESH, of, saw } from './cache-steps.ts'
import { EXPIRES } from './sequence.ts'
import { get, reply } from './row.ts'
import type { Difference, Outcome } from './row.ts'
import type { Sequence, Step } from './sequence.ts'

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
        expect: saw('EXPIRED', 'second'),
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
