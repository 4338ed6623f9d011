// Values in the spelling of configuration files, which would mean something else here: each kind over all the options that have it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createCache, createUpstreams, ScgiClient } from '../lib/index.ts'
import { ScgiDispatcher } from '../lib/dispatcher/index.ts'
import { accel } from '../lib/accel/index.ts'
import { parseServerOptions } from '../lib/server/options.ts'
import { tempDir } from './helpers/temp.ts'

const upstreams = '127.0.0.1:4000'

/** What becomes of options, whatever their types. */
type Try = (value: unknown) => Promise<unknown> | unknown

function register (options: object): Try {
  return async value => {
    await using app = Fastify()
    Reflect.apply(app.register, app, [scgi, fill(options, value)])
    await app.ready()
  }
}

/** Puts the value where the options say VALUE. */
function fill<T> (options: T, value: unknown): T {
  return JSON.parse(JSON.stringify(options), (_key, part) => part === 'VALUE' ? value : part)
}

const group = (more: object, server: object = {}): Try => value =>
  Reflect.apply(createUpstreams, undefined, [fill({ servers: [{ address: upstreams, ...server }, '127.0.0.1:4001'], ...more }, value)])
const client = (options: object): Try => value => Reflect.construct(ScgiClient, [upstreams, fill(options, value)])
const dispatcher = (options: object): Try => value => Reflect.construct(ScgiDispatcher, [upstreams, fill(options, value)])
const server = (options: object): Try => value => Reflect.apply(parseServerOptions, undefined, [fill(options, value)])
const cached = (options: object): Try => async value => {
  await using app = Fastify()
  app.register(scgi, { upstreams, cache: { zone: createCache({ name: 'spelt' }), ...fill(options, value) } })
  await app.ready()
}

const TIMES: Record<string, Try> = {
  connectTimeout: register({ upstreams, connectTimeout: 'VALUE' }),
  sendTimeout: register({ upstreams, sendTimeout: 'VALUE' }),
  readTimeout: register({ upstreams, readTimeout: 'VALUE' }),
  clientBodyTimeout: register({ upstreams, clientBodyTimeout: 'VALUE' }),
  clientSendTimeout: register({ upstreams, clientSendTimeout: 'VALUE' }),
  closeTimeout: register({ upstreams, closeTimeout: 'VALUE' }),
  'socketKeepalive.initialDelay': register({ upstreams, socketKeepalive: { initialDelay: 'VALUE' } }),
  'nextUpstream.timeout': register({ upstreams, nextUpstream: { timeout: 'VALUE' } }),
  failTimeout: group({}, { failTimeout: 'VALUE' }),
  slowStart: group({}, { slowStart: 'VALUE' }),
  retry: group({}, { retry: 'VALUE' }),
  'queue.timeout': group({ queue: { size: 1, timeout: 'VALUE' } }),
  'health.interval': group({ health: { interval: 'VALUE' } }),
  'health.jitter': group({ health: { jitter: 'VALUE' } }),
  'health.timeout': group({ health: { timeout: 'VALUE' } }),
  'outlier.window': group({ outlier: { window: 'VALUE' } }),
  'outlier.baseTime': group({ outlier: { baseTime: 'VALUE' } }),
  'outlier.maxTime': group({ outlier: { maxTime: 'VALUE' } }),
  'resolver.timeout': group({ resolver: { timeout: 'VALUE' } }),
  'resolver.ttl': group({ resolver: { ttl: 'VALUE' } }),
  'sticky.cookie.expires': group({ sticky: { cookie: { name: 'a', nginxSid: true, expires: 'VALUE' } } }),
  'sticky.learn.timeout': group({ sticky: { learn: { create: 'a', lookup: 'a', timeout: 'VALUE' } } }),
  'cache.valid': cached({ valid: 'VALUE' }),
  'cache.valid of a status': cached({ valid: { 200: 'VALUE' } }),
  'cache.lock.age': cached({ lock: { age: 'VALUE' } }),
  'cache.lock.timeout': cached({ lock: { timeout: 'VALUE' } }),
  'createCache.inactive': value => Reflect.apply(createCache, undefined, [{ name: 'spelt', inactive: value }]),
  'createCache.storeTimeout': value => Reflect.apply(createCache, undefined, [{ name: 'spelt', storeTimeout: value }]),
  'ScgiClient.readTimeout': client({ readTimeout: 'VALUE' }),
  'ScgiClient.socketKeepalive': client({ socketKeepalive: { initialDelay: 'VALUE' } }),
  'ScgiDispatcher.readTimeout': dispatcher({ readTimeout: 'VALUE' }),
  'createScgiServer.requestTimeout': server({ requestTimeout: 'VALUE' }),
  'createScgiServer.keepAliveTimeout': server({ keepAliveTimeout: 'VALUE' }),
}

for (const [name, attempt] of Object.entries(TIMES)) {
  test(`a time has a unit, or is a number: ${name}`, async () => {
    for (const value of ['5', '0', ' 30 ', '1.5', '60000']) {
      await assert.rejects(async () => await attempt(value), (error: Error & { code: string }) => {
        assert.equal(error.code, 'FST_SCGI_OPT_INVALID', `${name}: ${value}: ${error.message}`)
        const digits = value.trim()
        assert.ok(error.message.includes(`write ${Number(digits) * 1000} or '${digits}s'`), error.message)
        return true
      }, `${name}: ${value}`)
    }
  })
}

const FLAGS: Record<string, Try> = {
  passRequestBody: register({ upstreams, passRequestBody: 'VALUE' }),
  passRequestHeaders: register({ upstreams, passRequestHeaders: 'VALUE' }),
  underscoresInHeaders: register({ upstreams, underscoresInHeaders: 'VALUE' }),
  requestBuffering: register({ upstreams, requestBuffering: 'VALUE' }),
  buffering: register({ upstreams, buffering: 'VALUE' }),
  'buffering.enabled': register({ upstreams, buffering: { enabled: 'VALUE' } }),
  socketKeepalive: register({ upstreams, socketKeepalive: 'VALUE' }),
  interceptErrors: register({ upstreams, interceptErrors: 'VALUE' }),
  forceRanges: register({ upstreams, forceRanges: 'VALUE' }),
  ignoreClientAbort: register({ upstreams, ignoreClientAbort: 'VALUE' }),
  preserveHeaderCase: register({ upstreams, preserveHeaderCase: 'VALUE' }),
  allowAnyUpstream: register({ upstreams, allowAnyUpstream: 'VALUE' }),
  replyFrom: register({ upstreams, replyFrom: 'VALUE' }),
  internalRedirect: register({ upstreams, internalRedirect: 'VALUE' }),
  bind: register({ upstreams, bind: 'VALUE' }),
  'bind.transparent': register({ upstreams, bind: { address: '127.0.0.1', transparent: 'VALUE' } }),
  store: register({ upstreams, store: 'VALUE' }),
  cache: register({ upstreams, cache: 'VALUE' }),
  nextUpstream: register({ upstreams, nextUpstream: 'VALUE' }),
  defaultParams: register({ upstreams, defaultParams: 'VALUE' }),
  'params.ifNotEmpty': register({ upstreams, params: { A: { value: 'a', ifNotEmpty: 'VALUE' } } }),
  'cache.statusHeader': cached({ statusHeader: 'VALUE' }),
  'cache.lock': cached({ lock: 'VALUE' }),
  'cache.revalidate': cached({ revalidate: 'VALUE' }),
  'cache.convertHead': cached({ convertHead: 'VALUE' }),
  'cache.backgroundUpdate': cached({ backgroundUpdate: 'VALUE' }),
  backup: group({}, { backup: 'VALUE' }),
  down: group({}, { down: 'VALUE' }),
  drain: group({}, { drain: 'VALUE' }),
  spare: group({}, { spare: 'VALUE' }),
  standby: group({}, { standby: 'VALUE' }),
  resolve: group({}, { resolve: 'VALUE' }),
  'tls.rejectUnauthorized': group({}, { address: 'https://127.0.0.1', tls: { rejectUnauthorized: 'VALUE' } }),
  forceRecovery: group({ forceRecovery: 'VALUE' }),
  'leastTime.inflight': group({ balance: { leastTime: 'header', inflight: 'VALUE' } }),
  'sticky.failover': group({ sticky: { cookie: { name: 'a', nginxSid: true }, failover: 'VALUE' } }),
  'sticky.cookie.httpOnly': group({ sticky: { cookie: { name: 'a', nginxSid: true, httpOnly: 'VALUE' } } }),
  'ScgiClient.socketKeepalive': client({ socketKeepalive: 'VALUE' }),
  'ScgiDispatcher.socketKeepalive': dispatcher({ socketKeepalive: 'VALUE' }),
  'ScgiDispatcher.requestBuffering': dispatcher({ requestBuffering: 'VALUE' }),
  'ScgiDispatcher.passRequestHeaders': dispatcher({ passRequestHeaders: 'VALUE' }),
  'createScgiServer.keepalive': server({ keepalive: 'VALUE' }),
  'createScgiServer.nph': server({ nph: 'VALUE' }),
  'createCache.useTempPath': async value => {
    await using dir = await tempDir()
    Reflect.apply(createCache, undefined, [{ name: 'spelt', path: dir.path, useTempPath: value }])
  },
}

for (const [name, attempt] of Object.entries(FLAGS)) {
  test(`a switch is true or false: ${name}`, async () => {
    for (const [value, meant] of [['on', true], ['On', true], ['yes', true], ['TRUE', true], ['off', false], ['Off', false], ['no', false], ['false', false]] as const) {
      await assert.rejects(async () => await attempt(value), (error: Error & { code: string }) => {
        assert.equal(error.code, 'FST_SCGI_OPT_INVALID', `${name}: ${value}: ${error.message}`)
        assert.ok(error.message.endsWith(`(write ${meant})`), error.message)
        return true
      }, `${name}: ${value}`)
    }
  })
}

for (const [name, spelt, attempt] of [
  ['sendfile', '{ root:', register({ upstreams, sendfile: 'VALUE' })],
  ['sendfile.header', "'X-Sendfile'", register({ upstreams, sendfile: { root: '/srv', header: 'VALUE' } })],
  ['accel.sendfileHeader', "'X-Sendfile'", async (value: unknown) => {
    await using app = Fastify()
    app.register(accel, { trust: () => true, ...fill({ sendfileHeader: 'VALUE' }, value) })
    await app.ready()
  }],
] as const) {
  test(`a switch is no header: ${name}`, async () => {
    for (const value of ['on', 'On', 'Off', 'yes', 'false']) {
      await assert.rejects(async () => await attempt(value), (error: Error & { code: string }) => {
        assert.equal(error.code, 'FST_SCGI_OPT_INVALID')
        assert.ok(error.message.includes(spelt), error.message)
        return true
      }, value)
    }
  })
}

test('an address has a host: no number that the system would make one of', async () => {
  const tries: Record<string, Try> = {
    upstreams: register({ upstreams: 'VALUE' }),
    list: register({ upstreams: ['VALUE'] }),
    address: register({ upstreams: [{ address: 'VALUE' }] }),
    client: value => Reflect.construct(ScgiClient, [value]),
    dispatcher: value => Reflect.construct(ScgiDispatcher, [value]),
    'http server': value => group({}, { address: `http://${String(value)}` })(value),
  }
  for (const [name, attempt] of Object.entries(tries)) {
    for (const value of [
      '4000', '4000:', ':4000', '4000:4000', '0', '0x7f.1:4000', '0x7f000001', '1.2:80', '127.1', '127.0.0.1.', '127.0.0.256:4000', '010.0.0.1:4000', '0177.0.0.1', 'app.0x1:4000',
      'scgi://4000', 'scgi://127.1:4000/path', 4000, 0, 2130706433, 4000n,
    ]) {
      if (typeof value !== 'string' && name === 'http server') continue
      if (typeof value === 'bigint' && (name !== 'client' && name !== 'dispatcher')) continue
      await assert.rejects(async () => await attempt(value), { name: 'FastifyError', code: /^FST_SCGI_OPT_(?:INVALID|UNSUPPORTED)$/ }, `${name}: ${String(value)}`)
    }
  }
  await assert.rejects(async () => await tries['upstreams']?.('4000'), /is '127\.0\.0\.1:4000' meant\?/)
  for (const right of ['127.0.0.1:4000', '[::1]:4000', 'app1:4000', '1app:4000', '3.example.org', 'a.0xyz', 'unix:4000']) await new ScgiClient(right).close()
})
