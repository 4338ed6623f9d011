import cluster, { type Worker } from 'node:cluster'
import { isRecord } from '../../options/checks.ts'
import { toError } from '../../runtime/caught.ts'
import { EndedWorkers } from './ended-workers.ts'
import { aggregate } from './lists.ts'
import { formatOf, render } from './render.ts'
import type { MetricsRegistry } from '../../../types/metrics.ts'

const TYPE = 'fastify-scgi:metrics'
/** Milliseconds that the primary waits for its workers, and a worker for the primary. */
const WORKERS_PATIENCE = 5000
const PRIMARY_PATIENCE = 6000

/** From the primary to a worker. */
type Order =
  /** Who has metrics? */
  | { readonly type: typeof TYPE, readonly what: 'who' }
  /** The primary sums. */
  | { readonly type: typeof TYPE, readonly what: 'here' }
  | { readonly type: typeof TYPE, readonly what: 'give', readonly id: number }
  | { readonly type: typeof TYPE, readonly what: 'text', readonly id: number, readonly text?: string, readonly error?: string }

/** From a worker to the primary. */
type Report =
  /** It has metrics. */
  | { readonly type: typeof TYPE, readonly what: 'hello' }
  /** It is scraped instead of all. */
  | { readonly type: typeof TYPE, readonly what: 'ask', readonly id: number, readonly open: boolean }
  | { readonly type: typeof TYPE, readonly what: 'list', readonly id: number, readonly metrics?: object, readonly error?: string }
  /** It counts no more. */
  | { readonly type: typeof TYPE, readonly what: 'end', readonly metrics: object }

/** Others send messages, too; of this type only these two sides do. */
function isOurs<Message extends Order | Report> (message: unknown): message is Message {
  return isRecord(message) && message.type === TYPE && typeof message.what === 'string'
}

/** A scrape that waits for the workers. */
interface Round {
  readonly missing: Set<Worker>
  readonly lists: Map<Worker, object>
  done (error?: Error): void
}

/** The primary's side. */
class Sum {
  /** Workers that have metrics. */
  readonly #workers = new Set<Worker>()
  readonly #rounds = new Map<number, Round>()
  /** What each has told last. */
  readonly #told = new WeakMap<Worker, object>()
  readonly #ended = new EndedWorkers()
  #last = 0

  constructor () {
    cluster.on('message', (worker, message: unknown) => {
      if (isOurs<Report>(message)) this.#hear(worker, message)
    })
    cluster.on('disconnect', worker => this.#gone(worker))
    // Those that have said hello before.
    for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) say(worker, { type: TYPE, what: 'who' })
  }

  /** @throws where a worker does not answer: a sum without it would look like a restart */
  async text (open: boolean): Promise<string> {
    const id = ++this.#last
    const round = this.#rounds
    const all = await new Promise<Promise<object[]>>((resolve, reject) => {
      const missing = new Set([...this.#workers].filter(worker => worker.isConnected()))
      const lists = new Map<Worker, object>()
      const timer = setTimeout(() => done(new Error(`${missing.size} workers have not told their metrics within ${WORKERS_PATIENCE} ms`)), WORKERS_PATIENCE)
      const done = (error?: Error): void => {
        clearTimeout(timer)
        round.delete(id)
        if (error === undefined) resolve(this.#withEnded([...lists.values()]))
        else reject(error)
      }
      round.set(id, { missing, lists, done })
      for (const worker of missing) say(worker, { type: TYPE, what: 'give', id })
      if (missing.size === 0) done()
    })
    return render(aggregate(all), formatOf(open))
  }

  async #withEnded (lists: object[]): Promise<object[]> {
    return [...lists, [...await this.#ended.list(lists)]]
  }

  #hear (worker: Worker, message: Report): void {
    if (message.what === 'hello') {
      this.#workers.add(worker)
      say(worker, { type: TYPE, what: 'here' })
    } else if (message.what === 'ask') {
      const { id } = message
      this.text(message.open).then(
        text => say(worker, { type: TYPE, what: 'text', id, text }),
        (error: unknown) => say(worker, { type: TYPE, what: 'text', id, error: toError(error).message }))
    } else if (message.what === 'end') {
      this.#told.set(worker, message.metrics)
      this.#gone(worker)
    } else {
      if (message.metrics !== undefined && this.#workers.has(worker)) this.#told.set(worker, message.metrics)
      const round = this.#rounds.get(message.id)
      if (round === undefined || !round.missing.delete(worker)) return
      if (message.error !== undefined) round.done(new Error(message.error))
      else if (message.metrics !== undefined) round.lists.set(worker, message.metrics)
      if (round.missing.size === 0) round.done()
    }
  }

  #gone (worker: Worker): void {
    if (!this.#workers.delete(worker)) return
    this.#ended.add(this.#told.get(worker))
    this.#told.delete(worker)
    for (const round of [...this.#rounds.values()]) round.lists.delete(worker)
    for (const round of [...this.#rounds.values()]) if (round.missing.delete(worker) && round.missing.size === 0) round.done()
  }
}

function say (worker: Worker, message: Order): void {
  // One that ends meanwhile needs no answer.
  if (worker.isConnected()) worker.send(message, () => {})
}

let sum: Sum | undefined

/**
 * For the primary of node:cluster: has workers that are scraped answer for all of them, counters and most gauges summed. Gives a function
 * for the same text. It is rejected where a worker does not answer.
 */
export function sumWorkers (): () => Promise<string> {
  const one = sum ??= new Sum()
  return () => one.text(false)
}

/** A worker's way to the metrics of all. */
export class Siblings {
  /** The primary has said that it sums. */
  answered = false
  readonly #registry: MetricsRegistry
  readonly #waiting = new Map<number, { resolve (text: string): void, reject (error: Error): void }>()
  #last = 0

  /** @param registry what this worker tells of itself */
  constructor (registry: MetricsRegistry) {
    this.#registry = registry
    process.on('message', this.#listen)
    report({ type: TYPE, what: 'hello' })
  }

  /** The metrics of all workers. Rejected where the primary cannot tell. */
  ask (open: boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last
      const timer = setTimeout(() => settle(() => reject(new Error('the primary has not summed the metrics in time'))), PRIMARY_PATIENCE)
      const settle = (done: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        done()
      }
      this.#waiting.set(id, { resolve: text => settle(() => resolve(text)), reject: error => settle(() => reject(error)) })
      report({ type: TYPE, what: 'ask', id, open })
    })
  }

  /** Tells the metrics as they are when it is called. */
  async close (): Promise<void> {
    const metrics = await this.#registry.getMetricsAsJSON().catch(() => undefined)
    if (metrics !== undefined) report({ type: TYPE, what: 'end', metrics })
    process.off('message', this.#listen)
    for (const { reject } of [...this.#waiting.values()]) reject(new Error('the application is closed'))
  }

  readonly #listen = (message: unknown): void => {
    if (!isOurs<Order>(message)) return
    if (message.what === 'who') {
      report({ type: TYPE, what: 'hello' })
    } else if (message.what === 'here') {
      this.answered = true
    } else if (message.what === 'give') {
      const { id } = message
      this.#registry.getMetricsAsJSON().then(
        metrics => report({ type: TYPE, what: 'list', id, metrics }),
        (error: unknown) => report({ type: TYPE, what: 'list', id, error: toError(error).message }))
    } else if (message.text !== undefined) {
      this.#waiting.get(message.id)?.resolve(message.text)
    } else {
      this.#waiting.get(message.id)?.reject(new Error(message.error))
    }
  }
}

function report (message: Report): void {
  if (process.connected) process.send?.(message)
}
