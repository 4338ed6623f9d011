// What requests and replies say of a session: routes, suffixes, and what is learnt.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { paramValue, StickySuffix } from '../../lib/balancer/sticky/apache.ts'
import { StickyLearn } from '../../lib/balancer/sticky/learn.ts'
import type { LearnOptions } from '../../lib/balancer/sticky/learn.ts'
import { StickyRoute } from '../../lib/balancer/sticky/route.ts'
import type { ResponseHead } from '../../types/index.ts'

const SERVERS = new Map([['a', 'server a'], ['b', 'server b']])

function head (...cookies: string[]): ResponseHead {
  return {
    statusCode: 200,
    statusMessage: '',
    headers: cookies.length === 0 ? {} : { 'set-cookie': cookies.length === 1 ? cookies[0] ?? '' : cookies },
    rawHeaders: [],
    contentLength: -1,
    chunked: false,
    nph: false,
  }
}

test('route: the first source that gives the route of a server', () => {
  const asked: string[] = []
  const source = (name: string, value: unknown) => (): unknown => { asked.push(name); return value }
  const find = (...values: unknown[]): unknown =>
    new StickyRoute(values.map((value, index) => source(String(index), value))).find({}, SERVERS)
  assert.equal(find('a', 'b'), 'server a')
  assert.deepEqual(asked.splice(0), ['0'])
  assert.equal(find(undefined, '', null, 'b'), 'server b')
  assert.equal(find('nobody', 'b'), 'server b')
  assert.equal(find('nobody', undefined), undefined)
  assert.equal(new StickyRoute([request => String(request).slice(1)]).find({ source: '/b' }, SERVERS), 'server b')
  assert.throws(() => new StickyRoute([() => { throw new Error('oh') }]).find({}, SERVERS), /oh/)
  assert.deepEqual(new StickyRoute([]).names({ name: 'x', route: 'a' }), ['a'])
  assert.deepEqual(new StickyRoute([]).names({ name: 'x', route: undefined }), [])
})

test('suffix: after the first separator, of the URL before the cookie', () => {
  const find = (target: string, cookie?: string, separator: string | undefined = '.'): unknown =>
    new StickySuffix({ cookie: 'JSESSIONID', param: 'jsessionid', separator }).find({ target, cookie }, SERVERS)
  assert.equal(find('/', 'JSESSIONID=12.a'), 'server a')
  assert.equal(find('/', 'x=1, JSESSIONID=12.a, y=2'), 'server a')
  assert.equal(find('/x;jsessionid=12.b?q=1', 'JSESSIONID=12.a'), 'server b')
  assert.equal(find('/x?jsessionid=12.b', 'JSESSIONID=12.a'), 'server b')
  for (const cookie of ['JSESSIONID=12', 'JSESSIONID=12.', 'JSESSIONID=', 'JSESSIONID=12.c.a', 'XJSESSIONID=12.a', 'JSESSIONID=a']) assert.equal(find('/', cookie), undefined, cookie)
  assert.equal(find('/', 'JSESSIONID=12!a', '!'), 'server a')
  const whole = new StickySuffix({ cookie: 'R', param: undefined, separator: undefined })
  assert.equal(whole.find({ cookie: 'R=a' }, SERVERS), 'server a')
  assert.equal(whole.find({ cookie: 'R=12.a', target: '/?R=a' }, SERVERS), undefined)
  assert.equal(new StickySuffix({ cookie: undefined, param: 's', separator: '.' }).find({ cookie: 's=1.a' }, SERVERS), undefined)
})

test('suffix: the cookie is looked at only where the URL has no session', () => {
  const found = [
    ['/x', 'server a'], ['/x?jsessionid', 'server a'], ['/x?jsessionid=', 'server a'], ['/x;jsessionid=?y', 'server a'], ['/x?xjsessionid=12.b', 'server a'],
    ['/x?jsessionid=12.b', 'server b'], ['/x;jsessionid=12.b', 'server b'],
    ['/x?jsessionid=12.gone', undefined], ['/x;jsessionid=12.gone', undefined], ['/x?jsessionid=12', undefined], ['/x?jsessionid=12.', undefined],
  ] as const
  for (const [target, server] of found) {
    const sticky = new StickySuffix({ cookie: 'JSESSIONID', param: 'jsessionid', separator: '.' })
    assert.equal(sticky.find({ target, cookie: 'JSESSIONID=12.a' }, SERVERS), server, target)
  }
})

test('a parameter of the path or the query, never a part of another name', () => {
  for (const [target, value] of [
    ['/a;sid=1.x', '1.x'], ['/a;sid=1.x/b;c', '1.x'], ['/a;v=2;sid=1.x?sid=2', '1.x'], ['/a?sid=1', '1'], ['/a?x=1&sid=2#f', '2'], ['/a?x;sid=2;y', '2'],
    ['/a?foosid=1', undefined], ['/a;foosid=1', undefined], ['/sid=1', undefined], ['/a&sid=1', undefined], ['/a?foosid=1&sid=2', '2'], ['/a?sid', undefined],
    ['/a?sid=', ''], ['/?sid=a/b', 'a/b'], ['/?a?sid=1', '1'], ['*', undefined], ['', undefined],
  ] as const) assert.equal(paramValue(target, 'sid'), value, target)
  assert.equal(paramValue(undefined, 'sid'), undefined)
  const begun = process.hrtime.bigint()
  paramValue(`/${'sid='.repeat(3e5)}`, 'sid')
  assert.ok(process.hrtime.bigint() - begun < 1_000_000_000n)
})

function learner (options: Partial<LearnOptions> = {}) {
  const clock = { time: 0 }
  const policy = new StickyLearn({
    create: (_, { headers }) => headers['x-session'] ?? (typeof headers['set-cookie'] === 'string' ? headers['set-cookie'] : undefined),
    lookup: request => request,
    timeout: 1000,
    maxEntries: 3,
    now: () => clock.time,
    ...options,
  })
  const where = (session: string): string | undefined => policy.find({ source: session, cookie: `sid=${session}` }, SERVERS)
  return { policy, clock, where }
}

test('learn: a reply begins a session, an answer moves it, nothing else makes one', () => {
  const { policy, where } = learner()
  assert.equal(where('1'), undefined)
  policy.answered({ source: '1' }, 'a', head())
  assert.equal(where('1'), undefined)
  assert.equal(policy.size, 0)
  policy.answered({ source: undefined }, 'a', head('1'))
  assert.equal(where('1'), 'server a')
  policy.answered({ source: '1' }, 'b', head())
  assert.equal(where('1'), 'server b')
  policy.answered({ source: '1' }, 'a', head('2'))
  assert.deepEqual([where('1'), where('2')], ['server b', 'server a'])
  assert.deepEqual(policy.names({ name: 'x', route: 'a' }), ['a'])
  assert.deepEqual(policy.names({ name: 'x', route: undefined }), ['x'])
})

test('learn: a session ends when nobody uses it, and looking is not using', () => {
  const { policy, clock, where } = learner()
  policy.answered({}, 'a', head('1'))
  clock.time = 999
  assert.equal(where('1'), 'server a')
  policy.answered({ source: '1' }, 'a', head())
  clock.time = 1998
  assert.equal(where('1'), 'server a')
  clock.time = 1999
  assert.equal(where('1'), undefined)
  policy.answered({ source: '1' }, 'a', head())
  assert.equal(where('1'), undefined)
})

test('learn: the table is bounded; the one that was not used for the longest time goes, and those that ended go first', () => {
  const { policy, clock, where } = learner()
  for (const session of ['1', '2', '3']) policy.answered({}, 'a', head(session))
  policy.answered({ source: '1' }, 'a', head())
  policy.answered({}, 'b', head('4'))
  assert.deepEqual(['1', '2', '3', '4'].map(where), ['server a', undefined, 'server a', 'server b'])
  assert.equal(policy.size, 3)
  clock.time = 5000
  policy.answered({}, 'b', head('5'))
  assert.equal(policy.size, 1)
  // However long the ids are, what is kept of each has one size.
  for (let n = 0; n < 10; n++) policy.answered({}, 'b', head(`${n}${'x'.repeat(100_000)}`))
  assert.equal(policy.size, 3)
})

test('learn: cookies by name', () => {
  const { policy, where } = learner({ create: 'sid', lookup: 'sid' })
  policy.answered({}, 'a', head('other=1', ' sid = s1 ; Path=/; HttpOnly', 'sid=s2'))
  assert.deepEqual([where('s1'), where('s2'), where('1')], ['server a', undefined, undefined])
  policy.answered({}, 'a', head('sid=; Max-Age=0'))
  policy.answered({}, 'a', head('xsid=s3'))
  policy.answered({}, 'a', head('sid'))
  assert.equal(policy.size, 1)
  assert.equal(policy.find({}, SERVERS), undefined)
  assert.equal(policy.find({ cookie: 'sid=' }, SERVERS), undefined)
})
