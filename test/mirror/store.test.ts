// Which replies are stored, and where; what of the option is refused.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileStore, type StoreOptions } from '../../lib/mirror/store.ts'

const ok = { statusCode: 200, headers: {} }

test('what may be stored', () => {
  const store = compileStore({ root: '/srv/mirror' })
  const head = (headers: Record<string, string | string[]>) => ({ statusCode: 200, headers })
  assert.equal(store.shouldStore(ok), true)
  assert.equal(store.shouldStore(head({ 'cache-control': 'public, max-age=1' })), true)
  assert.equal(store.shouldStore(head({ 'cache-control': 'max-age=1, x-private, no-storey' })), true)
  for (const statusCode of [201, 203, 204, 206, 301, 304, 404, 500]) {
    assert.equal(store.shouldStore({ statusCode, headers: {} }), false, String(statusCode))
  }
  assert.equal(store.shouldStore(head({ 'set-cookie': ['a=1'] })), false)
  assert.equal(store.shouldStore(head({ vary: 'Cookie' })), false)
  assert.equal(compileStore({ root: '/srv/mirror', path: () => 'a' }).shouldStore(head({ vary: 'Cookie' })), true)
  for (const control of ['private', 'No-Store', 'max-age=1,private', 'private="set-cookie", max-age=1', ['public', 'max-age=9 , no-store']]) {
    assert.equal(store.shouldStore(head({ 'cache-control': control })), false, String(control))
  }
})

test('which requests have replies that may be stored', () => {
  const plain = { method: 'GET', isAuthorized: false, hasBody: false, hasQuery: false }
  const store = compileStore({ root: '/srv/mirror' })
  const own = compileStore({ root: '/srv/mirror', path: () => 'a' })
  const more = compileStore({ root: '/srv/mirror', methods: ['POST', 'PUT'] })
  for (const [one, changes, expected] of [
    [store, {}, true], [store, { isAuthorized: true }, false], [store, { hasBody: true }, false], [store, { hasQuery: true }, false],
    [own, { hasQuery: true }, true], [own, { hasBody: true }, false],
    ...['HEAD', 'POST', 'PUT', 'get'].map(method => [store, { method }, false] as const),
    [more, {}, false], [more, { method: 'HEAD' }, false], [more, { method: 'POST', hasBody: true }, true], [more, { method: 'PUT' }, true],
  ] as const) assert.equal(one.takes({ ...plain, ...changes }), expected, JSON.stringify(changes))
})

test('the path is that of PATH_INFO', () => {
  const store = compileStore({ root: '/srv/mirror' })
  const path = (pathInfo: string) => store.begin(undefined, pathInfo, ok)?.path
  assert.equal(path('/a/b.html'), 'a/b.html')
  assert.equal(path('/a/./b'), 'a/b')
  assert.equal(path('/..a/b..'), '..a/b..')
  assert.equal(path('/.scgi'), '.scgi')
  assert.equal(path('/100%25'), '100%25')
  assert.equal(path(`/${Buffer.from('\u00e9').toString('latin1')}`), '\u00e9')
  const none = [
    '', '/', '//', '/a/', '//a/b', '/a//b', '/.', '/a/.', '/..', '/../a', '/a/../../b', '/a/..', '/a\0',
    '/.scgi-store-1-0000000001', '//.SCGI-STORE-x/a',
  ]
  for (const pathInfo of none) assert.equal(path(pathInfo), undefined, pathInfo)
  // Decoded, these are names; where escaped slashes are kept, whoever serves the files would look elsewhere.
  const kept = compileStore({ root: '/srv/mirror' }, undefined, true)
  for (const pathInfo of ['/a%2Fb', '/..%2f..%2fetc', '/a%252Fb']) {
    assert.equal(path(pathInfo), pathInfo.slice(1))
    assert.equal(kept.begin(undefined, pathInfo, ok), undefined, pathInfo)
  }
  assert.equal(path('/a%5cb'), 'a%5cb')
})

test('the path of the option', () => {
  const path = (option: NonNullable<StoreOptions<string>['path']>, request = '') =>
    compileStore<string>({ root: '/srv/mirror', path: option }).begin(request, '/ignored', ok)?.path
  assert.equal(path('one/file'), 'one/file')
  assert.equal(path('/one'), 'one')
  assert.equal(path(request => `host/${request}`, 'a%2F\u00e9\u20ac'), 'host/a%2F\u00e9\u20ac')
  assert.equal(path(() => undefined), undefined)
  assert.equal(path(() => ''), undefined)
  assert.equal(path(() => 'a/'), undefined)
  for (const bad of ['..', '../a', 'a/../b', 'a\0b']) assert.throws(() => path(() => bad), { code: 'FST_SCGI_STORE' }, bad)
  assert.throws(() => path(() => JSON.parse('5')), { code: 'FST_SCGI_STORE', message: /store\.path.*5/ })
  const broken = new Error('broken')
  assert.throws(() => path(() => { throw broken }), { code: 'FST_SCGI_STORE', cause: broken })
})

test('options that cannot be', () => {
  const refused = (options: Record<string, unknown>, option: string, code = 'FST_SCGI_OPT_INVALID') => {
    assert.throws(() => Reflect.apply(compileStore, undefined, [{ root: '/srv/mirror', ...options }]), (error: Error & { code?: string }) => {
      assert.equal(error.code, code)
      assert.ok(error.message.includes(`'${option}'`), error.message)
      return true
    }, JSON.stringify(options))
  }
  for (const root of ['', undefined, 5, 'a\0']) refused({ root }, 'store.root')
  for (const path of ['', '/', 'a/', '../a', 'a\0', 5, null, '.scgi-store-x']) refused({ path }, 'store.path')
  for (const methods of [[], ['HEAD'], ['GET', 'HEAD'], ['get'], 'GET', [5], null]) refused({ methods }, 'store.methods')
  const access = [
    '', 'rw', 'user', 'user:w', 'user:rwx', 'other:r', 'user:rw user:r', 'user:rw,group:r', 644, 600, 0o755, 0o044, 0o1644, -1, 0.5, '999', '755', '64', true,
  ]
  for (const one of access) refused({ access: one }, 'store.access')
  refused({ acess: 'user:rw' }, 'store.acess', 'FST_SCGI_OPT_UNKNOWN')
})
