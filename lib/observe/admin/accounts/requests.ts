import { GROUP_REFUSED, REQUEST_END } from '../../../runtime/diagnostics.ts'
import type { FastifyInstance } from 'fastify'
import type { RefusedMessage, RequestMessage } from '../../../../types/diagnostics.ts'
import type { Attempt } from '../../../../types/request.ts'

/** Requests of each kind that are remembered. */
const MOST = 50
/** Attempts of one request, and characters of its path. */
const MOST_ATTEMPTS = 20
const MOST_PATH = 512

/** An attempt, and what went wrong in it. */
interface SeenAttempt extends Attempt {
  readonly error: string | undefined
}

/** A request that is worth a look. */
export interface SeenRequest {
  /** When it ended; milliseconds since the epoch. */
  readonly at: number
  readonly id: string
  readonly method: string
  /** Without the query, which may hold secrets. */
  readonly path: string
  /** What the client was answered; 499 where it had left before. */
  readonly status: number
  /** Milliseconds until the client had the last byte. */
  readonly time: number
  readonly client: string
  readonly cache: string | undefined
  readonly attempts: readonly SeenAttempt[]
}

export interface RequestAccountsOptions {
  readonly instance: FastifyInstance
  /** Milliseconds from which on a request is slow. */
  readonly slow: number
  readonly now: () => number
  /** Why an attempt failed. */
  failureOf (attempt: Attempt): string | undefined
}

/** The latest requests that failed, and the latest slow ones. */
export class RequestAccounts {
  /** Latest first. */
  readonly failed: SeenRequest[] = []
  readonly slow: SeenRequest[] = []
  readonly #options: RequestAccountsOptions
  /** Why no server could be had for a request, which its attempts do not say. */
  readonly #refusals = new WeakMap<Attempt, string>()
  readonly #ends: (() => void)[]

  constructor (options: RequestAccountsOptions) {
    this.#options = options
    this.#ends = [REQUEST_END.subscribe(message => this.#ended(message)), GROUP_REFUSED.subscribe(message => this.#refused(message))]
  }

  reset (): void {
    this.failed.length = this.slow.length = 0
  }

  close (): void {
    for (const end of this.#ends) end()
  }

  #ended (message: RequestMessage): void {
    const { request, info, statusCode = 0, duration = 0 } = message
    const { instance, slow } = this.#options
    const failed = statusCode >= 500 || info.attempts.length > 1
    if ((!failed && duration < slow) || request.server.server !== instance.server) return
    const seen = this.#see(message)
    if (failed) keep(this.failed, seen)
    if (duration >= slow) keep(this.slow, seen)
  }

  #refused ({ attempt, error }: RefusedMessage): void {
    this.#refusals.set(attempt, error.message)
  }

  #see ({ request, info, statusCode = 0, duration = 0 }: RequestMessage): SeenRequest {
    const wordsFor = (attempt: Attempt): string | undefined => this.#options.failureOf(attempt) ?? this.#refusals.get(attempt)
    return {
      at: this.#options.now(),
      id: request.id,
      method: request.method,
      path: (request.url.split('?', 1)[0] ?? '').slice(0, MOST_PATH),
      status: statusCode,
      time: Math.round(duration),
      client: info.clientAddress,
      cache: info.cacheStatus,
      attempts: info.attempts.slice(-MOST_ATTEMPTS).map(attempt => ({ ...attempt, error: wordsFor(attempt) })),
    }
  }
}

function keep (list: SeenRequest[], seen: SeenRequest): void {
  list.unshift(seen)
  if (list.length > MOST) list.pop()
}
