// A pass that is bound to a server: what is noted of its answer, how it waits, and how it ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StickyRoute } from '../../lib/balancer/sticky/route.ts'
import { Stickiness } from '../../lib/balancer/sticky/stickiness.ts'
import { playedGroup } from './played.ts'
import type { StickyPolicy } from '../../lib/balancer/sticky/policy.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'

/** Sessions by route, which notes who has answered. */
class Noting extends StickyRoute implements StickyPolicy {
  readonly noted: string[] = []

  constructor () {
    super([request => request])
  }

  answered ({ source }: { source?: unknown }, name: string): void {
    if (source === 'throw') throw new Error('no session')
    this.noted.push(name)
  }

  setCookie (_request: object, name: string): string {
    return `srv=${name}`
  }
}

function play (settings: Parameters<typeof playedGroup>[0] = [{}, {}], options: Parameters<typeof playedGroup>[1] = {}, failover = true) {
  const policy = new Noting()
  const routed = settings.map((each, index) => ({ route: String.fromCharCode(97 + index), ...each }))
  const played = playedGroup(routed, { ...options, sticky: new Stickiness<Endpoint>(policy, failover) })
  const [a, b] = played.servers
  assert.ok(a !== undefined && b !== undefined)
  return { ...played, policy, a, b }
}

test('the answer that goes to the client is noted, and no other', () => {
  const { send, policy, a, b } = play()
  const request = send({ source: 'b', on: ['error', 'http_503'] })
  b.last.head(503)
  assert.deepEqual(policy.noted, [])
  assert.equal(request.pass.setCookie, undefined)
  a.last.reply()
  assert.deepEqual(policy.noted, ['a'])
  assert.equal(request.pass.setCookie, 'srv=a')
  assert.equal(request.status, 200)
})

test('nor is one that counts as a failure of its server', () => {
  const { send, policy, b } = play([{}, {}], { failOnStatus: new Set([500]) })
  const request = send({ source: 'b' })
  b.last.reply(500)
  assert.equal(request.status, 500)
  assert.deepEqual(policy.noted, [])
  assert.equal(request.pass.setCookie, undefined)
})

test('what a function throws is the answer, and no fault of the server', () => {
  const { send, group, a } = play()
  const request = send({ source: 'throw' })
  a.last.head(200)
  assert.equal(request.error?.message, 'no session')
  assert.equal(a.last.aborted, true)
  assert.deepEqual(group.servers.map(({ active, fails }) => [active, fails]), [[0, 0], [0, 0]])
  assert.equal(request.status, undefined)
})

test('no failover: 503 where its server is out, the failure itself where the attempt fails', () => {
  const { send, a, b } = play([{}, {}], {}, false)
  const first = send({ source: 'b' })
  b.last.refuse()
  assert.equal(first.error?.code, 'FST_SCGI_CONNECT')
  assert.equal(first.ended, 1)
  const second = send({ source: 'b', on: ['error', 'http_503'] })
  assert.deepEqual([second.error?.code, second.error?.statusCode], ['FST_SCGI_NO_FAILOVER', 503])
  assert.deepEqual(second.attempts.map(({ address, status }) => [address, status]), [['g', 503]])
  assert.equal(a.exchanges.length, 0)
  const third = send({ source: 'a', on: ['error', 'http_503'] })
  a.last.reply(503)
  assert.equal(third.status, 503)
})

test('no failover: it waits for its server alone, and holds up nobody behind it', () => {
  const { send, a, b } = play([{ maxConns: 1 }, { maxConns: 1 }], { queue: { size: 10, timeout: 1000 } }, false)
  send({ source: 'a' })
  send({ source: 'b' })
  const held = send({ source: 'b' })
  const free = send({ source: 'nobody' })
  const later = send({ source: 'a' })
  a.last.reply()
  assert.equal(a.exchanges.length, 2)
  assert.deepEqual([held, free, later].map(({ attempts }) => attempts.map(({ address }) => address)), [[], ['a'], []])
  a.last.reply()
  assert.deepEqual([held, free, later].map(({ attempts }) => attempts.map(({ address }) => address)), [[], ['a'], ['a']])
  assert.equal(b.exchanges.length, 1)
  b.last.reply()
  assert.deepEqual(held.attempts.map(({ address }) => address), ['b'])
  b.last.reply()
  a.last.reply()
  assert.deepEqual([held, free, later].map(({ ended }) => ended), [1, 1, 1])
})

test('no failover: who waits for a server that goes down is told', () => {
  const { send, group } = play([{ maxConns: 1 }, { maxConns: 1 }], { queue: { size: 10, timeout: 1000 } }, false)
  send({ source: 'b' })
  const held = send({ source: 'b' })
  assert.equal(held.ended, 0)
  const [, b] = group.servers
  assert.ok(b !== undefined)
  b.down = true
  assert.equal(held.error?.code, 'FST_SCGI_NO_FAILOVER')
})

test('with failover a full server is no reason to wait while another is free', () => {
  const { send, a, b } = play([{}, { maxConns: 1 }], { queue: { size: 10, timeout: 1000 } })
  send({ source: 'b' })
  send({ source: 'b' })
  assert.deepEqual([a.exchanges.length, b.exchanges.length], [1, 1])
  a.last.reply()
  b.last.reply()
})
