import { sumMetrics } from './worker-metrics.ts'
import { toError } from '../runtime/caught.ts'
import { Control } from './control.ts'
import { clusterChannel } from '../channel/index.ts'
import { ownApplications } from '../spawn/primary.ts'
import { StartError } from './errors.ts'
import { Generation, type GenerationOwner } from './generation.ts'
import { Handout } from './handout.ts'
import { listening } from './here.ts'
import { keyOf } from './read-listen.ts'
import { HeldSockets } from './sockets-held.ts'
import { Logs, reopenAll, type Teller } from './logs.ts'
import { Possessions } from './owned.ts'
import { PidFile } from './pid-file.ts'
import type { Plan } from './messages.ts'

/** More lines of applications are lost until there is a log. */
const MOST_EARLY = 1000

/**
 * The process that serves nobody: it has the sockets, hands their connections to its workers, starts them anew where they die, and starts
 * others beside them for a reload. It never loads the configuration: the workers do, and tell what there is to know.
 */
export class Primary {
  /** What it owns beside its workers: what they share, and what must outlive them. */
  readonly possessions = new Possessions()
  readonly #handout = new Handout()
  readonly #sockets = new HeldSockets((key, connection) => this.#handout.take(key, connection), key => this.#handout.forget(key))
  readonly #owner: GenerationOwner = {
    changed: () => this.#handout.next(),
    inherit: connections => this.#handout.inherit(connections),
    loses: reason => this.#loses(reason),
  }

  readonly #old = new Set<Generation>()
  readonly #defaultWorkers: number
  /** That is about to be the current one. */
  #next: Generation | undefined
  #current: Generation | undefined
  #pidFile: PidFile | undefined
  #logs: Logs | undefined
  /** Of the next generation. */
  #nextLogs: Logs | undefined
  #log: Teller | undefined
  /** Lines that wait for the log. */
  readonly #early: ((log: Teller) => void)[] = []
  #changing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #toldLoss = false

  /** @param workers where the configuration says nothing */
  constructor (workers: number) {
    this.#defaultWorkers = workers
    sumMetrics(() => this.#log)
    // It passes on what the workers tell one another of their groups.
    clusterChannel()
    const applications = ownApplications({
      info: (details, line) => this.#say(log => log.info(details, line)),
      warn: (details, line) => this.#say(log => log.warn(details, line)),
    })
    this.possessions.add({ close: () => applications.close(), kill () {} })
  }

  /** Applications are started before it is known where the log goes. */
  #say (line: (log: Teller) => void): void {
    if (this.#log !== undefined) line(this.#log)
    else if (this.#early.length < MOST_EARLY) this.#early.push(line)
  }

  #loses (reason: string): void {
    if (this.#toldLoss) return
    this.#toldLoss = true
    this.#say(log => log.warn(`client connections end with their worker where one dies: what it has in flight cannot be noted: ${reason}`))
  }

  get addresses (): string[] {
    return (this.#current?.plan.listeners ?? []).flatMap(({ place, scheme }) => this.#sockets.urlsOf(place, scheme))
  }

  get log (): Teller {
    if (this.#log === undefined) throw new Error('the gateway does not run yet')
    return this.#log
  }

  get holdsThread (): boolean {
    return this.#logs?.holdsThread === true
  }

  async flush (milliseconds: number): Promise<void> {
    await this.#logs?.flush(milliseconds)
  }

  /**
   * Starts the workers; nothing is left of them where that fails.
   * @throws StartError
   */
  async start (): Promise<void> {
    try {
      await this.#change()
    } catch (error) {
      // Applications of the group, say: another try would start them a second time. Why it does not start counts for more than how they end.
      await this.possessions.close().catch(() => {})
      throw error
    }
    for (const url of this.addresses) this.log.info(listening(url))
    this.log.info(`${this.#current?.size ?? 0} workers serve`)
  }

  /** Lets `fastify-scgi reload` find it by the file of its configuration. */
  async beFound (file: string): Promise<void> {
    try {
      this.possessions.add(await Control.open(file, {
        reload: () => this.reload(),
        places: () => (this.#current?.plan.listeners ?? []).map(({ place }) => keyOf(place)),
      }))
    } catch (error) {
      this.log.warn(`fastify-scgi reload cannot find this process by ${file}, SIGHUP can: ${toError(error).message}`)
    }
  }

  /**
   * Starts workers with the configuration as it is now, and has those of before end. Where that fails all is as it was.
   * @throws StartError
   */
  async reload (): Promise<void> {
    if (this.#closing !== undefined) throw new StartError('the gateway is closing')
    // One after the other: who asks meanwhile wants what is there when it is their turn.
    const before = this.#changing
    const changing = (async () => {
      await before?.catch(() => {})
      if (this.#closing !== undefined) throw new StartError('the gateway is closing')
      await this.#reload()
    })()
    this.#changing = changing
    await changing
  }

  async #reload (): Promise<void> {
    this.log.info('reload: the configuration is checked')
    const before = this.#current
    const known = new Set(this.addresses)
    try {
      await this.#change()
    } catch (error) {
      this.log.error(`reload: nothing is changed: ${toError(error).message}`)
      throw error
    }
    for (const url of this.addresses) if (!known.has(url)) this.log.info(listening(url))
    this.log.info(`reload: ${this.#current?.size ?? 0} new workers serve, ${before?.size ?? 0} of before end with what they have in flight`)
  }

  async #change (): Promise<void> {
    const generation = this.#next = new Generation(this.#owner)
    let undo: (() => Promise<void>) | undefined
    let logs: Logs | undefined
    let pidFile: PidFile | undefined
    let plan: Plan
    try {
      plan = await generation.load(this.#defaultWorkers, Math.max(0, (this.#current?.size ?? 1) - 1))
      logs = this.#logs?.writes(plan.log) === true ? this.#logs : await Logs.open(plan.log, undefined, undefined, true)
      this.#nextLogs = logs
      undo = await this.#sockets.open(plan.listeners.map(({ place }) => place))
      pidFile = this.#pidFile?.path === plan.pidFile ? this.#pidFile : await PidFile.write(plan.pidFile)
      // Workers that close() has ended would be started anew.
      if (this.#closing !== undefined) throw new StartError('the gateway is closing')
      await generation.serve(plan.listeners.map(({ place }) => this.#sockets.addressOf(place)))
      if (this.#closing !== undefined) throw new StartError('the gateway is closing')
    } catch (error) {
      generation.kill()
      try {
        await undo?.()
      } catch (failure) {
        this.#say(log => log.error(`what was changed for this configuration could not all be undone: ${toError(failure).message}`))
      }
      if (pidFile !== this.#pidFile) pidFile?.undo()
      if (logs !== this.#logs) logs?.close()
      // The workers that were about to serve were ended for that.
      if (this.#closing !== undefined) throw new StartError('the gateway is closing')
      throw error
    } finally {
      this.#next = this.#nextLogs = undefined
    }
    await this.#replace(generation, plan, logs)
    if (pidFile !== this.#pidFile) this.#pidFile?.remove()
    this.#pidFile = pidFile
  }

  async #replace (generation: Generation, plan: Plan, logs: Logs): Promise<void> {
    const before = this.#current
    this.#current = generation
    if (this.#logs !== logs) {
      const log = this.#log = logs.teller()
      for (const line of this.#early.splice(0)) line(log)
      this.#logs?.close()
      this.#logs = logs
    }
    generation.keep(this.log)
    this.#handout.use(generation)
    for (const key of await this.#sockets.keep(plan.listeners.map(({ place }) => place))) this.#handout.forget(key)
    if (before === undefined) return
    this.#old.add(before)
    before.drain(before.plan.drainTimeout).then(() => {
      this.#old.delete(before)
      this.#log?.info('the workers of before the reload have ended')
    }, () => {})
  }

  /** Opens the log files anew, in all processes. False if none has one. */
  reopen (): boolean {
    const generations = this.#all()
    for (const generation of generations) generation.tell({ scgi: 'reopen' })
    const own = reopenAll([...new Set([this.#logs, this.#nextLogs])].filter(logs => logs !== undefined))
    return own || generations.some(generation => generation.logsToFiles)
  }

  /** Stops to listen, and waits for the workers to answer what they have in flight. */
  close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    this.log.info('closing: requests in flight may finish')
    // A reload would open again what is closed here: it ends first, and soon, as its workers are gone.
    this.#next?.kill()
    await this.#changing?.catch(() => {})
    const generations = this.#all()
    await this.#sockets.keep([])
    this.#handout.close()
    await Promise.all(generations.map(generation => generation.close()))
    await this.possessions.close()
    this.#pidFile?.remove()
  }

  /** Ends what is left, at once. */
  kill (): void {
    for (const generation of this.#all()) generation.kill()
    this.#sockets.kill()
    this.possessions.kill()
    this.#pidFile?.remove()
  }

  #all (): Generation[] {
    return [...new Set([...this.#old, this.#current, this.#next])].filter(generation => generation !== undefined)
  }
}
