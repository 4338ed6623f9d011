import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BEGUN, COMMITTING, FETCHING, LOOKUP, OVER, STORING, WAITING } from '../../lib/cache/phase.ts'
import { followersOf } from '../helpers/phases.ts'
import { makeHead, PlainStore, settled, TestGateway, type Answer, type TestExchange } from './kit.ts'

test('every transition that there is, and no other', () => {
  assert.deepEqual(followersOf([BEGUN, LOOKUP, WAITING, FETCHING, STORING, COMMITTING, OVER]), {
    begun: ['lookup', 'waiting', 'fetching', 'over'],
    lookup: ['waiting', 'fetching', 'over'],
    waiting: ['lookup', 'fetching', 'over'],
    fetching: ['storing', 'over'],
    storing: ['committing', 'over'],
    committing: ['over'],
    over: [],
  })
  assert.throws(() => OVER.to(FETCHING), /from 'over' to 'fetching'/)
})

test('a pass is begun once', () => {
  const { pass } = new TestGateway().begin()
  assert.throws(() => pass.start(), /from 'fetching' to 'lookup'/)
})

test('what comes after the end makes no difference', async () => {
  const gateway = new TestGateway({ options: { lock: true, valid: { any: '1m' } } })
  const { pass } = gateway.begin()
  pass.abort()
  pass.abort()
  assert.equal(pass.onHead(makeHead(200, {}), false), 'pass')
  assert.equal(pass.onData(Buffer.from('x')), true)
  pass.onEnd()
  assert.equal(pass.onError('error', 502), undefined)
  pass.onPurge(() => true, undefined)
  pass.onClose()
  assert.equal((await gateway.zone.stats()).requests.MISS, 1)
  assert.equal(gateway.begin().pass.status, 'MISS')
  await gateway.close()
})

// Any sequence of what a gateway, an application, clients and a user can do, with time passing between.
const begin = fc.record({
  do: fc.constant('begin' as const),
  key: fc.constantFrom('a', 'a', 'a', 'b'),
  kind: fc.constantFrom('1', '1', '2'),
  method: fc.constantFrom('GET', 'GET', 'HEAD'),
  bypass: fc.boolean(),
})
const reply = fc.record({
  do: fc.constant('answer' as const),
  which: fc.nat(),
  how: fc.constantFrom('good', 'good', 'vary', 'no-store', '304', '500', 'fail', 'cut'),
})
const step = fc.oneof(
  { weight: 5, arbitrary: begin },
  { weight: 3, arbitrary: reply },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 300, 2500, 6000, 11_000, 30_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), soft: fc.boolean(), key: fc.constantFrom('a', 'b') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('turn' as const) }) }
)
const options = fc.record({
  lock: fc.constantFrom(false, true, { age: 2000, timeout: 5000 }),
  useStale: fc.subarray(['error', 'updating', 'http_500'] as const).map(list => [...list]),
  backgroundUpdate: fc.boolean(),
  revalidate: fc.boolean(),
  minUses: fc.constantFrom(1, 1, 2),
  convertHead: fc.boolean(),
})

test('whatever happens, each client gets one answer, only what is stored by the rules, and nothing stays behind', { timeout: 120_000 }, async () => {
  await fc.assert(fc.asyncProperty(options, fc.boolean(), fc.array(step, { maxLength: 60 }), async (rules, plain, script) => {
    const gateway = new TestGateway({ options: { ...rules, valid: '10s' }, ...(plain ? { store: new PlainStore() } : {}), storeTimeout: 100 })
    const exchanges: TestExchange[] = []
    const gone = new Set<TestExchange>()
    let version = 0
    const answers: Record<string, (key: string, kind: string) => Answer> = {
      good: (key, kind) => ({
        headers: { etag: `"${version}"`, 'cache-control': 'max-age=10, stale-while-revalidate=3' },
        body: `${key} any ${kind} ${++version}`,
      }),
      vary: (key, kind) => ({ headers: { vary: 'X-Kind' }, body: `${key} only ${kind} ${++version}` }),
      'no-store': () => ({ headers: { 'cache-control': 'no-store' }, body: 'SECRET' }),
      304: () => ({ status: 304 }),
      500: () => ({ status: 500, body: 'ERROR' }),
      fail: () => ({ fail: 'error' }),
      cut: () => ({ body: 'INCOMPLETE', cut: true }),
    }
    for (const action of script) {
      if (action.do === 'begin') {
        const { key, method, bypass, kind } = action
        exchanges.push(gateway.begin({ key, method, bypass, headers: { 'x-kind': kind } }))
      } else if (action.do === 'wait') gateway.clock.advance(action.ms)
      else if (action.do === 'turn') await settled()
      else if (action.do === 'purge') await gateway.zone.purge(action.key, { soft: action.soft && !plain })
      else if (action.do === 'abort') {
        const one = exchanges[action.which % Math.max(1, exchanges.length)]
        if (one !== undefined && one.done === undefined) {
          one.pass.abort()
          gone.add(one)
        }
      } else {
        const asked = gateway.asked[action.which % Math.max(1, gateway.asked.length)]
        asked?.answer(answers[action.how]?.(asked.key, asked.headers['x-kind'] ?? '') ?? {})
      }
    }
    // Everything comes to its end.
    for (let round = 0; round < exchanges.length * 2 + 4; round++) {
      await settled()
      gateway.clock.advance(10)
      for (const asked of [...gateway.asked]) asked.answer({ fail: 'error' })
    }
    await settled()
    for (const one of exchanges) {
      assert.equal(one.readError, undefined)
      if (gone.has(one)) continue
      assert.ok(one.done !== undefined)
      const { cacheStatus, body } = one.done
      if (one.entry === undefined) continue
      // From the cache: a whole reply, of this key, and of this variant where it was one.
      assert.ok(cacheStatus !== undefined && ['HIT', 'STALE', 'UPDATING', 'REVALIDATED'].includes(cacheStatus))
      const [, key, , kind] = /^(\w) (any|only) (\d) \d+$/.exec(body) ?? []
      assert.ok(key !== undefined, body)
      assert.equal(key, one.ask.key)
      if (body.includes('only')) assert.equal(kind, one.ask.headers?.['x-kind'])
    }
    const { updating, waiting } = gateway.zone.stats()
    assert.deepEqual([updating, waiting, gateway.zone.locks.size, gateway.zone.active.size], [0, 0, 0, 0])
    assert.equal(gateway.clock.pending, 0)
    await gateway.close()
  }), { numRuns: 300 })
})
