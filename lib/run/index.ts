import cluster from 'node:cluster'
import { resolve } from 'node:path'
import { build } from './build.ts'
import { closeUnstarted } from './application.ts'
import { listenHere } from './here.ts'
import { KEPT, keepModules, keptText, useKept } from './kept-source.ts'
import { loadConfig } from './load-config.ts'
import { Logs } from './logs.ts'
import { PidFile } from './pid-file.ts'
import { prefixOf, serversOf } from './mounts.ts'
import { readConfig, type Settings } from './read-config.ts'
import { Signals, type Running } from './signals.ts'
import { StartError } from './errors.ts'
import { logWarnings } from './warnings.ts'
import { WORKER_ENV } from './messages.ts'
import type { GatewayConfig, RunGatewayOptions, RunningGateway } from '../../types/config.ts'

export type * from '../../types/config.ts'

/** Milliseconds for the last lines of the log. */
const LAST_LINES = 1000

/** Returns the configuration unchanged; provides types for editors. */
export function defineGateway (config: GatewayConfig): GatewayConfig {
  return config
}

/**
 * Runs a gateway, like the command `fastify-scgi --config`. With `workers`, this program is started again for each worker, where
 * `runGateway` serves and does not return until the worker ends; code after it runs only in the primary.
 * @param config the configuration, or the path of its file
 * @throws FST_SCGI_OPT_* if the configuration is invalid; an error that says what to do if the system refuses something
 */
export async function runGateway (config: GatewayConfig | string, options: RunGatewayOptions = {}): Promise<RunningGateway> {
  const isWorker = cluster.isWorker && process.env[WORKER_ENV] !== undefined
  if (isWorker) return await serveAsWorker(config)
  // Workers load the file: what is loaded once in a process stays as it was.
  if (typeof config === 'string') return await runPrimary(1, options, config)
  const settings = readConfig(config)
  return settings.workers === undefined ? await runHere(settings, options) : await runPrimary(settings.workers, options)
}

async function serveAsWorker (config: GatewayConfig | string): Promise<RunningGateway> {
  const { GatewayWorker, keptSource, reportFailure } = await import('./worker.ts')
  try {
    if (typeof config !== 'string') {
      await GatewayWorker.start(readConfig(config), undefined)
    } else {
      const kept = process.env[WORKER_ENV] === KEPT ? await keptSource() : undefined
      if (kept === undefined) keepModules(resolve(config))
      else useKept(kept)
      const settings = readConfig(await loadConfig(config))
      await GatewayWorker.start(settings, kept ?? keptText())
    }
  } catch (error) {
    reportFailure(error)
  }
  // The primary ends it.
  return await new Promise<never>(() => {})
}

/** Where `workers` is not said, the process serves by itself. */
export async function runHere (
  settings: Settings, { signals: wanted = true }: RunGatewayOptions = {}, beside?: { close (): Promise<void> }
): Promise<RunningGateway> {
  const logs = await Logs.open(settings.log, settings.accessLog, settings.fastify.logger, false)
  const own: { pidFile?: PidFile | undefined } = {}
  const signals = wanted
    ? new Signals({
      reopen: () => logs.reopen(),
      flush: milliseconds => logs.flush(milliseconds),
      get holdsThread () { return logs.holdsThread },
      kill: () => own.pidFile?.remove(),
    })
    : undefined
  let endWarnings: (() => void) | undefined
  const over = (): void => {
    endWarnings?.()
    signals?.end()
  }
  try {
    const { application } = await build(settings, logs)
    const { app } = application
    if (wanted) endWarnings = logWarnings(app.log)
    let addresses: string[]
    try {
      own.pidFile = await PidFile.write(settings.pidFile)
      addresses = await listenHere(application, settings.listeners)
    } catch (error) {
      own.pidFile?.undo()
      await closeUnstarted(app)
      throw error
    }
    for (const mount of settings.mounts) app.log.info(`${prefixOf(mount)} is served by ${serversOf(mount)}`)
    const end = async (): Promise<void> => {
      app.log.info('closing: requests in flight may finish')
      try {
        await Promise.all([app.close(), beside?.close()])
      } finally {
        own.pidFile?.remove()
      }
      await logs.flush(LAST_LINES)
      logs.close()
    }
    let ended: Promise<void> | undefined
    // The program may close it, and a signal meanwhile.
    const close = (): Promise<void> => {
      ended ??= end().finally(over)
      return ended
    }
    signals?.speakTo({ log: app.log, close })
    return {
      addresses,
      app,
      close,
      reload: () => Promise.reject(new StartError("there is nothing to reload: the gateway serves in this process ('workers' is not said)")),
    }
  } catch (error) {
    over()
    await logs.flush(LAST_LINES)
    logs.close()
    throw error
  }
}

async function runPrimary (workers: number, { signals: wanted = true }: RunGatewayOptions, file?: string): Promise<RunningGateway> {
  const { Primary } = await import('./primary.ts')
  const primary = new Primary(workers)
  const signals = wanted ? new Signals(primary) : undefined
  try {
    await primary.start()
  } catch (error) {
    signals?.end()
    throw error
  }
  const endWarnings = wanted ? logWarnings(primary.log) : undefined
  if (file !== undefined) await primary.beFound(file)
  signals?.speakTo(primary satisfies Running)
  return {
    get addresses () { return primary.addresses },
    app: undefined,
    close: () => primary.close().finally(() => {
      endWarnings?.()
      signals?.end()
    }),
    reload: () => primary.reload(),
  }
}
