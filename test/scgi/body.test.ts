import fc from 'fast-check'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BodyDecoder, bodyFraming } from '../../lib/scgi/body.ts'
import { HeadParser } from '../../lib/scgi/head.ts'
import type { ResponseHead } from '../../types/exchange.ts'

function headOf (lines: string): ResponseHead {
  const parser = new HeadParser(65_536)
  const bytes = Buffer.from(`${lines}\n`, 'latin1')
  assert.equal(parser.write(bytes, 0, bytes.length), bytes.length)
  assert.ok(parser.head)
  return parser.head
}

interface Outcome { payload: string, done: boolean, error: string | undefined, surplus: number, end: string | undefined, received: number }

/** Decodes `body`, which comes in pieces that end at `cuts`. */
function decode (lines: string, body: string | Buffer, cuts: readonly number[] = [], method = 'GET'): Outcome {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const decoder = new BodyDecoder(headOf(lines), method)
  let payload = ''
  let surplus = 0
  let from = 0
  for (const to of [...cuts, bytes.length]) {
    // Bytes around the range must not be looked at.
    const chunk = Buffer.concat([Buffer.from('0\r\n\r\n'), bytes.subarray(from, to), Buffer.from('0\r\n\r\n')])
    const end = chunk.length - 5
    let at = 5
    const wasDone = decoder.done
    const promised = decoder.endsWithin(end - at)
    while (at < end && !decoder.done && decoder.error === undefined) {
      const next = decoder.write(chunk, at, end)
      assert.ok(decoder.error !== undefined || (next > at && next <= end), 'progress')
      assert.ok(decoder.payloadStart >= at && decoder.payloadStart <= decoder.payloadEnd && decoder.payloadEnd <= next, 'payload in range')
      payload += chunk.toString('latin1', decoder.payloadStart, decoder.payloadEnd)
      at = next
    }
    // Of a chunked body it cannot be told before it is there.
    assert.equal(promised, decoder.done && (wasDone || decoder.framing === 'length'), 'the end is told of before')
    if (decoder.done) surplus += end - at
    from = to
  }
  assert.equal(decoder.received, payload.length)
  return { payload, done: decoder.done, error: decoder.error, surplus, end: decoder.end(), received: decoder.received }
}

const CHUNKED = 'Transfer-Encoding: chunked\n'

describe('framing', () => {
  const rows: Array<[lines: string, method: string, framing: string]> = [
    ['', 'GET', 'eof'],
    ['Content-Length: 5\n', 'GET', 'length'],
    ['Content-Length: 0\n', 'POST', 'length'],
    [CHUNKED, 'GET', 'chunked'],
    ['', 'HEAD', 'none'],
    ['Content-Length: 5\n', 'HEAD', 'none'],
    [CHUNKED, 'HEAD', 'none'],
    ['Status: 204\n', 'GET', 'none'],
    ['Status: 304\nContent-Length: 5\n', 'GET', 'none'],
    [`Status: 204\n${CHUNKED}`, 'GET', 'none'],
    ['Status: 205\n', 'GET', 'eof'],
    ['Status: 404\n', 'DELETE', 'eof'],
  ]
  for (const [lines, method, framing] of rows) {
    test(`${method} ${JSON.stringify(lines)}: ${framing}`, () => assert.equal(bodyFraming(headOf(lines), method), framing))
  }
})

describe('no body', () => {
  for (const [lines, method] of [['Status: 204\n', 'GET'], ['Status: 304\nContent-Length: 9\n', 'GET'], ['Content-Length: 9\n', 'HEAD'], [CHUNKED, 'HEAD']]) {
    test(`${method} ${JSON.stringify(lines)}`, () => {
      const nothing = { payload: '', done: true, error: undefined, end: undefined, received: 0 }
      assert.deepEqual(decode(lines ?? '', '', [], method), { ...nothing, surplus: 0 })
      assert.deepEqual(decode(lines ?? '', 'discarded', [], method), { ...nothing, surplus: 9 })
    })
  }
})

describe('Content-Length', () => {
  const rows: Array<[length: number, body: string, expected: Outcome]> = [
    [5, 'hello', { payload: 'hello', done: true, error: undefined, surplus: 0, end: undefined, received: 5 }],
    [5, 'hello, world', { payload: 'hello', done: true, error: undefined, surplus: 7, end: undefined, received: 5 }],
    [10, 'hello', { payload: 'hello', done: false, error: undefined, surplus: 0, end: 'got 5 of 10 bytes', received: 5 }],
    [10, '', { payload: '', done: false, error: undefined, surplus: 0, end: 'got 0 of 10 bytes', received: 0 }],
    [0, '', { payload: '', done: true, error: undefined, surplus: 0, end: undefined, received: 0 }],
    [0, 'x', { payload: '', done: true, error: undefined, surplus: 1, end: undefined, received: 0 }],
  ]
  for (const [length, body, expected] of rows) {
    test(`${body.length} of ${length} bytes`, () => {
      const lines = `Content-Length: ${length}\n`
      assert.deepEqual(decode(lines, body), expected)
      assert.deepEqual(decode(lines, body, [...body].map((_, i) => i)), expected)
    })
  }
  test('the largest length', () => {
    assert.equal(decode(`Content-Length: ${Number.MAX_SAFE_INTEGER}\n`, 'x').end, `got 1 of ${Number.MAX_SAFE_INTEGER} bytes`)
  })
  test('a write after the end takes nothing', () => {
    const decoder = new BodyDecoder(headOf('Content-Length: 1\n'), 'GET')
    assert.equal(decoder.write(Buffer.from('ab'), 0, 2), 1)
    assert.equal(decoder.write(Buffer.from('ab'), 1, 2), 1)
    assert.deepEqual([decoder.payloadStart, decoder.payloadEnd, decoder.received], [1, 1, 1])
  })
})

test('without a length the body lasts until EOF', () => {
  const expected = { payload: 'hello', done: false, error: undefined, surplus: 0, end: undefined, received: 5 }
  assert.deepEqual(decode('', 'hello'), expected)
  assert.deepEqual(decode('', 'hello', [1, 1, 4]), expected)
  assert.equal(decode('', '').end, undefined)
})

describe('chunked', () => {
  const good: Array<[title: string, body: string, payload: string, surplus?: number]> = [
    ['one chunk', '5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['no chunk', '0\r\n\r\n', ''],
    ['several chunks', '5\r\nhello\r\n2\r\n, \r\n005\r\nworld\r\n000\r\n\r\n', 'hello, world'],
    ['hexadecimal of both cases', `a\r\n0123456789\r\nB\r\n0123456789a\r\n1A\r\n${'x'.repeat(26)}\r\n0\r\n\r\n`, `01234567890123456789a${'x'.repeat(26)}`],
    ['bare LF', '5\nhello\n0\n\n', 'hello'],
    ['CRLF inside the payload', '6\r\n\r\n0\r\n\r\r\n0\r\n\r\n', '\r\n0\r\n\r'],
    ['extensions', '5;a=b;c="d e";\xe9\r\nhello\r\n0;x\r\n\r\n', 'hello'],
    ['spaces before extensions and line end', '5 \t;a\r\nhello\r\n0  \r\n\r\n', 'hello'],
    ['trailers', '0\r\nA: 1\r\nB: 2\r\n\r\n', ''],
    ['trailers with bare LF', '0\nA: 1\n\n', ''],
    ['surplus', '1\r\na\r\n0\r\n\r\nmore', 'a', 4],
    ['longest size line', `1;${'x'.repeat(4093)}\r\na\r\n1;${'x'.repeat(4093)}\r\nb\r\n0\r\n\r\n`, 'ab'],
    ['longest trailers', `0\r\nA: ${'x'.repeat(16_379)}\r\n\r\n`, ''],
  ]
  for (const [title, body, payload, surplus = 0] of good) {
    test(title, () => {
      const expected = { payload, done: true, error: undefined, surplus, end: undefined, received: payload.length }
      assert.deepEqual(decode(CHUNKED, body), expected)
      assert.deepEqual(decode(CHUNKED, body, [...body].map((_, i) => i)), expected)
      if (body.length < 100) for (let cut = 0; cut <= body.length; cut++) assert.deepEqual(decode(CHUNKED, body, [cut]), expected)
    })
  }

  const bad: Array<[title: string, body: string, error: string, payload?: string]> = [
    ['no size', 'hello', "'h' where a chunk size should begin"],
    ['empty size', '\r\nhello', 'byte 0x0d where a chunk size should begin'],
    ['empty size after a chunk', '1\r\na\r\n\r\n', 'byte 0x0d where a chunk size should begin', 'a'],
    ['extension without size', ';a\r\n', "';' where a chunk size should begin"],
    ['space before the size', ' 5\r\nhello', 'byte 0x20 where a chunk size should begin'],
    ['sign', '-5\r\nhello', "'-' where a chunk size should begin"],
    ['0x', '0x5\r\nhello', "'x' after a chunk size"],
    ['not hexadecimal', '5g\r\nhello', "'g' after a chunk size"],
    ['second size', '5 5\r\nhello', "'5' after a chunk size"],
    ['CR without LF', '5\rhello', "'h' after the CR of a chunk size line"],
    ['NUL in an extension', '5;\0\r\nhello', 'byte 0x00 in a chunk extension'],
    ['DEL in an extension', '5;\x7f\r\nhello', 'byte 0x7f in a chunk extension'],
    ['chunk longer than its size', '3\r\nhello\r\n0\r\n\r\n', "'l' after a chunk, which is longer than its size or lacks its line end", 'hel'],
    ['CR without LF after a chunk', '1\r\na\rb', "'b' after the CR of a chunk", 'a'],
    ['size of 2^53', '20000000000000\r\n', 'a chunk size is too large'],
    ['huge size', `${'f'.repeat(400)}\r\n`, 'a chunk size is too large'],
    ['endless zeros', '0'.repeat(5000), 'a chunk size line of more than 4096 bytes'],
    ['endless extension', `5;${'x'.repeat(5000)}`, 'a chunk size line of more than 4096 bytes'],
    ['endless space', `5${' '.repeat(5000)}`, 'a chunk size line of more than 4096 bytes'],
    ['endless trailer', `0\r\n${'x'.repeat(20_000)}`, 'the trailers of more than 16384 bytes'],
    ['endless trailers', `0\r\n${'x: y\r\n'.repeat(5000)}`, 'the trailers of more than 16384 bytes'],
    ['CR without LF at the end', '0\r\n\rX', "'X' after the CR that ends the trailers"],
  ]
  for (const [title, body, error, payload = ''] of bad) {
    test(`malformed: ${title}`, () => {
      const expected = { payload, done: false, error, surplus: 0, end: error, received: payload.length }
      assert.deepEqual(decode(CHUNKED, body), expected)
      assert.deepEqual(decode(CHUNKED, body, [...body].map((_, i) => i)), expected)
    })
  }

  test('the largest size', () => {
    const outcome = decode(CHUNKED, '1fffffffffffff\r\nx')
    assert.deepEqual([outcome.payload, outcome.error, outcome.end], ['x', undefined, 'EOF inside a chunk'])
  })

  const truncated: Array<[body: string, end: string]> = [
    ['', 'EOF before the last chunk'],
    ['5', 'EOF before the last chunk'],
    ['5;a', 'EOF before the last chunk'],
    ['5\r', 'EOF before the last chunk'],
    ['5\r\n', 'EOF inside a chunk'],
    ['5\r\nhell', 'EOF inside a chunk'],
    ['5\r\nhello', 'EOF before the last chunk'],
    ['5\r\nhello\r\n', 'EOF before the last chunk'],
    ['5\r\nhello\r\n0', 'EOF before the last chunk'],
    ['5\r\nhello\r\n0\r\n', 'EOF inside the trailers'],
    ['0\r\n\r', 'EOF inside the trailers'],
    ['0\r\nA: 1\r\n', 'EOF inside the trailers'],
  ]
  for (const [body, end] of truncated) {
    test(`truncated: ${JSON.stringify(body)}`, () => {
      const outcome = decode(CHUNKED, body)
      assert.deepEqual([outcome.done, outcome.error, outcome.end], [false, undefined, end])
    })
  }

  test('payload ranges are those of the chunk written, nothing is copied', () => {
    const decoder = new BodyDecoder(headOf(CHUNKED), 'GET')
    const chunk = Buffer.from('2\r\nab\r\n1\r\nc\r\n0\r\n\r\n')
    assert.equal(decoder.write(chunk, 0, chunk.length), 5)
    assert.deepEqual([decoder.payloadStart, decoder.payloadEnd], [3, 5])
    assert.equal(decoder.write(chunk, 5, chunk.length), 11)
    assert.deepEqual([decoder.payloadStart, decoder.payloadEnd], [10, 11])
    assert.equal(decoder.write(chunk, 11, chunk.length), chunk.length)
    assert.equal(decoder.payloadStart, decoder.payloadEnd)
    assert.equal(decoder.done, true)
  })
})

const cutList = fc.array(fc.nat(600), { maxLength: 20 })
const within = (cuts: number[], length: number): number[] => cuts.map(cut => Math.min(cut, length)).sort((a, b) => a - b)

test('property: what is sent in chunks is what is received, however it is cut', () => {
  const eol = fc.constantFrom('\r\n', '\n')
  const extension = fc.constantFrom('', '', ';a', ' ; b="c"')
  const chunk = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.nat(3), fc.boolean(), extension, eol, eol)
  const last = fc.tuple(fc.constantFrom('0', '0000', '0;x'), eol, fc.constantFrom('', 'A: 1\r\n', 'A: 1\nB:\r\n'), eol, fc.string({ maxLength: 5 }))
  fc.assert(fc.property(fc.array(chunk, { maxLength: 8 }), last, cutList, (chunks, [zero, zeroEnd, trailers, end, surplus], cuts) => {
    const coded = chunks.map(([data, zeros, upper, extension, sizeEnd, dataEnd]) => {
      const size = data.length.toString(16)
      return `${'0'.repeat(zeros)}${upper ? size.toUpperCase() : size}${extension}${sizeEnd}${Buffer.from(data).toString('latin1')}${dataEnd}`
    })
    const rest = Buffer.from(surplus).toString('latin1')
    const body = `${coded.join('')}${zero}${zeroEnd}${trailers}${end}${rest}`
    const payload = chunks.map(([data]) => Buffer.from(data).toString('latin1')).join('')
    assert.deepEqual(decode(CHUNKED, body, within(cuts, body.length)),
      { payload, done: true, error: undefined, surplus: rest.length, end: undefined, received: payload.length })
  }), { numRuns: 1000 })
})

test('property: random bytes neither throw nor hang, and are never read in two ways', () => {
  const bytes = fc.array(fc.constantFrom(...Buffer.from('0123aF;= \t\r\n\r\nx\0')), { maxLength: 300 })
  fc.assert(fc.property(bytes, cutList, (codes, cuts) => {
    const body = Buffer.from(codes)
    assert.deepEqual(decode(CHUNKED, body, within(cuts, body.length)), decode(CHUNKED, body))
  }), { numRuns: 3000 })
})

test('property: Content-Length and EOF, however the body is cut', () => {
  fc.assert(fc.property(fc.nat(100), fc.uint8Array({ maxLength: 100 }), cutList, (length, bytes, cuts) => {
    const body = Buffer.from(bytes)
    const text = body.toString('latin1')
    const places = within(cuts, body.length)
    assert.equal(decode('', body, places).payload, text)
    const outcome = decode(`Content-Length: ${length}\n`, body, places)
    assert.equal(outcome.payload, text.slice(0, length))
    assert.equal(outcome.surplus, Math.max(0, body.length - length))
    assert.equal(outcome.end === undefined, body.length >= length)
  }), { numRuns: 500 })
})
