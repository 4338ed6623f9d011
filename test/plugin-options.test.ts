// Every option that is wrong is refused at register, by an error that names the option, the value and what was expected.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createCache, createUpstreams } from '../lib/index.ts'
import { checkReplyOptions, readRegisterOptions } from '../lib/plugin-options.ts'
import { flat } from '../lib/options/flat.ts'
import { CACHE } from '../lib/options/table/cache.ts'
import { GROUP, SERVER } from '../lib/options/table/group.ts'
import { REGISTER } from '../lib/options/table/plugin.ts'
import { show } from '../lib/options/units.ts'

/** What the registration fails with; `undefined` when it does not. */
async function refusal (options: unknown): Promise<(Error & { code: string }) | undefined> {
  const [error] = await refusals([options])
  return error
}

/** What each of several registrations fails with. An application takes longer to make than to refuse options. */
async function refusals (all: unknown[]): Promise<((Error & { code: string }) | undefined)[]> {
  const app = Fastify()
  const found: ((Error & { code: string }) | undefined)[] = []
  try {
    for (const options of all) {
      // JavaScript gives what it likes.
      Reflect.apply(app.register, app, [scgi, options])
      app.after(error => {
        if (error !== null && !('code' in error && typeof error.code === 'string')) throw error
        found.push(error === null ? undefined : Object.assign(error, { code: String(Reflect.get(error, 'code')) }))
      })
    }
    await app.ready()
    return found
  } finally {
    await app.close()
  }
}

const upstreams = '127.0.0.1:4000'

// Option, as the message names it, and values that it cannot have.
const WRONG: Record<string, unknown[]> = {
  params: [5, null, 'A', ['A']],
  'params.A': [5, null, true, {}, { value: 5 }, { value: 'a', ifNotEmpty: 'yes' }, 'a\0b'],
  defaultParams: ['cgii', true, null, 1],
  maxParamsSize: ['1x', -1, true, null],
  passRequestHeaders: ['X-A', 1, null, [1], ['']],
  passRequestBody: ['no', 0, null],
  underscoresInHeaders: ['on', 1, null],
  encodedSlashes: ['Decode', true, false, null, ''],
  mergeSlashes: ['on', 0, null],
  forwarded: ['yes', true, false, null],
  requestBuffering: ['on', 1, null],
  'requestBuffering.memory': ['x', -1, null],
  'requestBuffering.tempPath': [1, true],
  bind: ['localhost', '127.0.0.1:0', '127.0.0.1:99999', '1.2.3', 5, true, null, ['127.0.0.1']],
  'bind.address': ['localhost', '127.0.0.1:0', '', 5, true, null, undefined],
  'bind.transparent': ['on', 1, null],
  socketKeepalive: ['on', 1],
  'socketKeepalive.initialDelay': ['x', -1, '32768s'],
  connectTimeout: ['x', -1, true, null],
  sendTimeout: ['60 s', NaN],
  readTimeout: ['-1s', {}],
  clientBodyTimeout: ['x', Infinity],
  closeTimeout: ['x', -1],
  buffering: ['on', 1, null],
  'buffering.enabled': ['yes', 1],
  'buffering.bufferSize': ['x', 1000, -1],
  'buffering.buffers': ['8 8k', 8, [], [8], [1, '8k'], [8, 1000], [8.5, '8k'], [8, '8k', 1], ['8', '8k'], [1e300, '8k']],
  'buffering.busyBuffersSize': ['x', 8191, 0],
  'buffering.maxTempFileSize': ['x', 8191, -1],
  'buffering.tempFileWriteSize': ['x', 8191, 0],
  'buffering.tempTotalSize': ['x', 8191, -1],
  'buffering.tempPath': [1, '', 'a\0b', true, ['/tmp'], {}, { path: 5 }, { path: '/tmp', deep: 2 }],
  'buffering.tempPath.path': [undefined, 5, '', null],
  'buffering.tempPath.levels': [1, '1:2', [0], [1.5], [1, 1, 1, 1], [10]],
  clientSendTimeout: ['x', -1, null],
  limitRate: ['x', -1, 0.5, null, true],
  clientLimitRate: ['1x', -1, {}, null],
  clientLimitRateAfter: ['x', -1, () => 1],
  forceRanges: ['on', 1, null],
  interceptErrors: ['on', 1, null, 'Handler', ''],
  recursiveErrorPages: ['on', 1, null, 'handler'],
  errorPages: [5, null, '/sorry', ['/sorry']],
  "errorPages['404']": [5, null, '', '@', '@a b', '/a b', '/a\r\nb', 'a b', 'sörry', 'javascript:x', {}, { to: 5 }, { to: '' }, ['/x'], { to: '/x', status: 404, page: 1 }],
  "errorPages['404'].status": ['200', 199, 600, 0, true, null, () => 200],
  "errorPages['200']": ['/x'],
  "errorPages['499']": ['/x'],
  "errorPages['4xx']": ['/x'],
  "errorPages['600']": ['/x'],
  "errorPages['500 404 500']": ['/x'],
  internalRedirect: [1, null, '', 'a b', 'a:', {}],
  sendfile: [true, null, '/srv', 5],
  'sendfile.root': [undefined, '', 5, null, [], [''], ['/srv', 5]],
  'sendfile.header': ['', 'a b', 5, null, 'x\r\n'],
  'sendfile.path': ['/srv'],
  store: [true, null, 5, '/srv', []],
  'store.root': [undefined, '', 5, null, 'a\0b'],
  'store.path': [5, null, '', '/', '/a/', '../a', 'a/../../b', 'a\0b', '.scgi-store-x'],
  'store.access': ['rw', 'user:x', 'user:rw user:r', 644, -1, null, '0o644', 'all:'],
  'store.methods': ['GET', [], ['HEAD'], ['BREW'], [5], null],
  'store.on': [true],
  cache: [true, 5, null, 'memory', []],
  cacheRules: ['RFC9111', true, 9111, null],
  'cache.zone': [undefined, null, true, 'pages', {}],
  'cache.key': ['$request_uri', null],
  'cache.valid': ['soon', -1, null, [], { 200: 'x' }, { 99: '1s' }, { '200 200': '1s' }, { 'any 20x': '1s' }],
  'cache.methods': ['GET', ['PUT'], ['get'], null, [5]],
  'cache.minUses': [0, 1.5, '2', null],
  'cache.lock': ['on', 1, null],
  'cache.lock.age': ['x', -1],
  'cache.lock.timeout': ['x', -1],
  'cache.useStale': ['error', true, ['http_502'], ['toString'], [1], null],
  'cache.backgroundUpdate': ['on', 1, null],
  'cache.revalidate': ['on', 1],
  'cache.bypass': [true, 'x', [1], null],
  'cache.noCache': [true, 'x', [1], null],
  'cache.maxRangeOffset': ['x', -1, null],
  'cache.convertHead': ['on', 1],
  'cache.statusHeader': ['', 'a b', true, 5],
  'cache.age': ['on', 1],
  'cache.authorization': ['on', true, null],
  'cache.rules': ['RFC9111', true, null],
  'cache.targets': ['CDN-Cache-Control', ['a b'], [5], null],
  'cache.clientControl': ['on', true, null],
  'cache.setCookie': ['on', 1, null],
  'cache.heuristic': ['on', 0.1, null],
  'cache.heuristic.fraction': [0, 1.1, '0.1', null],
  'cache.heuristic.max': ['x', -1, null],
  'cache.cacheStatus': [1, '', 'a\nb'],
  'cache.ttl': [1],
  internal: [5, null, '/protected/', ['/x']],
  "internal['/p/']": ['', 5, null],
  ignoreClientAbort: ['on', 0],
  earlyHints: ['on', 103, null],
  upgrade: ['websocket', 1],
  nextUpstream: ['error', true, 5],
  'nextUpstream.on': ['error', ['eror'], ['toString'], [1]],
  'nextUpstream.tries': [-1, 1.5, '2'],
  'nextUpstream.timeout': ['x', -1],
  'nextUpstream.wait': ['x', -1, '5', null],
  'nextUpstream.interval': [5],
  hideHeaders: ['X-A', [1], [''], null],
  passHeaders: [{}, [null]],
  ignoreHeaders: ['X-Accel-Buffering', ['X-Accel-Expiry'], ['Content-Type'], [''], [5], null],
  preserveHeaderCase: ['on', 1],
  allowAnyUpstream: ['on', 1],
  rewriteRequestHeaders: [{}, 'x', true],
  rewriteHeaders: [{}, null],
  onResponse: [{}, 1],
  onError: [{}, false],
  upstreams: [5, true, {}, [], '', 'a b', 'ftp://x', '127.0.0.1:0', '127.0.0.1:70000', 'unix:', [5], [null], [['127.0.0.1:1']], [{ address: upstreams, backup: true }]],
  'upstreams[0].address': [5, '', '127.0.0.1:x', undefined],
  'upstreams[0].weight': [0, -1, 1.5, '2', null],
  'upstreams[0].maxConns': [-1, 0.5, '2'],
  'upstreams[0].maxFails': [-1, '2'],
  'upstreams[0].failTimeout': ['x', -1],
  'upstreams[0].backup': ['yes', 1],
  'upstreams[0].down': [1],
  'upstreams[0].keepalive': [-1, true],
  'upstreams[0].preconnect': [-1, true],
  'upstreams[0].drain': ['yes', 1],
  'upstreams[0].slowStart': ['x', -1, null, true],
  'upstreams[0].lbset': [-1, 0.5, '1', null],
  'upstreams[0].spare': ['yes', 1],
  'upstreams[0].standby': ['yes', 1],
  'upstreams[0].retry': ['x', -1, null],
  'upstreams[0].route': ['', 5, 'a b', 'a;b', 'a,b', 'a'.repeat(97), null],
  'upstreams[0].redirect': ['', 5, 'a b', null],
  'upstreams[0].resolve': ['yes', 1, null],
  'upstreams[0].service': ['http', 5, '', null],
  'upstreams[0].tls': [{}, true, null],
  'upstreams[0].tls.ca': [5, '', 'x', [], ['x'], null],
  'upstreams[0].tls.cert': [5, '', 'x', null],
  'upstreams[0].tls.key': [5, '', 'x', null],
  'upstreams[0].tls.rejectUnauthorized': ['on', 1, null],
  'upstreams[0].tls.servername': ['', 5, 'a b', null],
  'upstreams[0].spawn': ['perl app.pl', true, [], {}, null],
  'upstreams[0].spawn.command': [undefined, '', 5, null],
  'upstreams[0].spawn.args': ['app.pl', [5], ['{socket}'], null],
  'upstreams[0].spawn.cwd': ['', 5, null],
  'upstreams[0].spawn.env': ['A=a', [], { A: 5 }, null],
  'upstreams[0].spawn.user': ['', -1, 'a b', null],
  'upstreams[0].spawn.group': ['', 1.5, 'a b', null],
  'upstreams[0].spawn.socket': ['unix', true, null],
  'upstreams[0].spawn.processes': [0, '2', null, {}],
  'upstreams[0].spawn.processes.min': [0, 3, '1', null],
  'upstreams[0].spawn.processes.max': [undefined, 0, 1001, '2', null],
  'upstreams[0].spawn.processes.idleTimeout': [0, 'x', null],
  'upstreams[0].spawn.restart': ['on', 5, null],
  'upstreams[0].spawn.restart.delay': [0, 'x', null],
  'upstreams[0].spawn.restart.maxDelay': [0, 'x', 50, null],
  'upstreams[0].spawn.readyTimeout': [0, 'x', null],
  'upstreams[0].spawn.stop': ['SIGTERM', 5, null],
  'upstreams[0].spawn.stop.signal': ['TERM', 15, null],
  'upstreams[0].spawn.stop.timeout': ['x', -1, null],
  'upstreams[0].slow_start': ['1s'],
  'upstreams.name': [5, '', 'a b', 'a,b', 'a/b', null],
  'upstreams.servers': [[], 5, null, 'a', {}],
  'upstreams.balance': ['least-conn', '', 5, null, {}, [], { hash: () => '', random: 'two' }, { leastTime: 'header', hash: () => '' }, 'toString'],
  'upstreams.balance.leastTime': ['last_byte', true, null],
  'upstreams.balance.hash': ['$request_uri', true, null],
  'upstreams.balance.random': ['three', true, null],
  'upstreams.balance.select': [5, 'a', null],
  'upstreams.queue': [5, true, null, []],
  'upstreams.queue.size': [undefined, 0, -1, 1.5, '10', null],
  'upstreams.queue.timeout': ['x', -1, 0, null],
  'upstreams.failOnStatus': [500, 'http_500', [199], [600], ['500'], [500.5], null],
  'upstreams.tries': [-1, 1.5, '2', null],
  'upstreams.forceRecovery': ['on', 1, null],
  'upstreams.health': [true, 5, null, [{}, {}], [5]],
  'upstreams.health.type': ['tcp', 5, null],
  'upstreams.health.method': ['', 'G T', 5],
  'upstreams.health.path': ['', 'x', '/a b', '/%zz', '/#', 5],
  'upstreams.health.params': [5, [], { CONTENT_LENGTH: '1' }, { A: 5 }, { '': 'x' }, { A: 'a\0' }],
  'upstreams.health.expect': [5, [], { code: 200 }],
  'upstreams.health.expect.status': ['2x', 99, 600, [], '300-200', ['ok'], null],
  'upstreams.health.expect.body': [5, {}, null],
  'upstreams.health.expect.headers': [5, [], null, 'x-a', { 'x a': true }, { '': true }, { 'x-a': 5 }, { 'x-a': null }],
  'upstreams.health.port': ['80', 0, -1, 65_536, 1.5, null],
  'upstreams.health.mandatory': ['on', 1, null],
  'upstreams.health.persistent': ['on', 1, null, true],
  'upstreams.health.interval': ['x', 99, 0, -1, null],
  'upstreams.health.jitter': ['x', -1, null],
  'upstreams.health.timeout': ['x', 0, '6s', null],
  'upstreams.health.passes': [0, 1.5, '1', null],
  'upstreams.health.fails': [0, -1, '1', null],
  'upstreams.health.headers': [{ a: 'b' }],
  'upstreams.health.uri': ['/'],
  'upstreams.outlier': [true, 5, null, []],
  'upstreams.outlier.window': ['x', 99, null],
  'upstreams.outlier.minRequests': [0, 1.5, '5'],
  'upstreams.outlier.failureShare': [0, 1.1, -1, '0.5', NaN],
  'upstreams.outlier.maxEjected': [0, 2, '0.5'],
  'upstreams.outlier.baseTime': ['x', 0],
  'upstreams.outlier.maxTime': ['x', '1s'],
  'upstreams.outlier.share': [0.5],
  'upstreams.shared': [true, 'redis', {}, { publish: () => {} }],
  'upstreams.resolver': [5, true, '127.0.0.1', []],
  'upstreams.resolver.servers': ['127.0.0.1', [], ['dns.example'], [5], ['1.2.3']],
  'upstreams.resolver.timeout': ['x', 0],
  'upstreams.resolver.ttl': ['x', 999, 0],
  'upstreams.resolver.family': ['4', 5, 'ipv6', [4, 6]],
  'upstreams.resolver.valid': ['10s'],
  resolver: [5, true, '127.0.0.1', []],
  'resolver.servers': ['127.0.0.1', [], ['dns.example'], [5], ['1.2.3']],
  'resolver.timeout': ['x', 0],
  'resolver.ttl': ['x', 999, 0],
  'resolver.family': ['4', 5, 'ipv6', [4, 6]],
  'resolver.valid': ['10s'],
  'upstreams.sticky': [true, 'cookie', null, {}, [], { route: [() => 'a'], learn: {} }, { failover: false }],
  'upstreams.sticky.cookie': ['srv', true, [], { domain: 'x' }],
  'upstreams.sticky.cookie.name': ['', 'a b', 'a=b', 5, null],
  'upstreams.sticky.cookie.secret': ['short', 5, [], ['0123456789abcdef', 5], null],
  'upstreams.sticky.cookie.nginxSid': ['on', 1, true],
  'upstreams.sticky.cookie.expires': ['soon', 0, 999, -1, true, '500y'],
  'upstreams.sticky.cookie.domain': ['', 'a b', 'a;b', 5],
  'upstreams.sticky.cookie.path': ['/a;b', '/\r\n', 5],
  'upstreams.sticky.cookie.httpOnly': ['on', 1],
  'upstreams.sticky.cookie.secure': ['on', 1],
  'upstreams.sticky.cookie.sameSite': ['Lax', 'no', 5, 'none'],
  'upstreams.sticky.cookie.maxAge': ['1h'],
  'upstreams.sticky.route': ['a', [], ['$cookie_a'], () => 'a'],
  'upstreams.sticky.learn': ['sid', true, []],
  'upstreams.sticky.learn.create': [undefined, '', 'a b', 5, null],
  'upstreams.sticky.learn.lookup': [undefined, '', 'a b', 5],
  'upstreams.sticky.learn.timeout': ['x', 0, -1, null],
  'upstreams.sticky.learn.maxEntries': [0, 1.5, '10', null],
  'upstreams.sticky.apache': ['JSESSIONID', {}, { separator: '.' }],
  'upstreams.sticky.apache.cookie': ['', 'a b', 5, null],
  'upstreams.sticky.apache.param': ['', 'a=b', 5],
  'upstreams.sticky.apache.separator': ['', '..', true, 5],
  'upstreams.sticky.failover': ['on', 1, null],
  'upstreams.method': ['least_conn'],
  prefix: ['app', 5, null],
  rewritePrefix: ['x', 5],
  httpMethods: ['GET', [], ['BREW'], ['get'], [5], ['CONNECT'], ['GET', 'M-BREW']],
  bodyLimit: ['1x', 0, -1, 0.5, null, NaN],
  replyFrom: ['yes', 1, null],
}

const SECRET = '0123456789abcdef'
const zone = createCache({ name: 'options' })

/** What must stand beside the option so that nothing else is wrong. */
const BESIDE: Record<string, Record<string, unknown>> = {
  'upstreams.health': { type: 'scgi' },
  'upstreams.queue': { size: 1 },
  'upstreams[0].spawn': { command: 'app' },
  'upstreams[0].spawn.processes': { max: 2 },
  'upstreams.sticky': { route: [() => 'a'] },
  'upstreams.sticky.cookie': { name: 'srv', secret: SECRET },
  'upstreams.sticky.learn': { create: 'sid', lookup: 'sid' },
  'upstreams.sticky.apache': { cookie: 'sid', param: 'sid' },
  'buffering.tempPath': { path: '/tmp' },
  "errorPages['404']": { to: '/sorry' },
  sendfile: { root: '/srv' },
  store: { root: '/srv' },
  cache: { zone },
}

/** Options that are right, save for the one at the path. */
function place (path: string, value: unknown): Record<string, unknown> {
  if (path === 'upstreams') return { upstreams: value }
  const keys = path.split(/\.|(?=\[)/)
  const nest = (depth: number): unknown => {
    const key = keys[depth] ?? ''
    const inner = depth === keys.length - 1 ? value : nest(depth + 1)
    if (key === '[0]') return [inner]
    const name = key.startsWith('[') ? key.slice(2, -2) : key
    const place = keys.slice(0, depth).join('.').replaceAll('.[', '[')
    // Of the kinds of sessions a group has one.
    const beside = place === 'upstreams.sticky' && name !== 'failover' ? {} : BESIDE[place]
    return { ...beside, ...(place === 'upstreams' ? { servers: [upstreams] } : {}), ...(place === 'upstreams[0]' && name !== 'spawn' ? { address: depth < keys.length - 1 && name === 'tls' ? 'https://127.0.0.1' : upstreams } : {}), [name]: inner }
  }
  if (keys[0] === 'resolver') return { upstreams: () => upstreams, allowAnyUpstream: true, ...Object(nest(0)) }
  return { upstreams, ...Object(nest(0)) }
}

for (const [path, values] of Object.entries(WRONG)) {
  test(`wrong values of ${path}`, async () => {
    const errors = await refusals(values.map(value => place(path, value)))
    for (const [index, value] of values.entries()) {
      const error = errors[index]
      assert.ok(error, `${path}: ${show(value)} was accepted`)
      const what = `${path}: ${show(value)}: ${error.message}`
      assert.match(error.code, /^FST_SCGI_OPT_/, what)
      // As exactly as it goes: what holds the option is named at least, and the option by most.
      assert.ok(error.message.includes(`'${path.split(/[.[]/)[0]}`), what)
      assert.match(error.message, /^fastify-scgi: option '.+' is .+, expected .+|there is no option|cannot be used: /s, what)
    }
  })
}

test('every option of the plugin, of caches, groups and servers has its wrong values here', () => {
  const FASTIFYS = ['constraints', 'config', 'preHandler', 'preValidation', 'logLevel']
  const all = [['', REGISTER], ['cache.', CACHE], ['upstreams.', GROUP], ['upstreams[0].', SERVER]] as const
  const missing = all.flatMap(([at, rows]) => flat(rows).map(([path]) => at + path))
    .filter(path => !Object.hasOwn(WRONG, path) && !FASTIFYS.includes(path))
  assert.deepEqual(missing, [])
})

test('names: the option and the value are in the message', async () => {
  assert.equal((await refusal({ upstreams, readTimeout: 'soon' }))?.message,
    "fastify-scgi: option 'readTimeout' is \"soon\", expected milliseconds, or a time such as '500ms', '60s', '10m', '1h', of at most 2147483647 ms")
})

test('unknown options, and those that other software has, are refused by name', async () => {
  for (const [name, hint] of [
    ['upstream', "'upstreams'"], ['read_timeout', "'readTimeout'"], ['scgi_read_timeout', "'readTimeout'"], ['ReadTimeout', "'readTimeout'"], ['hideHeader', "'hideHeaders'"],
    ['intercept_errors', "'interceptErrors'"], ['scgi_force_ranges', "'forceRanges'"], ['limit_rate', "'limitRate'"], ['errorPage', "'errorPages'"], ['sendFile', "'sendfile'"],
    ['scgi_cache', "'cache'"], ['balance', ''], ['health', ''], ['sticky', ''], ['nonsense', ''], ['toString', ''], ['__proto__x', ''],
  ] as const) {
    const error = await refusal({ upstreams, [name]: true })
    assert.equal(error?.code, 'FST_SCGI_OPT_UNKNOWN', name)
    assert.ok(error.message.includes(`'${name}'`), error.message)
    assert.ok(error.message.includes(hint), error.message)
  }
  for (const [options, name] of [
    [{ upstreams: { servers: [upstreams], keepalive: 5 } }, 'upstreams.keepalive'],
    [{ upstreams: [{ address: upstreams, max_conns: 5 }] }, 'upstreams[0].max_conns'],
    [{ upstreams: [{ address: upstreams, service: 'http' }] }, 'upstreams[0].service'],
    [{ upstreams, requestBuffering: { path: '/tmp' } }, 'requestBuffering.path'],
    [{ upstreams, buffering: { buffer: [8, '8k'] } }, 'buffering.buffer'],
    [{ upstreams, nextUpstream: { retries: 2 } }, 'nextUpstream.retries'],
    [{ upstreams, socketKeepalive: { delay: 2 } }, 'socketKeepalive.delay'],
  ] as const) {
    const error = await refusal(options)
    assert.match(error?.code ?? '', /^FST_SCGI_OPT_/, name)
    assert.ok(error?.message.includes(name), `${name}: ${error?.message}`)
  }
})

test('options that are right alone, and not together', async () => {
  const group = (more: object, server: object = {}): unknown => ({ upstreams: { servers: [{ address: upstreams, ...server }, '127.0.0.1:4001'], ...more } })
  for (const [options, name] of [
    [group({ balance: 'ip_hash' }, { slowStart: '10s' }), 'slowStart'],
    [group({ balance: 'random' }, { slowStart: '10s' }), 'slowStart'],
    [group({ balance: { hash: () => '', consistent: true } }, { slowStart: '10s' }), 'slowStart'],
    [group({}, { spare: true, standby: true }), 'standby'],
    [group({ health: { path: '/' } }), 'health.path'],
    [group({ health: { type: 'http' } }), 'health'],
    [group({ sticky: { cookie: { name: 'a', secret: SECRET, nginxSid: true } } }), 'secret'],
    [group({ sticky: { cookie: { name: 'a', secret: SECRET, sameSite: 'none' } } }), 'sameSite'],
    [group({}, { tls: {} }), 'tls'],
    [group({}, { address: 'http://127.0.0.1', preconnect: 1 }), 'preconnect'],
    [group({}, { address: 'https://127.0.0.1', tls: { ca: 'x' } }), 'tls.ca'],
    [group({}, { address: 'https://127.0.0.1', tls: { cert: 'x' } }), 'tls'],
    [group({}, { address: 'https://127.0.0.1', tls: { rejectUnauthorized: 'no' } }), 'tls.rejectUnauthorized'],
    [group({}, { address: 'https://127.0.0.1', tls: { servername: '' } }), 'tls.servername'],
    [group({}, { address: 'https://127.0.0.1', tls: { ciphers: 'x' } }), 'tls.ciphers'],
    [group({}, { address: 'unix:/run/a.sock', resolve: true }), 'resolve'],
    [{ upstreams, resolver: { ttl: '10s' } }, 'resolver'],
    [{ upstreams: { servers: [upstreams] }, resolver: { ttl: '10s' } }, 'resolver'],
    [{ upstreams: createUpstreams([upstreams]), resolver: { ttl: '10s' } }, 'resolver'],
    [{ upstreams: () => upstreams, resolver: { ttl: '10s' } }, 'resolver'],
    [group({ health: { persistent: true } }), 'health.persistent'],
    [group({ health: { port: 80 } }, { address: 'unix:/run/a.sock' }), 'health'],
    [{ upstreams, cache: { zone }, store: { root: '/srv' } }, 'cache'],
    [{ upstreams, cache: { zone, methods: ['POST'] } }, 'cache.methods'],
    [{ upstreams, cache: { zone, backgroundUpdate: true }, ignoreHeaders: ['Cache-Control'] }, 'cache.backgroundUpdate'],
  ] as const) {
    const error = await refusal(options)
    assert.match(error?.code ?? '', /^FST_SCGI_OPT_/, `${name} in ${show(options)}`)
    assert.ok(error?.message.includes(name), `${name}: ${error?.message}`)
  }
})

test('what is right is accepted: addresses alone, lists, groups, every option at once', async () => {
  for (const options of [
    upstreams, [upstreams, 'unix:/run/x.sock'], createUpstreams([upstreams]), { upstreams }, { upstreams, logSerializers: {} },
    {
      upstreams: {
        name: 'g',
        servers: [
          { address: upstreams, weight: 2, maxConns: 1, maxFails: 0, failTimeout: '1s', backup: false, down: true, keepalive: 1, preconnect: 0 },
          { address: 'unix:/run/x.sock', drain: true, slowStart: '30s', lbset: 1, spare: false, standby: true, retry: 0, route: 'a', redirect: 'b' },
          { address: 'https://127.0.0.1', tls: { rejectUnauthorized: false, servername: 'app.example' } },
        ],
        balance: { leastTime: 'lastByte', inflight: true },
        sticky: { cookie: { name: 'srv', secret: [SECRET, Buffer.from(SECRET)], expires: '30d', domain: () => undefined, path: '', httpOnly: false, secure: true, sameSite: 'none' }, failover: false },
        queue: { size: 1, timeout: 1 },
        failOnStatus: [500, 503],
        tries: 2,
        forceRecovery: true,
        health: [
          { type: 'scgi', method: 'HEAD', path: '/health?a', params: { A: 'b' }, expect: { status: [200, '3xx', '400-404'], body: /ok/, headers: { 'X-A': true, b: false, c: 'd', e: /f/ } }, interval: '1s', jitter: 10, timeout: '1s', passes: 2, fails: 3 },
          { type: 'http', headers: { host: 'a' }, port: 8080, mandatory: true, persistent: true },
        ],
        outlier: { window: '1s', minRequests: 1, failureShare: 1, maxEjected: 0.1, baseTime: 1, maxTime: '1h' },
        resolver: { servers: ['127.0.0.1', '[::1]:5353'], timeout: '1s', ttl: '1m', family: 4 },
      },
      prefix: '/a',
      rewritePrefix: '',
      httpMethods: ['GET'],
      closeTimeout: '1s',
      bodyLimit: 5,
      params: { A: 'b', B: () => '', C: { value: 'c', ifNotEmpty: true } },
      defaultParams: 'nginx',
      maxParamsSize: '8k',
      passRequestHeaders: [],
      passRequestBody: false,
      underscoresInHeaders: true,
      encodedSlashes: 'keep',
      mergeSlashes: false,
      forwarded: 'drop',
      requestBuffering: { memory: 0, tempPath: '/tmp' },
      bind: '[::1]:80',
      socketKeepalive: { initialDelay: '10s' },
      connectTimeout: 0,
      sendTimeout: 1,
      readTimeout: '1d',
      clientBodyTimeout: '2m',
      buffering: {
        enabled: true,
        bufferSize: '4k',
        buffers: [2, '1k'],
        busyBuffersSize: '1k',
        maxTempFileSize: 0,
        tempFileWriteSize: '64k',
        tempPath: { path: '/tmp/fastify-scgi-options', levels: [1, 2] },
        tempTotalSize: '1g',
      },
      clientSendTimeout: 0,
      limitRate: () => 0,
      clientLimitRate: '1m',
      clientLimitRateAfter: 0,
      forceRanges: true,
      interceptErrors: 'handler',
      recursiveErrorPages: true,
      errorPages: { '404  410': '/gone', 401: 'login.html?x', 402: () => '/pay', 405: { to: () => undefined, status: 'target' }, 500: '@sorry', 502: { to: '/x?y', status: 'target' }, 503: { to: 'https://example.org/', status: 307 }, 403: { to: '/', status: 200 } },
      internalRedirect: 'X-Inside',
      sendfile: { header: 'X-File', root: ['/srv', 'files'] },
      store: { root: '/srv', path: () => undefined, access: '0644', methods: ['GET', 'POST'] },
      cache: false,
      cacheRules: 'nginx',
      internal: { '/protected/': '/srv/files', '/more': 'files' },
      ignoreClientAbort: true,
      earlyHints: true,
      upgrade: false,
      nextUpstream: { on: [], tries: 1, timeout: '1s', wait: '1s', interval: 10 },
      hideHeaders: ['A'],
      passHeaders: [],
      ignoreHeaders: ['X-ACCEL-Buffering', 'x-accel-redirect', 'X-Accel-Limit-Rate', 'X-Accel-Charset', 'X-Accel-Expires', 'Cache-Control', 'Expires', 'Set-Cookie', 'Vary'],
      preserveHeaderCase: true,
      allowAnyUpstream: false,
      rewriteRequestHeaders: () => ({}),
      rewriteHeaders: () => ({}),
      onResponse: () => {},
      onError: () => {},
    },
    ...(['round_robin', 'least_conn', 'ip_hash', 'random', 'bytraffic', 'bybusyness', { random: 'two' }, { hash: () => undefined, consistent: true }, { select: () => undefined }])
      .map(balance => ({ upstreams: { servers: [upstreams], balance } })),
    ...([{ cookie: { name: 'srv', nginxSid: true, expires: 'max', domain: '.example.org', sameSite: () => 'lax' } }, { route: [() => 'a', () => undefined] },
      { learn: { create: () => 'a', lookup: 'sid', timeout: '1h', maxEntries: 5 } }, { apache: { cookie: 'JSESSIONID', param: 'jsessionid', separator: false } }])
      .map(sticky => ({ upstreams: { servers: [{ address: upstreams, route: 'a' }], sticky } })),
    { upstreams: () => upstreams, allowAnyUpstream: true, resolver: { servers: ['127.0.0.1', '[::1]:5353'], timeout: '1s', ttl: '1m', family: 4 } },
    { upstreams, sendfile: false, store: false, internalRedirect: false, buffering: { tempPath: '/tmp/fastify-scgi-options', tempTotalSize: 0 } },
    { upstreams, store: { root: '/srv', access: 0o640 }, internalRedirect: true },
    {
      upstreams,
      cache: {
        zone: createCache({ name: 'right' }),
        key: () => 'a',
        valid: { '200 302': '30d', any: 0 },
        methods: ['GET', 'POST'],
        minUses: 3,
        lock: { age: '1s', timeout: 0 },
        useStale: ['error', 'timeout', 'invalid_header', 'updating', 'http_500', 'http_503', 'http_403', 'http_404', 'http_429'],
        backgroundUpdate: true,
        revalidate: true,
        bypass: () => 1,
        noCache: [() => '0'],
        maxRangeOffset: '1m',
        convertHead: false,
        statusHeader: 'X-Cache-Status',
        age: false,
        authorization: 'ignore',
      },
    },
    { upstreams, cache: { zone: () => false, valid: '1y', lock: true, useStale: false, statusHeader: false } },
  ]) assert.equal(await refusal(options), undefined)
})

test('options as a whole', () => {
  for (const given of [undefined, null, 5, true]) assert.throws(() => readRegisterOptions(given), { code: 'FST_SCGI_OPT_INVALID', message: /'options'|'upstreams'/ })
  assert.throws(() => readRegisterOptions({}), { code: 'FST_SCGI_OPT_INVALID', message: /'upstreams' is missing/ })
  assert.deepEqual(readRegisterOptions('a'), { upstreams: 'a' })
  for (const name of ['prefix', 'httpMethods', 'bodyLimit', 'constraints', 'closeTimeout', 'preHandler', 'internal', 'replyFrom']) {
    assert.throws(() => checkReplyOptions(Object.assign({ upstreams }, { [name]: 1 })), { code: 'FST_SCGI_OPT_UNKNOWN', message: new RegExp(`'${name}'`) })
  }
  assert.throws(() => Reflect.apply(checkReplyOptions, undefined, [{ upstreams, body: 5 }]), { code: 'FST_SCGI_OPT_INVALID', message: /'body'/ })
  checkReplyOptions({ upstreams, body: 'x' })
})
