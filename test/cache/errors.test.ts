import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settled, TestGateway } from './kit.ts'

test('502 and 504 of the gateway are remembered for their valid, and answered without the application', async () => {
  const gateway = new TestGateway({ options: { valid: { 502: '10s', 504: '5s' } } })
  for (const [fail, status, seconds] of [['error', 502, 10], ['timeout', 504, 5], ['invalid_header', 502, 10], ['no_live', 502, 10]] as const) {
    const ask = { key: fail }
    gateway.fetches = 0
    gateway.app = () => ({ fail })
    assert.equal(await gateway.line(ask), `MISS ${status} `)
    gateway.clock.advance(seconds * 1000 - 1)
    assert.equal(await gateway.line(ask), `HIT ${status} `)
    assert.equal(gateway.fetches, 1)
    gateway.clock.advance(1)
    assert.equal(await gateway.line(ask), `MISS ${status} `)
    assert.equal(gateway.fetches, 2)
  }
  await gateway.close()
})

test('any counts for them, 500 and 503 do not, and without valid nothing is remembered', async () => {
  const any = new TestGateway({ options: { valid: { any: '10s' } } })
  any.app = () => ({ fail: 'error' })
  assert.equal(await any.line(), 'MISS 502 ')
  assert.equal(await any.line(), 'HIT 502 ')
  any.app = () => ({ fail: 'local' })
  assert.equal(await any.line({ key: 'local' }), 'MISS 500 ')
  assert.equal(await any.line({ key: 'local' }), 'MISS 500 ')
  await any.close()

  const none = new TestGateway({ app: () => ({ fail: 'error' }) })
  for (let i = 0; i < 2; i++) assert.equal(await none.line(), 'MISS 502 ')
  await none.close()
})

test('a remembered error goes before what is stored, and a reply fetched with bypass ends it', async () => {
  const gateway = new TestGateway({ options: { valid: { 200: '1s', 502: '60s' } } })
  gateway.app = () => ({ body: 'a' })
  await gateway.get()
  gateway.clock.advance(2000)
  gateway.app = () => ({ fail: 'error' })
  assert.equal(await gateway.line(), 'EXPIRED 502 ')
  assert.equal(await gateway.line(), 'HIT 502 ')
  gateway.app = () => ({ body: 'b' })
  assert.equal(await gateway.line({ bypass: true, noCache: true }), 'BYPASS 200 b')
  assert.equal(await gateway.line(), 'HIT 502 ')
  assert.equal(await gateway.line({ bypass: true }), 'BYPASS 200 b')
  assert.equal(await gateway.line(), 'HIT 200 b')
  await gateway.close()
})

test('whoever waits for a lock gets the error that came of it', async () => {
  const gateway = new TestGateway({ options: { lock: true, valid: { any: '10s' } } })
  const all = Array.from({ length: 5 }, () => gateway.begin())
  gateway.asked[0]?.answer({ fail: 'timeout' })
  const got = await Promise.all(all.map(async one => (await one.outcome).cacheStatus))
  assert.deepEqual(got, ['MISS', 'HIT', 'HIT', 'HIT', 'HIT'])
  assert.equal(gateway.fetches, 1)
  await settled()
  assert.equal(gateway.zone.locks.size, 0)
  await gateway.close()
})

test('an intercepted status is remembered by its headers or its valid, unless its headers forbid', async () => {
  const gateway = new TestGateway({ options: { valid: { 404: '5s' } } })
  const vectors = [
    ['404', { status: 404 }, 5],
    ['own', { status: 403, headers: { 'cache-control': 'max-age=20' } }, 20],
    ['no-store', { status: 404, headers: { 'cache-control': 'no-store' } }, 0],
    ['cookie', { status: 404, headers: { 'set-cookie': 'a=b' } }, 0],
    ['unknown', { status: 500 }, 0],
  ] as const
  for (const [key, answer, seconds] of vectors) {
    gateway.app = () => answer
    const ask = { key, intercepted: true }
    assert.equal(await gateway.line(ask), `MISS ${answer.status} `, key)
    if (seconds > 0) gateway.clock.advance(seconds * 1000 - 1)
    assert.equal((await gateway.get(ask)).cacheStatus, seconds > 0 ? 'HIT' : 'MISS', key)
    gateway.clock.advance(1)
    assert.equal((await gateway.get(ask)).cacheStatus, 'MISS', key)
  }
  await gateway.close()
})

test('what is refused to one who authenticates is not remembered for all', async () => {
  const gateway = new TestGateway({ options: { valid: { any: '5s' } }, app: () => ({ status: 403 }) })
  assert.equal(await gateway.line({ intercepted: true, headers: { authorization: 'Basic x' } }), 'MISS 403 ')
  assert.equal(await gateway.line({ intercepted: true }), 'MISS 403 ')
  assert.equal(await gateway.line({ intercepted: true }), 'HIT 403 ')
  await gateway.close()
})

test('a request that may not be stored remembers nothing', async () => {
  const gateway = new TestGateway({ options: { valid: { any: '5s' }, minUses: 2 }, app: () => ({ fail: 'error' }) })
  assert.equal(await gateway.line(), 'MISS 502 ')
  assert.equal(await gateway.line(), 'MISS 502 ')
  assert.equal(await gateway.line(), 'HIT 502 ')
  await gateway.close()
})

test('no more errors are remembered than fit', async () => {
  const gateway = new TestGateway({ options: { valid: { 502: '1h' } }, app: () => ({ fail: 'error' }) })
  const ask = (n: number): { key: string } => ({ key: `${'k'.repeat(1000)}${n}` })
  for (let n = 0; n < 5000; n++) await gateway.begin(ask(n)).outcome
  assert.equal(await gateway.line(ask(4999)), 'HIT 502 ')
  assert.equal(await gateway.line(ask(0)), 'MISS 502 ')
  await gateway.close()
})

test('a remembered error is one variant\'s, and never goes before a fresh entry', async () => {
  const vary = { vary: 'Cookie' }
  const gateway = new TestGateway({ options: { valid: { 200: '60s', 403: '30s' } } })
  const as = (cookie: string | undefined, more: object = {}): Parameters<typeof gateway.line>[0] => {
    return { ...(cookie !== undefined && { headers: { cookie } }), ...more }
  }
  gateway.app = ({ headers: { cookie } }) => cookie === 'bad' ? { status: 403, headers: vary } : { headers: vary, body: cookie ?? 'none' }
  // Before anything is stored, and after that.
  for (const key of ['first', 'later']) {
    if (key === 'later') assert.equal(await gateway.line(as('good', { key })), 'MISS 200 good')
    assert.equal(await gateway.line(as('bad', { key, intercepted: true })), 'MISS 403 ')
    assert.equal(await gateway.line(as('bad', { key })), 'HIT 403 ')
    assert.equal(await gateway.line(as('good', { key })), key === 'later' ? 'HIT 200 good' : 'MISS 200 good')
    assert.equal(await gateway.line(as('good', { key })), 'HIT 200 good')
    assert.equal(await gateway.line(as(undefined, { key })), 'MISS 200 none')
    // What is stored for one does not end the error of another.
    assert.equal(await gateway.line(as('bad', { key })), 'HIT 403 ')
  }
  // An error that says nothing of Vary, to one of the variants of a reply.
  gateway.app = ({ headers: { cookie } }) => cookie === 'bad' ? { status: 403 } : { headers: vary, body: cookie ?? 'none' }
  assert.equal(await gateway.line(as('good', { key: 'silent' })), 'MISS 200 good')
  assert.equal(await gateway.line(as('bad', { key: 'silent', intercepted: true })), 'MISS 403 ')
  assert.equal(await gateway.line(as('good', { key: 'silent' })), 'HIT 200 good')
  assert.equal(await gateway.line(as('other', { key: 'silent' })), 'MISS 200 other')
  assert.equal(await gateway.line(as('bad', { key: 'silent' })), 'HIT 403 ')
  assert.equal(await gateway.zone.purge('silent'), 2)
  assert.equal(await gateway.line(as('bad', { key: 'silent' })), 'MISS 403 ')
  await gateway.close()
})

test('who goes by the cache leaves no error behind', async () => {
  const gateway = new TestGateway({ options: { valid: { any: '30s' } } })
  gateway.app = () => ({ body: 'a' })
  assert.equal(await gateway.line(), 'MISS 200 a')
  for (const key of ['k', 'other']) {
    gateway.app = () => ({ fail: 'error' })
    assert.equal(await gateway.line({ key, bypass: true }), 'BYPASS 502 ')
    gateway.app = () => ({ status: 403 })
    assert.equal(await gateway.line({ key, bypass: true, intercepted: true }), 'BYPASS 403 ')
  }
  gateway.app = () => ({ body: 'b' })
  assert.equal(await gateway.line(), 'HIT 200 a')
  assert.equal(await gateway.line({ key: 'other' }), 'MISS 200 b')
  await gateway.close()
})

test('an error is remembered for its own time, whatever errors of other variants of its key come and go', async () => {
  for (const [first, second] of [['10m', '1s'], ['1s', '10m']] as const) {
    const gateway = new TestGateway({ options: { valid: { 200: '5s', 404: first, 502: second } } })
    const vary = { vary: 'Accept-Language' }
    const as = (language: string, intercepted = false): Parameters<typeof gateway.line>[0] => ({ headers: { 'accept-language': language }, intercepted })
    gateway.app = () => ({ headers: vary })
    await gateway.get(as('fr'))
    gateway.app = ({ headers }) => headers['accept-language'] === 'en' ? { status: 404, headers: vary } : { fail: 'error' }
    assert.equal(await gateway.line(as('en', true)), 'MISS 404 ')
    assert.equal(await gateway.line(as('de')), 'MISS 502 ')
    gateway.clock.advance(2000)
    const lasts = first === '10m'
    assert.equal(await gateway.line(as('en', true)), lasts ? 'HIT 404 ' : 'MISS 404 ')
    assert.equal(await gateway.line(as('de')), lasts ? 'MISS 502 ' : 'HIT 502 ')
    await gateway.close()
  }
})

test('an error whose key was forgotten does not come back with the next error of that key', async () => {
  const gateway = new TestGateway({ options: { valid: { 200: '1s', 404: '1h', 502: '1h' } } })
  const vary = { vary: 'Accept-Language' }
  const as = (language: string, intercepted = false): Parameters<typeof gateway.line>[0] => ({ headers: { 'accept-language': language }, intercepted })
  gateway.app = () => ({ status: 404, headers: vary })
  assert.equal(await gateway.line(as('en', true)), 'MISS 404 ')
  gateway.app = () => ({ fail: 'error' })
  // Each of these errors ends with a reply, so that only their names take room.
  for (let n = 0; n < 10_000; n++) {
    gateway.zone.rememberError(`other ${n}`, [], () => ({}), 502, gateway.clock.now(), gateway.clock.now() + 3_600_000)
    gateway.zone.stored(`other ${n}`, () => ({}), undefined)
  }
  gateway.app = () => ({ headers: vary, body: 'a' })
  assert.equal(await gateway.line(as('en')), 'MISS 200 a')
  gateway.clock.advance(2000)
  gateway.app = () => ({ fail: 'error' })
  assert.equal(await gateway.line(as('de')), 'MISS 502 ')
  gateway.app = () => ({ headers: vary, body: 'b' })
  assert.equal(await gateway.line(as('en')), 'EXPIRED 200 b')
  await gateway.close()
})

test('a client that has a say gets by an error that is remembered, and what comes of that is for all', async () => {
  const rows: [control: string, age: number, obeyed: string][] = [
    ['no-cache', 0, 'MISS 200 a'],
    ['max-age=0', 1000, 'MISS 200 a'],
    ['max-age=5', 5000, 'HIT 502 '],
    ['max-age=5', 6000, 'MISS 200 a'],
    ['min-fresh=6', 4000, 'HIT 502 '],
    ['min-fresh=7', 4000, 'MISS 200 a'],
    ['max-stale', 4000, 'HIT 502 '],
    ['only-if-cached', 4000, 'HIT 502 '],
    ['only-if-cached, no-cache', 4000, 'MISS 504 '],
  ]
  for (const [control, age, obeyed] of rows) {
    for (const clientControl of ['obey', 'ignore'] as const) {
      const gateway = new TestGateway({ options: { clientControl, valid: { 200: '1m', 502: '10s' } }, app: () => ({ fail: 'error' }) })
      assert.equal(await gateway.line(), 'MISS 502 ')
      gateway.app = () => ({ body: 'a' })
      gateway.clock.advance(age)
      const expected = clientControl === 'obey' ? obeyed : 'HIT 502 '
      assert.equal(await gateway.line({ headers: { 'cache-control': control } }), expected, `${control} ${age} ${clientControl}`)
      assert.equal(await gateway.line(), expected === 'MISS 200 a' ? 'HIT 200 a' : 'HIT 502 ')
      await gateway.close()
    }
  }
})
