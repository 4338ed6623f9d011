import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadParser } from '../../lib/scgi/head.ts'

const LIMIT = 8192

/** What a parser makes of a head that comes whole, or in pieces of so many bytes. */
function parse (head: string, size = Infinity): HeadParser {
  const bytes = Buffer.from(`${head}body`, 'latin1')
  const parser = new HeadParser(LIMIT)
  let at = 0
  while (parser.head === undefined && parser.error === undefined && at < bytes.length) {
    const end = Math.min(bytes.length, at + size)
    parser.write(bytes, at, end)
    at = end
  }
  return parser
}

/** The same by hand, for heads that are good: names and values as they stand. */
function pairs (head: string): string[] {
  return head.split(/\r*\n/).slice(0, -2).filter(line => !line.startsWith('HTTP/')).flatMap(line => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}

const COMMON = 'Status: 200 OK\r\nContent-Type: text/html\r\nX-Powered-By: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\n'
/** The same headers otherwise: of each one line is kept. */
const OTHER = 'Status: 299 Other\r\nContent-Type: none\r\nX-Powered-By: y\r\nSet-Cookie: c=3\r\nSet-Cookie: c=3\r\nContent-Length: 99\r\n\r\n'

const HEADS = [
  COMMON,
  'Set-Cookie: b=2\r\nSet-Cookie: a=1\r\nContent-Type: text/html\r\n\r\n',
  'Content-Type: text/html\r\nStatus: 404 Not Found\r\nContent-Length: 5\r\n\r\n',
  'Content-Type: text/html\r\nStatus: 404 Not Found\r\nContent-Length: 5\r\nX-Powered-By: x\r\n\r\n',
  'HTTP/1.1 201 Created\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n',
  'Location: /a\r\nContent-Type: text/html\r\n\r\n',
  'content-type: text/html\ncontent-length:4\n\n',
  'content-type:   text/html  \r\r\ncontent-length:\t4\r\n\r\n',
  `X-Long: ${'l'.repeat(300)}\r\nX-Powered-By: x\r\n\r\n`,
  'Status: 200 OK\r\nStatus: 404 Not Found\r\nStatus: 200 OK\r\n\r\n',
  '\r\n',
  `${Array.from({ length: 300 }, (_, i) => `X-${i % 7}: ${i % 3}\r\n`).join('')}\r\n`,
]

function outcome ({ head, error }: HeadParser): unknown {
  return { head: head === undefined ? undefined : { ...head, headers: { ...head.headers } }, error }
}

test('a head is the same the first time and each time that it comes again, whatever came between, whole or in pieces', () => {
  const first = HEADS.map(head => {
    const parser = parse(head)
    assert.deepEqual(parser.head?.rawHeaders, pairs(head))
    return outcome(parser)
  })
  for (let step = 1; step <= HEADS.length; step++) {
    for (let i = 0; i < HEADS.length * 3; i++) {
      const index = Math.floor(i / 3) * step % HEADS.length
      const head = HEADS[index] ?? ''
      for (const size of [Infinity, 1, 7, 40]) assert.deepEqual(outcome(parse(head, size)), first[index])
    }
  }
})

test('heads are read in the same memory one after another, at whatever place of it', () => {
  const room = Buffer.alloc(4096)
  const expected = HEADS.map(head => outcome(parse(head)))
  for (let round = 0; round < 3; round++) {
    for (const [index, head] of HEADS.entries()) {
      for (let at = 0; at < 8; at++) {
        room.fill('~')
        const end = at + room.write(head.slice(0, 4000), at, 'latin1')
        const parser = new HeadParser(LIMIT)
        parser.write(room, at, end)
        if (head.length <= 4000) assert.deepEqual(outcome(parser), expected[index])
        else assert.equal(parser.head, undefined)
      }
    }
  }
})

test('a line is known by all of its bytes', () => {
  for (let at = 0; at < COMMON.length; at++) {
    for (const byte of ['\0', 'z', ' ', '\n', '\r', ':', '9']) {
      const changed = COMMON.slice(0, at) + byte + COMMON.slice(at + 1)
      for (let i = 0; i < 2; i++) parse(OTHER)
      const unknown = outcome(parse(changed))
      for (let i = 0; i < 2; i++) parse(COMMON)
      assert.deepEqual(outcome(parse(changed)), unknown, JSON.stringify(changed))
    }
  }
})

test('the values of two applications are never mixed', () => {
  const values = ['1', '2', '12', '21', '', '1'.repeat(200), '1'.repeat(199) + '2']
  for (let round = 0; round < 200; round++) {
    const one = values[round * 7 % values.length] ?? ''
    const two = values[round * 3 % values.length] ?? ''
    const head = `X-One: ${one}\r\nX-Two: ${two}\r\nX-One: ${two}\r\n\r\n`
    for (let i = 0; i < 1 + round % 3; i++) assert.deepEqual(parse(head).head?.rawHeaders, ['X-One', one, 'X-Two', two, 'X-One', two])
  }
})

test('a status and a length that come again are read again', () => {
  for (let i = 0; i < 3; i++) {
    for (const [code, reason, length] of [[200, 'OK', 10], [404, 'Not Found', 10], [404, 'Not Found', 11], [599, '', 0]] as const) {
      for (let j = 0; j < 3; j++) {
        const { head } = parse(`Status: ${code} ${reason}\r\nContent-Length: ${length}\r\n\r\n`)
        assert.deepEqual([head?.statusCode, head?.statusMessage, head?.contentLength], [code, reason, length])
      }
      for (let j = 0; j < 3; j++) assert.equal(parse(`Status: ${code} ${reason}\r\nContent-Length: ${length}x\r\n\r\n`).error?.kind, 'invalid')
    }
  }
})
