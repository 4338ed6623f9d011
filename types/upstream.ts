import type { FastifyRequest } from 'fastify'
import type { StickyOptions } from './sticky.ts'
import type { Time } from './units.ts'
import type { GroupChannel } from './channel.ts'
import type { SpawnOptions } from './spawn.ts'
import type { HealthOptions, OutlierOptions, ResolverOptions } from './health.ts'

/**
 * An address of an SCGI server: `'localhost:4000'`, `'[::1]:4000'`, `'unix:/run/app.sock'`, `'scgi://host[:4000][/path]'`,
 * `'unix:/run/app.sock|scgi://name/path'`. The default port is 4000. A path is put before PATH_INFO.
 * In a group also of an HTTP server: `'http://host[:80][/path]'`, `'https://host[:443][/path]'`; a path is put before that of the
 * request (see docs/http-members.md).
 */
export type Address = string

/** One server of a group (nginx: the `server` directive of `upstream`; Apache: BalancerMember). */
export interface ServerOptions {
  /** Where the server listens. A name with several addresses stands for several servers with equal options. */
  address: Address
  /** Share of the requests relative to the other servers, 1 or more. Default 1. (nginx: weight) */
  weight?: number
  /** Most exchanges at a time; 0 is without limit. Default 0. (nginx: max_conns) */
  maxConns?: number
  /**
   * Failed attempts within `failTimeout` that take the server out; 0 never does. Default 1. A group of one server
   * ignores it. (nginx: max_fails)
   */
  maxFails?: number
  /** The time in which `maxFails` counts, and for which the server then is out. Default 10s. (nginx: fail_timeout) */
  failTimeout?: Time
  /** Used only when no other server can be. Default false. (nginx: backup) */
  backup?: boolean
  /** Permanently out of use. Default false. (nginx: down) */
  down?: boolean
  /** Gets no new requests save those that are bound to it by a sticky session. Default false. (nginx: drain) */
  drain?: boolean
  /**
   * Time in which the weight grows from 0 to what it is, when the server comes back (from failures, a failed check, an edit) or
   * is added, but not at the start of the process. Not with the methods hash, ip_hash and random. Default 0, at once. (nginx: slow_start)
   */
  slowStart?: Time
  /** Servers of a lower set come first; those of a higher one serve while none of a lower can. 0 or more. Default 0. (Apache: lbset) */
  lbset?: number
  /** Takes the place of one server of its set for as long as that one is out. Default false. (Apache: hot spare, status=+R) */
  spare?: boolean
  /** Serves while no other server of its set can. Default false. (Apache: hot standby, status=+H) */
  standby?: boolean
  /**
   * Time for which failures keep the server out, instead of `failTimeout` and its single probe: after it they are forgotten, and it
   * gets its share of the requests again. 0: it is never out. Default: none. (Apache: retry)
   */
  retry?: Time
  /** Name of the server in sticky sessions, 1 to 96 characters. (nginx: route; Apache: route) */
  route?: string
  /** The route whose server gets the sessions of this server while it is out. (Apache: redirect) */
  redirect?: string
  /**
   * Look the name up in the DNS again and again: when an answer has run out, servers come and go with the next one, and those that stay
   * keep their state. The application starts, too, while there is no answer: the line then has no servers. Default false: the name is
   * looked up once, at the start, in the system's way. (nginx: resolve)
   */
  resolve?: boolean
  /**
   * Take servers, ports and weights from the SRV records of this service of the name, with `resolve`. `'http'` asks for
   * `_http._tcp.name`; one with a dot stands before the name as it is. The address has no port. Records of the lowest priority serve,
   * the others are backups; their weights count where `weight` is 1. (nginx: service)
   */
  service?: string
  /**
   * Idle connections kept for reuse, where the server agrees to it (see docs/connections.md). Default 0, off; 32 for an HTTP server.
   */
  keepalive?: number
  /** Connections opened ahead of the requests, at most 2 s old. Default 0, off. Not for servers with a single worker, nor for HTTP ones. */
  preconnect?: number
  /** How the server of an `https://` address is known. */
  tls?: ServerTlsOptions
}

/**
 * A server that the gateway starts itself: `{ spawn: { command, args } }` in the place of an address. It speaks SCGI. See docs/spawn.md.
 * Errors, when it is started: FST_SCGI_SPAWN. (lighttpd: bin-path)
 */
export interface SpawnedServerOptions extends Omit<ServerOptions, 'address' | 'resolve' | 'service' | 'tls'> {
  spawn: SpawnOptions
  address?: undefined
}

/** A server of a group: its address, or all that is said of it. */
export type ServerEntry = Address | ServerOptions | SpawnedServerOptions

/**
 * What an edit may change of a server that is in its group; what it does not name stays. `null` takes `retry`, `route` and `redirect`
 * away. `address`, `spawn`, `resolve`, `service` and `tls` stay as long as the server is in the group.
 */
export interface ServerChanges extends Partial<Omit<ServerOptions, 'address' | 'resolve' | 'service' | 'tls' | 'retry' | 'route' | 'redirect'>> {
  retry?: Time | null
  route?: string | null
  redirect?: string | null
}

/** TLS to one server. */
export interface ServerTlsOptions {
  /** Certificates of the authorities that may vouch for the server, in PEM. Default: those that Node.js knows. */
  ca?: string | Buffer | (string | Buffer)[]
  /** Certificate that this side shows, in PEM; with `key`. Default none. */
  cert?: string | Buffer
  /** Private key of `cert`, in PEM. */
  key?: string | Buffer
  /** Refuse a server whose certificate does not hold. Default true. */
  rejectUnauthorized?: boolean
  /** The name that is asked for (SNI) and that the certificate must bear. Default: the one in the address. */
  servername?: string
}

/** What a balancing method of one's own may know. */
export interface BalanceContext<Request = FastifyRequest> {
  /** The request; `undefined` where there is none. */
  readonly request: Request | undefined
  /** Address of the client. */
  readonly clientAddress: string | undefined
  /** The servers that may serve now, at least one: up, below maxConns, not yet tried for this request. */
  readonly servers: readonly UpstreamServer[]
}

/**
 * How the servers of a group take turns, always among those that can serve:
 * - `'round_robin'`: by weight, each server's turns spread evenly over the cycle (nginx's default; Apache: byrequests)
 * - `'least_conn'`: the fewest running exchanges for its weight (nginx: least_conn)
 * - `{ leastTime }`: the shortest average time until the head or the last byte, load and weight considered; with `inflight` the
 *   age of running exchanges counts, too (nginx: least_time)
 * - `'ip_hash'`: clients of one network keep their server (nginx: ip_hash)
 * - `{ hash }`: requests of one key keep their server; with `consistent` (ketama) also when servers come and go. A key that is
 *   `''` or `undefined` leaves it to round robin (nginx: hash)
 * - `'random'`, `{ random: 'two' }`: by chance; the less loaded one of two by chance, with `leastTime` the faster one by the rules above
 *   (nginx: random, random two, random two least_time)
 * - `'bytraffic'`: the fewest bytes for its weight (Apache: bytraffic)
 * - `'bybusyness'`: the fewest running exchanges, whatever its weight (Apache: bybusyness)
 * - `{ select }`: a function that gives one of `context.servers`, or `undefined` for round robin. It is asked at each attempt; what
 *   it throws, and `FST_SCGI_SELECT` for any other value, is the answer to the request
 */
export type Balance<Request = FastifyRequest> =
  | 'round_robin' | 'least_conn' | 'ip_hash' | 'random' | 'bytraffic' | 'bybusyness'
  | { leastTime: 'header' | 'lastByte', inflight?: boolean }
  | { hash: (request: Request) => string | undefined, consistent?: boolean }
  | { random: 'two', leastTime?: 'header' | 'lastByte', inflight?: boolean }
  | { select: (context: BalanceContext<Request>) => UpstreamServer | undefined }

/** Requests that wait for a server. (nginx: queue) */
export interface UpstreamQueueOptions {
  /** So many requests may wait; one more is answered with 502 (`FST_SCGI_QUEUE_FULL`). */
  size: number
  /** The longest wait; then the answer is 502 (`FST_SCGI_QUEUE_TIMEOUT`). Default 60s. */
  timeout?: Time
}

/** A group of servers (nginx: `upstream`; Apache: `balancer://`). See docs/balancing.md. */
export interface GroupOptions<Request = FastifyRequest> {
  /** Name of the group: what `'balancer://name'` finds, and what logs show when no server is left. Default: its addresses. */
  name?: string
  servers: ServerEntry[]
  /** Active checks of the servers; a list has one check for each protocol. Default: none. */
  health?: HealthOptions | HealthOptions[]
  /**
   * What processes share of the group of this name: `clusterChannel()` or `redisChannel()` of `fastify-scgi/channel`. One of them asks the
   * DNS and checks health for all; failures, ejections, edits, learnt sessions and `maxConns` are those of all. Default: none, each
   * process is by itself. See docs/cluster.md. (nginx: zone, zone_sync)
   */
  shared?: GroupChannel
  /** Eject servers that fail far more often than they should. Default: off. */
  outlier?: OutlierOptions
  /** Who is asked for the names of servers with `resolve`. */
  resolver?: ResolverOptions
  /** How the servers take turns. Default `'round_robin'`. */
  balance?: Balance<Request>
  /** Which requests are bound to one server. Default: none. (nginx: sticky; Apache: stickysession) */
  sticky?: StickyOptions<Request>
  /** Requests wait, first come, first served, while every server that lives is at its maxConns. Default: they do not. (nginx: queue) */
  queue?: UpstreamQueueOptions
  /**
   * Statuses that count as a failure of the server that answered with them. The client gets the reply all the same, unless
   * `nextUpstream` passes the request on. Default: none. (Apache: failonstatus)
   */
  failOnStatus?: number[]
  /**
   * When failures keep every server out, forget them all and try again at once, rather than answer 502 until a `failTimeout` is over.
   * Default false. (Apache: forcerecovery)
   */
  forceRecovery?: boolean
}

/**
 * How an attempt ended, as the balancer sees it. `ok` and `next` (the reply goes on to another server, but the server
 * answered) show that the server lives; `failed` counts against it; `abort` says nothing about it either way: the client
 * went away, or this machine failed before the server could.
 */
export type AttemptOutcome = 'ok' | 'failed' | 'next' | 'abort'

/**
 * How a server stands: `up`, or why it gets no requests: `down` (by an edit or the configuration), `draining` (only requests
 * that are bound to it), `unhealthy` (active checks), `checking` (its first check, which is `mandatory`, is to come), `ejected` (it failed far more often than the others), `failed` (out for
 * its failures, or an application that was started here and does not run), `full` (at maxConns), `removed` (no longer in its group).
 */
export type ServerState = 'up' | 'down' | 'draining' | 'unhealthy' | 'checking' | 'ejected' | 'failed' | 'full' | 'removed'

/** A server of a group as the balancer keeps it. */
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
  /** Takes only requests that are bound to it. */
  readonly drain: boolean
  /** What active health checks found; true where there are none, false while the first is to come and `mandatory`. */
  readonly healthy: boolean
  readonly state: ServerState
  /** Why it is out, where whoever took it out has said so. */
  readonly reason: string | undefined
  /** Its name in sticky sessions. */
  readonly route: string | undefined
  /** The route whose server gets its sessions while it is out. */
  readonly redirect: string | undefined
  /** Exchanges running now. */
  readonly active: number
  /** Failed attempts that count at present. */
  readonly fails: number
  /** Out because of failed attempts, at this moment. */
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
