// The cache in the gateway: what clients and applications see of it. Its rules are tested in test/cache.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createCache } from '../../lib/index.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, type RawResponse } from '../helpers/http-response.ts'
import { RawClient, rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { tempDir } from '../helpers/temp.ts'
import { bytes, eventually, get, startHttp2 } from './kit.ts'
import type { CacheOptions, CreateCacheOptions, FastifyScgiOptions } from '../../types/index.ts'

let caches = 0
function options (recorder: Recorder, cache: Partial<CacheOptions> = {}, zone: Partial<CreateCacheOptions> = {}) {
  const own = createCache({ name: `c${caches++}`, storeTimeout: '30s', ...zone })
  return { upstreams: recorder.address, cache: { zone: own, valid: '1h', statusHeader: 'X-Cache', ...cache } }
}

/** Status, cache status, body. */
function told (response: RawResponse): string {
  return `${response.statusCode} ${headerValue(response, 'x-cache') ?? '-'} ${response.body.toString()}`
}

/** An application that counts. */
function counting (...headers: string[]) {
  let count = 0
  return (): string => [...headers, `X-Count: ${++count}`, `Content-Length: ${String(count).length + 1}`].join('\r\n') + `\r\n\r\nn${count}`
}

async function countingRecorder (...headers: string[]): Promise<Recorder> {
  const next = counting(...headers)
  return await startRecorder({ answer: async exchange => { await exchange.end(next()) } })
}

for (const kind of ['memory', 'disk'] as const) {
  test(`MISS, then HIT without the application; HEAD, Age, headers (${kind})`, async () => {
    await using dir = await tempDir()
    await using recorder = await countingRecorder('Content-Type: a/b', 'ETag: "v"', 'X-Accel-Charset: utf-8', 'X-Powered-By: x')
    await using gateway = await startGateway({ ...options(recorder, {}, kind === 'disk' ? { path: dir.path } : {}), hideHeaders: ['X-Powered-By'] })
    const first = await rawRequest(gateway, get('/a?q'))
    assert.equal(told(first), '200 MISS n1')
    assert.equal(headerValue(first, 'age'), undefined)
    await eventually(() => gateway.app.scgi.caches.get(`c${caches - 1}`)?.stats().entries === 1, 'stored')
    const hit = await rawRequest(gateway, get('/a?q'))
    assert.equal(told(hit), '200 HIT n1')
    assert.deepEqual(['age', 'content-type', 'etag', 'x-powered-by', 'content-length', 'x-count'].map(name => headerValue(hit, name)),
      ['0', 'a/b; charset=utf-8', '"v"', undefined, '2', '1'])
    const head = await rawRequest(gateway, bytes(['HEAD /a?q HTTP/1.1', 'Host: gateway.test']))
    assert.deepEqual([told(head), headerValue(head, 'content-length')], ['200 HIT ', '2'])
    assert.equal(told(await rawRequest(gateway, get('/a?other'))), '200 MISS n2')
    assert.equal(told(await rawRequest(gateway, bytes(['POST /a?q HTTP/1.1', 'Host: gateway.test', 'Content-Length: 0']))), '200 - n3')
    assert.equal(recorder.requests.length, 3)
    // The connection stays.
    await using client = await RawClient.connect(gateway)
    for (let i = 0; i < 5; i++) assert.equal(told(await client.request(get('/a?other'))), '200 HIT n2')
  })

  test(`conditions and ranges are answered from what is stored, and on the way there (${kind})`, async () => {
    await using dir = await tempDir()
    const body = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i & 0xff))
    await using recorder = await startRecorder({ answer: bytes(['ETag: "v"', 'Accept-Ranges: bytes', 'Content-Type: a/b', `Content-Length: ${body.length}`], body) })
    await using gateway = await startGateway(options(recorder, {}, kind === 'disk' ? { path: dir.path } : {}))
    const ask = async (path: string, ...headers: string[]): Promise<RawResponse> => await rawRequest(gateway, get(path, ...headers))
    for (const status of ['MISS', 'HIT']) {
      const path = `/x${status}`
      if (status === 'HIT') {
        assert.ok((await ask(path)).body.equals(body))
        await eventually(() => Number(gateway.app.scgi.caches.get(`c${caches - 1}`)?.stats().entries) > 1, 'stored')
      }
      const part = await ask(path, 'Range: bytes=65000-65009')
      assert.deepEqual([part.statusCode, headerValue(part, 'x-cache'), headerValue(part, 'content-range')], [206, status, 'bytes 65000-65009/70000'])
      assert.ok(part.body.equals(body.subarray(65_000, 65_010)))
      await eventually(() => recorder.open === 0, 'closed')
      await eventually(() => Number(gateway.app.scgi.caches.get(`c${caches - 1}`)?.stats().entries) > 0, 'stored')
      const unchanged = await ask(path, 'If-None-Match: "v"')
      assert.deepEqual([unchanged.statusCode, headerValue(unchanged, 'x-cache'), unchanged.body.length], [304, 'HIT', 0])
      assert.equal((await ask(path, 'Range: bytes=99999-')).statusCode, 416)
      assert.equal((await ask(path, 'Range: bytes=0-1', 'If-Range: "other"')).body.length, body.length)
      const several = await ask(path, 'Range: bytes=0-1,5-6')
      assert.match(headerValue(several, 'content-type') ?? '', /^multipart\/byteranges/)
    }
    for (const request of recorder.requests) {
      assert.deepEqual(['HTTP_RANGE', 'HTTP_IF_NONE_MATCH', 'HTTP_IF_RANGE'].map(name => request.param(name)), [undefined, undefined, undefined])
    }
  })
}

test('HEAD fetches the whole for the cache, and the client gets the head at once', async () => {
  await using recorder = await countingRecorder()
  await using gateway = await startGateway(options(recorder))
  const head = await rawRequest(gateway, bytes(['HEAD /x HTTP/1.1', 'Host: gateway.test']))
  assert.deepEqual([told(head), headerValue(head, 'content-length')], ['200 MISS ', '2'])
  assert.equal(recorder.requests[0]?.param('REQUEST_METHOD'), 'GET')
  await recorder.idle()
  assert.equal(told(await rawRequest(gateway, get('/x'))), '200 HIT n1')
})

test('what is one client\'s own is never stored; Vary tells variants apart', async () => {
  await using recorder = await startRecorder()
  await using gateway = await startGateway(options(recorder))
  const twice = async (path: string, answer: string, ...headers: string[]): Promise<string | undefined> => {
    recorder.answer = answer
    await rawRequest(gateway, get(path, ...headers))
    return headerValue(await rawRequest(gateway, get(path, ...headers)), 'x-cache')
  }
  assert.equal(await twice('/cookie', 'Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n'), 'MISS')
  assert.equal(await twice('/private', 'Cache-Control: private\r\nContent-Length: 0\r\n\r\n'), 'MISS')
  assert.equal(await twice('/secret', 'Content-Length: 0\r\n\r\n', 'Authorization: Basic eDp5'), 'MISS')
  assert.equal(await twice('/public', 'Cache-Control: public, max-age=60\r\nContent-Length: 0\r\n\r\n', 'Authorization: Basic eDp5'), 'HIT')
  assert.equal(await twice('/accel', 'X-Accel-Expires: 0\r\nContent-Length: 0\r\n\r\n'), 'MISS')
  assert.equal(await twice('/unbuffered', 'X-Accel-Buffering: no\r\nContent-Length: 0\r\n\r\n'), 'MISS')
  assert.equal(await twice('/redirect', 'X-Accel-Redirect: /nowhere\r\n\r\n'), undefined)
  assert.equal(await twice('/short', 'Content-Length: 5\r\n\r\nabc'), 'MISS')
  recorder.answer = async exchange => { await exchange.end(`Vary: Accept-Language\r\nContent-Length: 2\r\n\r\n${exchange.request.param('HTTP_ACCEPT_LANGUAGE') ?? '--'}`) }
  for (const status of ['MISS', 'HIT']) {
    for (const language of ['de', 'en']) assert.equal(told(await rawRequest(gateway, get('/vary', `Accept-Language: ${language}`))), `200 ${status} ${language}`)
  }
})

test('1,000 requests for a key that is missing make one request to the application', async () => {
  await using recorder = await countingRecorder()
  // Longer than a thousand requests take on a machine with much else to do: who has waited for so long asks on its own.
  await using gateway = await startGateway(options(recorder, { lock: { age: '2m', timeout: '2m' } }))
  const answers = await Promise.all(Array.from({ length: 1000 }, async () => await gateway.app.inject('/x')))
  assert.ok(answers.every(({ body }) => body === 'n1'))
  assert.equal(recorder.requests.length, 1)
})

test('a populator that leaves still fills the cache for those who wait', async () => {
  let answer = (): void => {}
  await using recorder = await startRecorder({
    answer: async exchange => {
      await exchange.write('Content-Length: 4\r\n\r\nbo')
      await new Promise<void>(resolve => { answer = resolve })
      await exchange.end('dy')
    },
  })
  await using gateway = await startGateway(options(recorder, { lock: true }))
  await using client = await RawClient.connect(gateway)
  client.socket.write(get('/x'))
  await recorder.received(1)
  const waiting = rawRequest(gateway, get('/x'))
  await eventually(() => gateway.app.scgi.caches.get(`c${caches - 1}`)?.stats().waiting === 1, 'waiting')
  client.socket.destroy()
  answer()
  assert.equal(told(await waiting), '200 HIT body')
  assert.equal(recorder.requests.length, 1)
})

test('stale: after a failure, on a status, while it is renewed in the background; close waits for that', async () => {
  await using recorder = await startRecorder({ answer: 'X-Accel-Expires: @1\r\nContent-Length: 3\r\n\r\nold' })
  // Expired from the start, but for the time that may be stale.
  recorder.answer = 'Cache-Control: max-age=1\r\nContent-Length: 3\r\n\r\nold'
  const cache = createCache({ name: 'stale' })
  await using gateway = await startGateway(app => {
    const upstreams = recorder.address
    const key = (request: { url: string }): string => request.url.replace(/^\/\w/, '')
    const common = { zone: cache, key, statusHeader: 'X-Cache' }
    app.register(scgi, { prefix: '/a', upstreams, cache: { ...common, useStale: ['error', 'http_503'] } })
    app.register(scgi, { prefix: '/b', upstreams, cache: { ...common, useStale: ['updating'], backgroundUpdate: true } })
    app.register(scgi, { prefix: '/c', upstreams, cache: common })
  })
  for (const path of ['1', '2', '3']) await rawRequest(gateway, get(`/a/${path}`))
  assert.equal(await cache.purge({ glob: '*' }, { soft: true }), 3)
  recorder.accept = () => 'close'
  assert.equal(told(await rawRequest(gateway, get('/a/1'))), '200 STALE old')
  assert.equal((await rawRequest(gateway, get('/c/1'))).statusCode, 502)
  recorder.accept = () => 'serve'
  recorder.answer = 'Status: 503\r\n\r\n'
  assert.equal(told(await rawRequest(gateway, get('/a/2'))), '200 STALE old')
  let answer = (): void => {}
  recorder.answer = async exchange => {
    await new Promise<void>(resolve => { answer = resolve })
    await exchange.end('Cache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nnew')
  }
  recorder.clear()
  assert.equal(told(await rawRequest(gateway, get('/b/3'))), '200 STALE old')
  await recorder.received(1)
  assert.equal(told(await rawRequest(gateway, get('/b/3'))), '200 UPDATING old')
  answer()
  await recorder.idle()
  await eventually(() => cache.stats().updating === 0, 'renewed')
  assert.equal(told(await rawRequest(gateway, get('/b/3'))), '200 HIT new')
})

test('revalidation: 304 keeps what is stored, and asks with its validators', async () => {
  await using recorder = await startRecorder({ answer: 'ETag: "v"\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nold' })
  const given = options(recorder, { revalidate: true })
  const cache = given.cache.zone
  assert.ok(typeof cache !== 'function')
  await using gateway = await startGateway(given)
  await rawRequest(gateway, get('/x'))
  await cache.purge({ glob: '*' }, { soft: true })
  recorder.answer = 'Status: 304\r\nETag: "v"\r\nCache-Control: max-age=60\r\n\r\n'
  recorder.clear()
  assert.equal(told(await rawRequest(gateway, get('/x', 'If-None-Match: "client"'))), '200 REVALIDATED old')
  assert.equal(recorder.requests[0]?.param('HTTP_IF_NONE_MATCH'), '"v", "client"')
  assert.equal(told(await rawRequest(gateway, get('/x'))), '200 HIT old')
})

for (const [title, more, sent] of [
  ['no headers', { passRequestHeaders: false }, true],
  ['a list of headers', { passRequestHeaders: ['Accept'] }, true],
  ['the smallest set of parameters', { defaultParams: 'minimal' }, true],
  ['a hook that makes them anew', { rewriteRequestHeaders: () => ({ accept: 'a/b' }) }, true],
  ['parameters that hide them', { params: { HTTP_IF_NONE_MATCH: '', HTTP_IF_MODIFIED_SINCE: '' } }, false],
] satisfies [string, Partial<FastifyScgiOptions>, boolean][]) {
  test(`revalidation asks with the validators of the entry, whatever the application gets of the client's headers: ${title}`, async () => {
    await using recorder = await startRecorder({
      answer: 'ETag: "v"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nold',
    })
    for (const rules of ['nginx', 'rfc9111'] as const) {
      const given = options(recorder, { revalidate: true, rules })
      const cache = given.cache.zone
      assert.ok(typeof cache !== 'function')
      await using gateway = await startGateway({ ...given, ...more })
      await rawRequest(gateway, get('/x'))
      await cache.purge({ glob: '*' }, { soft: true })
      recorder.clear()
      await rawRequest(gateway, get('/x', 'If-None-Match: "client"', 'If-Modified-Since: Thu, 01 Jan 2025 00:00:00 GMT', 'X-Other: 1'))
      const [request] = recorder.requests
      // A hook has taken that of the client away.
      const tags = rules === 'nginx' || title.includes('a hook') ? '"v"' : '"v", "client"'
      assert.deepEqual([request?.param('HTTP_IF_NONE_MATCH'), request?.param('HTTP_IF_MODIFIED_SINCE')],
        sent ? [tags, 'Thu, 01 Jan 2026 00:00:00 GMT'] : [undefined, undefined])
      if (!title.includes('parameters that')) assert.equal(request?.param('HTTP_X_OTHER'), undefined)
    }
  })
}

test('noCache and errorPages see the reply of a background update, its client the entry', async () => {
  await using recorder = await startRecorder({ answer: 'Cache-Control: max-age=60\r\nX-Count: 1\r\nContent-Length: 3\r\n\r\nold' })
  const seen: (string | undefined)[] = []
  const given = options(recorder, {
    useStale: ['updating'],
    backgroundUpdate: true,
    rules: 'nginx',
    noCache: request => {
      seen.push(request.scgi?.header('x-count'))
      return request.scgi?.header('x-volatile')
    },
  })
  const cache = given.cache.zone
  assert.ok(typeof cache !== 'function')
  await using gateway = await startGateway(given)
  await rawRequest(gateway, get('/x'))
  await cache.purge({ glob: '*' }, { soft: true })
  recorder.answer = 'Cache-Control: max-age=60\r\nX-Count: 2\r\nX-Volatile: 1\r\nContent-Length: 3\r\n\r\nnew'
  assert.equal(told(await rawRequest(gateway, get('/x'))), '200 STALE old')
  await recorder.idle()
  await eventually(() => cache.stats().updating === 0, 'asked')
  assert.deepEqual(seen, ['1', '2'])
  // It was not stored, so the old one is there still.
  assert.equal(told(await rawRequest(gateway, get('/x'))), '200 STALE old')
  await eventually(() => cache.stats().updating === 0, 'asked again')
})

test('bypass and noCache; a zone for each request; purge by key, glob and tag', async () => {
  await using recorder = await countingRecorder('Cache-Tag: one, two')
  const cache = createCache({ name: 'own' })
  await using gateway = await startGateway({
    upstreams: recorder.address,
    cache: {
      zone: request => request.url.startsWith('/none') ? false : cache,
      key: request => request.url,
      valid: '1h',
      statusHeader: 'X-Cache',
      bypass: request => request.headers['x-bypass'],
      noCache: [request => request.headers['x-no-cache'], request => request.scgi?.header('x-count') === '1'],
    },
  })
  const ask = async (path: string, ...headers: string[]): Promise<string> => told(await rawRequest(gateway, get(path, ...headers)))
  assert.equal(await ask('/none'), '200 - n1')
  assert.equal(await ask('/a', 'X-No-Cache: 1'), '200 MISS n2')
  assert.equal(await ask('/a'), '200 MISS n3')
  assert.equal(await ask('/a', 'X-Bypass: 1'), '200 BYPASS n4')
  assert.equal(await ask('/a'), '200 HIT n4')
  assert.equal(gateway.app.scgi.caches.get('own'), cache)
  assert.equal(await cache.purge('/a'), 1)
  assert.equal(await ask('/a'), '200 MISS n5')
  assert.equal(await cache.purge({ tag: 'two' }), 1)
  assert.equal(await ask('/a'), '200 MISS n6')
  assert.equal(await cache.purge({ glob: '/?' }), 1)
  assert.equal(await ask('/a'), '200 MISS n7')
})

test('errors: 502 is remembered by valid, an intercepted status re-runs its page', async () => {
  await using recorder = await startRecorder({ accept: () => 'close' })
  await using gateway = await startGateway(app => {
    app.get('/sorry', async () => 'sorry')
    const zone = createCache({ name: 'errors' })
    app.register(scgi, {
      prefix: '/app', upstreams: recorder.address, interceptErrors: true, errorPages: { 404: '/sorry' }, cache: { zone, valid: { any: '1m' }, statusHeader: 'X-Cache' },
    })
  })
  for (let i = 0; i < 3; i++) assert.equal((await rawRequest(gateway, get('/app/x'))).statusCode, 502)
  assert.equal(recorder.accepted, 1)
  recorder.accept = () => 'serve'
  recorder.answer = 'Status: 404\r\nContent-Length: 0\r\n\r\n'
  for (let i = 0; i < 3; i++) {
    const response = await rawRequest(gateway, get('/app/y'))
    assert.deepEqual([response.statusCode, response.body.toString()], [404, 'sorry'])
  }
  assert.equal(recorder.requests.length, 1)
})

test('over HTTP/2, and with a stream where the entry is long', async () => {
  await using dir = await tempDir()
  const body = Buffer.alloc(2_000_000, 'cache')
  await using recorder = await startRecorder({ answer: bytes(['Content-Type: a/b', `Content-Length: ${body.length}`], body) })
  await using http2 = await startHttp2(options(recorder, {}, { path: dir.path, levels: '1:2' }))
  for (const status of ['MISS', 'HIT']) {
    const response = await http2.client.request({ ':path': '/x' })
    assert.equal(response.headers['x-cache'], status)
    assert.ok(response.body.equals(body))
    await recorder.idle()
  }
  assert.equal(recorder.requests.length, 1)
})

test('cache and store exclude each other; a cache outlives the first of two applications', async () => {
  await using recorder = await countingRecorder()
  const app = Fastify()
  await assert.rejects(async () => {
    await app.register(scgi, { ...options(recorder), store: { root: '/tmp' } })
  }, /FST_SCGI_OPT_UNSUPPORTED|either/)
  await app.close()
  const given = options(recorder)
  await using second = await startGateway(given)
  {
    await using first = await startGateway(given)
    assert.equal(told(await rawRequest(first, get('/x', 'X: 1'))), '200 MISS n1')
  }
  assert.equal(told(await rawRequest(second, get('/x'))), '200 HIT n1')
})

test('a 304 that does not say which of several tags it is about is followed by a request for the whole reply', async () => {
  await using recorder = await startRecorder({ answer: 'ETag: "v"\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nold' })
  const given = options(recorder, {})
  const cache = given.cache.zone
  assert.ok(typeof cache !== 'function')
  await using gateway = await startGateway(given)
  await rawRequest(gateway, get('/x'))
  await cache.purge({ glob: '*' }, { soft: true })
  recorder.clear()
  const answers = ['Status: 304\r\n\r\n', 'ETag: "w"\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nnew']
  recorder.answer = exchange => exchange.end(answers.shift() ?? '')
  assert.equal(told(await rawRequest(gateway, get('/x', 'If-None-Match: "client"'))), '200 EXPIRED new')
  assert.deepEqual(recorder.requests.map(request => request.param('HTTP_IF_NONE_MATCH')), ['"v", "client"', undefined])
  assert.equal(told(await rawRequest(gateway, get('/x'))), '200 HIT new')
})
