// What holds for every method, with every kind of server, under every kind of edit.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { byBusyness } from '../../lib/balancer/by-busyness.ts'
import { byTraffic } from '../../lib/balancer/by-traffic.ts'
import { consistentHash } from '../../lib/balancer/consistent-hash.ts'
import { Group } from '../../lib/balancer/group.ts'
import { hash } from '../../lib/balancer/hash.ts'
import { ipHash } from '../../lib/balancer/ip-hash.ts'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { leastTime } from '../../lib/balancer/least-time.ts'
import type { Method } from '../../lib/balancer/method.ts'
import type { Peer } from '../../lib/balancer/peer.ts'
import { random, randomTwo } from '../../lib/balancer/random.ts'
import { roundRobin } from '../../lib/balancer/round-robin.ts'
import { select } from '../../lib/balancer/select.ts'
import type { Selection } from '../../lib/balancer/selection.ts'
import { FakeClock } from './model.ts'

const METHODS: Record<string, Method<number>> = {
  round_robin: roundRobin,
  least_conn: leastConn,
  'least_time header': leastTime({ time: 'header' }),
  'least_time last byte inflight': leastTime({ time: 'lastByte', inflight: true }),
  'least_time header inflight': leastTime({ time: 'header', inflight: true }),
  ip_hash: ipHash,
  hash: hash(request => String(request.source)),
  'hash consistent': consistentHash(request => String(request.source)),
  random: random(),
  'random two': randomTwo(),
  bytraffic: byTraffic,
  bybusyness: byBusyness,
  select: select(({ servers }) => servers.at(-1)),
}

const spec = fc.record({
  weight: fc.integer({ min: 1, max: 5 }),
  maxConns: fc.constantFrom(0, 0, 1, 2),
  maxFails: fc.constantFrom(0, 1, 1, 2),
  failTimeout: fc.constantFrom(0, 10, 50),
  retry: fc.constantFrom(undefined, undefined, 0, 20),
  slowStart: fc.constantFrom(0, 0, 30),
  backup: fc.constantFrom(false, false, true),
  lbset: fc.constantFrom(0, 0, 0, 1),
  spare: fc.constantFrom(false, false, false, true),
  standby: fc.constantFrom(false, false, false, true),
  down: fc.constantFrom(false, false, false, true),
  drain: fc.constantFrom(false, false, false, true),
})
const kinds = ['begin', 'begin', 'begin', 'end', 'end', 'end', 'wait', 'edit'] as const
const outcomes = ['ok', 'ok', 'failed', 'failed', 'next', 'abort'] as const
const step = fc.record({ kind: fc.constantFrom(...kinds), outcome: fc.constantFrom(...outcomes), which: fc.nat(10_000) })
const steps = fc.array(step, { minLength: 20, maxLength: 150 })

interface Running {
  selection: Selection<number>
  tried: Set<Peer<number>>
  peer: Peer<number>
}

/** An edit of a server, chosen by a number. */
function edit (group: Group<number>, clock: FakeClock, which: number): void {
  const peer = group.servers[which % Math.max(1, group.servers.length)]
  const kind = which % 8
  if (peer === undefined || kind === 0) group.add({ name: `new ${which}`, target: which, maxConns: which % 3 })
  else if (kind === 1) group.remove(peer)
  else if (kind === 2) peer.down = !peer.down
  else if (kind === 3) peer.drain = !peer.drain
  else if (kind === 4) peer.healthy = !peer.healthy
  else if (kind === 5) peer.ejectedUntil = peer.ejectedUntil > clock.time ? -Infinity : clock.time + which % 40
  else if (kind === 6) peer.setWeight(1 + which % 5)
  else group.update(group.servers.slice(which % 3).map(({ name, target }) => ({ name, target })))
}

/** Whether a fresh request must find a server: one that is up and no spare, or a spare whose place is empty. */
function someoneIsFree (group: Group<number>): boolean {
  return group.servers.some(peer => peer.state === 'up' && !peer.spare) || group.servers.some(peer => peer.state === 'up' && peer.spare &&
    group.servers.some(other => !other.spare && !other.standby && other.backup === peer.backup && other.lbset === peer.lbset))
}

describe('never one who may not serve, always one while there is one, and counters that return to zero', () => {
  for (const [name, method] of Object.entries(METHODS)) {
    test(name, () => {
      let picks = 0
      fc.assert(fc.property(fc.array(spec, { maxLength: 40 }), fc.boolean(), steps, (specs, forceRecovery, script) => {
        const clock = new FakeClock()
        const peers = specs.map((settings, target) => ({ ...settings, standby: settings.standby && !settings.spare, name: `${target}`, target }))
        const group = new Group({ name: 'g', peers, method, now: clock.now, forceRecovery })
        const all = new Set(group.servers)
        const running: Running[] = []
        const ask = (selection: Selection<number>, tried: Set<Peer<number>>): void => {
          const states = new Map(group.servers.map(peer => [peer, peer.state]))
          const free = someoneIsFree(group)
          const allFailed = group.servers.every(peer => !['up', 'full'].includes(peer.state))
          const peer = selection.next()
          if (peer === undefined) {
            assert(tried.size > 0 || !free, 'nobody was picked while one was free')
            return
          }
          picks++
          assert(!tried.has(peer), 'picked twice')
          if (states.get(peer) !== 'up') assert(forceRecovery && allFailed && tried.size === 0 && states.get(peer) === 'failed', `picked while ${states.get(peer)}`)
          running.push({ selection, tried: tried.add(peer), peer })
        }
        for (const { kind, outcome, which } of script) {
          if (kind === 'wait') clock.advance(which % 30)
          else if (kind === 'edit') edit(group, clock, which)
          else if (kind === 'begin') ask(group.begin({ source: which, clientAddress: `10.${which % 7}.0.1` }), new Set())
          else {
            const [ended] = running.splice(which % Math.max(1, running.length), 1)
            if (ended === undefined) continue
            if (which % 2 === 0) ended.selection.answered()
            const headerTime = outcome === 'ok' ? which % 50 : undefined
            ended.selection.release(ended.peer, outcome, { headerTime, responseTime: which % 100, bytesSent: which, bytesReceived: which })
            if (which % 3 === 0) ask(ended.selection, ended.tried)
          }
          for (const peer of group.servers) all.add(peer)
        }
        for (const { selection, peer } of running) selection.release(peer, 'abort')
        for (const peer of all) {
          assert.deepEqual([peer.active, peer.begunCount, peer.begunSum], [0, 0, 0])
          assert(peer.effectiveWeight >= 0 && peer.effectiveWeight <= peer.weight)
          assert(Number.isFinite(peer.currentWeight))
        }
        assert.equal(group.tries, group.servers.filter(peer => !peer.down && !peer.drain).length)
      }), { numRuns: 100 })
      assert(picks > 500, `${picks} picks`)
    })
  }
})
