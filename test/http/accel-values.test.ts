// The values of X-Accel-Limit-Rate, -Buffering and -Redirect.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import Fastify from 'fastify'
import { parseBuffering, parseLimitRate, parseRedirect } from '../../lib/http/accel-values.ts'

const NOT_NUMBERS = ['', ' ', '-1', '+1', '1.5', '1k', '10m', '0x10', '1e3', ' 1', '1 ', 'off', 'Infinity', 'NaN', '1,000', '١', '\0']

test('X-Accel-Limit-Rate: a plain integer', () => {
  for (const [value, expected] of [['0', 0], ['00', 0], ['1', 1], ['010', 10], ['102400', 102_400]] as const) assert.equal(parseLimitRate(value), expected)
  assert.equal(parseLimitRate('9007199254740993'), Number.MAX_SAFE_INTEGER)
  assert.equal(parseLimitRate('9'.repeat(65_536)), Number.MAX_SAFE_INTEGER)
  for (const value of NOT_NUMBERS) assert.equal(parseLimitRate(value), undefined, value)
})

test('X-Accel-Buffering: yes or no', () => {
  for (const value of ['yes', 'YES', 'Yes']) assert.equal(parseBuffering(value), true)
  for (const value of ['no', 'NO', 'nO']) assert.equal(parseBuffering(value), false)
  for (const value of ['', 'on', 'off', '1', '0', 'true', 'no ', 'none']) assert.equal(parseBuffering(value), undefined, value)
})

function target (value: string): string {
  const result = parseRedirect(value)
  if (result.kind === 'unsafe') return `unsafe: ${result.reason}`
  if (result.kind === 'location') return `location ${result.name}`
  assert.equal(result.url, result.query === undefined ? result.path : `${result.path}?${result.query}`)
  return result.url
}

test('X-Accel-Redirect: where it leads', () => {
  for (const [value, expected] of [
    ['/a', '/a'],
    ['/', '/'],
    ['/a/b.txt?x=1&y=%20', '/a/b.txt?x=1&y=%20'],
    ['/a?', '/a?'],
    ['/a?b?c#d', '/a?b?c%23d'],
    ['@name', 'location @name'],
    ['@name?x', 'location @name?x'],
    ['//a//b', '//a//b'],
    ['/a/./b', '/a/./b'],
    ['/a..b/..c/d../...', '/a..b/..c/d../...'],
    ['/a?/../b', '/a?/../b'],
    // Raw, these would end the path or part it.
    ['/a%3Fb', '/a%3Fb'],
    ['/a%3fb', '/a%3Fb'],
    ['/a%2Fb', '/a/b'],
    ['/a%252Fb', '/a%252Fb'],
    ['/a%23b', '/a%23b'],
    ['/a#b', '/a%23b'],
    ['/100%25', '/100%25'],
    ['/a%252e%252e/b', '/a%252e%252e/b'],
    ['/a%3Bb;c', '/a%3Bb;c'],
    // What the escape stands for, where it makes no difference.
    ['/%61%2Cb%2bc%7E', '/a,b+c~'],
    ['/a b', '/a%20b'],
    ['/a%20b', '/a%20b'],
    ['/a"<>\\^`{|}b', '/a%22%3C%3E%5C%5E%60%7B%7C%7Db'],
    ['/a%5cb', '/a%5Cb'],
    ['/\xc3\xa9', '/%C3%A9'],
    ['/%c3%a9', '/%C3%A9'],
    ['/\xe9', '/%E9'],
    ['/%e9', '/%E9'],
    ['/\u20ac', '/%E2%82%AC'],
    ['/a\r\nb\x7f', '/a%0D%0Ab%7F'],
    ['/a?b c\xe9\r\n\0', '/a?b%20c%E9%0D%0A%00'],
  ] as const) assert.equal(target(value), expected, value)
})

test('X-Accel-Redirect: what is not followed', () => {
  for (const value of [
    '', '?', '?a=b', 'a', 'a/b', 'http://example.org/a', '../a', '..', ' /a', '%2Fa',
    '/..', '/../', '/a/..', '/a/../b', '/%2e%2e/a', '/a/%2E./b', '/a/.%2e', '/a%2F..%2fb', '/a%2f%2e%2e', '/a/..?b', '/%2e%2e%2f',
    '/a\0', '/a%00', '/%00/b', '/a\0%20',
    '/%', '/a%2', '/a%zz', '/%%20', '/100%/a',
  ]) assert.match(target(value), /^unsafe: it /, value)
})

test('the router gets the bytes that the application meant', async () => {
  const app = Fastify()
  app.get('/x/*', async request => Object.values(Object(request.params)))
  for (const [value, expected] of [
    ['/x/a%2Fb', 'a/b'], ['/x/a%252Fb', 'a%2Fb'], ['/x/a%3Fb?c', 'a?b'], ['/x/100%25', '100%'], ['/x/a%2525', 'a%25'], ['/x/a b', 'a b'], ['/x/\xc3\xa9', 'é'], ['/x/a#b', 'a#b'], ['/x/%61,b;c', 'a,b;c'],
  ] as const) {
    const reply = await app.inject(target(value))
    assert.deepEqual(reply.json(), [expected], value)
  }
  await app.close()
})

test('any target is either refused or ASCII without a way upwards, and is the same when it is parsed again', () => {
  const piece = fc.oneof(
    fc.constantFrom('/', '..', '.', '%2e', '%2F', '%', '?', '#', '%00', '%25', '%c3%a9', 'a', ' ', '@', '//', '\0', '\\', ';'),
    fc.string({ unit: 'binary', maxLength: 3 })
  )
  fc.assert(fc.property(fc.array(piece, { maxLength: 8 }).map(pieces => `/${pieces.join('')}`), value => {
    const result = parseRedirect(value)
    if (result.kind !== 'uri') return
    assert.match(result.url, /^\/[\x21-\x7e]*$/)
    assert.doesNotMatch(result.path, /[?#]/)
    for (const segment of decodeURIComponent(result.path.replace(/%[89A-F][0-9A-F]/g, '_')).split('/')) assert.notEqual(segment, '..')
    assert.deepEqual(parseRedirect(result.url), result)
  }), { numRuns: 2000 })
})

test('long targets cost no time', () => {
  const started = performance.now()
  for (const value of ['/a'.repeat(32_768), '/'.repeat(65_536), `/${'%61'.repeat(21_000)}`, `/${'\xe9'.repeat(65_000)}`, `/${'.'.repeat(65_000)}`, `/?${' '.repeat(65_000)}`]) target(value)
  assert.ok(performance.now() - started < 8000)
})
