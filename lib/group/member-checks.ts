import { atPort } from '../connections/address.ts'
import { protocolOf } from '../connections/protocols.ts'
import { HealthChecks } from './health.ts'
import { checkFor, type HealthCheck } from './health-options.ts'
import { rememberHealth, wasHealthy } from './healthy-before.ts'
import { HEALTH_CHECK } from '../runtime/diagnostics.ts'
import type { Peer } from '../balancer/peer.ts'
import type { Timers } from '../runtime/timers.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { ServerAddress } from '../../types/exchange.ts'

type EndpointPeer = Peer<Endpoint>

export interface MemberChecksOptions {
  /** Name of the group. */
  readonly group: string
  readonly checks: readonly HealthCheck[]
  readonly timers: Timers
  /** A check has shown a server to be otherwise than before. */
  readonly onHealth?: ((peer: EndpointPeer, healthy: boolean, reason: string | undefined) => void) | undefined
  /** What connects to the host of a server at another address, for a single request. */
  endpoint (peer: EndpointPeer, address: ServerAddress): Endpoint
}

/** Has the servers of a group checked, each by the check for its protocol, and enters what is found. */
export class MemberChecks {
  readonly #options: MemberChecksOptions
  // Servers that others have checked, and those that were checked here: what is known of them holds when checks begin again.
  readonly #judged = new WeakSet<EndpointPeer>()
  #checked = new WeakSet<EndpointPeer>()
  #running: ReadonlyMap<HealthCheck, HealthChecks<EndpointPeer>>

  constructor (options: MemberChecksOptions) {
    this.#options = options
    this.#running = this.#make(options.checks)
  }

  /** Other checks from now on; `update` begins them. Without any, nothing would bring back a server that is out by the last one. */
  configure (checks: readonly HealthCheck[], peers: readonly EndpointPeer[]): void {
    this.stop()
    this.#running = this.#make(checks)
    for (const peer of peers) {
      if (this.#checkFor(peer.target.address) !== undefined || peer.healthy) continue
      this.#enter(peer, true, undefined)
      // No check has found that.
      this.#judged.delete(peer)
      this.#checked.delete(peer)
    }
  }

  #make (checks: readonly HealthCheck[]): ReadonlyMap<HealthCheck, HealthChecks<EndpointPeer>> {
    return new Map(checks.map(check => [check, this.#healthChecks(check)]))
  }

  /** Number of kinds of checks. */
  get size (): number {
    return this.#running.size
  }

  /** A server at this address that comes now serves nobody before it has passed a check. */
  awaits (address: ServerAddress): boolean {
    const check = this.#checkFor(address)
    return check?.mandatory === true && !this.#isKnown(check, address)
  }

  /** These are the servers from now on. */
  update (peers: readonly EndpointPeer[]): void {
    for (const [check, checks] of this.#running) checks.update(peers.filter(({ target }) => this.#checkFor(target.address) === check))
  }

  /** A server has left: however long it was in, it is the one that was heard of last. */
  left ({ healthy, target: { address } }: EndpointPeer): void {
    if (healthy && this.#checkFor(address)?.persistent === true) rememberHealth(this.#options.group, address, true)
  }

  /** How a server is, as somebody else has found. Checks that begin here go on from that. */
  judge (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void {
    this.#judged.add(peer)
    this.#enter(peer, healthy, reason)
  }

  #enter (peer: EndpointPeer, healthy: boolean, reason: string | undefined): void {
    // What a healthy server is out for, if it is, has nothing to do with its checks.
    if (!healthy || !peer.healthy) peer.reason = reason
    peer.healthy = healthy
    if (this.#checkFor(peer.target.address)?.persistent === true) rememberHealth(this.#options.group, peer.target.address, healthy)
  }

  /** Ends all checks. */
  stop (): void {
    for (const checks of this.#running.values()) checks.stop()
  }

  /** What was found here is out of date by the time that checks begin again. */
  forget (): void {
    this.#checked = new WeakSet()
  }

  #checkFor (address: ServerAddress): HealthCheck | undefined {
    return checkFor([...this.#running.keys()], protocolOf(address))
  }

  #isKnown ({ persistent }: HealthCheck, address: ServerAddress): boolean {
    return persistent && wasHealthy(this.#options.group, address)
  }

  #healthChecks (check: HealthCheck): HealthChecks<EndpointPeer> {
    const { group, timers, endpoint, onHealth } = this.#options
    const { port } = check
    return new HealthChecks<EndpointPeer>({
      ...check,
      timers,
      probe: (peer, done) => {
        const target = port === undefined ? peer.target : endpoint(peer, atPort(peer.target.address, port))
        return check.probe(target, told(group, peer, reason => {
          done(reason)
          this.#wasChecked(peer)
        }))
      },
      healthy: peer => this.#begin(check, peer),
      skip: peer => peer.down,
      failed: peer => peer.retry !== undefined && peer.tookOut,
      onRecovery: peer => peer.takeBack(),
      onChange: (peer, healthy, reason) => {
        this.#checked.add(peer)
        this.#enter(peer, healthy, reason)
        onHealth?.(peer, healthy, reason)
      },
    })
  }

  /** It was checked. Where that has changed nothing others need to know as well that it was. */
  #wasChecked (peer: EndpointPeer): void {
    if (this.#checked.has(peer)) return
    this.#checked.add(peer)
    if (!this.#judged.has(peer)) this.#options.onHealth?.(peer, peer.healthy, peer.healthy ? undefined : peer.reason)
  }

  /** The state of a server when its checks begin. They may have stopped for any time before. */
  #begin (check: HealthCheck, peer: EndpointPeer): boolean | undefined {
    // With other checks than before a server keeps what is known of it.
    if (check.mandatory && !this.#judged.has(peer) && !this.#checked.has(peer)) {
      const known = this.#isKnown(check, peer.target.address)
      if (peer.healthy && !known) peer.checking = true
      else if (peer.checking && known) peer.healthy = true
    }
    return peer.checking ? undefined : peer.healthy
  }
}

/** Tells the outcome of a check, where somebody listens, before it is entered. */
function told (group: string, server: EndpointPeer, done: (reason: string | undefined) => void): (reason: string | undefined) => void {
  if (!HEALTH_CHECK.hasSubscribers) return done
  const begun = performance.now()
  return reason => {
    HEALTH_CHECK.publish({ group, server, reason, duration: performance.now() - begun })
    done(reason)
  }
}
