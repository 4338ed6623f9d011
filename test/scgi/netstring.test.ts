import fc from 'fast-check'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  NETSTRING_ERROR, NETSTRING_MORE, NetstringDecoder, encodeNetstring, encodePairs, type NetstringError,
} from '../../lib/scgi/netstring.ts'

interface Outcome {
  params: Array<[string, string]> | undefined
  contentLength: number | undefined
  error: NetstringError | undefined
  body: string | undefined
}

/** Everything that can be seen of a decoder after `bytes` came in pieces that end at `cuts`. */
function decode (input: string | Buffer, cuts: readonly number[] = [], limit = 1000): Outcome {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input
  const decoder = new NetstringDecoder(limit)
  let at = 0
  let body
  for (const end of [...cuts, bytes.length]) {
    const piece = Buffer.concat([Buffer.from('0:,'), bytes.subarray(at, end), Buffer.from('0:,')])
    const offset = decoder.write(piece, 3, 3 + end - at)
    piece.fill(0)
    assert.ok(offset === NETSTRING_MORE || offset === NETSTRING_ERROR || (offset >= 3 && offset <= 3 + end - at), `offset ${offset}`)
    assert.equal(offset === NETSTRING_ERROR, decoder.error !== undefined)
    assert.equal(offset >= 0, decoder.request !== undefined)
    if (offset >= 0) body = bytes.toString('latin1', at + offset - 3)
    if (offset !== NETSTRING_MORE) break
    at = end
  }
  const { request, error } = decoder
  return { params: request && [...request.params], contentLength: request?.contentLength, error, body }
}

const everywhere = (text: string): number[] => [...text].map((_, i) => i)

describe('decoder', () => {
  test('the example of the specification', () => {
    const request = '70:CONTENT_LENGTH\x0027\0SCGI\x001\0REQUEST_METHOD\0POST\0REQUEST_URI\0/deepthought\0,' +
      'What is the answer to life?'
    const expected: Outcome = {
      params: [['CONTENT_LENGTH', '27'], ['SCGI', '1'], ['REQUEST_METHOD', 'POST'], ['REQUEST_URI', '/deepthought']],
      contentLength: 27,
      error: undefined,
      body: 'What is the answer to life?',
    }
    assert.deepEqual(decode(request), expected)
    for (let cut = 0; cut <= 74; cut++) assert.deepEqual(decode(request, [cut]), expected)
    assert.deepEqual(decode(request, everywhere(request.slice(0, 74))), { ...expected })
  })

  test('values may be empty, and have any byte but NUL', () => {
    const all = Array.from({ length: 255 }, (_, i) => String.fromCharCode(i + 1)).join('')
    const { params } = decode(encodePairs([['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['EMPTY', ''], ['ALL', all]]))
    assert.deepEqual(params?.slice(2), [['EMPTY', ''], ['ALL', all]])
  })
  test('SCGI may come at any place', () => {
    assert.equal(decode(encodePairs([['CONTENT_LENGTH', '7'], ['A', 'b'], ['SCGI', '1']])).contentLength, 7)
  })
  test('names of object properties are names as any other', () => {
    const pairs: Array<[string, string]> = [['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['__proto__', 'x'], ['constructor', 'y']]
    assert.deepEqual(decode(encodePairs(pairs)).params, pairs)
  })

  test('a name that comes twice: header lines are joined, of a parameter the last counts', () => {
    const pairs: Array<[string, string]> = [
      ['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['HTTP_A', '1'], ['X', '1'], ['HTTP_COOKIE', 'a=1'], ['HTTP_A', '2'], ['X', '2'],
      ['HTTP_COOKIE', 'b=2'], ['CONTENT_LENGTH', '0'],
    ]
    assert.deepEqual(decode(encodePairs(pairs)).params, [
      ['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['HTTP_A', '1, 2'], ['X', '2'], ['HTTP_COOKIE', 'a=1; b=2'],
    ])
  })

  const net = (block: string): string => `${block.length}:${block},`
  const bad: Array<[title: string, input: string, message: RegExp]> = [
    ['an HTTP request', 'GET / HTTP/1.1\r\n', /^'G' in place of the length of the header block$/],
    ['a TLS hello', '\x16\x03\x01', /^byte 0x16 in place of the length of the header block$/],
    ['no length', ':CONTENT_LENGTH', /^':' in place of the length/],
    ['negative length', '-1:', /^'-' in place of the length/],
    ['space after the length', '7 0:', /^byte 0x20 in place of a digit or the colon$/],
    ['leading zero', '070:', /^the length of the header block has a leading zero$/],
    ['two zeros', '00:,', /^the length of the header block has a leading zero$/],
    ['empty block', '0:,', /^there is no CONTENT_LENGTH$/],
    ['no comma', '24:CONTENT_LENGTH\x000\0SCGI\x001\0x', /^'x' in place of the comma after the header block$/],
    ['comma too late', net('CONTENT_LENGTH\x000\0SCGI\x001\0').replace(',', '\0,'), /^byte 0x00 in place of the comma after the header block$/],
    ['CONTENT_LENGTH not first', net('SCGI\x001\0CONTENT_LENGTH\x000\0'), /^the first header is 'SCGI', not 'CONTENT_LENGTH'$/],
    ['CONTENT_LENGTH in lower case', net('content_length\x000\0SCGI\x001\0'), /^the first header is 'content_length'/],
    ['CONTENT_LENGTH empty', net('CONTENT_LENGTH\0\0SCGI\x001\0'), /^CONTENT_LENGTH is '', not a number of bytes$/],
    ['CONTENT_LENGTH no number', net('CONTENT_LENGTH\x001a\0SCGI\x001\0'), /^CONTENT_LENGTH is '1a', not a number of bytes$/],
    ['CONTENT_LENGTH with a line end', net('CONTENT_LENGTH\x001\n\0SCGI\x001\0'), /^CONTENT_LENGTH is '1\\x0a', not a number of bytes$/],
    ['CONTENT_LENGTH negative', net('CONTENT_LENGTH\x00-1\0SCGI\x001\0'), /^CONTENT_LENGTH is '-1'/],
    ['CONTENT_LENGTH of 2^53', net('CONTENT_LENGTH\x009007199254740992\0SCGI\x001\0'), /^CONTENT_LENGTH is '9007199254740992'/],
    ['two lengths', net('CONTENT_LENGTH\x001\0SCGI\x001\0CONTENT_LENGTH\x002\0'), /^CONTENT_LENGTH is there twice, with two values$/],
    ['no SCGI', net('CONTENT_LENGTH\x001\0A\x00b\0'), /^there is no 'SCGI' header with the value '1'$/],
    ['SCGI of another version', net('CONTENT_LENGTH\x001\0SCGI\x002\0'), /^there is no 'SCGI' header with the value '1'$/],
    ['SCGI as a value', net('CONTENT_LENGTH\x001\0A\0SCGI\x001\0\0'), /^there is no 'SCGI'/],
    ['empty name', net('CONTENT_LENGTH\x001\0\0x\0SCGI\x001\0'), /^a header without a name$/],
    ['last value without NUL', net('CONTENT_LENGTH\x001\0SCGI\x001'), /^the header block does not end in a complete, NUL-terminated pair$/],
    ['name without value', net('CONTENT_LENGTH\x001\0SCGI\x001\0A\0'), /^the header block does not end in a complete, NUL-terminated pair$/],
    ['no NUL at all', net('CONTENT_LENGTH'), /^the header block does not end in a complete, NUL-terminated pair$/],
    ['printable messages', net(`${'\xe9'.repeat(50)}\x001\0`), /^the first header is '(\\xe9){40}\.\.\.', not 'CONTENT_LENGTH'$/],
  ]
  for (const [title, input, message] of bad) {
    test(`invalid: ${title}`, () => {
      const { error, ...rest } = decode(input)
      assert.equal(error?.kind, 'invalid')
      assert.match(error?.message ?? '', message)
      assert.match(error?.message ?? '', /^[\x20-\x7e]+$/)
      assert.deepEqual(rest, { params: undefined, contentLength: undefined, body: undefined })
      assert.deepEqual(decode(input, everywhere(input)).error, error)
    })
  }

  test('the limit is known from the length', () => {
    const pairs: Array<[string, string]> = [['CONTENT_LENGTH', '0'], ['SCGI', '1']]
    const request = encodePairs(pairs)
    assert.deepEqual(decode(request, [], 24).params, pairs)
    const error = { kind: 'too_big', message: 'the header block has more than 23 bytes' }
    assert.deepEqual(decode(request, [], 23).error, error)
    assert.deepEqual(decode('24', [], 23).error, error)
    assert.deepEqual(decode('9'.repeat(500), [], 23).error, error)
  })
  test('a long block in small pieces', () => {
    const pairs: Array<[string, string]> = [['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['LONG', Array.from({ length: 3000 }, (_, i) => i).join()]]
    const request = encodePairs(pairs)
    const cuts = Array.from({ length: Math.floor(request.length / 7) }, (_, i) => i * 7)
    assert.deepEqual(decode(request, cuts, 20_000).params, pairs)
  })
  test('memory follows what came, not what was announced', () => {
    const decoder = new NetstringDecoder(2 ** 40)
    assert.equal(decoder.write(Buffer.from('999999999999:CONT'), 0, 17), NETSTRING_MORE)
  })
  test('an incomplete request is neither request nor error', () => {
    const request = encodePairs([['CONTENT_LENGTH', '0'], ['SCGI', '1']])
    for (let length = 0; length < request.length; length++) {
      const nothing = { params: undefined, contentLength: undefined, error: undefined, body: undefined }
      assert.deepEqual(decode(request.subarray(0, length)), nothing)
    }
  })
  test('one decoder for several requests', () => {
    const request = encodePairs([['CONTENT_LENGTH', '0'], ['SCGI', '1']])
    const decoder = new NetstringDecoder(100)
    assert.equal(decoder.write(request, 0, 5), NETSTRING_MORE)
    decoder.reset()
    assert.equal(decoder.write(request, 0, request.length), request.length)
    assert.equal(decoder.write(request, 0, request.length), 0, 'body from now on')
    decoder.reset()
    assert.equal(decoder.request, undefined)
    assert.equal(decoder.write(Buffer.from('x'), 0, 1), NETSTRING_ERROR)
    assert.equal(decoder.write(request, 0, request.length), NETSTRING_ERROR)
    decoder.reset()
    assert.equal(decoder.write(request, 0, request.length), request.length)
  })
})

describe('encoder', () => {
  test('length, block, comma', () => {
    assert.equal(encodeNetstring('').toString('latin1'), '0:,')
    assert.equal(encodeNetstring('a\0b\0').toString('latin1'), '4:a\0b\0,')
  })
  test('one byte for each character', () => {
    const block = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('').repeat(20)
    assert.deepEqual(encodeNetstring(block), Buffer.concat([Buffer.from('5120:'), Buffer.from(block, 'latin1'), Buffer.from(',')]))
  })
  test('pairs keep their order', () => {
    const pairs = new Map([['SCGI', '1'], ['A', ''], ['CONTENT_LENGTH', '0']])
    assert.equal(encodePairs(pairs).toString('latin1'), '27:SCGI\x001\0A\0\0CONTENT_LENGTH\x000\0,')
  })
  test('what cannot be sent is refused', () => {
    for (const pair of [['', 'x'], ['A\0', 'x'], ['A', 'x\0'], ['A', '\u20ac'], ['\u0100', 'x']] as const) {
      assert.throws(() => encodePairs([pair]), TypeError)
    }
    assert.ok(encodePairs([['A', 'a\nb\n\xff']]))
  })
})

const byte = (min: number): fc.Arbitrary<string> => fc.integer({ min, max: 255 }).map(code => String.fromCharCode(code))
const params = fc.tuple(
  fc.nat(1e9),
  fc.uniqueArray(
    fc.tuple(fc.string({ unit: byte(1), minLength: 1, maxLength: 8 }), fc.string({ unit: byte(1), maxLength: 20 })),
    { selector: ([name]) => name, maxLength: 8 })
).map(([length, pairs]) => [
  ['CONTENT_LENGTH', String(length)], ['SCGI', '1'], ...pairs.filter(([name]) => name !== 'SCGI'),
] as Array<[string, string]>)

test('property: what is encoded is what is decoded, cut anywhere', () => {
  fc.assert(fc.property(params, fc.string({ unit: byte(0), maxLength: 5 }), (pairs, body) => {
    const request = Buffer.concat([encodePairs(pairs), Buffer.from(body, 'latin1')])
    const expected = { params: pairs, contentLength: Number(pairs[0]?.[1]), error: undefined, body }
    for (let cut = 0; cut <= request.length; cut++) assert.deepEqual(decode(request, [cut]), expected)
    assert.deepEqual(decode(request, Array.from(request.keys())), expected)
  }), { numRuns: 100 })
})

test('property: random bytes neither throw nor hang, and are never read in two ways', () => {
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes)),
    fc.array(fc.constantFrom(...Buffer.from('0123456789:,\0aS')), { maxLength: 60 }).map(codes => Buffer.from(codes)),
    fc.tuple(params, fc.nat(200), fc.nat(255)).map(([pairs, at, code]) => {
      const request = encodePairs(pairs)
      request[at % request.length] = code
      return request
    }))
  fc.assert(fc.property(input, fc.array(fc.nat(200), { maxLength: 5 }), fc.nat(300), (input, cuts, limit) => {
    const sorted = cuts.map(cut => Math.min(cut, input.length)).sort((a, b) => a - b)
    assert.deepEqual(decode(input, sorted, limit), decode(input, [], limit))
  }), { numRuns: 3000 })
})
