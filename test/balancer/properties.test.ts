import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Group } from '../../lib/balancer/group.ts'
import type { Peer } from '../../lib/balancer/peer.ts'
import type { Selection } from '../../lib/balancer/selection.ts'
import { FakeClock, Model } from './model.ts'
import type { ModelRequest, PeerSpec } from './model.ts'

const spec = fc.record({
  name: fc.constant('peer'),
  weight: fc.integer({ min: 1, max: 7 }),
  maxConns: fc.constantFrom(0, 0, 1, 3),
  maxFails: fc.constantFrom(0, 1, 1, 2, 5),
  failTimeout: fc.constantFrom(0, 1, 10, 10, 100),
  backup: fc.constantFrom(false, false, true),
  down: fc.constantFrom(false, false, false, true),
})
const specs: fc.Arbitrary<PeerSpec[]> = fc.array(spec, { minLength: 1, maxLength: 40 })
  .filter(list => list.some(peer => !peer.backup))

// What happens next: a request begins, an attempt ends (and the request asks again or not), time passes.
const steps = fc.array(fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'begin' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      which: fc.nat(),
      outcome: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const, 'next' as const, 'abort' as const),
      again: fc.boolean(),
    })
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0.5, 1, 5, 9, 10, 11, 50, 101) }) }
), { minLength: 20, maxLength: 200 })

interface Running {
  selection: Selection<number>
  request: ModelRequest
  peer: Peer<number>
}

test('every pick, every count and every weight is that of the model', () => {
  let picks = 0
  let refusals = 0
  let switches = 0
  fc.assert(fc.property(specs, steps, (list, script) => {
    const clock = new FakeClock()
    const group = new Group({ name: 'backend', peers: list.map((peer, target) => ({ ...peer, target })), now: clock.now })
    const model = new Model(list, clock.now)
    const running: Running[] = []

    const ask = (selection: Selection<number>, request: ModelRequest): void => {
      const peer = selection.next()
      const expected = model.next(request)
      assert.equal(peer?.target ?? -1, expected)
      if (peer !== undefined) running.push({ selection, request, peer })
      picks++
      if (peer === undefined) refusals++
      if (peer?.backup === true) switches++
    }

    for (const step of script) {
      if (step.kind === 'wait') clock.advance(step.ms)
      if (step.kind === 'begin') {
        const selection = group.begin()
        const request = model.begin()
        assert.equal(selection.tries, request.tries)
        ask(selection, request)
      }
      if (step.kind === 'end') {
        const [ended] = running.splice(step.which % Math.max(running.length, 1), 1)
        if (ended === undefined) continue
        const { selection, request, peer } = ended
        // The model has no aborts; they have a property of their own below.
        const outcome = step.outcome === 'abort' ? 'ok' : step.outcome
        selection.release(peer, outcome)
        model.free(request, peer.target, outcome)
        assert.equal(selection.tries, request.tries)
        if (step.again && !model.single) ask(selection, request)
      }
      group.servers.forEach((peer, index) => {
        const like = model.all[index]
        assert(like)
        const failed = model.obstacle({ ...like, down: false, maxConns: 0 }) === 'failed'
        // One string each: deepEqual takes ten times as long as all the rest.
        assert.equal(
          `${peer.active} ${peer.fails} ${peer.effectiveWeight} ${peer.currentWeight} ${peer.failed}`,
          `${like.conns} ${like.fails} ${like.effective} ${like.current} ${failed}`)
      })
    }
  }), { numRuns: 200 })
  assert(picks > 1000 && refusals > 100 && switches > 100, `${picks} picks, ${refusals} refusals, ${switches} of backups`)
})

test('whatever happened, once failTimeout is over nobody starves', () => {
  fc.assert(fc.property(specs, steps, (list, script) => {
    const clock = new FakeClock()
    const group = new Group({ name: 'backend', peers: list.map((peer, target) => ({ ...peer, target })), now: clock.now })
    const running: { selection: Selection<number>, peer: Peer<number> }[] = []
    for (const step of script) {
      if (step.kind === 'wait') clock.advance(step.ms)
      if (step.kind === 'begin') {
        const selection = group.begin()
        const peer = selection.next()
        if (peer !== undefined) running.push({ selection, peer })
      }
      if (step.kind === 'end') {
        const [ended] = running.splice(step.which % Math.max(running.length, 1), 1)
        // Mostly failures.
        ended?.selection.release(ended.peer, step.outcome === 'ok' ? 'failed' : step.outcome)
      }
    }
    for (const { selection, peer } of running) selection.release(peer, 'failed')
    clock.advance(101)
    const waiting = new Set(group.servers.filter(peer => !peer.down && !peer.backup))
    const cycle = group.servers.reduce((sum, peer) => sum + peer.weight, 0)
    for (let turn = 0; turn < 3 * cycle && waiting.size > 0; turn++) {
      const selection = group.begin()
      const peer = selection.next()
      assert(peer)
      waiting.delete(peer)
      selection.release(peer, 'ok')
    }
    assert.equal(waiting.size, 0)
  }), { numRuns: 200 })
})

test('with aborts too: nobody is chosen who may not be, and the counters return to zero', () => {
  fc.assert(fc.property(specs, steps, (list, script) => {
    const clock = new FakeClock()
    const standing = new Map<Peer<number>, string>()
    const group = new Group({
      name: 'backend',
      peers: list.map((peer, target) => ({ ...peer, target })),
      now: clock.now,
      onStateChange: (peer, state) => {
        // They alternate, and begin with 'down'.
        assert.equal(standing.get(peer) ?? 'up', state === 'down' ? 'up' : 'down')
        standing.set(peer, state)
      }
    })
    const running: { selection: Selection<number>, tried: Set<Peer<number>>, peer: Peer<number> }[] = []
    const probed = new Map<Peer<number>, number>()

    const ask = (selection: Selection<number>, tried: Set<Peer<number>>): void => {
      const failed = new Set(group.servers.filter(peer => peer.failed))
      const full = new Set(group.servers.filter(peer => peer.maxConns > 0 && peer.active >= peer.maxConns))
      const free = group.servers.filter(peer => !peer.down && !tried.has(peer) && !failed.has(peer) && !full.has(peer))
      const onBackup = [...tried].some(peer => peer.backup)
      const peer = selection.next()
      if (peer === undefined) {
        assert.deepEqual(free.filter(other => other.backup || !onBackup), [])
        return
      }
      assert(free.includes(peer))
      if (peer.backup && !onBackup) assert(free.every(other => other.backup), 'a backup was chosen while a primary is free')
      if (standing.get(peer) === 'down') {
        // A probe. While it runs, and failTimeout is not over, there is no other.
        const since = probed.get(peer)
        assert(since === undefined || clock.time - since > peer.failTimeout)
        probed.set(peer, clock.time)
      }
      tried.add(peer)
      running.push({ selection, tried, peer })
    }

    for (const step of script) {
      if (step.kind === 'wait') clock.advance(step.ms)
      if (step.kind === 'begin') ask(group.begin(), new Set())
      if (step.kind === 'end') {
        const [ended] = running.splice(step.which % Math.max(running.length, 1), 1)
        if (ended === undefined) continue
        const { selection, tried, peer } = ended
        const { fails, effectiveWeight } = peer
        selection.release(peer, step.outcome)
        if (step.outcome === 'abort') {
          assert.deepEqual([peer.fails, peer.effectiveWeight], [fails, effectiveWeight])
          // It may have been the probe.
          probed.delete(peer)
        }
        assert(peer.maxFails > 0 || !peer.failed)
        if (step.again && !group.single) ask(selection, tried)
      }
    }
    for (const { selection, peer } of running) selection.release(peer, 'abort')
    assert(group.servers.every(peer => peer.active === 0))
  }), { numRuns: 200 })
})
