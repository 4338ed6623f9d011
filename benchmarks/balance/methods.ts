import { byBusyness } from '../../lib/balancer/by-busyness.ts'
import { byTraffic } from '../../lib/balancer/by-traffic.ts'
import { consistentHash } from '../../lib/balancer/consistent-hash.ts'
import { hash } from '../../lib/balancer/hash.ts'
import { ipHash } from '../../lib/balancer/ip-hash.ts'
import { leastConn } from '../../lib/balancer/least-conn.ts'
import { leastTime } from '../../lib/balancer/least-time.ts'
import type { Method, PickRequest } from '../../lib/balancer/method.ts'
import { random, randomTwo } from '../../lib/balancer/random.ts'
import { roundRobin } from '../../lib/balancer/round-robin.ts'

/** A source of numbers from 0 to less than 1 that is the same in each run (mulberry32). */
export function seeded (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ state >>> 15, state | 1)
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
}

const key = (request: PickRequest): string => String(request.source)

/** Every method by its name, with a source of chance of its own. */
export const METHODS: Readonly<Record<string, (seed: number) => Method<number>>> = {
  round_robin: () => roundRobin,
  least_conn: () => leastConn,
  'least_time header': () => leastTime({ time: 'header' }),
  'least_time last byte': () => leastTime({ time: 'lastByte' }),
  'least_time last byte, inflight': () => leastTime({ time: 'lastByte', inflight: true }),
  ip_hash: () => ipHash,
  hash: () => hash(key),
  'hash, consistent': () => consistentHash(key),
  random: seed => random(seeded(seed)),
  'random two': seed => randomTwo(seeded(seed)),
  bytraffic: () => byTraffic,
  bybusyness: () => byBusyness,
}

/** The method of that name. */
export function methodOf (name: string, seed: number): Method<number> {
  const make = METHODS[name]
  if (make === undefined) throw new Error(`no method '${name}'`)
  return make(seed)
}

/** A request with a key and a client address of its own. */
export function requestOf (number: number): PickRequest {
  return { source: `/item/${number}`, clientAddress: `${number >>> 16 & 255}.${number >>> 8 & 255}.${number & 255}.1` }
}
