/**
 * An address of an SCGI server: `'localhost:4000'`, `'[::1]:4000'`, `'unix:/run/app.sock'`, `'scgi://host[:4000][/path]'`,
 * `'unix:/run/app.sock|scgi://name/path'`. The default port is 4000. A path is put before PATH_INFO.
 */
export type Address = string

/** Milliseconds, or a number with a unit: `'500ms'`, `'60s'`, `'10m'`, `'1h'`. */
export type Time = number | string

/** Bytes, or a number with a unit: `'8k'`, `'1m'`, `'1g'`. */
export type Size = number | string

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
  /** Idle connections kept for reuse, where the server agrees to it (see docs/connections.md). Default 0, off. */
  keepalive?: number
  /** Connections opened ahead of the requests, at most 2 s old. Default 0, off. Not for servers with a single worker. */
  preconnect?: number
}

/** A group of servers (nginx: `upstream`; Apache: `balancer://`). */
export interface GroupOptions {
  /** Name of the group: what `'balancer://name'` finds, and what logs show when no server is left. Default: its addresses. */
  name?: string
  servers: (Address | ServerOptions)[]
}

/**
 * How an attempt ended, as the balancer sees it. `ok` and `next` (the reply goes on to another server, but the server
 * answered) show that the server lives; `failed` counts against it; `abort` says nothing about it either way: the client
 * went away, or this machine failed before the server could.
 */
export type AttemptOutcome = 'ok' | 'failed' | 'next' | 'abort'

/** A server of a group as the balancer keeps it. */
export interface UpstreamServer {
  readonly name: string
  readonly weight: number
  readonly backup: boolean
  readonly down: boolean
  /** Exchanges running now. */
  readonly active: number
  /** Failed attempts that count at present. */
  readonly fails: number
  /** Out because of failed attempts, at this moment. */
  readonly failed: boolean
}

/** A group that several registrations may share; made by `createUpstreams`. */
export interface UpstreamGroup {
  readonly name: string
  readonly servers: readonly UpstreamServer[]
}
