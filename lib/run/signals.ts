import { constants } from 'node:os'
import { toError } from '../runtime/caught.ts'
import type { LogWriter } from './log.ts'

/** Signals that end the gateway, once the requests in flight are answered. */
const CLOSING = ['SIGTERM', 'SIGQUIT', 'SIGINT'] as const
/** nginx loads its configuration anew, and its program: here there is no such thing, and that is no reason to die. */
const IGNORED = ['SIGHUP', 'SIGUSR2'] as const

/**
 * A Ctrl-C reaches a process that npm started twice, from the terminal and from npm: what comes so soon after the first is not
 * somebody who has lost patience.
 */
const SAME_SIGNAL = 300
/** Milliseconds for the last lines of the log. */
const LAST_LINES = 1000

/** What can be closed in an orderly way. */
export interface Closable {
  close (): Promise<void>
}

/** What can say something. */
interface Teller {
  info (line: string): void
  error (line: string): void
}

/** A gateway that the signals of the process speak to. */
export interface Running extends Closable {
  readonly log: Teller
}

/**
 * The signals of the process, from its first moment on, as nginx has them: SIGTERM, SIGQUIT and SIGINT close the gateway, which exits with
 * 0, and a second one ends the process at once; SIGUSR1 opens the log file anew; SIGHUP and SIGUSR2 are ignored, with a line.
 */
export class Signals {
  readonly #writer: LogWriter
  #gateway: Running | undefined
  #closing: number | undefined

  constructor (writer: LogWriter) {
    this.#writer = writer
    for (const signal of CLOSING) process.on(signal, () => this.#close(signal))
    for (const signal of IGNORED) process.on(signal, () => this.#gateway?.log.info(`${signal} is ignored: there is no configuration to be loaded`))
    process.on('SIGUSR1', () => this.#reopen())
  }

  /** The gateway serves: from now on it is closed before the process ends. */
  speakTo (gateway: Running): void {
    this.#gateway = gateway
  }

  #close (signal: typeof CLOSING[number]): void {
    const gateway = this.#gateway
    if (gateway === undefined || (this.#closing !== undefined && performance.now() - this.#closing > SAME_SIGNAL)) {
      this.#exit(128 + constants.signals[signal])
      return
    }
    if (this.#closing !== undefined) return
    this.#closing = performance.now()
    gateway.close().then(() => 0, error => {
      gateway.log.error(`closing failed: ${toError(error).message}`)
      return 1
    }).then(async code => {
      await this.#writer.flush(LAST_LINES)
      this.#exit(code)
    })
  }

  #exit (code: number): void {
    // The end of the process would wait for a write that no reader and no disk takes.
    if (this.#writer.holdsThread) process.kill(process.pid, 'SIGKILL')
    process.exit(code)
  }

  #reopen (): void {
    const log = this.#gateway?.log
    try {
      if (this.#writer.reopen()) log?.info('SIGUSR1: the log file is opened anew')
      else log?.info('SIGUSR1 is ignored: the log goes to the standard output (--log-file names a file)')
    } catch (error) {
      log?.error(`SIGUSR1: the log file cannot be opened, the one before is written on: ${toError(error).message}`)
    }
  }
}
