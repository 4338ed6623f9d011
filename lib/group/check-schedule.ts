import { systemTimers, type Timers } from '../runtime/timers.ts'

export interface ScheduleOptions<T> {
  /** Milliseconds from one check of a member to its next. */
  readonly interval: number
  /** Each check is late by a random time of up to so many milliseconds. */
  readonly jitter: number
  readonly timers?: Timers
  readonly random?: () => number
  check (member: T): void
}

interface Place {
  /** When the next check is due, jitter aside. */
  at: number
  cancel: (() => void) | undefined
}

/** Shares of the interval that are this far apart, one after the other, divide it more evenly than others, however many there are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2
/** The members of all groups divide one interval; where they begin differs from process to process. */
let places = Math.floor(Math.random() * 1000)

/**
 * When members are checked: each once in every interval, all of them spread over it, those that come later too. Checks begin at
 * least a third of the mean distance apart, also where jitter, or a process that stood still, would bring them together.
 */
export class CheckSchedule<T> {
  readonly #options: ScheduleOptions<T>
  readonly #timers: Timers
  readonly #random: () => number
  readonly #members = new Map<T, Place>()
  /** The next check begins no earlier. */
  #free = -Infinity

  constructor (options: ScheduleOptions<T>) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#random = options.random ?? Math.random
  }

  /** @param soon its first check is as soon as those of the others leave room for it */
  add (member: T, soon = false): void {
    if (this.#members.has(member)) return
    const { interval } = this.#options
    const now = this.#timers.now()
    // The phases are those of the clock: the members of several groups are spread, too.
    const place: Place = { at: now - now % interval + (places++ * GOLDEN % 1) * interval, cancel: undefined }
    this.#members.set(member, place)
    if (soon) this.#hurry(member, place)
    else this.#plan(member, place)
  }

  /** Checks a member as soon as the checks of the others leave room for it. */
  hurry (member: T): void {
    const place = this.#members.get(member)
    place?.cancel?.()
    if (place !== undefined) this.#hurry(member, place)
  }

  remove (member: T): void {
    this.#members.get(member)?.cancel?.()
    this.#members.delete(member)
  }

  stop (): void {
    for (const member of [...this.#members.keys()]) this.remove(member)
  }

  #hurry (member: T, place: Place): void {
    const { interval } = this.#options
    // Its own turn comes as ever.
    place.at -= Math.ceil((place.at - this.#timers.now()) / interval) * interval
    place.cancel = this.#timers.after(0, () => this.#due(member, place))
  }

  #plan (member: T, place: Place): void {
    const { interval, jitter } = this.#options
    const now = this.#timers.now()
    if (place.at <= now) place.at += Math.ceil((now - place.at) / interval) * interval
    const late = jitter > 0 ? this.#random() * jitter : 0
    place.cancel = this.#timers.after(place.at - now + late, () => this.#due(member, place))
  }

  #due (member: T, place: Place): void {
    const now = this.#timers.now()
    const begin = Math.max(now, this.#free)
    this.#free = begin + this.#options.interval / (3 * this.#members.size)
    if (begin === now) this.#check(member, place)
    else place.cancel = this.#timers.after(begin - now, () => this.#check(member, place))
  }

  #check (member: T, place: Place): void {
    place.at += this.#options.interval
    this.#plan(member, place)
    this.#options.check(member)
  }
}
