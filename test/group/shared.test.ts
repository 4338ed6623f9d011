// Groups that processes share, played in one process: what one edits or finds out holds in all.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createUpstreams } from '../../lib/index.ts'
import { ServerGroup } from '../../lib/group/server-group.ts'
import { shareOut, type Held, type Shares } from '../../lib/group/channel/shares.ts'
import { systemTimers } from '../../lib/runtime/timers.ts'
import { FakeTimers } from '../helpers/timers.ts'
import { startRecorder } from '../helpers/recorder.ts'
import { MemoryBus } from '../helpers/memory-channel.ts'
import type { GroupOptions, UpstreamServer } from '../../types/index.ts'
import type { Peer } from '../../lib/balancer/peer.ts'
import type { Selection } from '../../lib/balancer/selection.ts'
import type { Endpoint } from '../../lib/connections/protocol.ts'

const A = '127.0.0.1:1'
const B = '127.0.0.1:2'
const C = '127.0.0.1:3'

class Played implements AsyncDisposable {
  readonly bus = new MemoryBus()
  readonly groups: ServerGroup[] = []

  async start (process: string, options: Partial<GroupOptions> = {}): Promise<ServerGroup> {
    const group = new ServerGroup({ name: 'g', servers: [A, B], ...options, shared: this.bus.channel(process) })
    this.groups.push(group)
    await group.open()
    group.hold()
    return group
  }

  async startAll (count: number, options: Partial<GroupOptions> = {}): Promise<ServerGroup[]> {
    for (let n = 1; n <= count; n++) await this.start(`p${n}`, options)
    return this.groups
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    for (const group of this.groups) group.stop()
  }
}

const standing = (group: ServerGroup): object[] => group.servers
  .map(({ name, state, weight, maxFails, backup, route }) => ({ name, state, weight, maxFails, backup, route }))
const names = (group: ServerGroup): string[] => group.servers.map(({ name }) => name).sort()
function server (group: ServerGroup | undefined, name: string): UpstreamServer {
  const found = group?.servers.find(each => each.name === name)
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

/** An attempt on a group that ends as it is told. */
function attempt (group: ServerGroup | undefined): { selection: Selection<Endpoint>, release (outcome: 'ok' | 'failed'): void, name: string } | undefined {
  const selection = group?.balancer?.begin()
  const peer = selection?.next()
  if (selection === undefined || peer === undefined) return undefined
  return { selection, name: peer.name, release: outcome => selection.release(peer, outcome) }
}

test('edits, servers that come and go, and the method are those of all', async () => {
  await using played = new Played()
  const [one, two, three] = await played.startAll(3)
  assert(one && two && three)
  one.edit(A, { weight: 5, route: 'r', maxFails: 3 })
  two.drain(B)
  three.setBalance('least_conn')
  for (const group of played.groups) {
    assert.deepEqual(standing(group), [
      { name: A, state: 'up', weight: 5, maxFails: 3, backup: false, route: 'r' },
      { name: B, state: 'draining', weight: 1, maxFails: 1, backup: false, route: undefined },
    ])
    assert.equal(group.balance, 'least_conn')
  }
  await two.add({ address: C, weight: 7 })
  one.edit(C, { backup: true })
  three.remove(A)
  await new Promise(resolve => setImmediate(resolve))
  for (const group of played.groups) assert.deepEqual(names(group), [B, C])
  for (const group of played.groups) assert.deepEqual([server(group, C).weight, server(group, C).backup], [7, true])
  // Who comes late finds it so.
  const late = await played.start('late')
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual(names(late), [B, C])
  assert.deepEqual([server(late, B).state, server(late, C).weight, server(late, C).backup, late.balance], ['draining', 7, true, 'least_conn'])
  // A server that is added anew is not what was edited of the one before.
  await one.add(A)
  await new Promise(resolve => setImmediate(resolve))
  for (const group of played.groups) assert.equal(server(group, A).weight, 1)
  for (const wrong of [{ hash: () => 'x' }, { select: () => undefined }]) {
    assert.throws(() => one.setBalance(wrong), { code: 'FST_SCGI_OPT_UNSUPPORTED', message: /shared/ })
  }
  one.setBalance({ random: 'two' })
  assert.equal(three.balance, 'random two')
})

test('failures take a server out for all, and an answer brings it back', async () => {
  await using played = new Played()
  const [one, two] = await played.startAll(2, { servers: [{ address: A, failTimeout: 50, slowStart: '1m' }, B] })
  for (let first = attempt(one); ; first = attempt(one)) {
    first?.release(first.name === A ? 'failed' : 'ok')
    if (first?.name === A) break
  }
  assert.equal(server(one, A).state, 'failed')
  assert.deepEqual([server(two, A).state, server(two, A).failed], ['failed', true])
  const late = await played.start('late', { servers: [{ address: A, failTimeout: 50, slowStart: '1m' }, B] })
  assert.equal(server(late, A).state, 'failed')
  // When its time is over, the probe of one of them tells the others.
  for (let probe = attempt(two); ; probe = attempt(two)) {
    probe?.release('ok')
    if (probe?.name === A) break
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const group of played.groups) assert.deepEqual([server(group, A).state, server(group, A).fails], ['up', 0])
  // It begins slowly in all of them.
  for (const group of played.groups) assert.equal(group.balancer?.servers.find(({ name }) => name === A)?.ramping, true)
})

test('who hears late of a return, or of a server that was added, gives it the weight that it has grown to meanwhile', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  const slow = (group: ServerGroup | undefined, name: string) => group?.balancer?.servers.find(each => each.name === name)
  const kinds: Record<string, { out (group: ServerGroup): void, back (group: ServerGroup): void }> = {
    failures: { out: group => slow(group, A)?.takeOut(3_600_000), back: group => slow(group, A)?.takeBack() },
    ejection: {
      out: group => { const peer = slow(group, A); if (peer !== undefined) peer.ejectedUntil = Infinity },
      back: group => { const peer = slow(group, A); if (peer !== undefined) peer.ejectedUntil = -Infinity },
    },
    edit: { out: group => group.disable(A), back: group => group.enable(A) },
  }
  for (const [name, { out, back }] of Object.entries(kinds)) {
    for (const slowStart of ['1s', '1h'] as const) {
      await using played = new Played()
      const [one, two] = await played.startAll(2, { servers: [{ address: A, slowStart }, B] })
      assert(one && two)
      out(one)
      assert.notEqual(server(two, A).state, 'up', name)
      played.bus.cut('p2')
      back(one)
      await one.add({ address: C, slowStart })
      t.mock.timers.tick(60_000)
      played.bus.join('p2')
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
      for (const address of [A, C]) {
        assert.equal(server(two, address).state, 'up', name)
        const peer: Peer<Endpoint> | undefined = slow(two, address)
        const share: number = peer?.share(two.balancer?.now() ?? 0) ?? 0
        // After a minute of an hour there is a sixtieth of the weight.
        assert.equal(slowStart === '1s' ? share : Math.round(share * 60), 1, `${name} ${slowStart} ${address} ${share}`)
      }
      assert(slow(one, A)?.ramping)
    }
  }
})

test('a process that begins while a server is in its slow start gives it its part', async t => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 })
  await using played = new Played()
  const servers = [{ address: A, slowStart: '1h' as const }, B]
  const [one] = await played.startAll(1, { servers })
  const peer = one?.balancer?.servers.find(({ name }) => name === A)
  peer?.takeOut(3_600_000)
  peer?.takeBack()
  t.mock.timers.tick(60_000)
  // Nothing else in it changes with the clock.
  const late = await played.start('late', { servers })
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  let turns = 0
  for (let each = 0; each < 200; each++) {
    const taken = attempt(late)
    if (taken?.name === A) turns++
    taken?.release('ok')
  }
  // A sixtieth of the weight.
  assert.equal(turns, 3)
})

test('passed checks bring a server with retry back for all, and none that has failTimeout', async () => {
  await using one = await startRecorder()
  await using two = await startRecorder()
  await using three = await startRecorder()
  await using played = new Played()
  const groups = await played.startAll(2, {
    servers: [{ address: one.address, retry: '1h' }, { address: two.address, failTimeout: '1h' }, three.address],
    health: { type: 'connect', interval: '100ms', passes: 2 },
  })
  const last = groups.at(-1)
  const back = groups.map(group => new Promise<string>(resolve => {
    group.on('state', ({ server, state, previous }) => { if (state === 'up') resolve(`${server.name} ${previous}`) })
  }))
  // The one that does not check.
  for (const address of [two.address, one.address]) {
    while (server(last, address).state !== 'failed') {
      const each = attempt(last)
      each?.release(each.name === address ? 'failed' : 'ok')
    }
  }
  assert.deepEqual(groups.map(group => server(group, one.address).state), ['failed', 'failed'])
  const { accepted } = one
  assert.deepEqual(await Promise.all(back), [`${one.address} failed`, `${one.address} failed`])
  assert.ok(one.accepted >= accepted + 2)
  for (const group of groups) assert.deepEqual([one, two, three].map(({ address }) => server(group, address).state), ['up', 'failed', 'up'])
})

test('ejections hold in all', async () => {
  await using played = new Played()
  const options: Partial<GroupOptions> = {
    servers: [{ address: A, maxFails: 0 }, B, C], outlier: { minRequests: 2, failureShare: 0.5, window: '10s', baseTime: '10s' },
  }
  const [one, two] = await played.startAll(2, options)
  const told: string[] = []
  two?.on('state', ({ server, state }) => told.push(`${server.name} ${state}`))
  for (let n = 0; n < 12; n++) {
    const each = attempt(one)
    each?.release(each.name === A ? 'failed' : 'ok')
  }
  assert.equal(server(one, A).state, 'ejected')
  assert.deepEqual([server(two, A).state, told], ['ejected', [`${A} ejected`]])
  assert.match(server(two, A).reason ?? '', /attempts in 10 s failed/)
})

for (const first of ['timer', 'pick'] as const) {
  test(`the end of an ejection is told in all, and the next one is: the ${first} comes first`, async t => {
    const timers = new FakeTimers()
    t.mock.method(performance, 'now', timers.now)
    t.mock.method(systemTimers, 'after', timers.after.bind(timers))
    t.mock.method(Date, 'now', timers.now)
    await using played = new Played()
    const groups = await played.startAll(2, {
      servers: [{ address: A, maxFails: 0 }, B, C], outlier: { minRequests: 2, failureShare: 0.5, window: '10s', baseTime: '10s' },
    })
    const told: string[][] = groups.map(() => [])
    groups.forEach((group, index) => group.on('state', ({ server, state, previous }) => told[index]?.push(`${server.name} ${previous} ${state}`)))
    const pass = (milliseconds: number): void => {
      if (first === 'pick') {
        timers.time += milliseconds
        for (const group of groups) for (let n = 0; n < 3; n++) attempt(group)?.release('ok')
      }
      timers.advance(first === 'pick' ? 0 : milliseconds)
    }
    const eject = (): void => {
      while (server(groups[0], A).state !== 'ejected') {
        const each = attempt(groups[0])
        each?.release(each.name === A ? 'failed' : 'ok')
      }
    }
    eject()
    pass(10_001)
    for (const group of groups) assert.deepEqual([server(group, A).state, server(group, A).reason], ['up', undefined])
    timers.advance(60_000)
    eject()
    for (const each of told) assert.deepEqual(each, [`${A} up ejected`, `${A} ejected up`, `${A} up ejected`])
    // Who has ejected it tells nobody any more.
    played.bus.cut('p1')
    pass(30_000)
    for (const each of told) assert.deepEqual(each.slice(3), [`${A} ejected up`])
    const late = await played.start('late', { servers: [A, B, C] })
    assert.deepEqual([server(late, A).state, server(late, A).reason], ['up', undefined])
  })
}

test('maxConns is shared out, also when processes come, go and are busy: never more than the limit in sum', async () => {
  await using played = new Played()
  const options: Partial<GroupOptions> = { servers: [{ address: A, maxConns: 5 }] }
  const one = await played.start('p1', options)
  const busy = Array.from({ length: 9 }, () => attempt(one)).filter(each => each !== undefined)
  assert.equal(busy.length, 5)
  // The newcomer gets what the other one gives back, no sooner.
  const two = await played.start('p2', options)
  assert.equal(attempt(two), undefined)
  busy.pop()?.release('ok')
  assert.equal(attempt(one), undefined)
  const first = attempt(two)
  assert.ok(first)
  busy.pop()?.release('ok')
  const second = attempt(two)
  assert.ok(second)
  assert.equal(attempt(two), undefined)
  // Another limit, and one process less.
  one.edit(A, { maxConns: 2 })
  assert.equal(attempt(one), undefined)
  two.stop()
  for (const each of [...busy, first, second]) each.release('ok')
  assert.deepEqual(Array.from({ length: 4 }, () => attempt(one) !== undefined), [true, true, false, false])
  one.edit(A, { maxConns: 0 })
  assert.ok(Array.from({ length: 9 }, () => attempt(one)).every(each => each !== undefined))
})

test('maxConns that is edited is shared out anew, whoever edits it', async () => {
  const shared = (limit: number): number[] => limit === 0
    ? [Infinity, Infinity, Infinity, Infinity]
    : [0, 1, 2, 3].map(index => Math.floor(limit / 4) + (index < limit % 4 ? 1 : 0))
  const edits: number[][] = [[52, 20], [52, 100], [0, 50], [52, 0, 40], [50, 3]]
  const limits = (groups: readonly ServerGroup[]): (number | undefined)[] => groups.map(group => group.balancer?.servers[0]?.limit)
  for (const [first = 0, ...then] of edits) {
    for (const by of [0, 2]) {
      // Sent by hand: another process may hear of shares before it hears of the edit.
      for (const order of ['at once', 'in order', 'last first'] as const) {
        await using played = new Played()
        const groups = await played.startAll(4, { servers: [{ address: A, maxConns: first }, B] })
        assert.deepEqual(limits(groups), shared(first))
        for (const limit of then) {
          if (order !== 'at once') played.bus.hold()
          groups[by]?.edit(A, { maxConns: limit })
          if (order !== 'at once') played.bus.flush(list => order === 'in order' ? list : [...list].reverse())
          assert.deepEqual(limits(groups), shared(limit), `${first} -> ${then.join(' -> ')} edited by ${by}, ${order}`)
        }
      }
    }
  }
})

test('shares: whatever processes have heard of yet, the sum of what they use is never more than the limit', () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.array(
      fc.record({ who: fc.integer({ min: 0, max: 3 }), what: fc.constantFrom('join', 'hear', 'say', 'give', 'end'), much: fc.nat(4) }),
      { maxLength: 60 }),
    (limit, steps) => {
      const all = ['a', 'b', 'c', 'd']
      const there = new Set(['a'])
      let given: Shares = {}
      let clock = 0
      const held = new Map<string, Held>()
      const state = new Map(all.map(name => [name, { limit: 0, active: 0, at: -1 }]))
      for (const { who, what, much } of steps) {
        const name = all[who] ?? 'a'
        const process = state.get(name)
        assert(process)
        if (what === 'join') there.add(name)
        if (what === 'give') {
          given = shareOut(limit, all.filter(each => there.has(each)), given, clock, held)
          clock += 1
        } else if (what === 'hear' && there.has(name)) Object.assign(process, { limit: given[name] ?? 0, at: clock })
        else if (what === 'say' && process.at >= 0) held.set(name, { count: Math.max(process.limit, process.active), at: process.at })
        else if (what === 'end') process.active = Math.max(0, process.active - much)
        // It takes all that it may.
        process.active = Math.max(process.active, process.limit)
        const used = [...state.values()].reduce((sum, { active }) => sum + active, 0)
        assert.ok(used <= limit, `${used} of ${limit}`)
      }
    }), {
    numRuns: 500,
    // One that has heard of the first shares alone.
    examples: [[2, [
      { who: 0, what: 'give', much: 0 }, { who: 0, what: 'hear', much: 0 }, { who: 1, what: 'join', much: 0 }, { who: 0, what: 'give', much: 0 },
      { who: 0, what: 'give', much: 0 }, { who: 1, what: 'hear', much: 0 },
    ]]],
  })
})

test('edits at the same time, heard of in any order, end the same everywhere', async () => {
  const edit = fc.record({
    by: fc.nat(2),
    server: fc.constantFrom(A, 'localhost:9', '127.0.0.1:9'),
    changes: fc.oneof(
      fc.record({ weight: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ down: fc.boolean() }),
      fc.record({ backup: fc.boolean(), maxFails: fc.nat(5) }),
      fc.record({ spare: fc.boolean() }),
      fc.record({ standby: fc.boolean() }),
      fc.record({ route: fc.option(fc.constantFrom('r', 's')) })),
  })
  const orders = fc.array(fc.nat(), { minLength: 60, maxLength: 60 })
  await fc.assert(fc.asyncProperty(fc.array(edit, { maxLength: 12 }), orders, async (edits, order) => {
    await using played = new Played()
    const groups = await played.startAll(3, { servers: [A, 'localhost:9'] })
    played.bus.hold()
    for (const { by, server, changes } of edits) {
      try {
        groups[by]?.edit(server, changes)
      } catch {
        // Not all can be: this process has been told so.
      }
    }
    let at = 0
    played.bus.flush(list => list
      .map(each => ({ each, rank: order[at++ % order.length] ?? 0 }))
      .sort((one, other) => one.rank - other.rank).map(({ each }) => each))
    const [first, ...others] = groups
    assert(first)
    for (const other of others) assert.deepEqual(standing(other), standing(first))
    const late = await played.start('late', { servers: [A, 'localhost:9'] })
    assert.deepEqual(standing(late), standing(first))
  }), { numRuns: 25 })
})

test('who is cut off goes on by itself, and catches up', async () => {
  await using played = new Played()
  const [one, two] = await played.startAll(2)
  played.bus.cut('p2')
  one?.edit(A, { weight: 4 })
  two?.edit(B, { weight: 6 })
  one?.edit(B, { maxFails: 2 })
  assert.deepEqual([server(two, A).weight, server(one, B).weight], [1, 1])
  played.bus.join('p2')
  await new Promise(resolve => setImmediate(resolve))
  for (const group of played.groups) {
    assert.deepEqual([server(group, A).weight, server(group, B).weight, server(group, B).maxFails], [4, 6, 2])
  }
})

test('without the option nothing is asked of anybody; with it the group needs a channel', () => {
  assert.throws(() => Reflect.apply(createUpstreams, undefined, [{ name: 'g', servers: [A], shared: 'redis' }]), {
    code: 'FST_SCGI_OPT_INVALID', message: /'upstreams\.shared'/,
  })
})
