import cluster, { type Worker } from 'node:cluster'
import { sendHandle, type Handle } from './handles.ts'
import { StartError } from './errors.ts'
import { KEPT } from './kept-source.ts'
import { isReport, type Order, type Plan, type Report } from './messages.ts'

/** By it a process knows that it is a worker of this package's, and not of somebody else's cluster. */
export const WORKER_ENV = 'FASTIFY_SCGI_WORKER'

/** How a worker ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
}

/** A worker, as the primary sees it. */
export class WorkerLink {
  readonly pid: number
  /** What it must serve by, once it is loaded. */
  plan: Plan | undefined
  /** What the file of the configuration had when it was loaded. */
  source: string | undefined
  serving = false
  /** It was told to end. */
  leaving = false
  /** It wants to end, for somebody has told it. */
  onLeaving: () => void = () => {}
  readonly ended: Promise<End>
  readonly #worker: Worker
  readonly #kept: string | undefined
  readonly #began = performance.now()
  #took: ((accepted: boolean) => void) | undefined
  #waiting: { resolve: () => void, reject: (error: Error) => void } | undefined
  #over = false
  #problem: StartError | undefined

  /** @param kept what it is to load, instead of what the file of the configuration has now */
  constructor (kept?: string) {
    const worker = this.#worker = cluster.fork({ [WORKER_ENV]: kept === undefined ? '1' : KEPT })
    this.#kept = kept
    this.pid = worker.process.pid ?? 0
    worker.on('message', (message: unknown) => { if (isReport(message)) this.#hear(message) })
    // Of a channel that is closed the end of the process tells.
    worker.on('error', () => {})
    this.ended = new Promise(resolve => {
      worker.once('exit', (code: number | null, signal: string | null) => {
        this.#over = true
        this.serving = false
        this.#settle(this.#problem ?? new StartError(`a worker ended before it served (${showEnd({ code, signal })})`))
        this.#answer(false)
        resolve({ code, signal })
      })
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
    return this.serving && !this.leaving && this.#took === undefined
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
  async serve (order: Extract<Order, { scgi: 'listen' }>): Promise<void> {
    const serving = this.#next()
    this.tell(order)
    await serving
  }

  /** Gives it a connection, which stays open here until it has taken it. */
  give (listener: number, connection: Handle, done: (accepted: boolean) => void): void {
    this.#took = done
    sendHandle(this.#worker.process, { scgi: 'connection', listener } satisfies Order, connection, error => { if (error !== null) this.#answer(false) })
  }

  tell (order: Order): void {
    if (order.scgi === 'drain' || order.scgi === 'close') this.leaving = true
    if (this.#worker.isConnected()) this.#worker.send(order, () => {})
  }

  kill (signal: NodeJS.Signals): void {
    this.leaving = true
    if (!this.#over) this.#worker.process.kill(signal)
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

  #answer (accepted: boolean): void {
    const took = this.#took
    this.#took = undefined
    // Its server is closed, or nobody hears there.
    if (!accepted) this.serving = false
    took?.(accepted)
  }

  #hear (report: Report): void {
    if (report.scgi === 'took') this.#answer(report.accepted)
    else if (report.scgi === 'leaving') this.onLeaving()
    else if (report.scgi === 'source') this.tell({ scgi: 'source', text: this.#kept ?? '' })
    else if (report.scgi === 'failed') {
      this.#problem = new StartError(report.message)
      this.#settle(this.#problem)
    } else {
      if (report.scgi === 'loaded') ({ plan: this.plan, source: this.source } = report)
      else this.serving = true
      this.#settle()
    }
  }
}

export function showEnd ({ code, signal }: End): string {
  return signal ?? `exit code ${code}`
}
