import { Group } from '../../lib/balancer/group.ts'
import { METHODS, methodOf, requestOf, seeded } from './methods.ts'

export interface Recovery {
  readonly method: string
  /** From the end of the failure until a request is answered again, and until every server has answered, in milliseconds. */
  readonly first: number
  readonly all: number
  /** Attempts that failed for each second of the failure: the cost of finding out. */
  readonly probes: number
  /** Once all are back: the longest time that a server went without a request, in milliseconds. */
  readonly longestGap: number
  /** Then: the least and the largest share of a server, as parts of what is due to it. */
  readonly least: number
  readonly most: number
}

const FAILURE = 5000
const FAIL_TIMEOUT = 1000

/** Ten servers fail at once, for 5 s, and come back at once; one request each millisecond, each tries every server that it may. */
export function recovery (after: number, seed = 1): Recovery[] {
  return Object.keys(METHODS).map(method => {
    const chance = seeded(seed)
    let now = 0
    const peers = Array.from({ length: 10 }, (_, target) => ({ name: `10.0.0.${target + 1}:4000`, target, failTimeout: FAIL_TIMEOUT }))
    const group = new Group<number>({ name: method, peers, method: methodOf(method, seed), now: () => now })
    const metrics = { headerTime: 5, responseTime: 5, bytesSent: 500, bytesReceived: 5000 }
    let probes = 0
    /** The server that answered, -1 where none did. */
    const send = (healthy: boolean): number => {
      now += 1
      const selection = group.begin(requestOf(Math.floor(chance() * 2 ** 24)))
      for (let peer = selection.next(); peer !== undefined; peer = selection.next()) {
        if (!healthy) probes += 1
        selection.release(peer, healthy ? 'ok' : 'failed', metrics)
        if (healthy) return peer.target
      }
      return -1
    }
    for (let n = 0; n < 1000; n++) send(true)
    for (let n = 0; n < FAILURE; n++) send(false)
    const began = now
    const back = new Set<number>()
    let first = NaN
    for (let n = 0; n < 60_000 && back.size < peers.length; n++) {
      const server = send(true)
      if (server >= 0) back.add(server)
      if (back.size === 1 && Number.isNaN(first)) first = now - began
    }
    const all = back.size < peers.length ? Infinity : now - began
    const latest = peers.map(() => now)
    const counts = peers.map(() => 0)
    let longestGap = 0
    for (let n = 0; n < after; n++) {
      const server = send(true)
      longestGap = Math.max(longestGap, now - (latest[server] ?? now))
      latest[server] = now
      counts[server] = (counts[server] ?? 0) + 1
    }
    for (const time of latest) longestGap = Math.max(longestGap, now - time)
    const due = after / peers.length
    return {
      method, first, all, probes: probes / FAILURE * 1000, longestGap, least: Math.min(...counts) / due, most: Math.max(...counts) / due,
    }
  })
}
