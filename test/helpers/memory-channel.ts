import { ChannelLog } from '../../lib/group/channel/log.ts'
import type { ChannelEvent, ChannelPresence, GroupChannel } from '../../types/channel.ts'

interface Joined {
  readonly process: string
  readonly listener: (event: ChannelEvent) => void
  readonly onPresence: ((presence: ChannelPresence) => void) | undefined
}

/** A channel in memory, with a connection for each process that is played. */
export class MemoryBus {
  log = new ChannelLog()
  readonly #joined: Joined[] = []
  readonly #cut = new Set<string>()
  /** What waits for each process that stands still. */
  readonly #frozen = new Map<string, (() => void)[]>()
  /** What is on its way while it is held. */
  #held: (() => void)[] | undefined

  channel (process: string): GroupChannel {
    return {
      publish: event => {
        if (this.#cut.has(process)) return
        this.log.merge(event)
        for (const other of this.#joined) {
          if (other.process !== process) this.#deliver(other.process, () => { if (!this.#cut.has(other.process)) other.listener(event) })
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

  /** A process stands still, of which it knows nothing; the others take it for ended. */
  freeze (process: string): void {
    this.#frozen.set(process, [])
    this.#tell()
  }

  /** It goes on. */
  thaw (process: string): void {
    const waiting = this.#frozen.get(process) ?? []
    this.#frozen.delete(process)
    this.join(process)
    for (const deliver of waiting) deliver()
  }

  /** A process tells all that it knows to one that knows nothing. */
  async ask (process: string): Promise<readonly ChannelEvent[]> {
    this.cut(process)
    this.log = new ChannelLog()
    this.join(process)
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    return this.log.events()
  }

  #deliver (process: string, deliver: () => void): void {
    const frozen = this.#frozen.get(process)
    if (frozen !== undefined) frozen.push(deliver)
    else if (this.#held === undefined) deliver()
    else this.#held.push(deliver)
  }

  #presence (process: string): ChannelPresence {
    const members = this.#joined.map(({ process }) => process)
    const there = members.filter(member => !this.#cut.has(member) && !this.#frozen.has(member))
    return { process, members: this.#cut.has(process) ? members : there, connected: !this.#cut.has(process) && there.includes(process) }
  }

  #tell (): void {
    for (const { process, onPresence } of [...this.#joined]) if (!this.#frozen.has(process)) onPresence?.(this.#presence(process))
  }
}
