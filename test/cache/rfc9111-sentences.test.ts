// Each sentence of RFC 9111 (3 to 4.4, 5.1 to 5.3), RFC 5861, RFC 9211 and RFC 9213 that says MUST or SHOULD of a shared cache, by its section
// and in short words. What needs more than a row is tested where the last table says.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cacheStatusMember, METHOD } from '../../lib/cache/status-header.ts'
import { settled, TestGateway } from './kit.ts'
import type { Answer, Ask, Outcome } from './kit.ts'
import type { CacheOptions } from '../../types/cache.ts'

type Reply = Exclude<Answer, { fail: unknown }>
type Fields = Record<string, string | string[]>

interface Case {
  options?: Partial<CacheOptions<Ask>>
  /** Headers of the first request, and of the second. */
  first?: Record<string, string>
  second?: Record<string, string>
  /** Milliseconds between them. */
  late?: number
  /** What the application says to the second. Default: 200 with the body `new`, not to be stored. */
  then?: Answer
}

const NOW = 1_700_000_000_000
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toUTCString()
const FRESH = 'max-age=10'
const NEW: Answer = { headers: { 'cache-control': 'no-store' }, body: 'new' }
const UNCHANGED: Answer = { status: 304, headers: { etag: '"1"' } }
const STALE = 11_000
const OBEY: Case['options'] = { clientControl: 'obey' }

/** What the second of two requests for the same gets, the first having been answered with this. */
async function second (reply: Reply, of: Case = {}): Promise<Outcome & { asked: number }> {
  const { options = {}, first = {}, second: again = {}, late = 0, then = NEW } = of
  const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111', ...options }, app: () => ({ body: 'old', ...reply }) })
  await gateway.get({ headers: first })
  gateway.clock.time += late
  gateway.app = () => then
  gateway.fetches = 0
  const outcome = await gateway.get({ headers: again })
  return { ...outcome, asked: gateway.fetches }
}

/** The same in short: `'HIT 200 old'`. */
async function line (control: string | Fields, of: Case = {}, reply: Reply = {}): Promise<string> {
  const headers = typeof control === 'string' ? { 'cache-control': control } : control
  const { cacheStatus, status, body } = await second({ ...reply, headers: { ...headers, ...reply.headers } }, of)
  return `${cacheStatus} ${status} ${body}`.trim()
}

const HIT = 'HIT 200 old'
const MISS = 'MISS 200 new'
const EXPIRED = 'EXPIRED 200 new'
const AUTHORIZED = { authorization: 'Basic eDp5' }
const TAGGED = { 'cache-control': FRESH, etag: '"1"' }
const EVERY_LEAVE: Case['options'] = { useStale: ['error', 'timeout', 'http_500', 'http_503', 'updating'] }
const FAILED: Answer = { fail: 'error' }

/** Section, sentence, and what a second request gets. */
const ROWS: [section: string, sentence: string, got: () => Promise<unknown>, expected: unknown][] = [
  ['3', 'a method that is not understood is not stored', async () => new TestGateway().policy.covers('PUT'), false],
  ['3', 'the status is final, and no part of another reply', () => line(FRESH, {}, { status: 206 }), MISS],
  ['3', 'a 304 is not stored', () => line(FRESH, {}, { status: 304, body: '' }), MISS],
  ['3', 'with must-understand only a status that is understood', () => line(`${FRESH}, must-understand`, {}, { status: 499 }), MISS],
  ['3', 'without it any final status that says how long', () => line(FRESH, {}, { status: 499 }), 'HIT 499 old'],
  ['3', 'not with no-store', () => line(`${FRESH}, no-store`), MISS],
  ['3', 'not with private', () => line(`${FRESH}, private`), MISS],
  ['3', 'not to Authorization', () => line(FRESH, { first: AUTHORIZED, second: AUTHORIZED }), MISS],
  ['3', 'not where nothing says how long', () => line({ etag: '"1"' }), MISS],
  ['3', 'with Expires', () => line({ date: at(0), expires: at(10) }), HIT],
  ['3', 'with s-maxage', () => line('s-maxage=10'), HIT],
  ['3.1', 'unknown fields are stored', async () => (await second({ headers: { 'cache-control': FRESH, 'x-unknown': '1' } })).headers['x-unknown'], '1'],
  ['3.1', 'Connection, and what it lists, is not', async () => {
    const { headers } = await second({ headers: { 'cache-control': FRESH, connection: 'X-Hop, close', 'x-hop': '1', 'keep-alive': '1', te: 'x', upgrade: 'y' } })
    return ['connection', 'x-hop', 'keep-alive', 'te', 'upgrade'].filter(name => headers[name] !== undefined)
  }, []],
  ['3.1', 'nor fields of a proxy', async () => {
    const { headers } = await second({ headers: { 'cache-control': FRESH, 'proxy-authenticate': 'x', 'proxy-authentication-info': 'x', 'proxy-authorization': 'x' } })
    return Object.keys(headers).filter(name => name.startsWith('proxy-'))
  }, []],
  ['3.1', 'nor what private or no-cache names', async () => {
    const { headers } = await second({ headers: { 'cache-control': `${FRESH}, private="x-a", no-cache="x-b"`, 'x-a': '1', 'x-b': '1', 'x-c': '1' } })
    return ['x-a', 'x-b', 'x-c'].map(name => headers[name])
  }, [undefined, undefined, '1']],
  ['3.2', 'each field of a 304 takes the place of the stored one', async () => {
    const { headers } = await second({ headers: { ...TAGGED, 'x-a': 'old' } }, { late: STALE, then: { status: 304, headers: { etag: '"1"', 'x-a': 'new', 'x-b': 'new' } } })
    return [headers['x-a'], headers['x-b']]
  }, ['new', 'new']],
  ['3.2', 'but Content-Length, and those of its connection', async () => {
    const { headers } = await second({ headers: { ...TAGGED, 'content-length': '3' } },
      { late: STALE, then: { status: 304, headers: { etag: '"1"', 'content-length': '0', connection: 'x-hop', 'x-hop': '1' } } })
    return [headers['content-length'], headers['x-hop'], headers['connection']]
  }, ['3', undefined, undefined]],
  ['3.3', 'an incomplete reply is not used', () => line(FRESH, {}, { cut: true }), MISS],
  ['3.5', 'a stored reply does not answer Authorization', () => line(FRESH, { first: AUTHORIZED }), MISS],
  ['3.5', 'with public it does', () => line(`${FRESH}, public`, { first: AUTHORIZED }), HIT],
  ['3.5', 'with must-revalidate it does', () => line(`${FRESH}, must-revalidate`, { first: AUTHORIZED }), HIT],
  ['3.5', 'with s-maxage it does', () => line('s-maxage=10', { first: AUTHORIZED }), HIT],
  ['4', 'the URI is the same', async () => {
    const gateway = new TestGateway({ options: { rules: 'rfc9111' }, app: () => ({ body: 'a' }) })
    await gateway.get()
    return (await gateway.get({ key: 'another' })).cacheStatus
  }, 'MISS'],
  ['4', 'not where it is neither fresh, nor allowed stale, nor validated', () => line(FRESH, { late: STALE }), EXPIRED],
  ['4', 'Age is sent of what is not validated', async () => (await second({ headers: { 'cache-control': FRESH } }, { late: 7000 })).age, 7],
  ['4', 'the latest of several is used', async () => {
    const gateway = new TestGateway({ options: { rules: 'rfc9111' }, app: () => ({ headers: { vary: 'a' }, body: 'one' }) })
    await gateway.get({ headers: { a: '1' } })
    gateway.app = () => ({ headers: { vary: 'b' }, body: 'two' })
    gateway.clock.time += 1000
    await gateway.get({ headers: { a: '2', b: '1' } })
    return (await gateway.get({ headers: { a: '1', b: '1' } })).body
  }, 'two'],
  ['4.1', 'each field that Vary names matches', () => line({ 'cache-control': FRESH, vary: 'X-A, X-B' }, { first: { 'x-a': '1', 'x-b': '2' }, second: { 'x-a': '1', 'x-b': '2' } }), HIT],
  ['4.1', 'not where one differs', () => line({ 'cache-control': FRESH, vary: 'X-A, X-B' }, { first: { 'x-a': '1', 'x-b': '2' }, second: { 'x-a': '1', 'x-b': '3' } }), MISS],
  ['4.1', 'what is absent matches what is absent alone', () => line({ 'cache-control': FRESH, vary: 'X-A' }, { second: { 'x-a': '' } }), MISS],
  ['4.1', '* never matches', () => line({ 'cache-control': FRESH, vary: 'X-A, *' }), MISS],
  ['4.2', 'a date counts whatever the case of its letters', () => line({ date: at(0), expires: at(10).toLowerCase() }), HIT],
  ['4.2', 'no zone but GMT (or UTC) counts', () => line({ date: at(0), expires: at(10).replace('GMT', 'AEST') }), MISS],
  ['4.2', 'the zone of the machine has no part in it', async () => {
    const { TZ } = process.env
    try {
      process.env['TZ'] = 'Pacific/Auckland'
      return await line({ date: at(0), expires: at(10) }, { late: 9000 })
    } finally {
      if (TZ === undefined) delete process.env['TZ']
      else process.env['TZ'] = TZ
    }
  }, HIT],
  ['4.2.1', 's-maxage before max-age before Expires', () => line({ 'cache-control': 'max-age=1, s-maxage=10', expires: at(-1) }, { late: 9000 }), HIT],
  ['4.2.1', 'of one directive twice the first counts, or it is stale', () => line('max-age=10, max-age=1000', { late: STALE }), EXPIRED],
  ['4.2.1', 'of directives that conflict the most restrictive', () => line('no-store, max-age=10'), MISS],
  ['4.2.1', 'what is no number is stale', () => line({ 'cache-control': 'max-age=1.5', etag: '"1"' }), EXPIRED],
  ['4.2.2', 'no heuristics beside an explicit time', () => line({ 'cache-control': 'max-age=1', 'last-modified': at(-1000) }, { late: 2000, options: { heuristic: true } }), EXPIRED],
  ['4.2.2', 'nor for a status without leave', () => line({ 'last-modified': at(-1000) }, { options: { heuristic: true } }, { status: 500 }), MISS],
  ['4.2.3', 'Age and Date count, the larger', () => line({ 'cache-control': FRESH, age: '8', date: at(-5) }, { late: 2000 }), EXPIRED],
  ['4.2.3', 'the time that the request took counts', async () => {
    const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111' } })
    const first = gateway.begin()
    gateway.clock.advance(10_000)
    gateway.asked[0]?.answer({ headers: { 'cache-control': FRESH }, body: 'old' })
    await first.outcome
    gateway.app = () => NEW
    return (await gateway.get()).cacheStatus
  }, 'MISS'],
  ...['must-revalidate', 'proxy-revalidate', 's-maxage=10', 'no-cache'].map((directive): (typeof ROWS)[number] =>
    ['4.2.4', `${directive} forbids to serve it stale, whatever the mount allows`, () => line(`${FRESH}, ${directive}`, { late: STALE, then: FAILED, options: EVERY_LEAVE }), directive === 'no-cache' ? 'MISS 502' : 'EXPIRED 502']),
  ['4.2.4', 'not stale without leave, also where the application fails', () => line(FRESH, { late: STALE, then: FAILED }), 'EXPIRED 502'],
  ['4.3.1', 'the stored tag is asked for', async () => plan({ etag: '"1"' }), ['"1"', undefined]],
  ['4.3.1', 'the stored Last-Modified is asked for', async () => plan({ 'last-modified': at(-5) }), [undefined, at(-5)]],
  ['4.3.2', 'tags of the client are asked beside the stored one', async () => plan({ etag: '"1"' }, { 'if-none-match': '"2"' }), ['"1", "2"', undefined]],
  ['4.3.2', 'a 304 for those is the client\'s', () => line(TAGGED, { late: STALE, second: { 'if-none-match': '"2"' }, then: { status: 304, headers: { etag: '"2"' } } }), 'EXPIRED 304'],
  ['4.3.3', 'a 304 has the stored reply used', () => line(TAGGED, { late: STALE, then: UNCHANGED }), 'REVALIDATED 200 old'],
  ['4.3.3', 'a whole reply is used', () => line(TAGGED, { late: STALE }), EXPIRED],
  ['4.3.3', 'an error is passed on, or the stale reply served', () => line(TAGGED, { late: STALE, then: { status: 503 } }), 'EXPIRED 503'],
  ['4.3.4', 'a 304 for another tag updates nothing', async () => {
    const { headers } = await second({ headers: TAGGED }, { late: STALE, then: { status: 304, headers: { etag: '"2"', 'x-a': 'new' } } })
    return headers['x-a']
  }, undefined],
  ['5.1', 'the first of several Ages counts', () => line({ 'cache-control': FRESH, age: '0, 100' }), HIT],
  ['5.1', 'one that is no number is passed over', () => line({ 'cache-control': FRESH, age: '100s' }), HIT],
  ['1.2.2', 'a number too large is the largest', () => line({ 'cache-control': FRESH, age: '99999999999999999999' }), MISS],
  ['5.2', 'directives are matched in any case, and quoted or not', () => line('MAX-AGE="10"', { late: 9000 }), HIT],
  ['5.2', 'they go on to the client', async () => (await second({ headers: { 'cache-control': `${FRESH}, x-own=1` } })).headers['cache-control'], `${FRESH}, x-own=1`],
  ['5.2.1.1', 'max-age of a client', () => line(TAGGED, { options: OBEY, late: 6000, second: { 'cache-control': 'max-age=5' } }), EXPIRED],
  ['5.2.1.2', 'max-stale of a client', () => line(TAGGED, { options: OBEY, late: 12_000, second: { 'cache-control': 'max-stale=1' } }), EXPIRED],
  ['5.2.1.3', 'min-fresh of a client', () => line(TAGGED, { options: OBEY, late: 6000, second: { 'cache-control': 'min-fresh=5' } }), EXPIRED],
  ['5.2.1.4', 'no-cache of a client', () => line(TAGGED, { options: OBEY, second: { 'cache-control': 'no-cache' } }), EXPIRED],
  ['5.2.1.5', 'no-store of a client', () => line(TAGGED, { options: OBEY, first: { 'cache-control': 'no-store' } }), MISS],
  ['5.2.1.7', 'only-if-cached of a client', () => line(TAGGED, { options: OBEY, late: STALE, second: { 'cache-control': 'only-if-cached' } }), 'EXPIRED 504'],
  ['5.2.2.1', 'max-age', () => line(FRESH, { late: 10_000 }), EXPIRED],
  ['5.2.2.2', 'must-revalidate: no stale reply, and an error where there is no other', () => line(`${FRESH}, must-revalidate`, { late: STALE, then: { fail: 'timeout' }, options: EVERY_LEAVE }), 'EXPIRED 504'],
  ['5.2.2.3', 'must-understand takes no-store back', () => line(`${FRESH}, must-understand, no-store`), HIT],
  ['5.2.2.4', 'no-cache: validated before each use', () => line({ 'cache-control': `${FRESH}, no-cache`, etag: '"1"' }, { then: UNCHANGED }), 'REVALIDATED 200 old'],
  ['5.2.2.4', 'no-cache for fields: without them', () => line(`${FRESH}, no-cache="x"`), HIT],
  ['5.2.2.5', 'no-store', () => line([`no-store, ${FRESH}`].join()), MISS],
  ['5.2.2.7', 'private', () => line(`private, ${FRESH}`), MISS],
  ['5.2.2.8', 'proxy-revalidate', () => line(`${FRESH}, proxy-revalidate`, { late: STALE, then: FAILED, options: EVERY_LEAVE }), 'EXPIRED 502'],
  ['5.2.2.9', 'public lets a status be stored by heuristics', () => line({ 'cache-control': 'public', 'last-modified': at(-1000) }, { options: { heuristic: true } }, { status: 403 }), 'HIT 403 old'],
  ['5.2.2.10', 's-maxage overrides, and is proxy-revalidate too', () => line('s-maxage=10, max-age=1000', { late: STALE, then: FAILED, options: EVERY_LEAVE }), 'EXPIRED 502'],
  ['5.2.3', 'what is not known is passed over', () => line(`x, y=z, w="max-age=0", ${FRESH}`), HIT],
  ['5.3', 'what is no date is past, 0 above all', () => line({ expires: '0', etag: '"1"' }), EXPIRED],
  ['5.3', 'max-age has Expires passed over', () => line({ 'cache-control': FRESH, expires: '0' }), HIT],
  ['5.3', 's-maxage has it passed over', () => line({ 'cache-control': 's-maxage=10', expires: at(-5) }), HIT],
  ['RFC 5861 3', 'stale-while-revalidate: served at once, and renewed', async () => {
    const { cacheStatus, asked } = await second({ headers: { ...TAGGED, 'cache-control': `${FRESH}, stale-while-revalidate=5` } }, { late: STALE, options: { backgroundUpdate: true }, then: UNCHANGED })
    return [cacheStatus, asked]
  }, ['STALE', 1]],
  ['RFC 5861 3', 'not after that time', () => line(`${FRESH}, stale-while-revalidate=5`, { late: 15_001, options: { backgroundUpdate: true } }), EXPIRED],
  ...[500, 502, 503, 504].map((status): (typeof ROWS)[number] =>
    ['RFC 5861 4', `stale-if-error: served instead of ${status}`, () => line(`${FRESH}, stale-if-error=5`, { late: STALE, then: { status } }), 'STALE 200 old']),
  ['RFC 5861 4', 'and where there is no reply', () => line(`${FRESH}, stale-if-error=5`, { late: STALE, then: FAILED }), 'STALE 200 old'],
  ['RFC 5861 4', 'not after that time', () => line(`${FRESH}, stale-if-error=5`, { late: 15_001, then: FAILED }), 'EXPIRED 502'],
  ['RFC 5861 4', 'that of a client too', () => line(FRESH, { options: OBEY, late: STALE, then: FAILED, second: { 'cache-control': 'stale-if-error=5' } }), 'STALE 200 old'],
  ['RFC 9211 2.1', 'hit has no fwd beside it', () => member({}), 'x; hit'],
  ['RFC 9211 2.2', 'fwd has the reason', () => member({ status: 'EXPIRED', forwarded: true }), 'x; fwd=stale'],
  ['RFC 9211 2.2', 'of a method that is not cached too', async () => METHOD.statusMember('x'), 'x; fwd=method'],
  ['RFC 9211 2.3', 'fwd-status only with fwd', () => member({ status: 'REVALIDATED', forwarded: true, forwardStatus: 304 }), 'x; fwd=stale; fwd-status=304'],
  ['RFC 9211 2.4', 'ttl is below 0 of what is stale', () => member({ status: 'STALE', ttl: -3 }), 'x; hit; ttl=-3'],
  ['RFC 9211 2.5', 'stored only with fwd', () => member({ status: 'MISS', forwarded: true, stored: true }), 'x; fwd=uri-miss; stored'],
  ['RFC 9211 2.6', 'collapsed only with fwd', () => member({ collapsed: true, ttl: 5 }), 'x; fwd=uri-miss; ttl=5; collapsed'],
  ['RFC 9213 2.1', 'a targeted field goes before Cache-Control and Expires', () => line({ 'cdn-cache-control': 'max-age=20', 'cache-control': 'no-store', expires: '0' }, { late: 19_000 }), HIT],
  ['RFC 9213 2.1', 'which then do not count at all', () => line({ 'cdn-cache-control': 'public', 'cache-control': FRESH, date: at(0), expires: at(10) }), MISS],
  ['RFC 9213 2.1', 'the first of the list that is there', () => line({ 'a-control': 'max-age=1', 'cdn-cache-control': 'max-age=20' }, { late: 2000, options: { targets: ['A-Control', 'CDN-Cache-Control'] } }), EXPIRED],
  ['RFC 9213 2.2', 'one that cannot be parsed, or is empty, is not there', () => line({ 'cdn-cache-control': 'no-store,', 'cache-control': FRESH }), HIT],
  ['RFC 9213 2.2', 'a member of another type is not there', () => line({ 'cdn-cache-control': 'max-age="20"', 'cache-control': FRESH }), MISS],
  ['RFC 9213 2.2', 'parameters and unknown members are passed over', () => line({ 'cdn-cache-control': 'max-age=20;a=b, c=(1 2)', 'cache-control': 'no-store' }), HIT],
]

/** What is asked of the application when a reply with these fields is validated. */
async function plan (fields: Fields, headers: Record<string, string> = {}): Promise<(string | undefined)[]> {
  const gateway = new TestGateway({ options: { valid: {}, rules: 'rfc9111' }, app: () => ({ headers: { 'cache-control': FRESH, ...fields }, body: 'a' }) })
  await gateway.get()
  gateway.clock.time += STALE
  gateway.app = undefined
  const exchange = gateway.begin({ headers })
  await settled()
  const { etag, lastModified } = exchange.plan ?? {}
  gateway.asked[0]?.answer({ status: 200 })
  await exchange.outcome
  return [etag, lastModified]
}

async function member (report: Partial<Parameters<typeof cacheStatusMember>[1]>): Promise<string> {
  return cacheStatusMember('x', {
    status: 'HIT', forwarded: false, wasFresh: false, varies: false, forwardStatus: undefined, stored: false, collapsed: false, ttl: undefined, ...report,
  })
}

for (const [section, sentence, got, expected] of ROWS) {
  test(`${section}: ${sentence}`, async () => assert.deepEqual(await got(), expected))
}

/** Section, sentence, file and the test there: these show over a connection only. */
const ELSEWHERE: [section: string, sentence: string, file: string, title: string][] = [
  ['3', 'interim replies are not stored', '../gateway/early-hints.test.ts', 'nothing of them is stored'],
  ['3.1', 'what Connection lists is not forwarded', '../gateway/cache-rfc9111.test.ts', 'what an HTTP member names in Connection'],
  ['3.2', 'in every store, without the body', '../gateway/rfc9111-stores.test.ts', 'a 304 updates the head in every store'],
  ['3.3', 'a part is marked as one', '../gateway/cache-rfc9111.test.ts', 'a range of what is stored whole is 206'],
  ['4', 'unsafe methods are written through', '../gateway/cache-rfc9111.test.ts', 'a successful unsafe request takes away'],
  ['4.3.2', 'conditions of a client are evaluated', '../gateway/cache-rfc9111.test.ts', 'If-None-Match goes before If-Modified-Since'],
  ['4.3.2', 'If-Range', '../gateway/cache-rfc9111.test.ts', 'a date in If-Range counts only'],
  ['4.4', 'target, Location, Content-Location, same origin alone', '../gateway/rfc9111-stores.test.ts', 'what is taken away'],
  ['4.4', 'in all that share the store', '../gateway/rfc9111-stores.test.ts', 'for every process that shares the store'],
  ['5.1', 'Age right after validation', './rfc9111-validation.test.ts', 'the age begins anew with the 304'],
  ['RFC 9211 2', 'appended to what other caches say', '../gateway/cache-rfc9111.test.ts', 'behind what other caches say'],
]

for (const [section, sentence, file, title] of ELSEWHERE) {
  test(`${section}: ${sentence} is tested in ${file.replace(/^.*\//, '')}`, () => {
    const tests = readFileSync(new URL(file, import.meta.url), 'utf8').split('\n').filter(text => text.startsWith('test('))
    assert.ok(tests.some(text => text.includes(title)), title)
  })
}
