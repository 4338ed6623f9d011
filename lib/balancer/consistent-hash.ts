import { crc32Text, crc32Word } from './crc32.ts'
import { hashKey } from './hash.ts'
import type { KeyOf } from './hash.ts'
import type { Method, PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { roundRobin, takePart } from './round-robin.ts'
import { MAX_REJECTIONS } from './weights.ts'

/** Points of a server on the circle, for each unit of its weight. */
const POINTS = 160

/**
 * Requests with one key go to one server, while it can serve; when a server is added or removed only its own share of the keys
 * moves. The points are those of nginx and of Perl's Cache::Memcached::Fast, so that several kinds of gateway agree. Addresses
 * of one server (a name with several) share its points and take turns. A key that is empty, and one that meets too many servers
 * that cannot serve, is left to smooth weighted round robin. (nginx: hash ... consistent)
 */
export function consistentHash<T> (key: KeyOf): Method<T> {
  return peers => peers.length < 2 ? roundRobin(peers) : new ConsistentHash(peers, key)
}

/** What one pass remembers: its point on the circle. */
class State {
  point: number
  rejections = 0

  constructor (point: number) {
    this.point = point
  }
}

class ConsistentHash<T> implements Picker {
  readonly #peers: readonly Peer<T>[]
  readonly #circle: Circle
  readonly #others: Picker
  readonly #key: KeyOf

  constructor (peers: readonly Peer<T>[], key: KeyOf) {
    this.#peers = peers
    this.#circle = new Circle(peers)
    this.#others = roundRobin(peers)
    this.#key = key
  }

  pick (context: PickContext): number {
    let state = context.memo
    if (!(state instanceof State)) {
      const key = hashKey(context, this.#key)
      state = context.memo = new State(key === '' ? -1 : this.#circle.find(crc32Text(key)))
    }
    if (!(state instanceof State) || state.point < 0) return this.#others.pick(context)
    while (state.rejections <= MAX_REJECTIONS) {
      const index = this.#turn(this.#circle.serverAt(state.point), context)
      if (index >= 0) return index
      state.point += 1
      state.rejections += 1
    }
    return this.#others.pick(context)
  }

  /** A round of round robin among the peers of one server. */
  #turn (indices: readonly number[], context: PickContext): number {
    let best: Peer<T> | undefined
    let bestIndex = -1
    let total = 0
    for (const index of indices) {
      const peer = this.#peers[index]
      if (peer === undefined || !context.usable(index)) continue
      total += takePart(peer, context.time)
      if (best === undefined || peer.currentWeight > best.currentWeight) {
        best = peer
        bestIndex = index
      }
    }
    if (best !== undefined) best.currentWeight -= total
    return bestIndex
  }
}

/** The points of the servers, in their order. */
export class Circle {
  readonly points: Uint32Array
  /** Of each point the number of its server. */
  readonly #owners: Uint32Array
  /** Of each server the indices of its peers. */
  readonly #servers: number[][] = []

  constructor (peers: readonly Pick<Peer<unknown>, 'server' | 'weight'>[]) {
    const numbers = new Map<string, number>()
    const all: number[] = []
    peers.forEach(({ server, weight }, index) => {
      const known = numbers.get(server)
      if (known !== undefined) {
        this.#servers[known]?.push(index)
        return
      }
      const number = numbers.size
      numbers.set(server, number)
      this.#servers.push([index])
      const base = baseOf(server)
      for (let point = 0, k = 0; k < POINTS * weight; k++) {
        point = crc32Word(point, base)
        // Number and owner in one, for a sort of plain numbers.
        all.push(point * OWNERS + number)
      }
    })
    const sorted = Float64Array.from(all).sort()
    this.points = new Uint32Array(sorted.length)
    this.#owners = new Uint32Array(sorted.length)
    let length = 0
    for (const both of sorted) {
      const point = Math.floor(both / OWNERS)
      if (length > 0 && this.points[length - 1] === point) continue
      this.points[length] = point
      this.#owners[length++] = both % OWNERS
    }
    this.points = this.points.subarray(0, length)
  }

  /** Index of the first point at or after a hash. */
  find (hash: number): number {
    let low = 0
    let high = this.points.length
    while (low < high) {
      const middle = low + high >>> 1
      if ((this.points[middle] ?? 0) < hash) low = middle + 1
      else high = middle
    }
    return low % this.points.length
  }

  /** The indices of the peers to which a point belongs; it may lie past the last one. */
  serverAt (point: number): readonly number[] {
    return this.#servers[this.#owners[point % this.points.length] ?? 0] ?? []
  }
}

/** More servers than a group will have; times 2^32 it is still an exact number. */
const OWNERS = 2 ** 20

/** The sum over host and port, from which the points of a server are continued. */
function baseOf (server: string): number {
  let host = server
  let port = ''
  if (/^unix:/i.test(server)) {
    host = server.slice(5)
  } else {
    const match = /^(.*):(\d*)$/s.exec(server)
    if (match !== null) [, host = '', port = ''] = match
  }
  return crc32Text(`${host}\0${port}`)
}
