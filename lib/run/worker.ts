import { clusterChannel } from '../channel/index.ts'
import { shareGroups } from './mounts.ts'
import { closeHandle, divertListen, onLostHandle, type Handle, type Intake } from './handles.ts'
import { build, type Built } from './build.ts'
import { isOrder, type Order, type Plan, type Report } from './messages.ts'
import { schemeOf } from './here.ts'
import { messageOf } from './errors.ts'
import { Logs } from './logs.ts'
import { logWarnings } from './warnings.ts'
import { parseTime } from '../options/units.ts'
import { JournalWriter } from './takeover/journal.ts'
import { Recorder, recordedResponse } from './takeover/recorder.ts'
import type { Server } from 'node:net'
import type { Listener } from './read-listen.ts'
import type { Settings } from './read-config.ts'

/** Default of `closeTimeout`, in milliseconds. */
const CLOSE_TIMEOUT = 10_000
/** Milliseconds for the last lines of the log. */
const LAST_LINES = 1000

/** Tells the primary what this worker has come to. */
function report (message: Report, sent?: () => void): void {
  process.send?.(message, undefined, undefined, sent)
}

/** Tells the primary that this worker cannot serve, and ends it. */
export function reportFailure (error: unknown): void {
  const end = (): never => process.exit(1)
  // The primary tells whoever waits: what is written here would be a second line.
  if (process.connected && process.send !== undefined) process.send({ scgi: 'failed', message: messageOf(error) } satisfies Report, end)
  else end()
}

/** Asks for what the primary has kept of the configuration. */
export function keptSource (): Promise<string> {
  return new Promise(resolve => {
    const hear = (message: unknown): void => {
      if (!isOrder(message) || message.scgi !== 'source') return
      process.off('message', hear)
      resolve(message.text)
    }
    process.on('message', hear)
    report({ scgi: 'source' })
  })
}

/** A process that serves what the primary gives it. */
export class GatewayWorker {
  readonly #settings: Settings
  readonly #logs: Logs
  readonly #built: Built
  readonly #servers: Server[]
  readonly #intakes: Intake[] = []
  #ending = false
  #recorder: Recorder | undefined

  private constructor (settings: Settings, logs: Logs, built: Built) {
    this.#settings = settings
    this.#logs = logs
    this.#built = built
    this.#servers = settings.listeners.map(listener => built.application.server(listener))
  }

  /**
   * Builds what the configuration says, and waits for orders.
   * @param source what its files have, for the primary to keep
   * @throws StartError, FST_SCGI_OPT_*
   */
  static async start (settings: Settings, source: string | undefined): Promise<GatewayWorker> {
    const logs = await Logs.open(settings.log, settings.accessLog, settings.fastify.logger, true)
    const { http } = settings.fastify
    const fastify = { ...settings.fastify, http: { ...http, ServerResponse: recordedResponse(http?.ServerResponse) } }
    const shared = { ...settings, fastify, mounts: shareGroups(settings.mounts, clusterChannel()) }
    const worker = new GatewayWorker(settings, logs, await build(shared, logs))
    logWarnings(worker.app.log)
    worker.#obey()
    report({ scgi: 'loaded', plan: planOf(settings, logs), source })
    return worker
  }

  get app (): Built['application']['app'] {
    return this.#built.application.app
  }

  #obey (): void {
    process.on('message', (message: unknown, connection: unknown) => {
      if (isOrder(message)) this.#do(message, typeof connection === 'object' && connection !== null ? connection : undefined)
    })
    onLostHandle(message => { if (isOrder(message) && message.scgi === 'connection') report({ scgi: 'lost' }) })
    // A terminal sends its signals to all processes: the primary decides. One that is for this process alone replaces it.
    for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {})
    for (const signal of ['SIGTERM', 'SIGQUIT'] as const) process.on(signal, () => report({ scgi: 'leaving' }))
  }

  #do (order: Order, connection: Handle | undefined): void {
    if (order.scgi === 'connection') this.#take(order, connection)
    else if (order.scgi === 'listen') this.#listen(order).catch(reportFailure)
    else if (order.scgi === 'drain') this.#end(this.#built.activity.end(order.timeout, this.#servers))
    else if (order.scgi === 'close') this.#end(Promise.resolve())
    else if (order.scgi === 'reopen') this.#reopen()
  }

  #take ({ listener, id, again, request }: Extract<Order, { scgi: 'connection' }>, connection: Handle | undefined): void {
    if (connection === undefined) return
    const intake = this.#intakes[listener]
    const recorder = this.#recorder
    const give = (): boolean => intake?.give(connection) === true
    if (request !== undefined) {
      this.#repeat(intake, id, request, connection)
      return
    }
    const accepted = recorder === undefined || id === undefined ? give() : recorder.take(id, again === true, give)
    report({ scgi: 'took', accepted })
    if (!accepted) closeHandle(connection)
  }

  /** A connection comes with a request that a dead worker has read on it. */
  #repeat (intake: Intake | undefined, id: number | undefined, request: string, connection: Handle): void {
    const recorder = this.#recorder
    const accepted = intake?.open === true
    if (!accepted || recorder === undefined || id === undefined) {
      report({ scgi: 'took', accepted })
      closeHandle(connection)
      return
    }
    const slot = recorder.reserve(id)
    const give = (): boolean => {
      const given = intake.give(connection)
      if (!given) closeHandle(connection)
      return given
    }
    // Not before that is on its way: if it was lost, the request might be answered once more.
    report({ scgi: 'took', accepted }, () => recorder.repeat(id, slot, Buffer.from(request, 'latin1'), give))
  }

  async #listen ({ addresses, journal }: Extract<Order, { scgi: 'listen' }>): Promise<void> {
    const { app } = this
    if (journal !== undefined) this.#record(journal)
    this.#servers.forEach((server, index) => this.#intakes.push(divertListen(server, addresses[index] ?? null)))
    // What is served by TLS alone has no use for Fastify's own server, which must listen all the same.
    if (!this.#servers.includes(app.server)) divertListen(app.server, addresses[0] ?? null)
    for (const server of this.#servers) if (server !== app.server) server.listen()
    await app.listen({ host: '127.0.0.1', port: 0, listenTextResolver: () => `worker ${process.pid} serves` })
    report({ scgi: 'serving' })
  }

  /** Notes what is in flight, for the time after the death of this process. */
  #record (path: string): void {
    const fail = (error: unknown): void => report({ scgi: 'no-journal', reason: messageOf(error) })
    try {
      const recorder = this.#recorder = new Recorder(new JournalWriter(path, fail), (ids, sent) => report({ scgi: 'closed', ids }, sent))
      this.#settings.listeners.forEach((listener, index) => {
        const server = this.#servers[index]
        if (server !== undefined && isPlain(listener)) recorder.watch(server)
      })
    } catch (error) {
      fail(error)
    }
  }

  #end (first: Promise<void>): void {
    // A second order: do not wait any more.
    const again = this.#ending
    this.#ending = true
    first.then(() => this.app.close()).then(() => 0, (error: unknown) => {
      this.app.log.error(`closing failed: ${messageOf(error)}`)
      return 1
    }).then(async code => {
      if (again) return
      await this.#logs.flush(LAST_LINES)
      // The end of the process would wait for a write that no reader and no disk takes.
      if (this.#logs.holdsThread) process.kill(process.pid, 'SIGKILL')
      process.exit(code)
    }).catch(() => {})
  }

  #reopen (): void {
    try {
      this.#logs.reopen()
    } catch (error) {
      this.app.log.error(`the log file cannot be opened, the one before is written on: ${messageOf(error)}`)
    }
  }
}

function planOf (settings: Settings, logs: Logs): Plan {
  return {
    listeners: settings.listeners.map(listener => ({ place: listener.place, scheme: schemeOf(listener), plain: isPlain(listener) })),
    workers: settings.workers,
    log: logs.settings,
    logsToFiles: logs.hasFiles,
    pidFile: settings.pidFile,
    drainTimeout: settings.drainTimeout,
    closeTimeout: Math.max(CLOSE_TIMEOUT, ...settings.mounts.map(closeTimeoutOf)),
  }
}

function isPlain ({ tls, http2 }: Listener): boolean {
  return tls === undefined && !http2
}

function closeTimeoutOf (mount: Settings['mounts'][number]): number {
  if (typeof mount !== 'object' || !('closeTimeout' in mount) || mount.closeTimeout === undefined) return 0
  return parseTime('closeTimeout', mount.closeTimeout)
}
