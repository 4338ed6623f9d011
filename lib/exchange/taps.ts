import { askedOf, MirrorTap, type MirrorTapOwner } from './mirror-tap.ts'
import { BackgroundUpdate, type UpdateOwner, type Verdict } from './background-update.ts'
import { BYPASS, METHOD } from '../cache/status-header.ts'
import { CACHE, STORE, type UpstreamSide } from './upstream-side.ts'
import { FST_SCGI_CACHED_ERROR } from '../errors.ts'
import { DETACHED } from './phase.ts'
import { ended, type GatewayState, type Running } from './drain.ts'
import { invalidate, isUnsafe, openCache } from './caching.ts'
import { isBuffered } from './reply-side.ts'
import type { CacheHost, CacheTransaction, FetchPlan } from '../cache/transaction.ts'
import type { CachedEntry } from '../cache/entry.ts'
import type { Replacement } from './replacement.ts'
import type { Exchanging } from './exchanging.ts'
import type { Hits } from './hits.ts'
import type { Mount } from './mount.ts'
import type { ReplySide } from './reply-side.ts'
import type { FetchFailure } from '../cache/use-stale.ts'
import type { ResponseHead } from '../../types/exchange.ts'

/**
 * Who takes the reply besides the client: the cache, or the store that mirrors it as files. One that takes no more holds the servers up,
 * and none is left behind when the exchange ends. Only the exchanges of mounts with either have taps.
 */
export class Taps implements MirrorTapOwner, UpdateOwner {
  /** The cache's part in this request, where it has one. */
  cache: CacheTransaction | undefined
  #store: MirrorTap | undefined
  readonly #mount: Mount
  readonly #state: GatewayState
  readonly #upstream: UpstreamSide
  readonly #client: ReplySide

  constructor (mount: Mount, state: GatewayState, upstream: UpstreamSide, client: ReplySide) {
    this.#mount = mount
    this.#state = state
    this.#upstream = upstream
    this.#client = client
  }

  /**
   * Gives the cache that is to be asked; `undefined` if it has nothing to do with the request.
   * @throws FST_SCGI_OPT_INVALID, and what the user's functions throw
   */
  openCache (host: CacheHost): CacheTransaction | undefined {
    const { cache: policy } = this.#mount
    const { group, outgoing, sendsBody } = this.#upstream
    if (policy === undefined || group === undefined) return undefined
    const { sender, info } = this.#client
    // A tunnel is no reply, and an answer to who asked for one is nobody else's.
    if (outgoing.upgrade === undefined) this.cache = info.cache = openCache(policy, outgoing, sendsBody, group, host, this.#state.caches)
    if (this.cache !== undefined) sender.cacheStatus = this.cache
    else if (policy.rules.cacheStatus !== undefined) sender.cacheStatus = policy.covers(outgoing.method) ? BYPASS : METHOD
    return this.cache
  }

  /** An entry goes to the client: whoever asks for the same may go a shorter way. */
  served (hits: Hits | undefined): void {
    if (hits !== undefined && this.cache?.status === 'HIT') hits.remember(this.#client.request, this.cache.key)
  }

  /** The reply is to be read to its end, also when its client has gone. */
  get wanted (): boolean {
    return this.#store?.wanted === true || this.cache?.wanted === true
  }

  /** As far as the request can tell, its reply may be stored. */
  get mayStore (): boolean {
    const { store } = this.#mount
    const { group, outgoing, sendsBody } = this.#upstream
    if (store === undefined || group === undefined || outgoing.upgrade !== undefined) return false
    return store.takes(askedOf(outgoing, sendsBody, group))
  }

  /** Shows a head to the cache. True if that has settled what happens to the reply. */
  cacheTakes (cache: CacheTransaction, head: ResponseHead, replacement: Replacement | undefined, exchange: Exchanging): boolean {
    const client = this.#client
    const { sender, request } = client
    const upstream = this.#upstream
    const intercepted = replacement !== undefined && replacement.intercepted
    const decision = cache.onHead(head, replacement !== undefined || !sender.buffering || this.#noCache(), intercepted)
    sender.ownConditions = cache.ownConditions
    if (decision === 'again') {
      upstream.abort()
      client.head = client.info.head = undefined
      cache.fetchAgain()
      return true
    }
    if (decision === 'revalidated' || decision === 'stale') {
      upstream.abort()
      if (cache.entry !== undefined) exchange.serve(cache.entry)
      else exchange.answerError(new FST_SCGI_CACHED_ERROR(head.statusCode))
      return true
    }
    // The client asked for the head, the cache for all of it.
    if (replacement === undefined && request.method === 'HEAD' && upstream.outgoing.method === 'GET') {
      if (decision === 'pass') exchange.sendingFailed()
      else exchange.detach()
      if (client.client === 'listening') sender.whole(head, [], 0)
      client.drop()
      return true
    }
    if (decision === 'pass' && exchange.phase === DETACHED && !this.#mount.ignoreClientAbort) {
      exchange.sendingFailed()
      return true
    }
    return false
  }

  /** Has the body of a reply stored, if it is one to be stored. */
  openStore (head: ResponseHead): void {
    const { store } = this.#mount
    const { request, sender } = this.#client
    if (store === undefined || !sender.buffering || !this.mayStore) return
    this.#store = MirrorTap.open(store, request, this.#upstream.outgoing.view.pathInfo, head, this)
  }

  data (chunk: Buffer): void {
    if (this.cache !== undefined && !this.cache.onData(chunk)) this.#upstream.hold(CACHE)
    this.#store?.write(chunk)
  }

  /** Of a piece that was written: the client would know by it that the body is complete. */
  isLast (chunk: Buffer): boolean {
    return this.#store?.isLast(chunk) === true
  }

  /** The body is complete. False if nobody has to wait for the store; else it calls back. */
  end (stored: () => void): boolean {
    this.cache?.onEnd()
    return this.#store?.commit(stored) === true
  }

  /** No server gave a reply, or one that broke off. Gives what is served instead, where an expired entry may. */
  fail (failure: FetchFailure, statusCode: number): CachedEntry | undefined {
    return this.cache?.onError(failure, statusCode)
  }

  /** What is not complete is not stored. */
  abort (): void {
    this.#store?.abort()
    this.cache?.abort()
  }

  /** The cache takes more. */
  cacheDrained (): void {
    this.#upstream.release(CACHE)
  }

  storeFull (): void {
    this.#upstream.hold(STORE)
  }

  storeDrained (): void {
    this.#upstream.release(STORE)
  }

  storing (tee: MirrorTap): void {
    this.#state.running.add(tee)
  }

  stored (tee: MirrorTap): void {
    ended(this.#state, tee)
  }

  /** Renews an entry, while its client has the old one. */
  update (transaction: CacheTransaction, plan: FetchPlan): void {
    const { group, outgoing } = this.#upstream
    if (group === undefined || this.#client.request.method === 'POST') {
      // The body of this one is the client's, which is answered and gone.
      transaction.abort()
      return
    }
    const request = outgoing.forCache(plan)
    try {
      request.prepare()
    } catch (error) {
      this.#client.request.log.error({ err: error }, 'a background update of the cache failed')
      transaction.abort()
      return
    }
    const update = new BackgroundUpdate(transaction, group, this.#mount.pass, request, this, this.#client.request.log)
    this.#state.running.add(update)
    update.start()
  }

  /** What the options say of a reply that goes to no client. */
  judge (head: ResponseHead): Verdict {
    const { info } = this.#client
    const { head: shown } = info
    // The client's own reply is another: that of the entry. The user's functions are asked about this one.
    info.head = head
    try {
      const replacement = this.#client.replacementOf(head)
      return {
        noCache: replacement !== undefined || !isBuffered(head, this.#mount) || this.#noCache(),
        intercepted: replacement?.intercepted === true,
      }
    } finally {
      info.head = shown
    }
  }

  updated (update: Running): void {
    ended(this.#state, update)
  }

  /**
   * A request that may have changed something takes what the cache has of it away (RFC 9111 section 4.4).
   * @param headers of the reply; `undefined` if nobody has heard what happened to the request: it may have been done
   */
  invalidate (headers: ResponseHead['headers'] | undefined): void {
    const { cache } = this.#mount
    const { outgoing } = this.#upstream
    if (cache?.rules.rfc === undefined || !isUnsafe(outgoing.method) || (headers === undefined && !this.#upstream.sent)) return
    try {
      invalidate(cache, outgoing, headers ?? {}, this.cache !== undefined)
    } catch (error) {
      this.#client.request.log.error({ err: error }, 'the cache was not told of a change: cache.zone or cache.key failed')
    }
  }

  #noCache (): boolean {
    const { request } = this.#client
    try {
      return this.#mount.cache?.noCache(request) === true
    } catch (error) {
      request.log.error({ err: error }, 'the reply is not stored: cache.noCache failed')
      return true
    }
  }
}
