// What an application is to whoever uses it, wherever its processes are.

/** A server that an application offers. */
export interface ApplicationServer {
  /** `'unix:/path'`, `'127.0.0.1:4001'` */
  readonly address: string
  /** Why it serves nobody; `undefined` if it does. */
  readonly reason: string | undefined
  /** Another number when a process has ended or is back: what failed before says nothing of those that serve now. */
  readonly life: number
}

/** What became of a process. */
export interface ProcessReport {
  readonly pid: number
  readonly state: 'started' | 'exited' | 'stopped'
  readonly reason: string | undefined
  readonly restartsIn: number | undefined
}

/** How a process stands. */
export interface ProcessState {
  readonly pid: number | undefined
  readonly state: 'starting' | 'running' | 'waiting' | 'stopping'
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly restarts: number
  readonly reason: string | undefined
  readonly lastLine: string | undefined
}

/** What a process has said. */
export interface OutputReport {
  readonly pid: number
  readonly stream: 'stdout' | 'stderr'
  readonly line: string
}

/** Who hears of an application. None of these may throw. */
export interface ApplicationListener {
  /** These are its servers from now on. */
  onServers (servers: readonly ApplicationServer[]): void
  onProcess (report: ProcessReport): void
  onOutput (report: OutputReport): void
}

/** An application that was started, here or by the process that owns it. */
export interface Application {
  /**
   * Starts it. Fulfilled when its processes serve, or when it is known that they do not, or after a while.
   * @throws FST_SCGI_SPAWN, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED; nothing runs then
   */
  start (): Promise<readonly ApplicationServer[]>
  /** So many exchanges run with each of its servers, by address. */
  load (active: ReadonlyMap<string, number>): void
  /** How its processes stand, those included that are about to end. */
  readonly processes: readonly ProcessState[]
  /** Ends its processes. Fulfilled when they are gone. */
  stop (): Promise<void>
}
