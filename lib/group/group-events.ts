import { APPLICATION_OUTPUT, APPLICATION_PROCESS, GROUP_BALANCE, GROUP_OPTIONS, GROUP_RESOLVE, SERVER_ADDED, SERVER_EDITED, SERVER_REMOVED, SERVER_STATE, SERVER_WEIGHT } from '../runtime/diagnostics.ts'
import { FST_SCGI_OPT_INVALID } from '../errors.ts'
import { show } from '../options/units.ts'
import type { GroupEvents } from '../../types/live.ts'

const CHANNELS: Channels = {
  state: SERVER_STATE,
  added: SERVER_ADDED,
  removed: SERVER_REMOVED,
  weight: SERVER_WEIGHT,
  edited: SERVER_EDITED,
  balance: GROUP_BALANCE,
  options: GROUP_OPTIONS,
  resolve: GROUP_RESOLVE,
  process: APPLICATION_PROCESS,
  output: APPLICATION_OUTPUT,
}

type Channels = { [E in keyof GroupEvents]: { readonly hasSubscribers: boolean, publish (event: GroupEvents[E]): void } }
type Listeners = { [E in keyof GroupEvents]: Set<(event: GroupEvents[E]) => void> }

/** Who is told of what happens to a group. */
export class GroupEmitter {
  readonly #listeners: Listeners = {
    state: new Set(),
    added: new Set(),
    removed: new Set(),
    weight: new Set(),
    edited: new Set(),
    balance: new Set(),
    options: new Set(),
    resolve: new Set(),
    process: new Set(),
    output: new Set(),
  }

  /** @throws FST_SCGI_OPT_INVALID */
  on<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): void {
    if (!Object.hasOwn(this.#listeners, event)) throw new FST_SCGI_OPT_INVALID('event', show(event), `one of ${Object.keys(this.#listeners).join(', ')}`)
    // Called at some later time it would end the process.
    if (typeof listener !== 'function') throw new FST_SCGI_OPT_INVALID('listener', show(listener), 'a function')
    this.#listeners[event].add(listener)
  }

  off<E extends keyof GroupEvents> (event: E, listener: (event: GroupEvents[E]) => void): void {
    this.#listeners[event].delete(listener)
  }

  /** `make` is asked for the event only where somebody listens. Never throws. */
  emit<E extends keyof GroupEvents> (event: E, make: () => GroupEvents[E]): void {
    const listeners = this.#listeners[event]
    const published = CHANNELS[event]
    if (listeners.size === 0 && !published.hasSubscribers) return
    const message = make()
    for (const listener of [...listeners]) {
      try {
        listener(message)
      } catch (error) {
        // As with diagnostics channels: a listener's failure is none of the request whose end is told here.
        process.nextTick(() => { throw error })
      }
    }
    if (published.hasSubscribers) published.publish(message)
  }
}
