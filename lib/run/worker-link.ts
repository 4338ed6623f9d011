import cluster, { type Worker } from 'node:cluster'
import type { ChildProcess } from 'node:child_process'
import { closeHandle, sendHandle, type ServerAddress } from './handles.ts'
import { toError } from '../runtime/caught.ts'
import { StartError } from './errors.ts'
import { KEPT } from './kept-source.ts'
import { isReport, WORKER_ENV, type Order, type Plan, type Report } from './messages.ts'
import { Estate } from './takeover/estate.ts'
import type { Passing, TakersPlace } from './passing.ts'

/** What a dead worker has sent is read within that, in milliseconds. */
const LONGEST_READING = 1000
/** A worker that had no descriptor left for a connection gets none for so long, in milliseconds. */
const SHORTAGE = 100
/** A shortage is over when there was none for so many milliseconds: the next one is told again. */
const QUIET = 60_000

/** How a worker ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Why the system did not start it at all. */
  readonly refusal?: string
}

/** What a worker was told: it decides whether others get its connections when it ends. */
type Told = 'nothing' | 'drain' | 'close' | 'kill'

/** A connection that is on its way to a worker. */
interface OnItsWay {
  readonly passing: Passing
  readonly id: number | undefined
  readonly done: (accepted: boolean) => void
}

/** A worker, as the primary sees it. */
export class WorkerLink {
  readonly pid: number
  /** What it must serve by, once it is loaded. */
  plan: Plan | undefined
  /** What the files of the configuration had when it was loaded. */
  source: string | undefined
  serving = false
  /** It was told to end. */
  leaving = false
  /** It has no descriptors left; told again after a while without that. */
  onShortage: () => void = () => {}
  /** It may have become free without an answer. */
  onFree: () => void = () => {}
  readonly ended: Promise<End>
  /** It has ended, and all that it had to say is heard. */
  readonly silent: Promise<End>
  /** None where the system has refused it at once. */
  readonly #worker: Worker | undefined
  readonly #kept: string | undefined
  readonly #began = performance.now()
  #way: OnItsWay | undefined
  #estate: Estate | undefined
  #told: Told = 'nothing'
  /** Somebody has told it to end. */
  #wantsToLeave = false
  #leave = (): void => {}
  /** Its log files are to be opened anew once it is loaded: before that it hears no order, but has opened them. */
  #reopens = false
  /** It has been ready for connections. */
  #served = false
  #waiting: { resolve: () => void, reject: (error: Error) => void } | undefined
  #over = false
  /** It has just had no descriptor left. */
  #isShort = false
  /** When it was short last, by the clock of performance. */
  #lostAt = -Infinity
  #problem: StartError | undefined

  /** @param kept what it is to load, instead of what the files of the configuration have now */
  constructor (kept?: string) {
    const { worker, refusal } = forkWorker({ [WORKER_ENV]: kept === undefined ? '1' : KEPT })
    this.#worker = worker
    this.#kept = kept
    this.pid = worker?.process.pid ?? 0
    worker?.on('message', (message: unknown) => { if (isReport(message)) this.#hear(message) })
    this.ended = new Promise(resolve => {
      const end = (end: End): void => {
        this.#over = true
        this.serving = false
        this.#settle(this.#problem ??= new StartError(`a worker ended before it served (${showEnd(end)})`))
        resolve(end)
      }
      const refuse = (error: unknown): void => end({ code: null, signal: null, refusal: toError(error).message })
      worker?.once('exit', (code: number | null, signal: string | null) => end({ code, signal }))
      worker?.on('error', (error: Error) => {
        // Of a channel that is closed the end of the process tells; one that was never started has no end.
        if (this.pid !== 0) return
        Reflect.deleteProperty(cluster.workers ?? {}, worker.id)
        refuse(error)
      })
      if (refusal !== undefined) process.nextTick(refuse, refusal)
    })
    this.silent = this.ended.then(async end => {
      if (worker !== undefined && end.refusal === undefined) await channelEnd(worker.process)
      return end
    })
  }

  /** Milliseconds since its start. */
  get age (): number {
    return performance.now() - this.#began
  }

  get over (): boolean {
    return this.#over
  }

  /** Serves, and has no connection on its way. */
  get free (): boolean {
    return this.serving && !this.leaving && this.#way === undefined && !this.#isShort
  }

  /**
   * Waits for the configuration to be loaded and checked.
   * @throws StartError
   */
  async load (): Promise<Plan> {
    if (this.plan === undefined) await this.#next()
    if (this.plan === undefined) throw new StartError('a worker serves without a configuration')
    return this.plan
  }

  /**
   * Has it serve, and waits until it does.
   * @throws StartError
   */
  async serve (addresses: readonly ServerAddress[], estate: Estate | undefined): Promise<void> {
    const serving = this.#next()
    this.#estate = estate
    this.tell({ scgi: 'listen', addresses, ...(estate === undefined ? undefined : { journal: estate.path }) })
    await serving
  }

  /** Calls back when it wants to end because somebody has told it so, also where that was before. */
  onLeaving (leave: () => void): void {
    this.#leave = leave
    if (this.#wantsToLeave) leave()
  }

  /** Gives it a connection, which stays open here until it has taken it, or until one of both has closed it. */
  give ({ number, plain }: TakersPlace, passing: Passing, done: (accepted: boolean) => void): void {
    const id = plain ? this.#estate?.hold(passing) : undefined
    this.#way = { passing, id, done }
    const order: Order = {
      scgi: 'connection',
      listener: number,
      ...(id === undefined ? undefined : { id }),
      ...(passing.again === true ? { again: true } : undefined),
      ...(passing.request === undefined ? undefined : { request: passing.request.toString('latin1') }),
    }
    if (this.#worker === undefined) this.#answer(false)
    else sendHandle(this.#worker.process, order, passing.connection, error => { if (error !== null) this.#answer(false) })
  }

  /**
   * To be called when it is silent. Closes the connections that it had and others cannot have.
   * @returns those that others may have
   */
  settle ({ code, signal }: End): { passed: Passing[], closed: number } {
    const way = this.#way
    this.#way = undefined
    // With a copy it is one of those that are settled; without one nobody has read on it.
    if (way !== undefined && way.id === undefined) way.done(false)
    const passes = this.#told === 'nothing' || (this.#told === 'drain' && (signal !== null || code !== 0))
    return this.#estate?.settle(passes) ?? { passed: [], closed: 0 }
  }

  tell (order: Order): void {
    if (order.scgi === 'drain' || order.scgi === 'close') {
      if (!this.#served) {
        // It has nothing in flight, and may hear no order before it has loaded all.
        this.kill('SIGKILL')
        return
      }
      this.leaving = true
      this.#told = order.scgi
    }
    if (order.scgi === 'reopen' && this.plan === undefined) this.#reopens = true
    else if (this.#worker?.isConnected() === true) this.#worker.send(order, () => {})
  }

  kill (signal: NodeJS.Signals): void {
    this.leaving = true
    this.#told = 'kill'
    // Without a number it would be the whole group of this process.
    if (!this.#over && this.pid !== 0) this.#worker?.process.kill(signal)
  }

  /** Resolves with the next thing that it has come to. */
  #next (): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#over || this.#problem !== undefined) reject(this.#problem ?? new StartError('a worker ended before it served'))
      else this.#waiting = { resolve, reject }
    })
  }

  #settle (error?: Error): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(error)
  }

  #lost (): void {
    const now = performance.now()
    this.#isShort = true
    // It has room now and then while it is short: the log would hear of each time.
    if (now - this.#lostAt > QUIET) this.onShortage()
    this.#lostAt = now
    setTimeout(() => {
      this.#isShort = false
      this.onFree()
    }, SHORTAGE).unref()
    this.#end(false)
  }

  #answer (accepted: boolean): void {
    // Its server is closed, or nobody hears there.
    if (!accepted) this.serving = false
    this.#end(accepted)
  }

  /** What was on its way has arrived, or has not. */
  #end (accepted: boolean): void {
    const way = this.#way
    this.#way = undefined
    if (way === undefined) return
    const { passing, id, done } = way
    if (id !== undefined) {
      if (accepted) this.#estate?.arrived(id)
      else this.#estate?.refused(id)
    } else if (accepted) closeHandle(passing.connection)
    done(accepted)
  }

  #hear (report: Report): void {
    if (report.scgi === 'took') this.#answer(report.accepted)
    else if (report.scgi === 'lost') this.#lost()
    else if (report.scgi === 'closed') this.#estate?.closed(report.ids)
    else if (report.scgi === 'no-journal') this.#estate?.fail(report.reason)
    else if (report.scgi === 'leaving') {
      this.#wantsToLeave = true
      this.#leave()
    } else if (report.scgi === 'source') this.tell({ scgi: 'source', text: this.#kept ?? '' })
    else if (report.scgi === 'failed') {
      this.#problem = new StartError(report.message)
      this.#settle(this.#problem)
    } else {
      if (report.scgi === 'loaded') {
        ({ plan: this.plan, source: this.source } = report)
        if (this.#reopens) this.tell({ scgi: 'reopen' })
      } else {
        this.serving = true
        this.#served = true
        this.#estate?.opened()
      }
      this.#settle()
    }
  }
}

/** Some refusals of the system Node.js throws, and others are events. */
function forkWorker (env: Record<string, string>): { worker?: Worker, refusal?: unknown } {
  try {
    return { worker: cluster.fork(env) }
  } catch (refusal) {
    return { refusal }
  }
}

/** Waits until all that a dead process has sent is read. Node.js does not tell it by 'disconnect' where a handle is on its way. */
async function channelEnd (child: ChildProcess): Promise<void> {
  const until = performance.now() + LONGEST_READING
  while (child.connected && performance.now() < until) await new Promise(resolve => setImmediate(resolve))
}

export function showEnd ({ code, signal, refusal }: End): string {
  if (refusal !== undefined) return `the system starts no process: ${refusal}`
  return signal ?? `exit code ${code}`
}
