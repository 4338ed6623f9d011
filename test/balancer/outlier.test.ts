// Which servers are ejected for failing too often, and for how long, with a mock clock.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ejections } from '../../lib/balancer/ejections.ts'
import { Group } from '../../lib/balancer/group.ts'
import { OutlierDetector } from '../../lib/balancer/outlier.ts'
import { FakeTimers } from '../helpers/timers.ts'
import type { OutlierSettings } from '../../lib/balancer/outlier.ts'
import type { PeerOptions } from '../../lib/balancer/peer.ts'

interface Watched {
  group: Group<string>
  timers: FakeTimers
  ejections: Ejections<string>
  /** Edits of the group in the order in which they were told: `'A ejected'`. */
  changes: string[]
  /** Sends requests; the servers named fail each of them. */
  send (count: number, ...failing: string[]): Record<string, number>
  /** The servers that are out. */
  ejected (): string
}

function watched (names: string, settings: Partial<OutlierSettings> = {}, peers: Partial<PeerOptions<string>> = {}): Watched {
  const timers = new FakeTimers()
  const changes: string[] = []
  const group: Group<string> = new Group<string>({
    name: 'g',
    // Nothing but the ejection is to take them out.
    peers: [...names].map(name => ({ name, target: name, maxFails: 0, ...peers })),
    now: timers.now,
    onOutcome: (peer, outcome) => outliers.record(peer, outcome),
    onChange: (peer, change) => {
      if (change === 'removed') {
        ejections.remove(peer)
        outliers.remove(peer)
      }
      changes.push(`${peer.name} ${change} ${peer.state}`)
    },
  })
  const usual = { window: 10_000, minRequests: 5, failureShare: 0.5, maxEjected: 0.5, baseTime: 1000, maxTime: 60_000 }
  const ejections = new Ejections<string>(timers)
  const outliers = new OutlierDetector<string>({ ...usual, ...settings }, () => group.servers, timers, ejections)
  return {
    group,
    timers,
    ejections,
    changes,
    send (count, ...failing) {
      const served: Record<string, number> = {}
      for (let n = 0; n < count; n++) {
        const selection = group.begin()
        const peer = selection.next()
        if (peer === undefined) continue
        served[peer.name] = (served[peer.name] ?? 0) + 1
        selection.release(peer, failing.includes(peer.name) ? 'failed' : 'ok')
      }
      return served
    },
    ejected: () => group.servers.filter(peer => peer.state === 'ejected').map(peer => peer.name).join(''),
  }
}

test('the share of failures ejects, after so many attempts; the others serve', () => {
  const { group, send, ejected, changes } = watched('ABC')
  send(12, 'B')
  assert.equal(ejected(), '')
  send(3, 'B')
  assert.equal(ejected(), 'B')
  assert.equal(group.servers[1]?.reason, '5 of 5 attempts in 10 s failed: ejected for 1 s')
  assert.deepEqual(changes, ['B ejected ejected'])
  assert.deepEqual(send(10, 'B'), { A: 5, C: 5 })
})

test('fewer failures than the share do not', () => {
  const { group, timers, ejected } = watched('AB')
  let count = 0
  for (let n = 0; n < 200; n++) {
    timers.advance(10)
    const selection = group.begin()
    const peer = selection.next()
    if (peer !== undefined) selection.release(peer, peer.name === 'A' && ++count % 5 < 2 ? 'failed' : 'ok')
  }
  assert.equal(ejected(), '')
})

test('attempts that were given up do not count', () => {
  const { group, ejected } = watched('AB')
  for (let n = 0; n < 50; n++) {
    const selection = group.begin()
    const peer = selection.next()
    if (peer !== undefined) selection.release(peer, 'abort')
  }
  assert.equal(ejected(), '')
})

test('the window slides: what is older than it does not count', () => {
  const { timers, send, ejected } = watched('AB')
  send(8, 'A') // 4 failures of A
  timers.advance(9000)
  assert.equal(ejected(), '')
  timers.advance(2000)
  send(8, 'A')
  assert.equal(ejected(), '', 'the first four are forgotten')
  timers.advance(5000)
  send(2, 'A')
  assert.equal(ejected(), 'A')
})

test('it is back after baseTime, and each further time twice as long, up to maxTime; the end is told', () => {
  const { timers, send, ejected, changes, group } = watched('AB', { maxTime: 5000 })
  const times = []
  for (let n = 0; n < 5; n++) {
    for (let sent = 0; ejected() === '' && sent < 50; sent++) send(1, 'A')
    assert.equal(ejected(), 'A')
    times.push(timers.next)
    timers.advance((timers.next ?? 0) - 1)
    assert.equal(ejected(), 'A')
    timers.advance(1)
    assert.equal(ejected(), '')
    assert.equal(group.servers[0]?.reason, undefined)
  }
  assert.deepEqual(times, [1000, 2000, 4000, 5000, 5000])
  assert.deepEqual(changes.slice(0, 3), ['A ejected ejected', 'A ejected up', 'A ejected ejected'])
  timers.advance(5001)
  for (let sent = 0; ejected() === '' && sent < 50; sent++) send(1, 'A')
  assert.equal(timers.next, 1000, 'it begins anew')
})

test('it returns with a clean window', () => {
  const { timers, send, ejected } = watched('AB', { window: 100_000 })
  send(10, 'A')
  assert.equal(ejected(), 'A')
  timers.advance(1000)
  assert.deepEqual(send(8, 'A'), { A: 4, B: 4 })
  assert.equal(ejected(), '')
})

test('no more than maxEjected at once', () => {
  for (const [names, maxEjected, most] of [['ABCDEFGHIJ', 0.3, 3], ['ABC', 0.5, 1], ['AB', 0.4, 0], ['ABCDEFGHIJ', 0.7, 7], ['ABCD', 1, 3]] as const) {
    const { send, ejected } = watched(names, { maxEjected })
    send(200, ...names)
    assert.equal(ejected().length, most, `${names} ${maxEjected}`)
  }
})

test('the last server that can serve is never ejected', () => {
  const { group, send, ejected } = watched('ABCD', { maxEjected: 1 })
  const [one, two, three] = group.servers
  if (one === undefined || two === undefined || three === undefined) throw new Error('no servers')
  one.healthy = false
  two.drain = true
  three.configure({ name: three.name, key: three.key, target: three.target, maxConns: 1 })
  const held = group.begin()
  while (held.next() !== three) held.release(group.servers[3] ?? three, 'ok')
  send(100, 'D')
  assert.equal(ejected(), '')
  held.release(three, 'ok')
  send(100, 'D')
  assert.equal(ejected(), 'D')
})

test('a group of one server ejects none', () => {
  const { send, ejected } = watched('A', { maxEjected: 1 })
  send(100, 'A')
  assert.equal(ejected(), '')
})

test('stop: no timer is left, and the ejection ends all the same', () => {
  const { timers, send, ejected, ejections } = watched('AB')
  send(10, 'A')
  ejections.stop()
  assert.deepEqual([timers.pending, ejected()], [0, 'A'])
  timers.advance(1000)
  assert.equal(ejected(), '')
  assert.deepEqual(send(4), { A: 2, B: 2 })
})

test('a server that is removed takes its timer with it', () => {
  const { group, timers, send } = watched('ABC')
  send(15, 'A')
  assert.equal(timers.pending, 1)
  const [first] = group.servers
  if (first !== undefined) group.remove(first)
  assert.equal(timers.pending, 0)
})
