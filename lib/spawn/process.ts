import { spawn, type ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import { codeOf, toError } from '../runtime/caught.ts'
import { outside } from '../runtime/context.ts'
import { PROCESS_MARK } from '../runtime/process-mark.ts'
import { killMarked } from './escaped.ts'
import { guard, MARK_VARIABLE } from './guard.ts'
import { readLines } from './lines.ts'
import { environmentOf } from './preflight.ts'
import { listens, type Place } from './ready.ts'
import { nameOf, type SpawnSettings } from './options.ts'
import type { Timers } from '../runtime/timers.ts'
import type { Identity } from './identity.ts'
import type { OutputReport, ProcessReport, ProcessState } from './contract.ts'

/** Milliseconds from one look whether it listens to the next. */
const LOOK = 50
/** So long the last words of a process that has ended are waited for: what it has started may hold its output open. */
const LAST_WORDS = 100
/** A process that has lived so long did not die of its start. */
const STABLE = 10_000
/** So long one that has ended again and again has to live, to be believed. */
const PROBATION = 1000
/** Characters of what it said last, where that is told. */
const MOST_SAID = 200

export interface ManagedProcessOptions {
  readonly settings: SpawnSettings
  readonly identity: Identity
  readonly timers: Timers
  /** Where it is to listen; another place is asked for each time when it did not listen there before. */
  readonly place: () => Promise<Place>
  readonly onProcess: (report: ProcessReport) => void
  readonly onOutput: (report: OutputReport) => void
  /** It stands otherwise than before. */
  readonly onChange: () => void
}

/** Each start has a mark of its own, which begins like that of this process. */
let starts = 0

/** One process of an application, started again whenever it ends, until it is stopped. */
export class ManagedProcess {
  /** Why it does not run, or does not listen; `undefined` if it does. */
  reason: string | undefined = 'it is being started'
  /** Starts, one after the other, that ended soon. */
  crashes = 0
  /** Times that it has come to serve, or has ended. */
  turns = 0
  /** The first start is over, one way or the other; rejected where the system has refused it. */
  readonly begun: Promise<void>
  #begin!: { resolve: () => void, reject: (error: Error) => void }
  readonly #options: ManagedProcessOptions
  readonly #name: string
  #place: Place | undefined
  #child: ChildProcess | undefined
  /** When it was started, by the timers. */
  #started = 0
  /** Since when it stands as it does; milliseconds since the epoch. */
  #since = Date.now()
  #starts = 0
  #said = ''
  /** Its last line, in the life before included. */
  #lastLine: string | undefined
  #ready = false
  #looping = false
  #cancel = (): void => {}
  #ending: Promise<void> | undefined
  #ended = (): void => {}
  /** Why the last signal did not reach it. */
  #deaf: string | undefined
  /** It runs on although it was to be stopped. */
  #left = false

  constructor (options: ManagedProcessOptions) {
    this.#options = options
    this.#name = nameOf(options.settings)
    this.begun = new Promise((resolve, reject) => { this.#begin = { resolve, reject } })
    this.begun.catch(() => {})
    this.#start()
  }

  /** Where it listens; `undefined` until there is a place. */
  get address (): string | undefined {
    return this.#place?.address
  }

  /** It runs, and it listens as far as can be seen; after it has ended again and again, it has to have lived for a while. */
  get ready (): boolean {
    return this.#ready && !this.#looping
  }

  /**
   * It ends again and again, or has ended by itself at its first start. One that somebody has killed, or that has done its work and goes,
   * is back at once: nobody needs to be told.
   */
  get looping (): boolean {
    return this.#looping
  }

  get stopping (): boolean {
    return this.#ending !== undefined
  }

  get state (): ProcessState {
    const pid = this.#child?.pid
    return {
      pid,
      state: this.stopping ? 'stopping' : this.#ready ? 'running' : pid !== undefined || this.#starts === 0 ? 'starting' : 'waiting',
      since: this.#since,
      restarts: Math.max(0, this.#starts - 1),
      reason: this.reason,
      lastLine: this.#lastLine,
    }
  }

  /** Ends it, in its own way where it is fast enough. Fulfilled when it is gone, or when it turns out that it may not be ended from here. */
  stop (): Promise<void> {
    this.#ending ??= this.#stop()
    return this.#ending
  }

  async #stop (): Promise<void> {
    const { timers, settings } = this.#options
    this.#cancel()
    this.#since = Date.now()
    const child = this.#child
    if (child?.pid === undefined) {
      this.#begin.resolve()
      return
    }
    const { pid } = child
    const ended = new Promise<void>(resolve => { this.#ended = resolve })
    // The end of this process waits for it.
    child.ref()
    for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream.ref()
    child.kill(settings.stopSignal)
    const cancel = timers.after(settings.stopTimeout, () => this.#killForStop(child, pid))
    await ended
    cancel()
  }

  #killForStop (child: ChildProcess, pid: number): void {
    killGroup(pid)
    this.#deaf = undefined
    child.kill('SIGKILL')
    if (this.#deaf === undefined) return
    this.#left = true
    child.unref()
    child.stdout?.destroy()
    child.stderr?.destroy()
    this.#options.onProcess({ pid, state: 'stopped', reason: this.#deaf, restartsIn: undefined })
    this.#ended()
  }

  /** It runs, but as another user: `sudo`, for one. */
  #notSignalled (error: Error): void {
    this.#deaf = `it runs on, for the user of the gateway may not end it: ${error.message}`
  }

  #start (): void {
    const { timers } = this.#options
    outside(() => this.#options.place()).then(place => {
      if (this.stopping) this.#begin.resolve()
      else this.#run(this.#place = place)
    }, (error: unknown) => {
      this.reason = toError(error).message
      this.#begin.reject(toError(error))
      this.#options.onChange()
      if (!this.stopping) this.#cancel = timers.after(this.#pause(), () => this.#start())
    })
  }

  #run (place: Place): void {
    const { settings, identity: { uid, gid }, timers } = this.#options
    const { command, args, cwd } = settings
    const filled = args.map(arg => arg.replaceAll('{socket}', place.socket).replaceAll('{port}', String(place.port)))
    const told = { SCGI_SOCKET: place.socket, ...(place.kind === 'port' ? { SCGI_PORT: String(place.port) } : undefined) }
    const mark = `${PROCESS_MARK}.${++starts}`
    const child = this.#child = outside(() => spawn(command, filled, {
      cwd,
      env: { ...environmentOf(settings), ...(place.kind === 'stdin' ? undefined : told), [MARK_VARIABLE]: mark },
      uid,
      gid,
      // A group of its own: Ctrl-C is for the gateway, which lets the requests finish first, and what it starts can be ended with it.
      detached: true,
      stdio: [place.fd ?? 'ignore', 'pipe', 'pipe'],
    }))
    this.#started = timers.now()
    this.#since = Date.now()
    this.#starts += 1
    this.#said = ''
    this.#deaf = undefined
    const { pid } = child
    child.on('error', error => {
      if (pid === undefined) this.#refused(error)
      else this.#notSignalled(error)
    })
    if (pid === undefined) return
    guard.watch(pid, { signal: settings.stopSignal, timeout: settings.stopTimeout })
    child.unref()
    if (child.stdout !== null) readLines(child.stdout, line => this.#hear(pid, 'stdout', line))
    if (child.stderr !== null) readLines(child.stderr, line => this.#hear(pid, 'stderr', line))
    child.once('exit', (code, signal) => this.#exited(child, pid, mark, code, signal))
    this.#options.onProcess({ pid, state: 'started', reason: undefined, restartsIn: undefined })
    if (place.kind === 'stdin') this.#isReady()
    else this.#await(place, child)
  }

  #refused (error: Error): void {
    this.#child = undefined
    this.#since = Date.now()
    this.reason = `it cannot be started: ${error.message}`
    this.crashes += 1
    this.#looping = true
    this.#begin.reject(error)
    this.#options.onChange()
    this.#ended()
    if (!this.stopping) this.#cancel = this.#options.timers.after(this.#pause(), () => this.#start())
  }

  #await (place: Place, child: ChildProcess): void {
    const { timers, settings } = this.#options
    const late = this.#started + settings.readyTimeout
    const look = (): void => {
      void listens(place).catch(() => false).then(found => {
        if (this.#child !== child || this.stopping) return
        if (found) this.#isReady()
        else if (timers.now() < late) this.#cancel = timers.after(LOOK, look)
        else {
          this.#said = `it did not listen on ${place.socket} within ${settings.readyTimeout} ms (readyTimeout)`
          child.kill(settings.stopSignal)
          if (this.#deaf !== undefined) {
            this.reason = `${this.#said}; ${this.#deaf}`
            this.#options.onChange()
            this.#begin.resolve()
          }
          const { pid } = child
          if (pid !== undefined) this.#cancel = timers.after(settings.stopTimeout, () => killGroup(pid))
        }
      })
    }
    look()
  }

  #isReady (): void {
    this.#ready = true
    this.turns += 1
    this.#since = Date.now()
    // Whoever sent it requests now would wait for an answer of one that dies again.
    if (this.#looping) this.#cancel = this.#options.timers.after(PROBATION, () => this.#proven())
    else this.reason = undefined
    this.#options.onChange()
    this.#begin.resolve()
  }

  #proven (): void {
    this.#looping = false
    this.reason = undefined
    this.#options.onChange()
  }

  #hear (pid: number, stream: 'stdout' | 'stderr', line: string): void {
    if (stream === 'stderr') this.#said = line
    this.#lastLine = line.slice(0, MOST_SAID)
    this.#options.onOutput({ pid, stream, line })
  }

  #exited (child: ChildProcess, pid: number, mark: string, code: number | null, signal: NodeJS.Signals | null): void {
    const { timers } = this.#options
    this.#cancel()
    // What it has started would serve on behind the back of its successor.
    killGroup(pid)
    const alone = killMarked(MARK_VARIABLE, mark).catch(() => {})
    guard.forget(pid)
    this.#ready = false
    let cancel = (): void => {}
    const over = (): void => {
      cancel()
      child.removeListener('close', over)
      child.stdout?.destroy()
      child.stderr?.destroy()
      this.#over(pid, code, signal, alone)
    }
    child.once('close', over)
    cancel = timers.after(LAST_WORDS, over)
  }

  #over (pid: number, code: number | null, signal: NodeJS.Signals | null, alone: Promise<void>): void {
    const { timers, onProcess } = this.#options
    this.#child = undefined
    this.turns += 1
    this.#since = Date.now()
    if (this.stopping) {
      if (!this.#left) onProcess({ pid, state: 'stopped', reason: undefined, restartsIn: undefined })
      void alone.then(() => this.#ended())
      return
    }
    const lived = timers.now() - this.#started >= STABLE
    this.crashes = lived ? 1 : this.crashes + 1
    const how = signal === null ? `exited with code ${code ?? 0}` : `was ended by ${signal}`
    this.reason = `${this.#name} ${how}${this.#said === '' ? '' : `: ${this.#said.slice(0, MOST_SAID)}`}`
    const restartsIn = this.#pause()
    // Requests would wait for it as long as that, while other servers might answer them.
    if (this.crashes > 1 || (signal === null && !lived) || restartsIn > PROBATION) this.#looping = true
    this.#cancel = timers.after(restartsIn, () => this.#start())
    onProcess({ pid, state: 'exited', reason: this.reason, restartsIn })
    this.#options.onChange()
    this.#begin.resolve()
  }

  /** Milliseconds until it is started again. */
  #pause (): number {
    const { delay, maxDelay } = this.#options.settings
    return Math.min(maxDelay, delay * 2 ** Math.min(30, Math.max(0, this.crashes - 1)))
  }
}

/** Kills a process and what it has started, as far as that is still in its group. */
function killGroup (pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // Nobody is left.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error
  }
}
