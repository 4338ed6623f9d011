import { failureOf } from './failure.ts'
import { Pass, type PassHandler, type PassRequest } from '../attempts/pass.ts'
import type { Running } from './drain.ts'
import type { CacheTransaction, StoreFeeder } from '../cache/transaction.ts'
import type { Group } from '../balancer/group.ts'
import type { Endpoint } from '../connections/protocol.ts'
import type { PassSettings } from '../attempts/contract.ts'
import type { Attempt } from '../../types/request.ts'
import type { ResponseHead } from '../../types/exchange.ts'
import type { FastifyBaseLogger } from 'fastify'

/** What the options of the mount say of a reply. */
export interface Verdict {
  /** It is not to be stored. */
  readonly noCache: boolean
  /** An error page answers in its place. */
  readonly intercepted: boolean
}

/** Who has an entry renewed. */
export interface UpdateOwner {
  judge (head: ResponseHead): Verdict
  /** It has ended. */
  updated (update: BackgroundUpdate): void
}

/** Renews an entry of the cache while its client has the old one. It belongs to nobody's reply; the application waits for it when it closes. */
export class BackgroundUpdate implements PassHandler, StoreFeeder, Running {
  place = -1
  readonly #cache: CacheTransaction
  readonly #owner: UpdateOwner
  readonly #pass: Pass
  readonly #log: FastifyBaseLogger
  #over = false

  constructor (
    cache: CacheTransaction, group: Group<Endpoint>, settings: PassSettings, request: PassRequest, owner: UpdateOwner,
    log: FastifyBaseLogger
  ) {
    this.#cache = cache
    this.#owner = owner
    this.#log = log
    cache.feeder = this
    const attempts: Attempt[] = []
    this.#pass = new Pass(group, settings, request, this, attempts, cache.context)
  }

  start (): void {
    this.#pass.start()
  }

  /** Ends it: what is not complete is not stored. */
  cut (): void {
    this.#pass.abort()
    this.#cache.abort()
    this.#end()
  }

  closing (): void {}

  onHead (head: ResponseHead): void {
    const { noCache, intercepted } = this.#owner.judge(head)
    if (this.#cache.onHead(head, noCache, intercepted) === 'store') return
    this.#pass.abort()
    this.#cache.abort()
    this.#end()
  }

  onData (chunk: Buffer): void {
    if (!this.#cache.onData(chunk)) this.#pass.pause()
  }

  onEnd (): void {
    this.#cache.onEnd()
    this.#end()
  }

  onError (error: Error): void {
    this.#log.warn({ err: error }, `a background update of the cache failed: ${error.message}`)
    const { failure, statusCode } = failureOf(error)
    this.#cache.onError(failure, statusCode)
    this.#end()
  }

  onAttempt (): void {}

  onStoreDrain (): void {
    this.#pass.resume()
  }

  #end (): void {
    if (this.#over) return
    this.#over = true
    this.#owner.updated(this)
  }
}
