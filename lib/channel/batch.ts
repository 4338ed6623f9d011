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

  /** What was to be sent at the end of this turn is for the caller to send. */
  take (): ChannelEvent[] {
    const events = this.#events
    this.#events = []
    return events
  }

  #flush (): void {
    const events = this.take()
    if (events.length > 0) this.#send(events)
  }
}
