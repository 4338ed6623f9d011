import type { Time } from './units.ts'

/** How many processes of an application run. */
export interface SpawnProcessesOptions {
  /** Run always. 1 or more. Default 1. (lighttpd: min-procs) */
  min?: number
  /** The most that load starts: one more while more requests run than processes. At least `min`. (lighttpd: max-procs) */
  max: number
  /** A process beyond `min` that was not needed for so long ends. Default 60s. (lighttpd: idle-timeout) */
  idleTimeout?: Time
}

/** An application that the gateway starts, keeps running and stops (lighttpd: bin-path; spawn-fcgi). See docs/spawn.md. */
export interface SpawnOptions {
  /** The program: a path, relative to `cwd`, or a name that is looked for in PATH. No shell reads it. */
  command: string
  /**
   * Its arguments. `{socket}` is replaced by where it is to listen: the path of the socket, or `127.0.0.1:port`; with `socket: 'port'` also
   * `{port}` by the port. Default none.
   */
  args?: string[]
  /** Its working directory. Default: that of the gateway. */
  cwd?: string
  /** Variables of its environment, over those of the gateway; `undefined` takes one away. Default none. (lighttpd: bin-environment) */
  env?: Record<string, string | undefined>
  /** The user it runs as, by name or number; only root may choose another than itself. Default: that of the gateway. (spawn-fcgi: -u) */
  user?: string | number
  /** The group it runs as, by name or number. Default: that of `user`, else that of the gateway. (spawn-fcgi: -g) */
  group?: string | number
  /**
   * How it gets its requests. `'stdin'`: descriptor 0 is a unix socket that listens already, and all processes accept from it, as with
   * lighttpd and spawn-fcgi. `'path'`: each process listens on a unix socket of its own, whose path `SCGI_SOCKET` holds. `'port'`: each
   * listens on a port of 127.0.0.1, `SCGI_PORT`. Default `'stdin'`.
   */
  socket?: 'stdin' | 'path' | 'port'
  /** How many run. Default 1. (lighttpd: min-procs, max-procs; spawn-fcgi: -F) */
  processes?: number | SpawnProcessesOptions
  /** When a process that has ended starts again. */
  restart?: {
    /** Time until it starts again. It doubles while processes end soon after their start. Default 100ms. */
    delay?: Time
    /** The longest such time. Default 30s. */
    maxDelay?: Time
  }
  /** Time in which a process has to listen, else it is ended and started anew. With `'stdin'` it need not: it listens from its start. Default 30s. */
  readyTimeout?: Time
  /** How a process is ended. */
  stop?: {
    /** What asks it to end. Default `'SIGTERM'`. (lighttpd: kill-signal) */
    signal?: NodeJS.Signals
    /** Time until it, and every process it has started, is killed. Default 5s. */
    timeout?: Time
  }
}
