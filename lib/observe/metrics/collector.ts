import * as topics from '../../runtime/diagnostics.ts'
import { attemptSpans, type TraceRef } from '../attempt-spans.ts'
import { classOf, Stats, type ServerStats } from './stats.ts'
import type { CurrentTrace } from './trace.ts'
import type { AttemptMessage, RefusedMessage, RequestMessage } from '../../../types/diagnostics.ts'
import type { ScgiDecorator } from '../../../types/fastify.ts'
import type { Attempt } from '../../../types/request.ts'
import type { UpstreamServer } from '../../../types/upstream.ts'
import type { FastifyInstance } from 'fastify'

/** What follows it lasts as long as client and server have something to say to each other. */
const SWITCHED = 101

/** Counts what is told on the channels, from `start` to `stop`. */
export class Collector {
  readonly stats: Stats
  readonly #trace: CurrentTrace
  /** Where groups and caches are to be found. */
  readonly #instances = new Set<FastifyInstance>()
  /** The traces of requests that run: their end comes in no context of theirs. */
  readonly #traces = new WeakMap<RequestMessage, TraceRef>()
  /** Attempts that no server has made. A group has the name of its server, where it was given none. */
  readonly #refusals = new WeakSet<Attempt>()
  #stop: (() => void)[] = []

  constructor (bounds: readonly number[], trace: CurrentTrace) {
    this.stats = new Stats(bounds)
    this.#trace = trace
  }

  start (): void {
    const { stats } = this
    this.#stop = [
      topics.REQUEST_START.subscribe(message => this.#requestBegan(message)),
      topics.REQUEST_END.subscribe(message => this.#requestEnded(message)),
      topics.ATTEMPT_START.subscribe(({ group, reason }) => {
        if (reason !== undefined) stats.group(group.name).retries.add(reason)
      }),
      topics.ATTEMPT_END.subscribe(message => this.#attemptEnded(message)),
      topics.GROUP_REFUSED.subscribe(message => this.#refused(message)),
      topics.QUEUE_WAIT.subscribe(({ group }) => { stats.group(group.name).queued++ }),
      topics.QUEUE_LEAVE.subscribe(({ group, waited }) => {
        const known = stats.group(group.name)
        known.queued = Math.max(0, known.queued - 1)
        known.wait.observe(waited, this.#trace())
      }),
      topics.HEALTH_CHECK.subscribe(({ group, server, reason }) => {
        this.#server(group, server)?.checks.add(reason === undefined ? 'passed' : 'failed')
      }),
      topics.DNS_ANSWER.subscribe(({ name, reason }) => stats.answersFor(name).add(reason === undefined ? 'answered' : 'failed')),
      topics.SPOOL_WRITE.subscribe(({ kind, bytes }) => stats.spooled.add(kind, bytes)),
      topics.SERVER_REMOVED.subscribe(({ group, server }) => {
        if (!group.servers.some(({ name }) => name === server.name)) stats.remove(group.name, server.name)
      }),
    ]
  }

  stop (): void {
    for (const end of this.#stop.splice(0)) end()
  }

  add (instance: FastifyInstance): void {
    this.#instances.add(instance)
  }

  delete (instance: FastifyInstance): void {
    this.#instances.delete(instance)
  }

  /** What the gateways of the applications have, each once. */
  get gateways (): ReadonlySet<ScgiDecorator> {
    const found = new Set<ScgiDecorator>()
    for (const instance of this.#instances) if (instance.hasDecorator('scgi')) found.add(instance.scgi)
    return found
  }

  #requestBegan (message: RequestMessage): void {
    const trace = this.#trace()
    if (trace !== undefined) this.#traces.set(message, trace)
  }

  #requestEnded (message: RequestMessage): void {
    const { group, info, statusCode = 0, duration } = message
    const known = this.stats.group(group?.name ?? '')
    const last = info.attempts.at(-1)
    const server = last === undefined || this.#refusals.has(last) ? undefined : known.find(last.address)
    const requests = server === undefined ? known.requests : server.requests
    requests.add(classOf(statusCode))
    if (statusCode !== SWITCHED) known.request.observe(duration, this.#traces.get(message))
  }

  #attemptEnded (message: AttemptMessage): void {
    const { group, server, attempt, outcome = 'abort', error } = message
    const trace = attemptSpans.get(message) ?? this.#trace()
    const known = this.stats.group(group.name)
    known.connect.observe(attempt.connectTime, trace)
    if (outcome !== 'abort' && attempt.status !== SWITCHED) known.response.observe(attempt.responseTime, trace)
    const own = this.#server(group.name, server)
    if (own === undefined) return
    own.attempts.add(outcome)
    own.bytesSent += attempt.bytesSent
    own.bytesReceived += attempt.bytesReceived
    own.header.observe(attempt.headerTime, trace)
    if (outcome === 'failed') own.failures.add(kindOf(error) ?? 'status')
  }

  #refused ({ group, attempt, error }: RefusedMessage): void {
    this.#refusals.add(attempt)
    const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
    this.stats.group(group.name).failures.add(code.replace(/^FST_SCGI_/, '').toLowerCase())
  }

  /** `undefined` of a server that has left its group: its series are gone, too. */
  #server (group: string, { name, state }: UpstreamServer): ServerStats | undefined {
    const known = this.stats.group(group)
    return state === 'removed' ? known.find(name) : this.stats.server(known, name)
  }
}

/** In the words of `nextUpstream`, and `local`. */
function kindOf (error: Error | undefined): string | undefined {
  return error !== undefined && 'kind' in error && typeof error.kind === 'string' ? error.kind : undefined
}
