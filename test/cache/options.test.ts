import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CachePolicy } from '../../lib/cache/options.ts'
import { CacheZone } from '../../lib/cache/zone.ts'
import { createCache } from '../../lib/cache/create.ts'
import { PlainStore, TestGateway, type Ask } from './kit.ts'

const { zone } = new TestGateway()

/** Options as somebody without a compiler would give them. */
function policy (options: Record<string, unknown>, ignoreHeaders: string[] = []): CachePolicy<Ask> {
  return new CachePolicy<Ask>(Object.assign({ zone }, options), ignoreHeaders)
}

for (const [options, code, text] of [
  [{ zone: undefined }, 'INVALID', 'cache.zone'],
  [{ zone: 'one' }, 'INVALID', 'cache.zone'],
  [{ zone: {} }, 'INVALID', 'cache.zone'],
  [{ colour: 1 }, 'UNKNOWN', 'cache.colour'],
  [{ key: 'x' }, 'INVALID', 'cache.key'],
  [{ valid: 'soon' }, 'INVALID', 'cache.valid'],
  [{ valid: { 200: 'soon' } }, 'INVALID', "cache.valid['200']"],
  [{ methods: ['PUT'] }, 'INVALID', 'cache.methods'],
  [{ methods: 'GET' }, 'INVALID', 'cache.methods'],
  [{ methods: ['POST'] }, 'UNSUPPORTED', 'key'],
  [{ minUses: 0 }, 'INVALID', 'cache.minUses'],
  [{ minUses: 1.5 }, 'INVALID', 'cache.minUses'],
  [{ lock: 'yes' }, 'INVALID', 'cache.lock'],
  [{ lock: null }, 'INVALID', 'cache.lock'],
  [{ lock: { age: 'x' } }, 'INVALID', 'cache.lock.age'],
  [{ lock: { timeout: -1 } }, 'INVALID', 'cache.lock.timeout'],
  [{ lock: { ages: 1 } }, 'UNKNOWN', 'cache.lock.ages'],
  [{ useStale: 'error' }, 'INVALID', 'cache.useStale'],
  [{ useStale: ['http_502'] }, 'INVALID', 'cache.useStale'],
  [{ useStale: ['toString'] }, 'INVALID', 'cache.useStale'],
  [{ backgroundUpdate: 1 }, 'INVALID', 'cache.backgroundUpdate'],
  [{ revalidate: 'on' }, 'INVALID', 'cache.revalidate'],
  [{ bypass: true }, 'INVALID', 'cache.bypass'],
  [{ noCache: [1] }, 'INVALID', 'cache.noCache'],
  [{ maxRangeOffset: 'x' }, 'INVALID', 'cache.maxRangeOffset'],
  [{ convertHead: 0 }, 'INVALID', 'cache.convertHead'],
  [{ statusHeader: true }, 'INVALID', 'cache.statusHeader'],
  [{ statusHeader: 'a b' }, 'INVALID', 'cache.statusHeader'],
  [{ age: 1 }, 'INVALID', 'cache.age'],
  [{ authorization: 'no' }, 'INVALID', 'cache.authorization'],
  [{ rules: 'rfc7234' }, 'INVALID', 'cache.rules'],
  [{ targets: 'CDN-Cache-Control' }, 'INVALID', 'cache.targets'],
  [{ targets: ['a b'] }, 'INVALID', 'cache.targets'],
  [{ clientControl: true }, 'INVALID', 'cache.clientControl'],
  [{ setCookie: 1 }, 'INVALID', 'cache.setCookie'],
  [{ heuristic: 0.1 }, 'INVALID', 'cache.heuristic'],
  [{ heuristic: { fraction: 2 } }, 'INVALID', 'cache.heuristic.fraction'],
  [{ heuristic: { max: 'x' } }, 'INVALID', 'cache.heuristic.max'],
  [{ heuristic: { most: 1 } }, 'UNKNOWN', 'cache.heuristic.most'],
  [{ cacheStatus: 1 }, 'INVALID', 'cache.cacheStatus'],
  [{ cacheStatus: '' }, 'INVALID', 'cache.cacheStatus'],
] as const) {
  test(`cache: ${JSON.stringify(options)} is refused`, () => {
    assert.throws(() => policy(options), { code: `FST_SCGI_OPT_${code}`, message: new RegExp(text.replace(/[[\]().]/g, '\\$&')) })
  })
}

test('defaults', () => {
  const { rules, age, statusHeader } = policy({})
  assert.equal(age, true)
  assert.equal(statusHeader, undefined)
  const { minUses, lock, lockAge, lockTimeout, backgroundUpdate, revalidate, convertHead, maxRangeOffset, ignoreAuthorization } = rules
  assert.deepEqual([minUses, lock, lockAge, lockTimeout, backgroundUpdate, revalidate, convertHead, maxRangeOffset, ignoreAuthorization],
    [1, false, 5000, 5000, false, true, true, Infinity, false])
  assert.deepEqual([rules.rfc, rules.obeyClient, rules.cacheStatus], [{ targets: ['cdn-cache-control'], setCookie: false, heuristic: undefined }, false, 'fastify-scgi'])
  assert.equal(policy({ lock: {} }).rules.lock, true)
  assert.equal(policy({ statusHeader: 'X-Cache' }).statusHeader, 'x-cache')
})

test('defaults of nginx\'s rules', () => {
  const { rules, age } = policy({ rules: 'nginx' })
  const { rfc, ignoreAuthorization, convertHead, revalidate, cacheStatus } = rules
  assert.deepEqual([rfc, age, ignoreAuthorization, convertHead, revalidate, cacheStatus], [undefined, false, true, false, false, undefined])
  for (const option of [{ targets: ['X'] }, { heuristic: true }, { setCookie: true }]) {
    assert.throws(() => policy({ rules: 'nginx', ...option }), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  }
})

test('the name of this cache is a token, or is put in quotes', () => {
  assert.equal(policy({ cacheStatus: 'gw-1' }).rules.cacheStatus, 'gw-1')
  assert.equal(policy({ cacheStatus: 'the "gateway"' }).rules.cacheStatus, '"the \\"gateway\\""')
  assert.equal(policy({ cacheStatus: false }).rules.cacheStatus, undefined)
})

test('backgroundUpdate needs somebody’s leave to serve what has expired', () => {
  assert.throws(() => policy({ backgroundUpdate: true, useStale: ['error'] }, ['Cache-Control']), { code: 'FST_SCGI_OPT_UNSUPPORTED' })
  policy({ backgroundUpdate: true }, [])
  policy({ backgroundUpdate: true, useStale: ['updating'] }, ['Cache-Control'])
})

test('predicates: false for nothing, the empty text and 0 alone', () => {
  for (const [value, expected] of [[undefined, false], [null, false], [false, false], ['', false], ['0', false], ['00', true], [0, true], ['a', true], [true, true]] as const) {
    const { bypass, noCache } = { bypass: policy({ bypass: () => value }), noCache: policy({ noCache: [() => '', () => value] }) }
    assert.equal(bypass.bypass({}), expected, String(value))
    assert.equal(bypass.noCache({}), false)
    assert.equal(noCache.noCache({}), expected, String(value))
  }
})

test('a zone and a key of each request', () => {
  const chosen = policy({ zone: ({ key }: Ask) => key === 'none' ? false : zone, key: ({ key }: Ask) => key })
  assert.equal(chosen.zoneOf({ key: 'none' }), undefined)
  assert.equal(chosen.zoneOf({ key: 'a' }), zone)
  assert.equal(chosen.keyOf({ key: 'a' }), 'a')
  assert.throws(() => chosen.keyOf({}), { code: 'FST_SCGI_OPT_INVALID' })
  assert.throws(() => policy({ zone: () => undefined }).zoneOf({}), { code: 'FST_SCGI_OPT_INVALID' })
  assert.equal(policy({}).keyOf({}), undefined)
})

test('createCache: in memory, on disk, in a store that is given', async () => {
  const path = await mkdtemp(join(tmpdir(), 'scgi-cache-'))
  try {
    for (const options of [{}, { store: 'memory' as const, maxSize: '1m', maxEntries: 10 }, { path, levels: '1:2' }, { store: new PlainStore() }]) {
      const cache = createCache({ name: 'one', ...options })
      assert.ok(cache instanceof CacheZone)
      assert.equal(cache.name, 'one')
      await cache.close()
    }
  } finally {
    await rm(path, { recursive: true })
  }
})

test('createCache: what it refuses', () => {
  const make = (options: Record<string, unknown>) => () => createCache(Object.assign({ name: 'one' }, options))
  for (const [options, code] of [
    [{ name: '' }, 'INVALID'], [{ name: undefined }, 'INVALID'], [{ name: 'a\0b' }, 'INVALID'], [{ size: 1 }, 'UNKNOWN'], [{ store: 'tape' }, 'INVALID'],
    [{ store: {} }, 'INVALID'], [{ store: 'disk' }, 'INVALID'], [{ levels: '1' }, 'UNSUPPORTED'], [{ store: 'memory', path: '/x' }, 'UNSUPPORTED'],
    [{ store: new PlainStore(), maxSize: 1 }, 'UNSUPPORTED'], [{ storeTimeout: 'x' }, 'INVALID'], [{ inactive: 'x' }, 'INVALID'], [{ maxSize: 'x' }, 'INVALID'],
  ] as const) assert.throws(make(options), { code: `FST_SCGI_OPT_${code}` }, JSON.stringify(options))
})
