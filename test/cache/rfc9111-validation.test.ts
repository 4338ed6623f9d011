// RFC 9111 section 4.3: validation, and what a 304 does to an entry.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlainStore, settled, TestGateway } from './kit.ts'
import type { Asked, Answer } from './kit.ts'

const STORED = { 'cache-control': 'max-age=10', etag: '"1"', 'content-type': 'text/plain', 'content-length': '1', 'x-old': 'old', 'x-both': 'old' }

function gatewayWith (notModified: Record<string, string | string[]>, stored: Record<string, string> = STORED): TestGateway {
  return new TestGateway({
    options: { valid: {}, rules: 'rfc9111' },
    app: ({ plan }: Asked): Answer => plan.etag === undefined && plan.lastModified === undefined
      ? { headers: stored, body: 'a' }
      : { status: 304, headers: notModified },
  })
}

type Headers = Record<string, string | string[]>

async function renewed (gateway: TestGateway): Promise<{ first: Headers, hit: Headers }> {
  await gateway.get()
  gateway.clock.time += 11_000
  const first = await gateway.get()
  assert.equal(`${first.cacheStatus} ${first.body}`, 'REVALIDATED a')
  const hit = await gateway.get()
  assert.equal(`${hit.cacheStatus} ${hit.body}`, 'HIT a')
  return { first: first.headers, hit: hit.headers }
}

test('a 304 updates the stored fields (3.2), for the client that waits and for those after it; its cookies are the first one\'s alone', async () => {
  const gateway = gatewayWith({ etag: '"1"', 'cache-control': 'max-age=20', 'x-both': 'new', 'x-new': 'new', 'set-cookie': ['a=1', 'b=2'] })
  const { first, hit } = await renewed(gateway)
  for (const headers of [first, hit]) {
    assert.deepEqual([headers['x-old'], headers['x-both'], headers['x-new'], headers['cache-control']], ['old', 'new', 'new', 'max-age=20'])
  }
  assert.deepEqual([first['set-cookie'], hit['set-cookie']], [['a=1', 'b=2'], undefined])
  gateway.clock.time += 19_000
  assert.equal((await gateway.get()).cacheStatus, 'HIT')
})

test('what a 304 may not leave in the store goes to the client that waits alone (3.1, 5.2.2.4, 5.2.2.7)', async () => {
  const rows: [what: string, control: string, options: object, ignoreHeaders: string[], first: unknown[], hit: unknown[]][] = [
    ['private="x-new"', 'max-age=20, private="x-new"', {}, [], ['new', 'a=1'], [undefined, undefined]],
    ['no-cache="x-new"', 'max-age=20, no-cache="x-new"', {}, [], ['new', 'a=1'], [undefined, undefined]],
    ['no-cache="set-cookie"', 'max-age=20, no-cache="set-cookie"', {}, [], ['new', 'a=1'], ['new', undefined]],
    ['setCookie without public', 'max-age=20', { setCookie: true }, [], ['new', 'a=1'], ['new', undefined]],
    ['setCookie and public', 'max-age=20, public', { setCookie: true }, [], ['new', 'a=1'], ['new', 'a=1']],
    ['ignoreHeaders', 'max-age=20', {}, ['Set-Cookie'], ['new', 'a=1'], ['new', 'a=1']],
  ]
  for (const [what, control, options, ignoreHeaders, first, hit] of rows) {
    const gateway = new TestGateway({
      options: { valid: {}, rules: 'rfc9111', ...options },
      ignoreHeaders,
      app: ({ plan }) => plan.etag === undefined
        ? { headers: STORED, body: 'a' }
        : { status: 304, headers: { etag: '"1"', 'cache-control': control, 'x-new': 'new', 'set-cookie': 'a=1' } },
    })
    const got = await renewed(gateway)
    assert.deepEqual([got.first, got.hit].map(headers => [headers['x-new'], headers['set-cookie']]), [first, hit], what)
  }
})

test('a 304 that says no-store, or Vary: *, is told to the client that waits, and changes nothing for others', async () => {
  for (const said of [{ 'cache-control': 'no-store' }, { vary: '*' }]) {
    const gateway = gatewayWith({ etag: '"1"', 'x-new': 'new', ...said })
    await gateway.get()
    gateway.clock.time += 11_000
    for (let i = 0; i < 2; i++) {
      const { cacheStatus, headers } = await gateway.get()
      assert.deepEqual([cacheStatus, headers['x-new'], headers['x-old']], ['REVALIDATED', 'new', 'old'])
    }
  }
})

test('a 304 that names more in Vary than the entry was selected by is told to the client that waits, and changes nothing for others (4.1)', async () => {
  const rows: [stored: string | undefined, said: string, ignoreHeaders: string[], kept: boolean][] = [
    [undefined, 'Accept-Language', [], false],
    ['accept-encoding', 'accept-encoding, accept-language', [], false],
    ['accept-encoding', 'accept-language', [], false],
    ['accept-language', 'Accept-Language', [], true],
    ['accept-language, accept-encoding', 'accept-encoding', [], true],
    [undefined, 'accept-language', ['Vary'], true],
  ]
  for (const [stored, said, ignoreHeaders, kept] of rows) {
    const gateway = new TestGateway({
      options: { valid: {}, rules: 'rfc9111' },
      ignoreHeaders,
      app: ({ plan }) => plan.etag === undefined
        ? { headers: { ...STORED, ...(stored !== undefined && { vary: stored }) }, body: 'a' }
        : { status: 304, headers: { etag: '"1"', vary: said, 'cache-control': 'max-age=600' } },
    })
    const french = { headers: { 'accept-language': 'fr' } }
    await gateway.get(french)
    gateway.clock.time += 11_000
    assert.equal(await gateway.line(french), 'REVALIDATED 200 a')
    assert.equal(await gateway.line(french), kept ? 'HIT 200 a' : 'REVALIDATED 200 a', `${stored}: ${said}`)
    if (stored === undefined && !kept) assert.equal((await gateway.get({ headers: { 'accept-language': 'de' } })).cacheStatus, 'REVALIDATED')
  }
})

test('a tag with a comma in it is one tag: a 304 for it is the client\'s', async () => {
  const gateway = gatewayWith({ etag: '"2,3"' })
  await gateway.get()
  gateway.clock.time += 11_000
  assert.equal((await gateway.get({ headers: { 'if-none-match': '"x", W/"2,3"' } })).status, 304)
})

test('a store that has no room for the new head, or cannot change one, gets the entry once more', async () => {
  for (const stubborn of [false, undefined]) {
    const store = new PlainStore()
    const gateway = new TestGateway({
      store: stubborn === false ? Object.assign(store, { updateMeta: () => false }) : store,
      options: { valid: {}, rules: 'rfc9111' },
      app: ({ plan }) => plan.etag === undefined ? { headers: STORED, body: 'a' } : { status: 304, headers: { etag: '"1"', 'cache-control': 'max-age=20' } },
    })
    const { hit } = await renewed(gateway)
    assert.equal(hit['cache-control'], 'max-age=20')
  }
})

test('a late 304 does not put the head of the old entry over another that has replaced it', async () => {
  const modified = 'Tue, 01 Jan 2030 00:00:00 GMT'
  const stubborn = Object.assign(new PlainStore(), { updateMeta: () => false })
  for (const store of [undefined, new PlainStore(), stubborn]) {
    const gateway = new TestGateway({ ...(store !== undefined && { store }), options: { valid: {}, rules: 'rfc9111' } })
    const headers = { 'cache-control': 'max-age=10', 'last-modified': modified }
    gateway.app = () => ({ headers: { ...headers, 'x-of': 'old' }, body: 'old' })
    await gateway.get()
    gateway.clock.time += 11_000
    gateway.app = undefined
    const [late, early] = [gateway.begin(), gateway.begin()]
    await settled()
    const [first, second] = gateway.asked
    second?.answer({ headers: { ...headers, 'content-encoding': 'x', 'x-of': 'new' }, body: 'new' })
    await early.outcome
    await settled()
    first?.answer({ status: 304, headers: { 'cache-control': 'max-age=20' } })
    assert.equal((await late.outcome).body, 'old')
    await settled()
    const hit = await gateway.get()
    assert.deepEqual([hit.cacheStatus, hit.body, hit.headers['x-of'], hit.headers['content-encoding']], ['HIT', 'new', 'new', 'x'])
  }
})

test('it does not update what describes the body, nor what is about its own connection', async () => {
  const gateway = gatewayWith({
    etag: '"1"', 'content-length': '0', 'content-encoding': 'gzip', 'content-range': 'bytes 0-0/1', connection: 'x-hop', 'x-hop': '1', 'keep-alive': '1', 'transfer-encoding': 'chunked',
  })
  const { hit } = await renewed(gateway)
  assert.deepEqual(
    ['content-length', 'content-encoding', 'content-range', 'connection', 'x-hop', 'keep-alive', 'transfer-encoding'].map(name => hit[name]),
    ['1', undefined, undefined, undefined, undefined, undefined, undefined])
})

test('the age begins anew with the 304, with the age that it has itself', async () => {
  const gateway = gatewayWith({ etag: '"1"', age: '3' })
  await gateway.get()
  gateway.clock.time += 11_000
  assert.equal((await gateway.get()).age, 3)
  gateway.clock.time += 6000
  const { cacheStatus, age } = await gateway.get()
  assert.deepEqual([cacheStatus, age], ['HIT', 9])
  gateway.clock.time += 1000
  assert.equal((await gateway.get()).cacheStatus, 'REVALIDATED')
})

test('a 304 for another entity tag updates nothing (4.3.4)', async () => {
  const gateway = gatewayWith({ etag: '"2"', 'cache-control': 'max-age=100', 'x-new': 'new' })
  await gateway.get()
  gateway.clock.time += 11_000
  assert.equal((await gateway.get()).headers['x-new'], undefined)
  assert.equal((await gateway.get()).cacheStatus, 'REVALIDATED')
})

test('weak and strong tags of the same value are the same validator', async () => {
  await renewed(gatewayWith({ etag: 'W/"1"' }))
})

test('a 304 that says no-store is used once', async () => {
  const gateway = gatewayWith({ etag: '"1"', 'cache-control': 'no-store' })
  await gateway.get()
  gateway.clock.time += 11_000
  assert.equal(await gateway.line(), 'REVALIDATED 200 a')
  assert.equal(await gateway.line(), 'REVALIDATED 200 a')
})

test('Last-Modified validates where there is no entity tag', async () => {
  const modified = 'Tue, 14 Nov 2023 22:00:00 GMT'
  const gateway = new TestGateway({
    options: { valid: {}, rules: 'rfc9111' },
    app: ({ plan }) => plan.lastModified === modified
      ? { status: 304, headers: {} }
      : { headers: { 'cache-control': 'max-age=10', 'last-modified': modified }, body: 'a' },
  })
  await gateway.get()
  gateway.clock.time += 11_000
  assert.equal(await gateway.line(), 'REVALIDATED 200 a')
})

test('the tags of the client are asked beside that of the entry, and a 304 for one of them is the client\'s (4.3.2)', async () => {
  const seen: (string | undefined)[] = []
  const gateway = new TestGateway({
    options: { valid: {}, rules: 'rfc9111' },
    app: ({ plan }) => {
      seen.push(plan.etag)
      return plan.etag === undefined ? { headers: STORED, body: 'a' } : { status: 304, headers: { etag: '"2"' } }
    },
  })
  await gateway.get()
  gateway.clock.time += 11_000
  const { status, cacheStatus } = await gateway.get({ headers: { 'if-none-match': '"2"' } })
  assert.deepEqual([status, cacheStatus, seen], [304, 'EXPIRED', [undefined, '"1", "2"']])
})
