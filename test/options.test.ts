// Every option that is wrong is refused at register, by an error that names the option, the value and what was expected.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import scgi, { createUpstreams } from '../lib/index.ts'
import { checkReplyOptions, readRegisterOptions } from '../lib/options.ts'
import { show } from '../lib/units.ts'

/** What the registration fails with; `undefined` when it does not. */
async function refusal (options: unknown): Promise<(Error & { code: string }) | undefined> {
  const app = Fastify()
  try {
    // JavaScript gives what it likes.
    Reflect.apply(app.register, app, [scgi, options])
    await app.ready()
    return undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return Object.assign(error, { code: error.code })
    throw error
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
  forwarded: ['yes', true, false, null],
  requestBuffering: ['on', 1, null],
  'requestBuffering.memory': ['x', -1, null],
  'requestBuffering.tempPath': [1, true],
  bind: ['localhost', '127.0.0.1:0', '127.0.0.1:99999', '1.2.3', 5, true, null],
  socketKeepalive: ['on', 1],
  'socketKeepalive.initialDelay': ['x', -1],
  connectTimeout: ['x', -1, true, null],
  sendTimeout: ['60 s', NaN],
  readTimeout: ['-1s', {}],
  clientBodyTimeout: ['x', Infinity],
  closeTimeout: ['x', -1],
  buffering: ['on', 1, null],
  'buffering.enabled': ['yes', 1],
  'buffering.bufferSize': ['x', 1000, -1],
  ignoreClientAbort: ['on', 0],
  nextUpstream: ['error', true, 5],
  'nextUpstream.on': ['error', ['eror'], ['toString'], [1]],
  'nextUpstream.tries': [-1, 1.5, '2'],
  'nextUpstream.timeout': ['x', -1],
  hideHeaders: ['X-A', [1], [''], null],
  passHeaders: [{}, [null]],
  ignoreHeaders: ['X-Accel-Buffering', ['X-Accel-Expires'], ['Set-Cookie']],
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
  prefix: ['app', 5, null],
  rewritePrefix: ['x', 5],
  httpMethods: ['GET', [], ['BREW'], ['get'], [5]],
  bodyLimit: ['1x', 0, -1, 0.5, null, NaN],
  replyFrom: ['yes', 1, null],
}

function place (path: string, value: unknown): Record<string, unknown> {
  const [name = '', key = ''] = path.split('.')
  if (path === 'upstreams') return { upstreams: value }
  if (name === 'upstreams[0]') return { upstreams: [{ address: upstreams, [key]: value }] }
  return { upstreams, [name]: key === '' ? value : { [key]: value } }
}

for (const [path, values] of Object.entries(WRONG)) {
  test(`wrong values of ${path}`, async () => {
    for (const value of values) {
      const error = await refusal(place(path, value))
      assert.ok(error, `${path}: ${show(value)} was accepted`)
      const what = `${path}: ${show(value)}: ${error.message}`
      assert.match(error.code, /^FST_SCGI_OPT_/, what)
      assert.ok(error.message.includes(`'${path.split(/[.[]/)[0]}`), what)
      assert.match(error.message, /^fastify-scgi: option '[^']+' is .+, expected .+|there is no option|cannot be used: /, what)
    }
  })
}

test('names: the option and the value are in the message', async () => {
  assert.equal((await refusal({ upstreams, readTimeout: 'soon' }))?.message,
    "fastify-scgi: option 'readTimeout' is \"soon\", expected milliseconds, or a time such as '500ms', '60s', '10m', '1h', of at most 2147483647 ms")
})

test('unknown options, and those of later versions, are refused by name', async () => {
  for (const [name, hint] of [
    ['upstream', "'upstreams'"], ['read_timeout', "'readTimeout'"], ['scgi_read_timeout', "'readTimeout'"], ['ReadTimeout', "'readTimeout'"], ['hideHeader', "'hideHeaders'"],
    ['cache', ''], ['store', ''], ['sendfile', ''], ['internalRedirect', ''], ['interceptErrors', ''], ['errorPages', ''], ['forceRanges', ''], ['limitRate', ''],
    ['clientLimitRate', ''], ['clientSendTimeout', ''], ['internal', ''], ['nonsense', ''], ['toString', ''], ['__proto__x', ''],
  ] as const) {
    const error = await refusal({ upstreams, [name]: true })
    assert.equal(error?.code, 'FST_SCGI_OPT_UNKNOWN', name)
    assert.ok(error.message.includes(`'${name}'`), error.message)
    assert.ok(error.message.includes(hint), error.message)
  }
  for (const [options, name] of [
    [{ upstreams: { servers: [upstreams], balance: 'ip_hash' } }, 'upstreams.balance'],
    [{ upstreams: { servers: [upstreams], sticky: {} } }, 'upstreams.sticky'],
    [{ upstreams: [{ address: upstreams, slowStart: '10s' }] }, 'upstreams[0].slowStart'],
    [{ upstreams: [{ address: upstreams, route: 'a' }] }, 'upstreams[0].route'],
  ] as const) {
    const error = await refusal(options)
    assert.equal(error?.code, 'FST_SCGI_OPT_UNKNOWN')
    assert.ok(error.message.includes(`'${name}'`), error.message)
  }
  for (const [options, name] of [
    [{ upstreams, buffering: { buffers: [8, '8k'] } }, 'buffering.buffers'],
    [{ upstreams, requestBuffering: { path: '/tmp' } }, 'requestBuffering.path'],
    [{ upstreams, nextUpstream: { retries: 2 } }, 'nextUpstream.retries'],
    [{ upstreams, socketKeepalive: { delay: 2 } }, 'socketKeepalive.delay'],
  ] as const) {
    const error = await refusal(options)
    assert.match(error?.code ?? '', /^FST_SCGI_OPT_/, name)
    assert.ok(error?.message.includes(name), `${name}: ${error?.message}`)
  }
})

test('what is right is accepted: addresses alone, lists, groups, every option at once', async () => {
  for (const options of [
    upstreams, [upstreams, 'unix:/run/x.sock'], createUpstreams([upstreams]), { upstreams }, { upstreams, logSerializers: {} },
    {
      upstreams: { name: 'g', servers: [{ address: upstreams, weight: 2, maxConns: 1, maxFails: 0, failTimeout: '1s', backup: false, down: true, keepalive: 1, preconnect: 0 }] },
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
      forwarded: 'drop',
      requestBuffering: { memory: 0, tempPath: '/tmp' },
      bind: '[::1]:80',
      socketKeepalive: { initialDelay: '10s' },
      connectTimeout: 0,
      sendTimeout: 1,
      readTimeout: '1d',
      clientBodyTimeout: '2m',
      buffering: { enabled: false, bufferSize: '4k' },
      ignoreClientAbort: true,
      nextUpstream: { on: [], tries: 1, timeout: '1s' },
      hideHeaders: ['A'],
      passHeaders: [],
      ignoreHeaders: ['X-ACCEL-Buffering'],
      preserveHeaderCase: true,
      allowAnyUpstream: false,
      rewriteRequestHeaders: () => ({}),
      rewriteHeaders: () => ({}),
      onResponse: () => {},
      onError: () => {},
    },
  ]) assert.equal(await refusal(options), undefined)
})

test('options as a whole', () => {
  for (const given of [undefined, null, 5, true]) assert.throws(() => readRegisterOptions(given), { code: 'FST_SCGI_OPT_INVALID', message: /'options'|'upstreams'/ })
  assert.throws(() => readRegisterOptions({}), { code: 'FST_SCGI_OPT_INVALID', message: /'upstreams' is missing/ })
  assert.deepEqual(readRegisterOptions('a'), { upstreams: 'a' })
  for (const name of ['prefix', 'httpMethods', 'bodyLimit', 'constraints', 'closeTimeout', 'preHandler']) {
    assert.throws(() => checkReplyOptions(Object.assign({ upstreams }, { [name]: 1 })), { code: 'FST_SCGI_OPT_UNKNOWN', message: new RegExp(`'${name}'`) })
  }
  assert.throws(() => Reflect.apply(checkReplyOptions, undefined, [{ upstreams, body: 5 }]), { code: 'FST_SCGI_OPT_INVALID', message: /'body'/ })
  checkReplyOptions({ upstreams, body: 'x' })
})
