import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Cache, CacheStatus } from './cache.ts'
import type { ResponseHead, ServerAddress } from './exchange.ts'
import type {
  ApplicationOutputEvent, ApplicationProcessEvent, BalanceEvent, GroupOptionsEvent,
  ResolveEvent, ServerEditEvent, ServerListEvent, ServerStateEvent,
  ServerWeightEvent,
} from './live.ts'
import type { Attempt, ScgiRequestInfo } from './request.ts'
import type { AttemptOutcome, UpstreamServer, UpstreamServers } from './upstream.ts'

/** A client's request in the gateway; after an internal redirect, a new one. The messages at start and end are the same object. */
export interface RequestMessage {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** `request.scgi` */
  readonly info: ScgiRequestInfo
  /** The group that answers; `undefined` until it is chosen. */
  readonly group: UpstreamServers | undefined
  /** `performance.now()` at its start. */
  readonly begun: number
  /**
   * At the end: the status that the client got, or 499 if it had disconnected. Before an internal redirect or an error page, the status
   * that led to it.
   */
  readonly statusCode: number | undefined
  /** At the end: milliseconds from its start until the client had the last byte or disconnected. */
  readonly duration: number | undefined
}

/** One exchange with one server. All messages about it are the same object. */
export interface AttemptMessage {
  /** A FastifyRequest; for `ScgiDispatcher` undici's DispatchOptions. */
  readonly request: unknown
  readonly method: string
  readonly group: UpstreamServers
  readonly server: UpstreamServer
  readonly address: ServerAddress
  /** Times, bytes and status, as far as they are known. */
  readonly attempt: Attempt
  /** Number of earlier attempts for this request. */
  readonly resendCount: number
  /**
   * Why there is another attempt, in the terms of `nextUpstream`: `'error'`, `'timeout'`, `'invalid_header'`, `'http_503'`.
   * `undefined` for the first attempt.
   */
  readonly reason: string | undefined
  /** From `fastify-scgi:attempt:head` on. */
  readonly head: ResponseHead | undefined
  /** At the end. */
  readonly outcome: AttemptOutcome | undefined
  /** At the end, if it failed. */
  readonly error: Error | undefined
  /**
   * During `fastify-scgi:attempt:start`: sends a header with this attempt instead of the client's header of that name, or none for
   * `undefined`. It is treated like a header of the client: `passRequestHeaders` may leave it out, and `params` take precedence.
   */
  setHeader (name: string, value: string | undefined): void
}

/** No server was available for a request. */
export interface RefusedMessage {
  /** As in `AttemptMessage`. */
  readonly request: unknown
  readonly group: UpstreamServers
  /** What `request.scgi.attempts` has of it: its address is the name of the group, which may be that of a server, too. */
  readonly attempt: Attempt
  /** FST_SCGI_NO_LIVE_UPSTREAMS, FST_SCGI_NO_FAILOVER, FST_SCGI_QUEUE_FULL or FST_SCGI_QUEUE_TIMEOUT. */
  readonly error: Error
}

/**
 * How a wait in a queue ended: the request got a server (`'served'`), or can have none any more because no server that is left is up, or a
 * function of yours threw (`'refused'`); it timed out (`'timeout'`), or the client disconnected (`'abort'`).
 */
export type QueueOutcome = 'served' | 'refused' | 'timeout' | 'abort'

/** A request waits in the queue of its group. Both messages about it are the same object. */
export interface QueueMessage {
  /** As in `AttemptMessage`. */
  readonly request: unknown
  readonly group: UpstreamServers
  /** Requests in the queue when it came, itself included. */
  readonly length: number
  /** At the end: how it ended. */
  readonly outcome: QueueOutcome | undefined
  /** At the end: milliseconds in the queue. */
  readonly waited: number | undefined
}

/** A cache was asked for a request. */
export interface CacheLookupMessage {
  readonly cache: Cache
  /** The result of `cache.key`, with the method in front if that is part of the key. */
  readonly key: string
  /** Status after the lookup. EXPIRED may still become REVALIDATED or STALE: see `request.scgi.cacheStatus` at the end. */
  readonly status: CacheStatus
}

/** A server was checked. */
export interface HealthCheckMessage {
  /** Name of the group. */
  readonly group: string
  readonly server: UpstreamServer
  /** Why the check failed; `undefined` if it passed. */
  readonly reason: string | undefined
  /** Milliseconds. */
  readonly duration: number
}

/** The DNS was queried for the name of a server with `resolve`. */
export interface DnsAnswerMessage {
  /** The name that was queried: that of a host, or of the SRV records of a service. */
  readonly name: string
  /** Why there is no answer: the query and the code of Node.js. */
  readonly reason: string | undefined
  /** Number of servers in the answer, or of those that stay if there is none. */
  readonly found: number
  /** Milliseconds. */
  readonly duration: number
}

/** Bytes were written into a temporary file. */
export interface SpoolWriteMessage {
  /** Which body it is. */
  readonly kind: 'request' | 'reply'
  readonly bytes: number
}

/**
 * Channels of node:diagnostics_channel and their messages. No message is created for a channel without listeners. Listeners are called
 * synchronously, in the asynchronous context of the request; an error that they throw is an uncaught exception of Node.js and does not
 * affect the request.
 */
export interface ScgiChannels {
  'fastify-scgi:request:start': RequestMessage
  'fastify-scgi:request:end': RequestMessage
  /** A server was chosen, and nothing is sent yet. */
  'fastify-scgi:attempt:start': AttemptMessage
  /** The connection is established, and the request is about to be written. */
  'fastify-scgi:attempt:connect': AttemptMessage
  /** The head of the reply has arrived. */
  'fastify-scgi:attempt:head': AttemptMessage
  /** The attempt has ended and is counted for the server. */
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
  'fastify-scgi:group:options': GroupOptionsEvent
  'fastify-scgi:group:resolve': ResolveEvent
  'fastify-scgi:application:process': ApplicationProcessEvent
  'fastify-scgi:application:output': ApplicationOutputEvent
}
