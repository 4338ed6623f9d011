import fc from 'fast-check'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HEAD_ERROR, HEAD_MORE, HeadParser } from '../../lib/scgi/head.ts'

const LIMIT = 300

/** Everything that can be seen of a parser after `bytes` came in pieces that end at `cuts`. */
function outcome (bytes: Buffer, cuts: readonly number[], limit = LIMIT): unknown {
  const parser = new HeadParser(limit)
  let at = 0
  for (const end of [...cuts, bytes.length]) {
    // A copy, wiped after the call: nothing may refer to it.
    const piece = Buffer.concat([Buffer.from('\n\n'), bytes.subarray(at, end), Buffer.from('\n\n')])
    const offset = parser.write(piece, 2, 2 + end - at)
    piece.fill(0)
    assert.ok(offset === HEAD_MORE || offset === HEAD_ERROR || (offset >= 2 && offset <= 2 + end - at), `offset ${offset}`)
    assert.equal(offset === HEAD_ERROR, parser.error !== undefined)
    assert.equal(offset >= 0, parser.head !== undefined)
    if (offset === HEAD_ERROR) return parser.error
    if (offset >= 0) return { head: parser.head, bodyAt: at + offset - 2 }
    at = end
  }
  return 'incomplete'
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const chars = (alphabet: string, constraints: fc.StringConstraints = {}): fc.Arbitrary<string> =>
  fc.string({ ...constraints, unit: fc.constantFrom(...alphabet) })

const name = fc.oneof(
  fc.constantFrom('Status', 'status', 'Location', 'Content-Type', 'CONTENT-TYPE', 'Content-Length', 'Transfer-Encoding', 'X-Accel-Charset',
    'Set-Cookie', 'X-Own', '__proto__', 'HTTP'),
  chars("aZ09-_!~'", { minLength: 1, maxLength: 12 }))
const value = fc.oneof(
  fc.constantFrom('200', '404 Not Found', '103', '2000', '0', '12', 'chunked', '/a', ''),
  chars('ab \t:\xe9\xa0/', { maxLength: 20 }))
const lineEnd = fc.constantFrom('\n', '\r\n', '\r\r\n')
const header = fc.tuple(name, fc.constantFrom(':', ': ', ': \t', ' :', ''), value, lineEnd).map(parts => parts.join(''))
const statusLine = fc.tuple(fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 100', 'HTTP/1.0 404', 'HTTP/1.1 abc', 'HTTP/2 200', 'HTTP/1.1 999'), lineEnd)
  .map(parts => parts.join(''))
const damage = fc.constantFrom('', '', '', '', '\r', '\0', ' ', ':', '\n', '\x7f', 'HTTP/')
const someHead = fc.tuple(fc.oneof(fc.constant(''), statusLine), fc.array(fc.oneof(header, header, header, statusLine)), damage, lineEnd)
  .map(([first, lines, wrong, end]) => first + lines.join('') + wrong + end)
const someReply = fc.array(someHead, { minLength: 1, maxLength: 3 }).map(heads => latin1(`${heads.join('')}body\n\n`))

test('a head that is cut anywhere gives what the whole one gives', () => {
  fc.assert(fc.property(someReply, reply => {
    const whole = outcome(reply, [])
    for (let cut = 0; cut <= reply.length; cut++) assert.deepEqual(outcome(reply, [cut]), whole)
    assert.deepEqual(outcome(reply, Array.from(reply.keys())), whole)
  }), { numRuns: 150 })
})

test('a head in random pieces, with a random limit, gives what the whole one gives', () => {
  fc.assert(fc.property(someReply, fc.array(fc.nat(400)), fc.integer({ min: 1, max: 400 }), (reply, cuts, limit) => {
    const sorted = cuts.map(cut => Math.min(cut, reply.length)).sort((a, b) => a - b)
    assert.deepEqual(outcome(reply, sorted, limit), outcome(reply, [], limit))
  }), { numRuns: 1500 })
})

test('random bytes neither throw nor hang, and are never read in two ways', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.array(fc.constantFrom(...latin1('HTTP/1. \t\r\n:aS\0\xff20')), { maxLength: 400 }).map(codes => Uint8Array.from(codes)))
  fc.assert(fc.property(bytes, fc.nat(400), (bytes, cut) => {
    const reply = Buffer.from(bytes)
    assert.deepEqual(outcome(reply, [Math.min(cut, reply.length)]), outcome(reply, []))
  }), { numRuns: 3000 })
})

const token = chars("abcXYZ019-_.!#$%&'*+^`|~", { minLength: 1, maxLength: 20 })
const valueChar = fc.integer({ min: 0x20, max: 0xff }).filter(code => code !== 0x7f).map(code => String.fromCharCode(code))
const trimmed = fc.string({ unit: valueChar, maxLength: 40 }).map(text => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const ownName = token.filter(text => !/^(status|location|content-length|transfer-encoding|content-type|date|server|refresh|etag|last-modified|expires)$/i.test(text))
const reasonPhrase = trimmed.filter(text => !/^[0-9.]/.test(text))

test('what is written is what is read', () => {
  const spec = fc.record({
    code: fc.integer({ min: 200, max: 599 }),
    reason: reasonPhrase,
    nph: fc.boolean(),
    headers: fc.array(fc.tuple(ownName, trimmed), { maxLength: 100 }),
    length: fc.option(fc.maxSafeNat(), { nil: undefined }),
    body: fc.string({ maxLength: 10 }),
    eol: fc.constantFrom('\n', '\r\n'),
  })
  fc.assert(fc.property(spec, ({ code, reason, nph, headers, length, body, eol }) => {
    const lines: Array<[string, string]> = [...headers]
    if (length !== undefined) lines.unshift(['Content-Length', String(length)])
    if (!nph) lines.push(['Status', `${code} ${reason}`.trimEnd()])
    const first = nph ? `HTTP/1.1 ${code} ${reason}${eol}` : ''
    const text = first + lines.map(([name, value]) => `${name}: ${value}${eol}`).join('') + eol
    const parser = new HeadParser(65_536)
    assert.equal(parser.write(latin1(text + body), 0, text.length + body.length), text.length)
    const { head } = parser
    assert.ok(head)
    assert.equal(head.statusCode, code)
    assert.equal(head.statusMessage, nph ? reason : `${code} ${reason}`.trimEnd().slice(4))
    assert.equal(head.nph, nph)
    assert.equal(head.contentLength, length ?? -1)
    assert.deepEqual(head.rawHeaders, lines.flat())
    for (const lower of Object.keys(head.headers)) {
      const values = lines.filter(([name]) => name.toLowerCase() === lower).map(([, value]) => value)
      assert.deepEqual(head.headers[lower], values.length === 1 ? values[0] : values)
    }
    assert.equal(new Set(lines.map(([name]) => name.toLowerCase())).size, Object.keys(head.headers).length)
  }), { numRuns: 500 })
})
