import { CachedEntry, validator } from './entry.ts'
import { CACHE_LOOKUP } from '../runtime/diagnostics.ts'
import { currentContext } from '../runtime/context.ts'
import { BEGUN, COMMITTING, FETCHING, LOOKUP, OVER, STORING, WAITING } from './phase.ts'
import { judge, renew } from './storability.ts'
import { readClientControl, type ClientControl } from './client-control.ts'
import { acceptsStale, isAboutClient, isErrorFreshEnough, isFreshEnough, leaveOf, seconds, staleOnStatus, toleratesStale, withinError } from './staleness.ts'
import { cacheStatusMember, hitMember, type StatusReport, type StatusTeller } from './status-header.ts'
import { methodKey, StoreKey } from './key.ts'
import { rangeTooFar } from './range-offset.ts'
import { readTags } from './tags.ts'
import { ShortSink } from './short-sink.ts'
import { StoreSink, type SinkOwner } from './sink.ts'
import { deleteEntry, updateEntry } from './update.ts'
import { variantKey } from './vary.ts'
import type { AsyncResource } from 'node:async_hooks'
import type { CacheHost as Host, CacheRequest, FetchPlan, HeadDecision, StoreFeeder } from './contract.ts'
import type { CacheRules } from './rules.ts'
import type { CacheZone } from './zone.ts'
import type { FetchFailure } from './use-stale.ts'
import type { Listed } from '../runtime/active-list.ts'
import type { LockUser } from './lock.ts'
import type { Lookup } from './store-guard.ts'
import type { CacheStatus, HeaderValues } from '../../types/cache.ts'
import type { CacheStoreResult, CacheStoreValue } from '../../types/cache-store.ts'
import type { ResponseHead } from '../../types/exchange.ts'

export type { CacheRequest, FetchPlan, HeadDecision, StoreFeeder } from './contract.ts'

/** The gateway as the cache sees it. */
export type CacheHost = Host<CacheTransaction>

/**
 * One request and the cache, from the lookup to the stored reply. The gateway begins it with `start()`, is told what to do, and tells
 * what the application did. However it ends, others who wait for the same are let go on.
 */
export class CacheTransaction implements Lookup, LockUser, SinkOwner, Listed, StatusTeller {
  place = -1
  /** What came of it; `undefined` as long as that is open. */
  status: CacheStatus | undefined
  /** After `revalidated` and `stale`: what goes to the client. */
  entry: CachedEntry | undefined
  /** After `onHead`: the gateway answers the client's conditions and its range itself, as they were not sent. */
  ownConditions = false
  /** Who hears of the store: the host, but of a background update whoever carries it out. */
  feeder: StoreFeeder
  readonly context: AsyncResource
  readonly #host: CacheHost
  readonly #zone: CacheZone
  readonly #rules: CacheRules
  readonly #request: CacheRequest
  readonly #key: StoreKey
  readonly #seen = (): HeaderValues => this.#key.headers
  #phase = BEGUN
  /** Its reply may be stored. */
  #mayStore: boolean
  #background = false
  /** The expired entry: its head, and its body as long as it may be needed. */
  #expired: CacheStoreValue | undefined
  #expiredEntry: CachedEntry | undefined
  #conditional = false
  /** The tags of the client were asked beside that of the entry. */
  #combined = false
  /** What it holds or waits for. */
  #lockKey: string | undefined
  #holds = false
  #lockUntil = 0
  #value: CacheStoreValue | undefined
  #sink: StoreSink | ShortSink | undefined
  #purged = false
  #purgedTags: string[] | undefined
  #counted = false
  /** What the client asks of the cache, where that counts. */
  readonly #client: ClientControl | undefined
  /** When the application was asked; 0 if it was not. */
  #requestedAt = 0
  /** Status of the application's reply, where the client gets another. */
  #forwardStatus: number | undefined
  #found: CacheStoreValue | undefined
  /** Nothing was there for this request, but there may be for others. */
  #varies = false

  constructor (zone: CacheZone, rules: CacheRules, request: CacheRequest, host: CacheHost) {
    const { method, key, headers, seen = () => headers, mayBeAuthorized } = request
    this.context = host.context ?? currentContext()
    this.#zone = zone
    this.#rules = rules
    this.#request = request
    this.#host = this.feeder = host
    this.#key = new StoreKey(zone.origin, methodKey(method, key), seen, mayBeAuthorized)
    this.#mayStore = method !== 'HEAD' || rules.convertHead
    this.#client = rules.obeyClient ? readClientControl(headers) : undefined
  }

  /** Of the request. */
  get key (): string {
    return this.#request.key
  }

  /** The application's reply is wanted for the cache, also when the client has disconnected. */
  get wanted (): boolean {
    return this.#phase === STORING || this.#phase === COMMITTING || (this.#phase === FETCHING && this.#mayStore)
  }

  /** The first step; it may call the host before it returns. */
  start (): void {
    if (this.#request.bypass) {
      this.#fetch('BYPASS')
      return
    }
    const { commits, guard } = this.#zone
    const waits = commits.wait(this.#key.path, guard.timeout, () => this.context.runInAsyncScope(this.#commitsDone, this))
    if (waits) this.#phase = this.#phase.to(WAITING)
    else this.#lookUp()
  }

  /**
   * The head of the application's reply is there, and is not that of an attempt that is tried again.
   * @param noCache do not store it: the option `noCache`, X-Accel-Redirect, a reply that is not buffered
   * @param intercepted the gateway answers with an error page of its own instead
   */
  onHead (head: ResponseHead, noCache: boolean, intercepted = false): HeadDecision {
    const rules = this.#rules
    const zone = this.#zone
    const now = zone.clock.now()
    if (this.#phase !== FETCHING) return 'pass'
    const stored = this.status === 'EXPIRED' ? this.#expired : undefined
    if (stored !== undefined && staleOnStatus(stored, head.statusCode, rules, this.#client, now)) {
      this.#forwardStatus = head.statusCode
      this.#serveStale()
      return 'stale'
    }
    const theirs = this.#request.headers['if-none-match']
    if (this.#conditional && head.statusCode === 304 && !isAboutClient(head, this.#expired?.etag, theirs, rules)) {
      // It may be about any of the tags that were sent, and does not say which.
      if (this.#combined && head.headers['etag'] === undefined) return 'again'
      this.#forwardStatus = 304
      this.#revalidate(head, now)
      return 'revalidated'
    }
    this.#count()
    if (!this.#mayStore) return this.#passOn()
    const verdict = judge(head, this.#key, rules, this.#requestedAt, now, zone.keepStale)
    this.ownConditions = verdict.allowed
    if (intercepted && verdict.staleAt > now) this.#rememberError(head.statusCode, verdict.vary, now, verdict.staleAt)
    const { value } = verdict
    if (intercepted || noCache || value === undefined || this.#key.unknown || this.#wasPurged(value)) return this.#passOn()
    const { guard } = zone
    const { contentLength } = head
    this.#sink = contentLength >= 0 && contentLength <= guard.putLimit
      ? new ShortSink(contentLength, (body, length) => guard.put(this.#key, value, body, length, rules.tempPath), this)
      : this.#openSink(value, contentLength)
    if (this.#sink === undefined) return this.#passOn()
    this.#value = value
    this.#dropExpired()
    this.#phase = this.#phase.to(STORING)
    return 'store'
  }

  /** Asks the application once more, after `again`, for the whole reply. */
  fetchAgain (): void {
    this.#conditional = this.#combined = false
    const strip = this.#mayStore
    this.#host.fetch({ asGet: strip && this.#request.method === 'HEAD', strip, etag: undefined, lastModified: undefined })
  }

  /** A piece of the body. False if the store is behind: `onStoreDrain` of the host follows. */
  onData (chunk: Buffer): boolean {
    return this.#phase !== STORING || this.#sink === undefined || this.#sink.write(chunk)
  }

  /** The body is complete. */
  onEnd (): void {
    if (this.#phase !== STORING) return
    this.#phase = this.#phase.to(COMMITTING)
    if (this.#sink instanceof ShortSink) {
      if (!this.#sink.end()) this.#giveTime(this.#sink)
      return
    }
    this.#zone.commits.begin(this.#key.path)
    this.#sink?.end()
  }

  /**
   * No server gave a reply, or one that broke off. Returns what goes to the client instead, where an expired entry may.
   * @param statusCode of the gateway's own reply
   */
  onError (failure: FetchFailure, statusCode: number): CachedEntry | undefined {
    if (this.#phase === STORING) this.#sink?.abort()
    if (this.#phase !== FETCHING) return undefined
    const zone = this.#zone
    const now = zone.clock.now()
    const stored = this.#expired
    if (this.status === 'EXPIRED' && stored !== undefined) {
      const { byMount, byReply } = leaveOf(stored, this.#rules)
      const isGranted = failure !== 'local' && withinError(stored, this.#client, now, byMount, byReply)
      if (isGranted || (byMount && this.#rules.useStale.onFailure(failure))) return this.#serveStale()
    }
    const valid = this.#mayStore && !this.#background && (statusCode === 502 || statusCode === 504) ? this.#rules.valid.of(statusCode) : 0
    if (valid > 0) this.#rememberError(statusCode, [], now, now + valid)
    this.#count()
    this.#end(false)
    return undefined
  }

  /** The client has disconnected, or the exchange was cut. What is complete is stored all the same. */
  abort (): void {
    if (this.#phase === STORING) this.#sink?.abort()
    else if (this.#phase !== COMMITTING && this.#phase !== OVER) {
      this.#count()
      this.#end(false)
    }
  }

  onLookup (result: CacheStoreResult | undefined, failed: boolean): void {
    const zone = this.#zone
    const found = result === undefined ? undefined : new CachedEntry(result, this.#key, zone.guard)
    if (this.#phase !== LOOKUP) {
      found?.discard()
      return
    }
    const now = zone.clock.now()
    const isFresh = found !== undefined && found.value.staleAt >= now && found.value.deleteAt > now
    if (isFresh && !this.#key.unknown && isFreshEnough(found, this.#client, now)) {
      this.#serve(found, 'HIT')
      return
    }
    if (this.#servesError(now)) {
      found?.discard()
    } else if (failed || this.#key.unknown) {
      found?.discard()
      this.#fetchOnly('MISS')
    } else if (found === undefined || found.value.deleteAt <= now) {
      found?.discard()
      this.#missing(now)
    } else {
      this.#hasExpired(found, now)
    }
  }

  onLockGranted (): void {
    this.#holds = true
    this.context.runInAsyncScope(this.#lookUp, this)
  }

  onLockFreed (): void {
    this.#lockKey = undefined
    if (this.#phase === WAITING) this.context.runInAsyncScope(this.#lookUp, this)
  }

  onLockTimeout (): void {
    this.#lockKey = undefined
    if (this.#phase === WAITING) this.context.runInAsyncScope(this.#fetchOnly, this, 'MISS')
  }

  onSinkDrain (): void {
    this.feeder.onStoreDrain()
  }

  onSinkFailure (message: string, error: unknown): void {
    this.#zone.guard.failed(message, error)
  }

  onSinkEnd (stored: boolean): void {
    const zone = this.#zone
    const { path } = this.#key
    if (stored) {
      const vary = this.#value?.vary
      zone.stored(path, this.#seen, vary === undefined ? undefined : Object.keys(vary))
      if (this.#purged) deleteEntry(zone.guard, this.#key)
    }
    if (this.#phase === COMMITTING && this.#takesTime()) zone.commits.end(path)
    if (this.#phase !== OVER) this.#end(stored)
  }

  /** Entries are being purged: the reply of this request is one of them, it only has not come yet. */
  onPurge (test: (key: string) => boolean, tag: string | undefined): void {
    if (tag !== undefined) (this.#purgedTags ??= []).push(tag)
    if (!test(this.#key.path) && !(this.#value !== undefined && this.#wasPurged(this.#value))) return
    this.#purged = true
    if (this.#phase === STORING) this.#sink?.abort()
  }

  /** The cache is being closed. */
  onClose (): void {
    if (this.#phase === STORING) this.#sink?.abort()
  }

  #commitsDone (): void {
    if (this.#phase === WAITING) this.#lookUp()
  }

  #lookUp (): void {
    this.#phase = this.#phase.to(LOOKUP)
    this.#zone.guard.get(this.#key, this)
  }

  /** Answers with the error that is remembered, where one is. What is fresh in the store goes before it. */
  #servesError (now: number): boolean {
    const error = this.#zone.errorOf(this.#key.path, this.#seen, now)
    if (error === undefined || this.#key.unknown || !isErrorFreshEnough(error, this.#client, now)) return false
    this.status = 'HIT'
    this.#tell('HIT')
    this.#count()
    this.#end(false)
    this.#host.serveError(error.statusCode, true)
    return true
  }

  /** Who goes by the cache must not decide what it says to others. */
  #rememberError (statusCode: number, vary: readonly string[], now: number, until: number): void {
    if (this.status === 'BYPASS' || this.#key.unknown) return
    this.#zone.rememberError(this.#key.path, vary, this.#seen, statusCode, now, until)
  }

  #serve (entry: CachedEntry, status: CacheStatus): void {
    this.status = status
    this.#tell(status)
    this.#found = entry.value
    this.#count()
    // Others who wait for the same find it as this one did.
    this.#end(true)
    this.#host.serve(entry)
  }

  #missing (now: number): void {
    const rules = this.#rules
    const zone = this.#zone
    this.#varies = zone.varies(this.#key.path, now)
    if (this.#client?.onlyIfCached === true) {
      this.#fetch('MISS', now)
      return
    }
    // Whoever has waited was counted before.
    if (rules.minUses > 1 && this.#lockUntil === 0 && zone.uses.count(this.#key.path, now) < rules.minUses) {
      this.#fetchOnly('MISS', now)
      return
    }
    if (!rules.lock || this.#holds || !this.#storable()) {
      this.#fetch('MISS', now)
      return
    }
    const lockKey = zone.lockKey(this.#key.path, this.#seen, now)
    if (this.#lockUntil === 0) this.#lockUntil = now + rules.lockTimeout
    if (zone.locks.acquire(lockKey, this, rules.lockAge, true, now)) {
      this.#lockKey = lockKey
      this.#holds = true
      this.#fetch('MISS', now)
    } else if (this.#lockUntil <= now) {
      this.#fetchOnly('MISS', now)
    } else {
      this.#lockKey = lockKey
      this.#phase = this.#phase.to(WAITING)
      zone.locks.wait(lockKey, this, rules.lockAge, this.#lockUntil - now)
    }
  }

  #hasExpired (entry: CachedEntry, now: number): void {
    const rules = this.#rules
    const { locks } = this.#zone
    const { value } = entry
    const { byMount, byReply } = leaveOf(value, this.#rules)
    if (byMount && toleratesStale(value, this.#client, now)) {
      this.#serve(entry, 'STALE')
      return
    }
    // A client that has the entry validated gets no other.
    const mayServe = value.staleAt < now && acceptsStale(value, this.#client, now) &&
      ((byMount && rules.useStale.updating) || (byReply && now <= value.staleAt + seconds(value, 'stale-while-revalidate')))
    const lockKey = this.#holds && this.#lockKey !== undefined
      ? this.#lockKey
      : variantKey(this.#key.path, Object.keys(value.vary ?? {}), this.#key.headers)
    const others = !this.#holds && locks.isHeld(lockKey)
    if (mayServe && others) {
      this.#serve(entry, 'UPDATING')
      return
    }
    // The body of a POST goes with its client, and a reply to what that wants kept out of the cache is for nobody else.
    if (mayServe && rules.backgroundUpdate && this.#request.method !== 'POST' && this.#client?.noStore !== true) {
      this.#renewInBackground(entry, lockKey)
      return
    }
    if (!others && !this.#holds && this.#storable()) {
      locks.acquire(lockKey, this, rules.lockAge, false, now)
      this.#lockKey = lockKey
      this.#holds = true
    }
    this.#expired = value
    this.#expiredEntry = entry
    this.#fetch('EXPIRED', now)
  }

  #renewInBackground (entry: CachedEntry, lockKey: string): void {
    const zone = this.#zone
    const update = new CacheTransaction(zone, this.#rules, this.#request, this.#host)
    update.#background = update.#mayStore = true
    update.#expired = entry.value
    update.#lockKey = lockKey
    if (this.#holds) zone.locks.transfer(lockKey, this, update)
    else zone.locks.acquire(lockKey, update, this.#rules.lockAge, false)
    update.#holds = true
    this.#holds = false
    this.#lockKey = undefined
    zone.updating++
    this.#serve(entry, 'STALE')
    update.#fetch('EXPIRED')
  }

  /** The client does not forbid it. */
  get #allowsStoring (): boolean {
    return this.#mayStore && this.#client?.noStore !== true
  }

  /** A reply to it can be stored as far as the request goes. */
  #storable (): boolean {
    return this.#allowsStoring && !rangeTooFar(this.#request.headers['range'], this.#rules.maxRangeOffset)
  }

  /** Asks the application for this client only. */
  #fetchOnly (status: CacheStatus, now?: number): void {
    this.#mayStore = false
    this.#fetch(status, now)
  }

  #fetch (status: CacheStatus, now = this.#zone.clock.now()): void {
    this.status = status
    this.#tell(status)
    if (this.#client?.onlyIfCached === true && !this.#background) {
      this.#count()
      this.#end(false)
      this.#host.serveError(504, false)
      return
    }
    // Where the client goes by the cache, its range does not count: it is sent as any other.
    if (!this.#background) this.#mayStore = status === 'BYPASS' ? this.#allowsStoring : this.#storable()
    // Only to GET and HEAD a 304 is an answer: to others a condition that does not hold is 412 (RFC 9110 section 13.1.2).
    const stored = this.#mayStore && this.#rules.revalidate && this.#request.method !== 'POST' ? this.#expired : undefined
    let etag = stored === undefined ? undefined : validator(stored, 'etag')
    // A 304 for what the client has is as good as one for what is stored (RFC 9111 section 4.3.2).
    const theirs = this.#request.headers['if-none-match']
    if (etag !== undefined && this.#rules.rfc !== undefined && !this.#background && typeof theirs === 'string' && theirs.trim() !== '*') {
      etag += `, ${theirs}`
      this.#combined = true
    }
    const lastModified = stored === undefined ? undefined : validator(stored, 'last-modified')
    this.#conditional = etag !== undefined || lastModified !== undefined
    this.#phase = this.#phase.to(FETCHING)
    this.#requestedAt = now
    if (this.#mayStore) this.#zone.active.add(this)
    const plan: FetchPlan = { asGet: this.#mayStore && this.#request.method === 'HEAD', strip: this.#mayStore, etag, lastModified }
    if (this.#background) this.#host.fetchInBackground(this, plan)
    else this.#host.fetch(plan)
  }

  statusMember (name: string): string {
    // What most requests are.
    if (this.status === 'HIT' && this.#found !== undefined && this.#lockUntil === 0) {
      return hitMember(name, Math.floor((this.#found.staleAt - this.#zone.clock.now()) / 1000))
    }
    return cacheStatusMember(name, this.#report())
  }

  #report (): StatusReport {
    const now = this.#zone.clock.now()
    const served = this.entry?.value ?? this.#found
    const value = this.#requestedAt === 0 || this.#forwardStatus !== undefined ? served : this.#value
    return {
      status: this.status ?? 'MISS',
      forwarded: this.#requestedAt !== 0,
      wasFresh: this.#expired !== undefined && this.#expired.staleAt >= this.#requestedAt,
      varies: this.#varies,
      forwardStatus: this.#forwardStatus,
      stored: this.#value !== undefined,
      collapsed: this.#lockUntil !== 0 && this.#requestedAt === 0,
      ttl: value === undefined ? undefined : Math.floor((value.staleAt - now) / 1000),
    }
  }

  #passOn (): 'pass' {
    this.#end(false)
    return 'pass'
  }

  /** The expired entry is what the client gets. */
  #serveStale (): CachedEntry | undefined {
    this.status = 'STALE'
    this.entry = this.#expiredEntry
    this.#expiredEntry = undefined
    this.#count()
    this.#end(false)
    return this.entry
  }

  #revalidate (head: ResponseHead, now: number): void {
    const zone = this.#zone
    const stored = this.#expired
    this.status = 'REVALIDATED'
    this.#count()
    const renewal = stored === undefined ? undefined : renew(stored, head, this.#rules, this.#requestedAt, now, zone.keepStale)
    const value = stored === undefined || this.#wasPurged(stored) ? undefined : renewal?.stored
    this.entry = renewal === undefined ? this.#expiredEntry : this.#expiredEntry?.with(renewal.served)
    this.#expiredEntry = undefined
    if (value === undefined || stored === undefined) {
      this.#end(false)
      return
    }
    const { path } = this.#key
    const lockKey = this.#lockKey
    this.#lockKey = undefined
    this.#end(true)
    zone.commits.begin(path)
    updateEntry(zone.guard, this.#key, value, stored, () => {
      zone.commits.end(path)
      if (lockKey !== undefined) zone.locks.release(lockKey, this, true)
    })
  }

  #openSink (value: CacheStoreValue, length: number): StoreSink | undefined {
    const { guard, clock } = this.#zone
    const stream = guard.open(this.#key, value, this.#rules.tempPath)
    return stream === undefined ? undefined : new StoreSink(stream, length, guard.timeout, clock, this)
  }

  /** Gives the store as a stream what it could not take at once. */
  #giveTime (short: ShortSink): void {
    const sink = this.#value === undefined ? undefined : this.#openSink(this.#value, -1)
    if (sink === undefined) {
      short.abort()
      return
    }
    this.#sink = sink
    this.#zone.commits.begin(this.#key.path)
    for (const piece of short.pieces) sink.write(piece)
    sink.end()
  }

  /** Between the end of the body and the entry in its place others may come. */
  #takesTime (): boolean {
    return this.#sink instanceof StoreSink
  }

  #wasPurged (value: CacheStoreValue): boolean {
    if (!this.#purged && this.#purgedTags !== undefined) {
      const tags = readTags(value.headers)
      this.#purged = this.#purgedTags.some(tag => tags.includes(tag))
    }
    return this.#purged
  }

  #tell (status: CacheStatus): void {
    if (CACHE_LOOKUP.hasSubscribers && !this.#background) CACHE_LOOKUP.publish({ cache: this.#zone, key: this.#key.path, status })
  }

  #count (): void {
    if (this.#counted || this.status === undefined || this.#background) return
    this.#counted = true
    this.#zone.count(this.status)
  }

  #dropExpired (): void {
    this.#expiredEntry?.discard()
    this.#expiredEntry = undefined
  }

  /** @param stored others find the entry in the store now */
  #end (stored: boolean): void {
    this.#phase = this.#phase.to(OVER)
    this.#dropExpired()
    this.#zone.active.delete(this)
    if (this.#background) this.#zone.updating--
    if (this.#lockKey === undefined) return
    const lockKey = this.#lockKey
    this.#lockKey = undefined
    this.#zone.locks.release(lockKey, this, stored)
  }
}
