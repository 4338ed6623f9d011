// A hit in memory goes a shorter way once its URL is known. Whatever is asked, the answer is that of the whole way.
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test, type TestContext } from 'node:test'
import scgi, { createCache } from '../../lib/index.ts'
import { CacheZone } from '../../lib/cache/zone.ts'
import { MemoryStore } from '../../lib/cache/stores/memory.ts'
import { startGateway } from '../helpers/gateway.ts'
import { RawClient } from '../helpers/raw-client.ts'
import { startRecorder, type Recorder } from '../helpers/recorder.ts'
import { systemTimers } from '../../lib/runtime/timers.ts'
import { bytes, get } from './kit.ts'
import type { RawResponse } from '../helpers/http-response.ts'
import type { CacheOptions, FastifyScgiOptions } from '../../types/index.ts'

let caches = 0

function caching (recorder: Recorder, cache: Partial<CacheOptions> = {}, options: Partial<FastifyScgiOptions> = {}): FastifyScgiOptions {
  const zone = createCache({ name: `hits${caches++}` })
  return { upstreams: recorder.address, cache: { zone, valid: '1h', statusHeader: 'X-Cache', ...cache }, ...options }
}

/** Counts the lookups of the whole way. */
function lookups (t: TestContext): { readonly count: number } {
  const { mock } = t.mock.method(MemoryStore.prototype, 'get')
  return { get count () { return mock.callCount() } }
}

/** What a client sees of it, without what differs with the time. */
function seen ({ statusCode, reason, headers, body }: RawResponse): unknown {
  const told = headers.map(([name, value]) => /^(?:age|date|cache-status)$/i.test(name) ? `${name}: ${value.replace(/\d+/g, 'n')}` : `${name}: ${value}`)
  return { statusCode, reason, told, body: body.toString() }
}

const PLAIN = ['Content-Type: text/plain', 'Content-Length: 4']

/** Replies, options and hooks that a hit goes by, and whether the short way is for them. */
const replies: [what: string, short: boolean, lines: string[], cache?: Partial<CacheOptions>, options?: Partial<FastifyScgiOptions>][] = [
  ['a plain one', true, PLAIN],
  ['with a reason of its own', true, ['Status: 200 Fine', ...PLAIN]],
  ['an error that is cached', true, ['Status: 404 Not Found', 'X-Accel-Expires: 60', ...PLAIN]],
  ['its own Age and Cache-Status', true, ['Age: 5', 'Cache-Status: other; hit', ...PLAIN]],
  ['lists to which a hook has added', true, ['Link: </a>', 'Server-Timing: a', ...PLAIN]],
  ['one cookie', true, ['Set-Cookie: a=b', ...PLAIN], {}, { ignoreHeaders: ['Set-Cookie'] }],
  ['two cookies', false, ['Set-Cookie: a=b', 'Set-Cookie: c=d', ...PLAIN], {}, { ignoreHeaders: ['Set-Cookie'] }],
  ['hidden headers', true, ['X-Powered-By: x', 'X-Accel-Expires: 60', ...PLAIN], {}, { hideHeaders: ['X-Powered-By'] }],
  ['nginx\'s rules', true, PLAIN, { rules: 'nginx' }],
  ['no Cache-Status', true, PLAIN, { cacheStatus: false, age: false }],
  ['no Content-Type', false, ['Content-Length: 4']],
  ['a charset to be set', false, ['X-Accel-Charset: utf-8', ...PLAIN]],
  ['a rate to be kept', false, ['X-Accel-Limit-Rate: 100000', ...PLAIN]],
  ['a variant', false, ['Vary: Accept-Language', ...PLAIN]],
  ['a hook of the mount', false, PLAIN, {}, { rewriteHeaders: headers => ({ ...headers, 'x-new': '1' }) }],
  ['a hook for the request', false, PLAIN, {}, { rewriteRequestHeaders: (_request, headers) => headers }],
  ['forced ranges', false, PLAIN, {}, { forceRanges: true }],
  ['spellings that are kept', false, ['x-SPELT: 1', ...PLAIN], {}, { preserveHeaderCase: true }],
  ['a key of the user', false, PLAIN, { key: ({ url }) => url }],
  ['a bypass of the user', false, PLAIN, { bypass: () => false }],
  ['a group that is chosen for each request', false, PLAIN],
]

for (const [what, short, lines, cache, options] of replies) {
  test(`${short ? 'the short way' : 'the whole way'}: ${what}`, async t => {
    await using recorder = await startRecorder({ answer: bytes(lines, 'body') })
    const given = caching(recorder, cache, options)
    await using gateway = await startGateway(app => {
      app.addHook('onRequest', (_request, reply, done) => {
        reply.header('link', '</before>')
        reply.raw.setHeader('set-cookie', 'before=1')
        done()
      })
      app.register(scgi, what.startsWith('a group') ? { ...given, upstreams: () => recorder.address, allowAnyUpstream: true } : given)
    })
    await using client = await RawClient.connect(gateway)
    await client.request(get('/a?b'))
    const whole = [seen(await client.request(get('/a?b'))), seen(await client.request(get('/a?b')))]
    const asked = lookups(t)
    for (let i = 0; i < 3; i++) whole.push(seen(await client.request(get('/a?b'))))
    assert.equal(asked.count, short ? 0 : 3)
    for (const hit of whole.slice(1)) assert.deepEqual(hit, whole[0])
    assert.equal(recorder.requests.length, 1)
  })
}

/** Headers that are lists, to which hooks have added. */
const LISTS = [
  'Server-Timing', 'Vary', 'Link', 'Via', 'Warning', 'Access-Control-Expose-Headers', 'Access-Control-Allow-Headers', 'Access-Control-Allow-Methods',
  'Content-Security-Policy', 'Content-Security-Policy-Report-Only', 'Timing-Allow-Origin', 'Set-Cookie',
]

for (const statusHeader of [...LISTS, 'X-Cache', 'Age', 'Cache-Status', 'Content-Type', 'ETag', 'Date']) {
  test(`the short way says what the whole way does where the status is in ${statusHeader}`, async t => {
    await using recorder = await startRecorder({
      answer: exchange => exchange.end(bytes([...exchange.request.param('REQUEST_URI')?.endsWith('/own') === true ? [`${statusHeader}: one`] : [], ...PLAIN], 'body')),
    })
    const options = { rewritePrefix: '/', ignoreHeaders: ['Vary', 'Set-Cookie'] }
    await using gateway = await startGateway(app => {
      app.addHook('onRequest', (_request, reply, done) => {
        for (const name of LISTS) reply.header(name, 'before')
        reply.raw.setHeader('set-cookie', 'raw')
        done()
      })
      app.register(scgi, { ...caching(recorder, { statusHeader, key: ({ url }) => url }, options), prefix: '/whole' })
      app.register(scgi, { ...caching(recorder, { statusHeader }, options), prefix: '/short' })
    })
    await using client = await RawClient.connect(gateway)
    const asked = lookups(t)
    for (const path of ['/own', '/none']) {
      for (const way of ['/whole', '/short']) for (let i = 0; i < 3; i++) await client.request(get(way + path))
      const expected = seen(await client.request(get(`/whole${path}`)))
      const before = asked.count
      for (let i = 0; i < 3; i++) assert.deepEqual(seen(await client.request(get(`/short${path}`))), expected, path)
      // What the application says there is no type.
      assert.equal(asked.count - before, statusHeader === 'Content-Type' && path === '/own' ? 3 : 0)
    }
  })
}

test('an error is told as a hit is: the status is added to what a hook has set in a list', async () => {
  await using recorder = await startRecorder({ accept: () => 'close' })
  await using gateway = await startGateway(app => {
    app.addHook('onRequest', (_request, reply, done) => {
      reply.header('server-timing', 'before')
      done()
    })
    app.register(scgi, caching(recorder, { statusHeader: 'Server-Timing' }))
  })
  await using client = await RawClient.connect(gateway)
  const { statusCode, headers } = await client.request(get('/a'))
  assert.deepEqual([statusCode, headers.find(([name]) => name === 'server-timing')?.[1]], [502, 'before, MISS'])
})

/** Requests for a URL that is known. */
const requests: [what: string, request: Buffer, status: number, cache: string | undefined][] = [
  ['HEAD', bytes(['HEAD /a HTTP/1.1', 'Host: gateway.test']), 200, 'HIT'],
  ['a range', get('/a', 'Range: bytes=1-2'), 206, 'HIT'],
  ['a condition', get('/a', 'If-None-Match: "v"'), 304, 'HIT'],
  ['a condition that does not hold', get('/a', 'If-Match: "w"'), 412, 'HIT'],
  ['POST', bytes(['POST /a HTTP/1.1', 'Host: gateway.test', 'Content-Length: 0']), 200, undefined],
  ['a GET with a body', bytes(['GET /a HTTP/1.1', 'Host: gateway.test', 'Content-Length: 1'], 'x'), 200, undefined],
  ['what shall not come from the cache', get('/a', 'Cache-Control: no-cache'), 200, 'EXPIRED'],
  ['the same for old clients', get('/a', 'Pragma: no-cache'), 200, 'EXPIRED'],
  ['another host', bytes(['GET /a HTTP/1.1', 'Host: other.test']), 200, 'MISS'],
  ['another query', get('/a?'), 200, 'MISS'],
]

for (const [what, request, status, state] of requests) {
  test(`a URL that is known, but ${what}`, async () => {
    await using recorder = await startRecorder({ answer: bytes(['ETag: "v"', 'Accept-Ranges: bytes', ...PLAIN], 'body') })
    await using gateway = await startGateway(caching(recorder, { clientControl: 'obey' }))
    await using client = await RawClient.connect(gateway)
    for (let i = 0; i < 4; i++) await client.request(get('/a'))
    const response = await client.request(request)
    const told = response.headers.find(([name]) => name.toLowerCase() === 'x-cache')?.[1]
    assert.deepEqual([response.statusCode, told], [status, state])
  })
}

test('what is purged, or stale, is fetched anew; the clock goes on in Age and Cache-Status', async t => {
  await using recorder = await startRecorder({ answer: bytes(PLAIN, 'body') })
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 })
  const now = (): number => Date.now()
  const store = new MemoryStore({ now })
  const zone = new CacheZone({
    name: 'hits',
    store,
    skills: { putter: store, finder: store, keepsObjects: true },
    storeTimeout: 1000,
    keepStale: 60_000,
    inactive: 600_000,
    clock: { now, after: systemTimers.after },
  })
  await using gateway = await startGateway(caching(recorder, { valid: '10s', zone }))
  await using client = await RawClient.connect(gateway)
  const ask = async (): Promise<string> => {
    const { headers } = await client.request(get('/a'))
    const value = (wanted: string): string => headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '-'
    return `${value('x-cache')} ${value('age')} ${value('cache-status')}`
  }
  for (let i = 0; i < 4; i++) await ask()
  assert.equal(await ask(), 'HIT 0 fastify-scgi; hit; ttl=9')
  t.mock.timers.tick(3000)
  assert.equal(await ask(), 'HIT 3 fastify-scgi; hit; ttl=6')
  assert.equal(await ask(), 'HIT 3 fastify-scgi; hit; ttl=6')
  t.mock.timers.tick(7000)
  assert.match(await ask(), /^EXPIRED /)
  for (let i = 0; i < 4; i++) assert.match(await ask(), /^HIT /)
  await zone.purge({ glob: '*' }, { soft: true })
  assert.match(await ask(), /^EXPIRED /)
  for (let i = 0; i < 4; i++) assert.match(await ask(), /^HIT /)
  await zone.purge({ glob: '*' })
  assert.match(await ask(), /^MISS /)
  assert.deepEqual(zone.stats().requests, { MISS: 2, BYPASS: 0, EXPIRED: 2, STALE: 0, UPDATING: 0, REVALIDATED: 0, HIT: 14 })
})

test('whoever may write into the body gets one of its own', async () => {
  await using recorder = await startRecorder({ answer: bytes(PLAIN, 'body') })
  await using gateway = await startGateway(app => {
    app.addHook('onSend', (_request, _reply, payload, done) => {
      if (Buffer.isBuffer(payload)) payload.fill('x')
      done(null, payload)
    })
    app.register(scgi, caching(recorder))
  })
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 5; i++) assert.equal((await client.request(get('/a'))).body.toString(), 'xxxx')
  const store = new MemoryStore()
  const key = { origin: 'o', method: 'GET', path: '/p' }
  const value = { statusCode: 200, statusMessage: '', headers: {}, cachedAt: 0, staleAt: Infinity, deleteAt: Infinity }
  store.put(key, value, [Buffer.from('body')], 4)
  // Asked for a second time it is lent.
  assert.deepEqual([store.find('o', '/p'), String(store.get(key)?.body)], [undefined, 'body'])
  const lent = store.find('o', '/p')?.body
  const copy = store.get(key)?.body
  assert.ok(lent !== undefined && Buffer.isBuffer(copy) && store.find('o', '/p')?.body === lent)
  copy.fill(0)
  // Whoever still sends it does not see what is stored in its place.
  store.delete(key)
  for (let i = 0; i < 10_000; i++) store.put({ ...key, path: `/${i}` }, value, [Buffer.from('next')], 4)
  assert.equal(lent.toString(), 'body')
  store.close()
})

test('who writes into the head in `request.scgi` does not change what others get', async () => {
  await using recorder = await startRecorder({ answer: bytes(PLAIN, 'body') })
  await using gateway = await startGateway(app => {
    app.addHook('onResponse', (request, _reply, done) => {
      const head = Object(request.scgi?.head)
      for (const [name, value] of [['statusCode', 299], ['statusMessage', 'Mine'], ['contentLength', 1]]) Reflect.set(head, String(name), value)
      done()
    })
    app.register(scgi, caching(recorder))
  })
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 6; i++) {
    const { statusCode, reason, body } = await client.request(get('/a'))
    assert.deepEqual([statusCode, reason, body.toString()], [200, 'OK', 'body'])
  }
})

test('what is told of it: the request, its end, the lookup; and what a hook before has spoilt is an error', async t => {
  await using recorder = await startRecorder({ answer: bytes(PLAIN, 'body') })
  const told: unknown[] = []
  let spoils = false
  const onStart = (message: unknown): void => { told.push(['start', Object(message).info.cacheStatus, Object(message).group !== undefined]) }
  const onEnd = (message: unknown): void => { told.push(['end', Object(message).info.cacheStatus, Object(message).statusCode, Object(message).group !== undefined]) }
  const onLookup = (message: unknown): void => { told.push(['lookup', Object(message).status]) }
  await using gateway = await startGateway(app => {
    app.addHook('onRequest', (_request, reply, done) => {
      if (spoils) reply.header('x-bad', 'a\nb')
      done()
    })
    app.addHook('onResponse', (request, _reply, done) => {
      const { scgi: info } = request
      told.push([info?.cacheStatus, info?.clientAddress, info?.upstreamAddr, info?.header('content-type')])
      done()
    })
    app.register(scgi, caching(recorder))
  })
  await using client = await RawClient.connect(gateway)
  for (let i = 0; i < 3; i++) await client.request(get('/a'))
  subscribe('fastify-scgi:request:start', onStart)
  subscribe('fastify-scgi:request:end', onEnd)
  subscribe('fastify-scgi:cache:lookup', onLookup)
  t.after(() => {
    unsubscribe('fastify-scgi:request:start', onStart)
    unsubscribe('fastify-scgi:request:end', onEnd)
    unsubscribe('fastify-scgi:cache:lookup', onLookup)
  })
  told.length = 0
  const asked = lookups(t)
  await client.request(get('/a'))
  await client.request(get('/a'))
  const one = [
    ['start', undefined, false], ['lookup', 'HIT'], ['HIT', '127.0.0.1', undefined, 'text/plain'], ['end', 'HIT', 200, true],
  ]
  assert.deepEqual(told.slice(0, 4), one)
  spoils = true
  const { statusCode } = await client.request(get('/a'))
  spoils = false
  assert.equal(statusCode, 500)
  assert.equal((await client.request(get('/a'))).body.toString(), 'body')
  assert.equal(asked.count, 0)
})

test('a function that chooses the group is asked once for each request, also where the cache answers, and may fail', async () => {
  await using recorder = await startRecorder({ answer: bytes(PLAIN, 'body') })
  let asked = 0
  let fails = false
  const upstreams = (): string => {
    asked++
    if (fails) throw new Error('no group')
    return recorder.address
  }
  await using gateway = await startGateway(app => {
    app.register(scgi, { ...caching(recorder), prefix: '/a', upstreams, allowAnyUpstream: true })
  })
  await using client = await RawClient.connect(gateway)
  for (let i = 1; i <= 3; i++) {
    assert.equal((await client.request(get('/a/x'))).statusCode, 200)
    assert.equal(asked, i)
  }
  fails = true
  assert.equal((await client.request(get('/a/x'))).statusCode, 500)
  assert.equal((await client.request(get('/a/unknown'))).statusCode, 500)
  assert.equal(asked, 5)
})
