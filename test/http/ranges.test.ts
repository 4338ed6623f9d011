// Range and If-Range. The tables are what nginx 1.22 answers, save where a comment says otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ifRange, parseRange, planRanges, type RangeEntity, type RangePlan } from '../../lib/http/ranges.ts'

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT'

type Outcome = [number, number][] | 'whole' | 'unsatisfiable'

function parse (value: string, size: number, maxRanges = Infinity): Outcome {
  const ranges = parseRange(value, size, maxRanges)
  return typeof ranges === 'string' ? ranges : ranges.map(({ start, end }) => [start, end])
}

test('the grammar of nginx, on 26 bytes', () => {
  const cases: [string, Outcome][] = [
    ['bytes=0-1', [[0, 2]]],
    ['bytes=0-1,5-6', [[0, 2], [5, 7]]],
    ['bytes=5-', [[5, 26]]],
    ['bytes=25-', [[25, 26]]],
    ['bytes=26-', 'unsatisfiable'],
    ['bytes=-3', [[23, 26]]],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=-26', [[0, 26]]],
    ['bytes=-99', [[0, 26]]],
    ['bytes=99-', 'unsatisfiable'],
    ['bytes=0-99', [[0, 26]]],
    ['bytes=5-2', 'unsatisfiable'],
    ['bytes=a', 'unsatisfiable'],
    ['bytes=', 'whole'],
    ['bytes= ', 'unsatisfiable'],
    ['bytes= 1 - 2 , 4 - 5 ', [[1, 3], [4, 6]]],
    ['bytes=1 - ,3-3', [[1, 26], [3, 4]]],
    ['bytes=1 - ,3-4', 'whole'],
    ['bytes=20 - ,3-3', [[20, 26], [3, 4]]],
    ['Bytes=1-2', [[1, 3]]],
    ['BYTES=1-2', [[1, 3]]],
    ['bytes=0-20,0-20', 'whole'],
    ['bytes=0-12,13-25', [[0, 13], [13, 26]]],
    ['bytes=0-13,13-25', 'whole'],
    ['bytes=0-1,99-', [[0, 2]]],
    ['bytes=0-1,-0', [[0, 2]]],
    ['bytes=0-1,x', 'unsatisfiable'],
    ['bytes=1-2,', 'unsatisfiable'],
    ['bytes=,1-2', 'unsatisfiable'],
    ['bytes=1-2,,3-4', 'unsatisfiable'],
    ['lines=1-2', 'whole'],
    ['bytes 1-2', 'whole'],
    ['', 'whole'],
    ['bytes=1-2;', 'unsatisfiable'],
    ['bytes=1-2 3', 'unsatisfiable'],
    ['bytes=0--1', 'unsatisfiable'],
    ['bytes=--1', 'unsatisfiable'],
    ['bytes=- 3', 'unsatisfiable'],
    ['bytes=\t1-2', 'unsatisfiable'],
    ['bytes=0x1-2', 'unsatisfiable'],
    ['bytes=+1-2', 'unsatisfiable'],
    ['bytes=1.0-2', 'unsatisfiable'],
    ['bytes=5-2,1-2', [[1, 3]]],
    ['bytes=0-0,2-1', [[0, 1]]],
    ['bytes=1-2,0-1', [[1, 3], [0, 2]]],
    // nginx gives 416 to a number that it cannot hold; RFC 9110 knows no largest number, and so does the saturation here.
    ['bytes=0-99999999999999999999999', [[0, 26]]],
    ['bytes=-99999999999999999999999', [[0, 26]]],
    ['bytes=99999999999999999999999-', 'unsatisfiable'],
    ['bytes=9007199254740991-9007199254740992', 'unsatisfiable'],
  ]
  for (const [value, expected] of cases) assert.deepEqual(parse(value, 26), expected, value)
})

test('of nothing', () => {
  for (const value of ['bytes=0-', 'bytes=0-5', 'bytes=-5', 'bytes=-0', 'bytes=1-,0-']) assert.equal(parse(value, 0), 'whole', value)
  for (const value of ['bytes=1-', 'bytes=x', 'bytes=5-9,1-']) assert.equal(parse(value, 0), 'unsatisfiable', value)
})

test('maxRanges counts those that can be served', () => {
  assert.deepEqual(parse('bytes=0-1,3-4', 26, 2), [[0, 2], [3, 5]])
  assert.deepEqual(parse('bytes=0-1,3-4,6-7', 26, 2), 'whole')
  assert.deepEqual(parse('bytes=0-1,3-4,99-', 26, 2), [[0, 2], [3, 5]])
})

/** The same by slow means: regular expressions, BigInt, and every position of the body asked for itself. */
function model (value: string, size: number): Outcome {
  const body = /^bytes=(.+)$/i.exec(value)?.[1]
  if (body === undefined) return 'whole'
  const ranges: [number, number][] = []
  for (const item of body.split(',')) {
    const suffix = /^ *-(\d+) *$/.exec(item)
    const range = /^ *(\d+) *- *(\d*) *$/.exec(item)
    let wanted: (at: number) => boolean
    if (suffix?.[1] !== undefined) {
      const count = BigInt(suffix[1])
      wanted = at => BigInt(size - at) <= count
    } else if (range?.[1] !== undefined) {
      const first = BigInt(range[1])
      const last = range[2] === '' ? undefined : BigInt(range[2] ?? '')
      wanted = at => BigInt(at) >= first && (last === undefined || BigInt(at) <= last)
    } else {
      return 'unsatisfiable'
    }
    const positions = Array.from({ length: size }, (_, at) => at).filter(wanted)
    const first = positions[0]
    if (first !== undefined) ranges.push([first, first + positions.length])
    else if (size === 0 && (suffix !== null || BigInt(range?.[1] ?? 1) === 0n)) return 'whole'
  }
  if (ranges.length === 0) return 'unsatisfiable'
  return ranges.reduce((sum, [start, end]) => sum + end - start, 0) > size ? 'whole' : ranges
}

test('the parser gives what a slow model gives', () => {
  const number = fc.oneof(fc.nat(40).map(String), fc.constantFrom('00', '007', '99999999999999999999'))
  const space = fc.constantFrom('', '', ' ', '  ')
  const item = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(space, number, space, fc.constant('-'), space, fc.option(number, { nil: '' }), space).map(parts => parts.join('')) },
    { weight: 2, arbitrary: fc.tuple(space, fc.constant('-'), number, space).map(parts => parts.join('')) },
    { weight: 1, arbitrary: fc.stringMatching(/^[0-9 ,x\t-]{0,5}$/) }
  )
  const value = fc.tuple(fc.constantFrom('bytes=', 'bytes=', 'Bytes=', 'bites='), fc.array(item, { minLength: 1, maxLength: 4 }))
    .map(([unit, items]) => unit + items.join(','))
  fc.assert(fc.property(value, fc.nat(30), (text, size) => {
    assert.deepEqual(parse(text, size), model(text, size))
  }), { numRuns: 5000 })
})

test('a range lies within the body and is of something', () => {
  fc.assert(fc.property(fc.string(), fc.nat(100), (text, size) => {
    const ranges = parse(`bytes=${text}`, size)
    if (typeof ranges === 'string') return
    for (const [start, end] of ranges) assert.ok(start >= 0 && start < end && end <= size)
  }))
})

test('If-Range', () => {
  const entity = { etag: '"x"', lastModified: DATE }
  assert.equal(ifRange('"x"', entity), true)
  assert.equal(ifRange('"y"', entity), false)
  assert.equal(ifRange('"x"', { lastModified: DATE }), false)
  assert.equal(ifRange(DATE, entity), true)
  assert.equal(ifRange('Sunday, 06-Nov-94 08:49:37 GMT', entity), true)
  assert.equal(ifRange('Sun, 06 Nov 1994 08:49:38 GMT', entity), false)
  assert.equal(ifRange('Sun, 06 Nov 1994 08:49:36 GMT', entity), false)
  assert.equal(ifRange(DATE, { etag: '"x"' }), false)
  for (const value of ['', '"', 'junk', 'x', '*', 'W/"x"']) assert.equal(ifRange(value, entity), false, value)
  assert.equal(ifRange('junk', { lastModified: 'junk' }), false)
  // nginx compares the letters; RFC 9110 lets no weak tag match here.
  assert.equal(ifRange('W/"x"', { etag: 'W/"x"' }), false)
  assert.equal(ifRange('"x"', { etag: 'W/"x"' }), false)
})

const ENTITY: RangeEntity = { status: 200, size: 26, etag: '"x"', lastModified: DATE, contentType: 'text/plain; charset=utf-8', allowed: true }

interface Others {
  method?: string
  headers?: Record<string, string>
  maxRanges?: number
}

function plan (range: string | undefined, entity?: Partial<RangeEntity>, others?: Others): RangePlan {
  const headers = { ...others?.headers, ...(range === undefined ? {} : { range }) }
  return planRanges({ method: others?.method ?? 'GET', headers }, { ...ENTITY, ...entity }, others?.maxRanges)
}

test('without a Range header the reply is whole and says that ranges are to be had', () => {
  for (const method of ['GET', 'HEAD']) {
    assert.deepEqual(plan(undefined, {}, { method }), { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: [] })
    assert.deepEqual(plan('bytes=0-', { size: 0 }, { method }), { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: [] })
    assert.deepEqual(plan('lines=1-2', {}, { method }), { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: [] })
  }
})

test('HEAD gets the head that GET would get, or with getOnly that of the whole', () => {
  for (const range of ['bytes=0-1', 'bytes=0-1,3-4', 'bytes=99999999-']) {
    assert.notEqual(plan(range, {}, { method: 'HEAD' }).kind, 'whole', range)
    assert.deepEqual(plan(range, { getOnly: true }, { method: 'HEAD' }), { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: [] }, range)
    assert.equal(plan(range, { getOnly: true }).kind, plan(range).kind, range)
  }
})

test('left alone: other methods, other statuses, unknown size, no permission, maxRanges 0', () => {
  const untouched = { kind: 'whole', set: {}, remove: [] }
  assert.deepEqual(plan('bytes=0-1', {}, { method: 'POST' }), untouched)
  for (const status of [204, 206, 304, 404, 416, 500]) assert.deepEqual(plan('bytes=0-1', { status }), untouched)
  assert.deepEqual(plan('bytes=0-1', { size: -1 }), untouched)
  assert.deepEqual(plan('bytes=0-1', { allowed: false }), untouched)
  assert.deepEqual(plan('bytes=0-1', {}, { maxRanges: 0 }), untouched)
})

test('a single range', () => {
  for (const method of ['GET', 'HEAD']) {
    assert.deepEqual(plan('bytes=5-6', {}, { method }), {
      kind: 'single',
      status: 206,
      set: { 'content-range': 'bytes 5-6/26', 'content-length': '2' },
      remove: ['accept-ranges', 'content-digest', 'content-md5'],
      parts: [{ start: 5, end: 7 }],
      length: 2,
      size: 26,
    })
  }
  // One that is left of several is a single one.
  assert.equal(plan('bytes=99-,5-6').kind, 'single')
})

test('nothing satisfiable: 416 with the size, and nothing of the entity', () => {
  for (const range of ['bytes=26-', 'bytes=x', 'bytes=-0']) {
    const result = plan(range)
    assert.equal(result.kind, 'unsatisfiable')
    assert.deepEqual(result.set, { 'content-range': 'bytes */26', 'content-length': '0' })
    for (const name of ['content-type', 'content-encoding', 'etag', 'last-modified', 'accept-ranges']) assert.ok(result.remove.includes(name), name)
  }
  assert.deepEqual(plan('bytes=1-', { size: 0 }).set['content-range'], 'bytes */0')
})

test("several ranges: nginx's multipart/byteranges", () => {
  const result = plan('bytes=0-1,5-6')
  assert.ok(result.kind === 'multipart')
  const boundary = /^multipart\/byteranges; boundary=(\d{20})$/.exec(result.set['content-type'] ?? '')?.[1] ?? ''
  assert.equal(boundary.length, 20)
  assert.equal(result.parts[0]?.head?.toString(), `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/26\r\n\r\n`)
  assert.equal(result.parts[1]?.head?.toString(), `\r\n--${boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 5-6/26\r\n\r\n`)
  assert.equal(result.tail?.toString(), `\r\n--${boundary}--\r\n`)
  // What nginx announces for these ranges of a body of this type: 198 for 'text/plain', here with '; charset=utf-8' twice.
  assert.equal(result.length, 198 + 2 * '; charset=utf-8'.length)
  assert.equal(result.set['content-length'], String(result.length))
  assert.equal(result.set['content-range'], undefined)
  assert.ok(result.remove.includes('content-range'))
  assert.equal(result.status, 206)
})

test('parts of a body without a type have none, and boundaries differ', () => {
  const [first, second] = [plan('bytes=0-1,3-4', { contentType: undefined }), plan('bytes=0-1,3-4', { contentType: '' })]
  assert.ok(first.kind === 'multipart' && second.kind === 'multipart')
  assert.match(first.parts[0]?.head?.toString() ?? '', /^\r\n--\d{20}\r\nContent-Range: bytes 0-1\/26\r\n\r\n$/)
  assert.equal(first.length, 146)
  assert.equal(second.length, 146)
  assert.notEqual(first.set['content-type'], second.set['content-type'])
})

test('If-Range stands before Range', () => {
  assert.equal(plan('bytes=1-2', {}, { headers: { 'if-range': '"x"' } }).kind, 'single')
  assert.equal(plan('bytes=1-2', {}, { headers: { 'if-range': DATE } }).kind, 'single')
  assert.deepEqual(plan('bytes=1-2', {}, { headers: { 'if-range': '"y"' } }), { kind: 'whole', set: { 'accept-ranges': 'bytes' }, remove: [] })
  assert.equal(plan('bytes=99-', {}, { headers: { 'if-range': '"y"' } }).kind, 'whole')
  assert.equal(plan('bytes=1-2', {}, { headers: { 'if-range': '' } }).kind, 'whole')
})

test('a body that can be read only once', () => {
  assert.equal(plan('bytes=0-1,1-2', { sequential: true }).kind, 'whole')
  assert.equal(plan('bytes=3-4,0-1', { sequential: true }).kind, 'whole')
  assert.equal(plan('bytes=0-1,2-2,9-', { sequential: true }).kind, 'multipart')
  assert.equal(plan('bytes=3-4', { sequential: true }).kind, 'single')
  assert.equal(plan('bytes=3-4,0-1').kind, 'multipart')
})
