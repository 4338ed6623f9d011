import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Cache, CacheStatus } from './cache.ts'
import type { ResponseHead, ServerAddress } from './exchange.ts'
import type {
  ApplicationOutputEvent, ApplicationProcessEvent, BalanceEvent, ResolveEvent, ServerEditEvent, ServerListEvent, ServerStateEvent,
  ServerWeightEvent,
} from './live.ts'
import type { Attempt, ScgiRequestInfo } from './request.ts'
import type { AttemptOutcome, UpstreamServer, UpstreamServers } from './upstream.ts'

/** One pass of a client's request through the gateway. Start and end have the same object. */
export interface RequestMessage {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** `request.scgi` of this pass. */
  readonly info: ScgiRequestInfo
  /** Who is to answer; `undefined` until it is chosen. */
  readonly group: UpstreamServers | undefined
  /** `performance.now()` at its start. */
  readonly begun: number
  /**
   * At the end: the status that the client got, 499 where it was gone before. Where an internal redirect or an error page has led
   * elsewhere, it is the status that this pass had come to.
   */
  readonly statusCode: number | undefined
  /** At the end: milliseconds from its start until the client had the last byte, or was gone. */
  readonly duration: number | undefined
}

/** One exchange with one server. All messages about it are the same object. */
export interface AttemptMessage {
  /** On whose behalf: a FastifyRequest; for `ScgiDispatcher` undici's DispatchOptions. */
  readonly request: unknown
  readonly method: string
  readonly group: UpstreamServers
  readonly server: UpstreamServer
  readonly address: ServerAddress
  /** Times, bytes and status as far as they are known by now. */
  readonly attempt: Attempt
  /** Attempts that this pass has made before. */
  readonly resendCount: number
  /**
   * What made this attempt one more, in the words of `nextUpstream`: `'error'`, `'timeout'`, `'invalid_header'`, `'http_503'`.
   * `undefined` for the first.
   */
  readonly reason: string | undefined
  /** From `fastify-scgi:attempt:head` on. */
  readonly head: ResponseHead | undefined
  /** At the end. */
  readonly outcome: AttemptOutcome | undefined
  /** At the end, where one has ended it. */
  readonly error: Error | undefined
  /**
   * Within `fastify-scgi:attempt:start`: sends a header with this attempt, in the place of the client's of that name. It goes where a
   * client's would: `passRequestHeaders` may leave it out, and the same name in `params` goes before it.
   */
  setHeader (name: string, value: string): void
}

/** No server could be had for a request. */
export interface RefusedMessage {
  /** As in `AttemptMessage`. */
  readonly request: unknown
  readonly group: UpstreamServers
  /** FST_SCGI_NO_LIVE_UPSTREAMS, FST_SCGI_NO_FAILOVER, FST_SCGI_QUEUE_FULL or FST_SCGI_QUEUE_TIMEOUT. */
  readonly error: Error
}

/** A request waits in the queue of its group. Both messages about it are the same object. */
export interface QueueMessage {
  /** As in `AttemptMessage`. */
  readonly request: unknown
  readonly group: UpstreamServers
  /** Requests in the queue when it came, itself included. */
  readonly length: number
  /** How its wait has ended: it was `'served'`, gave up (`'timeout'`), or its client did (`'abort'`). */
  readonly outcome: 'served' | 'timeout' | 'abort' | undefined
  /** At the end: milliseconds that it has waited. */
  readonly waited: number | undefined
}

/** A request has asked a cache. */
export interface CacheLookupMessage {
  readonly cache: Cache
  /** As `cache.key` gives it, the method before it where it is in the key. */
  readonly key: string
  /** What is known after the lookup. An EXPIRED entry may yet prove REVALIDATED or be served STALE: `request.scgi.cacheStatus` says so at the end. */
  readonly status: CacheStatus
}

/** A server was checked. */
export interface HealthCheckMessage {
  /** Name of the group. */
  readonly group: string
  readonly server: UpstreamServer
  /** Why the check has failed; `undefined` where it has passed. */
  readonly reason: string | undefined
  /** Milliseconds. */
  readonly duration: number
}

/** The DNS was asked for a name of a server with `resolve`. */
export interface DnsAnswerMessage {
  /** The name of the question: of a host, or of a service's SRV records. */
  readonly name: string
  /** Why there is no answer: the question and the code of Node.js. */
  readonly reason: string | undefined
  /** Servers that follow from the answer; without one those that stay. */
  readonly found: number
  /** Milliseconds. */
  readonly duration: number
}

/** Bytes were written into a temporary file. */
export interface SpoolWriteMessage {
  /** Whose body it is. */
  readonly kind: 'request' | 'reply'
  readonly bytes: number
}

/**
 * What is published on which channel of node:diagnostics_channel. Nothing is made for a channel that nobody listens to. A listener is
 * called while the request waits, and in its asynchronous context; what it throws is an uncaught exception of Node.js, and none of the
 * request's.
 */
export interface ScgiChannels {
  'fastify-scgi:request:start': RequestMessage
  'fastify-scgi:request:end': RequestMessage
  /** A server was chosen, and nothing is sent yet. */
  'fastify-scgi:attempt:start': AttemptMessage
  /** The connection stands, and the request is about to be written. */
  'fastify-scgi:attempt:connect': AttemptMessage
  /** The head of the reply is there. */
  'fastify-scgi:attempt:head': AttemptMessage
  /** It is over, and entered in the accounts of the server. */
  'fastify-scgi:attempt:end': AttemptMessage
  'fastify-scgi:group:refused': RefusedMessage
  'fastify-scgi:queue:wait': QueueMessage
  'fastify-scgi:queue:leave': QueueMessage
  'fastify-scgi:cache:lookup': CacheLookupMessage
  'fastify-scgi:health:check': HealthCheckMessage
  'fastify-scgi:dns:answer': DnsAnswerMessage
  'fastify-scgi:spool:write': SpoolWriteMessage
  'fastify-scgi:server:state': ServerStateEvent
  'fastify-scgi:server:added': ServerListEvent
  'fastify-scgi:server:removed': ServerListEvent
  'fastify-scgi:server:weight': ServerWeightEvent
  'fastify-scgi:server:edited': ServerEditEvent
  'fastify-scgi:group:balance': BalanceEvent
  'fastify-scgi:group:resolve': ResolveEvent
  'fastify-scgi:application:process': ApplicationProcessEvent
  'fastify-scgi:application:output': ApplicationOutputEvent
}
