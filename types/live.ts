import type { FastifyRequest } from 'fastify'
import type { Address, Balance, ServerChanges, ServerEntry, ServerState, UpstreamServer, UpstreamServers } from './upstream.ts'

/** A server stands otherwise than before. */
export interface ServerStateEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  /** Never `'full'`, which comes and goes with the requests, nor `'removed'`, which is an event of its own. */
  readonly state: ServerState
  readonly previous: ServerState
  /** Why, in words, where there is more to tell. */
  readonly reason: string | undefined
}

/** A server came into its group, or left it. */
export interface ServerListEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
}

/** A server's weight was set. */
export interface ServerWeightEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  readonly weight: number
}

/** Options of a server were set to others than before. */
export interface ServerEditEvent {
  readonly group: UpstreamGroup
  readonly server: UpstreamServer
  /** Those that differ, with the values that hold now: times in milliseconds, `undefined` for what it has no more. */
  readonly changes: { readonly [Option in keyof ServerChanges]?: string | number | boolean | undefined }
}

/** The servers of a group take turns in another way. */
export interface BalanceEvent {
  readonly group: UpstreamGroup
  /** As `UpstreamGroup.balance` has it. */
  readonly balance: string
  readonly previous: string
}

/** The DNS gives no answer for a name of the group any more, or does so again. */
export interface ResolveEvent {
  readonly group: UpstreamGroup
  /** As it is written in the options. */
  readonly address: Address
  readonly state: 'failed' | 'recovered'
  /** The question and the code of Node.js: `'app.example: ESERVFAIL'`. */
  readonly reason: string | undefined
}

/** What there is to know of a group beside its servers. */
export interface UpstreamGroupDetails {
  /** Requests that wait for a server, and how many may; `undefined` where none do. */
  readonly queue: { readonly waiting: number, readonly size: number } | undefined
  /** Sessions that were learnt (`sticky.learn`); `undefined` where none are. */
  readonly sessions: number | undefined
  /** The processes that share the group (`shared`), and whether this one is connected with them; `undefined` where it is shared with none. */
  readonly processes: { readonly count: number, readonly connected: boolean } | undefined
  /** The host names among the addresses. */
  readonly names: readonly {
    /** As it is written in the options. */
    readonly address: Address
    /** Names of the servers that it has become. */
    readonly servers: readonly string[]
    /** With `resolve`: when the DNS is asked again, in milliseconds since the epoch. */
    readonly nextAt: number | undefined
    /** Why the DNS gave no answer the last time. */
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

/** How a process of an application stands. Where the primary of a cluster owns it, its workers know this within a second. */
export interface ApplicationProcess {
  /** `undefined` while it does not run. */
  readonly pid: number | undefined
  /** `'starting'`: it does not listen yet; `'waiting'`: it has ended, and is started again after `restart.delay`. */
  readonly state: 'starting' | 'running' | 'waiting' | 'stopping'
  /** Since when; milliseconds since the epoch. */
  readonly since: number
  /** So often it was started again. */
  readonly restarts: number
  /** Why it serves nobody, such as how it has ended; `undefined` where it does. */
  readonly reason: string | undefined
  /** The last line that it has written, its first 200 characters. */
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
  /** In words, how it has exited; `undefined` for the other states. */
  readonly reason: string | undefined
  /** Milliseconds until it is started again; `undefined` where it is not. */
  readonly restartsIn: number | undefined
}

/** A line that a process of an application has written. */
export interface ApplicationOutputEvent {
  readonly group: UpstreamGroup
  readonly application: string
  readonly pid: number
  readonly stream: 'stdout' | 'stderr'
  readonly line: string
}

/** What a group tells of itself; the same goes over node:diagnostics_channel, to `fastify-scgi:server:state` and so on. */
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
  /** `fastify-scgi:group:resolve` */
  resolve: ResolveEvent
  /** `fastify-scgi:application:process` */
  process: ApplicationProcessEvent
  /** `fastify-scgi:application:output` */
  output: ApplicationOutputEvent
}

/**
 * A group that several registrations may share; made by `createUpstreams`. What is edited here holds at once, for requests that are yet
 * to choose a server, and until the process ends: nothing is written anywhere.
 *
 * `server` is the name of one (`'10.0.0.1:4000'`), or an address as it was given in the options, which stands for all the servers that it
 * has become. Errors: FST_SCGI_SERVER_UNKNOWN where the group has none of that name.
 */
export interface UpstreamGroup extends UpstreamServers {
  /** How the servers take turns: the name of the method, `'hash'`, `'least_time'`, `'random two'` and `'select'` among them. */
  readonly balance: string
  /**
   * Adds a server, or those that its name has. Fulfilled when they are there.
   * Errors: those of the options at `register`, and FST_SCGI_OPT_INVALID for a server that the group has already.
   */
  add (server: ServerEntry): Promise<readonly UpstreamServer[]>
  /**
   * Takes servers off the group. Exchanges that run go on to their end.
   * Errors: FST_SCGI_SERVER_DISCOVERED for one of several that the DNS knows of: it would be back with the next answer.
   */
  remove (server: string): readonly UpstreamServer[]
  /**
   * Sets options of servers, all those that are named or none. A running exchange goes on as it began; everything else goes by the new
   * values at once: `maxConns` that is raised lets waiting requests go, `maxFails` and `retry` count the failures that there were,
   * and connections that are kept beyond `keepalive` are closed. Returns the servers.
   * Errors: those of the options at `register`; FST_SCGI_OPT_UNSUPPORTED for an option that cannot change, FST_SCGI_OPT_INVALID also
   * where all servers would be backups, or spares.
   */
  edit (server: string, changes: ServerChanges): readonly UpstreamServer[]
  /**
   * Sets how the servers take turns.
   * Errors: those of `balance` at `register`; FST_SCGI_OPT_UNSUPPORTED where a server has a `slowStart`, of which the method knows nothing.
   */
  setBalance<Request = FastifyRequest> (balance: Balance<Request>): void
  /** No new requests, save those that are bound to the server. */
  drain (server: string): void
  /** Undoes `drain` and `disable`. */
  enable (server: string): void
  /** No requests at all: `down`. Exchanges that run go on to their end. */
  disable (server: string): void
  /** Sets the share of the requests: an integer of 1 or more. Errors: FST_SCGI_OPT_INVALID. */
  setWeight (server: string, weight: number): void
  /** Calls `listener` at each such event; what it throws is an uncaught exception. */
  on<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this
  off<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): this
  /** What there is to know beside the servers, for an operator to see. */
  details (): UpstreamGroupDetails
  /** What there is to know of the servers, for an operator to see. */
  toJSON (): UpstreamGroupState
}

/** A group as `JSON.stringify` shows it. */
export interface UpstreamGroupState {
  readonly name: string
  readonly balance: string
  readonly servers: readonly (Pick<UpstreamServer,
    'name' | 'state' | 'reason' | 'weight' | 'maxConns' | 'backup' | 'route' | 'active' | 'fails' | 'served' | 'failures' |
    'bytesSent' | 'bytesReceived' | 'headerTime' | 'responseTime'
  > & { readonly lastError: string | undefined })[]
}

/** `fastify.scgi.groups`: the groups that the registrations of this application use. */
export interface UpstreamGroups extends Iterable<UpstreamGroup> {
  /** The group of that name, in upper or lower case. One that was given no name has that of its addresses. */
  get (name: string): UpstreamGroup | undefined
}
