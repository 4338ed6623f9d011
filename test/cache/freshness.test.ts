import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseHttpDate } from '../../lib/http/date.ts'
import { permitsAuthorized, readFreshness, type IgnoredHeaders } from '../../lib/cache/freshness.ts'
import { parseValid } from '../../lib/cache/valid.ts'

const NOW = Date.UTC(2026, 0, 1)
const NONE: IgnoredHeaders = { accelExpires: false, cacheControl: false, expires: false, setCookie: false, vary: false }
const LATER = 'Thu, 01 Jan 2026 00:01:00 GMT'
const PAST = 'Wed, 31 Dec 2025 23:59:00 GMT'

type Vector = [title: string, headers: Record<string, string | string[]>, expected: string, ignore?: Partial<IgnoredHeaders>]

// Expected: the lifetime in seconds, `none` where the headers do not say, `no` where they forbid; then the two windows, if there are any.
const VECTORS: Vector[] = [
  ['nothing', {}, 'none'],
  ['X-Accel-Expires', { 'x-accel-expires': '30' }, '30'],
  ['X-Accel-Expires as a time', { 'x-accel-expires': `@${NOW / 1000 + 45}` }, '45'],
  ['X-Accel-Expires of the past', { 'x-accel-expires': `@${NOW / 1000 - 5}` }, '-5'],
  ['X-Accel-Expires 0', { 'x-accel-expires': '0' }, 'no'],
  ['X-Accel-Expires 0 and a max-age', { 'x-accel-expires': '0', 'cache-control': 'max-age=60' }, 'no'],
  ['X-Accel-Expires negative', { 'x-accel-expires': '-1' }, 'none'],
  ['X-Accel-Expires off', { 'x-accel-expires': 'off', 'cache-control': 'max-age=60' }, '60'],
  ['X-Accel-Expires with a unit', { 'x-accel-expires': '10s' }, 'none'],
  ['X-Accel-Expires empty', { 'x-accel-expires': '' }, 'none'],
  ['X-Accel-Expires @0', { 'x-accel-expires': '@0', 'cache-control': 'max-age=60' }, '60'],
  ['X-Accel-Expires too large to be a number', { 'x-accel-expires': '9'.repeat(30) }, 'none'],
  ['X-Accel-Expires over max-age', { 'x-accel-expires': '30', 'cache-control': 'max-age=60' }, '30'],
  ['X-Accel-Expires over no-store', { 'x-accel-expires': '30', 'cache-control': 'no-store' }, '30'],
  ['X-Accel-Expires over no-store, other order', { 'cache-control': 'no-store', 'x-accel-expires': '30' }, '30'],
  ['X-Accel-Expires over max-age=0', { 'cache-control': 'max-age=0', 'x-accel-expires': '30' }, '30'],
  ['X-Accel-Expires over a malformed max-age', { 'cache-control': 'max-age=x', 'x-accel-expires': '30' }, '30'],
  ['X-Accel-Expires over Expires', { expires: PAST, 'x-accel-expires': '30' }, '30'],
  ['X-Accel-Expires with windows of Cache-Control', { 'x-accel-expires': '30', 'cache-control': 'max-age=5, stale-if-error=7' }, '30 0 7'],
  ['X-Accel-Expires with windows beside max-age=0', { 'x-accel-expires': '30', 'cache-control': 'max-age=0, stale-while-revalidate=9' }, '30 9 9'],
  ['X-Accel-Expires with windows beside no-store', { 'x-accel-expires': '30', 'cache-control': 'no-store, stale-while-revalidate=9' }, '30'],
  ['X-Accel-Expires ignored', { 'x-accel-expires': '30', 'cache-control': 'max-age=60' }, '60', { accelExpires: true }],
  ['X-Accel-Expires 0 ignored', { 'x-accel-expires': '0' }, 'none', { accelExpires: true }],
  ['X-Accel-Expires ignored, Expires before Cache-Control', { 'x-accel-expires': '30', expires: LATER, 'cache-control': 'max-age=5' }, '5', { accelExpires: true }],
  ['max-age', { 'cache-control': 'max-age=60' }, '60'],
  ['max-age in capitals', { 'cache-control': 'Public, MAX-AGE=60' }, '60'],
  ['max-age=0', { 'cache-control': 'max-age=0' }, 'no'],
  ['max-age empty', { 'cache-control': 'max-age=' }, 'no'],
  ['max-age quoted', { 'cache-control': 'max-age="60"' }, 'no'],
  ['max-age negative', { 'cache-control': 'max-age=-1' }, 'no'],
  ['max-age with a fraction', { 'cache-control': 'max-age=1.5' }, 'no'],
  ['max-age up to a semicolon', { 'cache-control': 'max-age=60;foo' }, '60'],
  ['max-age up to a space', { 'cache-control': 'max-age=60 foo' }, '60'],
  ['max-age with spaces', { 'cache-control': 'max-age = 60' }, 'none'],
  ['max-age beyond all bounds', { 'cache-control': `max-age=${'9'.repeat(40)}` }, String(2 ** 31 - 1)],
  ['max-age, first of two in a line', { 'cache-control': 'max-age=5, max-age=60' }, '5'],
  ['max-age, last of two lines', { 'cache-control': ['max-age=5', 'max-age=60'] }, '60'],
  ['max-age as the end of another name', { 'cache-control': 'x-max-age=60' }, '60'],
  ['s-maxage', { 'cache-control': 's-maxage=30' }, '30'],
  ['s-maxage over max-age', { 'cache-control': 'max-age=60, s-maxage=30' }, '30'],
  ['s-maxage=0 over max-age', { 'cache-control': 'max-age=60, s-maxage=0' }, 'no'],
  ['no-cache', { 'cache-control': 'no-cache' }, 'no'],
  ['no-store', { 'cache-control': 'max-age=60, No-Store' }, 'no'],
  ['private', { 'cache-control': 'private, max-age=60' }, 'no'],
  ['private with a field', { 'cache-control': 'private="x", max-age=60' }, 'no'],
  ['no-cache within a word', { 'cache-control': 'x-no-cache-y' }, 'no'],
  ['no-cache in an earlier line', { 'cache-control': ['no-cache', 'max-age=60'] }, 'no'],
  ['no-cache in a later line', { 'cache-control': ['max-age=60', 'no-cache'] }, 'no'],
  ['public alone', { 'cache-control': 'public' }, 'none'],
  ['must-revalidate makes no difference', { 'cache-control': 'must-revalidate, max-age=60' }, '60'],
  ['Cache-Control ignored', { 'cache-control': 'no-store, max-age=60' }, 'none', { cacheControl: true }],
  ['Cache-Control ignored, Expires', { 'cache-control': 'no-store', expires: LATER }, '60', { cacheControl: true }],
  ['Pragma', { pragma: 'no-cache' }, 'none'],
  ['Expires', { expires: LATER }, '60'],
  ['Expires in the past', { expires: PAST }, 'no'],
  ['Expires 0', { expires: '0' }, 'no'],
  ['Expires -1', { expires: '-1' }, 'no'],
  ['Expires no date', { expires: 'tomorrow' }, 'no'],
  ['Expires of RFC 850', { expires: 'Thursday, 01-Jan-26 00:01:00 GMT' }, '60'],
  ['Expires of asctime', { expires: 'Thu Jan  1 00:01:00 2026' }, '60'],
  ['Expires, first of two lines', { expires: [LATER, PAST] }, '60'],
  ['Expires in the past and a max-age', { expires: PAST, 'cache-control': 'max-age=30' }, '30'],
  ['Expires and no-cache', { expires: LATER, 'cache-control': 'no-cache' }, 'no'],
  ['Expires and a Cache-Control without a lifetime', { expires: LATER, 'cache-control': 'public' }, '60'],
  ['Expires ignored', { expires: PAST }, 'none', { expires: true }],
  ['stale-while-revalidate opens both windows', { 'cache-control': 'max-age=60, stale-while-revalidate=10' }, '60 10 10'],
  ['stale-if-error of its own', { 'cache-control': 'max-age=60, stale-while-revalidate=10, stale-if-error=20' }, '60 10 20'],
  ['stale-if-error before the other', { 'cache-control': 'stale-if-error=20, max-age=60, stale-while-revalidate=10' }, '60 10 20'],
  ['stale-if-error alone', { 'cache-control': 'max-age=60, stale-if-error=20' }, '60 0 20'],
  ['a window without a lifetime', { 'cache-control': 'stale-if-error=20' }, 'none 0 20'],
  ['a malformed window', { 'cache-control': 'max-age=60, stale-if-error=x' }, 'no'],
  ['no window of a line that forbids', { 'cache-control': 'no-store, stale-if-error=20', 'x-accel-expires': '30' }, '30'],
]

for (const [title, headers, expected, ignore] of VECTORS) {
  test(`freshness: ${title}`, () => {
    const { allowed, staleAt, staleWhileRevalidate, staleIfError } = readFreshness(headers, { ...NONE, ...ignore }, NOW)
    const lifetime = allowed ? staleAt === 0 ? 'none' : String((staleAt - NOW) / 1000) : 'no'
    const windows = staleWhileRevalidate + staleIfError === 0 ? '' : ` ${staleWhileRevalidate} ${staleIfError}`
    assert.equal(lifetime + windows, expected)
  })
}

const value = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.array(fc.constantFrom(
    'max-age=', 's-maxage=', 'stale-if-error=', 'stale-while-revalidate=', 'no-cache', 'private', '1', '60', '0', ',', ' ', ';', '"', '-', '@',
    LATER, PAST
  ), { maxLength: 12 }).map(parts => parts.join(''))
)
const some = fc.oneof(value, fc.array(value, { minLength: 1, maxLength: 3 }))
const headers = fc.record({ 'x-accel-expires': value, 'cache-control': some, expires: value }, { requiredKeys: [] })
const ignored = fc.record({
  accelExpires: fc.boolean(), cacheControl: fc.boolean(), expires: fc.boolean(), setCookie: fc.boolean(), vary: fc.boolean(),
})

test('whatever the headers are, the result is a time or none', () => {
  fc.assert(fc.property(headers, ignored, (given, ignore) => {
    const { allowed, staleAt, staleWhileRevalidate, staleIfError } = readFreshness(given, ignore, NOW)
    assert.ok(Number.isSafeInteger(staleAt) && staleAt >= 0)
    assert.ok(allowed || staleAt === 0)
    for (const window of [staleWhileRevalidate, staleIfError]) assert.ok(Number.isSafeInteger(window) && window >= 0 && window < 2 ** 31)
    permitsAuthorized(given, ignore)
  }))
})

test('the order of the headers makes no difference', () => {
  fc.assert(fc.property(headers, ignored, (given, ignore) => {
    const reversed = Object.fromEntries(Object.entries(given).reverse())
    assert.deepEqual(readFreshness(reversed, ignore, NOW), readFreshness(given, ignore, NOW))
  }))
})

test('more seconds never make a shorter life, and a later clock never an earlier end', () => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.nat(), (a, b, later) => {
    const [less, more] = a < b ? [a, b] : [b, a]
    const end = (seconds: bigint, now: number): number => readFreshness({ 'cache-control': `max-age=${seconds}` }, NONE, now).staleAt
    assert.ok(end(less, NOW) <= end(more, NOW))
    assert.ok(end(more, NOW) <= end(more, NOW + later))
  }))
})

test('a no-store that is added never makes a reply storable', () => {
  fc.assert(fc.property(headers, ignored, (given, ignore) => {
    const { 'cache-control': control = [], 'x-accel-expires': _, ...rest } = given
    const before = { ...rest, 'cache-control': control }
    const after = { ...rest, 'cache-control': [...(typeof control === 'string' ? [control] : control), 'no-store'] }
    if (!readFreshness(before, ignore, NOW).allowed) assert.equal(readFreshness(after, ignore, NOW).allowed, false)
    if (!ignore.cacheControl) assert.equal(readFreshness(after, ignore, NOW).allowed, false)
  }))
})

test('what lets a reply to a request with Authorization be stored', () => {
  const permits = (control: string | string[], ignore: Partial<IgnoredHeaders> = {}): boolean => {
    return permitsAuthorized({ 'cache-control': control }, { ...NONE, ...ignore })
  }
  for (const control of ['public', 'max-age=1, Public', 's-maxage=10', 'must-revalidate,max-age=3', 'x="a,b", public']) assert.ok(permits(control), control)
  for (const control of ['max-age=60', 'x-public', 'publicly', 'x="public"', 'x="a, public, b"', 'x="public', '']) assert.ok(!permits(control), control)
  assert.ok(permits(['max-age=1', 'public']))
  assert.ok(!permits('public', { cacheControl: true }))
  assert.ok(!permitsAuthorized({}, NONE))
})

test('dates of HTTP, and what only looks like one', () => {
  for (const text of ['Sun, 06 Nov 1994 08:49:37 GMT', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994']) {
    assert.equal(parseHttpDate(text), Date.UTC(1994, 10, 6, 8, 49, 37) / 1000, text)
  }
  for (const text of ['', '0', '-1', '1994', 'Sun, 06 Nov 1994', 'Sun, 31 Feb 1994 08:49:37 GMT', 'Sun, 06 Foo 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT', 'Sun, 06 Nov 1994 08:61:37 GMT', '1994-11-06T08:49:37Z']) {
    assert.equal(parseHttpDate(text), undefined, text)
  }
  fc.assert(fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), date => {
    assert.equal(parseHttpDate(date.toUTCString()), Math.floor(date.getTime() / 1000))
  }))
  fc.assert(fc.property(fc.string(), text => { parseHttpDate(text) }))
})

test('valid: a status of its own goes before any, wherever it stands', () => {
  const times = parseValid('valid', { any: '1m', '200 302': '10m', 404: 0, 410: '30d' })
  assert.deepEqual([200, 302, 301, 404, 410, 500].map(code => times.of(code)), [600_000, 600_000, 60_000, 0, 30 * 86_400_000, 60_000])
  const short = parseValid('valid', '5s')
  assert.deepEqual([200, 301, 302, 404].map(code => short.of(code)), [5000, 5000, 5000, 0])
  assert.equal(parseValid('valid', undefined).of(200), 0)
})

test('valid: what it cannot be', () => {
  for (const value of ['soon', -1, { 999: '1m' }, { ok: '1m' }, { 200: 'x' }, [], null, { '200 200': 1 }, { 200: 1, '200 301': 2 }, { '': 1 }, NaN, '200y']) {
    assert.throws(() => parseValid('valid', value), { code: 'FST_SCGI_OPT_INVALID' }, JSON.stringify(value))
  }
})
