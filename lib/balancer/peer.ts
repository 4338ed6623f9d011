import type { ServerState, UpstreamServer } from '../../types/upstream.ts'
import { MaxFails } from './max-fails.ts'
import { checkNumbers, peerKey } from './peer-options.ts'
import type { AttemptMetrics, PeerEdit, PeerOptions, PeerOwner, StateChange } from './peer-options.ts'

export type { AttemptMetrics, PeerEdit, PeerOptions, PeerOwner, StateChange } from './peer-options.ts'

// Why a peer is out, its failures and its load aside: any of these.
const DOWN = 1
const DRAIN = 2
const UNHEALTHY = 4
const EJECTED = 8
const REMOVED = 16
const CHECKING = 32
const STOPPED = 64

/** The share of a new sample in an average of times. */
const SAMPLE = 0.05

/** One server of a group: its settings, its share of the turns, its failures, and what is known of its work. */
export class Peer<T> implements UpstreamServer {
  readonly key: string
  readonly name: string
  readonly target: T
  readonly server: string
  weight: number
  maxConns: number
  maxFails: number
  /** In milliseconds. */
  failTimeout: number
  retry: number | undefined
  slowStart: number
  backup: boolean
  lbset: number
  spare: boolean
  standby: boolean
  route: string | undefined
  redirect: string | undefined
  keepalive: number
  preconnect: number
  /** Most attempts at a time; Infinity is without limit. */
  limit: number

  active = 0
  served = 0
  failures = 0
  bytesSent = 0
  bytesReceived = 0
  headerTime: number | undefined = undefined
  responseTime: number | undefined = undefined
  lastError: Error | undefined = undefined
  /** What the latest failed attempt has met. */
  lastFailure: string | undefined = undefined

  /** Round robin: the weight that counts at present; less than `weight` for a while after failures. */
  effectiveWeight: number
  /** Round robin: what the peer is owed, in turns times the weights of all. */
  currentWeight = 0
  /** By traffic: bytes sent and received since the accounts of all were last made equal. */
  traffic = 0
  /** Least time: when the peer was last chosen after a pause of more than `failTimeout`. */
  seen = -Infinity
  /** Least time with in-flight requests: sum of the times at which they began, and their number. */
  begunSum = 0
  begunCount = 0
  /** The weight grows. */
  ramping = false
  /** The group counts the peer among those whose state depends on the time. */
  counted = false

  #blocks = 0
  #reason: string | undefined = undefined
  #stopped: string | undefined = undefined
  #ejectedUntil = -Infinity
  /** A pick has found its ejection to be over, and nobody was told yet. */
  #endUntold = false
  /** When the weight began to grow last. */
  #rampBegan = NaN
  /** What is this process's of `maxConns`; `undefined` if it has all of it. */
  #share: number | undefined
  #options: PeerOptions<T>
  readonly #failures: MaxFails
  readonly #owner: PeerOwner<Peer<T>>

  constructor (options: PeerOptions<T>, owner: PeerOwner<Peer<T>>) {
    checkNumbers(options)
    this.key = peerKey(options)
    this.name = options.name
    this.target = options.target
    this.server = options.server ?? options.name
    this.weight = this.effectiveWeight = options.weight ?? 1
    this.maxConns = options.maxConns ?? 0
    this.maxFails = options.maxFails ?? 1
    this.failTimeout = options.failTimeout ?? 10_000
    this.retry = options.retry
    this.#failures = new MaxFails(this, () => owner.now())
    this.slowStart = options.slowStart ?? 0
    this.backup = options.backup ?? false
    this.lbset = options.lbset ?? 0
    this.spare = options.spare ?? false
    this.standby = options.standby ?? false
    this.route = options.route
    this.redirect = options.redirect
    this.keepalive = options.keepalive ?? 0
    this.preconnect = options.preconnect ?? 0
    this.limit = this.#limitOf()
    this.#blocks = (options.down === true ? DOWN : 0) | (options.drain === true ? DRAIN : 0) | (options.checking === true ? CHECKING : 0)
    if (options.stopped !== undefined) this.#blocks |= STOPPED
    this.#stopped = options.stopped
    this.#options = options
    this.#owner = owner
  }

  get fails (): number {
    return this.#failures.fails
  }

  /** Out for good, until it is set otherwise. */
  get down (): boolean {
    return (this.#blocks & DOWN) !== 0
  }

  set down (down: boolean) {
    this.#block(DOWN, down, 'down')
  }

  /** Takes no request but those that are bound to it. */
  get drain (): boolean {
    return (this.#blocks & DRAIN) !== 0
  }

  set drain (drain: boolean) {
    this.#block(DRAIN, drain, 'drain')
  }

  /** What active checks found. */
  get healthy (): boolean {
    return (this.#blocks & (UNHEALTHY | CHECKING)) === 0
  }

  set healthy (healthy: boolean) {
    const blocks = (this.#blocks & ~(UNHEALTHY | CHECKING)) | (healthy ? 0 : UNHEALTHY)
    if (blocks === this.#blocks) return
    this.#blocks = blocks
    this.#owner.edited(this, 'healthy', healthy)
  }

  /** Nobody knows yet whether it is healthy, and it serves nobody until then. */
  get checking (): boolean {
    return (this.#blocks & CHECKING) !== 0
  }

  set checking (checking: boolean) {
    this.#block(CHECKING, checking, 'healthy')
  }

  /** Why it cannot serve at present, as whoever runs it says. */
  get stopped (): string | undefined {
    return this.#stopped
  }

  set stopped (reason: string | undefined) {
    this.#stopped = reason
    this.#block(STOPPED, reason !== undefined, 'stopped')
  }

  /** Why the peer is out, in the words of whoever took it out (who runs it, a health check, the outlier detection). */
  get reason (): string | undefined {
    return this.#stopped ?? this.#reason
  }

  set reason (reason: string | undefined) {
    this.#reason = reason
  }

  /** It was taken off its group. Exchanges may still run. */
  get removed (): boolean {
    return (this.#blocks & REMOVED) !== 0
  }

  /** The time, by the clock of the group, before which the peer serves nobody; -Infinity if it was not ejected. */
  get ejectedUntil (): number {
    return this.#ejectedUntil
  }

  set ejectedUntil (until: number) {
    // Not without the end of the one before.
    if (this.#endUntold && until !== -Infinity) this.ejectedUntil = -Infinity
    const before = this.#ejectedUntil
    if (until === before && !this.#endUntold) return
    const returned = this.#endUntold || until < before
    this.#endUntold = false
    this.#ejectedUntil = until
    if (until === -Infinity) this.#blocks &= ~EJECTED
    else this.#blocks |= EJECTED
    this.#owner.edited(this, 'ejected', returned && until <= this.#owner.now())
  }

  /** Changes the share of the peer. */
  setWeight (weight: number): void {
    checkNumbers({ weight })
    if (weight === this.weight) return
    this.weight = weight
    // What failures took off it has grown back in a few rounds anyway.
    this.effectiveWeight = weight
    this.#owner.edited(this, 'weight', false)
  }

  /**
   * Takes over settings that are others than those given last; what was edited meanwhile and is configured as before stays
   * as edited.
   */
  configure (options: PeerOptions<T>): void {
    checkNumbers(options)
    const given = this.#options
    this.#options = options
    if (options.failTimeout !== given.failTimeout) this.failTimeout = options.failTimeout ?? 10_000
    if (options.maxFails !== given.maxFails || options.retry !== given.retry) {
      this.maxFails = options.maxFails ?? 1
      this.retry = options.retry
      if (this.retry !== undefined) this.effectiveWeight = this.weight
      const change = this.#returned(this.#failures.recount())
      if (change !== undefined) this.#owner.limited(this, change)
    }
    if (options.slowStart !== given.slowStart) this.slowStart = options.slowStart ?? 0
    if (options.stopped !== given.stopped) this.stopped = options.stopped
    if (options.route !== given.route) this.route = options.route
    if (options.redirect !== given.redirect) this.redirect = options.redirect
    this.keepalive = options.keepalive ?? 0
    this.preconnect = options.preconnect ?? 0
    if (options.weight !== given.weight) this.setWeight(options.weight ?? 1)
    if (options.down !== given.down) this.down = options.down ?? false
    if (options.drain !== given.drain) this.drain = options.drain ?? false
    if (options.maxConns !== given.maxConns) {
      this.maxConns = options.maxConns ?? 0
      this.limit = this.#limitOf()
      this.#owner.edited(this, 'limits', false)
    }
    if (options.backup !== given.backup || options.lbset !== given.lbset ||
        options.spare !== given.spare || options.standby !== given.standby) {
      this.backup = options.backup ?? false
      this.lbset = options.lbset ?? 0
      this.spare = options.spare ?? false
      this.standby = options.standby ?? false
      this.#owner.edited(this, 'tier', false)
    }
  }

  /** Only so many of `maxConns` are for this process; `undefined` gives it all. */
  setShare (share: number | undefined): void {
    this.#share = share
    const limit = this.#limitOf()
    if (limit === this.limit) return
    this.limit = limit
    this.#owner.edited(this, 'limits', false)
  }

  #limitOf (): number {
    return this.maxConns === 0 ? Infinity : Math.min(this.maxConns, this.#share ?? this.maxConns)
  }

  /** It is known that its failures keep it out for so many milliseconds more. */
  takeOut (remaining: number): void {
    if (this.maxFails === 0 || this.retry === 0) return
    this.#owner.limited(this, this.#failures.takeOut(remaining))
  }

  /** It is known that it serves again. */
  takeBack (): void {
    this.#owner.limited(this, this.forgive())
  }

  /** Its failures have taken it out, and nothing has shown since then that it serves again. */
  get tookOut (): boolean {
    return this.#failures.tookOut
  }

  /** How long its failures keep it out, from the latest one on. */
  get outTime (): number {
    return this.#failures.outTime
  }

  /** Nobody chooses it any more. */
  remove (): void {
    this.#blocks |= REMOVED
  }

  /**
   * Kept out by its failures at this moment. False again once `failTimeout` has passed, although only the next attempt
   * will show whether the server is back: a caller that waited for a success to see false might never send one.
   */
  get failed (): boolean {
    return this.#failures.keepOut(this.#owner.now())
  }

  get state (): ServerState {
    const blocks = this.#blocks
    if ((blocks & REMOVED) !== 0) return 'removed'
    if ((blocks & DOWN) !== 0) return 'down'
    if ((blocks & DRAIN) !== 0) return 'draining'
    if ((blocks & STOPPED) !== 0) return 'failed'
    if ((blocks & UNHEALTHY) !== 0) return 'unhealthy'
    if ((blocks & CHECKING) !== 0) return 'checking'
    if ((blocks & EJECTED) !== 0 && this.#owner.now() < this.#ejectedUntil) return 'ejected'
    if (this.failed) return 'failed'
    return this.#hasRoom() ? 'up' : 'full'
  }

  /** Its state depends on the time. */
  get timed (): boolean {
    return this.fails > 0 || this.ramping || (this.#blocks & EJECTED) !== 0
  }

  /** Whether the peer may serve at `now`, which only matters to a peer that is `timed`. */
  available (now: number): boolean {
    // Nearly all are like this, and it is asked for each of them at each pick.
    if (this.#blocks === 0 && this.fails === 0 && this.active < this.limit) return true
    return this.#isOpen(this.#blocks, now) && this.#hasRoom() && !this.#failures.keepOut(now)
  }

  /** Whether the peer may serve a request that is bound to it: as `available`, but while it is draining too. */
  reachable (now: number): boolean {
    return this.#isOpen(this.#blocks & ~DRAIN, now) && this.#hasRoom() && !this.#failures.keepOut(now)
  }

  /** Whether the peer could serve at `now` if fewer attempts were running. */
  full (now: number): boolean {
    return !this.#hasRoom() && this.#isOpen(this.#blocks, now) && !this.#failures.keepOut(now)
  }

  /** The same for a request that is bound to it. */
  crowded (now: number): boolean {
    return !this.#hasRoom() && this.#isOpen(this.#blocks & ~DRAIN, now) && !this.#failures.keepOut(now)
  }

  /** When the time alone will bring the peer back, be it for those alone that are bound to it; Infinity where it will not. */
  get returnsAt (): number {
    const blocks = this.#blocks & ~DRAIN
    if ((blocks & ~EJECTED) !== 0) return Infinity
    const now = this.#owner.now()
    let at = -Infinity
    if (blocks === EJECTED && this.#ejectedUntil > now) at = this.#ejectedUntil
    if (this.#failures.keepOut(now)) at = Math.max(at, this.#failures.until)
    return at === -Infinity ? Infinity : at
  }

  /** The weight that counts at `now`. */
  share (now: number): number {
    return this.ramping ? Math.min(this.effectiveWeight, this.#rampWeight(now)) : this.effectiveWeight
  }

  /** The weight that counts at `now`, failures aside; more than 0. */
  rank (now: number): number {
    return this.ramping ? Math.max(this.#rampWeight(now), this.weight * 0.001) : this.weight
  }

  /**
   * The peer has come (back): its weight grows from 0 if it has `slowStart`.
   * @param ago so many milliseconds ago
   */
  ramp (ago = 0): void {
    this.#rampBegan = this.#owner.now() - ago
    this.ramping = ago < this.slowStart
  }

  /** Since when the weight grows, by the clock of the group; -Infinity if it does not. */
  get rampBegan (): number {
    return this.ramping ? this.#rampBegan : -Infinity
  }

  /** When the peer was last known to fail, to be probed, or to be chosen after a pause. */
  get checked (): number {
    return Math.max(this.#failures.checked, this.seen)
  }

  #rampWeight (now: number): number {
    const part = (now - this.#rampBegan) / this.slowStart
    if (part < 1) return this.weight * Math.max(part, 0)
    this.ramping = false
    return this.weight
  }

  #hasRoom (): boolean {
    return this.active < this.limit
  }

  #isOpen (blocks: number, now: number): boolean {
    if (blocks === 0) return true
    if (blocks !== EJECTED || now < this.#ejectedUntil) return false
    // Its time is over. In the midst of a pick nobody is told: whoever waits for the end sees to that.
    this.#blocks &= ~EJECTED
    this.#ejectedUntil = -Infinity
    this.#endUntold = true
    this.ramp()
    return true
  }

  #block (bit: number, on: boolean, what: PeerEdit): void {
    if (((this.#blocks & bit) !== 0) === on) return
    this.#blocks ^= bit
    this.#owner.edited(this, what, !on)
  }

  /** A peer with failures was picked. */
  picked (now: number, pass: object): void {
    this.#failures.picked(now, pass)
  }

  /** An attempt failed. */
  attemptFailed (): StateChange {
    const change = this.#failures.failed()
    // With `retry` its share does not depend on failures: it has none of it, or all.
    if (this.maxFails > 0 && this.retry === undefined) {
      this.effectiveWeight = Math.max(0, this.effectiveWeight - Math.floor(this.weight / this.maxFails))
    }
    return change
  }

  /** The server answered. */
  attemptAnswered (): StateChange {
    return this.#returned(this.#failures.answered())
  }

  /** An attempt was given up for reasons that are not the server's. */
  attemptAborted (pass: object): void {
    this.#failures.aborted(pass)
  }

  /** Forgets all failures. */
  forgive (): StateChange {
    return this.#returned(this.#failures.forget())
  }

  #returned (change: StateChange): StateChange {
    if (change === 'up') this.ramp()
    return change
  }

  /**
   * Enters what was measured.
   * @param good the reply was the answer to the request: its times count
   * @param complete it came to its end, so that the time of its last byte counts, too
   */
  measured (metrics: AttemptMetrics, good: boolean, complete: boolean): void {
    const { headerTime, responseTime, bytesSent, bytesReceived } = metrics
    this.bytesSent += bytesSent
    this.bytesReceived += bytesReceived
    this.traffic += bytesSent + bytesReceived
    if (!good || headerTime === undefined) return
    this.headerTime = average(this.headerTime, headerTime)
    if (complete && responseTime !== undefined) this.responseTime = average(this.responseTime, responseTime)
  }
}

/** nginx's, without its rounding to whole milliseconds, which would swallow every change of less than 10 ms. */
function average (old: number | undefined, sample: number): number {
  return old === undefined ? sample : old + SAMPLE * (sample - old)
}
