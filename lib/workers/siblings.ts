import cluster from 'node:cluster'
import { outside } from '../runtime/context.ts'
import { pack, unpack, type Message, type WorkerName } from './messages.ts'

export type { WorkerName } from './messages.ts'

/** Milliseconds that a worker has to answer. */
export const PATIENCE = 500

/** What the other workers have answered. */
export interface Answers {
  readonly answers: readonly { readonly worker: number, readonly answer: unknown }[]
  /** Those that have not answered in time. */
  readonly missing: readonly WorkerName[]
}

/** Answers a question of another worker. What it gives must be fit for JSON. */
export type Answerer = (question: unknown) => unknown

/** A question that is on its way. */
interface Waiting {
  readonly answers: { readonly worker: number, readonly answer: unknown }[]
  /** `undefined` until the primary has said who was asked. */
  missing: Map<number, WorkerName> | undefined
  silent: readonly WorkerName[]
  settle (): void
}

/** The worker's side, one for the process. Nothing is sent unless somebody asks. */
class Siblings {
  readonly #answerers = new Map<string, Answerer>()
  readonly #waiting = new Map<number, Waiting>()
  #last = 0
  #relayed = false

  /** The primary passes questions on. */
  get relayed (): boolean {
    return this.#relayed
  }

  join (topic: string, answerer: Answerer): () => void {
    if (this.#answerers.size === 0) process.on('message', this.#onMessage)
    this.#answerers.set(topic, answerer)
    send({ type: 'join', topic })
    return () => {
      if (this.#answerers.get(topic) !== answerer) return
      this.#answerers.delete(topic)
      send({ type: 'leave', topic })
      for (const waiting of [...this.#waiting.values()]) waiting.settle()
      if (this.#answerers.size === 0) process.off('message', this.#onMessage)
    }
  }

  ask (topic: string, question: unknown, order: boolean): Promise<Answers> {
    const id = ++this.#last
    return new Promise(resolve => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        const { answers, missing, silent } = waiting
        resolve({ answers, missing: missing === undefined ? [{ worker: null, pid: process.ppid }] : [...silent, ...missing.values()] })
      }
      const waiting: Waiting = { answers: [], missing: undefined, silent: [], settle }
      const timer = outside(() => setTimeout(settle, PATIENCE))
      this.#waiting.set(id, waiting)
      send({ type: 'ask', id, topic, question, order })
    })
  }

  readonly #onMessage = (packed: unknown): void => {
    const message = unpack(packed)
    if (message === undefined) return
    if (message.type === 'here') this.#relayed = true
    else if (message.type === 'who') for (const topic of this.#answerers.keys()) send({ type: 'join', topic })
    else if (message.type === 'question') this.#answer(message)
    else if (message.type === 'asked' || message.type === 'answer') {
      const waiting = this.#waiting.get(message.id)
      if (waiting === undefined) return
      if (message.type === 'asked') {
        waiting.missing = new Map(message.workers.map(name => [name.worker ?? 0, name]))
        waiting.silent = message.silent
      } else if (message.worker !== undefined) {
        // One that has left meanwhile is not missing: there is nothing to be had of it.
        waiting.missing?.delete(message.worker)
        if (message.answer !== undefined) waiting.answers.push({ worker: message.worker, answer: message.answer })
      }
      if (waiting.missing?.size === 0) waiting.settle()
    }
  }

  #answer ({ id, topic, question }: Extract<Message, { type: 'question' }>): void {
    const answerer = this.#answerers.get(topic)
    const none = (): void => send({ type: 'answer', id })
    Promise.resolve(question).then(asked => answerer?.(asked)).then(answer => send({ type: 'answer', id, answer })).catch(none)
  }
}

function send (message: Message): void {
  if (process.connected) process.send?.(pack(message), undefined, {}, () => {})
}

let siblings: Siblings | undefined

/** A subject on which the workers of node:cluster ask one another. */
export interface Topic {
  /** There may be others: the primary passes questions on. */
  readonly shared: boolean
  /**
   * Asks the other workers. Never rejected, and not later than PATIENCE.
   * @param order something to be done, also by those that are late
   */
  ask (question: object, order?: boolean): Promise<Answers>
  leave (): void
}

/** Joins those that answer on a subject. `undefined` in a process that is no worker. */
export function joinTopic (topic: string, answerer: Answerer): Topic | undefined {
  if (!cluster.isWorker) return undefined
  const all = siblings ??= new Siblings()
  const leave = all.join(topic, answerer)
  return {
    get shared () { return all.relayed },
    ask: (question, order = false) => all.ask(topic, question, order),
    leave,
  }
}
