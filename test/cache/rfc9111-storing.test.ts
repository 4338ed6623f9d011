// RFC 9111 sections 3 and 5.2.2: which replies a shared cache stores, and which of their fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestGateway } from './kit.ts'
import type { CacheOptions } from '../../types/cache.ts'
import type { Ask, Answer } from './kit.ts'

const FRESH = 'max-age=100'

/** A title, the reply, and whether the next request for the same is answered from the cache. */
type Row = [
  string, Exclude<Answer, { fail: unknown }>, boolean,
  { request?: Record<string, string>, options?: Partial<CacheOptions<Ask>>, ignore?: string[] }?
]

const ROWS: Row[] = [
  ['no-store (5.2.2.5)', { headers: { 'cache-control': `${FRESH}, no-store` } }, false],
  ['no-store in another line', { headers: { 'cache-control': [FRESH, 'no-store'] } }, false],
  ['NO-STORE', { headers: { 'cache-control': `${FRESH}, NO-STORE` } }, false],
  ['no-store as the value of another directive', { headers: { 'cache-control': `${FRESH}, x="no-store"` } }, true],
  ['private (5.2.2.7)', { headers: { 'cache-control': `${FRESH}, private` } }, false],
  ['private and s-maxage', { headers: { 'cache-control': 'private, s-maxage=100' } }, false],
  ['private for a field', { headers: { 'cache-control': `${FRESH}, private="x-user"`, 'x-user': 'me' } }, true],
  ['private for a field without quotes is for the whole', { headers: { 'cache-control': `${FRESH}, private=x-user` } }, false],
  ['private for what is no field is for the whole', { headers: { 'cache-control': `${FRESH}, private="x user"` } }, false],
  ['no-cache (5.2.2.4)', { headers: { 'cache-control': `${FRESH}, no-cache` } }, false],
  ['no-cache for a field', { headers: { 'cache-control': `${FRESH}, no-cache="x-user"`, 'x-user': 'me' } }, true],
  ['must-revalidate, fresh', { headers: { 'cache-control': `${FRESH}, must-revalidate` } }, true],
  ['must-understand and a known status (5.2.2.3)', { headers: { 'cache-control': `${FRESH}, must-understand, no-store` } }, true],
  ['must-understand and an unknown status', { status: 499, headers: { 'cache-control': `${FRESH}, must-understand` } }, false],
  ['an unknown status that says how long', { status: 499, headers: { 'cache-control': FRESH } }, true],
  ['206', { status: 206, headers: { 'cache-control': FRESH, 'content-range': 'bytes 0-0/2' } }, false],
  ['304 to a client', { status: 304, headers: { 'cache-control': FRESH } }, false],
  ['404', { status: 404, headers: { 'cache-control': FRESH } }, true],
  ['500', { status: 500, headers: { 'cache-control': FRESH } }, true],
  ['Vary: * (4.1)', { headers: { 'cache-control': FRESH, vary: '*' } }, false],
  ['Vary: * among others', { headers: { 'cache-control': FRESH, vary: 'accept, *' } }, false],
  ['Set-Cookie', { headers: { 'cache-control': FRESH, 'set-cookie': 'a=b' } }, false],
  ['Set-Cookie and public', { headers: { 'cache-control': `public, ${FRESH}`, 'set-cookie': 'a=b' } }, false],
  ['Set-Cookie and public with setCookie', { headers: { 'cache-control': `public, ${FRESH}`, 'set-cookie': 'a=b' } }, true, { options: { setCookie: true } }],
  ['Set-Cookie without public with setCookie', { headers: { 'cache-control': FRESH, 'set-cookie': 'a=b' } }, false, { options: { setCookie: true } }],
  ['Set-Cookie that no-cache withholds', { headers: { 'cache-control': `${FRESH}, no-cache="Set-Cookie"`, 'set-cookie': 'a=b' } }, true],
  ['Authorization (3.5)', { headers: { 'cache-control': FRESH } }, false, { request: { authorization: 'Basic x' } }],
  ['Authorization and public', { headers: { 'cache-control': `${FRESH}, public` } }, true, { request: { authorization: 'Basic x' } }],
  ['Authorization and s-maxage', { headers: { 'cache-control': 's-maxage=100' } }, true, { request: { authorization: 'Basic x' } }],
  ['Authorization and must-revalidate', { headers: { 'cache-control': `${FRESH}, must-revalidate` } }, true, { request: { authorization: 'Basic x' } }],
  ['Authorization and public as a value of another directive', { headers: { 'cache-control': `${FRESH}, x="public"` } }, false, { request: { authorization: 'Basic x' } }],
  ['Authorization that makes no difference', { headers: { 'cache-control': FRESH } }, true,
    { request: { authorization: 'Basic x' }, options: { authorization: 'ignore' } }],
  ['the client says no-store, which does not count', { headers: { 'cache-control': FRESH } }, true, { request: { 'cache-control': 'no-store' } }],
  ['a body that broke off', { headers: { 'cache-control': FRESH }, cut: true }, false],
]

for (const [title, answer, stored, { request = {}, options = {}, ignore = [] } = {}] of ROWS) {
  test(`${title}: ${stored ? '' : 'not '}used again`, async () => {
    const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111', ...options }, ignoreHeaders: ignore, app: () => ({ body: 'a', ...answer }) })
    await gateway.get({ headers: request })
    await gateway.get({ headers: request })
    assert.equal(gateway.fetches, stored ? 1 : 2)
  })
}

test('fields of one connection, of a proxy, and those that Connection, private and no-cache name are not stored (3.1, 5.2.2)', async () => {
  const gateway = new TestGateway({
    options: { rules: 'rfc9111' },
    app: () => ({
      headers: {
        'cache-control': `${FRESH}, private="x-a, X-B", no-cache="x-c"`,
        connection: 'X-Hop, close',
        'x-hop': '1',
        'keep-alive': '1',
        'proxy-authenticate': 'Basic',
        'proxy-authentication-info': 'x',
        te: 'x',
        upgrade: 'x',
        'x-a': '1',
        'x-b': '1',
        'x-c': '1',
        'x-d': '1',
      },
      body: 'a',
    }),
  })
  await gateway.get()
  const { headers, cacheStatus } = await gateway.get()
  assert.deepEqual([cacheStatus, Object.keys(headers).sort()], ['HIT', ['cache-control', 'date', 'x-d']])
})

test('what has to be validated each time is stored, and served after a 304 (5.2.2.4)', async () => {
  for (const control of ['no-cache', 'max-age=0', 's-maxage=0, max-age=100', 'no-cache, max-age=100', 'max-age=10, no-cache']) {
    let fetches = 0
    const gateway = new TestGateway({
      options: { valid: {}, rules: 'rfc9111' },
      app: ({ plan }) => {
        fetches++
        return plan.etag === undefined ? { headers: { 'cache-control': control, etag: '"1"' }, body: 'a' } : { status: 304, headers: { etag: '"1"' } }
      },
    })
    assert.equal(await gateway.line(), 'MISS 200 a')
    assert.equal(await gateway.line(), 'REVALIDATED 200 a', control)
    assert.equal(await gateway.line(), 'REVALIDATED 200 a', control)
    assert.equal(fetches, 3)
  }
})

test('without a validator it is not stored', async () => {
  const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111' }, app: () => ({ headers: { 'cache-control': 'no-cache' }, body: 'a' }) })
  await gateway.get()
  assert.equal(await gateway.line(), 'MISS 200 a')
})
