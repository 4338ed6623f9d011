// Apache's rules for servers that failed: retry, forceRecovery.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { exhaust, testGroup, weighted, type PeerSpec, type TestGroup } from './model.ts'
import type { Peer } from '../../lib/balancer/peer.ts'
import type { AttemptOutcome } from '../../types/upstream.ts'

test('retry: out for as long as it says, whatever failTimeout is, then all is forgotten', () => {
  const { group, attempt, clock, peer, changes } = testGroup([{ name: 'A', retry: 500, failTimeout: 60_000 }, { name: 'B' }])
  assert.equal(attempt('failed'), 'A')
  assert.deepEqual([peer('A').failed, changes], [true, ['A down']])
  clock.advance(500)
  assert.equal([1, 2, 3].map(() => attempt('ok')).join(''), 'BBB')
  clock.advance(1)
  assert.equal(peer('A').failed, false)
  // Not one probe alone: it takes part again.
  const running = Array.from({ length: 6 }, () => group.begin())
  const picked = running.map(selection => selection.next())
  assert(picked.filter(name => name === peer('A')).length >= 2)
  assert.equal(peer('A').fails, 0)
  assert.deepEqual(changes, ['A down'])
  running.forEach((selection, index) => selection.release(picked[index] ?? peer('A'), 'ok'))
  assert.deepEqual(changes, ['A down', 'A up'])
})

test('retry: when it fails again it is out again, without a word', () => {
  const { attempt, clock, peer, changes } = testGroup([{ name: 'A', retry: 500 }, { name: 'B' }])
  attempt('failed')
  for (let round = 0; round < 3; round++) {
    clock.advance(501)
    while (attempt(peer('A').fails > 0 ? 'ok' : 'failed') !== 'A');
    while (!peer('A').failed) attempt('failed')
    assert.equal(peer('A').state, 'failed')
  }
  assert.equal(changes.filter(change => change.startsWith('A')).length % 2, 1)
})

interface Return {
  /** By which rule A is out. Default: by `retry`. */
  readonly rule?: Partial<PeerSpec>
  comeBack (test: TestGroup): void
}

const RETURNS: Record<string, Return> = {
  'after its time': { comeBack: ({ clock }) => clock.advance(501) },
  'because others know that it serves': { comeBack: ({ peer }) => peer('A').takeBack() },
  'when all are forgiven': {
    comeBack: ({ group, peer }) => {
      peer('B').takeOut(500)
      assert.equal(group.recover(), true)
    },
  },
  'by an edit that gives it a retry': {
    rule: { failTimeout: 60_000 },
    comeBack: ({ group, clock, peer }) => {
      const { failTimeout } = peer('A')
      group.update(group.servers.map(({ name, weight, target, maxFails }) => ({ name, weight, target, maxFails, retry: 5, failTimeout })))
      clock.advance(6)
    },
  },
}

for (const [name, { rule = { retry: 500 }, comeBack }] of Object.entries(RETURNS)) {
  test(`retry: the full share at once, ${name}`, () => {
    for (const [a, b] of [[10, 10], [1, 1], [7, 3], [3, 20], [100, 1]] as const) {
      for (const maxFails of [1, 3]) {
        const tested = testGroup([{ name: 'A', weight: a, maxFails, ...rule }, { name: 'B', weight: b }])
        const { group, peer } = tested
        let isBack = false
        const turn = (): string | undefined => {
          const selection = group.begin()
          const picked = selection.next()
          if (picked !== undefined) selection.release(picked, picked === peer('A') && !isBack ? 'failed' : 'ok')
          return picked?.name
        }
        while (!peer('A').failed) turn()
        for (let count = 0; count < 7; count++) assert.equal(turn(), 'B')
        comeBack(tested)
        isBack = true
        const turns = Array.from({ length: a + b }, turn).filter(server => server === 'A').length
        assert.deepEqual([peer('A').effectiveWeight, Math.abs(turns - a) <= 1], [a, true], `${a} to ${b}, ${maxFails} failures: ${turns} turns`)
      }
    }
  })
}

test('retry: failures never cost a server a part of its share', () => {
  const outcome = fc.constantFrom<AttemptOutcome>('ok', 'failed', 'failed', 'next', 'abort')
  const servers = fc.array(fc.record({
    weight: fc.integer({ min: 1, max: 20 }), maxFails: fc.integer({ min: 0, max: 4 }), retry: fc.constantFrom(0, 20, 500),
  }), { minLength: 2, maxLength: 4 })
  const attempts = fc.array(fc.tuple(outcome, fc.constantFrom(0, 1, 30)), { maxLength: 60 })
  fc.assert(fc.property(servers, attempts, (specs, turns) => {
    const { group, clock, attempt } = testGroup(specs.map((each, index) => ({ name: `p${index}`, ...each })))
    for (const [result, pause] of turns) {
      attempt(result)
      clock.advance(pause)
      for (const peer of group.servers) assert.equal(peer.effectiveWeight, peer.weight)
    }
  }), { numRuns: 100 })
})

test('retry 0: never out', () => {
  const { attempt, changes } = testGroup([{ name: 'A', retry: 0 }, { name: 'B', retry: 0 }])
  assert.equal(new Set(Array.from({ length: 10 }, () => attempt('failed'))).size, 2)
  assert.deepEqual(changes, [])
})

test('forceRecovery: when all are out for their failures they are all back, with the next request', () => {
  const { group, attempt, changes } = testGroup([...weighted(1, 1), { name: 'X', backup: true }], { forceRecovery: true })
  assert.deepEqual(exhaust(group.begin(), 'failed'), ['A', 'B', 'X'])
  assert.deepEqual(changes, ['A down', 'B down', 'X down'])
  assert.match(attempt('ok') ?? '', /[AB]/)
  assert.deepEqual(changes.slice(3), ['A up', 'B up', 'X up'])
  assert(group.servers.every(peer => !peer.failed && peer.fails === 0))
})

const THIRD: Record<string, { spec?: Partial<PeerSpec>, block? (peer: Peer<string>): void }> = {
  'nothing else': {},
  down: { block: peer => { peer.down = true } },
  draining: { block: peer => { peer.drain = true } },
  'down and draining': { block: peer => { peer.down = peer.drain = true } },
  unhealthy: { block: peer => { peer.healthy = false } },
  checking: { block: peer => { peer.checking = true } },
  stopped: { block: peer => { peer.stopped = 'it ends' } },
  ejected: { block: peer => { peer.ejectedUntil = Infinity } },
  'a spare': { spec: { spare: true } },
  'a standby': { spec: { standby: true } },
  'a backup': { spec: { backup: true } },
  'of a later lbset': { spec: { lbset: 1 } },
  full: { spec: { maxConns: 1 }, block: peer => { peer.active = 1 } },
}

for (const [name, { spec, block }] of Object.entries(THIRD)) {
  test(`forceRecovery: every server counts, whatever else it is: ${name}`, () => {
    for (const failed of [true, false]) {
      const { group, attempt, clock, peer, changes } = testGroup([
        { name: 'A', retry: 60_000 }, { name: 'B', failTimeout: 60_000 }, { name: 'C', failTimeout: 1000, ...spec },
      ], { forceRecovery: true })
      block?.(peer('C'))
      for (const name of failed ? ['A', 'B', 'C'] : ['A', 'B']) peer(name).takeOut(name === 'C' ? 1000 : 60_000)
      if (!failed) {
        // One that could serve does.
        const isOut = block !== undefined
        assert.deepEqual([attempt('next'), peer('A').failed, peer('B').failed], [isOut ? undefined : 'C', true, true])
        continue
      }
      changes.length = 0
      assert.match(attempt('ok') ?? '', block === undefined && spec === undefined ? /[ABC]/ : /[AB]/)
      assert.deepEqual([changes, group.servers.some(peer => peer.failed)], [['A up', 'B up', 'C up'], false])
      // Where the time of one of them is over it is not in error any more, and as before.
      for (const name of ['A', 'B', 'C']) peer(name).takeOut(name === 'C' ? 1000 : 60_000)
      clock.advance(1001)
      assert.deepEqual([attempt('next'), peer('A').failed, peer('B').failed], [block === undefined ? 'C' : undefined, true, true])
    }
  })
}

test('forceRecovery: it brings nobody back who is out for another reason, nor does it need maxFails', () => {
  const { group, attempt, peer } = testGroup(weighted(1, 1), { forceRecovery: true })
  for (const { name } of group.servers) {
    peer(name).takeOut(60_000)
    peer(name).down = true
  }
  assert.deepEqual([attempt('ok'), peer('A').state, peer('A').failed], [undefined, 'down', false])
  for (const never of [{ maxFails: 0 }, { retry: 0 }]) {
    const { attempt, peer } = testGroup([{ name: 'A' }, { name: 'B', ...never, down: true }], { forceRecovery: true })
    assert.equal(attempt('failed'), 'A')
    peer('B').takeOut(60_000)
    assert.deepEqual([attempt('ok'), peer('A').failed], [undefined, true])
  }
})

test('without it nothing is forgiven', () => {
  const { group, attempt } = testGroup(weighted(1, 1))
  exhaust(group.begin(), 'failed')
  assert.equal(attempt('ok'), undefined)
})
