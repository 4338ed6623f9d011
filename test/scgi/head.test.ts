import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { HEAD_ERROR, HEAD_MORE, HeadParser, looksLikeHttpServer, type HeadError } from '../../lib/scgi/head.ts'
import { encodePairs } from '../../lib/scgi/netstring.ts'
import type { ResponseHead } from '../../types/exchange.ts'

interface Outcome { head: ResponseHead | undefined, error: HeadError | undefined, body: string | undefined }

/** Writes `reply` in pieces of `size` bytes through one buffer, which is overwritten as a read buffer is. */
function parse (reply: string, { limit = 65_536, size = reply.length || 1 } = {}): Outcome {
  const bytes = Buffer.from(reply, 'latin1')
  const parser = new HeadParser(limit)
  const shared = Buffer.alloc(size + 7)
  for (let at = 0; at < bytes.length; at += size) {
    shared.fill('\n')
    const end = 3 + bytes.copy(shared, 3, at, at + size)
    const offset = parser.write(shared, 3, end)
    const body = offset < 0 ? undefined : shared.toString('latin1', offset, end) + bytes.toString('latin1', at + size)
    shared.fill('\n')
    if (offset === HEAD_MORE) continue
    assert.equal(offset === HEAD_ERROR, parser.error !== undefined)
    return { head: parser.head, error: parser.error, body }
  }
  return { head: parser.head, error: parser.error, body: undefined }
}

function good (reply: string, options?: { limit?: number }): ResponseHead & { headers: Record<string, string | string[]>, body: string } {
  const whole = parse(reply, options)
  assert.deepEqual(parse(reply, { ...options, size: 1 }), whole, 'byte by byte')
  assert.equal(whole.error, undefined)
  assert.ok(whole.head, 'complete')
  return { ...whole.head, headers: { ...whole.head.headers }, body: whole.body ?? '' }
}

function bad (reply: string, message: RegExp, kind = 'invalid', options?: { limit?: number }): void {
  const whole = parse(reply, options)
  assert.deepEqual(parse(reply, { ...options, size: 1 }), whole, 'byte by byte')
  assert.equal(whole.head, undefined)
  assert.equal(whole.error?.kind, kind)
  assert.match(whole.error?.message ?? '', message)
  assert.match(whole.error?.message ?? '', /^[\x20-\x7e]{1,140}$/)
}

describe('status', () => {
  const rows: Array<[title: string, head: string, code: number, reason: string, nph?: boolean]> = [
    ['Status with its reason', 'Status: 404 Not Found\n\n', 404, 'Not Found'],
    ['Status of three digits', 'Status: 404\n\n', 404, ''],
    ['reason without a space', 'Status: 404Nope\n\n', 404, 'Nope'],
    ['sub-status', 'Status: 403.14 Listing Denied\n\n', 403, 'Listing Denied'],
    ['spaces around the reason', 'Status:   404 \t Not  Found \t\r\n\n', 404, 'Not  Found'],
    ['latin1 reason', 'Status: 200 Tr\xe8s bien\n\n', 200, 'Tr\xe8s bien'],
    ['name in any case', 'sTATUS: 201\n\n', 201, ''],
    ['smallest and largest', 'Status: 599 Last\n\n', 599, 'Last'],
    ['none', 'A: 1\n\n', 200, ''],
    ['none, no header either', '\n', 200, ''],
    ['none, CRLF', '\r\n', 200, ''],
    ['Location', 'Location: /a\n\n', 302, ''],
    ['empty Location', 'Location:\n\n', 302, ''],
    ['Location and Status', 'Location: /a\nStatus: 201 Created\n\n', 201, 'Created'],
    ['second Status ignored', 'Status: 404 One\nStatus: 200 Two\n\n', 404, 'One'],
    ['status line', 'HTTP/1.1 404 Not Found\r\n\r\n', 404, 'Not Found', true],
    ['status line without reason', 'HTTP/1.0 404\n\n', 404, '', true],
    ['status line, reason empty', 'HTTP/1.0 404 \r\n\r\n', 404, '', true],
    ['status line, several CR', 'HTTP/1.0 404 Gone Away\r\r\n\n', 404, 'Gone Away', true],
    ['status line with sub-status', 'HTTP/1.1 403.1 Forbidden\n\n', 403, 'Forbidden', true],
    ['status line, spaces around the reason', 'HTTP/1.0 404  Gone \t \n\n', 404, 'Gone', true],
    ['long version', 'HTTP/11.22   200 OK\n\n', 200, 'OK', true],
    ['status line over Status', 'HTTP/1.1 404 Not Found\nStatus: 200 OK\n\n', 404, 'Not Found', true],
    ['status line over an invalid Status', 'HTTP/1.1 404 Not Found\nStatus: x\n\n', 404, 'Not Found', true],
    ['status line over Location', 'HTTP/1.1 200 OK\nLocation: /\n\n', 200, 'OK', true],
    ['passed over: no code', 'HTTP/1.1 abc\nA: 1\n\n', 200, ''],
    ['passed over: code and text run together', 'HTTP/1.1 404Nope\n\n', 200, ''],
    ['passed over: no minor version', 'HTTP/2 404\n\n', 200, ''],
    ['passed over: major version 0', 'HTTP/0.9 404\n\n', 200, ''],
    ['passed over: two digits and a letter', 'HTTP/1.1 20x\nStatus: 500\n\n', 500, ''],
    ['passed over: not the first line', 'A: 1\nHTTP/1.1 500 No\nB: 2\n\n', 200, ''],
    ['passed over: a second status line', 'HTTP/1.1 201 Yes\nHTTP/1.1 500 \0No\r\n\n', 201, 'Yes', true],
  ]
  for (const [title, head, code, reason, nph = false] of rows) {
    test(title, () => {
      const { statusCode, statusMessage, nph: line, body } = good(`${head}body`)
      assert.deepEqual([statusCode, statusMessage, line, body], [code, reason, nph, 'body'])
    })
  }

  for (const status of ['2000', '000', '099', '600', '700 Big', '999', '', '20', 'OK', '2 00', '-20', '+200', '2e2', '0x1', '\xb2\xb3\xb9']) {
    test(`Status '${status}' is invalid`, () => bad(`Status: ${status}\n\n`, /^the status is '.*', not a number from 100 to 599$/))
  }
  for (const status of ['2000 OK', '000', '600 X', '99 Low', '20', '700.1 X']) {
    test(`status line '${status}' is invalid`, () => bad(`HTTP/1.1 ${status}\n\n`, /^the status is '.*', not a number from 100 to 599$/))
  }
  test('control bytes in the reason of a status line are invalid', () => {
    bad('HTTP/1.1 200 O\0K\n\n', /^line 1: a control byte in the reason phrase$/)
    bad('HTTP/1.1 200 O\rK\n\n', /^line 1: a control byte in the reason phrase$/)
  })
})

describe('informational heads are passed over', () => {
  const rows: Array<[title: string, reply: string, code: number, nph: boolean]> = [
    ['status line, then status line', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\n\r\n', 404, true],
    ['status line, then CGI head', 'HTTP/1.1 100 Continue\n\nStatus: 404\n\n', 404, false],
    ['Status', 'Status: 103 Early Hints\nLink: </a>; rel=preload\n\nStatus: 404\nA: 1\n\n', 404, false],
    ['several', 'Status: 102\n\nHTTP/1.1 103 Hints\n\nStatus: 100\n\nA: 1\n\n', 200, false],
    ['101 too', 'HTTP/1.1 101 Switching Protocols\nUpgrade: x\n\nStatus: 500\n\n', 500, false],
  ]
  for (const [title, reply, code, nph] of rows) {
    test(title, () => {
      const head = good(`${reply}body`)
      assert.deepEqual([head.statusCode, head.nph, head.body], [code, nph, 'body'])
    })
  }

  test('nothing of them is left', () => {
    const head = good('Status: 103 Early Hints\nLink: </a>\nContent-Length: 1\n\nTransfer-Encoding: chunked\n\n')
    assert.deepEqual(head.rawHeaders, ['Transfer-Encoding', 'chunked'])
    assert.deepEqual([head.statusMessage, head.contentLength, head.chunked], ['', -1, true])
  })
  test('each one is validated', () => bad('Status: 103\nA B: 1\n\n\n', /^line 2: byte 0x20 in a header name, after 'A'$/))
  test('lines are counted from the start of each head', () => bad('Status: 103\nA: 1\n\nA B: 1\n\n', /^line 1: /))
  test('the limit is that of one head', () => {
    good('Status: 103\n\nStatus: 103\n\nA: 1\n\n', { limit: 13 })
    bad('Status: 103\n\nStatus: 2000\n\n', /^more than 13 bytes$/, 'too_big', { limit: 13 })
  })
  test('they are bounded in number', () => {
    good('Status: 100\n\n'.repeat(1000) + '\n')
    bad('Status: 100\n\n'.repeat(1001) + '\n', /^more than 1000 informational \(1xx\) heads$/)
  })
  test('the connection may end after one', () => {
    assert.deepEqual(parse('Status: 103\n\n'), { head: undefined, error: undefined, body: undefined })
  })
})

describe('line grammar', () => {
  const rows: Array<[title: string, head: string, raw: string[]]> = [
    ['LF', 'A: 1\nB: 2\n\n', ['A', '1', 'B', '2']],
    ['CRLF', 'A: 1\r\nB: 2\r\n\r\n', ['A', '1', 'B', '2']],
    ['mixed', 'A: 1\nB: 2\r\n\nC: 3', ['A', '1', 'B', '2']],
    ['several CR before LF', 'A: 1\r\r\r\nB\r\r\n\r\r\n', ['A', '1', 'B', '']],
    ['no space before the value', 'A:1\n\n', ['A', '1']],
    ['spaces and tabs around the value', 'A: \t 1 2 \t \r\n\n', ['A', '1 2']],
    ['only spaces', 'A: \t \nB:\t\n\n', ['A', '', 'B', '']],
    ['no value', 'A:\nB:\r\n\n', ['A', '', 'B', '']],
    ['no colon', 'Foo\nBar\r\n\n', ['Foo', '', 'Bar', '']],
    ['colons in the value', 'A: b:c: d\n\n', ['A', 'b:c: d']],
    ['tab inside the value', 'A: b\tc\n\n', ['A', 'b\tc']],
    ['latin1 value', 'A: \x80\xa0caf\xe9\xff\n\n', ['A', '\x80\xa0caf\xe9\xff']],
    ['no-break spaces stay', 'A: \xa0x\xa0\n\n', ['A', '\xa0x\xa0']],
    ['underscore', 'X_Foo: 1\n\n', ['X_Foo', '1']],
    ['every token character', "!#$%&'*+-.^_`|~09azAZ: 1\n\n", ["!#$%&'*+-.^_`|~09azAZ", '1']],
    ['name HTTP', 'HTTP: 1\nHTTP\n\n', ['HTTP', '1', 'HTTP', '']],
  ]
  for (const [title, head, raw] of rows) test(title, () => assert.deepEqual(good(head).rawHeaders, raw))

  const wrong: Array<[title: string, head: string, message: RegExp]> = [
    ['space after the name', 'A : 1\n\n', /^line 1: byte 0x20 in a header name, after 'A'$/],
    ['tab after the name', 'A: 1\nB\t: 1\n\n', /^line 2: byte 0x09 in a header name, after 'B'$/],
    ['space inside the name', 'A: 1\nB C: 1\n\n', /^line 2: byte 0x20 in a header name, after 'B'$/],
    ['a line of prose', 'Traceback (most recent call last):\n\n', /^line 1: byte 0x20 in a header name, after 'Traceback'$/],
    ['space after a name without colon', 'Foo \n\n', /^line 1: byte 0x20/],
    ['continuation line, space', 'A: 1\n b\n\n', /^line 2 begins with byte 0x20, not with a header name$/],
    ['continuation line, tab', 'A: 1\n\tb\n\n', /^line 2 begins with byte 0x09/],
    ['empty name', ': x\n\n', /^line 1 begins with ':', not with a header name$/],
    ['NUL in a name', 'A\0: 1\n\n', /^line 1: byte 0x00 in a header name, after 'A'$/],
    ['NUL in a value', 'Abc: 1\0\n\n', /^line 1: byte 0x00 in the value of 'Abc'$/],
    ['ESC in a value', 'Abc: \x1b[1m\n\n', /^line 1: byte 0x1b in the value of 'Abc'$/],
    ['DEL in a value', 'Abc: \x7f\n\n', /^line 1: byte 0x7f in the value of 'Abc'$/],
    ['DEL in a name', 'A\x7f: 1\n\n', /^line 1: byte 0x7f in a header name/],
    ['byte order mark', '\xef\xbb\xbfA: 1\n\n', /^line 1 begins with byte 0xef/],
    ['latin1 name', 'caf\xe9: 1\n\n', /^line 1: byte 0xe9 in a header name, after 'caf'$/],
    ['@ in a name', 'a@b: 1\n\n', /^line 1: '@' in a header name, after 'a'$/],
    ['( in a name', 'a(b: 1\n\n', /^line 1: '\(' in a header name/],
    ['slash in a name', 'text/html\n\n', /^line 1: '\/' in a header name, after 'text'$/],
    ['http/ in lower case', 'http/1.1 200 OK\n\n', /^line 1: '\/' in a header name, after 'http'$/],
    ['CR inside a value', 'A: 1\r2\n\n', /^line 1: a CR that does not end the line$/],
    ['CR, then space', 'A: 1\r \n\n', /^line 1: a CR that does not end the line$/],
    ['CR inside a name', 'A\rB: 1\n\n', /^line 1: a CR that does not end the line$/],
    ['CR at the start of a line', '\rA: 1\n\n', /^line 1: a CR that does not end the line$/],
    ['a page without a head', '<html>\n<body>\n\n', /^line 1 begins with '<', not with a header name$/],
    ['a very long name', `${'x'.repeat(500)} y: 1\n\n`, /^line 1: byte 0x20 in a header name, after 'x{40}\.\.\.'$/],
  ]
  for (const [title, head, message] of wrong) test(`invalid: ${title}`, () => bad(head, message))

  test('a line is judged as soon as it is whole', () => {
    assert.equal(parse('A B: 1\n').error?.message, "line 1: byte 0x20 in a header name, after 'A'")
    assert.equal(parse('A B: 1').error, undefined)
  })
  test('an incomplete head is neither head nor error', () => {
    for (const reply of ['', 'A', 'A: 1', 'A: 1\n', 'A: 1\r\n\r', 'HTTP/1.1 200 OK\r\n', '\r']) {
      assert.deepEqual(parse(reply), { head: undefined, error: undefined, body: undefined })
      assert.deepEqual(parse(reply, { size: 1 }), { head: undefined, error: undefined, body: undefined })
    }
  })
})

describe('framing headers', () => {
  const rows: Array<[title: string, head: string, length: number, chunked: boolean]> = [
    ['no framing', 'A: 1\n\n', -1, false],
    ['Content-Length', 'Content-Length: 42\n\n', 42, false],
    ['zero', 'content-length:0\n\n', 0, false],
    ['leading zeros', 'CONTENT-LENGTH: 00042\n\n', 42, false],
    ['largest', `Content-Length: ${Number.MAX_SAFE_INTEGER}\n\n`, Number.MAX_SAFE_INTEGER, false],
    ['chunked', 'Transfer-Encoding: chunked\n\n', -1, true],
    ['chunked in any case', 'transfer-encoding:\tChunKed \n\n', -1, true],
  ]
  for (const [title, head, length, chunked] of rows) {
    test(title, () => {
      const parsed = good(head)
      assert.deepEqual([parsed.contentLength, parsed.chunked], [length, chunked])
    })
  }
  test('they stay among the headers as received', () => {
    assert.deepEqual(good('Content-Length: 0042\n\n').headers, { 'content-length': '0042' })
    assert.deepEqual(good('Transfer-Encoding: Chunked\n\n').headers, { 'transfer-encoding': 'Chunked' })
  })

  for (const value of ['', '-1', '+1', 'foo', '1 2', '1,1', '1.0', '0x10', '9007199254740992', '9'.repeat(400), '\xb9']) {
    test(`invalid: Content-Length '${value.slice(0, 20)}'`, () => {
      bad(`A: 1\nContent-Length: ${value}\n\n`, /^line 2: Content-Length is '.*', not a number of bytes$/)
    })
  }
  for (const value of ['', 'gzip', 'gzip, chunked', 'chunked, chunked', 'identity', 'chunked;q=1']) {
    test(`invalid: Transfer-Encoding '${value}'`, () => {
      bad(`Transfer-Encoding: ${value}\n\n`, /^line 1: Transfer-Encoding is '.*', only 'chunked' is possible$/)
    })
  }
  test('invalid: two Content-Length', () => {
    bad('Content-Length: 1\nContent-Length: 1\n\n', /^line 2: a second Content-Length$/)
    bad('Content-Length: 1\nA: 1\ncontent-length: 2\n\n', /^line 3: a second content-length$/)
  })
  test('invalid: two Transfer-Encoding', () => {
    bad('Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n', /^line 2: a second Transfer-Encoding$/)
  })
  test('invalid: both', () => {
    bad('Content-Length: 1\nTransfer-Encoding: chunked\n\n', /^Content-Length and Transfer-Encoding in one head$/)
    bad('Transfer-Encoding: chunked\nContent-Length: 1\n\n', /^Content-Length and Transfer-Encoding in one head$/)
  })
})

describe('repeated headers', () => {
  const firsts = ['Status', 'Content-Type', 'Date', 'Server', 'Location', 'Refresh', 'ETag', 'Last-Modified', 'Expires',
    'X-Accel-Expires', 'X-Accel-Redirect', 'X-Accel-Limit-Rate']
  const lists = ['Set-Cookie', 'Cache-Control', 'Link', 'WWW-Authenticate', 'Vary', 'Content-Encoding', 'Content-Disposition', 'X-Own', 'x']
  for (const name of firsts) {
    test(`${name}: the first counts`, () => {
      const head = good(`${name}: 201\n${name.toUpperCase()}: 202\n${name.toLowerCase()}: 203\n\n`)
      assert.deepEqual(head.headers, { [name.toLowerCase()]: '201' })
      assert.deepEqual(head.rawHeaders, [name, '201', name.toUpperCase(), '202', name.toLowerCase(), '203'])
    })
  }
  for (const name of lists) {
    test(`${name}: all count`, () => {
      assert.deepEqual(good(`${name}: 1\n${name.toUpperCase()}: 2\n${name}: 2\n\n`).headers, { [name.toLowerCase()]: ['1', '2', '2'] })
    })
  }
  for (const name of ['X-Accel-Buffering', 'X-Accel-Charset']) {
    test(`${name}: the last counts`, () => {
      assert.deepEqual(good(`${name}: 1\n${name.toLowerCase()}: 2\n\n`).headers, { [name.toLowerCase()]: '2' })
    })
  }
  test('a first empty value counts as well', () => {
    assert.deepEqual(good('Content-Type:\nContent-Type: a\nX:\nX: a\n\n').headers, { 'content-type': '', x: ['', 'a'] })
  })
})

describe('names', () => {
  test('those of object properties are names as any other', () => {
    const head = parse('__proto__: a\n__proto__: b\nconstructor: c\nhasOwnProperty: d\n\n').head
    assert.ok(head)
    assert.deepEqual(Object.entries(head.headers), [['__proto__', ['a', 'b']], ['constructor', 'c'], ['hasownproperty', 'd']])
    assert.equal(({} as Record<string, unknown>)['0'], undefined)
  })
  test('nothing is inherited', () => {
    const headers = parse('A: 1\n\n').head?.headers
    assert.ok(headers)
    for (const name of ['constructor', 'toString', '__proto__', 'valueOf']) assert.equal(headers[name], undefined, name)
  })
  test('any spelling gives the lower-case name, and is kept in rawHeaders', () => {
    for (let round = 0; round < 2; round++) {
      for (const name of ['Content-Type', 'content-type', 'CONTENT-TYPE', 'cOnTeNt-TyPe', 'X-Own', 'x-own', 'X-OWN', 'Y'.repeat(1000)]) {
        const head = good(`${name}: v\n\n`)
        assert.deepEqual(head.headers, { [name.toLowerCase()]: 'v' })
        assert.deepEqual(head.rawHeaders, [name, 'v'])
      }
    }
  })
  test('names with the same hash are told apart', () => {
    // Of the table's hash, h * 31 + c, over two characters.
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(good('X-Aa: 1\nX-BB: 2\nX-Aa: 3\n\n').headers, { 'x-aa': ['1', '3'], 'x-bb': '2' })
      assert.deepEqual(good('EBte: 1\nDate: 2\nEBte: 3\n\n').headers, { ebte: ['1', '3'], date: '2' })
    }
  })
  test('hundreds of lines', () => {
    const lines = Array.from({ length: 700 }, (_, i) => [`X-${i}`, String(i)] as const)
    const head = good(lines.map(([name, value]) => `${name}: ${value}\r\n`).join('') + '\r\n')
    assert.deepEqual(head.rawHeaders, lines.flat())
    assert.deepEqual(head.headers, Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value])))
  })
})

describe('limit', () => {
  const head = 'Status: 200\r\nA: 1\r\n\r\n'
  test('a head of exactly the limit is taken', () => assert.equal(good(`${head}body`, { limit: head.length }).body, 'body'))
  test('one byte more is too big', () => bad(`${head}body`, /^more than 20 bytes$/, 'too_big', { limit: head.length - 1 }))
  test('a line without end', () => bad('x'.repeat(100), /^more than 100 bytes$/, 'too_big', { limit: 100 }))
  test('an invalid line after the limit does not count', () => bad('A: 1\nB C: 1\n\n', /^more than 10 bytes$/, 'too_big', { limit: 10 }))
  test('an invalid line before it does', () => bad(`A B\n${'x'.repeat(100)}`, /^line 1: /, 'invalid', { limit: 10 }))
  test('a head that dribbles in takes linear time', () => {
    const started = process.cpuUsage()
    const outcome = parse(`A: 1\n${'x'.repeat(500_000)}\n\n`, { limit: 1_000_000, size: 1 })
    assert.equal(outcome.head?.rawHeaders.length, 4)
    const lines = parse(`${'a\n'.repeat(250_000)}\n`, { limit: 1_000_000, size: 2 })
    assert.equal(lines.head?.rawHeaders.length, 500_000)
    assert.ok(process.cpuUsage(started).user < 5e6)
  })
})

describe('life of a parser', () => {
  test('after the head every byte is body', () => {
    const parser = new HeadParser(100)
    assert.equal(parser.write(Buffer.from('\nA'), 0, 2), 1)
    assert.equal(parser.write(Buffer.from('xyz'), 1, 3), 1)
  })
  test('after an error there is no way back, save reset', () => {
    const parser = new HeadParser(100)
    assert.equal(parser.write(Buffer.from(':\n'), 0, 2), HEAD_ERROR)
    const { error } = parser
    assert.equal(parser.write(Buffer.from('A: 1\n\n'), 0, 6), HEAD_ERROR)
    assert.equal(parser.error, error)
    parser.reset()
    assert.equal(parser.error, undefined)
    assert.equal(parser.write(Buffer.from('A: 1\n\n'), 0, 6), 6)
    assert.equal(parser.head?.statusCode, 200)
    parser.reset()
    assert.equal(parser.head, undefined)
  })
  test('reset forgets a part of a head', () => {
    const parser = new HeadParser(100)
    assert.equal(parser.write(Buffer.from('A: 1\nB'), 0, 6), HEAD_MORE)
    parser.reset()
    assert.equal(parser.write(Buffer.from('C: 1\n\n'), 0, 6), 6)
    assert.deepEqual(parser.head?.rawHeaders, ['C', '1'])
  })
  test('two parsers at once do not disturb each other', () => {
    const one = new HeadParser(100)
    const two = new HeadParser(100)
    one.write(Buffer.from('A: 1\nB: '), 0, 8)
    two.write(Buffer.from('C: 3\nD: 4\n'), 0, 10)
    one.write(Buffer.from('2\n\n'), 0, 3)
    two.write(Buffer.from('\n'), 0, 1)
    assert.deepEqual(one.head?.rawHeaders, ['A', '1', 'B', '2'])
    assert.deepEqual(two.head?.rawHeaders, ['C', '3', 'D', '4'])
  })
  test('an empty write changes nothing', () => {
    const parser = new HeadParser(100)
    assert.equal(parser.write(Buffer.alloc(5, '\n'), 2, 2), HEAD_MORE)
    assert.equal(parser.write(Buffer.from('A'), 0, 1), HEAD_MORE)
    assert.equal(parser.write(Buffer.alloc(5, '\n'), 2, 2), HEAD_MORE)
    assert.equal(parser.write(Buffer.from('\n\n'), 0, 2), 2)
  })
})

describe('looksLikeHttpServer', () => {
  const rows: Array<[reply: string, expected: boolean]> = [
    ['HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n', true],
    ['HTTP/1.1 400 Bad Request\r\n\r\n', true],
    ['HTTP/1.1 408 Request Timeout\r\nconnection: Keep-Alive, Close\r\n\r\n', true],
    ['HTTP/1.1 431 Too Large\r\nConnection: x\r\nConnection: close\r\n\r\n', true],
    ['HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n', true],
    ['HTTP/1.1 501 Unsupported method\r\nConnection: close\r\n\r\n', true],
    ['HTTP/1.1 505 Version\r\nConnection: close\r\n\r\n', true],
    ['HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n', false],
    ['HTTP/1.1 400 Bad Request\r\nConnection: closed\r\n\r\n', false],
    ['HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n', false],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n', false],
    ['Status: 400 Bad Request\r\nConnection: close\r\n\r\n', false],
  ]
  for (const [reply, expected] of rows) {
    test(JSON.stringify(reply), () => {
      const { head } = parse(reply)
      assert.ok(head)
      assert.equal(looksLikeHttpServer(head), expected)
    })
  }

  test("Node.js's own HTTP server", async () => {
    const server = createServer((request, response) => { response.end('hello') })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const socket = connect(port, '127.0.0.1')
      socket.write(encodePairs([['CONTENT_LENGTH', '0'], ['SCGI', '1'], ['REQUEST_METHOD', 'GET'], ['REQUEST_URI', '/']]))
      let reply = ''
      for await (const chunk of socket) reply += String(chunk)
      const { head } = parse(reply)
      assert.ok(head)
      assert.equal(looksLikeHttpServer(head), true)
    } finally {
      server.close()
    }
  })
})
