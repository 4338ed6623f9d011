import { outside } from '../runtime/context.ts'
import type { ChannelEvent } from '../../types/channel.ts'

/** Events of one turn of the loop go together. */
export class Batch {
  readonly #send: (events: ChannelEvent[]) => void
  #events: ChannelEvent[] = []

  constructor (send: (events: ChannelEvent[]) => void) {
    this.#send = send
  }

  add (event: ChannelEvent): void {
    this.#events.push(event)
    if (this.#events.length === 1) outside(() => setImmediate(() => this.#flush()))
  }

  #flush (): void {
    const events = this.#events
    this.#events = []
    this.#send(events)
  }
}
