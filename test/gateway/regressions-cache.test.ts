// What went wrong with the cache once.
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { test } from 'node:test'
import Fastify from 'fastify'
import { Redis as Client } from 'iovalkey'
import scgi, { createCache, redisStore } from '../../lib/index.ts'
import { PlainStore, TestGateway } from '../cache/kit.ts'
import { bodyOf, keyOf, read, valueOf, write } from '../cache/store-kit.ts'
import { startGateway } from '../helpers/gateway.ts'
import { headerValue, headerValues, type RawResponse } from '../helpers/http-response.ts'
import { rawRequest } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { bytes, eventually, get } from './kit.ts'
import type { CacheOptions, CreateCacheOptions } from '../../types/index.ts'

let caches = 0
function options (recorder: Recorder, cache: Partial<CacheOptions> = {}, zone: Partial<CreateCacheOptions> = {}) {
  const own = createCache({ name: `r${caches++}`, ...zone })
  return { upstreams: recorder.address, cache: { zone: own, valid: '1h', statusHeader: 'X-Cache', ...cache } }
}

/** Status, cache status, body. */
function told (response: RawResponse): string {
  return `${response.statusCode} ${headerValue(response, 'x-cache') ?? '-'} ${response.body.toString()}`
}

async function countingRecorder (): Promise<Recorder> {
  let count = 0
  return await startRecorder({ answer: async exchange => { await exchange.end(`X: ${++count}\r\nContent-Length: ${String(count).length + 1}\r\n\r\nn${count}`) } })
}

test('Vary and Authorization mean what the application sees, not what the client sent', async () => {
  await using recorder = await startRecorder()
  recorder.answer = async exchange => {
    const { request } = exchange
    const user = request.param('HTTP_X_USER') ?? request.param('HTTP_AUTHORIZATION') ?? 'nobody'
    await exchange.end(`Vary: X-User\r\nContent-Length: ${user.length}\r\n\r\n${user}`)
  }
  await using gateway = await startGateway({
    ...options(recorder),
    rewriteRequestHeaders: ({ url, headers: { cookie } }, headers) => ({ ...headers, [url === '/vary' ? 'X-User' : 'Authorization']: cookie }),
  })
  for (const status of ['MISS', 'HIT']) {
    for (const user of ['alice', 'bob']) assert.equal(told(await rawRequest(gateway, get('/vary', `Cookie: ${user}`))), `200 ${status} ${user}`)
  }
  for (const user of ['alice', 'bob']) assert.equal(told(await rawRequest(gateway, get('/own', `Cookie: ${user}`))), `200 MISS ${user}`)
})

for (const length of ['', 'Content-Length: 2\r\n']) {
  test(`what a hook adds to a list is for that client alone, hit or miss${length === '' ? ', also where the end of the body is not known' : ''}`, async () => {
    await using recorder = await startRecorder()
    recorder.answer = async exchange => { await exchange.end(`Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nLink: </a>\r\nLink: </b>\r\n${length}\r\nok`) }
    await using gateway = await startGateway({
      ...options(recorder),
      ignoreHeaders: ['Set-Cookie'],
      rewriteHeaders: (headers, { headers: { 'x-user': user } }) => {
        for (const name of ['set-cookie', 'link']) {
          const list = headers[name]
          if (Array.isArray(list) && typeof user === 'string') list.push(user)
        }
        return headers
      },
    })
    for (const [user, status] of [['alice', 'MISS'], [undefined, 'HIT'], ['bob', 'HIT'], [undefined, 'HIT']] as const) {
      const response = await rawRequest(gateway, get('/', ...user === undefined ? [] : [`X-User: ${user}`]))
      assert.equal(told(response), `200 ${status} ok`)
      const own = user === undefined ? [] : [user]
      assert.deepEqual(headerValues(response, 'set-cookie'), ['a=1', 'b=2', ...own])
      assert.deepEqual(headerValues(response, 'link'), ['</a>', '</b>', ...own])
    }
  })
}

test('an expired reply to POST is fetched again, with backgroundUpdate too', async () => {
  await using recorder = await countingRecorder()
  const given = options(recorder, { methods: ['POST'], key: request => request.url, useStale: ['updating'], backgroundUpdate: true })
  await using gateway = await startGateway(given)
  const post = async (): Promise<string> => told(await rawRequest(gateway, bytes(['POST /x HTTP/1.1', 'Host: gateway.test', 'Content-Length: 2'], 'hi')))
  assert.deepEqual([await post(), await post()], ['200 MISS n1', '200 HIT n1'])
  await gateway.app.scgi.caches.get(`r${caches - 1}`)?.purge('POST /x', { soft: true })
  assert.deepEqual([await post(), await post()], ['200 EXPIRED n2', '200 HIT n2'])
  assert.equal(recorder.requests[1]?.body.toString(), 'hi')
})

test('a condition that gives a promise is a mistake, and does not hold for all', async () => {
  await using recorder = await countingRecorder()
  // Not an async function, which is refused when it is registered.
  const later = (): Promise<boolean> => Promise.resolve(false)
  await using bypass = await startGateway(options(recorder, { bypass: later }))
  assert.match((await rawRequest(bypass, get('/x'))).body.toString(), /FST_SCGI_PROMISE/)
  await using noCache = await startGateway(options(recorder, { noCache: [later] }))
  assert.equal(told(await rawRequest(noCache, get('/x'))), '200 MISS n1')
  assert.match(noCache.log.map(line => line.msg).join('\n'), /cache\.noCache failed/)
})

for (const interceptErrors of ['handler', true, false] as const) {
  test(`a 401 is not what one gets who has logged in since (interceptErrors: ${interceptErrors})`, async () => {
    await using recorder = await startRecorder({ answer: 'Status: 401\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n' })
    await using gateway = await startGateway({ ...options(recorder, { valid: { any: '1m' } }), interceptErrors })
    for (const round of [1, 2]) {
      const refused = await rawRequest(gateway, get('/x'))
      assert.deepEqual([refused.statusCode, headerValue(refused, 'www-authenticate'), recorder.requests.length], [401, 'Basic', round])
    }
    recorder.answer = 'Content-Length: 2\r\n\r\nin'
    assert.equal(told(await rawRequest(gateway, get('/x', 'Authorization: Basic eDp5'))), '200 MISS in')
    // Where the application says so, it is for all.
    recorder.answer = 'Status: 401\r\nCache-Control: public, max-age=60\r\nContent-Length: 0\r\n\r\n'
    recorder.clear()
    for (let i = 0; i < 2; i++) assert.equal((await rawRequest(gateway, get('/public'))).statusCode, 401)
    assert.equal(recorder.requests.length, 1)
  })
}

test('a purge of nothing in particular is refused, and names the cache', async () => {
  const cache = createCache({ name: 'shop', store: new PlainStore() })
  const given: unknown[] = [undefined, null, 5, {}, { key: 5 }, { tag: ['a'] }, { tag: undefined }, { key: 'a', glob: '*' }, { tags: 'a' }, { glob: '*' }]
  for (const match of given) {
    await assert.rejects(async () => { await Reflect.apply(cache.purge, cache, [match]) }, { code: 'FST_SCGI_CACHE_PURGE', message: /'shop'/ }, JSON.stringify(match))
  }
  await cache.close()
})

test('a cache that an application has closed is refused by the next', async () => {
  await using recorder = await countingRecorder()
  const given = options(recorder)
  await (await startGateway(given)).close()
  const app = Fastify()
  await assert.rejects(async () => { await app.register(scgi, given) }, { code: 'FST_SCGI_OPT_INVALID', message: /closed/ })
  await app.close()
})

test('a process that was busy for longer than storeTimeout does not hold it against the store', async () => {
  const store = new PlainStore()
  await using recorder = await countingRecorder()
  await using gateway = await startGateway(options(recorder, {}, { store, storeTimeout: 100 }))
  assert.equal((await gateway.app.inject('/x')).headers['x-cache'], 'MISS')
  await eventually(() => store.entries.size === 1, 'stored')
  store.delay = async () => {
    setImmediate(() => {
      for (const end = performance.now() + 300; performance.now() < end;);
    })
    await stat('.')
  }
  assert.equal((await gateway.app.inject('/x')).headers['x-cache'], 'HIT')
  assert.equal(gateway.app.scgi.caches.get(`r${caches - 1}`)?.stats().storeFailures, 0)
})

test('many requests for one key are one command to Redis, and each gets its variant', { skip: noRedis }, async () => {
  await using redis = await startRedis()
  const client = new Client(redis.url)
  const store = redisStore({ client })
  const calls = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
  const body = Buffer.alloc(100_000, 'body')
  await write(store, '/plain', body)
  assert.ok((await read(store, '/plain'))?.equals(body))
  let before = await calls()
  const found = await Promise.all(Array.from({ length: 300 }, async (_, i) => await store.get(keyOf('/plain', { cookie: `c${i}` }))))
  for (const result of found) assert.ok((await bodyOf(result?.body)).equals(body))
  assert.equal(await calls() - before, 1)
  // Before a header selected it was for all, and still is for others.
  for (const [language, content] of [['de', 'deutsch'], ['en', 'english']] as const) {
    const stream = store.createWriteStream(keyOf('/plain', { 'accept-language': language }), valueOf({ vary: { 'accept-language': language } }))
    await new Promise(resolve => stream?.once('close', resolve).end(content))
  }
  before = await calls()
  const languages = Array.from({ length: 60 }, (_, i) => ['en', 'de', 'fr'][i % 3] ?? '')
  const bodies = await Promise.all(languages.map(async language => {
    const result = await store.get(keyOf('/plain', { 'accept-language': language, cookie: language }))
    return (await bodyOf(result?.body)).toString()
  }))
  for (const [i, content] of bodies.entries()) assert.equal(content, { en: 'english', de: 'deutsch', fr: body.toString() }[languages[i] ?? ''])
  assert.ok(await calls() - before <= 41)
  await store.close?.()
  client.disconnect()
})

test('what a named location answers is not what the URL stands for', async () => {
  await using recorder = await startRecorder({ answer: 'Status: 404\r\nContent-Length: 0\r\n\r\n' })
  await using other = await countingRecorder()
  const given = options(recorder)
  await using gateway = await startGateway(app => {
    app.register(scgi, { ...given, prefix: '/app', interceptErrors: true, errorPages: { 404: { to: '@fallback', status: 200 } } })
    app.after(() => {
      const fallback = { ...given, upstreams: other.address }
      app.scgi.location('@fallback', (_request, reply) => reply.scgi(fallback))
    })
  })
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '200 MISS n1')
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '200 HIT n1')
  assert.equal(recorder.requests.length, 2)
  recorder.answer = 'Content-Length: 4\r\n\r\nmine'
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '200 MISS mine')
  assert.equal(told(await rawRequest(gateway, get('/app/x'))), '200 HIT mine')
})

test('a soft purge holds from the millisecond in which it is done', async () => {
  const gateway = new TestGateway({ app: () => ({ body: 'x' }), options: { useStale: ['updating'], backgroundUpdate: true } })
  await gateway.get()
  await gateway.zone.purge('k', { soft: true })
  assert.equal(await gateway.line(), 'STALE 200 x')
  await gateway.close()
})

test('a GET with a body is not cached: what one client says in it is not what the others get', async () => {
  await using recorder = await startRecorder({ answer: async exchange => { const body = await exchange.body(); await exchange.end(`Content-Length: ${body.length}\r\n\r\n${body.toString()}`) } })
  await using gateway = await startGateway({ upstreams: recorder.address, cache: { zone: createCache({ name: 'get-body' }), valid: '1h' } })
  const evil = 'GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nevil'
  assert.equal((await rawRequest(gateway, evil)).body.toString(), 'evil')
  assert.equal((await rawRequest(gateway, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n')).body.toString(), '')
})

test('reply.scgi() without options answers with an error, and the process lives', async () => {
  await using gateway = await startGateway(app => {
    app.register(scgi, { prefix: '/app', upstreams: '127.0.0.1:1' })
    app.get('/none', (_request, reply) => Reflect.apply(reply.scgi, reply, []))
  })
  assert.equal((await rawRequest(gateway, 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n')).statusCode, 500)
})
