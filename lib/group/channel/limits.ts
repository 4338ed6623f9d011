import { KEYS, readHeld, readKey, readShares } from './values.ts'
import { sameShares, shareOut, type Held } from './shares.ts'
import type { Peer } from '../../balancer/peer.ts'
import type { Endpoint } from '../../connections/protocol.ts'
import type { ChannelEvent } from '../../../types/channel.ts'
import type { Membership } from './membership.ts'

type EndpointPeer = Peer<Endpoint>

/** Shares `maxConns` out: the process that leads says how much of it is whose, and each one what it makes use of. */
export class SharedLimits {
  readonly #membership: Membership
  readonly #servers: () => readonly EndpointPeer[]
  /** What was said last, by server. */
  readonly #said = new Map<string, Held>()
  #updating = false
  #again = false

  constructor (membership: Membership, servers: () => readonly EndpointPeer[]) {
    this.#membership = membership
    this.#servers = servers
  }

  /** Somebody has come, left or taken the lead, or a limit is another one. */
  update (): void {
    if (this.#updating) {
      this.#again = true
      return
    }
    this.#updating = true
    do {
      this.#again = false
      for (const peer of this.#servers()) this.#update(peer)
    } while (this.#again)
    this.#updating = false
  }

  /** @param rest of the key */
  heard ({ key }: ChannelEvent, rest: string): void {
    const name = readKey(key)[0] === 'held' ? readKey(rest)[1] : rest
    // What others say that it uses is out of date: it was taken for one that had ended.
    if (key === KEYS.held(this.#membership.process, name)) this.#said.delete(name)
    for (const peer of this.#servers()) if (peer.name === name) this.#update(peer)
  }

  /** One exchange less: where it was one too many another process may have it. */
  released (peer: EndpointPeer): void {
    const said = this.#said.get(peer.name)
    if (said !== undefined && said.count > peer.limit && peer.active < said.count) this.#hold(peer)
  }

  #update (peer: EndpointPeer): void {
    if (peer.maxConns === 0) {
      peer.setShare(undefined)
      this.#said.delete(peer.name)
      return
    }
    this.#give(peer)
    const given = this.#given(peer)
    peer.setShare(given === undefined ? 0 : readShares(given.value)[this.#membership.process] ?? 0)
    if (given !== undefined) this.#hold(peer)
  }

  #given (peer: EndpointPeer): ChannelEvent | undefined {
    return this.#membership.get(KEYS.shares(peer.name))
  }

  /** The process that leads gives each one what it may have, as far as nobody else may be using it. */
  #give (peer: EndpointPeer): void {
    const { members, leads, connected } = this.#membership
    const given = this.#given(peer)
    // Without the others everything stays as they know it.
    if (!leads || (!connected && given !== undefined)) return
    const before = readShares(given?.value)
    const held = new Map<string, Held>()
    for (const member of members) {
      const says = readHeld(this.#membership.get(KEYS.held(member, peer.name))?.value)
      if (says !== undefined) held.set(member, says)
    }
    const shares = shareOut(peer.maxConns, members, before, given?.clock ?? 0, held)
    if (given === undefined || !sameShares(shares, before)) this.#membership.say(KEYS.shares(peer.name), shares)
  }

  /** Says what this process makes use of, where that is not known yet. */
  #hold (peer: EndpointPeer): void {
    const at = this.#given(peer)?.clock ?? 0
    const count = Math.max(peer.limit, peer.active)
    const said = this.#said.get(peer.name)
    if (said?.count === count && said.at === at) return
    this.#said.set(peer.name, { count, at })
    this.#membership.say(KEYS.held(this.#membership.process, peer.name), { count, at })
    // Its own word may be what it waits for.
    this.#give(peer)
  }
}
