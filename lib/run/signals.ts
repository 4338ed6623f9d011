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

/**
 * The signals of the process, from its first moment on, as nginx has them: SIGTERM, SIGQUIT and SIGINT close the gateway, which exits with
 * 0, and a second one ends the process at once; SIGUSR1 reopens the log files; SIGHUP loads the configuration anew, where there is one;
 * SIGUSR2 is ignored, with a line.
 */
export class Signals {
  readonly #files: Belongings
  #gateway: Running | undefined
  #closing: number | undefined

  constructor (files: Belongings) {
    this.#files = files
    for (const signal of CLOSING) process.on(signal, () => this.#close(signal))
    process.on('SIGHUP', () => this.#reload())
    process.on('SIGUSR2', () => this.#gateway?.log.info('SIGUSR2 is ignored: SIGHUP loads the configuration and the program anew'))
    process.on('SIGUSR1', () => this.#reopen())
  }

  /** The gateway serves: from now on it is closed before the process ends. */
  speakTo (gateway: Running): void {
    this.#gateway = gateway
  }

  #close (signal: typeof CLOSING[number]): void {
    const gateway = this.#gateway
    if (gateway === undefined || (this.#closing !== undefined && performance.now() - this.#closing > SAME_SIGNAL)) {
      this.#files.kill?.()
      this.#exit(128 + constants.signals[signal])
      return
    }
    if (this.#closing !== undefined) return
    this.#closing = performance.now()
    void gateway.close().then(() => 0, error => {
      gateway.log.error(`closing failed: ${toError(error).message}`)
      return 1
    }).then(async code => {
      await this.#files.flush(LAST_LINES)
      this.#exit(code)
    })
  }

  #exit (code: number): void {
    // The end of the process would wait for a write that no reader and no disk takes.
    if (this.#files.holdsThread) process.kill(process.pid, 'SIGKILL')
    process.exit(code)
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
