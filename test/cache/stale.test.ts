import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CacheTransaction } from '../../lib/cache/transaction.ts'
import { settled, TestGateway, type Answer, type Setup } from './kit.ts'
import type { UseStaleCondition } from '../../types/cache.ts'

/** A gateway with an entry `old` that expired 5 s ago. */
async function expired (setup: Setup = {}, control = 'max-age=10'): Promise<TestGateway> {
  const gateway = new TestGateway(setup)
  gateway.app = () => ({ headers: { 'cache-control': control }, body: 'old' })
  await gateway.get()
  gateway.app = undefined
  gateway.fetches = 0
  gateway.clock.advance(15_000)
  return gateway
}

// What the application does, what the mount allows, what the entry allows, and what the client gets.
type Row = [answer: Answer, useStale: UseStaleCondition[], control: string, expected: string]

const MAX = 'max-age=10'
const TABLE: Row[] = [
  // Failures of the gateway's exchange: as listed.
  [{ fail: 'error' }, [], MAX, 'EXPIRED 502 '],
  [{ fail: 'error' }, ['error'], MAX, 'STALE 200 old'],
  [{ fail: 'error' }, ['timeout', 'invalid_header', 'updating', 'http_500'], MAX, 'EXPIRED 502 '],
  [{ fail: 'timeout' }, ['timeout'], MAX, 'STALE 200 old'],
  [{ fail: 'timeout' }, ['error'], MAX, 'EXPIRED 504 '],
  [{ fail: 'invalid_header' }, ['invalid_header'], MAX, 'STALE 200 old'],
  [{ fail: 'invalid_header' }, ['error', 'timeout'], MAX, 'EXPIRED 502 '],
  // `error` implies that no server is left.
  [{ fail: 'no_live' }, ['error'], MAX, 'STALE 200 old'],
  [{ fail: 'no_live' }, ['timeout'], MAX, 'EXPIRED 502 '],
  // A failure of this machine is nobody's excuse.
  [{ fail: 'local' }, ['error', 'timeout', 'invalid_header'], `${MAX}, stale-if-error=60`, 'EXPIRED 500 '],
  // stale-if-error of the entry: all failures, as long as the window is open.
  [{ fail: 'error' }, [], `${MAX}, stale-if-error=5`, 'STALE 200 old'],
  [{ fail: 'timeout' }, [], `${MAX}, stale-if-error=5`, 'STALE 200 old'],
  [{ fail: 'no_live' }, [], `${MAX}, stale-if-error=5`, 'STALE 200 old'],
  [{ fail: 'error' }, [], `${MAX}, stale-if-error=4`, 'EXPIRED 502 '],
  // stale-while-revalidate sets that window too, unless stale-if-error says otherwise.
  [{ fail: 'error' }, [], `${MAX}, stale-while-revalidate=5`, 'STALE 200 old'],
  [{ fail: 'error' }, [], `${MAX}, stale-while-revalidate=60, stale-if-error=1`, 'EXPIRED 502 '],
  // Received statuses: only as listed, never by stale-if-error.
  [{ status: 500, body: 'e' }, ['http_500'], MAX, 'STALE 200 old'],
  [{ status: 500, body: 'e' }, ['error'], `${MAX}, stale-if-error=60`, 'EXPIRED 500 e'],
  [{ status: 503, body: 'e' }, ['http_503'], MAX, 'STALE 200 old'],
  [{ status: 503, body: 'e' }, ['http_500'], MAX, 'EXPIRED 503 e'],
  [{ status: 403, body: 'e' }, ['http_403'], MAX, 'STALE 200 old'],
  [{ status: 404, body: 'e' }, ['http_404'], MAX, 'STALE 200 old'],
  [{ status: 429, body: 'e' }, ['http_429'], MAX, 'STALE 200 old'],
  // An application's own 502 and 504 have no word.
  [{ status: 502, body: 'e' }, ['error', 'timeout', 'http_500', 'http_503'], `${MAX}, stale-if-error=60`, 'EXPIRED 502 e'],
  [{ status: 504, body: 'e' }, ['error', 'timeout', 'http_500', 'http_503'], MAX, 'EXPIRED 504 e'],
  // must-revalidate makes no difference.
  [{ fail: 'error' }, ['error'], `${MAX}, must-revalidate`, 'STALE 200 old'],
  // A reply replaces the entry.
  [{ body: 'new' }, ['error', 'timeout', 'http_500'], MAX, 'EXPIRED 200 new'],
]

for (const [answer, useStale, control, expected] of TABLE) {
  const what = 'fail' in answer ? answer.fail : answer.status ?? 200
  test(`${what} with useStale [${useStale.join()}] and '${control}': ${expected}`, async () => {
    const gateway = await expired({ options: { useStale } }, control)
    gateway.app = () => answer
    assert.equal(await gateway.line(), expected)
    assert.equal(gateway.fetches, 1)
    // Whoever comes next begins anew: the lock is free.
    if (!('fail' in answer) && answer.body === 'new') return
    assert.equal(await gateway.line(), expected)
    assert.equal(gateway.fetches, 2)
    await gateway.close()
  })
}

test('a failure is no reason to serve stale what was not looked at, is not there, or was not waited for', async () => {
  const gateway = await expired({ options: { useStale: ['error'], lock: { timeout: 0 } } })
  gateway.app = () => ({ fail: 'error' })
  assert.equal(await gateway.line({ bypass: true }), 'BYPASS 502 ')
  assert.equal(await gateway.line({ key: 'other' }), 'MISS 502 ')
  await gateway.close()
})

test('while one renews an expired entry the others get it with updating, and one request is made', async () => {
  const gateway = await expired({ options: { useStale: ['updating'] } })
  const first = gateway.begin()
  const others = Array.from({ length: 1000 }, () => gateway.begin())
  assert.equal(gateway.fetches, 1)
  for (const other of others) {
    const { cacheStatus, body } = await other.outcome
    assert.equal(`${cacheStatus} ${body}`, 'UPDATING old')
  }
  gateway.asked[0]?.answer({ body: 'new' })
  assert.equal((await first.outcome).cacheStatus, 'EXPIRED')
  await settled()
  assert.equal(await gateway.line(), 'HIT 200 new')
  await gateway.close()
})

test('without updating all of them ask the application', async () => {
  const gateway = await expired()
  const all = Array.from({ length: 3 }, () => gateway.begin())
  assert.equal(gateway.fetches, 3)
  for (const asked of [...gateway.asked]) asked.answer({ body: 'new' })
  for (const one of all) assert.equal((await one.outcome).cacheStatus, 'EXPIRED')
  await gateway.close()
})

test('stale-while-revalidate of the entry lets the others have it, as long as it lasts', async () => {
  const gateway = await expired({}, 'max-age=10, stale-while-revalidate=5')
  gateway.begin()
  assert.equal(await gateway.line(), 'UPDATING 200 old')
  gateway.clock.advance(1)
  gateway.begin()
  assert.equal(gateway.fetches, 2)
  await gateway.close()
})

for (const [title, options, control] of [
  ['useStale updating', { useStale: ['updating'] as UseStaleCondition[], backgroundUpdate: true }, MAX],
  ['stale-while-revalidate', { backgroundUpdate: true }, `${MAX}, stale-while-revalidate=60`],
] as const) {
  test(`with backgroundUpdate and ${title} the first has it at once as well`, async () => {
    const gateway = await expired({ options }, control)
    const first = gateway.begin()
    assert.equal(first.done === undefined ? first.pass.status : first.done.cacheStatus, 'STALE')
    assert.equal((await first.outcome).body, 'old')
    assert.equal(gateway.asked.length, 1)
    assert.equal(gateway.asked[0]?.background, true)
    assert.equal(gateway.zone.stats().updating, 1)
    // The client goes: the update has nothing to do with it.
    first.pass.abort()
    assert.equal(await gateway.line(), 'UPDATING 200 old')
    gateway.asked[0]?.answer({ body: 'new' })
    await settled()
    assert.equal(gateway.zone.stats().updating, 0)
    assert.equal(await gateway.line(), 'HIT 200 new')
    assert.equal(gateway.fetches, 1)
    const { requests } = gateway.zone.stats()
    assert.deepEqual([requests.STALE, requests.UPDATING, requests.EXPIRED, requests.HIT], [1, 1, 0, 1])
    await gateway.close()
  })
}

test('backgroundUpdate without leave makes no difference', async () => {
  const gateway = await expired({ options: { backgroundUpdate: true } })
  gateway.begin()
  assert.equal(gateway.asked[0]?.background, false)
  await gateway.close()
})

for (const answer of [{ fail: 'error' }, { status: 500 }, { status: 503, headers: { 'cache-control': 'no-store' } }, { cut: true, body: 'half' }] as Answer[]) {
  test(`a background update that ends with ${JSON.stringify(answer)} leaves the entry, and the next one tries again`, async () => {
    const gateway = await expired({ options: { useStale: ['updating', 'http_500'], backgroundUpdate: true, valid: { any: '1m' } } })
    for (const round of [1, 2]) {
      assert.equal(await gateway.line(), 'STALE 200 old')
      assert.equal(gateway.fetches, round)
      gateway.asked[0]?.answer(answer)
      await settled()
    }
    assert.equal(gateway.zone.stats().updating, 0)
    await gateway.close()
  })
}

test('a background update that cannot be begun is aborted, and the next one tries again', async () => {
  const gateway = await expired({ options: { useStale: ['updating'], backgroundUpdate: true } })
  const exchange = gateway.begin()
  const update = gateway.zone.active.all()[0]
  assert.ok(update instanceof CacheTransaction && update !== exchange.pass)
  update.abort()
  await exchange.outcome
  assert.equal(gateway.zone.stats().updating, 0)
  assert.equal(await gateway.line(), 'STALE 200 old')
  assert.equal(gateway.fetches, 2)
  await gateway.close()
})

test('an expired entry is served for as long as the application fails', async () => {
  const gateway = await expired({ options: { useStale: ['error'] } })
  gateway.app = () => ({ fail: 'error' })
  for (let hour = 0; hour < 50; hour++) {
    gateway.clock.advance(3_600_000)
    assert.equal(await gateway.line(), 'STALE 200 old')
  }
  await gateway.close()
})

test('an entry that expires with an aborted renewal is renewed by the next', async () => {
  const gateway = await expired({ options: { useStale: ['updating'] } })
  const first = gateway.begin()
  assert.equal(await gateway.line(), 'UPDATING 200 old')
  first.pass.abort()
  assert.equal(gateway.zone.locks.size, 0)
  gateway.app = () => ({ body: 'new' })
  assert.equal(await gateway.line(), 'EXPIRED 200 new')
  await gateway.close()
})
