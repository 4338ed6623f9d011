import { History } from './history.ts'
import { ATTEMPT_END, HEALTH_CHECK } from '../../../runtime/diagnostics.ts'
import type { AttemptMessage, HealthCheckMessage } from '../../../../types/diagnostics.ts'
import type { ServerListEvent, ServerStateEvent, UpstreamGroup } from '../../../../types/live.ts'
import type { Attempt } from '../../../../types/request.ts'
import type { UpstreamServer } from '../../../../types/upstream.ts'

/** What counts since the counters were set to zero. */
interface Counters {
  readonly served: number
  readonly failures: number
  readonly bytesSent: number
  readonly bytesReceived: number
}

/** What is known of a server beside what its group tells. */
export interface ServerAccount {
  readonly history: History
  /** Since when it stands as it does; milliseconds since the epoch. */
  since: number
  /** The latest failed attempt in words, and when that was. */
  failure: { readonly at: number, readonly message: string } | undefined
  /** What the latest health check has found; no reason where it was well. */
  check: { readonly at: number, readonly reason: string | undefined } | undefined
  /** What the counters were when they were set to zero. */
  base: Counters
}

const ZERO: Counters = { served: 0, failures: 0, bytesSent: 0, bytesReceived: 0 }

/** Keeps account of all servers of the groups that are in use, by what the channels tell of the whole process. */
export class ServerAccounts {
  readonly #groups: () => Iterable<UpstreamGroup>
  readonly #now: () => number
  readonly #accounts = new WeakMap<UpstreamServer, ServerAccount>()
  readonly #watched = new Map<UpstreamGroup, () => void>()
  /** Why attempts failed, which they do not say themselves. */
  readonly #failures = new WeakMap<Attempt, string>()
  readonly #channels: (() => void)[]

  constructor (groups: () => Iterable<UpstreamGroup>, now: () => number) {
    this.#groups = groups
    this.#now = now
    this.#channels = [ATTEMPT_END.subscribe(message => this.#ended(message)), HEALTH_CHECK.subscribe(message => this.#checked(message))]
  }

  /** Watches the groups that have come since, and leaves those that have gone. */
  sync (): void {
    const groups = new Set(this.#groups())
    for (const [group, leave] of this.#watched) {
      if (groups.has(group)) continue
      leave()
      this.#watched.delete(group)
    }
    for (const group of groups) if (!this.#watched.has(group)) this.#watched.set(group, this.#watch(group))
  }

  of (server: UpstreamServer): ServerAccount {
    let account = this.#accounts.get(server)
    if (account === undefined) {
      const now = this.#now()
      account = { history: new History(now), since: now, failure: undefined, check: undefined, base: ZERO }
      this.#accounts.set(server, account)
    }
    return account
  }

  /** Why an attempt failed. */
  failureOf (attempt: Attempt): string | undefined {
    return this.#failures.get(attempt)
  }

  /** Counts from zero again, and forgets what was measured. */
  reset (server: UpstreamServer): void {
    const account = this.of(server)
    const { served, failures, bytesSent, bytesReceived } = server
    account.base = { served, failures, bytesSent, bytesReceived }
    account.failure = undefined
    account.history.reset()
  }

  close (): void {
    for (const end of this.#channels) end()
    for (const leave of this.#watched.values()) leave()
    this.#watched.clear()
  }

  #ended ({ server, outcome, attempt, error, head }: AttemptMessage): void {
    // Those of other applications in this process are none of ours.
    const account = this.#accounts.get(server)
    if (account === undefined) return
    const now = this.#now()
    account.history.record(now, outcome === 'ok' ? attempt.responseTime : undefined, outcome === 'failed')
    if (error !== undefined) this.#failures.set(attempt, error.message)
    if (outcome !== 'failed') return
    account.failure = { at: now, message: error?.message ?? (head === undefined ? 'no reason is known' : `it answered with status ${head.statusCode}`) }
  }

  #checked ({ server, reason }: HealthCheckMessage): void {
    const account = this.#accounts.get(server)
    if (account !== undefined) account.check = { at: this.#now(), reason }
  }

  #watch (group: UpstreamGroup): () => void {
    const state = ({ server }: ServerStateEvent): void => { this.of(server).since = this.#now() }
    const added = ({ server }: ServerListEvent): void => { this.of(server) }
    for (const server of group.servers) this.of(server)
    group.on('state', state).on('added', added)
    return () => { group.off('state', state).off('added', added) }
  }
}
