// A request that is bound to a server: when it gets it, and what it gets otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { StickyLearn } from '../../lib/balancer/sticky/learn.ts'
import { StickyRoute } from '../../lib/balancer/sticky/route.ts'
import { Stickiness } from '../../lib/balancer/sticky/stickiness.ts'
import { exhaust, testGroup } from './model.ts'
import type { GroupOptions } from '../../lib/balancer/group.ts'
import type { PeerSpec, TestGroup } from './model.ts'
import type { ResponseHead } from '../../types/index.ts'

const HEAD: ResponseHead = { statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: false }

/** Servers A, B, C ... of the routes a, b, c ...; the source of a request is its route. */
function routed (
  count: number, settings: Record<string, Partial<PeerSpec>> = {}, options: Partial<GroupOptions<string>> = {}, failover = true
): TestGroup {
  const peers = Array.from({ length: count }, (_, index) => {
    const name = String.fromCharCode(65 + index)
    return { name, route: name.toLowerCase(), ...settings[name] }
  })
  return testGroup(peers, { sticky: new Stickiness(new StickyRoute([request => request]), failover), ...options })
}

/** The server that one request of that route gets. */
function serve ({ group }: TestGroup, source?: string, outcome: 'ok' | 'failed' = 'ok'): string | undefined {
  const selection = group.begin({ source })
  const peer = selection.next()
  if (peer !== undefined) selection.release(peer, outcome)
  return peer?.name
}

/** The servers of all attempts of one request that ends as `nextUpstream` would have it. */
function attempts ({ group }: TestGroup, source: string, limit = 0): string[] {
  const selection = group.begin({ source })
  if (limit > 0) selection.limit(limit)
  const names: string[] = []
  for (let peer = selection.next(); peer !== undefined; peer = selection.tries > 0 ? selection.next() : undefined) {
    names.push(peer.name)
    selection.release(peer, 'failed')
  }
  return names
}

test('it gets its server first, each of the others after it', () => {
  const model = routed(3)
  for (const source of ['b', 'b', 'c', 'b']) assert.equal(serve(model, source), source.toUpperCase())
  const all = exhaust(model.group.begin({ source: 'c' }), 'next')
  assert.equal(all[0], 'C')
  assert.deepEqual(all.toSorted(), ['A', 'B', 'C'])
  assert.deepEqual(['nobody', undefined].map(source => serve(model, source)).filter(name => name !== undefined).length, 2)
})

test('without a request it is round robin', () => {
  const model = routed(3)
  assert.deepEqual([model.attempt('ok'), model.attempt('ok'), model.attempt('ok')], ['A', 'B', 'C'])
})

test('a server that drains gets those that are bound to it, and no others', () => {
  const model = routed(3)
  model.peer('B').drain = true
  assert.equal(serve(model, 'b'), 'B')
  for (let n = 0; n < 6; n++) assert.notEqual(serve(model), 'B')
  // It is not among the tries that the request has, and takes none from the others; but it is an attempt.
  assert.deepEqual(attempts(model, 'b').toSorted(), ['A', 'B', 'C'])
  model.clock.advance(20_000)
  assert.equal(attempts(model, 'b', 1).join(), 'B')
  model.clock.advance(20_000)
  assert.equal(attempts(model, 'b', 2).length, 2)
  const only = routed(2, { A: { drain: true }, B: { down: true } })
  assert.equal(serve(only, 'a'), 'A')
  assert.equal(serve(only, 'b'), undefined)
})

test('a server that is down, failed, unhealthy, ejected or full does not get them', () => {
  const model = routed(2, { B: { maxConns: 1 } })
  const b = model.peer('B')
  b.down = true
  assert.equal(serve(model, 'b'), 'A')
  b.down = false
  b.healthy = false
  assert.equal(serve(model, 'b'), 'A')
  b.drain = true
  assert.equal(serve(model, 'b'), 'A')
  b.healthy = true
  assert.equal(serve(model, 'b'), 'B')
  b.drain = false
  b.ejectedUntil = model.group.now() + 1000
  assert.equal(serve(model, 'b'), 'A')
  model.clock.advance(1000)
  assert.equal(serve(model, 'b'), 'B')
  assert.equal(serve(model, 'b', 'failed'), 'B')
  assert.equal(serve(model, 'b'), 'A')
  model.clock.advance(10_001)
  const probe = model.group.begin({ source: 'b' })
  const probed = probe.next()
  assert.equal(probed?.name, 'B')
  // Full, and besides the probe is alone.
  assert.equal(serve(model, 'b'), 'A')
  if (probed !== undefined) probe.release(probed, 'ok')
  assert.equal(serve(model, 'b'), 'B')
})

test('no failover: its server or none, and one attempt', () => {
  const model = routed(3, {}, {}, false)
  assert.equal(serve(model, 'b'), 'B')
  assert.deepEqual(attempts(model, 'b'), ['B'])
  const held = model.group.begin({ source: 'b' })
  assert.equal(held.next(), undefined)
  assert.equal(held.held, true)
  const free = model.group.begin({ source: 'nobody' })
  assert.notEqual(free.next(), undefined)
  assert.equal(free.held, false)
  model.peer('A').drain = true
  assert.equal(serve(model, 'a'), 'A')
})

test('redirect: the routes that stand in, one after the other, each once', () => {
  for (const failover of [true, false]) {
    const model = routed(5, { B: { redirect: 'd' }, D: { redirect: 'e' }, E: { redirect: 'b' } }, {}, failover)
    const states = (...down: string[]): void => { for (const peer of model.group.servers) peer.down = down.includes(peer.name) }
    assert.equal(serve(model, 'b'), 'B')
    states('B')
    assert.equal(serve(model, 'b'), 'D')
    states('B', 'D')
    assert.equal(serve(model, 'b'), 'E')
    states('B', 'D', 'E')
    assert.equal(['A', 'C', undefined].indexOf(serve(model, 'b')) === 2, !failover)
    states()
    assert.deepEqual(exhaust(model.group.begin({ source: 'b' }), 'next').slice(0, 3), ['B', 'D', 'E'])
  }
  // One that stands in may be a backup, or drain.
  const model = routed(3, { A: { redirect: 'c' }, C: { backup: true } })
  model.peer('A').down = true
  assert.equal(serve(model, 'a'), 'C')
  model.peer('C').drain = true
  assert.equal(serve(model, 'a'), 'C')
})

test('servers of one route stand for each other', () => {
  const model = routed(3, { C: { route: 'b' } })
  assert.equal(serve(model, 'b'), 'B')
  model.peer('B').down = true
  assert.equal(serve(model, 'b'), 'C')
})

test('a backup keeps its sessions while it has to serve; a standby, a spare and a higher set keep them anyway', () => {
  const model = routed(4, { C: { backup: true }, D: { backup: true } })
  assert.ok(['A', 'B'].includes(serve(model, 'd') ?? ''))
  model.peer('A').down = true
  model.peer('B').down = true
  for (let n = 0; n < 3; n++) assert.equal(serve(model, 'd'), 'D')
  for (let n = 0; n < 3; n++) assert.equal(serve(model, 'c'), 'C')
  model.peer('B').down = false
  assert.equal(serve(model, 'd'), 'B')
  // An attempt after the first, when it has come to the backups.
  assert.deepEqual(exhaust(model.group.begin({ source: 'd' }), 'next'), ['B', 'D', 'C'])
  assert.equal(serve(routed(2, { B: { backup: true } }, {}, false), 'b'), 'B')

  const tiers = routed(4, { B: { standby: true }, C: { spare: true }, D: { lbset: 1 } })
  for (const source of ['b', 'c', 'd']) assert.equal(serve(tiers, source), source.toUpperCase())
})

test('edits: a removed server is not reached, one that comes is, and one that was re-routed by its new route', () => {
  const model = routed(2)
  const b = model.peer('B')
  const { group } = model
  group.remove(b)
  assert.equal(serve(model, 'b'), 'A')
  group.add({ name: 'X', route: 'b', target: 'x' })
  assert.equal(serve(model, 'b'), 'X')
  group.update([{ name: 'A', route: 'b', target: 'a' }, { name: 'X', route: 'a', target: 'x' }])
  assert.deepEqual([serve(model, 'a'), serve(model, 'b')], ['X', 'A'])
  // A request that has begun before sees the servers that it began with.
  const selection = group.begin({ source: 'c' })
  const first = selection.next()
  assert.ok(first !== undefined)
  group.add({ name: 'C', route: 'c', target: 'c' })
  selection.release(first, 'next')
  assert.notEqual(selection.next()?.name, 'C')
})

test('round robin takes bound requests for turns: the others get what is left', () => {
  const model = routed(2)
  const counts: Record<string, number> = { A: 0, B: 0 }
  // As many sessions on A as requests of nobody: A has had its share.
  for (let n = 0; n < 100; n++) {
    for (const source of ['a', undefined]) {
      const name = serve(model, source)
      if (name !== undefined) counts[name] = (counts[name] ?? 0) + 1
    }
  }
  assert.ok(Math.abs((counts['A'] ?? 0) - 100) <= 1, JSON.stringify(counts))
  // A flood of sessions is not held against the server for ever.
  for (let n = 0; n < 1000; n++) serve(model, 'a')
  const after = Array.from({ length: 8 }, () => serve(model))
  assert.ok(after.filter(name => name === 'A').length >= 3, after.join(''))
})

test('other methods choose where the request is bound to none', () => {
  const model = routed(3, {}, { method: leastConn })
  const running = model.group.begin({ source: 'b' })
  assert.equal(running.next()?.name, 'B')
  assert.equal(serve(model, 'b'), 'B')
  for (let n = 0; n < 4; n++) assert.notEqual(serve(model), 'B')
})

test('force recovery: the session comes back to its server', () => {
  for (const failover of [true, false]) {
    const model = routed(2, {}, { forceRecovery: true }, failover)
    serve(model, 'a', 'failed')
    serve(model, 'b', 'failed')
    assert.equal(serve(model, 'b'), 'B')
  }
})

test('learnt sessions outlive edits of the group', () => {
  const clock = { time: 0 }
  const sticky = new Stickiness<string>(new StickyLearn({
    create: request => request === 'new' ? 's1' : undefined, lookup: request => request, timeout: 1000, maxEntries: 10, now: () => clock.time,
  }), true)
  const model = testGroup([{ name: 'A' }, { name: 'B' }, { name: 'C' }], { sticky })
  const { group } = model
  assert.equal(sticky.answered({ source: 'new' }, group.servers, model.peer('B'), HEAD), undefined)
  const served = (): string | undefined => serve(model, 's1')
  assert.deepEqual([served(), served()], ['B', 'B'])
  group.add({ name: 'D', target: 'd' })
  assert.equal(served(), 'B')
  const b = model.peer('B')
  group.remove(b)
  assert.notEqual(served(), 'B')
  // Taken off while it answered: nobody is bound to it.
  sticky.answered({ source: 'new' }, group.servers, b, HEAD)
  group.add({ name: 'B', target: 'b' })
  assert.equal(served(), 'B')
  // Where it was served meanwhile it stays.
  sticky.answered({ source: 's1' }, group.servers, model.peer('C'), HEAD)
  assert.equal(served(), 'C')
})
