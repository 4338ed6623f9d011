// What RFC 9111 asks of a cache that only shows over a connection: conditions, ranges, Cache-Status, invalidation.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, get } from './kit.ts'

const MODIFIED = 'Sun, 01 Nov 2026 00:00:00 GMT'
const BODY = '0123456789'

test('If-None-Match goes before If-Modified-Since, and a date after the last change is unchanged (RFC 9110 13.2.2)', async () => {
  await using recorder = await startRecorder({ answer: `Cache-Control: max-age=60\r\nETag: "v"\r\nLast-Modified: ${MODIFIED}\r\nContent-Length: 10\r\n\r\n${BODY}` })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'a' }) } })
  const rows: [string, string[]][] = [
    ['304', ['If-None-Match: "v"']],
    ['304', ['If-None-Match: W/"v"']],
    ['304', ['If-None-Match: "x", "v"']],
    ['304', ['If-None-Match: *']],
    ['200', ['If-None-Match: "x"']],
    ['304', ['If-None-Match: "v"', 'If-Modified-Since: Sat, 01 Nov 2025 00:00:00 GMT']],
    ['200', ['If-None-Match: "x"', `If-Modified-Since: ${MODIFIED}`]],
    ['304', [`If-Modified-Since: ${MODIFIED}`]],
    ['304', ['If-Modified-Since: Sun, 08 Nov 2026 00:00:00 GMT']],
    ['200', ['If-Modified-Since: Sat, 31 Oct 2026 00:00:00 GMT']],
    ['200', ['If-Modified-Since: never']],
    ['412', ['If-Match: "x"']],
    ['200', ['If-Match: "v"', 'If-Unmodified-Since: Sat, 31 Oct 2026 00:00:00 GMT']],
    ['200', ['If-Unmodified-Since: never']],
  ]
  for (const path of ['/miss', '/hit']) {
    for (const [status, headers] of rows) {
      // The first request for a path of its own is a MISS.
      const target = path === '/miss' ? `/miss/${rows.findIndex(row => row[1] === headers)}` : path
      assert.equal(String((await rawRequest(gateway, get(target, ...headers))).statusCode), status, `${path} ${headers.join(', ')}`)
    }
  }
})

test('a range of what is stored whole is 206, whether or not the application offers ranges (RFC 9110 14.2)', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: `Cache-Control: max-age=60\r\nETag: "v"\r\nLast-Modified: ${MODIFIED}\r\nContent-Length: 10\r\n\r\n${BODY}` })
  for (const cache of [createCache({ name: 'b' }), createCache({ name: 'c', path: dir.path, storeTimeout: '30s' })]) {
    await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: cache } })
    await rawRequest(gateway, get('/'))
    const rows: [number, string, string | undefined, string[]][] = [
      [206, '234', 'bytes 2-4/10', ['Range: bytes=2-4']],
      [206, '89', 'bytes 8-9/10', ['Range: bytes=8-']],
      [206, '789', 'bytes 7-9/10', ['Range: bytes=-3']],
      [206, BODY, 'bytes 0-9/10', ['Range: bytes=0-100']],
      [206, '2', 'bytes 2-2/10', ['Range: bytes=2-2', 'If-Range: "v"']],
      [206, '2', 'bytes 2-2/10', ['Range: bytes=2-2', `If-Range: ${MODIFIED}`]],
      [200, BODY, undefined, ['Range: bytes=2-2', 'If-Range: "x"']],
      [200, BODY, undefined, ['Range: lines=2-2']],
    ]
    for (const [status, body, range, headers] of rows) {
      const response = await rawRequest(gateway, get('/', ...headers))
      assert.deepEqual([response.statusCode, response.body.toString(), headerValue(response, 'content-range')], [status, body, range], headers.join(', '))
    }
    assert.equal((await rawRequest(gateway, get('/', 'Range: bytes=10-'))).statusCode, 416)
  }
  assert.equal(recorder.requests.length, 2)
})

test('a Range means nothing to HEAD (RFC 9110 14.2), on a miss and on a hit; by the rules of nginx it gets the head of the 206', async () => {
  await using dir = await tempDir()
  await using recorder = await startRecorder({ answer: `Cache-Control: max-age=60\r\nETag: "v"\r\nContent-Length: 10\r\n\r\n${BODY}` })
  const head = (...headers: string[]): Buffer => bytes(['HEAD / HTTP/1.1', 'Host: gateway.test', ...headers])
  const byRfc: [number, string] = [200, '10']
  for (const [zone, rules, forceRanges, one, beyond] of [
    [createCache({ name: 'h1' }), 'rfc9111', false, byRfc, byRfc],
    [createCache({ name: 'h2', path: dir.path, storeTimeout: '30s' }), 'rfc9111', false, byRfc, byRfc],
    [createCache({ name: 'h3' }), 'rfc9111', true, byRfc, byRfc],
    [createCache({ name: 'h4' }), 'nginx', true, [206, '3'], [416, '0']],
  ] as const) {
    await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone, rules, convertHead: true }, forceRanges })
    for (const seen of ['miss', 'hit']) {
      for (const [range, [status, length]] of [['bytes=2-4', one], ['bytes=10-', beyond]] as const) {
        const response = await rawRequest(gateway, head(`Range: ${range}`))
        const expected = [status, length, status === 206 ? 'bytes 2-4/10' : status === 416 ? 'bytes */10' : undefined]
        const got = [response.statusCode, headerValue(response, 'content-length'), headerValue(response, 'content-range')]
        assert.deepEqual(got, expected, `${rules} ${forceRanges} ${seen} ${range}`)
      }
    }
    assert.equal((await rawRequest(gateway, get('/', 'Range: bytes=2-4'))).statusCode, 206)
  }
  assert.equal(recorder.requests.length, 4)
})

test('Cache-Status tells what came of a request (RFC 9211), behind what other caches say', async () => {
  await using recorder = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nETag: "v"\r\nCache-Status: Origin; hit\r\nContent-Length: 1\r\n\r\na' })
  const zone = createCache({ name: 'd' })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    cache: { zone, cacheStatus: 'gw', bypass: request => request.headers['x-bypass'] },
  })
  const said = async (path: string, ...headers: string[]): Promise<string | undefined> =>
    headerValue(await rawRequest(gateway, get(path, ...headers)), 'cache-status')
  assert.match(await said('/') ?? '', /^Origin; hit, gw; fwd=uri-miss; ttl=59; stored$/)
  assert.match(await said('/') ?? '', /^Origin; hit, gw; hit; ttl=59$/)
  assert.match(await said('/', 'X-Bypass: 1') ?? '', /^Origin; hit, gw; fwd=bypass; ttl=59; stored$/)
  await zone.purge({ glob: '*' }, { soft: true })
  recorder.answer = 'Status: 304\r\nETag: "v"\r\nCache-Control: max-age=60\r\n\r\n'
  assert.match(await said('/') ?? '', /^Origin; hit, gw; fwd=stale; fwd-status=304; ttl=59$/)
  recorder.answer = 'Cache-Control: no-store\r\nContent-Length: 1\r\n\r\na'
  assert.equal(await said('/other'), 'gw; fwd=uri-miss')
})

test('Cache-Status of requests of all kinds, those that the cache has no part in and errors included', async () => {
  await using recorder = await startRecorder()
  const zone = createCache({ name: 'kinds' })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    cache: { zone: request => request.url.startsWith('/none') ? false : zone, clientControl: 'obey', valid: { 502: '1m' }, useStale: ['http_503'] },
  })
  const FRESH = `Cache-Control: max-age=60\r\nVary: X-Lang\r\nETag: "v"\r\nLast-Modified: ${MODIFIED}\r\nContent-Length: 10\r\n\r\n${BODY}`
  const EMPTY = 'Content-Length: 0\r\n\r\n'
  const rows: [what: string, answer: string, request: Buffer, said: RegExp][] = [
    ['a miss', FRESH, get('/'), /^fastify-scgi; fwd=uri-miss; ttl=5\d; stored$/],
    ['a hit', FRESH, get('/'), /^fastify-scgi; hit; ttl=5\d$/],
    ['HEAD', FRESH, bytes(['HEAD / HTTP/1.1', 'Host: gateway.test']), /^fastify-scgi; hit; ttl=5\d$/],
    ['a range', FRESH, get('/', 'Range: bytes=0-1'), /^fastify-scgi; hit; ttl=5\d$/],
    ['a range beyond the end', FRESH, get('/', 'Range: bytes=10-'), /^fastify-scgi; hit; ttl=5\d$/],
    ['304', FRESH, get('/', 'If-None-Match: "v"'), /^fastify-scgi; hit; ttl=5\d$/],
    ['412', FRESH, get('/', 'If-Match: "x"'), /^fastify-scgi; hit; ttl=5\d$/],
    ['another variant', FRESH, get('/', 'X-Lang: de'), /^fastify-scgi; fwd=miss; ttl=5\d; stored$/],
    ['a client that does not want a fresh one', 'Status: 304\r\nETag: "v"\r\n\r\n', get('/', 'Cache-Control: no-cache'), /^fastify-scgi; fwd=request; fwd-status=304; ttl=5\d$/],
    ['only-if-cached', FRESH, get('/other', 'Cache-Control: only-if-cached'), /^fastify-scgi$/],
    ['a method', EMPTY, bytes(['POST / HTTP/1.1', 'Host: gateway.test', 'Content-Length: 0']), /^fastify-scgi; fwd=method$/],
    ['no zone', EMPTY, get('/none'), /^fastify-scgi; fwd=bypass$/],
    ['an error of the application', 'Status: 500\r\nContent-Length: 0\r\n\r\n', get('/500'), /^fastify-scgi; fwd=uri-miss$/],
    ['a stale one instead', `Cache-Control: max-age=0, stale-if-error=60\r\nETag: "v"\r\nContent-Length: 10\r\n\r\n${BODY}`, get('/stale'), /^fastify-scgi; fwd=uri-miss; ttl=-\d+; stored$/],
    ['a stale one instead', 'Status: 503\r\nContent-Length: 0\r\n\r\n', get('/stale'), /^fastify-scgi; fwd=stale; fwd-status=503; ttl=-\d+$/],
    ['no reply', 'Status: 999\r\n\r\n', get('/502'), /^fastify-scgi; fwd=uri-miss$/],
    ['what is remembered of it', FRESH, get('/502'), /^fastify-scgi; hit$/],
  ]
  for (const [what, answer, request, said] of rows) {
    recorder.answer = answer
    assert.match(headerValue(await rawRequest(gateway, request), 'cache-status') ?? '', said, what)
  }
})

test('only-if-cached of what is not there is an error of its own (5.2.1.7)', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'only' }), clientControl: 'obey', statusHeader: 'X-Cache' } })
  const response = await rawRequest(gateway, get('/', 'Cache-Control: only-if-cached'))
  assert.deepEqual([response.statusCode, JSON.parse(response.body.toString()).code, headerValue(response, 'x-cache')], [504, 'FST_SCGI_ONLY_IF_CACHED', 'MISS'])
  assert.equal(recorder.requests.length, 0)
})

test('a date in If-Range counts only where the reply was made after its Last-Modified (RFC 9110 13.1.5), and no weak tag does', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'if-range' }) } })
  const rows: [status: number, fields: string, condition: string][] = [
    [206, `Last-Modified: ${MODIFIED}\r\nDate: Sun, 01 Nov 2026 00:00:01 GMT`, MODIFIED],
    [200, `Last-Modified: ${MODIFIED}\r\nDate: ${MODIFIED}`, MODIFIED],
    [200, `Last-Modified: ${MODIFIED}`, 'Sun, 01 Nov 2026 00:00:01 GMT'],
    [206, `Last-Modified: ${MODIFIED}`, MODIFIED],
    [206, 'ETag: "v"', '"v"'],
    [200, 'ETag: W/"v"', 'W/"v"'],
    [200, 'ETag: W/"v"', '"v"'],
    [200, 'ETag: "v"', 'W/"v"'],
  ]
  for (const [index, [status, fields, condition]] of rows.entries()) {
    // Older than its lifetime it would be fetched again, and be no hit.
    recorder.answer = `X-Accel-Expires: 60\r\n${fields}\r\nContent-Length: 10\r\n\r\n${BODY}`
    for (const what of ['miss', 'hit']) {
      const response = await rawRequest(gateway, get(`/${index}`, 'Range: bytes=2-2', `If-Range: ${condition}`))
      assert.equal(response.statusCode, status, `${what}: ${fields} If-Range: ${condition}`)
    }
  }
  assert.equal(recorder.requests.length, rows.length)
})

test('a successful unsafe request takes away what is stored of its target, of Location and of Content-Location (4.4)', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'e' }), statusHeader: 'X-Cache' } })
  const fill = async (...paths: string[]): Promise<void> => {
    recorder.answer = 'Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na'
    for (const path of paths) await rawRequest(gateway, get(path))
  }
  const statusOf = async (path: string): Promise<string | undefined> => {
    recorder.answer = 'Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na'
    return headerValue(await rawRequest(gateway, get(path)), 'x-cache')
  }
  const unsafe = async (method: string, answer: string): Promise<void> => {
    recorder.answer = answer
    await rawRequest(gateway, bytes([`${method} /a?q HTTP/1.1`, 'Host: gateway.test', 'Content-Length: 1'], 'x'))
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    await fill('/a?q', '/a', '/b', '/c')
    await unsafe(method, 'Status: 201\r\nLocation: /b\r\nContent-Location: http://gateway.test/c\r\nContent-Length: 0\r\n\r\n')
    assert.deepEqual([await statusOf('/a?q'), await statusOf('/b'), await statusOf('/c'), await statusOf('/a')], ['MISS', 'MISS', 'MISS', 'HIT'], method)
  }
  await fill('/a?q', '/b')
  await unsafe('POST', 'Status: 303\r\nLocation: http://other.test/b\r\nContent-Length: 0\r\n\r\n')
  assert.deepEqual([await statusOf('/a?q'), await statusOf('/b')], ['MISS', 'HIT'], 'another origin')
  for (const [method, answer] of [['POST', 'Status: 500\r\nContent-Length: 0\r\n\r\n'], ['DELETE', 'Status: 404\r\nContent-Length: 0\r\n\r\n'], ['OPTIONS', 'Content-Length: 0\r\n\r\n']] as const) {
    await fill('/a?q')
    await unsafe(method, answer)
    assert.equal(await statusOf('/a?q'), 'HIT', `${method} ${answer}`)
  }
})

test("nginx's rules: an unsafe request takes nothing away, and there is no Cache-Status", async () => {
  await using recorder = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na' })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'f' }), rules: 'nginx', statusHeader: 'X-Cache' } })
  await rawRequest(gateway, get('/'))
  await rawRequest(gateway, bytes(['POST / HTTP/1.1', 'Host: gateway.test', 'Content-Length: 1'], 'x'))
  for (const request of [get('/', 'Range: bytes=0-0'), bytes(['DELETE / HTTP/1.1', 'Host: gateway.test']), bytes(['HEAD / HTTP/1.1', 'Host: gateway.test'])]) {
    assert.equal(headerValue(await rawRequest(gateway, request), 'cache-status'), undefined)
  }
  const response = await rawRequest(gateway, get('/'))
  assert.deepEqual(['x-cache', 'cache-status', 'age'].map(name => headerValue(response, name)), ['HIT', undefined, undefined])
})

test('what an HTTP member names in Connection reaches neither the client nor the store', async () => {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', connection: 'close, X-Hop', 'x-hop': '1', 'x-end': '1', 'content-length': 1 }).end('a')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  try {
    await using gateway = await startGateway({ upstreams: `http://127.0.0.1:${address.port}`, cache: { zone: createCache({ name: 'g' }), statusHeader: 'X-Cache' } })
    for (const status of ['MISS', 'HIT']) {
      const response = await rawRequest(gateway, get('/'))
      assert.deepEqual(['x-cache', 'x-hop', 'x-end'].map(name => headerValue(response, name)), [status, undefined, '1'])
    }
  } finally {
    server.close()
  }
})
