import type { ResponseHead } from '../../../types/exchange.ts'
import type { PickRequest } from '../method.ts'
import type { Peer } from '../peer.ts'
import type { SharedSessions, StickyPolicy } from './policy.ts'

const NONE: readonly never[] = []

/** The sessions of a group: which of its servers a request is bound to, and what is to be noted of those that answer. */
export class Stickiness<T> {
  /** A request whose server is out goes to another one; else to none. */
  failover: boolean
  readonly #policy: StickyPolicy
  /** The list of which the tables are made. A group never changes a list, it makes another. */
  #known: readonly Peer<T>[] = NONE
  /** Of each name the servers that have it, in their order, and then those that stand in for them. */
  #byName = new Map<string, readonly Peer<T>[]>()
  #names = new Map<Peer<T>, string>()

  constructor (policy: StickyPolicy, failover: boolean) {
    this.#policy = policy
    this.failover = failover
  }

  /** Sessions that the policy keeps; `undefined` if it keeps none. */
  get sessions (): number | undefined {
    return this.#policy.size
  }

  /** `undefined` if sessions are noted by the clients themselves. */
  get shared (): SharedSessions | undefined {
    return this.#policy.shared
  }

  /**
   * The servers that the request is bound to, in order of preference: several may have one route, and others may stand in for them
   * (`redirect`). Empty if it is bound to none.
   * @param servers those of the group, as they are now
   * @throws what functions of the user's throw
   */
  bound (request: PickRequest, servers: readonly Peer<T>[]): readonly Peer<T>[] {
    this.#learn(servers)
    return this.#policy.find(request, this.#byName) ?? NONE
  }

  /**
   * A server has answered, and its reply goes to the client. Returns the value of the Set-Cookie header to add to it, if any.
   * @throws what functions of the user's throw
   */
  answered (request: PickRequest, servers: readonly Peer<T>[], peer: Peer<T>, head: ResponseHead): string | undefined {
    this.#learn(servers)
    const name = this.#names.get(peer)
    // It has no name for sessions, or was taken off the group meanwhile.
    if (name === undefined) return undefined
    this.#policy.answered?.(request, name, head)
    return this.#policy.setCookie?.(request, name)
  }

  #learn (servers: readonly Peer<T>[]): void {
    if (servers === this.#known) return
    const named = new Map<string, Peer<T>[]>()
    const routed = new Map<string, Peer<T>[]>()
    this.#names = new Map()
    for (const peer of servers) {
      const names = this.#policy.names(peer)
      for (const name of names) put(named, name, peer)
      if (names[0] !== undefined) this.#names.set(peer, names[0])
      if (peer.route !== undefined) put(routed, peer.route, peer)
    }
    this.#byName = new Map()
    for (const [name, peers] of named) this.#byName.set(name, withStandIns(peers, routed))
    this.#known = servers
  }
}

function withStandIns<T> (peers: readonly Peer<T>[], routed: ReadonlyMap<string, readonly Peer<T>[]>): readonly Peer<T>[] {
  const all = new Set(peers)
  // Those that stand in for one who stands in come in turn: the set grows while it is walked, and each is in it once.
  for (const { redirect } of all) {
    if (redirect !== undefined) for (const other of routed.get(redirect) ?? NONE) all.add(other)
  }
  return all.size === peers.length ? peers : [...all]
}

function put<V> (map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
