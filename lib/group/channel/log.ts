import type { ChannelEvent } from '../../../types/channel.ts'

/** After so many new events those that are no longer needed are looked for. */
const SWEEP = 1000

/** The latest event of each key. Merged in any order, and any number of times, the same events make the same log. */
export class ChannelLog {
  readonly #now: () => number
  readonly #events = new Map<string, ChannelEvent>()
  #clock = 0
  #fresh = 0

  /** @param now the time of day, in milliseconds */
  constructor (now: () => number = Date.now) {
    this.#now = now
  }

  get size (): number {
    return this.#events.size
  }

  /** A clock for an event of this process: later than all that it has heard of. */
  tick (): number {
    this.#clock = Math.max(this.#clock + 1, this.#now())
    return this.#clock
  }

  /** Takes an event in. False if what is known already holds against it, or nobody needs it any more. */
  merge (event: ChannelEvent): boolean {
    // Also of one that is too late: what this process says next comes after it.
    this.#clock = Math.max(this.#clock, event.clock)
    const key = keyOf(event.group, event.key)
    const known = this.#events.get(key)
    // One that is over holds against nothing, whether it was forgotten yet or not.
    if (known !== undefined && !isLater(event, known) && !this.#isOver(known)) return false
    if (this.#isOver(event)) {
      // A removal has its effect, however late it is heard of.
      return this.#events.delete(key) && event.value === null
    }
    this.#events.set(key, event)
    this.#fresh += 1
    if (this.#fresh >= SWEEP && this.#fresh >= this.#events.size / 2) this.sweep()
    return true
  }

  get (group: string, key: string): ChannelEvent | undefined {
    return this.#events.get(keyOf(group, key))
  }

  /** The events that are needed, of all keys that begin like this, in the order in which they hold. */
  events (prefix = ''): ChannelEvent[] {
    return [...this.#events.values()].filter(event => event.key.startsWith(prefix) && !this.#isOver(event)).sort(inOrder)
  }

  /** Forgets what is no longer needed. */
  sweep (): void {
    this.#fresh = 0
    for (const [key, event] of this.#events) if (this.#isOver(event)) this.#events.delete(key)
  }

  #isOver ({ until }: ChannelEvent): boolean {
    return until !== undefined && until <= this.#now()
  }
}

/** Whether an event holds against another one of its key. */
export function isLater (event: Pick<ChannelEvent, 'clock' | 'process'>, other: Pick<ChannelEvent, 'clock' | 'process'>): boolean {
  return event.clock > other.clock || (event.clock === other.clock && event.process > other.process)
}

function inOrder (one: ChannelEvent, other: ChannelEvent): number {
  if (isLater(one, other)) return 1
  if (isLater(other, one)) return -1
  return keyOf(one.group, one.key) > keyOf(other.group, other.key) ? 1 : -1
}

/** Whether something that came from elsewhere is an event. */
export function isEvent (value: unknown): value is ChannelEvent {
  return typeof value === 'object' && value !== null &&
    'group' in value && typeof value.group === 'string' &&
    'key' in value && typeof value.key === 'string' && 'value' in value &&
    'clock' in value && Number.isSafeInteger(value.clock) &&
    'process' in value && typeof value.process === 'string' &&
    (!('until' in value) || typeof value.until === 'number')
}

function keyOf (group: string, key: string): string {
  return `${group}\0${key}`
}
