import cluster, { type Worker } from 'node:cluster'
import { ChannelLog } from '../group/channel/log.ts'
import { outside } from '../runtime/context.ts'
import { Listeners } from './listeners.ts'
import { pack, readToPrimary, type ToPrimary, type ToWorker } from './messages.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel } from '../../types/channel.ts'

/** A worker that has not been heard of for so many milliseconds is frozen, and no member. */
export const LEASE = 2000
/** So many messages to a worker may be on their way; more are dropped, and made up for by a snapshot. */
const MOST = 1000

interface Member {
  readonly process: string
  readonly worker: Worker
  seen: number
}

/** Passes events on between the workers of node:cluster, and keeps them for those who come later. It lives in the primary. */
export class Relay {
  readonly #log = new ChannelLog()
  /** By the worker's id, in the order in which they came. */
  readonly #members = new Map<number, Member>()
  readonly #pending = new Map<Worker, { count: number, missed: boolean }>()
  /** Whoever has subscribed in the primary itself. */
  readonly #local = new Listeners()
  readonly #process = `primary-${process.pid}`
  #isMember = false
  /** For groups in the primary. */
  readonly channel: GroupChannel = {
    publish: event => { if (this.#log.merge(event)) this.#pass([event]) },
    subscribe: (listener, onPresence) => {
      const end = this.#local.add(listener, onPresence)
      this.#comeAndGo()
      return () => {
        end()
        this.#comeAndGo()
      }
    },
    snapshot: async () => this.#log.events(),
    presence: () => this.#presence(),
  }

  constructor () {
    cluster.on('message', (worker, packed: unknown) => {
      const message = readToPrimary(packed)
      if (message !== undefined) this.#heard(worker, message)
    })
    for (const gone of ['disconnect', 'exit'] as const) cluster.on(gone, (worker: Worker) => this.#left(worker))
    outside(() => setInterval(() => this.#expire(), LEASE / 3).unref())
  }

  #presence (): ChannelPresence {
    return { process: this.#process, members: this.#list(), connected: true }
  }

  #list (): string[] {
    const workers = [...this.#members.values()].map(({ process }) => process)
    return this.#isMember ? [this.#process, ...workers] : workers
  }

  #comeAndGo (): void {
    const isMember = this.#local.size > 0
    if (isMember === this.#isMember) return
    this.#isMember = isMember
    this.#tellMembers()
  }

  #heard (worker: Worker, message: ToPrimary): void {
    if (message.type === 'alive') this.#alive(worker, message.process)
    else if (message.type === 'leave') this.#left(worker)
    else if (message.type === 'snapshot') this.#send(worker, { type: 'snapshot', id: message.id, events: this.#log.events() })
    else {
      const news = message.events.filter(event => this.#log.merge(event))
      if (news.length === 0) return
      this.#pass(news, worker)
      for (const event of news) this.#local.event(event)
    }
  }

  #alive (worker: Worker, process: string): void {
    const known = this.#members.get(worker.id)
    if (known === undefined) {
      this.#members.set(worker.id, { process, worker, seen: performance.now() })
      this.#tellMembers()
      return
    }
    known.seen = performance.now()
    const pending = this.#pending.get(worker)
    const missed = pending?.missed === true && pending.count === 0
    if (missed) pending.missed = false
    // The answer is all that tells it that the primary is not frozen.
    this.#send(worker, { type: 'members', members: this.#list(), missed })
  }

  #left (worker: Worker): void {
    this.#pending.delete(worker)
    if (this.#members.delete(worker.id)) this.#tellMembers()
  }

  #expire (): void {
    const now = performance.now()
    // When the primary stood still it has only not listened yet.
    const late = [...this.#members.values()].filter(({ seen }) => now - seen > LEASE)
    if (late.length === 0) return
    outside(() => setImmediate(() => {
      const gone = late.filter(({ seen }) => now - seen > LEASE)
      for (const { worker } of gone) {
        this.#members.delete(worker.id)
        // Nothing is passed on to it until it goes on.
        this.#wayTo(worker).missed = true
      }
      if (gone.length > 0) this.#tellMembers()
    }))
  }

  #tellMembers (): void {
    const members = this.#list()
    for (const { worker } of this.#members.values()) this.#send(worker, { type: 'members', members, missed: false })
    this.#local.presence(this.#presence())
  }

  #pass (events: readonly ChannelEvent[], except?: Worker): void {
    for (const { worker } of this.#members.values()) if (worker !== except) this.#send(worker, { type: 'events', events })
  }

  #send (worker: Worker, message: ToWorker): void {
    if (!worker.isConnected()) return
    const way = this.#wayTo(worker)
    if (way.count >= MOST) {
      way.missed = true
      return
    }
    way.count += 1
    // What comes back as an error is that the worker is gone, of which there is an event.
    worker.send(pack(message), () => { way.count -= 1 })
  }

  #wayTo (worker: Worker): { count: number, missed: boolean } {
    let way = this.#pending.get(worker)
    if (way === undefined) this.#pending.set(worker, way = { count: 0, missed: false })
    return way
  }
}
