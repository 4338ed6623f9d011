// A client with a valid cookie always reaches its server while that is usable.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Group } from '../../lib/balancer/group.ts'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { randomTwo } from '../../lib/balancer/random.ts'
import { roundRobin } from '../../lib/balancer/round-robin.ts'
import { hmacSid, StickyCookie } from '../../lib/balancer/sticky/cookie.ts'
import { Stickiness } from '../../lib/balancer/sticky/stickiness.ts'
import { FakeClock } from './model.ts'
import type { Method } from '../../lib/balancer/method.ts'
import type { Peer } from '../../lib/balancer/peer.ts'
import type { Selection } from '../../lib/balancer/selection.ts'
import type { ResponseHead } from '../../types/index.ts'

const HEAD: ResponseHead = { statusCode: 200, statusMessage: '', headers: {}, rawHeaders: [], contentLength: -1, chunked: false, nph: false }
const CLIENTS = 4

const spec = fc.record({
  weight: fc.integer({ min: 1, max: 5 }),
  maxConns: fc.constantFrom(0, 0, 0, 1, 2),
  maxFails: fc.constantFrom(0, 1, 2),
  failTimeout: fc.constantFrom(1, 10),
  backup: fc.constantFrom(false, false, false, true),
  lbset: fc.constantFrom(0, 0, 1),
  standby: fc.constantFrom(false, false, false, true),
})
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), client: fc.nat(CLIENTS - 1), tampered: fc.constantFrom(false, false, false, false, true) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), outcome: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const, 'abort' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('edit' as const), which: fc.nat(), what: fc.constantFrom('drain' as const, 'down' as const, 'healthy' as const, 'weight' as const, 'remove' as const, 'add' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0.5, 1.5, 11) }) }
)

for (const failover of [true, false]) {
  test(`whatever happens to the group, ${failover ? 'with' : 'without'} failover`, () => {
    let reached = 0
    let moved = 0
    let refused = 0
    fc.assert(fc.property(
      fc.array(spec, { minLength: 1, maxLength: 6 }).filter(list => list.some(({ backup }) => !backup)),
      fc.array(step, { minLength: 20, maxLength: 120 }),
      fc.constantFrom<Method<number>[]>(roundRobin, leastConn, randomTwo()), (list, script, method) => {
        const clock = new FakeClock()
        const sticky = new Stickiness<number>(new StickyCookie({
          name: 'srv', sid: hmacSid(['0123456789abcdef']), expires: undefined, domain: undefined, path: undefined, httpOnly: true, secure: false, sameSite: undefined,
        }), failover)
        let number = 0
        const group = new Group<number>({ name: 'g', peers: list.map(settings => ({ ...settings, name: `s${number}`, target: number++ })), now: clock.now, method, sticky })
        const cookies: (string | undefined)[] = Array.from({ length: CLIENTS })
        const servers: (Peer<number> | undefined)[] = Array.from({ length: CLIENTS })
        const running: { selection: Selection<number>, peer: Peer<number>, client: number, cookie: string | undefined }[] = []

        for (const action of script) {
          if (action.kind === 'wait') clock.advance(action.ms)
          if (action.kind === 'edit') {
            const peer = group.servers[action.which % Math.max(group.servers.length, 1)]
            if (action.what === 'add') group.add({ ...list[0], name: `s${number}`, target: number++ })
            else if (peer === undefined) continue
            else if (action.what === 'remove') group.remove(peer)
            else if (action.what === 'weight') peer.setWeight(1 + action.which % 5)
            else peer[action.what] = !peer[action.what]
          }
          if (action.kind === 'end') {
            const [ended] = running.splice(action.which % Math.max(running.length, 1), 1)
            if (ended === undefined) continue
            const { selection, peer, client, cookie } = ended
            if (action.outcome === 'ok') {
              const line = sticky.answered({ cookie }, group.servers, peer, HEAD)
              // Told once, and anew when the server is another; of a server that is gone nothing.
              if (line !== undefined) {
                cookies[client] = line.slice(0, line.indexOf(';'))
                servers[client] = peer
              } else if (!peer.removed) {
                assert.equal(cookie, `srv=${sidOf(peer)}`)
              }
            }
            selection.release(peer, action.outcome)
          }
          if (action.kind === 'send') {
            const { client, tampered } = action
            const cookie = tampered ? `${cookies[client] ?? 'srv='}x` : cookies[client]
            const own = tampered ? undefined : servers[client]
            const selection = group.begin({ cookie })
            const ready = own !== undefined && own.reachable(clock.now())
            const primaries = group.servers.some(peer => !peer.backup && peer.available(clock.now()))
            const peer = selection.next()
            if (ready && (!own.backup || !primaries || !failover)) {
              assert.equal(peer, own)
              reached++
            } else if (own !== undefined && !failover && !own.removed) {
              assert.equal(peer, undefined)
              assert.equal(selection.held, true)
              refused++
            } else if (peer !== undefined) {
              // Nobody else gets one that is out, or that drains.
              assert.ok(!peer.down && !peer.drain && peer.healthy && !peer.removed)
              moved++
            }
            if (peer !== undefined) running.push({ selection, peer, client, cookie })
          }
        }
        for (const { selection, peer } of running) selection.release(peer, 'abort')
        for (const { active } of group.servers) assert.equal(active, 0)
      }), { numRuns: 400 })
    assert.ok(reached > 500 && moved > 500, `${reached} reached, ${moved} moved, ${refused} refused`)
    assert.equal(refused > 100, !failover)
  })
}

function sidOf ({ name }: Peer<number>): string {
  return hmacSid(['0123456789abcdef'])({ name, route: undefined })[0] ?? ''
}
