import { chown, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { causedBy, FST_SCGI_SPAWN } from '../errors.ts'
import { makeOwnDirectory } from '../files/leftovers.ts'
import { codeOf, toError } from '../runtime/caught.ts'
import { MAX_TIME } from '../options/units.ts'
import { systemTimers, type Timers } from '../runtime/timers.ts'
import { guard } from './guard.ts'
import { findIdentity, type Identity } from './identity.ts'
import { holdSocket, type ListeningSocket } from './listening.ts'
import { nameOf, type SpawnSettings } from './options.ts'
import { checkCommand } from './preflight.ts'
import { ManagedProcess } from './process.ts'
import { freePort, type Place } from './ready.ts'
import type { Application, ApplicationListener, ApplicationServer, ProcessState } from './contract.ts'

/** What a start waits for, at most, in milliseconds: Fastify gives plugins ten seconds. */
const PATIENCE = 8000
/** A process whose socket listens from the start is looked at for so long: most that cannot live die at once. */
const SETTLE = 100
/** Milliseconds until a server that nobody is sent to any more is asked to end: those who were told by another process may be late. */
const LEAVE = 250

/** An application whose processes belong to this process. */
export class OwnApplication implements Application {
  readonly #option: string
  readonly #settings: SpawnSettings
  readonly #listener: ApplicationListener
  readonly #timers: Timers
  #processes: ManagedProcess[] = []
  /** Of those that are about to end. */
  readonly #leaving = new Map<ManagedProcess, () => void>()
  #identity: Identity = { uid: undefined, gid: undefined }
  #directory: string | undefined
  #socket: ListeningSocket | undefined
  #numbers = 0
  #told = ''
  /** By number of processes: when so many were needed last. */
  readonly #needed: number[] = []
  #active: ReadonlyMap<string, number> = new Map()
  #preparing: Promise<void> | undefined
  #stopped = false

  /** @param option the option that it comes from, for errors */
  constructor (option: string, settings: SpawnSettings, listener: ApplicationListener, timers: Timers = systemTimers) {
    this.#option = option
    this.#settings = settings
    this.#listener = listener
    this.#timers = timers
  }

  async start (): Promise<readonly ApplicationServer[]> {
    const { min } = this.#settings
    try {
      await checkCommand(this.#settings)
      this.#identity = await findIdentity(this.#option, this.#settings)
      this.#goOn()
      this.#preparing = this.#prepare()
      await this.#preparing.finally(() => { this.#preparing = undefined })
      this.#goOn()
      this.#processes = Array.from({ length: min }, () => this.#launch())
      const began = Promise.all(this.#processes.map(one => one.begun))
      await this.#within(PATIENCE, began)
      if (this.#socket !== undefined) await this.#within(SETTLE, new Promise(() => {}))
    } catch (error) {
      await this.stop()
      throw codeOf(error).startsWith('FST_SCGI_') ? error : causedBy(new FST_SCGI_SPAWN(nameOf(this.#settings), toError(error).message), error)
    }
    return this.#servers()
  }

  get processes (): readonly ProcessState[] {
    return [...this.#processes, ...this.#leaving.keys()].map(({ state }) => state)
  }

  load (active: ReadonlyMap<string, number>): void {
    const { min, max, idleTimeout } = this.#settings
    this.#active = active
    for (const [process, leave] of [...this.#leaving]) if (this.#idle(process)) leave()
    if (min === max || this.#stopped) return
    const now = this.#timers.now()
    let need = 0
    for (const count of active.values()) need += count
    for (let number = 1; number <= Math.min(need, max); number++) this.#needed[number] = now
    if (need > this.#processes.length && this.#processes.length < max) {
      this.#processes.push(this.#launch())
      return
    }
    const { length } = this.#processes
    if (length > min && now - (this.#needed[length] ?? -Infinity) >= idleTimeout) this.#retire()
  }

  async stop (): Promise<void> {
    this.#stopped = true
    // What it makes meanwhile is removed below.
    if (this.#preparing !== undefined) await this.#preparing.catch(() => {})
    for (const leave of [...this.#leaving.values()]) leave()
    const all = [...this.#processes, ...this.#leaving.keys()]
    this.#processes = []
    await Promise.all(all.map(process => process.stop()))
    await this.#socket?.close()
    this.#socket = undefined
    const directory = this.#directory
    this.#directory = undefined
    if (directory === undefined) return
    await rm(directory, { recursive: true, force: true })
    guard.drop(directory)
  }

  /** Nobody would stop what is launched after that. */
  #goOn (): void {
    if (this.#stopped) throw new FST_SCGI_SPAWN(nameOf(this.#settings), 'it was stopped while it started')
  }

  /** The directory of its sockets, and the one from which all accept. */
  async #prepare (): Promise<void> {
    const { socket } = this.#settings
    if (socket === 'port') return
    try {
      const directory = this.#directory = makeOwnDirectory('app-')
      guard.keep(directory)
      const { uid, gid } = this.#identity
      if (uid !== undefined || gid !== undefined) await chown(directory, uid ?? 0, gid ?? 0)
      if (socket === 'stdin') this.#socket = await holdSocket(join(directory, 'socket'))
    } catch (error) {
      throw causedBy(new FST_SCGI_SPAWN(nameOf(this.#settings),
        `no socket can be made for it in the directory of temporary files: ${toError(error).message}; TMPDIR names another directory`), error)
    }
  }

  #launch (): ManagedProcess {
    const number = ++this.#numbers
    let place: Place | undefined
    const process: ManagedProcess = new ManagedProcess({
      settings: this.#settings,
      identity: this.#identity,
      timers: this.#timers,
      place: async () => {
        // A port that somebody else has taken meanwhile is not tried twice.
        if (place === undefined || (place.kind === 'port' && process.crashes > 1)) place = await this.#place(number)
        // One that a process has left behind when it was killed cannot be listened on again.
        if (place.kind === 'path') await rm(place.socket, { force: true })
        return place
      },
      onProcess: report => this.#listener.onProcess(report),
      onOutput: report => this.#listener.onOutput(report),
      onChange: () => this.#tell(),
    })
    return process
  }

  async #place (number: number): Promise<Place> {
    if (this.#settings.socket === 'port') {
      const port = await freePort()
      return { kind: 'port', address: `127.0.0.1:${port}`, socket: `127.0.0.1:${port}`, port, fd: undefined }
    }
    const path = join(this.#directory ?? '', this.#socket === undefined ? `socket-${number}` : 'socket')
    return { kind: this.#settings.socket, address: `unix:${path}`, socket: path, port: 0, fd: this.#socket?.fd }
  }

  /** Where a socket is shared, it is the server; else each process is one, from when it is known how it stands. */
  #servers (): ApplicationServer[] {
    if (this.#socket === undefined) {
      return this.#processes.flatMap(({ address, ready, reason, crashes, turns }, index) => {
        const known = ready || crashes > 0 || index < this.#settings.min
        return address === undefined || !known ? [] : [{ address, reason: ready ? undefined : reason, life: turns }]
      })
    }
    // Requests wait in its queue while a process starts anew; they would wait for long where none can.
    const out = this.#processes.length > 0 && this.#processes.every(process => process.looping)
    return [{
      address: `unix:${join(this.#directory ?? '', 'socket')}`,
      reason: out ? this.#processes[0]?.reason : undefined,
      life: this.#processes.reduce((sum, { turns }) => sum + turns, 0),
    }]
  }

  #tell (): void {
    if (this.#stopped) return
    const servers = this.#servers()
    const text = JSON.stringify(servers)
    if (text === this.#told) return
    this.#told = text
    this.#listener.onServers(servers)
  }

  #idle ({ address }: ManagedProcess): boolean {
    return (this.#active.get(address ?? '') ?? 0) === 0
  }

  /** One process less. With a shared socket nobody knows which one is at work, so that none must be. */
  #retire (): void {
    const process = this.#processes.findLast(one => this.#idle(one))
    if (process === undefined) return
    this.#processes = this.#processes.filter(one => one !== process)
    if (this.#socket !== undefined) {
      this.#end(process)
      return
    }
    this.#tell()
    const { stopTimeout } = this.#settings
    let over = false
    const leave = (): void => {
      if (over) return
      over = true
      cancel()
      this.#end(process)
    }
    let cancel = this.#timers.after(LEAVE, () => {
      if (this.#idle(process)) leave()
      else {
        this.#leaving.set(process, leave)
        cancel = this.#timers.after(stopTimeout, leave)
      }
    })
    this.#leaving.set(process, () => {})
  }

  #end (process: ManagedProcess): void {
    void process.stop().catch(() => {}).then(() => { this.#leaving.delete(process) })
    this.#leaving.set(process, () => {})
  }

  async #within (milliseconds: number, done: Promise<unknown>): Promise<void> {
    let cancel = (): void => {}
    const enough = new Promise<void>(resolve => { cancel = this.#timers.after(milliseconds, resolve) })
    // Nothing else may keep a process alive that has only begun.
    const alive = setInterval(() => {}, MAX_TIME)
    try {
      await Promise.race([done, enough])
    } finally {
      cancel()
      clearInterval(alive)
    }
  }
}
