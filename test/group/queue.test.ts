// Requests that wait for a server below its maxConns.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { QUEUE_LEAVE } from '../../lib/runtime/diagnostics.ts'
import { select } from '../../lib/balancer/select.ts'
import { StickyRoute } from '../../lib/balancer/sticky/route.ts'
import { Stickiness } from '../../lib/balancer/sticky/stickiness.ts'
import { playedGroup } from './played.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'
import type { PlayedGroup, PlayedRequest } from './played.ts'

/** A clock that goes with the mocked timers. */
function clock (t: TestContext): { now: () => number, advance (ms: number): void } {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let time = 1000
  return {
    now: () => time,
    advance (ms) {
      // Step by step: what a timer does may depend on the time.
      for (let step = 0; step < ms; step++) {
        time += 1
        t.mock.timers.tick(1)
      }
    },
  }
}

const server = ({ servers }: PlayedGroup, index = 0) => {
  const found = servers[index]
  assert(found)
  return found
}
const queue = (group: PlayedGroup): number => group.group.queue?.length ?? -1

test('first come, first served: a slot goes to whoever waits longest, not to who comes then', () => {
  const played = playedGroup([{ maxConns: 1 }, { down: true }], { queue: { size: 10, timeout: 1000 } })
  const first = played.send()
  const second = played.send()
  const third = played.send()
  assert.deepEqual([queue(played), server(played).exchanges.length, second.attempts.length], [2, 1, 0])
  server(played).last.reply()
  assert.deepEqual([first.status, first.ended, queue(played), server(played).exchanges.length], [200, 1, 1, 2])
  const fourth = played.send()
  assert.equal(queue(played), 2)
  for (const request of [second, third, fourth]) {
    assert.equal(request.ended, 0)
    server(played).last.reply()
    assert.equal(request.status, 200)
  }
  assert.deepEqual([queue(played), played.group.servers[0]?.active], [0, 0])
})

test('without a queue, and when nobody is alive, the answer is 502 at once', () => {
  const without = playedGroup([{ maxConns: 1 }, { down: true }])
  without.send()
  assert.equal(without.send().error?.code, 'FST_SCGI_NO_LIVE_UPSTREAMS')
  const played = playedGroup([{ down: true }, { down: true }], { queue: { size: 10, timeout: 1000 } })
  const { error, attempts } = played.send()
  assert.deepEqual([error?.code, error?.statusCode, attempts.map(({ address, status }) => [address, status])], ['FST_SCGI_NO_LIVE_UPSTREAMS', 502, [['g', 502]]])
})

test('those who wait hear at once that a server is back, or the last one out, as others have found', () => {
  const played = playedGroup([{ maxConns: 1 }, {}], { queue: { size: 10, timeout: 1000 } })
  const [busy, other] = played.group.servers
  other?.takeOut(60_000)
  played.send()
  const waiting = [played.send(), played.send()]
  assert.equal(queue(played), 2)
  other?.takeBack()
  assert.deepEqual([queue(played), server(played, 1).exchanges.length], [0, 2])
  other?.takeOut(60_000)
  const last = played.send()
  assert.equal(queue(played), 1)
  busy?.takeOut(60_000)
  assert.deepEqual([queue(played), last.error?.code], [0, 'FST_SCGI_NO_LIVE_UPSTREAMS'])
  for (const request of waiting) request.pass.abort()
})

test('one more than its size is answered with 502', () => {
  const played = playedGroup([{ maxConns: 1 }], { queue: { size: 2, timeout: 1000 } })
  played.send()
  const waiting = [played.send(), played.send()]
  const { error, attempts } = played.send()
  assert.deepEqual([error?.code, error?.statusCode, attempts.length], ['FST_SCGI_QUEUE_FULL', 502, 1])
  for (const request of waiting) request.pass.abort()
})

test('who waits in vain gets 502 after the timeout, each by its own time, once', t => {
  const time = clock(t)
  const played = playedGroup([{ maxConns: 1 }], { queue: { size: 5, timeout: 1000 }, now: time.now })
  played.send()
  const second = played.send()
  time.advance(400)
  const third = played.send()
  time.advance(599)
  assert.deepEqual([second.ended, third.ended], [0, 0])
  time.advance(1)
  assert.deepEqual([second.error?.code, second.error?.statusCode, second.ended, third.ended], ['FST_SCGI_QUEUE_TIMEOUT', 502, 1, 0])
  assert.deepEqual(second.attempts.map(({ address, status }) => [address, status]), [['g', 502]])
  time.advance(400)
  assert.equal(third.error?.code, 'FST_SCGI_QUEUE_TIMEOUT')
  server(played).last.reply()
  assert.deepEqual([second.ended, third.ended, server(played).exchanges.length], [1, 1, 1])
})

test('a client that goes leaves the queue, and nobody hears of it', t => {
  const time = clock(t)
  const played = playedGroup([{ maxConns: 1 }], { queue: { size: 5, timeout: 1000 }, now: time.now })
  played.send()
  const second = played.send()
  const third = played.send()
  second.pass.abort()
  second.pass.abort()
  assert.deepEqual([queue(played), second.ended, second.attempts.length], [1, 0, 0])
  server(played).last.reply()
  assert.deepEqual([queue(played), server(played).exchanges.length], [0, 2])
  time.advance(2000)
  assert.deepEqual([second.ended, third.ended], [0, 0])
  third.pass.abort()
  assert.equal(played.group.servers[0]?.active, 0)
})

test('a request that has tried a server waits for another one, and not before others that could go on', () => {
  const played = playedGroup([{ maxConns: 1, maxFails: 0 }, { maxConns: 1 }], { queue: { size: 5, timeout: 1000 } })
  const [a, b] = [server(played, 0), server(played, 1)]
  const failing = played.send()
  played.send()
  a.last.refuse()
  // It was on a; b is full.
  assert.deepEqual([failing.ended, queue(played), a.exchanges.length], [0, 1, 1])
  // a is free, but not for that one: who comes takes it.
  const other = played.send()
  assert.deepEqual([queue(played), a.exchanges.length], [1, 2])
  b.last.reply()
  assert.deepEqual([queue(played), b.exchanges.length], [0, 2])
  b.last.reply()
  a.last.reply()
  assert.deepEqual([failing.status, other.status], [200, 200])
  assert.deepEqual(failing.attempts.map(({ address }) => address), ['a', 'b'])
})

test('edits let them go on: a server that is added, enabled, healthy again', () => {
  for (const edit of ['add', 'down', 'drain', 'healthy', 'eject'] as const) {
    const played = playedGroup([{ maxConns: 1 }, {}], { queue: { size: 5, timeout: 1000 } })
    const [, b] = played.group.servers
    assert(b)
    if (edit === 'healthy') b.healthy = false
    else if (edit === 'drain') b.drain = true
    else if (edit === 'eject') b.ejectedUntil = Infinity
    else b.down = true
    played.send()
    const waiting = [played.send(), played.send()]
    assert.equal(queue(played), 2)
    if (edit === 'add') played.group.add({ name: 'b', target: server(played, 1) })
    else if (edit === 'healthy') b.healthy = true
    else if (edit === 'drain') b.drain = false
    else if (edit === 'eject') b.ejectedUntil = -Infinity
    else b.down = false
    assert.deepEqual([queue(played), server(played, 1).exchanges.length], [0, 2], edit)
    for (const exchange of server(played, 1).exchanges) exchange.reply()
    assert.deepEqual(waiting.map(({ status }) => status), [200, 200])
  }
})

test('when the last server that lives goes, waiting is vain', () => {
  const played = playedGroup([{ maxConns: 1 }, { down: true }], { queue: { size: 5, timeout: 1000 } })
  played.send()
  const waiting = [played.send(), played.send()]
  const [a] = played.group.servers
  assert(a)
  a.healthy = false
  assert.deepEqual(waiting.map(({ error }) => error?.code), ['FST_SCGI_NO_LIVE_UPSTREAMS', 'FST_SCGI_NO_LIVE_UPSTREAMS'])
  server(played).last.reply()
  assert.equal(a.active, 0)
})

test('a server whose failTimeout is over is given to who waits, without anything else happening', t => {
  const time = clock(t)
  const played = playedGroup([{ maxConns: 1, weight: 2 }, { failTimeout: 500 }], { queue: { size: 5, timeout: 5000 }, now: time.now })
  played.send()
  const second = played.send()
  server(played, 1).last.refuse()
  // Its other server is full: it waits, but not for b, which it has tried.
  assert.deepEqual([queue(played), second.ended], [1, 0])
  const third = played.send()
  time.advance(500)
  assert.equal(queue(played), 2)
  time.advance(1)
  assert.deepEqual([queue(played), server(played, 1).exchanges.length], [1, 2])
  server(played, 1).last.reply()
  assert.equal(third.status, 200)
  second.pass.abort()
})

const routes = (failover = true) => new Stickiness<Endpoint>(new StickyRoute([request => request]), failover)

test('who is bound to a server that drains has it before those who can never use it, also where no place is left', () => {
  for (const size of [10, 1]) {
    for (const failover of [true, false]) {
      const settings = [{ route: 'a', maxConns: 1 }, { route: 'b', maxConns: 1 }]
      const played = playedGroup(settings, { sticky: routes(failover), queue: { size, timeout: 1000 } })
      const [a, b] = [server(played, 0), server(played, 1)]
      played.send({ source: 'b' })
      const [draining] = played.group.servers
      assert(draining)
      draining.drain = true
      const unbound = played.send()
      assert.deepEqual([queue(played), a.exchanges.length], [1, 0])
      const first = played.send({ source: 'a' })
      assert.deepEqual([first.error, queue(played), a.exchanges.length], [undefined, 1, 1])
      // Those who share it have it in their turn, and the others keep theirs.
      const second = played.send({ source: 'a' })
      if (size === 1) {
        assert.equal(second.error?.code, 'FST_SCGI_QUEUE_FULL')
        assert.equal(played.send().error?.code, 'FST_SCGI_QUEUE_FULL')
      } else {
        const third = played.send({ source: 'a' })
        const late = played.send()
        assert.deepEqual([queue(played), a.exchanges.length], [4, 1])
        for (const request of [first, second]) {
          a.last.reply()
          assert.equal(request.status, 200)
        }
        assert.deepEqual([queue(played), third.ended, a.exchanges.length], [2, 0, 3])
        a.last.reply()
        assert.equal(third.status, 200)
        assert.deepEqual([queue(played), a.exchanges.length], [2, 3])
        b.last.reply()
        b.last.reply()
        assert.deepEqual([unbound.status, late.ended, queue(played)], [200, 0, 0])
        late.pass.abort()
      }
      unbound.pass.abort()
      for (const exchange of a.exchanges) if (!exchange.done) exchange.reply()
    }
  }
})

test('a queue that is full of those who cannot use a server is in nobody\'s way who can', () => {
  const played = playedGroup([{ route: 'a', maxConns: 1 }, { route: 'b', maxConns: 1 }], { sticky: routes(false), queue: { size: 1, timeout: 1000 } })
  played.send({ source: 'a' })
  const waiting = played.send({ source: 'a' })
  const other = played.send()
  assert.deepEqual([other.error, queue(played), server(played, 1).exchanges.length], [undefined, 1, 1])
  assert.equal(played.send().error?.code, 'FST_SCGI_QUEUE_FULL')
  waiting.pass.abort()
})

test('a function that tells what a request is bound to, and throws, ends that request and no other', () => {
  const sticky = new Stickiness<Endpoint>(new StickyRoute([request => {
    if (request === 'bad') throw new Error('no route')
    return request
  }]), true)
  const played = playedGroup([{ route: 'a' }, { maxConns: 1 }], { sticky, queue: { size: 2, timeout: 1000 } })
  played.send()
  played.send()
  const [draining] = played.group.servers
  assert(draining)
  draining.drain = true
  const waiting = played.send()
  assert.equal(played.send({ source: 'bad' }).error?.message, 'no route')
  assert.deepEqual([queue(played), waiting.ended], [1, 0])
  waiting.pass.abort()
})

test('who is bound to a server that drains and is full waits for it, also where no other one lives', () => {
  for (const failover of [true, false]) {
    const played = playedGroup([{ route: 'a', maxConns: 1, drain: true }, { down: true }], { sticky: routes(failover), queue: { size: 5, timeout: 1000 } })
    played.send({ source: 'a' })
    const waiting = played.send({ source: 'a' })
    assert.deepEqual([waiting.error, queue(played)], [undefined, 1], `failover ${failover}`)
    assert.equal(played.send({ source: 'b' }).error?.code, 'FST_SCGI_NO_LIVE_UPSTREAMS')
    server(played).last.reply()
    server(played).last.reply()
    assert.equal(waiting.status, 200)
  }
})

test('a server that drains comes back by the time alone for those who are bound to it', t => {
  const time = clock(t)
  const settings = [{ route: 'a', failTimeout: 500, drain: true }, { maxConns: 1 }]
  const played = playedGroup(settings, { sticky: routes(), queue: { size: 5, timeout: 5000 }, now: time.now })
  played.send()
  const failed = played.send({ source: 'a' })
  server(played).last.refuse()
  const waiting = played.send({ source: 'a' })
  assert.deepEqual([queue(played), failed.ended], [2, 0])
  time.advance(501)
  assert.deepEqual([queue(played), server(played).exchanges.length], [1, 2])
  server(played).last.reply()
  assert.equal(waiting.status, 200)
  failed.pass.abort()
})

test('what is told of the end of a wait is whether it got a server', t => {
  const time = clock(t)
  const told: unknown[] = []
  const stop = QUEUE_LEAVE.subscribe(({ outcome }) => told.push(outcome))
  try {
    let fails = false
    const method = select<Endpoint>(() => {
      if (fails) throw new Error('no choice')
      return undefined
    })
    const played = playedGroup([{ maxConns: 1 }, { down: true }], { queue: { size: 5, timeout: 1000 }, method, now: time.now })
    const [a] = played.group.servers
    assert(a)
    played.send()
    const [served, thrown] = [played.send(), played.send()]
    server(played).last.reply()
    fails = true
    server(played).last.reply()
    assert.deepEqual([served.status, thrown.error?.message], [200, 'no choice'])
    fails = false
    played.send()
    played.send()
    a.healthy = false
    assert.deepEqual(told, ['served', 'refused', 'refused'])
    a.healthy = true
    played.send().pass.abort()
    const late = played.send()
    time.advance(1000)
    assert.equal(late.error?.code, 'FST_SCGI_QUEUE_TIMEOUT')
    assert.deepEqual(told.slice(3), ['abort', 'timeout'])
  } finally {
    stop()
  }
})

test('a storm: no slot is lost, none is used twice, everyone is answered once', t => {
  const kind = fc.constantFrom('send', 'send', 'reply', 'refuse', 'abort', 'wait', 'edit')
  const steps = fc.array(fc.record({ kind, which: fc.nat(1000) }), { maxLength: 150 })
  const time = clock(t)
  fc.assert(fc.property(steps, script => {
    const settings = [{ maxConns: 1 }, { maxConns: 2, failTimeout: 50 }, { maxConns: 1, backup: true }]
    const played = playedGroup(settings, { queue: { size: 4, timeout: 100 }, now: time.now })
    const sent: PlayedRequest[] = []
    const aborted = new Set<PlayedRequest>()
    const open = () => played.servers.flatMap(({ exchanges }) => exchanges).filter(({ done }) => !done)
    for (const { kind, which } of script) {
      const exchange = open()[which % Math.max(1, open().length)]
      const request = sent[which % Math.max(1, sent.length)]
      if (kind === 'send') sent.push(played.send())
      else if (kind === 'reply') exchange?.reply()
      else if (kind === 'refuse') exchange?.refuse()
      else if (kind === 'wait') time.advance(which % 40)
      else if (kind === 'abort' && request !== undefined && request.ended === 0) {
        request.pass.abort()
        aborted.add(request)
      } else if (kind === 'edit') {
        const peer = played.group.servers[which % 3]
        if (peer !== undefined) peer.down = !peer.down
      }
      played.group.servers.forEach((peer, index) => {
        assert.equal(peer.active, played.servers[index]?.exchanges.filter(({ done }) => !done).length)
        assert(peer.active <= peer.maxConns)
      })
      // Nobody waits while a server is free that all of them may use.
      const free = played.group.servers.some(peer => peer.state === 'up')
      if (free && queue(played) > 0) assert(sent.some(({ ended, attempts }) => ended === 0 && attempts.length > 0))
    }
    for (const peer of played.group.servers) peer.down = false
    for (let rest = open(); rest.length > 0; rest = open()) rest[0]?.reply()
    time.advance(200)
    for (let rest = open(); rest.length > 0; rest = open()) rest[0]?.reply()
    for (const request of sent) assert.equal(request.ended, aborted.has(request) ? 0 : 1)
    assert.deepEqual([queue(played), ...played.group.servers.map(({ active }) => active)], [0, 0, 0, 0])
  }), { numRuns: 300 })
})
