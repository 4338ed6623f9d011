import { isIPv4, isIPv6 } from 'node:net'
import type { PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { roundRobin } from './round-robin.ts'
import { MAX_REJECTIONS, WeightTable } from './weights.ts'

/**
 * Clients of one network (the first three bytes of an IPv4 address, all of an IPv6 address) go to one peer, while it can
 * serve. Where the client's address is not known at all, and after too many peers that cannot serve, smooth weighted round
 * robin decides. (nginx: ip_hash)
 */
export function ipHash<T> (peers: readonly Peer<T>[]): Picker {
  const others = roundRobin(peers)
  return peers.length < 2 ? others : new IpHash(peers, others)
}

class IpHash<T> implements Picker {
  readonly #weights: WeightTable
  readonly #others: Picker

  constructor (peers: readonly Peer<T>[], others: Picker) {
    this.#weights = new WeightTable(peers)
    this.#others = others
  }

  pick (context: PickContext): number {
    const memo = remembered(context)
    if (memo === undefined) return this.#others.pick(context)
    while (memo.rejections <= MAX_REJECTIONS) {
      for (const byte of memo.bytes) memo.hash = (memo.hash * 113 + byte) % 6271
      const index = this.#weights.at(memo.hash % this.#weights.total)
      if (context.usable(index)) return index
      memo.rejections += 1
    }
    return this.#others.pick(context)
  }
}

function remembered (context: PickContext): State | undefined {
  if (context.memo instanceof State) return context.memo
  const address = context.request?.clientAddress
  if (address === undefined) return undefined
  const state = new State(address)
  context.memo = state
  return state
}

/** What one pass remembers: the hash as far as it was taken. */
class State {
  hash = 89
  rejections = 0
  readonly bytes: readonly number[]

  constructor (address: string) {
    this.bytes = networkOf(address)
  }
}

/** The bytes of an address that count. What is no IP address, as the peer of a unix socket, is three zeros. */
export function networkOf (address: string): readonly number[] {
  if (isIPv4(address)) {
    const first = address.indexOf('.')
    const second = address.indexOf('.', first + 1)
    const third = address.indexOf('.', second + 1)
    return [Number(address.slice(0, first)), Number(address.slice(first + 1, second)), Number(address.slice(second + 1, third))]
  }
  const [plain = ''] = address.split('%', 1)
  return isIPv6(plain) ? bytesOf(plain) : [0, 0, 0]
}

function bytesOf (address: string): number[] {
  const [left = '', right] = address.split('::', 2)
  const head = words(left)
  const tail = right === undefined ? [] : words(right)
  const all = [...head, ...new Array<number>(Math.max(0, 8 - head.length - tail.length)).fill(0), ...tail]
  return all.flatMap(word => [word >>> 8, word & 255])
}

/** The 16-bit groups of a part of an IPv6 address, which may end in an IPv4 address. */
function words (part: string): number[] {
  if (part === '') return []
  return part.split(':').flatMap(group => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [a << 8 | b, c << 8 | d]
  })
}
