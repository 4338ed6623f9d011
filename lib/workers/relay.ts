import cluster, { type Worker } from 'node:cluster'
import { pack, unpack, type Message, type WorkerName } from './messages.ts'
import { PATIENCE } from './siblings.ts'

/** So many answers a worker may owe before it is given nothing more, orders included. */
const MOST_OWED = 1000

/** A question that was passed on. */
interface Passed {
  readonly asker: Worker
  /** The asker's number of it. */
  readonly id: number
  readonly topic: string
  readonly at: number
}

/** Passes the questions of workers on to the others, and their answers back. It lives in the primary. */
class Relay {
  readonly #topics = new Map<string, Set<Worker>>()
  /** What each worker has not answered yet, oldest first. */
  readonly #owed = new Map<Worker, Map<number, Passed>>()
  #last = 0

  constructor () {
    cluster.on('message', (worker, packed: unknown) => {
      const message = unpack(packed)
      if (message !== undefined) this.#hear(worker, message)
    })
    for (const gone of ['disconnect', 'exit'] as const) cluster.on(gone, (worker: Worker) => this.#gone(worker))
    // Those that have joined before.
    for (const worker of Object.values(cluster.workers ?? {})) if (worker !== undefined) send(worker, { type: 'who' })
  }

  #hear (worker: Worker, message: Message): void {
    if (message.type === 'join') {
      const members = this.#topics.get(message.topic)
      if (members === undefined) this.#topics.set(message.topic, new Set([worker]))
      else members.add(worker)
      send(worker, { type: 'here' })
    } else if (message.type === 'leave') this.#leave(worker, message.topic)
    else if (message.type === 'ask') this.#ask(worker, message)
    else if (message.type === 'answer') {
      const owed = this.#owed.get(worker)
      const passed = owed?.get(message.id)
      owed?.delete(message.id)
      if (passed !== undefined) send(passed.asker, { type: 'answer', id: passed.id, worker: worker.id, answer: message.answer })
    }
  }

  #ask (asker: Worker, { id, topic, question, order }: Extract<Message, { type: 'ask' }>): void {
    const workers: WorkerName[] = []
    const silent: WorkerName[] = []
    const now = performance.now()
    for (const worker of this.#topics.get(topic) ?? []) {
      if (worker === asker || !worker.isConnected()) continue
      const name = { worker: worker.id, pid: worker.process.pid ?? 0 }
      let owed = this.#owed.get(worker)
      if (owed === undefined) this.#owed.set(worker, owed = new Map())
      const [oldest] = owed.values()
      // What is sent to one that is frozen waits in memory until it goes on.
      if (owed.size >= MOST_OWED || (!order && oldest !== undefined && now - oldest.at > PATIENCE)) {
        silent.push(name)
        continue
      }
      workers.push(name)
      const number = ++this.#last
      owed.set(number, { asker, id, topic, at: now })
      send(worker, { type: 'question', id: number, topic, question })
    }
    send(asker, { type: 'asked', id, workers, silent })
  }

  #leave (worker: Worker, topic: string): void {
    const members = this.#topics.get(topic)
    members?.delete(worker)
    if (members?.size === 0) this.#topics.delete(topic)
    const owed = this.#owed.get(worker)
    if (owed === undefined) return
    for (const [number, passed] of [...owed]) {
      if (passed.topic !== topic) continue
      owed.delete(number)
      send(passed.asker, { type: 'answer', id: passed.id, worker: worker.id })
    }
  }

  #gone (worker: Worker): void {
    for (const topic of [...this.#topics.keys()]) this.#leave(worker, topic)
    this.#owed.delete(worker)
  }
}

function send (worker: Worker, message: Message): void {
  // What comes back as an error is that the worker is gone, of which there is an event.
  if (worker.isConnected()) worker.send(pack(message), () => {})
}

let relay: Relay | undefined

/** For the primary of node:cluster: workers can ask each other from now on. */
export function relayQuestions (): void {
  relay ??= new Relay()
}
