import { FST_SCGI_SELECT } from '../errors.ts'
import { show } from '../options/units.ts'
import type { Method, PickContext, Picker } from './method.ts'
import type { Peer } from './peer.ts'
import { roundRobin } from './round-robin.ts'
import type { BalanceContext, UpstreamServer } from '../../types/upstream.ts'

/**
 * A method of the user's: a function that chooses among the servers that may serve now. `undefined` leaves it to smooth weighted
 * round robin. What it throws ends the request, and so does a server that it must not choose (FST_SCGI_SELECT).
 */
export function select<T> (choose: (context: BalanceContext<unknown>) => UpstreamServer | undefined): Method<T> {
  return peers => new Select(peers, choose)
}

class Select<T> implements Picker {
  readonly #peers: readonly Peer<T>[]
  readonly #others: Picker
  readonly #choose: (context: BalanceContext<unknown>) => UpstreamServer | undefined

  constructor (peers: readonly Peer<T>[], choose: (context: BalanceContext<unknown>) => UpstreamServer | undefined) {
    this.#peers = peers
    this.#others = roundRobin(peers)
    this.#choose = choose
  }

  pick (context: PickContext): number {
    const servers = this.#peers.filter((_, index) => context.usable(index))
    if (servers.length === 0) return -1
    const chosen = this.#choose({ request: context.request?.source, clientAddress: context.request?.clientAddress, servers })
    if (chosen === undefined || chosen === null) return this.#others.pick(context)
    const index = servers.findIndex(peer => peer === chosen)
    if (index < 0) throw new FST_SCGI_SELECT(show(chosen))
    return this.#peers.findIndex(peer => peer === chosen)
  }
}
