import { createHash } from 'node:crypto'
import type { ResponseHead } from '../../../types/exchange.ts'
import type { PickRequest } from '../method.ts'
import type { Clock } from '../peer-options.ts'
import { cookieValue } from './cookies.ts'
import { textOf } from './policy.ts'
import type { SessionServer, SharedSessions, StickyPolicy } from './policy.ts'

export interface LearnOptions {
  /** Name of the cookie that begins a session, or a function that finds the session in a reply. */
  readonly create: string | ((request: unknown, head: ResponseHead) => unknown)
  /** Name of the cookie of the session, or a function that finds the session in a request. */
  readonly lookup: string | ((request: unknown) => unknown)
  /** Milliseconds after which a session that nobody uses is forgotten. */
  readonly timeout: number
  /** So many sessions are known at most. */
  readonly maxEntries: number
  /** A clock in milliseconds that never goes back. */
  readonly now: Clock
}

/**
 * The gateway notes which server has begun a session: the application need know of nothing. (nginx: sticky learn) Servers are noted by
 * name, so that sessions outlive edits of their group.
 */
export class StickyLearn implements StickyPolicy {
  readonly #options: LearnOptions
  readonly #sessions: SessionTable
  readonly shared: SharedSessions = {
    onNoted: undefined,
    note: (session, server, milliseconds) => this.#sessions.put(session, server, this.#options.now(), milliseconds),
  }

  constructor (options: LearnOptions) {
    this.#options = options
    this.#sessions = new SessionTable(options.timeout, options.maxEntries)
  }

  /** Number of sessions that are kept. */
  get size (): number {
    return this.#sessions.size
  }

  names ({ route, name }: SessionServer): readonly string[] {
    return [route ?? name]
  }

  find<S> (request: PickRequest, servers: Pick<ReadonlyMap<string, S>, 'get'>): S | undefined {
    const session = this.#lookup(request)
    const name = session === undefined ? undefined : this.#sessions.get(session, this.#options.now())
    return name === undefined ? undefined : servers.get(name)
  }

  answered (request: PickRequest, name: string, head: ResponseHead): void {
    const { create, now } = this.#options
    const begun = typeof create === 'string' ? cookieSet(head, create) : textOf(create(request.source, head))
    if (begun !== undefined) {
      this.#noted(this.#sessions.set(begun, name, now()), name)
      return
    }
    // One that is known is used, and may have moved; one that is not is nothing that an application has vouched for.
    const session = this.#lookup(request)
    if (session !== undefined) this.#noted(this.#sessions.renew(session, name, now()), name)
  }

  #noted (key: string | undefined, name: string): void {
    if (key !== undefined) this.shared.onNoted?.(key, name, this.#options.timeout)
  }

  #lookup (request: PickRequest): string | undefined {
    const { lookup } = this.#options
    return typeof lookup === 'string' ? textOf(cookieValue(request.cookie, lookup)) : textOf(lookup(request.source))
  }
}

/** Sessions with the names of their servers. Those that were not used for the longest time come first, and go first. */
class SessionTable {
  readonly #entries = new Map<string, Session>()
  readonly #timeout: number
  readonly #maxEntries: number

  constructor (timeout: number, maxEntries: number) {
    this.#timeout = timeout
    this.#maxEntries = maxEntries
  }

  get size (): number {
    return this.#entries.size
  }

  get (session: string, now: number): string | undefined {
    const entry = this.#entries.get(sessionKey(session))
    return entry === undefined || entry.until <= now ? undefined : entry.name
  }

  /** These give the key of the session where others, if there are any, should hear of it. */

  set (session: string, name: string, now: number): string | undefined {
    return this.#noteworthy(sessionKey(session), name, now)
  }

  renew (session: string, name: string, now: number): string | undefined {
    const key = sessionKey(session)
    const entry = this.#entries.get(key)
    return entry !== undefined && entry.until > now ? this.#noteworthy(key, name, now) : undefined
  }

  /** A key as these two give it, of which another process knows. */
  put (key: string, name: string, now: number, milliseconds: number): void {
    this.#enter(key, { name, until: now + Math.min(milliseconds, this.#timeout), told: now }, now)
  }

  /** That a session is used is told four times in its time at most. */
  #noteworthy (key: string, name: string, now: number): string | undefined {
    const known = this.#entries.get(key)
    const told = known?.name === name && now - known.told < this.#timeout / 4 ? known.told : now
    this.#enter(key, { name, until: now + this.#timeout, told }, now)
    return told === now ? key : undefined
  }

  #enter (key: string, entry: Session, now: number): void {
    this.#entries.delete(key)
    // All have much the same time to live: the order of use is that of expiry.
    for (const [oldest, { until }] of this.#entries) {
      if (until > now && this.#entries.size < this.#maxEntries) break
      this.#entries.delete(oldest)
    }
    this.#entries.set(key, entry)
  }
}

interface Session {
  readonly name: string
  readonly until: number
  /** When others were told of it. */
  readonly told: number
}

/** Of one size, whatever the session is, and no part of a string that a whole request would be kept for. */
function sessionKey (session: string): string {
  return createHash('sha256').update(session).digest('base64url')
}

/** Value of a cookie that a reply sets. */
function cookieSet ({ headers }: ResponseHead, name: string): string | undefined {
  const given = headers['set-cookie']
  if (given === undefined) return undefined
  for (const line of typeof given === 'string' ? [given] : given) {
    const equals = line.indexOf('=')
    if (equals < 0 || line.slice(0, equals).trim() !== name) continue
    const end = line.indexOf(';', equals)
    return textOf(line.slice(equals + 1, end < 0 ? undefined : end).trim())
  }
  return undefined
}
