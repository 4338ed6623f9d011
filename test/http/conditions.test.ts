// If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since. The tables are what nginx 1.22 answers, save where a comment says otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { evaluateByRfc, evaluateConditions, NOT_MODIFIED_REMOVES, type IfModifiedSince } from '../../lib/http/conditions.ts'
import { parseHttpDate } from '../../lib/http/date.ts'

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT'
const BEFORE = 'Sun, 06 Nov 1994 08:49:36 GMT'
const AFTER = 'Sun, 06 Nov 1994 08:49:38 GMT'
const BOTH = { etag: '"x"', lastModified: DATE }

type Headers = Record<string, string | string[]>
interface Entity { etag?: string, lastModified?: string, status?: number }

function evaluate (headers: Headers, entity: Entity, method = 'GET', mode?: IfModifiedSince): 'proceed' | 304 | 412 {
  return evaluateConditions({ method, headers }, { status: 200, ...entity }, mode)
}

const CASES: [Headers, Entity, 'proceed' | 304 | 412][] = [
  [{}, BOTH, 'proceed'],

  [{ 'if-none-match': '"x"' }, BOTH, 304],
  [{ 'if-none-match': '"y"' }, BOTH, 'proceed'],
  [{ 'if-none-match': '*' }, {}, 304],
  [{ 'if-none-match': '"x"' }, {}, 'proceed'],
  [{ 'if-none-match': 'W/"x"' }, BOTH, 304],
  [{ 'if-none-match': '"x"' }, { etag: 'W/"x"' }, 304],
  [{ 'if-none-match': 'W/"x"' }, { etag: 'W/"x"' }, 304],
  [{ 'if-none-match': 'x' }, BOTH, 'proceed'],
  [{ 'if-none-match': 'x' }, { etag: 'x' }, 304],
  [{ 'if-none-match': '"a","x"' }, BOTH, 304],
  [{ 'if-none-match': '"a" ,\t W/"x" , "b"' }, BOTH, 304],
  [{ 'if-none-match': ['"a"', '"x"'] }, BOTH, 304],
  [{ 'if-none-match': ',, "x"' }, BOTH, 304],
  [{ 'if-none-match': '"a" "x"' }, BOTH, 'proceed'],
  [{ 'if-none-match': '"a""x"' }, BOTH, 'proceed'],
  [{ 'if-none-match': '"x"z' }, BOTH, 'proceed'],
  [{ 'if-none-match': '"x' }, BOTH, 'proceed'],
  [{ 'if-none-match': '"x", *' }, BOTH, 304],
  [{ 'if-none-match': '*, "q"' }, BOTH, 'proceed'],
  [{ 'if-none-match': '' }, BOTH, 'proceed'],
  [{ 'if-none-match': '"a,"x"' }, { etag: '"a,"' }, 'proceed'],
  [{ 'if-none-match': '"b", "a,b"' }, { etag: '"a,b"' }, 304],
  // nginx looks at each comma, also within a tag, and says 304.
  [{ 'if-none-match': '"a,"x","' }, BOTH, 'proceed'],

  [{ 'if-match': '"x"' }, BOTH, 'proceed'],
  [{ 'if-match': '"a", "x"' }, BOTH, 'proceed'],
  [{ 'if-match': '"y"' }, BOTH, 412],
  [{ 'if-match': '*' }, {}, 'proceed'],
  [{ 'if-match': '"x"' }, {}, 412],
  [{ 'if-match': '' }, {}, 412],
  [{ 'if-match': '"x"' }, { etag: 'W/"x"' }, 412],
  [{ 'if-match': 'W/"x"' }, BOTH, 412],
  // nginx compares the letters and proceeds; RFC 9110 wants a strong comparison, in which no weak tag matches.
  [{ 'if-match': 'W/"x"' }, { etag: 'W/"x"' }, 412],

  [{ 'if-modified-since': DATE }, BOTH, 304],
  [{ 'if-modified-since': AFTER }, BOTH, 'proceed'],
  [{ 'if-modified-since': BEFORE }, BOTH, 'proceed'],
  [{ 'if-modified-since': DATE }, { etag: '"x"' }, 'proceed'],
  [{ 'if-modified-since': '' }, BOTH, 'proceed'],
  [{ 'if-modified-since': 'junk' }, { lastModified: 'junk' }, 'proceed'],
  [{ 'if-modified-since': 'Sunday, 06-Nov-94 08:49:37 GMT' }, BOTH, 304],
  [{ 'if-modified-since': 'Sun Nov  6 08:49:37 1994' }, BOTH, 304],
  [{ 'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 +0000' }, BOTH, 304],
  [{ 'if-modified-since': '06 Nov 1994 08:49:37 GMT' }, BOTH, 'proceed'],

  [{ 'if-modified-since': DATE, 'if-none-match': '"x"' }, BOTH, 304],
  [{ 'if-modified-since': DATE, 'if-none-match': '"z"' }, BOTH, 'proceed'],
  [{ 'if-modified-since': AFTER, 'if-none-match': '"x"' }, BOTH, 'proceed'],

  [{ 'if-unmodified-since': DATE }, BOTH, 'proceed'],
  [{ 'if-unmodified-since': AFTER }, BOTH, 'proceed'],
  [{ 'if-unmodified-since': BEFORE }, BOTH, 412],
  [{ 'if-unmodified-since': 'junk' }, BOTH, 412],
  [{ 'if-unmodified-since': DATE }, { etag: '"x"' }, 412],

  [{ 'if-unmodified-since': BEFORE, 'if-none-match': '"x"' }, BOTH, 412],
  [{ 'if-match': '"y"', 'if-none-match': '"x"' }, BOTH, 412],
  [{ 'if-match': '"x"', 'if-none-match': '"x"' }, BOTH, 304],

  [{ 'if-none-match': '"x"' }, { ...BOTH, status: 404 }, 'proceed'],
  [{ 'if-match': '"y"' }, { ...BOTH, status: 206 }, 'proceed'],
  [{ 'if-none-match': '"x"' }, { ...BOTH, status: 304 }, 'proceed'],
]

test('the table of nginx', () => {
  for (const [headers, entity, expected] of CASES) {
    const title = `${JSON.stringify(headers)} of ${JSON.stringify(entity)}`
    assert.equal(evaluate(headers, entity), expected, title)
    assert.equal(evaluate(headers, entity, 'HEAD'), expected, `HEAD: ${title}`)
    // The application has done what was asked: to say otherwise would be a lie.
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal(evaluate(headers, entity, method), 'proceed', `${method}: ${title}`)
  }
})

test("If-Modified-Since 'before': a later date will do", () => {
  assert.equal(evaluate({ 'if-modified-since': DATE }, BOTH, 'GET', 'before'), 304)
  assert.equal(evaluate({ 'if-modified-since': AFTER }, BOTH, 'GET', 'before'), 304)
  assert.equal(evaluate({ 'if-modified-since': BEFORE }, BOTH, 'GET', 'before'), 'proceed')
  assert.equal(evaluate({ 'if-modified-since': 'junk' }, BOTH, 'GET', 'before'), 'proceed')
})

test('If-Unmodified-Since by RFC 9110: it is ignored unless both dates are known, and where there is If-Match (13.1.4)', () => {
  const rows: [Record<string, string>, Entity, 'proceed' | 412][] = [
    [{ 'if-unmodified-since': DATE }, { etag: '"x"' }, 'proceed'],
    [{ 'if-unmodified-since': BEFORE }, {}, 'proceed'],
    [{ 'if-unmodified-since': BEFORE }, { lastModified: 'junk' }, 'proceed'],
    [{ 'if-unmodified-since': BEFORE }, { lastModified: '' }, 'proceed'],
    [{ 'if-unmodified-since': 'junk' }, BOTH, 'proceed'],
    [{ 'if-unmodified-since': BEFORE, 'if-match': '"x"' }, BOTH, 'proceed'],
    [{ 'if-unmodified-since': AFTER, 'if-match': '"y"' }, BOTH, 412],
    [{ 'if-unmodified-since': DATE }, BOTH, 'proceed'],
    [{ 'if-unmodified-since': AFTER }, BOTH, 'proceed'],
    [{ 'if-unmodified-since': BEFORE }, BOTH, 412],
  ]
  for (const [headers, entity, expected] of rows) {
    for (const method of ['GET', 'HEAD']) {
      // That a reply without Last-Modified is as old as its Date is for If-Modified-Since alone.
      for (const date of [undefined, AFTER]) {
        const title = `${method} ${JSON.stringify(headers)} of ${JSON.stringify(entity)}`
        assert.equal(evaluateByRfc({ method, headers }, { status: 200, ...entity }, date), expected, title)
      }
    }
  }
})

test('what a 304 does not have', () => {
  assert.deepEqual(NOT_MODIFIED_REMOVES, ['content-type', 'content-length', 'accept-ranges', 'content-encoding'])
})

const tag = fc.tuple(fc.boolean(), fc.stringMatching(/^[ab,! ]{0,3}$/)).map(([weak, text]) => `${weak ? 'W/' : ''}"${text}"`)

test('a list of tags matches where one of them does', () => {
  fc.assert(fc.property(fc.array(tag, { minLength: 1, maxLength: 5 }), tag, fc.constantFrom(',', ', ', ' ,\t', ',,'), (tags, etag, comma) => {
    const opaque = (text: string): string => text.replace(/^W\//, '')
    const list = tags.join(comma)
    const weak = tags.some(item => opaque(item) === opaque(etag))
    const strong = !etag.startsWith('W/') && tags.includes(etag)
    assert.equal(evaluate({ 'if-none-match': list }, { etag }), weak ? 304 : 'proceed')
    assert.equal(evaluate({ 'if-match': list }, { etag }), strong ? 'proceed' : 412)
  }), { numRuns: 500 })
})

test('no header makes it throw or hang', () => {
  fc.assert(fc.property(fc.string(), fc.string(), (value, etag) => {
    for (const name of ['if-none-match', 'if-match', 'if-modified-since', 'if-unmodified-since']) evaluate({ [name]: value }, { etag, lastModified: value })
  }))
  const started = performance.now()
  for (const value of ['"'.repeat(65_536), ','.repeat(65_536), 'W/'.repeat(32_768), '"a",'.repeat(16_384), ' '.repeat(65_536)]) {
    evaluate({ 'if-none-match': value }, { etag: '"x"' })
    evaluate({ 'if-modified-since': value }, { lastModified: value })
  }
  assert.ok(performance.now() - started < 8000)
})

test('HTTP dates', () => {
  const time = Date.UTC(1994, 10, 6, 8, 49, 37) / 1000
  for (const text of [DATE, 'sun, 06 nov 1994 08:49:37 gmt', 'Sunday, 06-Nov-94 08:49:37 GMT', 'Sun Nov  6 08:49:37 1994', 'Sun Nov 06 08:49:37 1994']) {
    assert.equal(parseHttpDate(text), time, text)
  }
  assert.equal(parseHttpDate('Sunday, 06-Nov-69 08:49:37 GMT'), Date.UTC(2069, 10, 6, 8, 49, 37) / 1000)
  assert.equal(parseHttpDate('Sunday, 06-Nov-70 08:49:37 GMT'), Date.UTC(1970, 10, 6, 8, 49, 37) / 1000)
  assert.equal(parseHttpDate('Thu, 01 Jan 0050 00:00:00 GMT'), Date.parse('0050-01-01T00:00:00Z') / 1000)
  assert.equal(parseHttpDate('Thu, 29 Feb 2024 00:00:00 GMT'), Date.UTC(2024, 1, 29) / 1000)
  for (const text of [
    '', '0', '1', '2020', 'now', '784111777', '1994-11-06T08:49:37Z', '06 Nov 1994 08:49:37 GMT', 'Sun, 6 Nov 1994 08:49:37 GMT',
    'Sun, 31 Feb 1994 08:49:37 GMT', 'Sun, 29 Feb 2023 08:49:37 GMT', 'Sun, 00 Nov 1994 08:49:37 GMT', 'Sun, 06 Xxx 1994 08:49:37 GMT',
    'Sun, 06 Nov 1994 24:49:37 GMT', 'Sun, 06 Nov 1994 08:60:37 GMT', 'Sun, 06 Nov 1994 08:49:60 GMT', 'Sun, 06 Nov 1994 08:49:370 GMT',
  ]) assert.equal(parseHttpDate(text), undefined, text)
  fc.assert(fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), seconds => {
    assert.equal(parseHttpDate(new Date(seconds * 1000).toUTCString()), seconds)
  }))
})
