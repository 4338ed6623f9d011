import { crc32Text } from './crc32.ts'
import type { Method, PickContext, Picker, PickRequest } from './method.ts'
import type { Peer } from './peer.ts'
import { roundRobin } from './round-robin.ts'
import { MAX_REJECTIONS, WeightTable } from './weights.ts'

/** Gives the key of a request; '' leaves it to round robin. */
export type KeyOf = (request: PickRequest) => string

/** The key of the request that is served, '' if there is none. */
export function hashKey (context: PickContext, key: KeyOf): string {
  return context.request === undefined ? '' : key(context.request)
}

/**
 * Requests with one key go to one peer, while it can serve. Which one, changes for most keys when a peer is added or removed.
 * A key that is empty, and one that meets too many peers that cannot serve, is left to smooth weighted round robin.
 * (nginx: hash, as Cache::Memcached has it)
 */
export function hash<T> (key: KeyOf): Method<T> {
  return peers => peers.length < 2 ? roundRobin(peers) : new Hash(peers, key)
}

/** What one pass remembers: rounds made, and their sum. */
class State {
  readonly key: string
  sum = 0
  rounds = 0
  rejections = 0

  constructor (key: string) {
    this.key = key
  }

  next (): number {
    const before = this.rounds === 0 ? 0 : crc32Text(String(this.rounds))
    this.rounds += 1
    this.sum = (this.sum + (crc32Text(this.key, before) >>> 16 & 0x7fff)) >>> 0
    return this.sum
  }
}

class Hash<T> implements Picker {
  readonly #weights: WeightTable
  readonly #others: Picker
  readonly #key: KeyOf

  constructor (peers: readonly Peer<T>[], key: KeyOf) {
    this.#weights = new WeightTable(peers)
    this.#others = roundRobin(peers)
    this.#key = key
  }

  pick (context: PickContext): number {
    const state = context.memo instanceof State ? context.memo : new State(hashKey(context, this.#key))
    context.memo = state
    if (state.key === '') return this.#others.pick(context)
    while (state.rejections <= MAX_REJECTIONS) {
      const index = this.#weights.at(state.next() % this.#weights.total)
      if (context.usable(index)) return index
      state.rejections += 1
    }
    return this.#others.pick(context)
  }
}
