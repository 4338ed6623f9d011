import { isatty } from 'node:tty'
import { isFunction, isRecord } from '../options/checks.ts'
import { requireCommonJs } from '../runtime/commonjs.ts'
import { toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'
import { Failures } from './failures.ts'
import { LogWriter } from './log.ts'
import type { FastifyServerOptions } from 'fastify'
import type * as Pino from 'pino'
import { LOG_LEVELS, type AccessLogSettings, type LogSettings } from './read-logs.ts'

/** What a process says. */
export interface Teller {
  info (line: string): void
  info (details: object, line: string): void
  warn (line: string): void
  warn (details: object, line: string): void
  error (line: string): void
  error (details: object, line: string): void
}

/** The files of the log of one process, and the line to its reader. */
export class Logs {
  /** For Fastify. */
  readonly logger: FastifyServerOptions['logger']
  /** As it is in effect. */
  readonly settings: LogSettings
  /** Takes whole lines, each with its end. */
  readonly access: { write (line: string): void }
  readonly #main: LogWriter
  readonly #writers: LogWriter[]
  readonly #stream: { write (line: string): void }
  readonly #failures: Failures | undefined

  private constructor (
    settings: LogSettings, given: FastifyServerOptions['logger'],
    { main, access, quiet, pretty }: { main: LogWriter, access: LogWriter, quiet: boolean, pretty: ((line: string) => string) | undefined }
  ) {
    this.#main = main
    this.access = access
    this.#writers = [...new Set([main, access])]
    this.#stream = pretty === undefined ? main : { write: line => main.write(pretty(line)) }
    const options = isRecord(given) ? given : {}
    const level = settings.level ?? (typeof options.level === 'string' ? options.level : 'info')
    this.settings = { ...settings, level: given === false ? 'silent' : LOG_LEVELS.find(known => known === level) ?? 'info' }
    const failures = this.#failures = settings.sumUp === 0 ? undefined : new Failures(settings.sumUp)
    this.logger = given === false ? false : { ...options, level, stream: this.#stream, hooks: hooksOf(failures, quiet, options.hooks) }
  }

  /**
   * Opens them. With an access log, Fastify's lines for each request are left out.
   * @param given what Fastify was told of its logger
   * @param shared other processes write there, too
   * @throws StartError
   */
  static async open (
    settings: LogSettings, access: AccessLogSettings | undefined, given: FastifyServerOptions['logger'], shared: boolean
  ): Promise<Logs> {
    const pretty = settings.pretty ?? (settings.file === undefined && isatty(1))
    const format = pretty ? await prettyLines(settings.pretty === true) : undefined
    const main = openLog(settings.file, shared)
    const file = access?.file
    const other = file === undefined || file === settings.file ? main : openLog(file, shared)
    return new Logs(settings, given, { main, access: other, quiet: access !== undefined, pretty: format })
  }

  /** Something is being written by a thread of Node.js, which the end of the process would wait for. */
  get holdsThread (): boolean {
    return this.#writers.some(({ holdsThread }) => holdsThread)
  }

  /** There is one that `reopen` opens anew. */
  get hasFiles (): boolean {
    return this.#writers.some(({ isFile }) => isFile)
  }

  /** Who tells what the gateway does, where no Fastify has a logger. */
  teller (): Teller {
    // Where there is a Fastify it has its own.
    const { pino, stdSerializers }: typeof Pino = requireCommonJs('pino')
    const log = pino({ level: this.settings.level ?? 'info', serializers: { err: stdSerializers.err } }, this.#stream)
    this.tellDropped(log)
    return log
  }

  /** Lines that are lost are told to it. */
  tellDropped (log: Teller): void {
    for (const writer of this.#writers) writer.onDropped = dropped => log.warn({ dropped }, `${dropped} lines of the log are lost: they could not be written`)
  }

  /** What it writes is what these settings say. */
  writes (settings: LogSettings): boolean {
    return JSON.stringify(settings) === JSON.stringify(this.settings)
  }

  /**
   * Opens the files anew. False if there is none.
   * @throws as `fs.openSync`; it then goes on with the file as it was
   */
  reopen (): boolean {
    return reopenAll(this.#writers)
  }

  /** Closes the files, once what waits is written. */
  close (): void {
    this.#failures?.flush()
    for (const writer of this.#writers) writer.close()
  }

  /** Waits until all lines are written, but no longer than so many milliseconds. */
  async flush (milliseconds: number): Promise<void> {
    // Of a request that was cut off the access log has its line in the next turn.
    await new Promise(resolve => setImmediate(resolve))
    this.#failures?.flush()
    await Promise.all(this.#writers.map(writer => writer.flush(milliseconds)))
  }
}

/**
 * Opens all anew, also those after one that cannot be opened. False if there is no file.
 * @throws the first error
 */
export function reopenAll (all: readonly { reopen (): boolean }[]): boolean {
  let some = false
  const errors: unknown[] = []
  for (const one of all) {
    try {
      if (one.reopen()) some = true
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw toError(errors[0])
  return some
}

let output: LogWriter | undefined

/** There is one, and one handle for it. */
export function standardOutput (shared = false): LogWriter {
  output ??= new LogWriter(undefined, shared)
  return output
}

function openLog (path: string | undefined, shared: boolean): LogWriter {
  try {
    if (path === undefined) return standardOutput(shared)
    return new LogWriter(path, shared)
  } catch (error) {
    throw new StartError(`cannot open the log file: ${toError(error).message}`)
  }
}

type LogMethod = (this: unknown, given: unknown[], method: (...given: unknown[]) => void, level: number) => void

/** pino's number for it. */
const INFO = 30
/** What Fastify says of each request. Of failed ones it says more, which stays. */
const EACH_REQUEST = new Set<unknown>(['incoming request', 'request completed'])

/** pino asks before each line; who has hooks of their own keeps them. */
function hooksOf (failures: Failures | undefined, quiet: boolean, given: unknown): { logMethod: LogMethod } & Record<string, unknown> {
  const others = isRecord(given) ? given : {}
  const { logMethod: theirs } = others
  return {
    ...others,
    logMethod (given, method, level) {
      const write = (): void => {
        if (isFunction(theirs)) theirs.call(this, given, method, level)
        else method.apply(this, given)
      }
      if (quiet && level === INFO && EACH_REQUEST.has(given[1])) return
      if (failures?.swallows(given, level, (details, line) => method.apply(this, [details, line])) !== true) write()
    },
  }
}

/** @throws StartError where pino-pretty is wanted and is not there */
async function prettyLines (wanted: boolean): Promise<((line: string) => string) | undefined> {
  let factory
  try {
    ({ prettyFactory: factory } = await import('pino-pretty'))
  } catch {
    if (wanted) throw new StartError('log.pretty needs pino-pretty: npm install pino-pretty, or leave it out')
    return undefined
  }
  return factory({ colorize: isatty(1), ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
}
