import { ChannelLog } from '../../lib/group/channel/log.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel } from '../../types/channel.ts'

interface Joined {
  readonly process: string
  readonly listener: (event: ChannelEvent) => void
  readonly onPresence: ((presence: ChannelPresence) => void) | undefined
}

/** A channel in memory, with a connection for each process that is played. */
export class MemoryBus {
  readonly log = new ChannelLog()
  readonly #joined: Joined[] = []
  readonly #cut = new Set<string>()
  /** What is on its way while it is held. */
  #held: (() => void)[] | undefined

  channel (process: string): GroupChannel {
    return {
      publish: event => {
        if (this.#cut.has(process)) return
        this.log.merge(event)
        for (const other of this.#joined) {
          if (other.process !== process) this.#deliver(() => { if (!this.#cut.has(other.process)) other.listener(event) })
        }
      },
      subscribe: (listener, onPresence) => {
        const joined = { process, listener, onPresence }
        this.#joined.push(joined)
        this.#tell()
        return () => {
          this.#joined.splice(this.#joined.indexOf(joined), 1)
          this.#tell()
        }
      },
      snapshot: async () => {
        if (this.#cut.has(process)) throw new Error('cut')
        return this.log.events()
      },
      presence: () => this.#presence(process),
    }
  }

  /** A process hears nobody, and is not heard. */
  cut (process: string): void {
    this.#cut.add(process)
    this.#tell()
  }

  /** It is heard again, and is the one that has come last. */
  join (process: string): void {
    this.#cut.delete(process)
    this.#joined.sort((one, other) => Number(one.process === process) - Number(other.process === process))
    this.#tell()
  }

  /** Events stay on their way until `flush`. */
  hold (): void {
    this.#held = []
  }

  /** @param shuffle the order in which they arrive */
  flush (shuffle: <T>(list: T[]) => T[] = list => list): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const deliver of shuffle(held)) deliver()
  }

  #deliver (deliver: () => void): void {
    if (this.#held === undefined) deliver()
    else this.#held.push(deliver)
  }

  #presence (process: string): ChannelPresence {
    const members = this.#joined.map(({ process }) => process)
    const there = members.filter(member => !this.#cut.has(member))
    return { process, members: this.#cut.has(process) ? members : there, connected: !this.#cut.has(process) && there.includes(process) }
  }

  #tell (): void {
    for (const { process, onPresence } of [...this.#joined]) onPresence?.(this.#presence(process))
  }
}
