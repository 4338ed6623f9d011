import { constants } from 'node:os'
import { toError } from '../runtime/caught.ts'
import type { Teller } from './logs.ts'

/** Signals that end the gateway, once the requests in flight are answered. */
const CLOSING = ['SIGTERM', 'SIGQUIT', 'SIGINT'] as const

/**
 * A Ctrl-C reaches a process that npm started twice, from the terminal and from npm: what comes so soon after the first is not
 * somebody who has lost patience.
 */
const SAME_SIGNAL = 300
/** Milliseconds for the last lines of the log. */
const LAST_LINES = 1000

/** What can be closed in an orderly way. */
interface Closable {
  close (): Promise<void>
}

/** A gateway that the signals of the process speak to. */
export interface Running extends Closable {
  readonly log: Teller
  /** Loads the configuration anew, and says itself how that went; absent where there is none. */
  reload? (): Promise<void>
}

/** What the process has, also while the gateway does not serve yet: the files that the log goes to, above all. */
export interface Belongings {
  /** False if there is none. */
  reopen (): boolean
  flush (milliseconds: number): Promise<void>
  /** Something is being written by a thread of Node.js, which the end of the process would wait for. */
  readonly holdsThread: boolean
  /** Ends at once what is there beside this process, which is about to end: other processes, files of sockets. */
  kill? (): void
}

/** Of the gateways of this process that have not ended, also those that start. */
const live = new Set<Signals>()
/** When the first signal came to close them. */
let closing: number | undefined
/** What the process ends with once all are closed. */
let exitCode = 0

/**
 * The signals of the process, from its first moment on, as nginx has them: SIGTERM, SIGQUIT and SIGINT close the gateway, which exits with
 * 0, and a second one ends the process at once; SIGUSR1 reopens the log files; SIGHUP loads the configuration anew, where there is one;
 * SIGUSR2 is ignored, with a line. Where a program runs several gateways, the process ends with the last of them.
 */
export class Signals {
  readonly #files: Belongings
  #gateway: Running | undefined
  #closed = false
  readonly #listeners = [
    ['SIGHUP', () => this.#reload()],
    ['SIGUSR2', () => this.#gateway?.log.info('SIGUSR2 is ignored: SIGHUP loads the configuration and the program anew')],
    ['SIGUSR1', () => this.#reopen()],
  ] as const

  constructor (files: Belongings) {
    this.#files = files
    if (live.size === 0) for (const signal of CLOSING) process.on(signal, closeAll)
    live.add(this)
    for (const [signal, listener] of this.#listeners) process.on(signal, listener)
  }

  /** Something may be in flight. */
  get serves (): boolean {
    return this.#gateway !== undefined && !this.#closed
  }

  get holdsThread (): boolean {
    return this.#files.holdsThread
  }

  /** The gateway serves: from now on it is closed before the process ends. */
  speakTo (gateway: Running): void {
    this.#gateway = gateway
    if (closing !== undefined) this.close()
  }

  /** The gateway is no more: its signals are the program's again. */
  end (): void {
    // The process is about to end: without listeners, the same key press arriving once more would end it before the last lines are written.
    if (closing !== undefined) return
    live.delete(this)
    if (live.size === 0) for (const signal of CLOSING) process.off(signal, closeAll)
    for (const [signal, listener] of this.#listeners) process.off(signal, listener)
  }

  /** For a signal: the process ends with the last one that is closed. */
  close (): void {
    const gateway = this.#gateway
    if (gateway === undefined) return
    gateway.close().catch((error: unknown) => {
      gateway.log.error(`closing failed: ${toError(error).message}`)
      exitCode = 1
    }).then(async () => {
      await this.#files.flush(LAST_LINES)
    }).finally(() => {
      this.#closed = true
      if (![...live].some(({ serves }) => serves)) exit(exitCode)
    }).catch(() => {})
  }

  kill (): void {
    if (!this.#closed) this.#files.kill?.()
  }

  #reload (): void {
    const gateway = this.#gateway
    if (gateway === undefined) return
    if (gateway.reload === undefined) gateway.log.info('SIGHUP is ignored: there is no configuration to be loaded')
    // What is wrong is in the log.
    else gateway.reload().catch(() => {})
  }

  #reopen (): void {
    const log = this.#gateway?.log
    try {
      if (this.#files.reopen()) log?.info('SIGUSR1: the log file is opened anew')
      else log?.info('SIGUSR1 is ignored: the log goes to the standard output (--log-file names a file)')
    } catch (error) {
      log?.error(`SIGUSR1: the log file cannot be opened, the one before is written on: ${toError(error).message}`)
    }
  }
}

function closeAll (signal: typeof CLOSING[number]): void {
  const all = [...live]
  if (!all.some(({ serves }) => serves) || (closing !== undefined && performance.now() - closing > SAME_SIGNAL)) {
    exit(128 + constants.signals[signal])
  } else if (closing === undefined) {
    closing = performance.now()
    for (const signals of all) signals.close()
  }
}

/** Those that do not serve yet, or not end, are ended at once. */
function exit (code: number): void {
  for (const signals of live) signals.kill()
  // The end of the process would wait for a write that no reader and no disk takes.
  if ([...live].some(({ holdsThread }) => holdsThread)) process.kill(process.pid, 'SIGKILL')
  process.exit(code)
}
