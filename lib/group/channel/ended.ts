import { systemTimers } from '../../runtime/timers.ts'
import { isOf, isOfProcess, PROCESS_KEYS } from './values.ts'
import type { ChannelEvent } from '../../../types/channel.ts'

/** Whoever is not there so many milliseconds later has ended. What it says may be heard sooner than that it is there. */
const GRACE = 2000
/** So long, in milliseconds, those hear of a removal who could not be reached. */
const REMOVAL_KEPT = 60_000

/** What is needed of this process's part in a group. */
interface EndedOwner {
  /** It is for this process to remove what is said of others, and they hear of it. */
  readonly removes: boolean
  /** The processes that live. */
  readonly living: readonly string[]
  /** What is known, of all keys that begin like this. */
  events (prefix: string): readonly ChannelEvent[]
  say (key: string, value: unknown, milliseconds: number): unknown
}

/** Removes what processes have said of themselves when they have ended. A removal is an event as any other, and is soon forgotten itself. */
export class Ended {
  readonly #owner: EndedOwner
  #cancel: (() => void) | undefined
  /** Keys of processes that were not there when it was looked last. */
  #missed = new Set<string>()

  constructor (owner: EndedOwner) {
    this.#owner = owner
  }

  /** Somebody has come or gone, or this process leads from now on. */
  changed (): void {
    if (this.#owner.removes) this.#cancel ??= systemTimers.after(GRACE, () => this.#look())
  }

  /** Something was said by a process. */
  heard ({ key, value, process }: ChannelEvent): void {
    if (value !== null && isOfProcess(key) && !this.#owner.living.includes(process)) this.changed()
  }

  /** This process goes itself. */
  leave (process: string): void {
    this.stop()
    for (const key of this.#keys(key => isOf(key, process))) this.#remove(key)
  }

  stop (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#missed.clear()
  }

  #look (): void {
    this.#cancel = undefined
    const missed = new Set<string>()
    if (this.#owner.removes) {
      const { living } = this.#owner
      for (const key of this.#keys(key => !living.some(process => isOf(key, process)))) {
        if (this.#missed.has(key)) this.#remove(key)
        else missed.add(key)
      }
    }
    this.#missed = missed
    if (missed.size > 0) this.changed()
  }

  #keys (check: (key: string) => boolean): string[] {
    return Object.keys(PROCESS_KEYS).flatMap(kind => this.#owner.events(`${kind} `))
      .filter(({ key, value }) => value !== null && check(key)).map(({ key }) => key)
  }

  #remove (key: string): void {
    this.#owner.say(key, null, REMOVAL_KEPT)
  }
}
