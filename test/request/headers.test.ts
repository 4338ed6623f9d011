import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { HeaderEncoder } from '../../lib/http/request-headers.ts'
import { compileParams } from '../../lib/request/params.ts'
import type { IncomingMessage } from 'node:http'
import type { ParamsOptions, RequestView } from '../../lib/request/params.ts'

type Received = Pick<RequestView, 'headers' | 'rawHeaders'>

// The rules turn on what Node makes of the lines, so Node's own parser reads them.
const server = createServer()
before(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => {
  server.close()
  server.closeAllConnections()
})

/** What Node makes of these header lines, sent as bytes. */
async function received (...lines: string[]): Promise<{ headers: Record<string, string | string[] | undefined>, rawHeaders: string[] }> {
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const client = connect(address.port, '127.0.0.1')
  client.on('error', () => {})
  const request = new Promise<IncomingMessage>((resolve, reject) => {
    for (const event of ['request', 'upgrade', 'checkExpectation']) server.once(event, resolve)
    server.once('clientError', reject)
  })
  client.write(Buffer.from(`GET / HTTP/1.1\r\n${lines.map((line) => line + '\r\n').join('')}\r\n`, 'latin1'))
  const message = await request.finally(() => {
    for (const event of ['request', 'upgrade', 'checkExpectation', 'clientError']) server.removeAllListeners(event)
    client.destroy()
  })
  return { headers: message.headers, rawHeaders: message.rawHeaders }
}

function view (request: Received): RequestView {
  return {
    method: 'GET',
    uri: '/',
    scriptName: '',
    pathInfo: '/',
    documentUri: '/',
    urlInfo: '/',
    protocol: 'HTTP/1.1',
    scheme: 'https',
    host: 'h.example:8080',
    serverAddr: '127.0.0.1',
    serverPort: 8080,
    remoteAddr: '192.0.2.1',
    remotePort: 4711,
    forwardedFor: '198.51.100.7, 192.0.2.1',
    contentType: undefined,
    ...request,
  }
}

/** The HTTP_* pairs as they are in the bytes, `NAME=value`. */
function pairs (request: Received, options: ParamsOptions<undefined> = {}): string[] {
  const head = compileParams({ forwarded: 'drop', ...options }).encode(view(request), undefined, { contentLength: 0, pathPrefix: '', keepalive: false })
  const text = head.toString('latin1')
  const block = text.slice(text.indexOf(':') + 1, -1)
  assert.equal(text, `${block.length}:${block},`)
  const pieces = block.split('\0')
  assert.equal(pieces.pop(), '')
  const found: string[] = []
  for (let i = 0; i < pieces.length; i += 2) if (pieces[i]?.startsWith('HTTP_')) found.push(`${pieces[i]}=${pieces[i + 1]}`)
  assert.equal(new Set(found.map((pair) => pair.split('=')[0])).size, found.length, 'names are unique')
  return found
}

const HOST = 'HTTP_HOST=h.example:8080'
const bad = (pattern: RegExp): object => ({ code: 'FST_SCGI_BAD_REQUEST', statusCode: 400, message: pattern })

describe('names and order', () => {
  test('upper case, dashes become underscores, in the order of arrival', async () => {
    const request = await received('X-Last-3: c', 'Host: H.Example:8080', 'User-Agent: curl', 'ACCEPT: */*', 'x-lower: b')
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_LAST_3=c', 'HTTP_USER_AGENT=curl', 'HTTP_ACCEPT=*/*', 'HTTP_X_LOWER=b'])
  })

  test('values are the bytes that came, empty ones as well', async () => {
    const request = await received('Host: h', 'X-Bytes: \xff\xfe caf\xc3\xa9', 'X-Empty:', 'X-Spaces:   a \t b  ')
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_BYTES=\xff\xfe caf\xc3\xa9', 'HTTP_X_EMPTY=', 'HTTP_X_SPACES=a \t b'])
  })

  test('odd names are dropped', async () => {
    const request = await received('Host: h', 'X.Dot: 1', 'X_Under: 2', 'X!y: 3', "X'z: 4", 'X~: 5', '__proto__: 6', 'constructor: 7')
    assert.deepEqual(pairs(request), [HOST, 'HTTP_CONSTRUCTOR=7'])
    assert.deepEqual(pairs(request, { underscoresInHeaders: true }), [HOST, 'HTTP_X_UNDER=2', 'HTTP_CONSTRUCTOR=7', 'HTTP___PROTO__=6'])
  })

  test('names that only look like ASCII are dropped', () => {
    assert.deepEqual(pairs({ headers: { Key: 'a', 'x-\u017f': 'b', ok: 'c' }, rawHeaders: [] }), [HOST, 'HTTP_OK=c'])
  })

  test('with underscores, X-Foo goes before X_Foo, wherever it stands', async () => {
    const options = { underscoresInHeaders: true }
    assert.deepEqual(pairs(await received('Host: h', 'X_Foo: bad', 'A: a', 'X-Foo: good'), options), [HOST, 'HTTP_X_FOO=good', 'HTTP_A=a'])
    assert.deepEqual(pairs(await received('Host: h', 'X-Foo: good', 'X_Foo: bad'), options), [HOST, 'HTTP_X_FOO=good'])
    assert.deepEqual(pairs(await received('Host: h', 'X_A-B: first', 'X-A_B: second'), options), [HOST, 'HTTP_X_A_B=first'])
  })

  test('with underscores, nothing gets past the rules in disguise', async () => {
    const request = await received('Host: h', 'Content_Length: 5', 'Content_Type: a', 'Transfer_Encoding: b', 'Keep_Alive: c', 'X_Accel_Redirect: /x',
      'X_Forwarded_For: d', 'Scgi_Keepalive: 1', 'X_Other: e')
    assert.deepEqual(pairs(request, { underscoresInHeaders: true }), [HOST, 'HTTP_X_OTHER=e'])
  })
})

describe('headers that are never sent', () => {
  const names = [
    'Proxy', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'Proxy-Authorization', 'TE', 'Trailer', 'Upgrade', 'HTTP2-Settings',
    'Content-Type', 'X-Accel-Redirect', 'X-Accel-Anything', 'X-Sendfile-Type', 'SCGI-Keepalive',
  ]
  for (const name of names) {
    test(name, async () => {
      const request = await received('Host: h', `${name}: x`, `x-${name}: y`)
      assert.deepEqual(pairs(request), [HOST, `HTTP_X_${name.toUpperCase().replaceAll('-', '_')}=y`])
    })
  }

  test('Content-Length and Transfer-Encoding', () => {
    assert.deepEqual(pairs({ headers: { 'content-length': '5', 'transfer-encoding': 'chunked', a: 'b' }, rawHeaders: [] }), [HOST, 'HTTP_A=b'])
  })

  test("HTTP/2's pseudo-headers", () => {
    const headers = { ':method': 'GET', ':path': '/', ':authority': 'h', ':scheme': 'https', accept: '*/*' }
    assert.deepEqual(pairs({ headers, rawHeaders: Object.entries(headers).flat() }), [HOST, 'HTTP_ACCEPT=*/*'])
  })

  test('what Connection lists', async () => {
    assert.deepEqual(pairs(await received('Host: h', 'Connection: close, X-Hop ,x-hop-2,,', 'X-Hop: 1', 'X-HOP-2: 2', 'X-End: 3')), [HOST, 'HTTP_X_END=3'])
    assert.deepEqual(pairs(await received('Host: h', 'Connection: close', 'X-Hop: 1', 'X-End: 3', 'Connection: X-Hop')), [HOST, 'HTTP_X_END=3'])
    assert.deepEqual(pairs(await received('Host: h', 'Connection: keep-alive', 'Close: 1')), [HOST, 'HTTP_CLOSE=1'])
  })

  test('Connection cannot take Host away', async () => {
    assert.deepEqual(pairs(await received('Host: h', 'Connection: Host, close')), [HOST])
  })

  test('Connection cannot take away what a hook has set', async () => {
    const added = await received('Host: h', 'Connection: X-User, close')
    added.headers['x-user'] = 'alice'
    assert.deepEqual(pairs(added), [HOST, 'HTTP_X_USER=alice'])
    const changed = await received('Host: h', 'X-User: mallory', 'Connection: X-User, close')
    changed.headers['x-user'] = 'alice'
    assert.deepEqual(pairs(changed), [HOST, 'HTTP_X_USER=alice'])
  })

  test('a hook cannot bring back what Connection lists by deleting Connection', async () => {
    const request = await received('Host: h', 'X-Hop: 1', 'Connection: X-Hop')
    delete request.headers.connection
    assert.deepEqual(pairs(request), [HOST])
  })

  test('Connection in headers without lines', () => {
    assert.deepEqual(pairs({ headers: { connection: 'x-hop', 'x-hop': '1', a: 'b' }, rawHeaders: [] }), [HOST, 'HTTP_A=b'])
  })
})

describe('repeated lines', () => {
  test('become one pair where the first stood', async () => {
    const request = await received('Host: h', 'X-A: 1', 'Accept: */*', 'x-a: 2', 'X-B: 3', 'X-A: 4')
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_A=1, 2, 4', 'HTTP_ACCEPT=*/*', 'HTTP_X_B=3'])
  })

  test('of Cookie are joined by a semicolon', async () => {
    assert.deepEqual(pairs(await received('Host: h', 'Cookie: a=1', 'Cookie: b=2; c=3')), [HOST, 'HTTP_COOKIE=a=1; b=2; c=3'])
  })

  for (const name of ['User-Agent', 'Referer', 'From', 'Max-Forwards', 'ETag', 'Retry-After', 'Set-Cookie']) {
    test(`of ${name}, of which Node keeps the first or a list`, async () => {
      const param = `HTTP_${name.toUpperCase().replaceAll('-', '_')}`
      assert.deepEqual(pairs(await received('Host: h', `${name}: a`, `${name.toLowerCase()}: b`)), [HOST, `${param}=a, b`])
    })
  }

  test('also when a hook has added as many headers as were repeated', async () => {
    const request = await received('Host: h', 'User-Agent: a', 'User-Agent: b')
    request.headers['x-added'] = '1'
    assert.deepEqual(pairs(request), [HOST, 'HTTP_USER_AGENT=a, b', 'HTTP_X_ADDED=1'])
  })

  const single = [
    'Authorization', 'Proxy-Authorization', 'Range', 'If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range',
    'Content-Range', 'Expect',
  ]
  for (const name of single) {
    test(`of ${name} are refused`, async () => {
      const one = await received('Host: h', `${name}: a`)
      assert.doesNotThrow(() => pairs(one))
      const twice = await received('Host: h', `${name}: a`, 'X: y', `${name.toUpperCase()}: a`)
      assert.throws(() => pairs(twice), bad(/more than once/))
      assert.throws(() => pairs(twice, { passRequestHeaders: false }), bad(/more than once/))
      // Whatever a hook does, the client has sent it twice.
      assert.throws(() => pairs({ headers: { added: '1' }, rawHeaders: twice.rawHeaders }), bad(/more than once/))
    })
  }
  for (const name of ['Host', 'Content-Length', 'Transfer-Encoding']) {
    test(`of ${name} are refused`, () => {
      assert.throws(() => pairs({ headers: {}, rawHeaders: [name, '1', name.toLowerCase(), '1'] }), bad(/more than once/))
    })
  }

  test('one encoder keeps requests apart', async () => {
    const encoder = new HeaderEncoder({ pass: true, underscores: false, forwarded: false, hidden: new Set() })
    for (let i = 0; i < 3; i++) {
      const request = await received('Host: h', 'Authorization: a', 'X: 1')
      assert.equal(encoder.pairs(request.headers, request.rawHeaders), '\0HTTP_AUTHORIZATION\0a\0HTTP_X\x001')
    }
  })
})

describe('what hooks do', () => {
  test('added, changed and deleted headers', async () => {
    const request = await received('Host: h', 'X-A: 1', 'X-B: 2', 'X-C: 3')
    request.headers['x-b'] = 'changed'
    delete request.headers['x-c']
    request.headers['x-d'] = ['4', '5']
    request.headers['x-a'] = undefined
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_B=changed', 'HTTP_X_D=4, 5'])
  })

  test('of headers with repeated lines', async () => {
    const request = await received('Host: h', 'X-A: 1', 'X-A: 2', 'User-Agent: a', 'User-Agent: b', 'Cookie: a=1', 'Cookie: b=2')
    request.headers['x-a'] = '1'
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_A=1, 2', 'HTTP_USER_AGENT=a, b', 'HTTP_COOKIE=a=1; b=2'], 'the first line is what Node gives for some')
    request.headers['x-a'] = 'new'
    request.headers['user-agent'] = 'new'
    delete request.headers.cookie
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_A=new', 'HTTP_USER_AGENT=new'])
    request.headers.cookie = ['c=3', 'd=4']
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_A=new', 'HTTP_USER_AGENT=new', 'HTTP_COOKIE=c=3; d=4'])
  })

  test('a name in upper case goes before what the client sent', async () => {
    const request = await received('Host: h', 'X-User: mallory', 'X: y')
    request.headers['X-User'] = 'alice'
    assert.deepEqual(pairs(request), [HOST, 'HTTP_X_USER=alice', 'HTTP_X=y'])
  })

  test('a NUL is refused, on either way', () => {
    assert.throws(() => pairs({ headers: { 'x-a': 'a\0b' }, rawHeaders: [] }), bad(/x-a holds a NUL/))
    assert.throws(() => pairs({ headers: { 'x-a': ['a', '\0'] }, rawHeaders: ['b', 'c', 'b', 'd'] }), bad(/x-a holds a NUL/))
    // What is not sent cannot harm.
    assert.deepEqual(pairs({ headers: { proxy: 'a\0b' }, rawHeaders: [] }), [HOST])
  })

  test('chars that are no bytes become UTF-8, values with bytes only stay', () => {
    assert.deepEqual(pairs({ headers: { a: 'é', b: 'é€', c: '\ud83d\ude00' }, rawHeaders: [] }),
      [HOST, 'HTTP_A=\xe9', 'HTTP_B=\xc3\xa9\xe2\x82\xac', 'HTTP_C=\xf0\x9f\x98\x80'])
  })
})

describe('passRequestHeaders', () => {
  test('false sends Host only', async () => {
    assert.deepEqual(pairs(await received('Host: h', 'X-A: 1'), { passRequestHeaders: false, forwarded: 'set' }), [HOST])
  })

  test('a list, in any case', async () => {
    const request = await received('Host: h', 'X-A: 1', 'X-B: 2', 'X_A: 3', 'Accept: */*', 'X-A: 4')
    assert.deepEqual(pairs(request, { passRequestHeaders: ['x-a', 'ACCEPT', 'Content-Type'] }), [HOST, 'HTTP_X_A=1, 4', 'HTTP_ACCEPT=*/*'])
    assert.deepEqual(pairs(request, { passRequestHeaders: [] }), [HOST])
    const underscores = await received('Host: h', 'X_A: 3')
    assert.deepEqual(pairs(underscores, { passRequestHeaders: ['x-a'], underscoresInHeaders: true }), [HOST])
    assert.deepEqual(pairs(underscores, { passRequestHeaders: ['x_a'], underscoresInHeaders: true }), [HOST, 'HTTP_X_A=3'])
  })

  for (const name of ['Proxy', 'Connection', 'X-Accel-Redirect', 'X_Foo', 'a b', '', 'é']) {
    test(`a list with ${JSON.stringify(name)}, which is never sent, is refused`, () => {
      assert.throws(() => compileParams({ passRequestHeaders: ['x', name] }), { code: 'FST_SCGI_OPT_INVALID', message: /passRequestHeaders/ })
    })
  }
})

describe('forwarded', () => {
  const lines = ['Host: h', 'X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Host: evil', 'X-Forwarded-Proto: gopher', 'X-Forwarded-Port: 1', 'Forwarded: for=6.6.6.6', 'X-Forwarded: x', 'A: b']
  const set = ['HTTP_X_FORWARDED_FOR=198.51.100.7, 192.0.2.1', 'HTTP_X_FORWARDED_HOST=h.example:8080', 'HTTP_X_FORWARDED_PROTO=https']

  test("'set' (default) gives what the gateway knows", async () => {
    assert.deepEqual(pairs(await received(...lines), { forwarded: undefined }), [HOST, ...set, 'HTTP_A=b'])
    assert.deepEqual(pairs(await received('Host: h'), { forwarded: 'set' }), [HOST, ...set])
  })

  test("'pass' gives what the client sent", async () => {
    assert.deepEqual(pairs(await received(...lines), { forwarded: 'pass' }), [HOST, 'HTTP_X_FORWARDED_FOR=6.6.6.6', 'HTTP_X_FORWARDED_HOST=evil',
      'HTTP_X_FORWARDED_PROTO=gopher', 'HTTP_X_FORWARDED_PORT=1', 'HTTP_FORWARDED=for=6.6.6.6', 'HTTP_X_FORWARDED=x', 'HTTP_A=b'])
  })

  test("'drop' gives none", async () => {
    assert.deepEqual(pairs(await received(...lines), { forwarded: 'drop' }), [HOST, 'HTTP_A=b'])
  })

  test('a list of headers binds them as well', async () => {
    const options = { forwarded: 'set', passRequestHeaders: ['X-Forwarded-Proto'] } as const
    assert.deepEqual(pairs(await received(...lines), options), [HOST, 'HTTP_X_FORWARDED_PROTO=https'])
  })

  test('a parameter goes before them', async () => {
    const params = { HTTP_X_FORWARDED_FOR: '', HTTP_X_FORWARDED_HOST: 'x', HTTP_X_FORWARDED_PROTO: () => undefined }
    assert.deepEqual(pairs(await received(...lines), { forwarded: 'set', params }), ['HTTP_X_FORWARDED_HOST=x', HOST, 'HTTP_A=b'])
  })
})

test('the tables of names do not grow with what clients think up', () => {
  const encoder = new HeaderEncoder({ pass: true, underscores: false, forwarded: false, hidden: new Set() })
  let largest = 0
  for (let i = 0; i < 20_000; i++) {
    const name = `X-${i}`
    const long = `${name}-${'y'.repeat(200)}`
    const request = { [name.toLowerCase()]: '1', [long.toLowerCase()]: '2', accept: '*/*' }
    const made = encoder.pairs(request, [name, '1', long, '2', 'Accept', '*/*'])
    assert.equal(made, `\0HTTP_X_${i}\x001\0HTTP_X_${i}_${'Y'.repeat(200)}\x002\0HTTP_ACCEPT\0*/*`)
    largest = Math.max(largest, encoder.size)
  }
  assert.ok(largest < 2200, `${largest} names`)
  assert.throws(() => encoder.pairs({}, ['range', 'a', 'RANGE', 'b']), bad(/more than once/))
})

test('long names that come twice are joined', () => {
  const name = 'x'.repeat(150)
  assert.deepEqual(pairs({ headers: { [name]: 'a' }, rawHeaders: [name, 'a', name.toUpperCase(), 'b'] }), [HOST, `HTTP_${name.toUpperCase()}=a, b`])
})
