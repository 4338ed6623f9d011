// RFC 9111 section 4.2.4 and RFC 5861: when a stale entry may be served.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled, TestGateway } from './kit.ts'
import type { Ask, Answer } from './kit.ts'
import type { CacheOptions, UseStaleCondition } from '../../types/cache.ts'

const EVERYTHING: UseStaleCondition[] = ['error', 'timeout', 'invalid_header', 'updating', 'http_500', 'http_503', 'http_403', 'http_404', 'http_429']
const FAILED: Answer = { fail: 'error' }

async function expired (
  control: string, options: Partial<CacheOptions<Ask>>, then: Answer, late = 11_000, request: Record<string, string> = {}
): Promise<string> {
  const headers = { 'cache-control': control, etag: '"1"' }
  const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111', ...options }, app: () => ({ headers, body: 'a' }) })
  await gateway.get()
  gateway.clock.time += late
  gateway.app = () => then
  const { cacheStatus, status } = await gateway.get({ headers: request })
  return `${cacheStatus} ${status}`
}

const ROWS: [string, string, Partial<CacheOptions<Ask>>, Answer, string, { late?: number, request?: Record<string, string> }?][] = [
  ['nobody allows it', 'max-age=10', {}, FAILED, 'EXPIRED 502'],
  ['the mount allows it', 'max-age=10', { useStale: EVERYTHING }, FAILED, 'STALE 200'],
  ['the mount allows it for a status', 'max-age=10', { useStale: EVERYTHING }, { status: 503 }, 'STALE 200'],
  ['must-revalidate', 'max-age=10, must-revalidate', { useStale: EVERYTHING }, FAILED, 'EXPIRED 502'],
  ['must-revalidate and a status', 'max-age=10, must-revalidate', { useStale: EVERYTHING }, { status: 503 }, 'EXPIRED 503'],
  ['proxy-revalidate', 'max-age=10, proxy-revalidate', { useStale: EVERYTHING }, FAILED, 'EXPIRED 502'],
  ['s-maxage', 's-maxage=10', { useStale: EVERYTHING }, FAILED, 'EXPIRED 502'],
  ['no-cache', 'max-age=10, no-cache', { useStale: EVERYTHING }, FAILED, 'EXPIRED 502'],
  ['stale-if-error', 'max-age=10, stale-if-error=10', {}, FAILED, 'STALE 200'],
  ['stale-if-error, its last second', 'max-age=10, stale-if-error=10', {}, FAILED, 'STALE 200', { late: 19_900 }],
  ['stale-if-error, over', 'max-age=10, stale-if-error=10', {}, FAILED, 'EXPIRED 502', { late: 20_100 }],
  ['stale-if-error is for 500 too', 'max-age=10, stale-if-error=10', {}, { status: 500 }, 'STALE 200'],
  ['stale-if-error is for 502 too', 'max-age=10, stale-if-error=10', {}, { status: 502 }, 'STALE 200'],
  ['stale-if-error is for 504 too', 'max-age=10, stale-if-error=10', {}, { status: 504 }, 'STALE 200'],
  ['stale-if-error is not for 404', 'max-age=10, stale-if-error=10', {}, { status: 404 }, 'EXPIRED 404'],
  ['stale-if-error and must-revalidate', 'max-age=10, stale-if-error=10, must-revalidate', {}, FAILED, 'EXPIRED 502'],
  ['stale-if-error and s-maxage', 's-maxage=10, stale-if-error=10', {}, FAILED, 'STALE 200'],
  ['stale-if-error that is no number', 'max-age=10, stale-if-error=x', {}, FAILED, 'EXPIRED 502'],
  ['stale-while-revalidate is not for errors', 'max-age=10, stale-while-revalidate=10', {}, FAILED, 'EXPIRED 502'],
  ['stale-while-revalidate', 'max-age=10, stale-while-revalidate=10', { backgroundUpdate: true }, { status: 304 }, 'STALE 200'],
  ['stale-while-revalidate, over', 'max-age=10, stale-while-revalidate=10', { backgroundUpdate: true }, { status: 304 }, 'REVALIDATED 200', { late: 20_100 }],
  ['stale-while-revalidate and must-revalidate', 'max-age=10, stale-while-revalidate=10, must-revalidate', { backgroundUpdate: true }, { status: 304 }, 'REVALIDATED 200'],
  ['max-stale of a client that has no say', 'max-age=10', {}, { status: 304 }, 'REVALIDATED 200', { request: { 'cache-control': 'max-stale' } }],
  ['max-stale', 'max-age=10', { clientControl: 'obey' }, FAILED, 'STALE 200', { request: { 'cache-control': 'max-stale' } }],
  ['max-stale=5', 'max-age=10', { clientControl: 'obey' }, FAILED, 'STALE 200', { request: { 'cache-control': 'max-stale=5' } }],
  ['max-stale=5, staler', 'max-age=10', { clientControl: 'obey' }, FAILED, 'EXPIRED 502', { request: { 'cache-control': 'max-stale=5' }, late: 16_000 }],
  ['max-stale and must-revalidate', 'max-age=10, must-revalidate', { clientControl: 'obey' }, FAILED, 'EXPIRED 502', { request: { 'cache-control': 'max-stale' } }],
  ['a client\'s stale-if-error', 'max-age=10', { clientControl: 'obey' }, FAILED, 'STALE 200', { request: { 'cache-control': 'stale-if-error=10' } }],
]

for (const [title, control, options, then, expected, { late, request } = {}] of ROWS) {
  test(`${title}: ${expected}`, async () => {
    assert.equal(await expired(control, options, then, late, request), expected)
  })
}

const CLIENT: [string, string, number, string, Record<string, string>?][] = [
  ['no-cache has it validated (5.2.1.4)', 'no-cache', 0, 'REVALIDATED 200'],
  ['Pragma: no-cache without Cache-Control (5.4)', '', 0, 'REVALIDATED 200', { pragma: 'no-cache' }],
  ['Pragma beside Cache-Control counts for nothing', 'x', 0, 'HIT 200', { pragma: 'no-cache' }],
  ['max-age as old as that (5.2.1.1)', 'max-age=3', 3000, 'HIT 200'],
  ['max-age, older', 'max-age=3', 4000, 'REVALIDATED 200'],
  ['max-age=0', 'max-age=0', 1000, 'REVALIDATED 200'],
  ['max-age that is no number', 'max-age=x', 1000, 'REVALIDATED 200'],
  ['min-fresh (5.2.1.3)', 'min-fresh=5', 4000, 'HIT 200'],
  ['min-fresh, less fresh', 'min-fresh=5', 6000, 'REVALIDATED 200'],
  ['only-if-cached (5.2.1.7)', 'only-if-cached', 0, 'HIT 200'],
  ['only-if-cached and stale', 'only-if-cached', 11_000, 'EXPIRED 504'],
  ['no-store is served from the cache (5.2.1.5)', 'no-store', 0, 'HIT 200'],
]

for (const [title, control, late, expected, more = {}] of CLIENT) {
  test(`a client that has a say: ${title}`, async () => {
    const gateway = new TestGateway({
      options: { valid: {}, rules: 'rfc9111', clientControl: 'obey' },
      app: ({ plan }) => plan.etag === undefined ? { headers: { 'cache-control': 'max-age=10', etag: '"1"' }, body: 'a' } : { status: 304 },
    })
    await gateway.get()
    gateway.clock.time += late
    const { cacheStatus, status } = await gateway.get({ headers: { ...(control === '' ? {} : { 'cache-control': control }), ...more } })
    assert.equal(`${cacheStatus} ${status}`, expected)
  })
}

const WISHES: [control: string, late: number, background: string, updating: string][] = [
  ['', 15_000, 'STALE', 'UPDATING'],
  ['no-cache', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['max-age=0', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['max-age=20', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['min-fresh=1', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['min-fresh=1, max-stale', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['max-stale=5', 14_900, 'STALE', 'STALE'],
  ['max-stale=4', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['max-age=20, max-stale=5', 14_900, 'STALE', 'STALE'],
  ['max-age=15, max-stale', 15_900, 'STALE', 'STALE'],
  ['max-age=14, max-stale', 15_000, 'REVALIDATED', 'REVALIDATED'],
  ['max-age=10, max-stale=100', 50_000, 'REVALIDATED', 'REVALIDATED'],
]

for (const rules of ['rfc9111', 'nginx'] as const) {
  for (const [control, late, background, updating] of WISHES) {
    test(`a client that has a say about what is stale (5.2.1.1, 5.2.1.2, 5.2.1.3, ${rules}): ${control === '' ? 'nothing' : control}`, async () => {
      for (const [backgroundUpdate, expected] of [[true, background], [false, updating]] as const) {
        const gateway = new TestGateway({
          options: { valid: {}, rules, clientControl: 'obey', revalidate: true, lock: true, backgroundUpdate, useStale: ['updating'] },
          app: () => ({ headers: { 'cache-control': 'max-age=10, stale-while-revalidate=60', etag: '"1"' }, body: 'a' }),
        })
        await gateway.get()
        gateway.clock.time += late
        gateway.app = undefined
        // Another one renews it.
        const other = backgroundUpdate ? undefined : gateway.begin()
        await settled()
        const exchange = gateway.begin({ headers: control === '' ? {} : { 'cache-control': control } })
        await settled()
        while (gateway.asked[0] !== undefined) gateway.asked[0].answer({ status: 304 })
        assert.equal((await exchange.outcome).cacheStatus, expected)
        await other?.outcome
        await settled()
      }
    })
  }
}

test('a client that has a say: only-if-cached of what is not there is 504, and asks nobody', async () => {
  for (const lock of [false, true]) {
    const gateway = new TestGateway({ options: { rules: 'rfc9111', clientControl: 'obey', lock } })
    const other = gateway.begin()
    assert.equal((await gateway.get({ headers: { 'cache-control': 'only-if-cached' } })).status, 504)
    gateway.asked[0]?.answer({ body: 'a' })
    await other.outcome
    assert.equal(gateway.fetches, 1)
  }
})

test('a client that has a say: the reply to no-store is not stored', async () => {
  const gateway = new TestGateway({ options: { rules: 'rfc9111', clientControl: 'obey' }, app: () => ({ headers: { 'cache-control': 'max-age=10' }, body: 'a' }) })
  await gateway.get({ headers: { 'cache-control': 'no-store' } })
  await gateway.get({ headers: { 'cache-control': 'no-store' }, bypass: true })
  assert.equal(await gateway.line(), 'MISS 200 a')
})

test('a client that has a say: the reply to no-store does not renew what is stored, either', async () => {
  for (const rules of ['rfc9111', 'nginx'] as const) {
    const gateway = new TestGateway({ options: { valid: {}, rules, clientControl: 'obey', backgroundUpdate: true, useStale: ['updating'] } })
    const headers = { 'cache-control': 'max-age=10, stale-while-revalidate=60' }
    gateway.app = () => ({ headers, body: 'a' })
    await gateway.get()
    gateway.clock.advance(15_000)
    gateway.app = () => ({ headers, body: 'b' })
    assert.equal(await gateway.line({ headers: { 'cache-control': 'no-store' } }), 'EXPIRED 200 b')
    assert.equal(await gateway.line(), 'STALE 200 a')
    await settled()
    assert.equal(await gateway.line({ headers: { 'cache-control': 'no-store' } }), 'HIT 200 b')
    // While another renews it nothing comes of the request.
    gateway.clock.advance(15_000)
    gateway.app = undefined
    assert.equal(await gateway.line(), 'STALE 200 b')
    assert.equal(await gateway.line({ headers: { 'cache-control': 'no-store' } }), 'UPDATING 200 b')
    gateway.asked[0]?.answer({ headers, body: 'c' })
    await gateway.close()
  }
})

test('an unsafe request takes the entry, its variants and what is on its way (4.4)', async () => {
  const gateway = new TestGateway({ options: { rules: 'rfc9111' }, app: ({ headers }) => ({ headers: { vary: 'accept' }, body: headers['accept'] ?? '' }) })
  for (const accept of ['a', 'b']) await gateway.get({ headers: { accept } })
  await gateway.get({ key: 'other' })
  gateway.app = undefined
  const running = gateway.begin({ headers: { accept: 'c' } })
  gateway.zone.invalidate(['k', 'POST k'])
  gateway.asked[0]?.answer({ headers: { vary: 'accept' }, body: 'c' })
  await running.outcome
  await settled()
  gateway.app = () => ({ body: 'new' })
  for (const accept of ['a', 'b', 'c']) assert.equal((await gateway.get({ headers: { accept } })).body, 'new', accept)
  assert.equal((await gateway.get({ key: 'other' })).cacheStatus, 'HIT')
})
