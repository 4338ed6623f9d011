import type { Time } from './units.ts'

/** Number of processes of an application. */
export interface SpawnProcessesOptions {
  /** Processes that always run, at least 1. Default 1. (lighttpd: min-procs) */
  min?: number
  /** Maximum number of processes under load: one is added while there are more requests in progress than processes. At least `min`. (lighttpd: max-procs) */
  max: number
  /** Idle time after which a process beyond `min` is stopped. Default 60s. (lighttpd: idle-timeout) */
  idleTimeout?: Time
}

/** An application that the gateway starts, keeps running and stops (lighttpd: bin-path; spawn-fcgi). See docs/spawn.md. */
export interface SpawnOptions {
  /** The program: a path, relative to `cwd`, or a name that is looked up in PATH. It is not run by a shell. */
  command: string
  /**
   * Its arguments. `{socket}` is replaced by where it should listen: the path of the socket, or `127.0.0.1:port`; with `socket: 'port'`,
   * `{port}` is replaced by the port. Default none.
   */
  args?: string[]
  /** Its working directory. Default: that of the gateway. */
  cwd?: string
  /** Environment variables, added to those of the gateway; `undefined` removes one. Default none. (lighttpd: bin-environment) */
  env?: Record<string, string | undefined>
  /** The user it runs as, by name or number; only root can choose another user. Default: that of the gateway. (spawn-fcgi: -u) */
  user?: string | number
  /** The group it runs as, by name or number. Default: that of `user`, else that of the gateway. (spawn-fcgi: -g) */
  group?: string | number
  /**
   * How it receives requests. `'stdin'`: descriptor 0 is a listening unix socket, from which all processes accept connections, as with
   * lighttpd and spawn-fcgi. `'path'`: each process listens on its own unix socket, whose path is in `SCGI_SOCKET`. `'port'`: each process
   * listens on a port of 127.0.0.1, which is in `SCGI_PORT`. Default `'stdin'`.
   */
  socket?: 'stdin' | 'path' | 'port'
  /** Number of processes. Default 1. (lighttpd: min-procs, max-procs; spawn-fcgi: -F) */
  processes?: number | SpawnProcessesOptions
  /** When a process that has ended is restarted. */
  restart?: {
    /** Delay before a restart. It doubles while processes end soon after their start. Default 100ms. */
    delay?: Time
    /** Longest delay before a restart. Default 30s. */
    maxDelay?: Time
  }
  /** Time in which a process must listen; if it does not, it is stopped and restarted. For `'path'` and `'port'`: with `'stdin'` the gateway listens itself, and the option is refused. Default 30s. */
  readyTimeout?: Time
  /** How a process is stopped. */
  stop?: {
    /** Signal that asks it to end. Default `'SIGTERM'`. (lighttpd: kill-signal) */
    signal?: NodeJS.Signals
    /** Time after which it is killed, with every process that it has started. Default 5s. */
    timeout?: Time
  }
}
