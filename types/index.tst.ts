import Fastify, { type FastifyContextConfig, type FastifyInstance, type FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import accel, { type AccelOptions } from '../lib/accel/index.ts'
import scgi, {
  createCache, createUpstreams, DiskStore, fastifyScgi, MemoryStore, redisStore,
  type Cache, type CacheStats, type CacheStatus, type CacheStore, type ExchangeOptions, type FastifyScgiOptions, type GroupOptions,
  type ReplyScgiOptions, type ScgiRequestInfo, type ServerStateEvent, type UpstreamGroup, type UpstreamServer,
} from '../lib/index.ts'

const app: FastifyInstance = Fastify()
const upstreams = '127.0.0.1:4000'

describe('register', () => {
  test('takes options', () => {
    app.register(scgi, { upstreams: '127.0.0.1:4000' })
    app.register(scgi, { prefix: '/app', upstreams: ['127.0.0.1:4000', { address: 'unix:/run/app.sock', weight: 2, backup: true }] })
    app.register(fastifyScgi, { upstreams: { name: 'app', servers: ['127.0.0.1:4000'] }, nextUpstream: ['error', 'http_503'] })
    app.register(scgi, { upstreams: async request => request.headers.host ?? 'app' })
  })
  test('takes the upstreams alone', () => {
    app.register(scgi, '127.0.0.1:4000')
    app.register(scgi, ['127.0.0.1:4000', 'unix:/run/app.sock'])
    app.register(scgi, createUpstreams(['127.0.0.1:4000']))
  })
  test('refuses a misspelled option', () => {
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstreams: '127.0.0.1:4000', readTimeOut: 10 })
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstream: '127.0.0.1:4000' })
    // @ts-expect-error No overload matches this call
    app.register(scgi, { upstreams: '127.0.0.1:4000', nextUpstream: ['http_502'] })
    // @ts-expect-error No overload matches this call
    app.register(scgi, 4000)
  })
})

describe('the reply', () => {
  test('options', () => {
    expect<FastifyScgiOptions>().type.toBeAssignableFrom({
      upstreams,
      buffering: { buffers: [8, '8k'] as const, maxTempFileSize: 0, tempPath: { path: '/tmp', levels: [1, 2] }, tempTotalSize: '1g' },
      clientSendTimeout: '1m',
      limitRate: '1m',
      clientLimitRate: () => 5,
      clientLimitRateAfter: '1m',
      forceRanges: true,
      interceptErrors: true,
      errorPages: { '500 502': '/sorry', 404: { to: '@x', status: 'target' as const }, 403: (request: FastifyRequest) => `/fetch${request.url}`, 401: { to: () => undefined } },
      recursiveErrorPages: true,
      internalRedirect: 'X-Inside',
      sendfile: { root: ['/srv'], header: 'X-File' },
      store: { root: '/srv', path: () => undefined, access: 0o644, methods: ['GET'] },
      internal: { '/protected/': '/srv' },
      config: { scgi: { internal: true } },
    })
    expect<ExchangeOptions['clientLimitRate']>().type.toBeAssignableFrom((request: FastifyRequest) => request.url.length)
  })
  test('onResponse', () => {
    // What it returns may be the reply, as in a handler.
    app.get('/sent', (_request, reply) => reply.scgi({ upstreams, onResponse: (_q, sent, { body }) => sent.send(body) }))
    app.get('/sent-later', (_request, reply) => reply.scgi({ upstreams, onResponse: async (_q, sent, { body }) => sent.send(body) }))
    app.get('/sent-awaited', (_request, reply) => reply.scgi({ upstreams, onResponse: async (_q, sent, { body }) => { await sent.send(body) } }))
    app.get('/sent-alone', (_request, reply) => reply.scgi({ upstreams, onResponse: (_q, sent, { body }) => { sent.send(body) } }))
    // Nothing sends what it returns else.
    app.get('/returned', (_request, reply) => {
      // @ts-expect-error Type 'Readable' is not assignable to type
      reply.scgi({ upstreams, onResponse: (_q, _sent, { body }) => body })
    })
    app.get('/returned-later', (_request, reply) => {
      // @ts-expect-error is not assignable to type
      reply.scgi({ upstreams, onResponse: async (_q, _sent, { body }) => body })
    })
  })
  test('wrong values', () => {
    expect<ExchangeOptions['sendfile']>().type.not.toBeAssignableFrom(true)
    expect<ExchangeOptions['sendfile']>().type.not.toBeAssignableFrom({ header: 'X-File' })
    expect<ExchangeOptions['store']>().type.not.toBeAssignableFrom({ access: 'user:rw' })
    expect<ExchangeOptions['store']>().type.not.toBeAssignableFrom(true)
    expect<ExchangeOptions['buffering']>().type.not.toBeAssignableFrom({ buffers: [8] as const })
    expect<ExchangeOptions['errorPages']>().type.not.toBeAssignableFrom({ 404: 5 })
    expect<ExchangeOptions['errorPages']>().type.not.toBeAssignableFrom({ 404: { status: 200 } })
    expect<ExchangeOptions['forceRanges']>().type.not.toBeAssignableFrom('on')
    expect<ExchangeOptions['clientLimitRate']>().type.not.toBeAssignableFrom(() => '1m')
  })
  test('internal is an option of a registration alone', () => {
    expect<ReplyScgiOptions>().type.not.toHaveProperty('internal')
    expect<ReplyScgiOptions>().type.toHaveProperty('store')
  })
  test('internal routes', () => {
    app.get('/inside', { config: { scgi: { internal: true } } }, async () => 'inside')
    // Routes may have any other key of their users'.
    app.get('/outside', { config: { area: 'legacy' } }, async () => 'outside')
    expect<FastifyContextConfig['scgi']>().type.not.toBeAssignableFrom({ internal: 'yes' })
    expect<FastifyContextConfig['scgi']>().type.not.toBeAssignableFrom(true)
    app.scgi.location('@name', (request, reply) => reply.scgi({ upstreams: request.url }))
    // @ts-expect-error Expected 2 arguments, but got 1
    app.scgi.location('@name')
  })
})

describe('groups', () => {
  test('options', () => {
    expect<GroupOptions>().type.toBeAssignableFrom({
      servers: [{ address: upstreams, slowStart: '30s', lbset: 1, spare: true, drain: false, retry: 0, route: 'a', redirect: 'b', resolve: true, service: 'scgi' }],
      queue: { size: 5, timeout: '1s' },
      failOnStatus: [500],
      forceRecovery: true,
      health: [{ type: 'scgi' as const, expect: { status: ['2xx' as const, 304, '400-404' as const], body: /ok/ } }, { type: 'http' as const }],
      outlier: {},
      resolver: { servers: ['127.0.0.1'], ttl: '10s' },
    })
    app.register(scgi, { upstreams: { servers: [upstreams], balance: { hash: request => request.url, consistent: true } } })
    app.register(scgi, { upstreams: { servers: [upstreams], balance: { leastTime: 'header', inflight: true } } })
    app.register(scgi, { upstreams: { servers: [upstreams], balance: { random: 'two' } } })
    app.register(scgi, {
      upstreams: {
        servers: [upstreams],
        balance: {
          select: context => {
            expect(context.servers).type.toBe<readonly UpstreamServer[]>()
            return context.servers[0]
          },
        },
      },
    })
  })
  test('sessions', () => {
    app.register(scgi, { upstreams: { servers: [upstreams], sticky: { cookie: { name: 'srv', secret: 'x', domain: request => request.hostname }, failover: false } } })
    app.register(scgi, { upstreams: { servers: [upstreams], sticky: { route: [request => request.url] } } })
    app.register(scgi, { upstreams: { servers: [upstreams], sticky: { learn: { create: 'sid', lookup: request => request.url } } } })
    app.register(scgi, { upstreams: { servers: [upstreams], sticky: { apache: { cookie: 'sid', separator: false } } } })
  })
  test('wrong values', () => {
    expect<GroupOptions['balance']>().type.not.toBeAssignableFrom('least-conn' as const)
    expect<GroupOptions['balance']>().type.not.toBeAssignableFrom({ random: 'three' as const })
    expect<GroupOptions['balance']>().type.not.toBeAssignableFrom({ leastTime: 'last_byte' as const })
    expect<GroupOptions['balance']>().type.not.toBeAssignableFrom({ hash: '$request_uri' })
    expect<GroupOptions['queue']>().type.not.toBeAssignableFrom({ timeout: '1s' })
    expect<GroupOptions['health']>().type.not.toBeAssignableFrom({ type: 'tcp' as const })
    expect<GroupOptions['health']>().type.not.toBeAssignableFrom({ expect: { status: '2x' as const } })
    expect<GroupOptions['sticky']>().type.not.toBeAssignableFrom({ cookie: { secret: 'x' } })
    expect<GroupOptions['sticky']>().type.not.toBeAssignableFrom({ learn: { create: 'sid' } })
    expect<GroupOptions['sticky']>().type.not.toBeAssignableFrom({ route: 'a' })
    expect<GroupOptions['failOnStatus']>().type.not.toBeAssignableFrom(['http_500'])
  })
  test('edits and events', () => {
    const group = createUpstreams([upstreams])
    expect(group.add({ address: upstreams, weight: 2 })).type.toBe<Promise<readonly UpstreamServer[]>>()
    group.on('state', event => expect(event).type.toBe<ServerStateEvent>())
    expect(group.setWeight).type.toBeCallableWith('a', 2)
    expect(group.setWeight).type.not.toBeCallableWith('a')
    expect(group.on).type.not.toBeCallableWith('gone', () => {})
  })
})

describe('the cache', () => {
  const zone = createCache({ name: 'pages', maxSize: '1g', path: '/var/cache/app', levels: [1, 2], loader: { delay: 0, files: 5 } })
  test('of a mount', () => {
    expect(zone).type.toBe<Cache>()
    app.register(scgi, {
      upstreams,
      cache: { zone, valid: { '200 302': '10m', any: 0 }, key: request => request.url, lock: { age: '1s' }, useStale: ['updating'], bypass: request => request.headers.pragma },
    })
    app.register(scgi, { upstreams, cache: { zone: request => request.url === '/' ? zone : false } })
    app.register(scgi, { upstreams, cache: false })
    expect<ExchangeOptions['cache']>().type.not.toBeAssignableFrom(true)
    expect<ExchangeOptions['cache']>().type.not.toBeAssignableFrom({ valid: '10m' })
    expect<ExchangeOptions['cache']>().type.not.toBeAssignableFrom({ zone: 'pages' })
    expect<ExchangeOptions['cache']>().type.not.toBeAssignableFrom({ zone, methods: ['PUT' as const] })
    expect<ExchangeOptions['cache']>().type.not.toBeAssignableFrom({ zone, useStale: ['http_502' as const] })
  })
  test('zones and stores', () => {
    expect(createCache).type.not.toBeCallableWith({ maxSize: '1m' })
    expect(createCache).type.not.toBeCallableWith({ name: 'a', store: 'redis' })
    expect(createCache).type.toBeCallableWith({ name: 'a', store: new MemoryStore() })
    expect(createCache).type.toBeCallableWith({ name: 'a', store: new DiskStore({ path: '/var/cache/app' }) })
    expect(createCache).type.toBeCallableWith({ name: 'a', store: redisStore({ url: 'redis://127.0.0.1' }) })
    expect(redisStore({ url: 'redis://127.0.0.1' })).type.toBe<CacheStore>()
    expect(zone.purge({ tag: 'a' }, { soft: true })).type.toBe<Promise<number>>()
    expect(zone.purge).type.not.toBeCallableWith({ prefix: 'a' })
    expect(zone.stats()).type.toBe<CacheStats>()
  })
})

describe('fastify-scgi/accel', () => {
  test('options', () => {
    app.register(accel, { trust: request => request.url !== '/' })
    app.register(accel, {
      trust: (_request, reply) => reply.statusCode === 200,
      redirectTo: ['/protected/', '@name'],
      locations: { '@name': async request => request.url },
      root: ['/srv'],
      sendfileHeader: 'X-File',
    })
    expect<AccelOptions>().type.not.toBeAssignableFrom({ redirectTo: ['/'] })
    expect<AccelOptions['redirectTo']>().type.not.toBeAssignableFrom('/protected/')
    // @ts-expect-error No overload matches this call
    app.register(accel, { trust: () => true, rootDirectory: '/srv' })
    // @ts-expect-error No overload matches this call
    app.register(accel)
  })
})

describe('decorators', () => {
  test('are typed', () => {
    app.get('/', (request, reply) => {
      expect(request.scgi).type.toBe<ScgiRequestInfo | null>()
      expect(request.scgi?.cacheStatus).type.toBe<CacheStatus | undefined>()
      expect(app.scgi.groups.get('app')).type.toBe<UpstreamGroup | undefined>()
      expect(app.scgi.caches.get('pages')).type.toBe<Cache | undefined>()
      return reply.scgi({ upstreams: '127.0.0.1:4000' })
    })
  })
  test('are typed for what they take', () => {
    app.get('/', (_request, reply) => {
      // @ts-expect-error Object literal may only specify known properties
      return reply.scgi({ upstreams: '127.0.0.1:4000', prefix: '/x' })
    })
  })
})
