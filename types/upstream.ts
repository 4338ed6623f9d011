import type { FastifyRequest } from 'fastify'
import type { StickyOptions } from './sticky.ts'
import type { Time } from './units.ts'
import type { GroupChannel } from './channel.ts'
import type { SpawnOptions } from './spawn.ts'
import type { HealthOptions, OutlierOptions, ResolverOptions } from './health.ts'

/**
 * An address of an SCGI server: `'localhost:4000'`, `'[::1]:4000'`, `'unix:/run/app.sock'`, `'scgi://host[:4000][/path]'`,
 * `'unix:/run/app.sock|scgi://name/path'`. The default port is 4000. A path is put in front of PATH_INFO.
 * In a group also of an HTTP server: `'http://host[:80][/path]'`, `'https://host[:443][/path]'`; its path is put in front of that of the
 * request (see docs/http-members.md).
 */
export type Address = string

/** One server of a group (nginx: the `server` directive of `upstream`; Apache: BalancerMember). */
export interface ServerOptions {
  /** Where the server listens. A name with several addresses is several servers with the same options. */
  address: Address
  /** Share of the requests relative to the other servers, 1 or more. Default 1. (nginx: weight) */
  weight?: number
  /** Maximum number of concurrent requests; 0 means no limit. Default 0. (nginx: max_conns) */
  maxConns?: number
  /**
   * Failed attempts within `failTimeout` that take the server out; 0 means never. Default 1. Ignored in a group of one
   * server. (nginx: max_fails)
   */
  maxFails?: number
  /** Time in which failures are counted, and for which the server is then out. Default 10s. (nginx: fail_timeout) */
  failTimeout?: Time
  /** Used only if no other server is available. Default false. (nginx: backup) */
  backup?: boolean
  /** Permanently unavailable. Default false. (nginx: down) */
  down?: boolean
  /** Gets no new requests except those bound to it by a sticky session. Default false. (nginx: drain) */
  drain?: boolean
  /**
   * Time in which the weight grows from 0 to its value after the server comes back (from failures, a failed check, an edit) or
   * is added, but not when the process starts. Not with the methods hash, ip_hash and random. Default 0, at once. (nginx: slow_start)
   */
  slowStart?: Time
  /** Set of the server; higher sets are used while no server of a lower set is available. 0 or more. Default 0. (Apache: lbset) */
  lbset?: number
  /** Replaces a server of its set while that one is out. Default false. (Apache: hot spare, status=+R) */
  spare?: boolean
  /** Used while no other server of its set is available. Default false. (Apache: hot standby, status=+H) */
  standby?: boolean
  /**
   * How long failures keep the server out, instead of `failTimeout` and its single probe. After that the failures are forgotten, and the
   * server gets its full share of requests again. If the group has checks, it is back as soon as it has passed `health.passes` of them in a
   * row. 0: it is never out. Default: none. (Apache: retry)
   */
  retry?: Time
  /** Name of the server in sticky sessions, 1 to 96 characters. (nginx: route; Apache: route) */
  route?: string
  /** The route whose server gets the sessions of this server while it is out. (Apache: redirect) */
  redirect?: string
  /**
   * Keep resolving the name: it is queried in the DNS again whenever an answer expires, and servers are added and removed; those that stay
   * keep their state. The application also starts without an answer; the name then has no servers. Default false: the name is
   * looked up once at startup, through the operating system. (nginx: resolve)
   */
  resolve?: boolean
  /**
   * Take servers, ports and weights from the SRV records of this service; needs `resolve`. `'http'` queries
   * `_http._tcp.name`; a value with a dot is put in front of the name unchanged. The address must not have a port. Records with the lowest
   * priority are the servers, the others are backups; their weights apply if `weight` is 1. (nginx: service)
   */
  service?: string
  /**
   * Idle connections to keep, if the server supports it (see docs/connections.md). Default 0, off; 32 for an HTTP server.
   */
  keepalive?: number
  /** Connections to open in advance, at most 2 s old. Default 0, off. Not for servers with a single worker, nor for HTTP servers. */
  preconnect?: number
  /** TLS options of an `https://` address. */
  tls?: ServerTlsOptions
}

/**
 * A server that the gateway starts itself: `{ spawn: { command, args } }` instead of an address. It speaks SCGI. See docs/spawn.md.
 * Errors at startup: FST_SCGI_SPAWN. (lighttpd: bin-path)
 */
export interface SpawnedServerOptions extends Omit<ServerOptions, 'address' | 'resolve' | 'service' | 'tls'> {
  spawn: SpawnOptions
  address?: undefined
}

/** A server of a group: an address, or an object. */
export type ServerEntry = Address | ServerOptions | SpawnedServerOptions

/**
 * Options of a server that an edit can change; those that are not named do not change. `null` unsets `retry`, `route` and `redirect`.
 * `address`, `spawn`, `resolve`, `service` and `tls` cannot be edited.
 */
export interface ServerChanges extends Partial<Omit<ServerOptions, 'address' | 'resolve' | 'service' | 'tls' | 'retry' | 'route' | 'redirect'>> {
  retry?: Time | null
  route?: string | null
  redirect?: string | null
}

/** TLS options of a server. */
export interface ServerTlsOptions {
  /** Trusted CA certificates, in PEM. Default: those of Node.js. */
  ca?: string | Buffer | (string | Buffer)[]
  /** Client certificate, in PEM; needs `key`. Default none. */
  cert?: string | Buffer
  /** Private key of `cert`, in PEM. */
  key?: string | Buffer
  /** Refuse a server whose certificate is not valid. Default true. */
  rejectUnauthorized?: boolean
  /** Name sent in SNI, which the certificate must match; an IP address is matched, and not sent. Default: the one in the address. */
  servername?: string
}

/** What a custom balancing method (`select`) gets. */
export interface BalanceContext<Request = FastifyRequest> {
  /** The request; `undefined` if there is none. */
  readonly request: Request | undefined
  /** Address of the client. */
  readonly clientAddress: string | undefined
  /** The servers to choose from, at least one: available, below maxConns, not yet tried for this request. */
  readonly servers: readonly UpstreamServer[]
}

/**
 * Balancing method, which chooses among the servers that can serve:
 * - `'round_robin'`: in turn, by weight, with the turns of a server spread over the cycle (nginx's default; Apache: byrequests)
 * - `'least_conn'`: the fewest requests in progress relative to the weight (nginx: least_conn)
 * - `{ leastTime }`: the shortest average time until the head or the last byte, weighted by load and weight; with `inflight` the
 *   age of requests in progress counts, too (nginx: least_time)
 * - `'ip_hash'`: the same server for all clients of a network (nginx: ip_hash)
 * - `{ hash }`: the same server for all requests with a key; with `consistent` (ketama) also when other servers come and go. For
 *   `''` and `undefined` round robin is used (nginx: hash)
 * - `'random'`, `{ random: 'two' }`: at random; the less loaded of two chosen at random, with `leastTime` the faster of the two
 *   (nginx: random, random two, random two least_time)
 * - `'bytraffic'`: the fewest bytes relative to the weight (Apache: bytraffic)
 * - `'bybusyness'`: the fewest requests in progress, regardless of weight (Apache: bybusyness)
 * - `{ select }`: a function that returns one of `context.servers`, or `undefined` for round robin. It is called for each attempt. An error
 *   that it throws is the answer to the request; so is `FST_SCGI_SELECT` for any other result
 */
export type Balance<Request = FastifyRequest> =
  | 'round_robin' | 'least_conn' | 'ip_hash' | 'random' | 'bytraffic' | 'bybusyness'
  | { leastTime: 'header' | 'lastByte', inflight?: boolean }
  | { hash: (request: Request) => string | undefined, consistent?: boolean }
  | { random: 'two', leastTime?: 'header' | 'lastByte', inflight?: boolean }
  | { select: (context: BalanceContext<Request>) => UpstreamServer | undefined }

/** Queue of requests that wait for a server. (nginx: queue) */
export interface UpstreamQueueOptions {
  /** Maximum number of waiting requests; one more is answered with 502 (`FST_SCGI_QUEUE_FULL`). */
  size: number
  /** Maximum time to wait; then the answer is 502 (`FST_SCGI_QUEUE_TIMEOUT`). Default 60s. */
  timeout?: Time
}

/** A group of servers (nginx: `upstream`; Apache: `balancer://`). See docs/balancing.md. */
export interface GroupOptions<Request = FastifyRequest> {
  /** Name of the group, in logs and errors, and in `'balancer://name'`. Default: its addresses. */
  name?: string
  servers: ServerEntry[]
  /** Active checks of the servers; a list has one check for each protocol. Default: none. */
  health?: HealthOptions | HealthOptions[]
  /**
   * Channel over which processes share the group with this name: `clusterChannel()` or `redisChannel()` of `fastify-scgi/channel`. One of
   * them queries the DNS and checks the servers for all; failures, ejections, edits, learnt sessions and `maxConns` are shared. Default: none,
   * nothing is shared. See docs/cluster.md. (nginx: zone, zone_sync)
   */
  shared?: GroupChannel
  /** Eject servers that fail far more often than they should. Default: off. */
  outlier?: OutlierOptions
  /** DNS servers for names with `resolve`. */
  resolver?: ResolverOptions
  /** Balancing method. Default `'round_robin'`. */
  balance?: Balance<Request>
  /** Bind the requests of a session to one server. Default: none. (nginx: sticky; Apache: stickysession) */
  sticky?: StickyOptions<Request>
  /** Let requests wait, first come, first served, while every live server is at maxConns. Default: none. (nginx: queue) */
  queue?: UpstreamQueueOptions
  /**
   * Maximum number of attempts of a request in this group; 0 means no limit. The lower of this and `nextUpstream.tries` of the mount applies.
   * Default 0. (Apache: maxattempts, plus one)
   */
  tries?: number
  /**
   * Statuses that count as a failure of the server. The client still gets the reply, unless
   * `nextUpstream` sends the request to another server. Default: none. (Apache: failonstatus)
   */
  failOnStatus?: number[]
  /**
   * If all servers are out after failures, use them all again at once instead of answering 502 until a `failTimeout` is over. A server that has
   * not failed prevents this, also one that is `down`, draining or unhealthy. Default false. (Apache: forcerecovery)
   */
  forceRecovery?: boolean
}

/**
 * Outcome of an attempt for the balancer. `ok`, and `next` (the server answered, but the request goes on to another one),
 * show that the server works; `failed` counts against it; `abort` says nothing about it: the client
 * disconnected, or this machine failed before the server could.
 */
export type AttemptOutcome = 'ok' | 'failed' | 'next' | 'abort'

/**
 * State of a server: `up`, or why it gets no requests: `down` (by an edit or the configuration), `draining` (only requests
 * that are bound to it), `unhealthy` (active checks), `checking` (waiting for its `mandatory` first check), `ejected` (it failed far more often than the others), `failed` (out for
 * its failures, or an application that was started here and does not run), `full` (at maxConns), `removed` (no longer in its group).
 */
export type ServerState = 'up' | 'down' | 'draining' | 'unhealthy' | 'checking' | 'ejected' | 'failed' | 'full' | 'removed'

/** A server of a group, as the balancer sees it. */
export interface UpstreamServer {
  readonly name: string
  readonly weight: number
  readonly maxConns: number
  readonly maxFails: number
  /** In milliseconds, as `slowStart` and `retry`. */
  readonly failTimeout: number
  readonly slowStart: number
  readonly retry: number | undefined
  readonly backup: boolean
  readonly lbset: number
  readonly spare: boolean
  readonly standby: boolean
  readonly keepalive: number
  readonly preconnect: number
  readonly down: boolean
  /** Gets only requests that are bound to it. */
  readonly drain: boolean
  /** Result of the health checks; true without checks, false until a `mandatory` first check has passed. */
  readonly healthy: boolean
  readonly state: ServerState
  /** Why it is out, if known. */
  readonly reason: string | undefined
  /** Name of the server in sticky sessions. */
  readonly route: string | undefined
  /** Route of the server that gets its sessions while it is out. */
  readonly redirect: string | undefined
  /** Requests in progress. */
  readonly active: number
  /** Failed attempts that currently count. */
  readonly fails: number
  /** Currently out after failed attempts. */
  readonly failed: boolean
  /** Attempts that it has answered. */
  readonly served: number
  /** Attempts that have failed. */
  readonly failures: number
  /** Bytes of all attempts, heads included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Average times until the head and until the last byte, in milliseconds, the latest attempts counting most. */
  readonly headerTime: number | undefined
  readonly responseTime: number | undefined
  /** The latest error of an attempt. */
  readonly lastError: Error | undefined
}

/** Servers that are balanced together. */
export interface UpstreamServers {
  readonly name: string
  readonly servers: readonly UpstreamServer[]
}
