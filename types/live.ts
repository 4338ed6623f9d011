import type { FastifyRequest } from 'fastify'
import type { Address, Balance, GroupOptions, ServerChanges, ServerEntry, ServerState, UpstreamServer, UpstreamServers } from './upstream.ts'

/** The state of a server has changed. */
export interface ServerStateEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  /** Never `'full'`, which changes with every request, nor `'removed'`, which has its own event. */
  readonly state: ServerState
  readonly previous: ServerState
  /** The reason in words, if there is one. */
  readonly reason: string | undefined
}

/** A server was added to its group or removed from it. */
export interface ServerListEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
}

/** The weight of a server was changed. */
export interface ServerWeightEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  readonly weight: number
}

/** Options of a server were changed. */
export interface ServerEditEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  /** The options that changed, with their new values: times in milliseconds, `undefined` for options that were unset. */
  readonly changes: { readonly [Option in keyof ServerChanges]?: string | number | boolean | undefined }
}

/** The balancing method of a group was changed. */
export interface BalanceEvent {
  readonly group: UpstreamGroup
  /** Same as `UpstreamGroup.balance`. */
  readonly balance: string
  readonly previous: string
}

/** Options of a group itself were changed. */
export interface GroupOptionsEvent {
  readonly group: UpstreamGroup
  /** Their names, such as `'queue'`. */
  readonly changed: readonly (keyof GroupChanges)[]
}

/**
 * Options of a group that `setOptions` can change. What is not named does not change, in `sticky`, `queue` and `health` neither: `{ sticky:
 * { failover: false } }` changes nothing else of the sessions. `null` removes an option, as if it had not been given; `true` restores `sticky`,
 * `queue` and `health` as they were configured. Another kind of `sticky` replaces the one before. Of several checks the one with the same `type`
 * changes, or a list replaces them all.
 */
export interface GroupChanges<Request = FastifyRequest> {
  balance?: Balance<Request> | null
  /** (Apache: stickysession, nofailover) */
  sticky?: Changed<NonNullable<GroupOptions<Request>['sticky']>> | true | null
  /** (nginx: queue; Apache: timeout of a balancer) */
  queue?: Changed<NonNullable<GroupOptions['queue']>> | true | null
  /** (Apache: maxattempts, plus one) */
  tries?: number | null
  failOnStatus?: number[] | null
  forceRecovery?: boolean | null
  /** (Apache: hcmethod, hcinterval, hcpasses, hcfails, hcuri, hcexpr) */
  health?: Changed<NonNullable<GroupOptions['health']>> | true | null
}

/** Parts of a value, at any depth. */
type Changed<Value> = Value extends readonly unknown[] | RegExp | Uint8Array | ((...of: never[]) => unknown)
  ? Value
  : Value extends object ? { [Name in keyof Value]?: Changed<Value[Name]> | null } : Value

/** Options of a group as they are now, in the words of the options; `undefined` for those that are not set. */
export type GroupOptionsNow = Readonly<Record<keyof GroupChanges, unknown>>

/** A name of the group no longer resolves, or resolves again. */
export interface ResolveEvent {
  readonly group: UpstreamGroup
  /** As written in the options. */
  readonly address: Address
  readonly state: 'failed' | 'recovered'
  /** The query and the code of Node.js: `'app.example: ESERVFAIL'`. */
  readonly reason: string | undefined
}

/** Details of a group, beside its servers. */
export interface UpstreamGroupDetails {
  /** Number of waiting requests, and the maximum; `undefined` without a queue. */
  readonly queue: { readonly waiting: number, readonly size: number } | undefined
  /** Number of learnt sessions; `undefined` without `sticky.learn`. */
  readonly sessions: number | undefined
  /** The processes that share the group (`shared`), and whether this one is connected to them; `undefined` if it is not shared. */
  readonly processes: { readonly count: number, readonly connected: boolean } | undefined
  /** The host names among the addresses. */
  readonly names: readonly {
    /** As written in the options. */
    readonly address: Address
    /** Names of its servers. */
    readonly servers: readonly string[]
    /** With `resolve`: time of the next DNS query, in milliseconds since the epoch. */
    readonly nextAt: number | undefined
    /** Why the last DNS query had no answer. */
    readonly failure: string | undefined
  }[]
  /** What was started for it (`spawn`). */
  readonly applications: readonly {
    /** Command and arguments. */
    readonly name: string
    /** By which its servers can be edited: `'spawn:perl app.pl'`. */
    readonly address: string
    /** Names of its servers; others at the next start. */
    readonly servers: readonly string[]
    readonly processes: readonly ApplicationProcess[]
  }[]
}

/** A process of an application. If the primary of a cluster owns it, the workers learn its state within a second. */
export interface ApplicationProcess {
  /** `undefined` while it does not run. */
  readonly pid: number | undefined
  /** `'starting'`: it does not listen yet; `'waiting'`: it has ended and is restarted after `restart.delay`. */
  readonly state: 'starting' | 'running' | 'waiting' | 'stopping'
  /** Start of this state, in milliseconds since the epoch. */
  readonly since: number
  /** How often it was restarted. */
  readonly restarts: number
  /** Why it does not serve, such as how it ended; `undefined` if it serves. */
  readonly reason: string | undefined
  /** The first 200 characters of its last line of output. */
  readonly lastLine: string | undefined
}

/** A process of an application that a group has started. */
export interface ApplicationProcessEvent {
  readonly group: UpstreamGroup
  /** Command and arguments. */
  readonly application: string
  readonly pid: number
  /** `'exited'` by itself, by a signal from elsewhere, or because it was not ready in time; `'stopped'` by the gateway. */
  readonly state: 'started' | 'exited' | 'stopped'
  /** How it exited, in words; or why one that was to be stopped runs on: the user of the gateway may not end it. Else `undefined`. */
  readonly reason: string | undefined
  /** Milliseconds until it is restarted; `undefined` if it is not. */
  readonly restartsIn: number | undefined
}

/** A line of output of an application's process. */
export interface ApplicationOutputEvent {
  readonly group: UpstreamGroup
  readonly application: string
  readonly pid: number
  readonly stream: 'stdout' | 'stderr'
  readonly line: string
}

/** Events of a group. They are also published on node:diagnostics_channel, as `fastify-scgi:server:state` and so on. */
export interface GroupEvents {
  /** `fastify-scgi:server:state` */
  state: ServerStateEvent
  /** `fastify-scgi:server:added` */
  added: ServerListEvent
  /** `fastify-scgi:server:removed` */
  removed: ServerListEvent
  /** `fastify-scgi:server:weight` */
  weight: ServerWeightEvent
  /** `fastify-scgi:server:edited` */
  edited: ServerEditEvent
  /** `fastify-scgi:group:balance` */
  balance: BalanceEvent
  /** `fastify-scgi:group:options` */
  options: GroupOptionsEvent
  /** `fastify-scgi:group:resolve` */
  resolve: ResolveEvent
  /** `fastify-scgi:application:process` */
  process: ApplicationProcessEvent
  /** `fastify-scgi:application:output` */
  output: ApplicationOutputEvent
}

/**
 * A group that several registrations may share; made by `createUpstreams`. Edits take effect at once, for requests that have not chosen
 * a server yet, and last until the process ends.
 *
 * `server` is the name of a server (`'10.0.0.1:4000'`), or an address as written in the options, which stands for all its servers.
 * Errors: FST_SCGI_SERVER_UNKNOWN if the group has no such server.
 */
export interface UpstreamGroup extends UpstreamServers {
  /** Name of the balancing method, such as `'round_robin'`, `'hash'`, `'least_time'`, `'random two'` or `'select'`. */
  readonly balance: string
  /**
   * Adds a server, or all servers that its name resolves to. Resolves when they have been added.
   * Errors: those of the options at `register`, and FST_SCGI_OPT_INVALID if the group already has the server.
   */
  add (server: ServerEntry): Promise<readonly UpstreamServer[]>
  /**
   * Removes servers. Requests in progress are finished.
   * Errors: FST_SCGI_SERVER_DISCOVERED for one of several servers from the DNS: the next answer would add it again.
   */
  remove (server: string): readonly UpstreamServer[]
  /**
   * Sets options of servers; if one value is invalid, none is set. Requests in progress do not change; everything else uses the new
   * values at once: a higher `maxConns` releases waiting requests, `maxFails` and `retry` apply to earlier failures,
   * and idle connections beyond `keepalive` are closed. Returns the servers.
   * Errors: those of the options at `register`; FST_SCGI_OPT_UNSUPPORTED for an option that cannot be edited, FST_SCGI_OPT_INVALID also
   * if all servers would be backups or spares.
   */
  edit (server: string, changes: ServerChanges): readonly UpstreamServer[]
  /**
   * Changes the balancing method.
   * Errors: those of `balance` at `register`; FST_SCGI_OPT_UNSUPPORTED if a server has a `slowStart` that the method does not support.
   */
  setBalance<Request = FastifyRequest> (balance: Balance<Request>): void
  /**
   * Changes options of the group itself; if one value is invalid, none is changed. Requests in progress do not change; everything else uses the
   * new values at once. Learnt sessions are kept if nothing but `failover` changes. Servers keep the result of their last check until the new
   * checks have another one.
   * Errors: those of the options at `register`; FST_SCGI_OPT_UNSUPPORTED for an option that cannot be changed, or, in a `shared` group, for a
   * function or an expression, which cannot be sent to the other processes.
   */
  setOptions<Request = FastifyRequest> (changes: GroupChanges<Request>): void
  /** The options that `setOptions` can change, as they are now. Secrets are among them. */
  readonly options: GroupOptionsNow
  /** Sends no new requests to the server, except those bound to it. */
  drain (server: string): void
  /** Undoes `drain` and `disable`. */
  enable (server: string): void
  /** Sends no requests to the server (`down`). Requests in progress are finished. */
  disable (server: string): void
  /** Sets the weight: an integer of at least 1. Errors: FST_SCGI_OPT_INVALID. */
  setWeight (server: string, weight: number): void
  /** Calls `listener` for each such event; an error that it throws is an uncaught exception. */
  on<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this
  off<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this
  /** Details beside the servers, for operators. */
  details (): UpstreamGroupDetails
  /** State of the servers, for operators. */
  toJSON (): UpstreamGroupState
}

/** A group in JSON. */
export interface UpstreamGroupState {
  readonly name: string
  readonly balance: string
  readonly servers: readonly (Pick<UpstreamServer,
    'name' | 'state' | 'reason' | 'weight' | 'maxConns' | 'backup' | 'route' | 'active' | 'fails' | 'served' | 'failures' |
    'bytesSent' | 'bytesReceived' | 'headerTime' | 'responseTime'
  > & { readonly lastError: string | undefined })[]
}

/** `fastify.scgi.groups`: the groups that this application uses. */
export interface UpstreamGroups extends Iterable<UpstreamGroup> {
  /** The group with this name (case-insensitive). A group without a name is called by its addresses. */
  get (name: string): UpstreamGroup | undefined
}
