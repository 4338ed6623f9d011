import cluster, { type Worker } from 'node:cluster'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { OwnApplication } from './application.ts'
import { fromWorker, OWNER_VARIABLE, wrap, type FromPrimary, type FromWorker } from './messages.ts'
import { nameOf, type SpawnSettings } from './options.ts'
import type { Application, ApplicationServer } from './contract.ts'
import { plain, tellOutput, tellProcess, type ApplicationLog } from './tell.ts'

/** Milliseconds for which an application outlives the death of the last worker that used it: another worker is about to be started. */
const OUTLIVE = 30_000
/** Milliseconds from one look at the load to the next. */
const LOOK = 100
/** Workers are told at each of so many looks how the processes stand, where that has changed: they may write many lines. */
const LOOKS = 10

/** One of the applications that a worker uses. */
interface Use {
  readonly worker: Worker
  readonly id: number
  active: ReadonlyMap<string, number>
  /** What it was told last of the processes. */
  told: string
}

interface Owned {
  readonly key: string
  readonly application: Application
  readonly uses: Set<Use>
  started: Promise<void>
  servers: readonly ApplicationServer[]
  /** Calls off its end. */
  cancel: () => void
}

/** The applications of a primary of node:cluster. */
export interface ApplicationOwner {
  /** Ends all of them. Fulfilled when they are gone. */
  close (): Promise<void>
}

/**
 * Makes this process, the primary of a cluster, the owner of the applications that its workers use: servers with `spawn` that read the same
 * are one application, which outlives the workers. To be called before the workers are forked.
 * @param log takes what the applications say, and what happens to them
 */
export function ownApplications (log: ApplicationLog, timers: Timers = systemTimers): ApplicationOwner {
  const owned = new Map<string, Owned>()
  /** Ended, and not yet gone. */
  const ending = new Set<Promise<void>>()
  process.env[OWNER_VARIABLE] = String(process.pid)
  let cancelLook = timers.after(LOOK, look)
  let looks = 0

  function look (): void {
    looks += 1
    for (const one of owned.values()) {
      if (looks % LOOKS === 0) tellProcesses(one)
      const active = new Map<string, number>()
      for (const use of one.uses) for (const [address, count] of use.active) active.set(address, (active.get(address) ?? 0) + count)
      one.application.load(active)
    }
    cancelLook = timers.after(LOOK, look)
  }

  function tellProcesses ({ application: { processes }, uses }: Owned): void {
    const text = JSON.stringify(processes)
    for (const use of uses) {
      if (use.told === text) continue
      use.told = text
      say(use.worker, { what: 'processes', id: use.id, processes })
    }
  }

  function say (worker: Worker, body: FromPrimary): void {
    if (worker.isConnected()) worker.send(wrap(body), () => {})
  }

  function start (worker: Worker, { id, option, settings }: Extract<FromWorker, { what: 'start' }>): void {
    const use: Use = { worker, id, active: new Map(), told: '' }
    const one = keyFor(worker, settings, key => open(key, option, settings))
    one.cancel()
    one.uses.add(use)
    one.started.then(() => say(worker, { what: 'started', id, servers: one.servers }), error => {
      one.uses.delete(use)
      say(worker, { what: 'failed', id, error: plain(error) })
    })
  }

  /** A worker that has two servers that read the same has two applications. */
  function keyFor (worker: Worker, settings: SpawnSettings, make: (key: string) => Owned): Owned {
    const text = JSON.stringify(settings)
    for (let number = 0; ; number++) {
      const key = `${text} ${number}`
      const one = owned.get(key)
      if (one === undefined) return make(key)
      if (![...one.uses].some(use => use.worker === worker)) return one
    }
  }

  function open (key: string, option: string, settings: SpawnSettings): Owned {
    const name = nameOf(settings)
    const application = new OwnApplication(option, settings, {
      onServers (servers) {
        one.servers = servers
        for (const { worker, id } of one.uses) say(worker, { what: 'servers', id, servers })
      },
      onProcess: report => tellProcess(log, name, report),
      onOutput: report => tellOutput(log, name, report),
    }, timers)
    const one: Owned = { key, application, uses: new Set(), started: Promise.resolve(), servers: [], cancel () {} }
    owned.set(key, one)
    one.started = application.start().then(servers => {
      one.servers = servers
    }, (error: unknown) => {
      if (owned.get(key) === one) owned.delete(key)
      throw error
    })
    return one
  }

  async function end (one: Owned): Promise<void> {
    one.cancel()
    if (owned.get(one.key) === one) owned.delete(one.key)
    const stopped = one.application.stop()
    ending.add(stopped)
    await stopped.finally(() => ending.delete(stopped))
  }

  function hear (worker: Worker, message: unknown): void {
    const body = fromWorker(message)
    if (body === undefined) return
    if (body.what === 'start') {
      start(worker, body)
      return
    }
    const { id } = body
    for (const one of owned.values()) {
      for (const use of one.uses) {
        if (use.worker !== worker || use.id !== id) continue
        if (body.what === 'load') {
          use.active = new Map(body.active)
          return
        }
        one.uses.delete(use)
        const over = one.uses.size === 0 ? end(one) : Promise.resolve()
        void over.catch(() => {}).then(() => say(worker, { what: 'stopped', id }))
        return
      }
    }
    if (body.what === 'stop') say(worker, { what: 'stopped', id })
  }

  function gone (worker: Worker): void {
    for (const one of owned.values()) {
      const before = one.uses.size
      for (const use of [...one.uses]) if (use.worker === worker) one.uses.delete(use)
      if (one.uses.size > 0 || before === 0) continue
      one.cancel()
      one.cancel = timers.after(OUTLIVE, () => { if (one.uses.size === 0) end(one).catch(() => {}) })
    }
  }

  cluster.on('message', hear)
  cluster.on('exit', gone)
  return {
    async close () {
      cancelLook()
      cluster.off('message', hear)
      cluster.off('exit', gone)
      delete process.env[OWNER_VARIABLE]
      await Promise.all([...[...owned.values()].map(end), ...ending])
    },
  }
}
