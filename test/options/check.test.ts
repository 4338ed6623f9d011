// What `register` would say to options is found out without an application, by the path at which they stand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createUpstreams } from '../../lib/index.ts'
import { fromText, isPlain, plainText, type Row } from '../../lib/options/row.ts'
import { REGISTER } from '../../lib/options/table/plugin.ts'
import { checkRegisterOptions } from '../../lib/plugin-options.ts'

const upstreams = '127.0.0.1:4000'

test('what is right passes: addresses, groups, functions, names of groups', () => {
  for (const given of [upstreams, [upstreams], createUpstreams([upstreams]), { upstreams }, { upstreams: 'balancer://later' }, { upstreams: () => upstreams },
    { upstreams, prefix: '/app', bodyLimit: '1m', internal: { '/p/': '/srv' }, httpMethods: ['GET'], buffering: { bufferSize: '8k' } }]) {
    checkRegisterOptions(given)
    checkRegisterOptions(given, 'mounts[0]')
  }
})

test('a mistake is named by its whole path', () => {
  for (const [given, path] of [
    [{ upstreams, readTimeout: 'soon' }, 'readTimeout'],
    [{ upstreams, readTimout: 1 }, 'readTimout'],
    [{ upstreams, buffering: { bufferSise: '8k' } }, 'buffering.bufferSise'],
    [{ upstreams, nextUpstream: { tries: '2' } }, 'nextUpstream.tries'],
    [{ upstreams: [{ address: upstreams, wait: 1 }] }, 'upstreams[0].wait'],
    [{ upstreams: { servers: [upstreams], sticky: { cookie: { name: 'a', secret: 'x'.repeat(16), maxAge: 1 } } } }, 'upstreams.sticky.cookie.maxAge'],
    [{ upstreams: { servers: [upstreams], health: [{}, { type: 'http', fails: 0 }] } }, 'upstreams.health[1].fails'],
    [{ upstreams: 'ftp://x' }, 'upstreams[0]'],
    [{ upstreams: 5 }, 'upstreams'],
    [{ upstreams, resolver: {} }, 'resolver'],
    [{}, 'upstreams'],
    [{ upstreams, prefix: 'app' }, 'prefix'],
    [{ upstreams, rewritePrefix: 'app' }, 'rewritePrefix'],
    [{ upstreams, bodyLimit: 0 }, 'bodyLimit'],
    [{ upstreams, replyFrom: 'yes' }, 'replyFrom'],
    [{ upstreams, httpMethods: ['BREW'] }, 'httpMethods'],
    [{ upstreams, internal: { '/p/': 5 } }, "internal['/p/']"],
    [{ upstreams, closeTimeout: '10' }, 'closeTimeout'],
    [{ upstreams, cache: { zone: 5 } }, 'cache.zone'],
  ] as const) {
    for (const [at, whole] of [[undefined, path], ['mounts[1]', `mounts[1].${path}`]] as const) {
      assert.throws(() => checkRegisterOptions(given, at), (error: Error & { code: string }) => {
        assert.match(error.code, /^FST_SCGI_OPT_/)
        assert.ok(error.message.includes(` option '${whole}'`), `${whole}: ${error.message}`)
        return true
      })
    }
  }
  assert.throws(() => checkRegisterOptions(5, 'mounts[1]'), { code: 'FST_SCGI_OPT_INVALID', message: /option 'mounts\[1\]' is 5/ })
})

test('what one word can say is known of each option, and the word is read', () => {
  const plain: Record<string, [text: string, value: unknown]> = {
    readTimeout: ['5s', '5s'],
    bodyLimit: ['1m', '1m'],
    mergeSlashes: ['off', false],
    buffering: ['false', false],
    defaultParams: ['minimal', 'minimal'],
    interceptErrors: ['handler', 'handler'],
    hideHeaders: ['X-A, X-B', ['X-A', 'X-B']],
    prefix: ['/app', '/app'],
    limitRate: ['1000', 1000],
    passRequestHeaders: ['Accept', ['Accept']],
  }
  const rows: Readonly<Record<string, Row>> = REGISTER
  for (const [name, [text, value]] of Object.entries(plain)) {
    const row = rows[name]
    assert.ok(row !== undefined && isPlain(row), name)
    assert.deepEqual(fromText(row, text), value, name)
    checkRegisterOptions({ upstreams, [name]: fromText(row, text) })
  }
  for (const name of ['params', 'errorPages', 'rewriteHeaders', 'onError', 'constraints', 'resolver']) {
    const row = rows[name]
    assert.ok(row !== undefined && !isPlain(row), name)
  }
  // A number alone is no time: whoever writes it is asked for its unit.
  assert.throws(() => checkRegisterOptions({ upstreams, readTimeout: fromText(REGISTER.readTimeout, '5') }), { message: /'5s'/ })
  assert.deepEqual(Object.keys(REGISTER.buffering.rows ?? {}).slice(0, 2), ['enabled', 'bufferSize'])
  assert.equal(plainText('keep replies: [cache](cache.md) of `zone`'), 'keep replies: cache of zone')
})
