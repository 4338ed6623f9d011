import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CachePolicy } from '../../lib/cache/options.ts'
import { judge } from '../../lib/cache/storability.ts'
import { normaliseHeaders, readVary, variantKey } from '../../lib/cache/vary.ts'
import { makeHead, NGINX, PlainStore, TestGateway, type Ask } from './kit.ts'
import type { CacheOptions } from '../../types/cache.ts'

type Row = [title: string, headers: Record<string, string | string[]>, stored: boolean, more?: {
  status?: number, request?: Record<string, string>, ignore?: string[], options?: Partial<CacheOptions<Ask>>
}]

const AUTH = { authorization: 'Basic x' }
const ROWS: Row[] = [
  ['a plain reply', {}, true],
  ['a cookie', { 'set-cookie': 'a=b' }, false],
  ['a cookie and a max-age', { 'set-cookie': 'a=b', 'cache-control': 'public, max-age=60' }, false],
  ['a cookie and X-Accel-Expires', { 'set-cookie': ['a=b'], 'x-accel-expires': '60' }, false],
  ['a cookie that is ignored', { 'set-cookie': 'a=b' }, true, { ignore: ['Set-Cookie'] }],
  ['no-store', { 'cache-control': 'no-store' }, false],
  ['no-store that is ignored', { 'cache-control': 'no-store' }, true, { ignore: ['Cache-Control'] }],
  ['Vary: *', { vary: '*' }, false],
  ['Vary: * and X-Accel-Expires', { vary: '*', 'x-accel-expires': '60' }, false],
  ['Vary with * among others', { vary: 'Accept, *' }, false],
  ['Vary: * in a second line', { vary: ['Accept', '*'] }, false],
  ['Vary: * that is ignored', { vary: '*' }, true, { ignore: ['vary'] }],
  ['Vary of 128 characters', { vary: 'a'.repeat(128) }, true],
  ['Vary of 129 characters', { vary: 'a'.repeat(129) }, false],
  ['Vary of 129 characters in two lines', { vary: ['a'.repeat(63), 'b'.repeat(64)] }, false],
  ['a status without valid', {}, false, { status: 404 }],
  ['a status without valid but with max-age', { 'cache-control': 'max-age=1' }, true, { status: 404 }],
  ['a 206 with a lifetime', {}, true, { status: 206, options: { valid: { any: 1 } } }],
  ['a 304', { 'cache-control': 'max-age=60' }, false, { status: 304, options: { valid: { any: 1 } } }],
  ['X-Accel-Expires of the past', { 'x-accel-expires': '@1000' }, true],
  ['X-Accel-Expires of 0', { 'x-accel-expires': '0' }, false],
  ['max-age of 0', { 'cache-control': 'max-age=0' }, false],
  ['Expires of the past', { expires: 'Thu, 01 Jan 1970 00:00:10 GMT' }, false],
  ['valid of 0', {}, false, { options: { valid: { 200: 0, any: '1m' } } }],
  ['Authorization', { 'cache-control': 'max-age=60' }, false, { request: AUTH }],
  ['Authorization and public', { 'cache-control': 'public' }, true, { request: AUTH }],
  ['Authorization and s-maxage', { 'cache-control': 's-maxage=60' }, true, { request: AUTH }],
  ['Authorization and must-revalidate', { 'cache-control': 'max-age=60, must-revalidate' }, true, { request: AUTH }],
  ['Authorization and X-Accel-Expires', { 'x-accel-expires': '60' }, false, { request: AUTH }],
  ['Authorization and public that is ignored', { 'cache-control': 'public' }, false, { request: AUTH, ignore: ['cache-control'] }],
  ['Authorization that makes no difference', {}, true, { request: AUTH, options: { authorization: 'ignore' } }],
  ['request headers that make no difference', {}, true, { request: { 'cache-control': 'no-store', pragma: 'no-cache', cookie: 'a=b' } }],
]

const zone = new TestGateway().zone

for (const [title, headers, stored, { status = 200, request = {}, ignore = [], options = {} } = {}] of ROWS) {
  test(`${title} is ${stored ? '' : 'not '}stored`, () => {
    const { rules } = new CachePolicy<Ask>({ zone, valid: '10s', ...NGINX, ...options }, ignore)
    assert.equal(judge(makeHead(status, headers), { headers: request, isAuthorized: 'authorization' in request }, rules, 1_700_000_000_000, 1_700_000_000_000, 0).value !== undefined, stored)
  })
}

test('an entry is kept for as long as it may be of use', () => {
  const { rules } = new CachePolicy<Ask>({ zone, ...NGINX }, [])
  const deleteAt = (control: string, keep: number): number => judge(makeHead(200, { 'cache-control': control }), { headers: {}, isAuthorized: false }, rules, 1e12, 1e12, keep).value?.deleteAt ?? 0
  assert.equal(deleteAt('max-age=10', 5000), 1e12 + 15_000)
  assert.equal(deleteAt('max-age=10, stale-if-error=60', 5000), 1e12 + 70_000)
  assert.equal(deleteAt('max-age=10, stale-while-revalidate=90', 5000), 1e12 + 100_000)
})

for (const store of ['memory', 'plain'] as const) {
  test(`each variant is its own (${store} store)`, async () => {
    const gateway = new TestGateway({
      ...(store === 'plain' ? { store: new PlainStore() } : {}),
      app: ({ headers }) => ({ headers: { vary: 'Accept-Encoding, X-Kind' }, body: `${headers['accept-encoding']} ${headers['x-kind']}` }),
    })
    const asks = [{}, { 'accept-encoding': 'gzip' }, { 'accept-encoding': 'gzip', 'x-kind': 'a' }, { 'x-kind': 'a' }, { 'x-kind': 'A' }]
    for (const headers of asks) assert.equal((await gateway.get({ headers })).cacheStatus, 'MISS')
    for (const headers of asks) {
      const { 'accept-encoding': encoding, 'x-kind': kind }: Record<string, string> = headers
      assert.equal(await gateway.line({ headers }), `HIT 200 ${encoding} ${kind}`)
    }
    // How a list is written makes no difference, what a value says does.
    assert.equal((await gateway.get({ headers: { 'accept-encoding': ' gzip, ' } })).cacheStatus, 'HIT')
    assert.equal((await gateway.get({ headers: { 'accept-encoding': 'gzip,br' } })).cacheStatus, 'MISS')
    assert.equal((await gateway.get({ headers: { 'accept-encoding': 'gzip , br' } })).cacheStatus, 'HIT')
    assert.equal((await gateway.get({ headers: { 'accept-encoding': 'br, gzip' } })).cacheStatus, 'MISS')
    assert.equal((await gateway.get({ headers: { 'x-kind': 'a ' } })).cacheStatus, 'MISS')
    await gateway.close()
  })
}

test('Vary that is ignored makes one entry', async () => {
  const gateway = new TestGateway({ ignoreHeaders: ['Vary'], app: () => ({ headers: { vary: 'X-Kind' }, body: 'x' }) })
  await gateway.get({ headers: { 'x-kind': 'a' } })
  assert.equal(await gateway.line({ headers: { 'x-kind': 'b' } }), 'HIT 200 x')
  await gateway.close()
})

test('an application that drops its Vary makes one entry for all', async () => {
  const gateway = new TestGateway({ app: () => ({ headers: { vary: 'X-Kind' }, body: 'a' }) })
  await gateway.get({ headers: { 'x-kind': 'a' } })
  gateway.app = () => ({ body: 'all' })
  assert.equal(await gateway.line({ headers: { 'x-kind': 'b' } }), 'MISS 200 all')
  for (const kind of ['a', 'b', 'c']) assert.equal(await gateway.line({ headers: { 'x-kind': kind } }), 'HIT 200 all')
  await gateway.close()
})

test('the names in Vary', () => {
  assert.deepEqual(readVary({}), [])
  assert.deepEqual(readVary({ vary: ' Accept , ,accept,X-A' }), ['accept', 'x-a'])
  assert.deepEqual(readVary({ vary: ['a', 'B'] }), ['a', 'b'])
  assert.equal(readVary({ vary: '*' }), null)
})

test('requests with the same variant have the same lock, and no others', () => {
  const header = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), fc.oneof(fc.constantFrom('', 'x', 'y'), fc.array(fc.constantFrom('x', 'y'), { minLength: 1, maxLength: 2 })))
  fc.assert(fc.property(fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'constructor')), header, header, (names, one, other) => {
    const values = (headers: Record<string, string | string[]>): string => JSON.stringify(names.map(name => {
      const value = Object.hasOwn(headers, name) ? headers[name] : undefined
      return Array.isArray(value) && value.length === 1 ? value[0] : value
    }))
    assert.equal(variantKey('k', names, one) === variantKey('k', names, other), values(one) === values(other))
  }))
})

test('normalising changes the three lists and nothing else', () => {
  assert.deepEqual(normaliseHeaders({
    'accept-encoding': 'gzip, deflate,  br', 'accept-language': ',de, en;q=0.5,', 'accept-charset': 'utf-8', accept: 'a, b', 'x-a': ['1', '2'], gone: undefined,
  }), {
    'accept-encoding': 'gzip,deflate,br', 'accept-language': 'de,en;q=0.5', 'accept-charset': 'utf-8', accept: 'a, b', 'x-a': ['1', '2'],
  })
})
