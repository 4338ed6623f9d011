import assert from 'node:assert/strict'
import test from 'node:test'
import type { Selection } from '../../lib/balancer/selection.ts'
import { testGroup, weighted } from './model.ts'
import type { TestGroup } from './model.ts'

/** A group of which A is out, at the moment at which its first probe is running. */
function probing (): TestGroup & { probe: Selection<string> } {
  const made = testGroup(weighted(1, 1))
  assert.equal(made.attempt('failed'), 'A')
  made.clock.advance(10_001)
  return { ...made, probe: nextProbe(made) }
}

function nextProbe ({ group, peer }: TestGroup): Selection<string> {
  for (let turn = 0; turn < 4; turn++) {
    const selection = group.begin()
    const picked = selection.next()
    assert(picked)
    if (picked === peer('A')) return selection
    selection.release(picked, 'ok')
  }
  throw new Error('A is not probed')
}

const turns = ({ attempt }: TestGroup): string => Array.from({ length: 6 }, () => attempt('ok')).join('')

test('an abort neither counts against a server nor for it', () => {
  const { group, attempt, peer, changes } = testGroup(weighted(1, 1))
  assert.equal(Array.from({ length: 6 }, () => attempt('abort')).join(''), 'ABABAB')
  assert.deepEqual(group.servers.map(server => [server.fails, server.active, server.effectiveWeight]), [[0, 0, 1], [0, 0, 1]])
  attempt('failed')
  attempt('abort')
  assert.equal(peer('A').fails, 1)
  assert.deepEqual(changes, ['A down'])
})

test('an aborted probe does not bring the server back', () => {
  const made = probing()
  made.clock.advance(100)
  made.probe.release(made.peer('A'), 'abort')
  assert.equal(made.peer('A').fails, 1)
  assert.equal(made.peer('A').failed, true)
  assert.deepEqual(made.changes, ['A down'])
})

test('after an aborted probe the next one waits as long as that took', () => {
  const made = probing()
  made.clock.advance(100)
  made.probe.release(made.peer('A'), 'abort')
  made.clock.advance(100)
  assert.equal(turns(made), 'BBBBBB')
  made.clock.advance(1)
  const second = nextProbe(made)
  assert.equal(turns(made), 'BBBBBB')
  made.clock.advance(3000)
  second.release(made.peer('A'), 'abort')
  made.clock.advance(3000)
  assert.equal(turns(made), 'BBBBBB')
  made.clock.advance(1)
  nextProbe(made).release(made.peer('A'), 'ok')
  assert.deepEqual(made.changes, ['A down', 'A up'])
})

test('but never longer than failTimeout from its beginning', () => {
  const made = probing()
  made.clock.advance(9000)
  made.probe.release(made.peer('A'), 'abort')
  made.clock.advance(1000)
  assert.equal(turns(made), 'BBBBBB')
  made.clock.advance(1)
  nextProbe(made)
})

test('an aborted attempt that is not the probe leaves the probe alone', () => {
  const made = testGroup(weighted(5, 1))
  const early = made.group.begin()
  assert.equal(early.next(), made.peer('A'))
  assert.equal(made.attempt('failed'), 'A')
  made.clock.advance(10_001)
  nextProbe(made)
  early.release(made.peer('A'), 'abort')
  assert.equal(made.peer('A').failed, true)
  made.clock.advance(10_000)
  assert.equal(turns(made), 'BBBBBB')
})

test('an abort does not shorten the time of a failure that came after the probe began', () => {
  const made = testGroup(weighted(5, 1))
  const early = made.group.begin()
  assert.equal(early.next(), made.peer('A'))
  assert.equal(made.attempt('failed'), 'A')
  made.clock.advance(10_001)
  const probe = nextProbe(made)
  early.release(made.peer('A'), 'failed')
  probe.release(made.peer('A'), 'abort')
  made.clock.advance(10_000)
  assert.equal(made.peer('A').failed, true)
  made.clock.advance(1)
  assert.equal(made.peer('A').failed, false)
})

test('the abort of an old probe leaves a newer one alone', () => {
  const made = probing()
  made.clock.advance(10_001)
  const second = nextProbe(made)
  made.probe.release(made.peer('A'), 'abort')
  assert.equal(made.peer('A').failed, true)
  made.clock.advance(10_000)
  assert.equal(turns(made), 'BBBBBB')
  second.release(made.peer('A'), 'ok')
  assert.equal(made.peer('A').fails, 0)
})
