import { FST_SCGI_CHANNEL } from '../errors.ts'
import { outside } from '../runtime/context.ts'
import { Batch } from './batch.ts'
import { Listeners } from './listeners.ts'
import { pack, readToWorker, type ToPrimary, type ToWorker } from './messages.ts'
import { LEASE } from './relay.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel } from '../../types/channel.ts'

/** The primary answers within so many milliseconds, or is taken for frozen. */
const PATIENCE = 1000
/** So many messages may wait for the primary; more are dropped, and made up for later. */
const MOST = 1000

/** The channel of a worker of node:cluster: everything goes by way of the primary. */
export class WorkerChannel implements GroupChannel {
  readonly #process: string
  readonly #listeners = new Listeners()
  readonly #batch = new Batch(events => this.#send({ type: 'events', events }))
  readonly #asked = new Map<number, (events: readonly ChannelEvent[]) => void>()
  #members: readonly string[]
  #connected = false
  /** When the primary was heard of last. */
  #heardAt = 0
  #timer: NodeJS.Timeout | undefined
  #warning: NodeJS.Timeout | undefined
  #pending = 0
  #lastId = 0
  readonly #onMessage = (packed: unknown): void => {
    const message = readToWorker(packed)
    if (message !== undefined) this.#heard(message)
  }

  /** @param process what this one is called */
  constructor (process: string) {
    this.#process = process
    this.#members = [process]
  }

  publish (event: ChannelEvent): void {
    if (this.#connected) this.#batch.add(event)
  }

  subscribe (listener: (event: ChannelEvent) => void, onPresence?: (presence: ChannelPresence) => void): () => void {
    const end = this.#listeners.add(listener, onPresence)
    if (this.#listeners.size === 1) this.#join()
    return () => {
      end()
      if (this.#listeners.size === 0) this.#leave()
    }
  }

  snapshot (): Promise<readonly ChannelEvent[]> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = outside(() => setTimeout(() => {
        this.#asked.delete(id)
        reject(new FST_SCGI_CHANNEL('the primary does not answer'))
      }, PATIENCE).unref())
      this.#asked.set(id, events => {
        clearTimeout(timer)
        resolve(events)
      })
      this.#send({ type: 'snapshot', id })
    })
  }

  presence (): ChannelPresence {
    return { process: this.#process, members: this.#members, connected: this.#connected }
  }

  #join (): void {
    process.on('message', this.#onMessage)
    const alive = (): void => {
      this.#send({ type: 'alive', process: this.#process })
      if (this.#connected && performance.now() - this.#heardAt > LEASE) this.#connect(false)
    }
    alive()
    outside(() => {
      this.#timer = setInterval(alive, LEASE / 3).unref()
      this.#warning = setTimeout(() => {
        process.emitWarning('The primary passes nothing on between the workers: call clusterChannel() there, too. Each worker goes on by itself', { code: 'FST_SCGI_CHANNEL' })
      }, PATIENCE).unref()
    })
  }

  #leave (): void {
    clearInterval(this.#timer)
    clearTimeout(this.#warning)
    this.#send({ type: 'leave', process: this.#process })
    process.off('message', this.#onMessage)
    this.#connected = false
    this.#members = [this.#process]
  }

  #heard (message: ToWorker): void {
    if (message.type === 'events') for (const event of message.events) this.#listeners.event(event)
    else if (message.type === 'snapshot') {
      this.#asked.get(message.id)?.(message.events)
      this.#asked.delete(message.id)
    } else {
      clearTimeout(this.#warning)
      this.#heardAt = performance.now()
      if (message.missed && this.#connected) this.#connect(false)
      const { members } = message
      const same = members.length === this.#members.length && members.every((member, index) => member === this.#members[index])
      this.#members = members
      if (!same || !this.#connected) this.#connect(true)
    }
  }

  #connect (connected: boolean): void {
    this.#connected = connected
    this.#listeners.presence(this.presence())
  }

  #send (message: ToPrimary): void {
    if (process.send === undefined || !process.connected) return
    if (this.#pending >= MOST) {
      if (this.#connected) this.#connect(false)
      return
    }
    this.#pending += 1
    process.send(pack(message), undefined, {}, () => { this.#pending -= 1 })
  }
}
