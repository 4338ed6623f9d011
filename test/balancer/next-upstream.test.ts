// The option nextUpstream, and what it means for each failure.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failurePassesOn, mayResend, parseNextUpstream, statusCountsAsFailure, statusPassesOn } from '../../lib/balancer/next-upstream.ts'

test('the default is error and timeout, without limits', () => {
  for (const value of [undefined, {}]) {
    const rules = parseNextUpstream(value)
    assert.deepEqual([failurePassesOn(rules, 'error'), failurePassesOn(rules, 'timeout'), failurePassesOn(rules, 'invalid_header')], [true, true, false])
    assert.deepEqual([rules.tries, rules.timeout], [0, 0])
    for (const status of [403, 404, 429, 500, 502, 503, 504]) assert.equal(statusPassesOn(rules, status), false)
    assert.deepEqual([mayResend(rules, 'POST', true), mayResend(rules, 'POST', false), mayResend(rules, 'PUT', true)], [false, true, true])
  }
})

test('false and the empty list pass nothing on', () => {
  for (const value of [false as const, [], { on: [] }]) {
    const rules = parseNextUpstream(value)
    for (const kind of ['error', 'timeout', 'invalid_header', 'local'] as const) assert.equal(failurePassesOn(rules, kind), false)
  }
})

test('each word is one condition, and a local failure is none', () => {
  const words = { http_500: 500, http_503: 503, http_403: 403, http_404: 404, http_429: 429 } as const
  for (const word of ['http_500', 'http_503', 'http_403', 'http_404', 'http_429'] as const) {
    const rules = parseNextUpstream([word])
    for (const other of Object.values(words)) assert.equal(statusPassesOn(rules, other), other === words[word])
    assert.equal(failurePassesOn(rules, 'error'), false)
  }
  const all = parseNextUpstream(['error', 'timeout', 'invalid_header', 'http_500', 'http_503', 'http_403', 'http_404', 'http_429', 'non_idempotent'])
  assert.equal(failurePassesOn(all, 'local'), false)
  for (const status of [200, 400, 401, 501, 502, 504]) assert.equal(statusPassesOn(all, status), false)
  for (const method of ['POST', 'PATCH', 'LOCK', 'post']) assert.equal(mayResend(all, method, true), true)
})

test('403 and 404 are no failures of their server', () => {
  assert.deepEqual([403, 404, 429, 500, 503].map(statusCountsAsFailure), [false, false, true, true, true])
})

test('tries and timeout are read', () => {
  assert.deepEqual(parseNextUpstream({ on: ['error'], tries: 3, timeout: '2s' }), { conditions: 1, tries: 3, timeout: 2000, wait: 0, interval: 250 })
  assert.deepEqual(parseNextUpstream({ on: [], wait: '5s', interval: 10 }), { conditions: 0, tries: 0, timeout: 0, wait: 5000, interval: 10 })
})

test('anything else is refused by name', () => {
  const wrong: [unknown, RegExp][] = [
    ['error', /'nextUpstream' is "error"/],
    [null, /'nextUpstream' is null/],
    [true, /'nextUpstream' is true/],
    [['errors'], /'nextUpstream\.on' is "errors", expected one of error, timeout/],
    [['http_502'], /http_502/],
    [['toString'], /toString/],
    [['off'], /off.*an empty list passes nothing on/],
    [{ on: 'error' }, /'nextUpstream\.on' is "error", expected a list/],
    [{ tries: -1 }, /'nextUpstream\.tries' is -1/],
    [{ tries: 1.5 }, /nextUpstream\.tries/],
    [{ tries: '3' }, /nextUpstream\.tries/],
    [{ timeout: 'soon' }, /nextUpstream\.timeout/],
    [{ timeout: -1 }, /nextUpstream\.timeout/],
  ]
  for (const [value, message] of wrong) {
    assert.throws(() => Reflect.apply(parseNextUpstream, undefined, [value]), { code: 'FST_SCGI_OPT_INVALID', message }, JSON.stringify(value))
  }
  assert.throws(() => Reflect.apply(parseNextUpstream, undefined, [{ try: 3 }]), {
    code: 'FST_SCGI_OPT_UNKNOWN', message: /there is no option 'nextUpstream\.try': it has on, tries, timeout/,
  })
})
