import { literalAddress, parseAddress } from '../connections/address.ts'
import { nameOf } from '../spawn/options.ts'
import { openApplication } from '../spawn/index.ts'
import type { Timers } from '../runtime/timers.ts'
import type { Application, ApplicationServer } from '../spawn/contract.ts'
import type { UpstreamGroup, UpstreamGroupDetails } from '../../types/live.ts'
import type { GroupEmitter } from './group-events.ts'
import type { Line, Member } from './line.ts'

/** Milliseconds from one look at the load to the next: looked at, it costs the requests nothing. */
const LOOK = 100

/** A server of a line, as far as its load is concerned. */
export interface Loaded {
  readonly name: string
  readonly active: number
}

export interface ApplicationsOptions {
  /** Whom events are about. */
  readonly group: UpstreamGroup
  readonly emitter: GroupEmitter
  readonly timers: Timers
  /** The servers of a line are others than before, or stand otherwise. */
  onServers (line: Line, members: readonly Member[]): void
  /** The servers that a line has now. */
  servers (line: Line): readonly Loaded[]
}

interface Opened {
  readonly name: string
  readonly application: Application
  /** Servers that were taken off, and still have exchanges. */
  readonly left: Set<Loaded>
}

/** The applications that were started for the lines of a group. */
export class Applications {
  readonly #options: ApplicationsOptions
  readonly #opened = new Map<Line, Opened>()
  /** Those that are about to end. */
  readonly #ending = new Set<Promise<void>>()
  #cancel: (() => void) | undefined

  constructor (options: ApplicationsOptions) {
    this.#options = options
  }

  /**
   * Starts the application of a line.
   * @throws FST_SCGI_SPAWN, FST_SCGI_OPT_INVALID, FST_SCGI_OPT_UNSUPPORTED
   */
  async open (line: Line): Promise<Member[]> {
    const { spawn } = line.server
    if (spawn === undefined) return []
    const { group, emitter, timers, onServers } = this.#options
    const name = nameOf(spawn.settings)
    const application = openApplication(spawn.option, spawn.settings, {
      onServers: servers => { if (this.#opened.get(line)?.application === application) onServers(line, membersOf(servers)) },
      onProcess: report => emitter.emit('process', () => ({ group, application: name, ...report })),
      onOutput: report => emitter.emit('output', () => ({ group, application: name, ...report })),
    }, timers)
    const opened: Opened = { name, application, left: new Set() }
    this.#opened.set(line, opened)
    let servers
    try {
      servers = await application.start()
    } catch (error) {
      if (this.#opened.get(line) === opened) this.#opened.delete(line)
      throw error
    }
    if (spawn.settings.min < spawn.settings.max) this.#cancel ??= timers.after(LOOK, () => this.#look())
    return membersOf(servers)
  }

  /** All of them, and how their processes stand. */
  details (): UpstreamGroupDetails['applications'] {
    return [...this.#opened].map(([line, { name, application: { processes } }]) =>
      ({ name, address: line.server.given, servers: this.#options.servers(line).map(server => server.name), processes }))
  }

  /** A server of a line was taken off. */
  left (line: Line, server: Loaded): void {
    if (server.active > 0) this.#opened.get(line)?.left.add(server)
  }

  /** Ends the application of a line. */
  close (line: Line): void {
    const opened = this.#opened.get(line)
    if (opened === undefined) return
    this.#opened.delete(line)
    // What fails here fails while all is given up anyway.
    const ending: Promise<void> = opened.application.stop().catch(() => {}).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  /** Ends all. The lines that had one. */
  stop (): Line[] {
    this.#cancel?.()
    this.#cancel = undefined
    const lines = [...this.#opened.keys()]
    for (const line of lines) this.close(line)
    return lines
  }

  /** Fulfilled when nothing runs any more of what was to end. */
  async stopped (): Promise<void> {
    await Promise.all(this.#ending)
  }

  #look (): void {
    this.#cancel = this.#options.timers.after(LOOK, () => this.#look())
    for (const [line, { application, left }] of this.#opened) {
      const active = new Map<string, number>()
      for (const server of left) if (server.active === 0) left.delete(server)
      for (const server of [...this.#options.servers(line), ...left]) {
        active.set(server.name, (active.get(server.name) ?? 0) + server.active)
      }
      application.load(active)
    }
  }
}

function membersOf (servers: readonly ApplicationServer[]): Member[] {
  return servers.map(({ address, reason, life }) => ({ address: literalAddress(parseAddress('spawn', address)), found: undefined, stopped: reason, life }))
}
