import { outside } from '../runtime/context.ts'
import type { ChannelEvent, ChannelPresence } from '../../types/channel.ts'

interface Listener {
  readonly onEvent: (event: ChannelEvent) => void
  readonly onPresence: ((presence: ChannelPresence) => void) | undefined
}

/** Who has subscribed to a channel in this process. */
export class Listeners {
  readonly #listeners = new Set<Listener>()

  get size (): number {
    return this.#listeners.size
  }

  /** Returns what ends it. */
  add (onEvent: Listener['onEvent'], onPresence: Listener['onPresence']): () => void {
    const listener = { onEvent, onPresence }
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  /** What a listener throws is an uncaught exception, and no failure of the channel. */
  event (event: ChannelEvent): void {
    for (const { onEvent } of [...this.#listeners]) attempt(() => onEvent(event))
  }

  presence (presence: ChannelPresence): void {
    for (const { onPresence } of [...this.#listeners]) if (onPresence !== undefined) attempt(() => onPresence(presence))
  }
}

function attempt (work: () => void): void {
  try {
    outside(work)
  } catch (error) {
    process.nextTick(() => { throw error })
  }
}
